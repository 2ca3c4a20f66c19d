//! Who was not told, for `status`: written down until they are told again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::config::{NotifyConfig, Occasion};
use crate::notify::{self, Event};
use crate::store::{Error, Expect, SiteStore, Store};

const KEY: &str = "untold.json";
const FORMAT: u32 = 1;

/// Somebody who was not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    /// Their name.
    pub name: String,
    /// Of what.
    pub event: Occasion,
    /// Its id.
    pub id: String,
    /// When that happened.
    pub happened: Timestamp,
    /// When it was tried last.
    pub at: Timestamp,
    /// How often it was.
    pub tries: u32,
    /// What was the matter.
    pub why: String,
    /// What to do about it.
    pub hint: String,
    /// Whether nobody tries it again.
    pub given_up: bool,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Document {
    format: u32,
    untold: BTreeMap<String, Untold>,
}

impl Untold {
    #[expect(clippy::fn_params_excessive_bools, reason = "it is what is written")]
    pub(super) fn of(
        one: &NotifyConfig,
        event: &Event,
        (error, tries): (&notify::Error, u32),
        given_up: bool,
    ) -> Untold {
        Untold {
            name: one.name.clone(),
            event: event.occasion,
            id: event.id.clone(),
            happened: event.at,
            at: clock::now(),
            tries,
            why: error.to_string(),
            hint: error.hint().to_owned(),
            given_up,
        }
    }

    /// In one line.
    pub fn in_words(&self) -> String {
        let then = if self.given_up { "nobody tries again" } else { "it is tried again" };
        let (name, event, why) = (&self.name, self.event.word(), &self.why);
        format!("{name} was not told of {event} ({why}); {then}")
    }
}

/// Who was not told of what happened last. Cancel safe.
pub async fn untold<S: Store>(store: &SiteStore<S>) -> Result<Vec<Untold>, Error> {
    let found = store.document::<Document>(KEY).await?;
    let readable = found.filter(|(document, _)| document.format <= FORMAT);
    Ok(readable.map(|(document, _)| document.untold.into_values().collect()).unwrap_or_default())
}

/// Writes down who was `told` and who was not, and forgets those who are no longer in the configuration.
pub(super) async fn write<S: Store>(
    store: &SiteStore<S>,
    whom: &[NotifyConfig],
    told: &[String],
    failed: &[Untold],
) -> Result<(), Error> {
    let (mut document, expect) = match store.document::<Document>(KEY).await {
        Ok(Some((document, version))) => (document, Expect::At(version)),
        Ok(None) => (Document::default(), Expect::Absent),
        // It is torn: what is so now is what counts.
        Err(Error::Unreadable { .. }) => (Document::default(), Expect::Anything),
        Err(error) => return Err(error),
    };
    let before = document.untold.clone();
    document
        .untold
        .retain(|name, _| !told.contains(name) && whom.iter().any(|one| one.name == *name));
    document.untold.extend(failed.iter().map(|one| (one.name.clone(), one.clone())));
    if document.untold == before {
        return Ok(());
    }
    document.format = FORMAT;
    match store.write(KEY, &document, expect).await {
        // Whoever else tells writes down what became of it.
        Ok(_) | Err(Error::Moved { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
