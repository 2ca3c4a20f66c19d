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

async fn note_all<S: Store>(
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
