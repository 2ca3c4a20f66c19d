//! What somebody else did to a site's record and rules, as far as it was noticed, and what is done about it: decided from what
//! was seen before and what is seen now. Pure: no clock, no I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::OnDrift;
use crate::lever::{Lever, Observation, Part, value_words};
use crate::switch::{LeverName, Mode, OperationId, Step, Switch};

/// The newest format that this program reads and writes.
pub(super) const FORMAT: u32 = 1;
/// So often within so long it is put back: whoever moves it again then wants it otherwise.
const MOST: usize = 3;
const WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// A part of a lever that somebody else moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The lever.
    pub lever: LeverName,
    /// Its kind: `route53`, `alb`.
    pub kind: String,
    /// What of it: `NAME TYPE [set_identifier]` for a record.
    pub target: String,
    /// What it was, in the lever's own terms; null where there was nothing.
    pub was: Value,
    /// What it is.
    pub is: Value,
    /// When it was noticed.
    pub noticed: Timestamp,
    /// What is done about it.
    pub then: Then,
    /// Why no more than that is done.
    #[serde(default)]
    pub why: Option<String>,
}

/// What is done about a drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// It was told: that is all that was asked for.
    Reported,
    /// It is put back.
    PutBack,
    /// It is put back once nothing is in the way.
    Waits,
    /// It stays as it is, as long as it is so.
    Stays,
    /// It stays as it is until somebody moves it: it was put back often enough.
    GaveUp,
}

impl Drift {
    /// What it was and is, for a person.
    pub fn in_words(&self) -> String {
        let said = |value: &Value| match value {
            Value::Null => "nothing".to_owned(),
            value => value_words(value),
        };
        format!("{} was {}, is {}", self.target, said(&self.was), said(&self.is))
    }

    /// What is done about it, for a person.
    pub fn then_in_words(&self) -> String {
        let why = self.why.as_deref().unwrap_or_default();
        match self.then {
            Then::Reported => "reported".to_owned(),
            Then::PutBack => "it is put back".to_owned(),
            Then::Waits => format!("not put back yet: {why}"),
            Then::Stays | Then::GaveUp => format!("not put back: {why}"),
        }
    }

    fn is_of(&self, step: &Step) -> bool {
        (self.lever, &self.target) == (step.lever, &step.target)
    }

    /// Whether it is what `step` would undo.
    pub fn is_undone_by(&self, step: &Step) -> bool {
        self.is_of(step) && self.is == step.before
    }
}

/// What is worth telling, once.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum News {
    Drifted(Drift),
    /// It stands as it is asked for again, or the switch was thrown since.
    Over(Drift),
}

/// One lever, looked at.
#[derive(Debug, Clone)]
pub(super) struct Looked {
    lever: LeverName,
    parts: Vec<Part>,
    /// What stands elsewhere than it is asked for.
    strays: Vec<Step>,
    /// What of that stands exactly where the opposite would have it.
    across: BTreeSet<String>,
}

impl Looked {
    /// What `seen` says of a lever that is to stand as in `mode`.
    pub(super) fn at(lever: &dyn Lever, seen: &Observation, mode: Mode) -> Looked {
        let opposite = match (lever.name(), mode) {
            (LeverName::Dns, Mode::Detour) => Mode::Open,
            (LeverName::Dns, _) => Mode::Detour,
            (_, mode) if mode >= Mode::Closed => Mode::Open,
            (_, _) => Mode::Closed,
        };
        let elsewhere = lever.strays(seen, opposite);
        let strays = lever.strays(seen, mode);
        let there = |step: &&Step| elsewhere.iter().all(|other| other.target != step.target);
        let across = strays.iter().filter(there).map(|step| step.target.clone()).collect();
        Looked { lever: lever.name(), parts: seen.parts.clone(), strays, across }
    }
}

/// What its agent may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy<'a> {
    pub(super) on_drift: OnDrift,
    pub(super) held_back: Option<&'a str>,
    /// The levers that could not be read: nothing is known of them now, and nothing is over.
    pub(super) unread: &'a [LeverName],
}

/// What is written of it in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ledger {
    pub(super) format: u32,
    /// The operation that moved the levers last; none where nobody ever threw the switch.
    operation: Option<OperationId>,
    /// What the records said when they stood as that operation asked.
    agreed: BTreeMap<String, Value>,
    /// What was told and is not over.
    drifts: Vec<Drift>,
    /// When it was tried to put something back, lately.
    tries: Vec<Timestamp>,
    /// The operation that was put back last: its switch may be moving because of that.
    #[serde(default)]
    put_back: Option<OperationId>,
    /// Why it could not be put back the last time.
    #[serde(default)]
    failed: Option<String>,
}

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger {
            format: FORMAT,
            operation: None,
            agreed: BTreeMap::new(),
            drifts: Vec::new(),
            tries: Vec::new(),
            put_back: None,
            failed: None,
        }
    }
}

