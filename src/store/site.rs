//! The documents of one site, as values.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Clocks, Error, Expect, Held, Holder, Right, Store, Version, lease};
use crate::switch::{FORMAT, Switch};

const SWITCH: &str = "switch.json";
/// More than a switch is ever written: one that counts further was not written by us, and could not count on.
const MOST_WRITES: u64 = 1 << 53;
const AUDIT: &str = "audit/";

/// Whether anybody is to be told of what is appended to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listeners {
    /// Nobody is.
    None,
    /// Somebody is, by a notice beside the entry.
    Some,
}

/// A store, seen as the documents of one site. A clone speaks of the same.
#[derive(Debug, Clone)]
pub struct SiteStore<S> {
    store: S,
    listened_to: Arc<AtomicBool>,
}

impl<S: Store> SiteStore<S> {
    /// The site whose documents are `store`'s.
    pub fn new(store: S) -> SiteStore<S> {
        SiteStore { store, listened_to: Arc::default() }
    }

    /// Whether anybody is to be told from now on: nobody, unless that is said.
    pub fn set_listeners(&self, listeners: Listeners) {
        self.listened_to.store(listeners == Listeners::Some, Ordering::Relaxed);
    }

    /// Whether anybody is to be told.
    pub fn listeners(&self) -> Listeners {
        if self.listened_to.load(Ordering::Relaxed) { Listeners::Some } else { Listeners::None }
    }

    /// The switch and its version; `None` where it was never written, which means `open`. Cancel safe.
    pub async fn switch(&self) -> Result<Option<(Switch, Version)>, Error> {
        let Some((switch, version)) = self.document::<Switch>(SWITCH).await? else {
            return Ok(None);
        };
        if switch.format > FORMAT {
            return Err(self.unreadable(SWITCH, format!("its format is {}", switch.format)));
        }
        if switch.version >= MOST_WRITES {
            return Err(
                self.unreadable(SWITCH, "its version is beyond any that was written".to_owned())
            );
        }
        Ok(Some((switch, version)))
    }

    /// Writes the switch if it still is what was read.
    pub async fn write_switch(
        &self,
        switch: &Switch,
        read: Option<&Version>,
    ) -> Result<Version, Error> {
        let expect = read.map_or(Expect::Absent, |version| Expect::At(version.clone()));
        self.write(SWITCH, switch, expect).await
    }

    /// The right to move this site's levers.
    pub async fn lease(&self, holder: &Holder) -> Result<S::Lease, Error> {
        self.store.lease(Right::Move, holder).await
    }

    /// The right to be this site's agent.
    pub async fn lead(&self, holder: &Holder) -> Result<S::Lease, Error> {
        self.store.lease(Right::Lead, holder).await
    }

    /// The right to run a command while visitors are kept out.
    pub async fn run(&self, holder: &Holder) -> Result<S::Lease, Error> {
        self.store.lease(Right::Run, holder).await
    }

    /// Who has `right` to lead this site or to run a command, as it told of itself last.
    pub async fn has(&self, right: Right) -> Result<Option<Held>, Error> {
        let held = self.document::<Held>(lease::key(right)).await?;
        Ok(held.map(|(held, _)| held).filter(|held| !held.released))
    }

    /// Tells of changes of the switch, from now on.
    pub async fn watch_switch(&self) -> S::Notice {
        self.store.watch(SWITCH).await
    }

    /// Tells of changes of the documents in the folder `prefix`, which ends in `/`, from now on.
    pub async fn watch(&self, prefix: &str) -> S::Notice {
        self.store.watch(prefix).await
    }

    /// Whoever says that it lives says so every so many seconds where nothing changes.
    pub fn pace(&self) -> u32 {
        self.store.pace()
    }

    /// Whether all who write here read one clock, that of this machine.
    pub fn clocks(&self) -> Clocks {
        self.store.clocks()
    }

