//! A store in memory, for tests: the same answers as the others, gone with the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Clocks, Error, Expect, Holder, LARGEST, Lease, Notice, POLL, Right, Store, Version};
use crate::clock;

/// Documents in a map. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    documents: BTreeMap<String, (Vec<u8>, u64)>,
    writes: u64,
    moving: Option<String>,
    leading: Option<String>,
    running: Option<String>,
    written: watch::Sender<()>,
}

impl Contents {
    fn holder(&mut self, right: Right) -> &mut Option<String> {
        match right {
            Right::Move => &mut self.moving,
            Right::Lead => &mut self.leading,
            Right::Run => &mut self.running,
        }
    }
}

/// Held until it is dropped.
#[derive(Debug)]
pub struct MemoryLease(Arc<Mutex<Contents>>, Right);

/// Tells of every write.
#[derive(Debug)]
pub struct MemoryNotice {
    written: watch::Receiver<()>,
    look: Instant,
}

impl Notice for MemoryNotice {
    async fn changed(&mut self) {
        drop(tokio::time::timeout_at(self.look, self.written.changed()).await);
        self.look = clock::monotonic() + POLL;
    }
}

impl Lease for MemoryLease {
    async fn hold<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Error> {
        Ok(work.await)
    }

    async fn release(self) {}
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).holder(self.1) = None;
    }
}

impl MemoryStore {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    type Lease = MemoryLease;
    type Notice = MemoryNotice;

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
        let found = self.contents().documents.get(key).cloned();
        Ok(found.map(|(content, write)| (content, Version(write.to_string()))))
    }

    async fn put(&self, key: &str, content: &[u8], expect: Expect) -> Result<Version, Error> {
        if content.len() > LARGEST {
            return Err(Error::too_large(key, self.describe()));
        }
        let mut contents = self.contents();
        let now = contents.documents.get(key).map(|(_, write)| Version(write.to_string()));
        let holds = match expect {
            Expect::Absent => now.is_none(),
            Expect::At(version) => now == Some(version),
            Expect::Anything => true,
        };
        if !holds {
            return Err(Error::Moved { key: key.to_owned() });
        }
        contents.writes += 1;
        let write = contents.writes;
        contents.documents.insert(key.to_owned(), (content.to_vec(), write));
        contents.written.send_replace(());
        Ok(Version(write.to_string()))
    }

    async fn renew(&self, key: &str, content: &[u8]) -> Result<(), Error> {
        self.put(key, content, Expect::Anything).await.map(drop)
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        let mut contents = self.contents();
        contents.documents.remove(key);
        contents.written.send_replace(());
        Ok(())
    }

    async fn watch(&self, _prefix: &str) -> MemoryNotice {
        MemoryNotice {
            written: self.contents().written.subscribe(),
            look: clock::monotonic() + POLL,
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let contents = self.contents();
        Ok(contents.documents.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }

    async fn lease(&self, right: Right, holder: &Holder) -> Result<MemoryLease, Error> {
        let mut contents = self.contents();
        if let Some(holder) = contents.holder(right) {
            return Err(Error::Leased { holder: holder.clone() });
        }
        *contents.holder(right) = Some(holder.name.clone());
        Ok(MemoryLease(self.0.clone(), right))
    }

    fn pace(&self) -> u32 {
        1
    }

    fn clocks(&self) -> Clocks {
        Clocks::One
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}
