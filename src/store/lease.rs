//! A right, held by one living process at a time: who holds it, and what is written of that.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Error, Right};
use crate::clock;

/// How often the holder of a right says that it lives, in seconds.
const EVERY: u32 = 2;

/// Whom somebody waits for who wants a right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// Who had it last, and is silent.
    pub holder: String,
    /// How long until they count as dead.
    pub left: Duration,
}

/// Who asks for a right.
#[derive(Debug, Clone)]
pub struct Holder {
    /// `user@host`, or what AWS calls them.
    pub name: String,
    /// The id of its machine's state folder; empty for a command.
    pub agent: String,
    pub(super) token: u64,
    awaited: watch::Sender<Option<Awaited>>,
}

impl Holder {
    /// A command of somebody.
    pub fn command(name: impl Into<String>) -> Holder {
        Holder::agent(name, "")
    }

    /// An agent on the machine with this id.
    pub fn agent(name: impl Into<String>, id: impl Into<String>) -> Holder {
        // A whole number of JSON for whoever reads it with floating point.
        let (token, awaited) = (fastrand::u64(..1 << 53), watch::Sender::default());
        Holder { name: name.into(), agent: id.into(), token, awaited }
    }

    /// Of this holder alone.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Tells whom it waits for while it does.
    pub fn awaited(&self) -> watch::Receiver<Option<Awaited>> {
        self.awaited.subscribe()
    }

    #[cfg(feature = "bucket")]
    pub(super) fn waits_for(&self, holder: &str, left: Duration) {
        self.awaited.send_replace(Some(Awaited { holder: holder.to_owned(), left }));
    }

    /// What is written of it.
    pub(super) fn told(&self, beat: u64) -> Held {
        Held {
            format: 1,
            agent: self.agent.clone(),
            holder: self.name.clone(),
            at: clock::now(),
            every: EVERY,
            beat,
            token: self.token,
            released: false,
        }
    }
}

/// What `lease.json` tells of the agent that leads, `run.json` of who runs a command, and in a bucket `moving.json` of who moves
/// levers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its format.
    pub format: u32,
    /// Its id: that of its machine's state folder.
    #[serde(default)]
    pub agent: String,
    /// Who holds it.
    pub holder: String,
    /// When it was written, by its own clock.
    pub at: Timestamp,
    /// It is written again within so many seconds.
    pub every: u32,
    /// Counts the times, so that no two contents are the same.
    #[serde(default)]
    pub beat: u64,
    /// Of this holder alone: two of one name that write at once write something else.
    #[serde(default)]
    pub token: u64,
    /// Given back: nobody need wait.
    #[serde(default)]
    pub released: bool,
}

impl Held {
    /// Whether `holder` wrote it.
    pub fn is_of(&self, holder: &Holder) -> bool {
        self.token == holder.token
    }
}

/// A right that is held.
pub trait Lease {
    /// Does `work` while the right is kept up. [`Error::Leased`] where somebody else has it meanwhile: `work` is dropped
    /// then, wherever it is. Crash safe, as what it does must be.
    fn hold<T>(&mut self, work: impl Future<Output = T>) -> impl Future<Output = Result<T, Error>>;

    /// Gives it back at once: else others wait until it counts as dead.
    fn release(self) -> impl Future<Output = ()>;
}

/// The document of a right.
pub(super) fn key(right: Right) -> &'static str {
    match right {
        Right::Move => "moving.json",
        Right::Lead => "lease.json",
        Right::Run => "run.json",
    }
}

/// How often what says that a holder lives is written.
pub(super) fn every() -> Duration {
    Duration::from_secs(u64::from(EVERY))
}
