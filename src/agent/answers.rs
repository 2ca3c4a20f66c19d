//! What the names said when they were read, kept in `pinned.json` beside the pinned targets: a TTL that somebody lowered a
//! moment ago does not count yet, and only who remembers the old one knows.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Site;
use crate::dns::settle::History;
use crate::lever::{Given, Observation};
use crate::store::{Error, Expect, SiteStore, Store, Version};

const KEY: &str = "pinned.json";
/// What is there where targets are pinned.
const TARGETS: &str = "records";
const FIELD: &str = "answers";
/// How often it is tried where somebody else writes at the same time.
const ATTEMPTS: u32 = 3;

/// Remembers what the levers' systems gave at `now`, as far as that is news. Cancel safe: it is written whole or not.
pub async fn note<S: Store>(
    site: &Site<S>,
    seen: &[Observation],
    now: Timestamp,
) -> Result<History, Error> {
    note_all(&site.store, &given(site, seen), now).await
}

/// The same, after a move that was confirmed at `moved_at`: for how many seconds from then a cache may still have an
/// answer of before.
pub(super) async fn settles_after<S: Store>(
    site: &Site<S>,
    seen: &[Observation],
    moved_at: Timestamp,
) -> Result<u32, Error> {
    let given = given(site, seen);
    let history = note_all(&site.store, &given, moved_at).await?;
    let left = history.expires(&given).map(|at| at.duration_since(moved_at));
    let left = left.unwrap_or_default().max(SignedDuration::ZERO);
    let begun = i64::from(left.subsec_nanos() > 0);
    Ok(u32::try_from(left.as_secs() + begun).unwrap_or(u32::MAX))
}

/// What else is pinned, if anything is. Cancel safe.
pub async fn pinned<S: Store, T: DeserializeOwned>(
    store: &SiteStore<S>,
) -> Result<Option<T>, Error> {
    let found = store.document::<Map<String, Value>>(KEY).await?;
    let is_more = |(document, _): &(Map<String, Value>, Version)| document.contains_key(TARGETS);
    if !found.as_ref().is_some_and(is_more) {
        return Ok(None);
    }
    Ok(store.document(KEY).await?.map(|(pinned, _)| pinned))
}

/// Writes what else is pinned, beside the answers that are remembered.
pub async fn pin<S: Store, T: Serialize>(store: &SiteStore<S>, pinned: &T) -> Result<(), Error> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        // What somebody else remembers in between must not be forgotten by this.
        let (before, expect) = read(store).await?;
        let mut document = serde_json::json!(pinned);
        if let (Some(fields), Some(answers)) = (document.as_object_mut(), before.get(FIELD)) {
            fields.insert(FIELD.to_owned(), answers.clone());
        }
        match store.write(KEY, &document, expect).await {
            Err(Error::Moved { .. }) if attempt < ATTEMPTS => {}
            written => return written.map(drop),
        }
    }
}

fn given<S: Store>(site: &Site<S>, seen: &[Observation]) -> Vec<Given> {
    let levers = site.levers.iter().zip(seen);
    levers.flat_map(|(lever, seen)| lever.given(seen)).collect()
}

/// Remembers what was `given` at `now`, as far as that is news. Cancel safe: it is written whole or not.
pub(super) async fn note_all<S: Store>(
    store: &SiteStore<S>,
    given: &[Given],
    now: Timestamp,
) -> Result<History, Error> {
    if given.is_empty() {
        return Ok(History::default());
    }
    for attempt in 1.. {
        let (mut document, expect) = read(store).await?;
        let mut history = document.get(FIELD).map(history_of).unwrap_or_default();
        if !history.note(given, now) {
            return Ok(history);
        }
        document.insert("format".to_owned(), 1.into());
        document.insert(FIELD.to_owned(), serde_json::json!(history));
        match store.write(KEY, &document, expect).await {
            Err(Error::Moved { .. }) if attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
            Ok(Version { .. }) => return Ok(history),
        }
    }
    Ok(History::default())
}

