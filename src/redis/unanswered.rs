//! A command that Redis was asked and has not answered, since it went, ended the connection or takes too long: what is said, or that it
//! is asked again. Nothing that may have been done is done twice.

use bytes::Bytes;
use tokio::time::Instant;

use super::answer::{Refusal, Verdict, answer};
use super::asked::{Asked, Fate, Sent, Within};
use super::away::{Later, Outcome, entries, held, outcome, refusal, then_of};
use super::breaker::Posture;
use super::counters::Reason;
use super::emergency::Named;
use super::frame::{Arguments, Request, Requests};
use super::gate::Gate;
use super::journal::Entry;
use super::line::Slot;
use super::session::{Session, Transaction};
use super::table::{self, Family};
use super::unwritable::executed;
use super::value::{Resp, Value};
use crate::clock;
use crate::config::Afterwards;

/// What becomes of a command that was sent and not answered.
pub(super) enum Unanswered {
    Slot(Slot),
    /// Whether it was done or not, this is said once these are kept, and that nobody knows where they are not.
    Dropped {
        later: Later,
        entries: Vec<Entry>,
    },
    /// The connection ends.
    Ends,
}

/// What is said of a command that was sent and not answered.
pub(super) fn unanswered(
    gate: &Gate,
    session: &mut Session,
    sent: Sent,
    posture: Posture,
) -> Unanswered {
    let now = clock::monotonic();
    let unknown = |version: Resp| {
        gate.counters.note(sent.family, Reason::Unknown);
        Unanswered::Slot(Slot::Ready(unknown(version)))
    };
    let bytes = match &sent.asked {
        Asked::Whole(bytes) => bytes,
        Asked::Long(Some(write)) if gate.keeper.is_some() => {
            let later = Later::Said(write.answer.encoded(session.version).into());
            return Unanswered::Dropped { later, entries: entries(session, &write.dirty) };
        }
        Asked::Long(_) => return unknown(session.version),
    };
    let (mut requests, bytes) = (Requests::default(), bytes.clone());
    let Ok(Request::Whole { arguments, .. }) = requests.read(&bytes) else {
        return unknown(session.version);
    };
    if arguments.is(0, "EXEC") {
        perhaps_executed(gate, session, &sent);
        return unknown(session.version);
    }
    if sent.past.fate == Fate::Undone {
        return undone(gate, session, sent, (&arguments, &bytes), posture);
    }
    let is_queueing = matches!(session.transaction, Transaction::Here { .. });
    if let Some((until, answer)) = read_again(gate, session, &sent, &arguments, posture) {
        return Unanswered::Slot(Slot::of_waiting(sent, Some(until), answer));
    }
    // What only reads, or waits for what has not come, can be asked again; but nothing of a transaction.
    let found = answer(&arguments, &gate.config.rules);
    let held = posture.held_until(gate.config.on_outage.hold);
    let held = held.filter(|until| *until > now && !is_queueing);
    let outcome = outcome(gate, posture, session, &arguments, Some(&bytes));
    let (family, reason) = (sent.family, outcome.reason(sent.family));
    let slot = match (&found, outcome) {
        (Verdict::Waits { .. }, Outcome::Waits { at_most, answer }) => {
            let until = at_most.map(|time| sent.at + time);
            Slot::of_waiting(sent, until, answer)
        }
        (Verdict::Said(_), Outcome::Said(answer)) if held.is_some() && !is_unset(&arguments) => {
            Slot::of_waiting(sent, held, answer)
        }
        // Whatever its keys are for: who is held only waits.
        (_, Outcome::Refused(answer)) if held.is_some() && is_read(&arguments) => {
            Slot::of_waiting(sent, held, answer)
        }
        // `SET NX` may have been done: that it was not is no longer true.
        (Verdict::Said(_), Outcome::Said(answer)) if !is_unset(&arguments) => Slot::Ready(answer),
        (Verdict::Own(_), Outcome::Said(answer) | Outcome::Ends(answer)) => Slot::Ready(answer),
        (_, Outcome::Dropped { later, entries, .. }) => {
            return Unanswered::Dropped { later, entries };
        }
        _ => return unknown(session.version),
    };
    told(gate, slot, family, reason)
}

