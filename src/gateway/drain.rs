//! The drain: whether requests still run that the mode of now would not have let in, and until when that may take.
//! Pure: the door counts and reads the clock.

use std::time::Duration;

use tokio::time::Instant;

use super::report::Drain;
use crate::config::{DrainConfig, DrainThen};
use crate::switch::Mode;

/// Upgraded connections that are told to close spread it over so long, or over half of the drain's deadline.
pub(super) const SPREAD: Duration = Duration::from_secs(5);

/// How far a drain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draining {
    /// Until then.
    Until(Instant, DrainThen),
    /// Those that still ran were cut, and are on their way out.
    Cut,
    /// None runs.
    Done,
    /// Some ran at the deadline, and the mode is to be taken back.
    Expired,
}

impl Draining {
    /// Begins, for a mode that was asked for `now`.
    pub(super) fn begin(mode: Option<Mode>, config: &DrainConfig, now: Instant) -> Draining {
        let then = config.then.unwrap_or(match mode {
            Some(Mode::Open | Mode::ReadOnly | Mode::Hold) => DrainThen::Abort,
            // A gateway that knows nothing has nothing to go back to.
            Some(Mode::Closed | Mode::Detour) | None => DrainThen::Cut,
        });
        Draining::Until(now + config.deadline, then)
    }

    /// Whether the door must hear of counters that come to zero.
    pub(super) fn runs(self) -> bool {
        matches!(self, Draining::Until(..) | Draining::Cut)
    }

    /// When something is to be done.
    pub(super) fn due(self) -> Option<Instant> {
        match self {
            Draining::Until(at, _) => Some(at),
            Draining::Cut | Draining::Done | Draining::Expired => None,
        }
    }

    /// As it is told.
    pub(super) fn told(self) -> Drain {
        match self {
            Draining::Until(..) | Draining::Cut => Drain::Draining,
            Draining::Done => Drain::Drained,
            Draining::Expired => Drain::Expired,
        }
    }
}
