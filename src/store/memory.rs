//! A store in memory, for tests: the same answers as the others, gone with the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Error, Expect, LARGEST, Store, Version};

/// Documents in a map. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    documents: BTreeMap<String, (Vec<u8>, u64)>,
    writes: u64,
    holder: Option<String>,
}

/// Held until it is dropped.
#[derive(Debug)]
pub struct MemoryLease(Arc<Mutex<Contents>>);

impl Drop for MemoryLease {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).holder = None;
    }
}

impl MemoryStore {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    type Lease = MemoryLease;

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
        let found = self.contents().documents.get(key).cloned();
        Ok(found.map(|(content, write)| (content, Version(write.to_string()))))
    }

    async fn put(&self, key: &str, content: &[u8], expect: Expect) -> Result<Version, Error> {
        if content.len() > LARGEST {
            return Err(Error::Unreadable {
                key: key.to_owned(),
                place: self.describe(),
                why: "too large".to_owned(),
            });
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
        Ok(Version(write.to_string()))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let contents = self.contents();
        Ok(contents.documents.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }

    async fn lease(&self, holder: &str) -> Result<MemoryLease, Error> {
        let mut contents = self.contents();
        if let Some(holder) = &contents.holder {
            return Err(Error::Leased { holder: holder.clone() });
        }
        contents.holder = Some(holder.to_owned());
        Ok(MemoryLease(self.0.clone()))
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_conforms() {
        super::super::conforms::conforms(&MemoryStore::default());
    }
}