impl Ledger {
    /// What is so once the levers were `looked` at at `now`, and what of that is news.
    pub(super) fn seen(
        &self,
        switch: Option<&Switch>,
        looked: &[Looked],
        policy: Policy<'_>,
        now: Timestamp,
    ) -> (Ledger, Vec<News>) {
        let (mut next, mut news) = (self.clone(), Vec::new());
        let operation = switch.map(|switch| &switch.operation);
        if next.operation.as_ref() != operation {
            news.extend(mem::take(&mut next.drifts).into_iter().map(News::Over));
            next = Ledger { operation: operation.cloned(), tries: next.tries, ..Ledger::default() };
        }
        // A clock that is far ahead holds nothing up.
        next.tries.retain(|at| now.duration_since(*at).abs() < WITHIN);
        let found = next.learn(looked);
        let (then, why) = next.about(&found, switch, policy);
        let told = mem::take(&mut next.drifts);
        for Found { step, .. } in &found {
            let known = told.iter().find(|drift| drift.is_undone_by(step)).cloned();
            let is_new = known.is_none();
            let was = next.agreed.get(&step.target).unwrap_or(&step.after);
            let drift = known.unwrap_or_else(|| Drift {
                lever: step.lever,
                kind: step.kind.clone(),
                target: step.target.clone(),
                was: was.clone(),
                is: step.before.clone(),
                noticed: now,
                then,
                why: None,
            });
            let drift = Drift { then, why: why.clone(), ..drift };
            news.extend(is_new.then(|| News::Drifted(drift.clone())));
            next.drifts.push(drift);
        }
        let gone = |drift: &Drift| found.iter().all(|found| !drift.is_of(found.step));
        for drift in told.into_iter().filter(gone) {
            if policy.unread.contains(&drift.lever) {
                next.drifts.push(drift);
            } else {
                news.push(News::Over(drift));
            }
        }
        if next.drifts.is_empty() {
            next.failed = None;
        }
        (next, news)
    }

    /// Learns what the records say that stand as asked, and finds what somebody moved.
    fn learn<'a>(&mut self, looked: &'a [Looked]) -> Vec<Found<'a>> {
        let mut found = Vec::new();
        for Looked { lever, parts, strays, across } in looked {
            if strays.is_empty() && *lever == LeverName::Dns {
                let said = parts.iter().map(|part| (part.target.clone(), part.value.clone()));
                self.agreed = said.collect();
            }
            for step in strays {
                let agreed = self.agreed.get(&step.target);
                // Nobody has moved it: it is the configuration that wants it elsewhere now.
                if agreed != Some(&step.before) {
                    let across = across.contains(&step.target);
                    found.push(Found { step, across, agreed: agreed.cloned() });
                }
            }
        }
        found
    }

    /// What is done about what was found, all of it together, and why no more.
    fn about(
        &self,
        found: &[Found<'_>],
        switch: Option<&Switch>,
        policy: Policy<'_>,
    ) -> (Then, Option<String>) {
        if policy.on_drift == OnDrift::Report {
            return (Then::Reported, None);
        }
        let stays = |why: &str| (Then::Stays, Some(why.to_owned()));
        let Some(switch) = switch else {
            return stays("nobody has thrown the switch of this site yet");
        };
        if found.iter().any(|found| found.lets_in(switch.mode)) {
            return stays("that would let visitors in, which somebody has to ask for");
        }
        if found.iter().any(|found| !found.was_as_asked(switch.mode)) {
            return stays(
                "it was not seen where it is to be since the switch was thrown, so it would not go back, but somewhere else",
            );
        }
        let gave_up = self.drifts.iter().any(|drift| drift.then == Then::GaveUp);
        if gave_up || self.tries.len() >= MOST {
            if let Some(why) = &self.failed {
                let told = "times within 10 minutes, and is tried again after that";
                return (Then::Waits, Some(format!("it was tried {MOST} {told}: {why}")));
            }
            let told = "times within 10 minutes, so somebody wants it otherwise";
            return (Then::GaveUp, Some(format!("it was put back {MOST} {told}")));
        }
        if let Some(unread) = policy.unread.first() {
            return (Then::Waits, Some(format!("the {unread} lever cannot be read")));
        }
        match policy.held_back {
            Some(why) => (Then::Waits, Some(why.to_owned())),
            None => (Then::PutBack, None),
        }
    }

    /// What was told and is not over.
    pub(super) fn drifts(&self) -> &[Drift] {
        &self.drifts
    }

    /// Whether it is to be put back, now or once nothing is in the way.
    pub(super) fn is_to_go_back(&self) -> bool {
        self.drifts.iter().any(|drift| matches!(drift.then, Then::PutBack | Then::Waits))
    }

    /// Whether it is put back now.
    pub(super) fn goes_back(&self) -> bool {
        self.drifts.iter().any(|drift| drift.then == Then::PutBack)
    }

    /// It is tried at `now`.
    pub(super) fn tried(&mut self, now: Timestamp) {
        self.tries.push(now);
        self.put_back.clone_from(&self.operation);
    }

    pub(super) fn failed(&mut self, why: String) {
        self.failed = Some(why);
    }

    /// Whether `operation` is one whose levers are being put back, and what is found is what was told.
    pub(super) fn puts_back(&self, operation: &OperationId, looked: &[Looked]) -> bool {
        let mut strays = looked.iter().flat_map(|lever| &lever.strays);
        self.put_back.as_ref() == Some(operation)
            && strays.all(|step| self.drifts.iter().any(|drift| drift.is_undone_by(step)))
    }
}

/// A part that somebody moved.
struct Found<'a> {
    step: &'a Step,
    /// Whether it stands exactly where the opposite would have it.
    across: bool,
    /// What it was, where that was seen.
    agreed: Option<Value>,
}

impl Found<'_> {
    /// Whether it was led away from visitors, perhaps for a reason, and would be led back to them.
    fn lets_in(&self, mode: Mode) -> bool {
        match self.step.lever {
            LeverName::Dns => mode != Mode::Detour && self.across,
            _ => mode < Mode::Closed,
        }
    }

    /// Whether putting it back is putting it where it was. A name that is back at the app goes to the page, and rules keep visitors
    /// out again, whatever was seen of them.
    fn was_as_asked(&self, mode: Mode) -> bool {
        match self.step.lever {
            LeverName::Dns => {
                (mode == Mode::Detour && self.across)
                    || self.agreed.as_ref() == Some(&self.step.after)
            }
            _ => true,
        }
    }
}

#[cfg(test)]
#[path = "ledger_trials.rs"]
mod trials;
