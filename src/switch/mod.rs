//! What should be so: the mode of a site, the operation that asked for it, and how far it has come.
//!
//! Pure: no async, no clock, no I/O. Time and the outside world come in as arguments.

mod mode;
mod plan;
mod posture;
mod recovery;
pub mod window;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use mode::{Mode, UnknownMode};
pub use plan::{LeverName, Plan, Step};
pub use posture::{Posture, Reopened};
pub use recovery::{Health, Recovery};
pub use window::Window;

/// The newest format of the stored switch that this program reads and writes.
pub const FORMAT: u32 = 1;

/// What is said behind the name of who asked for an end, where an agent opens for them.
const AT_END: &str = " (end)";
/// So long who moved a site may still hold the right to, to tell of it.
const JUST_MOVED: SignedDuration = SignedDuration::from_secs(2);

/// The name of one move of the switch, from asking to settled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(String);

impl OperationId {
    /// An id that sorts by time: seconds in hexadecimal, then what tells apart two of one second.
    pub fn at(now: Timestamp, random: u32) -> OperationId {
        OperationId(format!("op-{:08x}-{random:08x}", now.as_second()))
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far an operation has come, as far as the store knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "lowercase")]
pub enum Phase {
    /// Asked for; levers are on their way.
    Moving,
    /// Every lever's own system has confirmed.
    Moved {
        /// When the last one did.
        moved_at: Timestamp,
        /// Seconds from then until no correct client can still have the old answer.
        settles_after: u32,
    },
}

/// [`Phase`] with what follows from the time of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// Asked for; levers are on their way.
    Moving,
    /// Confirmed by every lever's own system.
    Moved,
    /// No correct client can still have the old answer.
    Settled,
    /// Nobody comes to the old target any more, as those who stand there say.
    Quiet,
}

impl Seen {
    /// The word for it in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Seen::Moving => "moving",
            Seen::Moved => "moved",
            Seen::Settled => "settled",
            Seen::Quiet => "quiet",
        }
    }
}

/// What happens when an operation's time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnEnd {
    /// The site opens, if there is at least one check and all pass.
    Reopen,
    /// It stays as it is, overdue, and tells.
    Stay,
}

/// The switch of one site, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// [`FORMAT`] of whoever wrote it.
    pub format: u32,
    /// Counts the writes, so that no two contents are ever the same.
    pub version: u64,
    /// Who asked last, as an id.
    pub operation: OperationId,
    /// What is asked for.
    pub mode: Mode,
    /// How far it has come.
    #[serde(flatten)]
    pub phase: Phase,
    /// When it was asked for.
    pub since: Timestamp,
    /// When the operation is to end, if it has an end.
    pub until: Option<Timestamp>,
    /// What happens then; `None` means to reopen.
    #[serde(default)]
    pub on_end: Option<OnEnd>,
    /// The site opens once its checks have passed so many times in a row; `until` is when it is overdue then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_healthy: Option<u32>,
    /// What gateways give while the levers behind them still move, where it is not yet `mode`: opening goes from the
    /// inside out, so visitors come last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Mode>,
    /// Seconds that requests may wait in hold, where the operation says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u32>,
    /// What visitors got before who were all kept out, from then on until they are the next time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopened: Option<Box<Reopened>>,
    /// The command that it is a part of, by the token of whoever runs it. An older program did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// Who asked: an AWS caller identity, else `user@host`.
    pub by: String,
    /// Why, in the asker's words.
    pub reason: Option<String>,
    /// Where each lever stood before the operation, by lever.
    pub before: BTreeMap<String, String>,
}

/// What somebody wants.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The operation's id, should a new one begin.
    pub operation: OperationId,
    /// The mode wanted.
    pub mode: Mode,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// Where each lever stands now.
    pub before: BTreeMap<String, String>,
    /// When it is to end, and what happens then.
    pub end: Option<End>,
    /// What gateways go on giving until everything behind them has moved.
    pub gateway: Option<Mode>,
    /// The command that it is a part of.
    pub run: Option<u64>,
}

