//! Why a guard does not run.

use std::io;
use std::path::PathBuf;

use super::journal::Unusable;

/// What is in the way of a guard.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else is there, or it may not be listened on.
    #[error("the guard \"{guard}\" cannot listen at {place}")]
    Listen {
        /// Its label.
        guard: String,
        /// As it is written.
        place: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// What it would write to cannot be used.
    #[error("the guard \"{guard}\" has no journal at {}", path.display())]
    Journal {
        /// Its label.
        guard: String,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: Unusable,
    },
    /// Another process that has guards has this folder, or it cannot be written.
    #[error("no guard runs with the state folder {}", path.parent().unwrap_or(path).display())]
    State {
        /// What is locked in it.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("the guards cannot start")]
    Start(#[source] io::Error),
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Error::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "is the Redis itself there still? give it another port, or the guard".to_owned()
            }
            Error::Listen { .. } => {
                "see that the address is this machine's, and that it may be used".to_owned()
            }
            Error::Journal { source: Unusable::Taken, .. } => {
                "each guard has a journal of its own: give this one another `path`".to_owned()
            }
            Error::Journal { source: Unusable::Format, .. } => {
                "flush that Redis and remove the file, or start the version that wrote it".to_owned()
            }
            Error::Journal { source: Unusable::File(_), .. } => {
                "its folder has to be there, on a disk that stays, and this user has to be allowed to write there".to_owned()
            }
            Error::State { source, .. } if source.kind() == io::ErrorKind::WouldBlock => {
                "another `roadworks serve` runs guards with it: give each process its own by serve { state = \"..\" }"
                    .to_owned()
            }
            Error::State { .. } => "this user has to be allowed to write there".to_owned(),
            Error::Start(_) => "see how many threads this user may have".to_owned(),
        }
    }
}
