//! The store that a configuration names: whoever uses one need not know which.

use std::future::Future;

#[cfg(feature = "bucket")]
use super::{BucketNotice, BucketStore, Fenced};
use super::{
    Clocks, Document, Error, Expect, FileLease, FileNotice, FileStore, Holder, Lease, Notice,
    Right, Store, Version,
};

/// Documents in a folder or in a bucket.
#[derive(Debug, Clone)]
pub enum AnyStore {
    /// In a folder.
    File(FileStore),
    /// In a bucket.
    #[cfg(feature = "bucket")]
    Bucket(BucketStore),
}

/// A right in either.
#[derive(Debug)]
pub enum AnyLease {
    /// A file's lock.
    File(FileLease),
    /// A document that is written again and again.
    #[cfg(feature = "bucket")]
    Bucket(Fenced<BucketStore>),
}

/// Tells of changes in either.
#[expect(missing_debug_implementations, reason = "the system's notice has none")]
pub enum AnyNotice {
    /// The system tells.
    File(FileNotice),
    /// It asks.
    #[cfg(feature = "bucket")]
    Bucket(BucketNotice),
}

/// The same question to whichever store it is.
macro_rules! either {
    ($self:expr, $kind:ident, $it:ident => $do:expr) => {
        match $self {
            $kind::File($it) => $do,
            #[cfg(feature = "bucket")]
            $kind::Bucket($it) => $do,
        }
    };
}

impl Store for AnyStore {
    type Lease = AnyLease;
    type Notice = AnyNotice;

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
        either!(self, AnyStore, store => store.get(key).await)
    }

    async fn put(&self, key: &str, content: &[u8], expect: Expect) -> Result<Version, Error> {
        either!(self, AnyStore, store => store.put(key, content, expect).await)
    }

    async fn renew(&self, key: &str, content: &[u8]) -> Result<(), Error> {
        either!(self, AnyStore, store => store.renew(key, content).await)
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        either!(self, AnyStore, store => store.remove(key).await)
    }

    async fn watch(&self, what: &str) -> AnyNotice {
        match self {
            AnyStore::File(store) => AnyNotice::File(store.watch(what).await),
            #[cfg(feature = "bucket")]
            AnyStore::Bucket(store) => AnyNotice::Bucket(store.watch(what).await),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        either!(self, AnyStore, store => store.list(prefix).await)
    }

    async fn all(&self, prefix: &str, most: usize) -> Result<Vec<Document>, Error> {
        either!(self, AnyStore, store => store.all(prefix, most).await)
    }

    async fn lease(&self, right: Right, holder: &Holder) -> Result<AnyLease, Error> {
        Ok(match self {
            AnyStore::File(store) => AnyLease::File(store.lease(right, holder).await?),
            #[cfg(feature = "bucket")]
            AnyStore::Bucket(store) => AnyLease::Bucket(store.lease(right, holder).await?),
        })
    }

    fn pace(&self) -> u32 {
        either!(self, AnyStore, store => store.pace())
    }

    fn clocks(&self) -> Clocks {
        either!(self, AnyStore, store => store.clocks())
    }

    fn describe(&self) -> String {
        either!(self, AnyStore, store => store.describe())
    }
}

impl Lease for AnyLease {
    async fn hold<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Error> {
        either!(self, AnyLease, lease => lease.hold(work).await)
    }

    async fn release(self) {
        either!(self, AnyLease, lease => lease.release().await);
    }
}

impl Notice for AnyNotice {
    async fn changed(&mut self) {
        either!(self, AnyNotice, notice => notice.changed().await);
    }
}
