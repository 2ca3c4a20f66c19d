//! What Redis was asked, and what is to be known of it until it has answered.

use bytes::Bytes;
use tokio::time::Instant;

use super::answer::Dirty;
use super::session::Change;
use super::table::Family;
use super::value::Value;

/// What Redis was asked.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) asked: Asked,
    /// What it is counted as.
    pub(super) family: Option<Family>,
    /// Few have one, and many wait: a small one is moved sooner.
    pub(super) change: Option<Box<Change>>,
    pub(super) at: Instant,
    pub(super) pace: Pace,
    pub(super) within: Within,
    pub(super) past: Past,
}

/// What became of a command so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Past {
    pub(super) fate: Fate,
    /// Whether it has waited for Redis before, and was asked again.
    pub(super) is_again: bool,
}

/// How it stands with a command that Redis was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Fate {
    #[default]
    Asked,
    /// It took too long already: when its answer comes, it is not in time.
    Late,
    /// It was not done, and Redis is away: it said so, or was not even asked.
    Undone,
}

impl Sent {
    /// One that changes nothing of its connection and is part of nothing.
    pub(super) fn plain(asked: Asked, family: Option<Family>, at: Instant, pace: Pace) -> Sent {
        let (change, within, past) = (None, Within::Alone, Past::default());
        Sent { asked, family, change, at, pace, within, past }
    }
}

/// The command, to say something else if Redis does not answer.
#[derive(Debug)]
pub(super) enum Asked {
    /// As it was sent.
    Whole(Bytes),
    /// One that is too long to be kept; what would be said of it while Redis is away, if it writes to a cache.
    Long(Option<Box<DroppedWrite>>),
}

/// What is said of a write to a cache that is dropped.
#[derive(Debug)]
pub(super) struct DroppedWrite {
    pub(super) answer: Value,
    pub(super) dirty: Vec<Dirty>,
}

/// Whether a command is part of a transaction of Redis's.
#[derive(Debug, Default)]
pub(super) enum Within {
    #[default]
    Alone,
    /// It is queued.
    Queued,
    /// It ends one; what was queued, where that is known.
    Ends(Option<Vec<Bytes>>),
}

/// How soon an answer comes from a Redis that is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Within the budget.
    Quick,
    /// Nobody knows: a script, something that waits, or many keys. Or it is late, and that was told.
    Unknown,
}