/// Until when what only reads waits to be asked again, and what is said then: as long as its keys are held, or once where Redis is
/// there and ended the connection.
fn read_again(
    gate: &Gate,
    session: &Session,
    sent: &Sent,
    arguments: &Arguments<'_>,
    posture: Posture,
) -> Option<(Instant, Bytes)> {
    let now = clock::monotonic();
    if matches!(session.transaction, Transaction::Here { .. }) {
        return None;
    }
    if posture.away().is_none() {
        let may_be = is_read(arguments) && !sent.past.is_again;
        return may_be.then(|| (now + gate.patience(), unknown(session.version)));
    }
    let family = table::find(arguments.name()).map(|command| command.family);
    let until = held(gate, session, arguments, posture).filter(|until| *until > now)?;
    matches!(family, Some(Family::Read(_)))
        .then(|| (until, refusal(gate, arguments, Refusal::Never, session.version)))
}

/// What is told at once is counted at once.
fn told(gate: &Gate, slot: Slot, family: Option<Family>, reason: Reason) -> Unanswered {
    if matches!(slot, Slot::Ready(_)) {
        gate.counters.note(family, reason);
    }
    Unanswered::Slot(slot)
}

/// What is said of a command that was not done, since Redis is away: the same as of one that comes now. It waits for as long, but
/// once; a write to a cache that may be dropped is dropped at once.
fn undone(
    gate: &Gate,
    session: &mut Session,
    sent: Sent,
    (arguments, bytes): (&Arguments<'_>, &Bytes),
    posture: Posture,
) -> Unanswered {
    let now = clock::monotonic();
    let of_its_keys = held(gate, session, arguments, posture);
    let until = of_its_keys.max(posture.held_until(gate.config.on_outage.hold));
    let until = until.filter(|until| *until > now && !sent.past.is_again);
    let outcome = outcome(gate, posture, session, arguments, Some(bytes));
    let (family, reason) = (sent.family, outcome.reason(sent.family));
    let slot = match (outcome, until) {
        (Outcome::Waits { at_most, answer }, _) => {
            let until = at_most.map(|time| sent.at + time);
            Slot::of_waiting(sent, until, answer)
        }
        (Outcome::Dropped { later, entries, .. }, _) => {
            return Unanswered::Dropped { later, entries };
        }
        (Outcome::Said(answer) | Outcome::Refused(answer) | Outcome::Ends(answer), Some(until)) => {
            Slot::of_waiting(sent, Some(until), answer)
        }
        (Outcome::Refused(_), None) if gate.then() == Afterwards::Drop => return Unanswered::Ends,
        (Outcome::Said(answer) | Outcome::Refused(answer), None) => Slot::Ready(answer),
        (Outcome::Ends(_), None) | (Outcome::Listens(_), _) => {
            gate.counters.note(family, reason);
            return Unanswered::Ends;
        }
    };
    told(gate, slot, family, reason)
}

/// What a transaction wrote is removed, whether it was done or not.
fn perhaps_executed(gate: &Gate, session: &mut Session, sent: &Sent) {
    session.transaction = Transaction::None;
    session.named = Named::default();
    if let (Some(keeper), Within::Ends(Some(queue))) = (&gate.keeper, &sent.within)
        && let Some(Outcome::Dropped { entries, .. }) = executed(gate, session, queue)
    {
        drop(keeper.keep(entries));
    }
}

pub(super) fn unknown(version: Resp) -> Bytes {
    let text = "ROADWORKSDOWN redis went away; whether it did what was asked is unknown";
    Value::Error(text.to_owned()).encoded(version).into()
}

/// Whether it is said that nobody knows.
pub(super) fn is_unknown(slot: &Slot, version: Resp) -> bool {
    matches!(slot, Slot::Ready(said) if *said == unknown(version))
}

fn is_read(arguments: &Arguments<'_>) -> bool {
    let family = table::find(arguments.name()).map(|command| command.family);
    matches!(family, Some(Family::Read(_) | Family::Search))
}

fn is_unset(arguments: &Arguments<'_>) -> bool {
    let family = table::find(arguments.name()).map(|command| command.family);
    matches!(family, Some(Family::Unset | Family::Set)) && arguments.count() > 2
}

/// What is said of a read that takes too long, if something is: its answer is swallowed when it comes.
pub(super) fn instead(gate: &Gate, session: &Session, sent: &Sent) -> Option<Bytes> {
    let Asked::Whole(bytes) = &sent.asked else { return None };
    if session.is_queueing {
        return None;
    }
    let mut requests = Requests::default();
    let Ok(Request::Whole { arguments, .. }) = requests.read(bytes) else { return None };
    if then_of(gate, &arguments) != Afterwards::Open {
        return None;
    }
    let family = table::find(arguments.name()).map(|command| command.family)?;
    match answer(&arguments, &gate.config.rules) {
        Verdict::Said(value) if matches!(family, Family::Read(_)) => {
            Some(value.encoded(session.version).into())
        }
        _ => None,
    }
}