async fn read<S: Store>(store: &SiteStore<S>) -> Result<(Map<String, Value>, Expect), Error> {
    Ok(match store.document::<Map<String, Value>>(KEY).await {
        Ok(Some((document, version))) => (document, Expect::At(version)),
        Ok(None) => (Map::new(), Expect::Absent),
        // It is torn: what can be known is what is seen now.
        Err(Error::Unreadable { .. }) => (Map::new(), Expect::Anything),
        Err(error) => return Err(error),
    })
}

/// What an older program or somebody else wrote there is no history.
fn history_of(value: &Value) -> History {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;
    use crate::store::{Clocks, Holder, MemoryLease, MemoryNotice, MemoryStore, Right};

    /// A store to which somebody else writes right before the next write.
    struct Busy {
        store: MemoryStore,
        others: Mutex<Vec<Value>>,
    }

    impl Store for Busy {
        type Lease = MemoryLease;
        type Notice = MemoryNotice;

        async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
            self.store.get(key).await
        }

        async fn put(&self, key: &str, content: &[u8], expect: Expect) -> Result<Version, Error> {
            let other = self.others.lock().unwrap().pop();
            if let Some(other) = other {
                self.store.put(key, other.to_string().as_bytes(), Expect::Anything).await?;
            }
            self.store.put(key, content, expect).await
        }

        async fn renew(&self, key: &str, content: &[u8]) -> Result<(), Error> {
            self.store.renew(key, content).await
        }

        async fn remove(&self, key: &str) -> Result<(), Error> {
            self.store.remove(key).await
        }

        async fn watch(&self, prefix: &str) -> MemoryNotice {
            self.store.watch(prefix).await
        }

        async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
            self.store.list(prefix).await
        }

        async fn lease(&self, right: Right, holder: &Holder) -> Result<MemoryLease, Error> {
            self.store.lease(right, holder).await
        }

        fn pace(&self) -> u32 {
            self.store.pace()
        }

        fn clocks(&self) -> Clocks {
            self.store.clocks()
        }

        fn describe(&self) -> String {
            self.store.describe()
        }
    }

    fn busy(others: Vec<Value>) -> SiteStore<Busy> {
        SiteStore::new(Busy { store: MemoryStore::default(), others: Mutex::new(others) })
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn says(answer: u8, ttl: u32) -> Vec<Given> {
        vec![Given { target: "shop A".to_owned(), answer: json!([answer]), ttl }]
    }

    async fn written(store: &SiteStore<Busy>) -> Map<String, Value> {
        store.document(KEY).await.unwrap().unwrap().0
    }

    #[tokio::test]
    async fn an_answer_that_is_noted_while_targets_are_pinned_is_not_forgotten() {
        let mut history = History::default();
        history.note(&says(1, 300), at(0));
        let store = busy(vec![json!({ "format": 1, FIELD: history })]);
        pin(&store, &json!({ "format": 1, TARGETS: ["new"] })).await.unwrap();
        let document = written(&store).await;
        assert_eq!(document.get(TARGETS), Some(&json!(["new"])));
        assert_eq!(document.get(FIELD), Some(&json!(history)), "{document:?}");
    }

    #[tokio::test]
    async fn targets_that_are_pinned_while_an_answer_is_noted_stay() {
        let store = busy(vec![json!({ "format": 1, TARGETS: ["new"] })]);
        let history = note_all(&store, &says(1, 300), at(0)).await.unwrap();
        let document = written(&store).await;
        assert_eq!(document.get(TARGETS), Some(&json!(["new"])), "{document:?}");
        assert_eq!(document.get(FIELD), Some(&json!(history)));
    }

    #[tokio::test]
    async fn where_somebody_else_writes_each_time_it_is_said_and_not_written_over() {
        let other = json!({ "format": 1, TARGETS: ["theirs"] });
        let store = busy(vec![other.clone(); 9]);
        let pinned = pin(&store, &json!({ "format": 1, TARGETS: ["ours"] })).await;
        assert!(matches!(pinned, Err(Error::Moved { .. })), "{pinned:?}");
        assert_eq!(Value::Object(written(&store).await), other);
    }
}
