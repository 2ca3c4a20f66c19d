//! The documents of one site, as values.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, Expect, Store, Version};
use crate::switch::{FORMAT, Switch};

const SWITCH: &str = "switch.json";
const AUDIT: &str = "audit/";

/// A store, seen as the documents of one site.
#[derive(Debug, Clone)]
pub struct SiteStore<S> {
    store: S,
}

impl<S: Store> SiteStore<S> {
    /// The site whose documents are `store`'s.
    pub fn new(store: S) -> SiteStore<S> {
        SiteStore { store }
    }

    /// The switch and its version; `None` where it was never written, which means `open`. Cancel safe.
    pub async fn switch(&self) -> Result<Option<(Switch, Version)>, Error> {
        let Some((switch, version)) = self.document::<Switch>(SWITCH).await? else {
            return Ok(None);
        };
        if switch.format > FORMAT {
            return Err(self.unreadable(SWITCH, format!("its format is {}", switch.format)));
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

    /// The right to move this site's levers until it is dropped.
    pub async fn lease(&self, holder: &str) -> Result<S::Lease, Error> {
        self.store.lease(holder).await
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

    /// The newest `limit` entries of the audit log, oldest first. Cancel safe.
    pub async fn log<T: DeserializeOwned>(&self, limit: usize) -> Result<Vec<T>, Error> {
        let keys = self.store.list(AUDIT).await?;
        let newest = keys.get(keys.len().saturating_sub(limit)..).unwrap_or_default();
        let mut entries = Vec::with_capacity(newest.len());
        for key in newest {
            if let Some((entry, _)) = self.document(key).await? {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// Where it is, for a person.
    pub fn describe(&self) -> String {
        self.store.describe()
    }

    fn unreadable(&self, key: &str, why: String) -> Error {
        Error::Unreadable { key: key.to_owned(), place: self.store.describe(), why }
    }
}