/// The end of an operation, as it was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At a time.
    At {
        /// When.
        until: Timestamp,
        /// What happens then; `None` means to reopen.
        then: Option<OnEnd>,
    },
    /// Once the site is healthy.
    Healthy {
        /// So many times in a row its checks pass before.
        passes: u32,
        /// When it is overdue, if it is to be.
        latest: Option<Timestamp>,
    },
}

impl End {
    /// The same end with another time.
    pub fn moved_to(self, until: Timestamp) -> End {
        match self {
            End::At { then, .. } => End::At { until, then },
            End::Healthy { passes, .. } => End::Healthy { passes, latest: Some(until) },
        }
    }

    /// In words, for whoever reads the log.
    pub fn in_words(self) -> String {
        match self {
            End::At { until, .. } => format!("it ends at {until}"),
            End::Healthy { passes, latest } => {
                let latest = latest.map(|at| format!(", and is overdue at {at}"));
                let times = times(passes);
                format!("it ends once every check passes {times}{}", latest.unwrap_or_default())
            }
        }
    }
}

/// `once`, or `3 times in a row`.
pub fn times(passes: u32) -> String {
    if passes == 1 { "once".to_owned() } else { format!("{passes} times in a row") }
}

impl Switch {
    /// The switch after `ask`. An operation that is still moving to the same mode goes on under its own id: what
    /// asked again is the same operation after a crash or an interruption.
    pub fn asked(current: Option<&Switch>, ask: Ask, now: Timestamp) -> Switch {
        let version = current.map_or(0, |switch| switch.version) + 1;
        match current {
            Some(switch) if switch.phase == Phase::Moving && switch.mode == ask.mode => Switch {
                version,
                run: ask.run,
                reason: ask.reason.or_else(|| switch.reason.clone()),
                ..switch.clone()
            }
            .with_end(ask.end.or(switch.end())),
            _ => Switch {
                format: FORMAT,
                version,
                operation: ask.operation,
                mode: ask.mode,
                phase: Phase::Moving,
                since: now,
                until: None,
                on_end: None,
                until_healthy: None,
                gateway: ask.gateway,
                patience: None,
                reopened: reopened(current, ask.mode, now),
                run: ask.run,
                by: ask.by,
                reason: ask.reason,
                before: ask.before,
            }
            .with_end(ask.end),
        }
    }

    /// The end that was promised, if one was.
    pub fn end(&self) -> Option<End> {
        match (self.until_healthy, self.until) {
            (Some(passes), latest) => Some(End::Healthy { passes, latest }),
            (None, Some(until)) => Some(End::At { until, then: self.on_end }),
            (None, None) => None,
        }
    }

    fn with_end(self, end: Option<End>) -> Switch {
        let (until, on_end, until_healthy) = match end {
            Some(End::At { until, then }) => (Some(until), then, None),
            Some(End::Healthy { passes, latest }) => (latest, None, Some(passes)),
            None => (None, None, None),
        };
        Switch { until, on_end, until_healthy, ..self }
    }

    /// The switch after its levers confirmed. An answer to another operation settles nothing.
    pub fn confirmed(
        &self,
        operation: &OperationId,
        settles_after: u32,
        now: Timestamp,
    ) -> Option<Switch> {
        (self.operation == *operation).then(|| Switch {
            version: self.version + 1,
            phase: Phase::Moved { moved_at: now, settles_after },
            ..self.told_gateways(now)
        })
    }

    /// The switch as it was before a move that could not be made, written anew on top of `self`.
    pub fn taken_back(&self, before: Option<&Switch>, now: Timestamp) -> Switch {
        let version = self.version + 1;
        match before {
            Some(switch) => Switch { version, ..switch.clone() },
            None => Switch {
                version,
                mode: Mode::Open,
                phase: Phase::Moved { moved_at: now, settles_after: 0 },
                until: None,
                until_healthy: None,
                gateway: None,
                reopened: None,
                ..self.clone()
            },
        }
    }