    /// The keys of the documents in the folder `prefix`, sorted. Cancel safe.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let mut keys = self.store.list(prefix).await?;
        keys.retain(|key| is_json(key));
        Ok(keys)
    }

    /// Writes a document that is written again in a second: whole, but perhaps lost in a crash of the machine.
    pub async fn renew<T: Serialize>(&self, key: &str, document: &T) -> Result<(), Error> {
        let content = serde_json::to_vec(document)
            .map_err(|error| self.unreadable(key, error.to_string()))?;
        self.store.renew(key, &content).await
    }

    /// Takes a document away, if it is there.
    pub async fn remove(&self, key: &str) -> Result<(), Error> {
        self.store.remove(key).await
    }

    /// A document under `key`, or `None`. Cancel safe.
    pub async fn document<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<(T, Version)>, Error> {
        let Some((content, version)) = self.store.get(key).await? else { return Ok(None) };
        match serde_json::from_slice(&content) {
            Ok(document) => Ok(Some((document, version))),
            Err(error) => Err(self.unreadable(key, error.to_string())),
        }
    }

    /// The documents of the folder `prefix`, which ends in `/`, at most `most`, and those that cannot be understood. Cancel
    /// safe.
    pub async fn documents<T: DeserializeOwned>(
        &self,
        prefix: &str,
        most: usize,
    ) -> Result<(Vec<T>, Vec<Error>), Error> {
        let (mut documents, mut torn) = (Vec::new(), Vec::new());
        for (key, content, _) in self.store.all(prefix, most).await? {
            if !is_json(&key) {
                continue;
            }
            match serde_json::from_slice(&content) {
                Ok(document) => documents.push(document),
                Err(error) => torn.push(self.unreadable(&key, error.to_string())),
            }
        }
        Ok((documents, torn))
    }

    /// Writes a document.
    pub async fn write<T: Serialize>(
        &self,
        key: &str,
        document: &T,
        expect: Expect,
    ) -> Result<Version, Error> {
        let mut content = serde_json::to_vec_pretty(document)
            .map_err(|error| self.unreadable(key, error.to_string()))?;
        content.push(b'\n');
        self.store.put(key, &content, expect).await
    }

    /// Adds an entry to the audit log; `id` sorts by time and is new.
    pub async fn append<T: Serialize>(&self, id: &str, entry: &T) -> Result<(), Error> {
        self.write(&format!("{AUDIT}{id}.json"), entry, Expect::Absent).await.map(drop)
    }

    /// Whether the audit log has the entry `id`. Cancel safe.
    pub async fn has_entry(&self, id: &str) -> Result<bool, Error> {
        Ok(self.store.get(&format!("{AUDIT}{id}.json")).await?.is_some())
    }

    /// The newest `limit` entries of the audit log, oldest first, and those that cannot be read: one torn entry must
    /// not hide the others. Cancel safe.
    pub async fn log<T: DeserializeOwned>(
        &self,
        limit: usize,
    ) -> Result<(Vec<T>, Vec<Error>), Error> {
        let keys = self.keys(AUDIT).await?;
        let newest = keys.get(keys.len().saturating_sub(limit)..).unwrap_or_default();
        let (mut entries, mut torn) = (Vec::with_capacity(newest.len()), Vec::new());
        for key in newest {
            match self.document(key).await {
                Ok(found) => entries.extend(found.map(|(entry, _)| entry)),
                Err(error) => torn.push(error),
            }
        }
        Ok((entries, torn))
    }

    /// Where it is, for a person.
    pub fn describe(&self) -> String {
        self.store.describe()
    }

    fn unreadable(&self, key: &str, why: String) -> Error {
        Error::Unreadable { key: key.to_owned(), place: self.store.describe(), why }
    }
}

fn is_json(key: &str) -> bool {
    Path::new(key).extension().is_some_and(|kind| kind == "json")
}

/// A name as one folder's name: what is not a letter, digit, `-`, `_` or an inner `.` becomes `%XX`.
pub fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => text.push(char::from(byte)),
            b'.' if index > 0 => text.push('.'),
            other => text.extend(['%', hex(other >> 4), hex(other & 15)]),
        }
    }
    text
}

/// A digit of a percent-encoded byte, upper case.
fn hex(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sites_name_cannot_lead_out_of_the_store() {
        assert_eq!(encoded("app.example.com"), "app.example.com");
        assert_eq!(encoded("../../etc"), "%2E.%2F..%2Fetc");
        assert_eq!(encoded(".."), "%2E.");
        assert_eq!(encoded("größe"), "gr%C3%B6%C3%9Fe");
    }
}
