//! Why the nameserver does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::zone::NotAZone;

/// What is in its way.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not ours.
    #[error("cannot listen at {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A thread or a runtime cannot be started.
    #[error("the nameserver cannot be started")]
    Start(#[source] io::Error),
    /// The zone's file.
    #[error("{} cannot be {doing}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// `read` or `written`.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The zone's file is none that this program wrote.
    #[error("{} is not a zone that this Roadworks wrote: {why}", path.display())]
    NotAZone {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The records of the configuration are no zone.
    #[error("the records of the configuration are no zone: {0}")]
    Records(NotAZone),
    /// The library takes no such key.
    #[error("the key {name} cannot be used")]
    Key {
        /// Its name.
        name: String,
    },
}

impl Error {
    /// The next step for a person.
    pub fn hint(&self) -> String {
        match self {
            Error::Listen { .. } => {
                "stop what listens there, or change `listen`; below 1024 a right is needed"
            }
            Error::Start(_) => "see how many threads and files this process may have",
            Error::File { .. } => "check the path and your rights on it",
            Error::NotAZone { .. } => {
                "put back a copy of it, or move it away: the zone then begins with the records of the configuration"
            }
            Error::Records(_) => "see the `record` blocks",
            Error::Key { .. } => "make a secret: openssl rand -base64 32",
        }
        .to_owned()
    }
}