    /// The switch once everything behind the gateways has moved: they follow now.
    pub fn released(&self, now: Timestamp) -> Switch {
        Switch { version: self.version + 1, ..self.told_gateways(now) }
    }

    /// With gateways that follow, and let visitors in from `now` on where they kept them out until then.
    fn told_gateways(&self, now: Timestamp) -> Switch {
        let kept_out = |reopened: &Reopened| self.gateway == Some(reopened.from);
        let at = |reopened: &Reopened| if kept_out(reopened) { now } else { reopened.at };
        let reopened = self.reopened.as_ref();
        let reopened = reopened.map(|it| Box::new(Reopened { at: at(it), ..(**it).clone() }));
        Switch { gateway: None, reopened, ..self.clone() }
    }

    /// The same operation, whose levers move once more: somebody else moved one of them away.
    pub fn moving_again(&self) -> Switch {
        Switch { version: self.version + 1, phase: Phase::Moving, ..self.clone() }
    }

    /// The same operation with another end.
    pub fn ending(&self, end: End) -> Switch {
        Switch { version: self.version + 1, ..self.clone() }.with_end(Some(end))
    }

    /// The same operation, which nobody opens but by hand: past its end it stays.
    pub fn staying(&self) -> Switch {
        let on_end = self.until.map(|_| OnEnd::Stay);
        Switch { version: self.version + 1, on_end, until_healthy: None, ..self.clone() }
    }

    /// The same operation, whose requests may wait for so many seconds.
    pub fn waiting_for(&self, patience: u32) -> Switch {
        Switch { version: self.version + 1, patience: Some(patience), ..self.clone() }
    }

    /// Whether it should have ended by `now`, and has not.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.mode != Mode::Open && self.until.is_some_and(|until| until <= now)
    }

    /// Who opens the site at the end of this operation: an agent, for who asked for the end.
    pub fn by_at_end(&self) -> String {
        format!("{}{AT_END}", self.by)
    }

    /// Whether an agent opens the site at `now`, at an end that somebody asked for, or has moved its last lever just before.
    pub fn is_opened_at_end(&self, now: Timestamp) -> bool {
        let lately = match self.phase {
            Phase::Moving => true,
            Phase::Moved { moved_at, .. } => now.duration_since(moved_at) < JUST_MOVED,
        };
        self.mode == Mode::Open && self.by.ends_with(AT_END) && lately
    }

    /// What gateways are to give.
    pub fn posture(&self) -> Posture {
        Posture {
            mode: self.gateway.unwrap_or(self.mode),
            operation: Some(self.operation.clone()),
            since: self.since,
            until: self.until,
            patience: self.patience.map(|seconds| Duration::from_secs(u64::from(seconds))),
            reopened: self.reopened.clone().filter(|_| self.gateway.is_none()),
        }
    }

    /// How far it has come, seen at `now`.
    pub fn seen(&self, now: Timestamp) -> Seen {
        match self.phase {
            Phase::Moving => Seen::Moving,
            Phase::Moved { .. } if self.settles_at().is_some_and(|at| now < at) => Seen::Moved,
            Phase::Moved { .. } => Seen::Settled,
        }
    }

    /// When no correct client can still have the old answer; `None` while levers move.
    pub fn settles_at(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Moving => None,
            Phase::Moved { moved_at, settles_after } => {
                moved_at.checked_add(SignedDuration::from_secs(i64::from(settles_after))).ok()
            }
        }
    }
}

