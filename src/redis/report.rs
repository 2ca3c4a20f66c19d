//! What is so at a guard, for whoever asks: the verb, the heartbeat.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::breaker::{Asks, Order, Posture};
use super::gate::Gate;
use crate::config::Afterwards;
use crate::switch::Mode;

/// What a mode orders.
const AWAY: &str = "away";

/// One guard, seen at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardReport {
    /// Whose it is.
    pub site: String,
    /// Its label.
    pub name: String,
    /// What its keys are for, where no rule says so.
    pub role: String,
    /// Where Redis is, without who asks it.
    pub upstream: String,
    /// What is done with a command.
    pub state: State,
    /// Since when Redis is not asked.
    pub since: Option<Timestamp>,
    /// Why not: what Redis said, or what was ordered.
    pub why: Option<String>,
    /// What somebody ordered.
    pub ordered: Option<Ordered>,
    /// Why this upstream is none.
    pub unfit: Option<String>,
    /// Those who are connected.
    pub clients: usize,
    /// Connections to Redis that are theirs.
    pub connections: usize,
    /// What is to be removed before Redis is read; `None` without a journal.
    pub journal: Option<JournalReport>,
    /// What was asked, where it only observes.
    pub observed: Option<Observation>,
    /// How many commands were answered how, since it started.
    pub answers: BTreeMap<String, u64>,
}

/// What a guard that only observes has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// By how keys begin: see [`Proposal`](super::observe::Proposal).
    pub prefixes: serde_json::Value,
    /// The same as `key` blocks, where it is plain what they are for.
    pub rules: String,
}

/// What is done with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Redis is asked.
    Closed,
    /// It takes no writes, or still has what was dropped because of that: it is read but for those keys.
    Reads,
    /// Other guards have yet to remove something: reads miss, and the rest is passed on.
    Writes,
    /// Clients wait.
    Hold,
    /// What may be said is said here.
    Open,
    /// What concerns keys is refused.
    Refuse,
    /// Connections are closed.
    Drop,
}

impl State {
    /// All of them.
    pub const ALL: [State; 7] = [
        State::Closed,
        State::Reads,
        State::Writes,
        State::Hold,
        State::Open,
        State::Refuse,
        State::Drop,
    ];

    /// `closed`
    pub fn word(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Reads => "reads",
            State::Writes => "writes",
            State::Hold => "hold",
            State::Open => "open",
            State::Refuse => "refuse",
            State::Drop => "drop",
        }
    }
}

/// What somebody ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// `open`, `hold`, or `away` as in an outage: by a mode of the site, and by `open` where nothing is said without Redis.
    pub order: String,
    /// Who; for a mode, the mode.
    pub by: String,
    /// Its end; a mode ends with its operation.
    pub until: Option<Timestamp>,
}

/// What a journal has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalReport {
    /// Keys and patterns that are to be removed.
    pub keys: usize,
    /// Why Redis stays away until somebody has seen to it.
    pub broken: Option<String>,
}

/// `gate` as it is now.
pub(super) fn of(gate: &Gate, (now, at): (Instant, Timestamp)) -> GuardReport {
    let (posture, why, kept) = gate.seen();
    let ordered = ordered(gate);
    let since = posture.away().map(|since| {
        let ago = SignedDuration::try_from(now.saturating_duration_since(since));
        ago.map_or(at, |ago| at - ago)
    });
    let is_told = posture.away().is_some() || posture.asks == Asks::Clean;
    let by_order = ordered.as_ref().map(|one| format!("{} by {}", one.order, one.by));
    let config = &gate.config;
    let answers = gate.counters.by_reason().map(|(reason, count)| (reason.to_owned(), count));
    GuardReport {
        site: gate.site.clone(),
        name: config.name.clone(),
        role: config.rules.otherwise.word().to_owned(),
        upstream: config.upstream.place.to_string(),
        state: state(gate, posture, now),
        since,
        why: by_order.or(Some(why).filter(|why| !why.is_empty() && is_told)),
        ordered,
        unfit: gate.about().unfit.map(|unfit| unfit.to_string()),
        clients: gate.clients.load(Relaxed),
        connections: gate.links.load(Relaxed),
        journal: gate
            .keeper
            .as_ref()
            .map(|_| JournalReport { keys: kept.keys, broken: kept.broken }),
        observed: gate.observed().map(|observed| Observation {
            // It has texts and numbers only.
            prefixes: serde_json::to_value(observed.report()).unwrap_or_default(),
            rules: observed.rules(),
        }),
        answers: answers.collect(),
    }
}

/// What is done with a command now.
pub(super) fn state(gate: &Gate, posture: Posture, now: Instant) -> State {
    match posture.held_until(gate.config.on_outage.hold) {
        _ if gate.only_observes() => State::Closed,
        _ if gate.is_unfit() => State::Drop,
        None => match posture.asks {
            Asks::Clean => State::Reads,
            Asks::Writes => State::Writes,
            Asks::All | Asks::Nothing(_) => State::Closed,
        },
        Some(until) if until > now => State::Hold,
        Some(_) => match gate.then() {
            Afterwards::Open => State::Open,
            Afterwards::Refuse => State::Refuse,
            Afterwards::Drop => State::Drop,
        },
    }
}

fn ordered(gate: &Gate) -> Option<Ordered> {
    let orders = gate.orders.borrow().clone();
    let by_hand = orders.by_hand.map(|one| Ordered {
        order: match one.order {
            Order::Away => AWAY.to_owned(),
            Order::Open => State::Open.word().to_owned(),
            Order::Hold => State::Hold.word().to_owned(),
        },
        by: one.by,
        until: Some(one.until.1),
    });
    let by_mode = |mode: Mode| Ordered {
        order: AWAY.to_owned(),
        by: format!("the site's mode {mode}"),
        until: None,
    };
    by_hand.or(orders.mode.map(by_mode))
}
