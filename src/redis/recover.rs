//! What a person decides where nobody knows what must not be read: everything is flushed, or what is old may be read.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gate::Gate;
use super::keeper::Mend;
use super::markers::Markers;
use super::probe::{Met, meet};
use super::replay::remove;

/// How long all of it may take: flushing is done in the background by Redis.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recover {
    /// Each database in which something was dropped is emptied.
    Flush,
    /// What is in Redis may be read, however old it is.
    AcceptStale,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// The databases that were flushed.
    pub databases: Vec<u32>,
    /// How many keys and patterns were given up.
    pub given_up: usize,
    /// The guards whose markers were taken away.
    pub guards: Vec<String>,
}

/// Why nothing was done, or not all.
#[derive(Debug, thiserror::Error)]
pub enum RecoverRefused {
    /// There is no guard of this name here.
    #[error("no guard \"{0}\" runs here")]
    Unknown(String),
    /// It refuses what it cannot remove.
    #[error("the guard has no journal: it drops nothing, so there is nothing to recover")]
    NoJournal,
    /// Flushing needs Redis.
    #[error("redis cannot be flushed: {0}")]
    Unreachable(String),
    /// It is there, and does not flush: that stays noted.
    #[error(
        "redis does not flush its databases, which stays noted, and is done once it lets it be: {0}"
    )]
    Unflushed(String),
    /// Others cannot be told.
    #[error("the markers in the store cannot be read or taken away: {0}")]
    Store(String),
    /// The journal cannot be written.
    #[error("the journal cannot be mended: {0}")]
    Journal(String),
    /// Nobody knows how far it came.
    #[error("it took longer than 30 s: ask again")]
    Late,
}

impl RecoverRefused {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            RecoverRefused::Unknown(_) => {
                "run it where `roadworks serve` has a `redis` block of this name".to_owned()
            }
            RecoverRefused::NoJournal => "see `journal` in docs/redis.md".to_owned(),
            RecoverRefused::Unreachable(_) => {
                "wait until Redis is back, or run it with --accept-stale".to_owned()
            }
            RecoverRefused::Unflushed(_) => {
                "let the guard's user FLUSHDB, or accept what is there with --accept-stale"
                    .to_owned()
            }
            RecoverRefused::Store(_) => "see that the store can be reached, then again".to_owned(),
            RecoverRefused::Journal(_) => "see that its disk takes more, then again".to_owned(),
            RecoverRefused::Late => "run the same command again: it does nothing twice".to_owned(),
        }
    }
}

/// One guard, as far as a person may decide something about it.
pub(super) struct Patient {
    pub(super) site: String,
    pub(super) name: String,
    /// Its connections and its journal end with the guards, whoever may still ask.
    pub(super) gate: Weak<Gate>,
    /// None where it has no journal.
    pub(super) markers: Option<Markers>,
}

impl Patient {
    pub(super) fn is(&self, site: &str, name: &str) -> bool {
        self.site == site && self.name == name
    }

    /// Not cancel safe: what was done until then stays done, and asking again does the rest.
    pub(super) async fn recover(&self, how: Recover) -> Result<Recovered, RecoverRefused> {
        let Some(markers) = &self.markers else { return Err(RecoverRefused::NoJournal) };
        let gate = self.gate.upgrade();
        let gate = gate.ok_or_else(|| RecoverRefused::Unknown(self.name.clone()))?;
        let recovering = recover(&gate, markers, how);
        tokio::time::timeout(PATIENCE, recovering).await.unwrap_or(Err(RecoverRefused::Late))
    }
}

async fn recover(
    gate: &Arc<Gate>,
    markers: &Markers,
    how: Recover,
) -> Result<Recovered, RecoverRefused> {
    let Some(keeper) = &gate.keeper else { return Err(RecoverRefused::NoJournal) };
    let info = match how {
        Recover::Flush => Some(info(gate).await.map_err(RecoverRefused::Unreachable)?),
        Recover::AcceptStale => None,
    };
    let found = markers.list().await.map_err(RecoverRefused::Store)?;
    let named = found.iter().flat_map(|(_, marker)| marker.databases.iter().copied()).collect();
    let mend = match info {
        // What a damaged journal had is not known.
        Some(info) => Mend::Flush { named, all: keyspace(&info) },
        None => Mend::Accept,
    };
    let mended = keeper.mend(mend).await.map_err(RecoverRefused::Journal)?;
    // From here on it is in the journal, and done as soon as it can be.
    if !mended.databases.is_empty() {
        let entries = keeper.begin().await.map_err(RecoverRefused::Journal)?;
        let done = remove(gate, entries).await;
        keeper.removed(&done).await;
        done.map_err(|why| RecoverRefused::Unflushed(why.to_string()))?;
    }
    let (keys, guards) = found.into_iter().map(|(key, marker)| (key, marker.guard)).unzip();
    markers.forget(keys).await.map_err(RecoverRefused::Store)?;
    gate.look();
    let Mended { databases, given_up } = mended;
    tracing::warn!(redis = gate.config.name, ?databases, given_up, ?guards, "recovered by hand");
    Ok(Recovered { databases, given_up, guards })
}

/// What was done to the journal.
#[derive(Debug)]
pub(super) struct Mended {
    pub(super) databases: Vec<u32>,
    pub(super) given_up: usize,
}

/// What the upstream says of itself: of one that does not, nobody knows which databases are to be flushed.
async fn info(gate: &Gate) -> Result<String, String> {
    match meet(&gate.config).await?.met {
        Met::Redis(info) => Ok(info),
        Met::Silent(why) => {
            Err(format!("it does not tell the guard which databases it has: {why}"))
        }
        Met::Unfit(why) => Err(why.to_string()),
    }
}

/// The databases that have something, by `INFO`.
fn keyspace(info: &str) -> BTreeSet<u32> {
    let database = |line: &str| line.strip_prefix("db")?.split(':').next()?.parse().ok();
    info.lines().filter_map(database).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_databases_that_have_something_are_read() {
        let info = "# Keyspace\r\ndb0:keys=1,expires=0\r\ndb12:keys=3\r\ndbx:keys=1\r\n";
        assert_eq!(keyspace(info), BTreeSet::from([0, 12]));
    }
}