/// What a site that is to give `mode` reopens from. Asking for `open` again is the same opening, also after a mode in between that
/// keeps nobody out.
fn reopened(current: Option<&Switch>, mode: Mode, now: Timestamp) -> Option<Box<Reopened>> {
    let switch = current?;
    match (switch.gateway.unwrap_or(switch.mode), mode) {
        (_, Mode::Closed | Mode::Detour)
        | (Mode::Closed | Mode::Detour, Mode::ReadOnly | Mode::Hold) => None,
        (Mode::Open | Mode::ReadOnly | Mode::Hold, Mode::Open | Mode::ReadOnly | Mode::Hold) => {
            switch.reopened.clone()
        }
        (from @ (Mode::Closed | Mode::Detour), Mode::Open) => {
            Some(Box::new(Reopened { from, after: switch.operation.clone(), at: now }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn ask(mode: Mode, number: u32) -> Ask {
        Ask {
            operation: OperationId::at(at(0), number),
            mode,
            by: "ana".to_owned(),
            reason: None,
            before: BTreeMap::new(),
            end: None,
            gateway: None,
            run: None,
        }
    }

    #[test]
    fn a_late_answer_settles_nothing() {
        let first = Switch::asked(None, ask(Mode::Detour, 1), at(0));
        let second = Switch::asked(Some(&first), ask(Mode::Open, 2), at(1));
        assert_eq!(second.confirmed(&first.operation, 0, at(2)), None);
        let moved = second.confirmed(&second.operation.clone(), 61, at(2)).unwrap();
        assert_eq!(moved.seen(at(2)), Seen::Moved);
        assert_eq!(moved.seen(at(62)), Seen::Moved);
        assert_eq!(moved.seen(at(63)), Seen::Settled);
    }

    #[test]
    fn asking_again_while_it_moves_continues_the_same_operation() {
        let first = Switch::asked(None, ask(Mode::Detour, 1), at(0));
        let again = Switch::asked(Some(&first), ask(Mode::Detour, 2), at(9));
        assert_eq!(again.operation, first.operation);
        assert_eq!(again.since, first.since);
        let back = Switch::asked(Some(&again), ask(Mode::Open, 3), at(10));
        assert_ne!(back.operation, first.operation);
    }

    #[test]
    fn an_agent_opens_at_an_end_until_just_after_it_has_and_nobody_else_does() {
        let closed = Switch::asked(None, ask(Mode::Closed, 1), at(0));
        let opens =
            |by: String| Switch::asked(Some(&closed), Ask { by, ..ask(Mode::Open, 2) }, at(60));
        let opening = opens(closed.by_at_end());
        assert!(opening.is_opened_at_end(at(600)), "it may take its time");
        let opened = opening.confirmed(&opening.operation.clone(), 0, at(61)).unwrap();
        assert!(opened.is_opened_at_end(at(62)));
        assert!(!opened.is_opened_at_end(at(63)), "that is over");
        assert!(!opens("ana".to_owned()).is_opened_at_end(at(60)));
        let closed = Switch { by: closed.by_at_end(), ..closed };
        assert!(!closed.is_opened_at_end(at(60)), "whatever somebody is called");
    }

    #[test]
    fn a_reopening_counts_from_when_gateways_are_told_and_is_the_same_when_asked_for_again() {
        let closed = Switch::asked(None, ask(Mode::Detour, 1), at(0));
        let held = Ask { gateway: Some(Mode::Detour), ..ask(Mode::Open, 2) };
        let opening = Switch::asked(Some(&closed), held, at(10));
        assert_eq!(opening.posture().reopened, None, "gateways are not told yet");
        let told = opening.released(at(70));
        let wanted = Reopened { from: Mode::Detour, after: closed.operation.clone(), at: at(70) };
        let wanted = Box::new(wanted);
        assert_eq!(told.posture().reopened, Some(wanted.clone()));
        let moved = told.confirmed(&told.operation.clone(), 0, at(75)).unwrap();
        let again = Switch::asked(Some(&moved), ask(Mode::Open, 3), at(80));
        assert_eq!(again.posture().reopened, Some(wanted.clone()));
        for mode in [Mode::ReadOnly, Mode::Hold] {
            let stays = Switch::asked(Some(&again), ask(mode, 4), at(90));
            let held = Ask { gateway: Some(mode), ..ask(Mode::Open, 5) };
            let open = Switch::asked(Some(&stays), held, at(95)).released(at(97));
            assert_eq!(open.posture().reopened, Some(wanted.clone()), "it goes on after {mode}");
        }
    }

    #[test]
    fn nobody_who_came_in_a_mode_that_keeps_nobody_out_is_let_in_late() {
        let closed = Switch::asked(None, ask(Mode::Closed, 1), at(0));
        let opened = Switch::asked(Some(&closed), ask(Mode::Open, 2), at(5));
        for mode in [Mode::ReadOnly, Mode::Hold] {
            for before in [None, Some(&closed)] {
                let stays = Switch::asked(before, ask(mode, 3), at(10));
                assert_eq!(stays.reopened, None);
                let open = Switch::asked(Some(&stays), ask(Mode::Open, 4), at(20));
                assert_eq!(open.reopened, None, "nobody who came in {mode} was kept out");
            }
            let stays = Switch::asked(Some(&opened), ask(mode, 3), at(10));
            let closed = Switch::asked(Some(&stays), ask(Mode::Closed, 4), at(20));
            assert_eq!(closed.reopened, None, "closing begins anew");
        }
    }

    #[test]
    fn the_stored_form_is_flat_and_reads_back() {
        let moved = Switch::asked(None, ask(Mode::ReadOnly, 1), at(0));
        let moved = moved.confirmed(&moved.operation.clone(), 5, at(3)).unwrap();
        let json = serde_json::to_value(&moved).unwrap();
        assert_eq!(json["phase"], "moved");
        assert_eq!(json["mode"], "read-only");
        assert_eq!(serde_json::from_value::<Switch>(json).unwrap(), moved);
    }

    #[test]
    fn k8_a_switch_that_an_older_program_wrote_or_a_newer_one_added_to_reads_as_it_was_meant() {
        let asked = Switch::asked(None, ask(Mode::Closed, 1), at(0));
        let mut json = serde_json::to_value(&asked).unwrap();
        let fields = json.as_object_mut().unwrap();
        for newer in ["on_end", "until_healthy", "gateway", "patience", "reopened", "run"] {
            fields.remove(newer);
        }
        fields.insert("of_tomorrow".to_owned(), true.into());
        assert_eq!(serde_json::from_value::<Switch>(json).unwrap(), asked);
    }

    #[test]
    fn an_end_is_kept_by_who_asks_again_and_is_none_of_the_next_operation() {
        let healthy = End::Healthy { passes: 3, latest: Some(at(600)) };
        let first = Switch::asked(None, Ask { end: Some(healthy), ..ask(Mode::Closed, 1) }, at(0));
        assert_eq!(first.end(), Some(healthy));
        let json = serde_json::to_value(&first).unwrap();
        assert_eq!(
            (&json["until_healthy"], serde_json::from_value(json.clone()).ok()),
            (&3.into(), Some(first.clone()))
        );
        let again = Switch::asked(Some(&first), ask(Mode::Closed, 2), at(1));
        assert_eq!(again.end(), Some(healthy));
        let later = again.ending(healthy.moved_to(at(900)));
        assert_eq!(later.end(), Some(End::Healthy { passes: 3, latest: Some(at(900)) }));
        assert_eq!(later.ending(End::At { until: at(9), then: None }).until_healthy, None);
        assert_eq!(Switch::asked(Some(&later), ask(Mode::Open, 3), at(2)).end(), None);
    }

    proptest! {
        #[test]
        fn the_version_only_grows_and_only_the_last_operation_can_confirm(
            modes in proptest::collection::vec(0usize..5, 1..20),
            answers in proptest::collection::vec(0usize..20, 1..20),
        ) {
            let mut switch: Option<Switch> = None;
            let mut operations = Vec::new();
            for (step, index) in modes.iter().enumerate() {
                let number = u32::try_from(step).unwrap();
                let next = Switch::asked(switch.as_ref(), ask(Mode::LADDER[*index], number), at(0));
                prop_assert!(switch.is_none_or(|before| before.version < next.version));
                operations.push(next.operation.clone());
                switch = Some(next);
            }
            let switch = switch.unwrap();
            for answer in answers {
                if let Some(operation) = operations.get(answer) {
                    let confirmed = switch.confirmed(operation, 0, at(1));
                    prop_assert_eq!(confirmed.is_some(), *operation == switch.operation);
                }
            }
        }
    }
}
