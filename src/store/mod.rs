//! Where the switch is written: small documents under keys, each write conditional on what was read.
//!
//! Guarantees of every store: a reader sees a whole document or none, never a torn one; of two writers that read
//! the same version, one wins; the lease is held by at most one living process. Never interprets what it keeps.

mod file;
mod memory;
mod notice;
mod site;

use std::future::Future;
use std::time::Duration;

pub use file::{FileLease, FileStore};
pub use memory::{MemoryLease, MemoryNotice, MemoryStore};
pub use notice::FileNotice;
pub use site::{SiteStore, encoded};

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
}

/// Tells that documents may have changed.
pub trait Notice {
    /// Comes back when a document was written or removed, and for nothing at least each [`POLL`]. Cancel safe, and no
    /// call that was dropped puts the next look off.
    fn changed(&mut self) -> impl Future<Output = ()>;
}

/// Documents under keys such as `switch.json` or `audit/<id>.json`.
pub trait Store {
    /// What keeps others from moving levers until it is dropped.
    type Lease;
    /// What tells of changes.
    type Notice: Notice;

    /// The document and its version, or `None` where nothing is written. Cancel safe.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<(Vec<u8>, Version)>, Error>>;

    /// Writes the document if `expect` holds, else [`Error::Moved`]. Either whole or not at all.
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

    /// Tells of changes of the documents in the folder `prefix` (empty, or one that ends in `/`), from now on.
    fn watch(&self, prefix: &str) -> impl Future<Output = Self::Notice>;

    /// The keys that start with `prefix`, sorted. Cancel safe.
    fn list(&self, prefix: &str) -> impl Future<Output = Result<Vec<String>, Error>>;

    /// A right, for as long as the lease lives: in the store's own way it ends with the process, so
    /// a crash never leaves it behind. `holder` is what others are told; [`Error::Leased`] tells us who holds it.
    fn lease(&self, right: Right, holder: &str)
    -> impl Future<Output = Result<Self::Lease, Error>>;

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

impl Error {
    /// The next step for a person.
    pub fn hint(&self) -> String {
        match self {
            Error::Moved { .. } => {
                "run `roadworks status` to see who moved it, then try again".to_owned()
            }
            Error::Leased { .. } => {
                "wait for it to end, `roadworks status` shows how far it is, then try again".to_owned()
            }
            Error::Unavailable { place, .. } => {
                format!("check that {place} exists and that you may write there")
            }
            Error::Unreadable { .. } => {
                "it was written by a newer Roadworks or by hand: update Roadworks, or put the file right"
                    .to_owned()
            }
        }
    }
}

#[cfg(test)]
mod conforms {
    //! What every store must do, run by each.

    use super::*;

    /// Runs the suite on an empty store.
    pub(super) fn conforms<S: Store>(store: &S) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            a_document_reads_back_and_only_the_reader_of_its_version_may_replace_it(store).await;
            what_must_be_absent_is_written_once(store).await;
            keys_are_listed_by_prefix_in_order(store).await;
            one_process_at_a_time_holds_a_right(store).await;
            what_is_renewed_or_removed_is_read_so(store).await;
            whoever_watches_is_told_of_a_write(store).await;
            a_document_over_the_limit_is_refused(store).await;
        });
    }

    async fn a_document_reads_back_and_only_the_reader_of_its_version_may_replace_it<S: Store>(
        store: &S,
    ) {
        assert_eq!(store.get("switch.json").await.unwrap(), None);
        let first = store.put("switch.json", b"one", Expect::Absent).await.unwrap();
        assert_eq!(store.get("switch.json").await.unwrap(), Some((b"one".to_vec(), first.clone())));
        let second = store.put("switch.json", b"two", Expect::At(first.clone())).await.unwrap();
        let late = store.put("switch.json", b"three", Expect::At(first)).await;
        assert!(matches!(late, Err(Error::Moved { .. })), "{late:?}");
        assert_eq!(store.get("switch.json").await.unwrap(), Some((b"two".to_vec(), second)));
        store.put("switch.json", b"four", Expect::Anything).await.unwrap();
        let gone = store.put("never.json", b"x", Expect::At(Version("none".to_owned()))).await;
        assert!(matches!(gone, Err(Error::Moved { .. })), "{gone:?}");
    }

    async fn what_must_be_absent_is_written_once<S: Store>(store: &S) {
        store.put("audit/a.json", b"{}", Expect::Absent).await.unwrap();
        let again = store.put("audit/a.json", b"{}", Expect::Absent).await;
        assert!(matches!(again, Err(Error::Moved { .. })), "{again:?}");
    }

    async fn keys_are_listed_by_prefix_in_order<S: Store>(store: &S) {
        store.put("audit/c.json", b"{}", Expect::Absent).await.unwrap();
        store.put("audit/b.json", b"{}", Expect::Absent).await.unwrap();
        let keys = store.list("audit/").await.unwrap();
        assert_eq!(keys, ["audit/a.json", "audit/b.json", "audit/c.json"]);
        assert_eq!(store.list("gateways/").await.unwrap(), Vec::<String>::new());
    }

    async fn one_process_at_a_time_holds_a_right<S: Store>(store: &S) {
        let held = store.lease(Right::Move, "ana@laptop").await.unwrap();
        match store.lease(Right::Move, "ben@laptop").await {
            Err(Error::Leased { holder }) => assert_eq!(holder, "ana@laptop"),
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("two hold the lease"),
        }
        store.lease(Right::Lead, "agent").await.unwrap();
        drop(held);
        store.lease(Right::Move, "ben@laptop").await.unwrap();
    }

    async fn what_is_renewed_or_removed_is_read_so<S: Store>(store: &S) {
        store.renew("gateways/a.json", b"one").await.unwrap();
        store.renew("gateways/a.json", b"two").await.unwrap();
        assert_eq!(store.get("gateways/a.json").await.unwrap().unwrap().0, b"two");
        store.remove("gateways/a.json").await.unwrap();
        store.remove("gateways/a.json").await.unwrap();
        assert_eq!(store.get("gateways/a.json").await.unwrap(), None);
    }

    async fn whoever_watches_is_told_of_a_write<S: Store>(store: &S) {
        let mut notice = store.watch("").await;
        store.put("watched.json", b"new", Expect::Anything).await.unwrap();
        tokio::time::timeout(POLL / 2, notice.changed()).await.expect("told before it polls");
        let nothing = tokio::time::timeout(POLL / 4, async {
            // One write may be told several times, but not for ever.
            for _ in 0..8 {
                notice.changed().await;
            }
        });
        assert!(nothing.await.is_err(), "nothing was written");
        tokio::time::timeout(POLL * 5, notice.changed()).await.expect("it polls");
        // Whoever asks anew more often, since it has more to do than to wait, is told too.
        let mut asked = 0;
        while tokio::time::timeout(POLL / 4, notice.changed()).await.is_err() {
            asked += 1;
            assert!(asked < 8, "each question puts the next look off");
        }
    }

    async fn a_document_over_the_limit_is_refused<S: Store>(store: &S) {
        let large = vec![b' '; LARGEST + 1];
        assert!(store.put("large.json", &large, Expect::Absent).await.is_err());
        assert_eq!(store.get("large.json").await.unwrap(), None);
    }
}
