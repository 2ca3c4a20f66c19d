//! Why a gateway does not start, or does not take new settings. The one that runs never gets worse by it.

use std::io;
use std::net::SocketAddr;

use crate::net::tls;
use crate::page;

/// What is wrong. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error("{address} cannot be listened on")]
    Listen {
        /// Which one.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A site's certificate is no good.
    #[error("site \"{site}\": its certificate cannot be used")]
    Certificate {
        /// Whose.
        site: String,
        /// What is wrong with it.
        #[source]
        source: Box<tls::Error>,
    },
    /// A site's page does not compile.
    #[error("site \"{site}\": its page cannot be used")]
    Page {
        /// Whose.
        site: String,
        /// What is wrong with it.
        #[source]
        source: Box<page::Error>,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] Box<tls::Error>),
    /// An address has TLS for one site and none for another.
    #[error("{0} is listened on with TLS and without")]
    Mixed(SocketAddr),
    /// A core's thread or runtime cannot be started, or has ended.
    #[error("the work of a core cannot be started")]
    Core(#[source] io::Error),
    /// It is fixed when the process starts.
    #[error("`{0}` changes only at a restart")]
    Fixed(&'static str),
}

impl Error {
    /// The next step for a person.
    pub fn hint(&self) -> String {
        match self {
            Error::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "another process has it: `ss -ltnp` says which; a socket unit hands it over without a gap".to_owned()
            }
            Error::Listen { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "ports below 1024 need the right to them: AmbientCapabilities=CAP_NET_BIND_SERVICE, or a socket unit".to_owned()
            }
            Error::Listen { .. } => "take an address of this machine, or 0.0.0.0".to_owned(),
            Error::Certificate { source, .. } | Error::Tls(source) => source.hint(),
            Error::Page { source, .. } => source.hint(),
            Error::Mixed(_) => "give them different addresses".to_owned(),
            Error::Core(_) => "look at the limits of processes and files".to_owned(),
            Error::Fixed(key) => format!("restart, or leave `{key}` as it was"),
        }
    }
}
