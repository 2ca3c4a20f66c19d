//! Where the switch is written: small documents under keys, each write conditional on what was read.
//!
//! Guarantees of every store: a reader sees a whole document or none, never a torn one; of two writers that read
//! the same version, one wins; the lease is held by at most one living process. Never interprets what it keeps.

mod any;
#[cfg(feature = "bucket")]
pub mod bucket;
#[cfg(feature = "bucket")]
mod fenced;
mod file;
mod lease;
mod memory;
mod notice;
mod site;

use std::future::Future;
use std::time::Duration;

pub use any::{AnyLease, AnyNotice, AnyStore};
#[cfg(feature = "bucket")]
pub use bucket::{BucketNotice, BucketStore};
#[cfg(feature = "bucket")]
pub use fenced::Fenced;
pub use file::{FileLease, FileStore};
pub use lease::{Awaited, Held, Holder, Lease};
pub use memory::{MemoryLease, MemoryNotice, MemoryStore};
pub use notice::FileNotice;
pub use site::{Listeners, SiteStore, encoded};

/// The largest document a store takes or gives, in bytes.
pub const LARGEST: usize = 8 << 20;

/// How late a change is noticed where nobody tells of it.
pub const POLL: Duration = Duration::from_secs(1);

/// Which content of a document was read. Opaque; equal only for the same content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(String);

/// What must be so for a write to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Nothing is written under the key yet.
    Absent,
    /// The key holds what was read.
    At(Version),
    /// Whatever is there is replaced.
    Anything,
}

/// What one living process at a time may do with a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Move its levers: an operation long.
    Move,
    /// Be its agent: keep ends, finish what was cut short.
    Lead,
    /// Run a command while visitors are kept out: nobody lets them back before it has ended.
    Run,
}

/// A document's key, content and version.
pub type Document = (String, Vec<u8>, Version);

/// Whose clocks tell when documents were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clocks {
    /// All read the same one: they are on one machine.
    One,
    /// Each its own, which may be minutes wrong.
    Many,
}

/// Tells that documents may have changed.
pub trait Notice {
    /// Comes back when a document was written or removed, and for nothing at least each [`POLL`]. Cancel safe, and no
    /// call that was dropped puts the next look off.
    fn changed(&mut self) -> impl Future<Output = ()>;
}

/// Documents under keys such as `switch.json` or `audit/<id>.json`.
pub trait Store {
    /// What keeps others from moving levers until it is given back.
    type Lease: Lease;
    /// What tells of changes.
    type Notice: Notice;

    /// The document and its version, or `None` where nothing is written. Cancel safe.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<(Vec<u8>, Version)>, Error>>;

    /// Writes the document if `expect` holds, else [`Error::Moved`]. Either whole or not at all. Contents that two writers could
    /// both write need something of their own in them: what stands there already may be taken for what was written.
    fn put(
        &self,
        key: &str,
        content: &[u8],
        expect: Expect,
    ) -> impl Future<Output = Result<Version, Error>>;

    /// Writes the document over whatever is there, whole, but perhaps lost in a crash of the machine: for what is
    /// written again in a second.
    fn renew(&self, key: &str, content: &[u8]) -> impl Future<Output = Result<(), Error>>;

    /// Takes the document away, if it is there.
    fn remove(&self, key: &str) -> impl Future<Output = Result<(), Error>>;

    /// Tells of changes of the document `what`, or of those in the folder `what` that ends in `/`, from now on.
    fn watch(&self, what: &str) -> impl Future<Output = Self::Notice>;

    /// The keys that start with `prefix`, sorted. Cancel safe.
    fn list(&self, prefix: &str) -> impl Future<Output = Result<Vec<String>, Error>>;

    /// The documents of the folder `prefix`, which ends in `/`, sorted by key, at most `most`. Cancel safe.
    fn all(&self, prefix: &str, most: usize) -> impl Future<Output = Result<Vec<Document>, Error>> {
        async move {
            let mut documents = Vec::new();
            for key in self.list(prefix).await?.into_iter().take(most) {
                // One may be taken away meanwhile.
                let found = self.get(&key).await?;
                documents.extend(found.map(|(content, version)| (key, content, version)));
            }
            Ok(documents)
        }
    }

    /// A right, until the lease is given back. A crash never leaves it behind for long: it ends with the process, or counts as
    /// dead once that is silent. [`Error::Leased`] tells who holds it.
    fn lease(
        &self,
        right: Right,
        holder: &Holder,
    ) -> impl Future<Output = Result<Self::Lease, Error>>;

    /// Whoever says that it lives says so every so many seconds where nothing changes.
    fn pace(&self) -> u32;

    /// Whether all who write here read one clock, that of this machine. Else theirs may be minutes wrong, as ours may.
    fn clocks(&self) -> Clocks;

    /// Where it is, for a person.
    fn describe(&self) -> String;
}

/// What a store can answer instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody wrote in between.
    #[error("`{key}` was written by somebody else since it was read")]
    Moved {
        /// The document.
        key: String,
    },
    /// Somebody else moves levers now.
    #[error("{holder} is moving this site now")]
    Leased {
        /// Who.
        holder: String,
    },
    /// It cannot be read or written.
    #[error("the store at {place} cannot be {doing}")]
    Unavailable {
        /// Where the store is.
        place: String,
        /// `read`, `written` or `locked`.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A write was sent, and no answer says what became of it: it may be made, or be made yet.
    #[error("`{key}` may have been written to the store at {place}: no answer says whether it was")]
    Unknown {
        /// The document.
        key: String,
        /// Where the store is.
        place: String,
        /// What was seen instead of an answer.
        #[source]
        source: std::io::Error,
    },
    /// It holds what this program cannot read.
    #[error("`{key}` in the store at {place} cannot be understood: {why}")]
    Unreadable {
        /// The document.
        key: String,
        /// Where the store is.
        place: String,
        /// What is the matter with it.
        why: String,
    },
}

/// What AWS's credentials or its answer are the matter with.
#[cfg(feature = "bucket")]
fn of_aws(source: &std::io::Error) -> Option<&crate::aws::Error> {
    source.get_ref()?.downcast_ref()
}

impl Error {
    /// A document of more than [`LARGEST`] bytes.
    fn too_large(key: &str, place: String) -> Error {
        let why = format!("it is larger than {LARGEST} bytes");
        Error::Unreadable { key: key.to_owned(), place, why }
    }

    /// Whether it is about who asks: nobody is let in, or nobody is known.
    pub fn is_about_credentials(&self) -> bool {
        match self {
            #[cfg(feature = "bucket")]
            Error::Unavailable { source, .. } => {
                matches!(of_aws(source), Some(crate::aws::Error::Credentials { .. }))
            }
            _ => false,
        }
    }

    /// The next step for a person.
    pub fn hint(&self) -> String {
        match self {
            Error::Moved { .. } => {
                "run `roadworks status` to see who moved it, then try again".to_owned()
            }
            Error::Leased { .. } => {
                "wait for it to end, `roadworks status` shows how far it is, then try again".to_owned()
            }
            #[cfg(feature = "bucket")]
            Error::Unavailable { source, .. } if of_aws(source).is_some() => {
                of_aws(source).map(crate::aws::Error::hint).unwrap_or_default()
            }
            Error::Unavailable { place, .. } => {
                format!("check that {place} exists and that you may write there")
            }
            Error::Unknown { .. } => {
                "run `roadworks status` to see whether it was, then the same command again"
                    .to_owned()
            }
            Error::Unreadable { .. } => {
                "it was written by a newer Roadworks or by hand: update Roadworks, or put the file right"
                    .to_owned()
            }
        }
    }
}
