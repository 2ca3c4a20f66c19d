//! What a gateway tells of one site: for its heartbeat, its metrics and whoever waits for a drain.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Share;
use crate::switch::{Mode, OperationId};

/// One site at one gateway, seen at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// What it gives visitors; `None` where it knows nothing and answers 503.
    pub mode: Option<Mode>,
    /// Whose move it follows.
    pub operation: Option<OperationId>,
    /// Whether requests of the mode before still run.
    pub drain: Drain,
    /// Patience is over, and requests get 503 though the mode is hold.
    pub hold_spent: bool,
    /// A gentle opening that is under way.
    pub ramp: Option<Box<RampReport>>,
    /// Requests that wait.
    pub waiting: u64,
    /// How many seconds the one of them has waited that came first.
    pub oldest: Option<u32>,
    /// In hold, how many seconds they wait at most, from the operation's start.
    pub patience: Option<u32>,
    /// Those that waited and were let in since it held last, or does.
    pub waited: Waited,
    /// Requests at the upstream that this mode would not have let in.
    pub in_flight: u64,
    /// Requests at the upstream that this mode lets in, by what let them: `read`, `bypass`, `allow webhooks`.
    pub exempt: Vec<(String, u64)>,
    /// Upgraded connections.
    pub upgraded: u64,
    /// Requests that were cut at the drain's deadline.
    pub cut: u64,
    /// When a request was refused last.
    pub last_refused: Option<Timestamp>,
    /// When a request came last that was refused, that an `allow` block let in during a detour, or that the gateway itself
    /// answered in place of the app: a visitor's, neither a tester's nor a probe.
    pub last_request: Option<Timestamp>,
    /// Its upstreams.
    pub upstreams: Vec<UpstreamReport>,
}

/// Requests that waited and were let in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Waited {
    /// How many.
    pub requests: u64,
    /// How long the one of them waited that waited longest; seconds in a document.
    #[serde(with = "in_seconds")]
    pub longest: Duration,
}

impl Waited {
    /// One more.
    pub(super) fn note(&mut self, took: Duration) {
        *self = self.and(Waited { requests: 1, longest: took });
    }

    /// Those of both.
    pub fn and(self, other: Waited) -> Waited {
        let requests = self.requests.saturating_add(other.requests);
        Waited { requests, longest: self.longest.max(other.longest) }
    }
}

/// A duration as seconds, to the millisecond.
mod in_seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64((at.as_secs_f64() * 1_000.0).round() / 1_000.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}

/// Whether requests run that the mode of now would not have let in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Drain {
    /// Some do.
    #[default]
    Draining,
    /// None does.
    Drained,
    /// Some still did at the drain's deadline, and `then` is `abort`: whoever asked has to take it back.
    Expired,
}

/// How far a gentle opening is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RampReport {
    /// The share of visitors who are let in.
    pub share: Share,
    /// Why it does not rise, if it does not.
    pub stopped: Option<Stands>,
    /// That nobody is let in, since too much failed.
    pub fell_back: Option<FellBack>,
}

/// Why the share does not rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stands {
    /// Answers fail.
    Errors,
    /// Answers take much longer than at first.
    Slow,
}

/// That too much failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FellBack {
    /// So many of the answers.
    pub errors: Share,
    /// When.
    pub at: Timestamp,
    /// When the first visitors are let in again.
    pub again: Timestamp,
}

impl RampReport {
    /// `opening gently: 35 % of visitors`, and why not more.
    pub fn in_words(&self) -> String {
        let share = self.share;
        match (&self.fell_back, self.stopped) {
            (Some(FellBack { errors, at, again }), _) => format!(
                "fell back to closed at {at}, with {errors} errors: nobody is let in before {again}"
            ),
            (None, Some(Stands::Errors)) => {
                format!("opening gently: stopped at {share} of visitors, since answers fail")
            }
            (None, Some(Stands::Slow)) => {
                format!("opening gently: stopped at {share} of visitors, since answers are slow")
            }
            (None, None) => format!("opening gently: {share} of visitors"),
        }
    }
}

/// One upstream, as one gateway sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamReport {
    /// As configured.
    pub url: String,
    /// Whether requests go there.
    pub healthy: bool,
    /// Requests that are there now.
    pub in_flight: u64,
    /// What was wrong last.
    pub last_error: Option<String>,
}

impl UpstreamReport {
    /// What is said of an upstream that no probe has come back from.
    pub(super) const UNASKED: &str = "not asked yet";

    /// Whether nothing is known of it yet.
    #[must_use]
    pub fn is_unasked(&self) -> bool {
        !self.healthy && self.last_error.as_deref() == Some(UpstreamReport::UNASKED)
    }
}

/// What is asked for and what is wrong around one site's gateway, as whoever follows the switch for it sees it. The mode
/// stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is told by itself, as a gauge")]
pub struct Around {
    /// What the switch asks for, as far as that is known. A mode that was set on this machine may be stricter.
    pub desired: Option<Mode>,
    /// The switch cannot be read, or is gone.
    pub store: bool,
    /// It cannot be kept on this machine.
    pub disk: bool,
    /// The heartbeat cannot be written.
    pub heartbeat: bool,
}
