//! What is said while Redis is there and takes no writes: to a write that it refused, and to whoever reads what was dropped.
//!
//! It is said only of a cache, and only with a journal: without one, Redis's own error passes.

use bytes::Bytes;

use super::answer::{Verdict, answer};
use super::asked::{Asked, DroppedWrite, Sent, Within};
use super::away::{Later, Outcome, done, entries, said_of, then_of};
use super::breaker::{Asks, Tells, Who};
use super::dirty::{names, tells};
use super::frame::{Arguments, Request, Requests};
use super::gate::Gate;
use super::journal::Entry;
use super::session::{Queued, Session, Transaction, queued};
use super::table::{self, Family};
use super::unanswered::unknown;
use super::value::{Resp, Value};
use crate::config::Afterwards;

/// Whether anything is dropped at all.
fn drops(gate: &Gate) -> bool {
    gate.keeper.is_some() && gate.config.on_outage.then == Afterwards::Open
}

/// Who answers a command of this session, where Redis is asked so much.
pub(super) fn whose(gate: &Gate, asks: Asks, session: &Session, arguments: &Arguments<'_>) -> Who {
    if asks == Asks::All {
        return Who::Redis;
    }
    let Some(queue) = &session.queue else { return asks.who(gate.tells(asks, arguments)) };
    if !arguments.is(0, "EXEC") {
        return asks.who(Tells::Nothing);
    }
    // What was queued is done now, and tells now.
    let is_told = |command: &Bytes| {
        let mut requests = Requests::default();
        match requests.read(command) {
            Ok(Request::Whole { arguments, .. }) => gate.tells(asks, &arguments) != Tells::Nothing,
            _ => true,
        }
    };
    let told = match queue.known() {
        Some(commands) => commands.iter().any(is_told),
        None => asks != Asks::All,
    };
    asks.who(if told { Tells::Dropped } else { Tells::Nothing })
}

/// What would be said of a long write to a cache: it is not kept, and is looked at while it is here.
pub(super) fn long(gate: &Gate, arguments: &Arguments<'_>) -> Option<Box<DroppedWrite>> {
    if !drops(gate) {
        return None;
    }
    match said_of(gate, arguments, then_of(gate, arguments)) {
        Verdict::Dropped { answer, dirty } => Some(Box::new(DroppedWrite { answer, dirty })),
        Verdict::Said(_) | Verdict::Waits { .. } | Verdict::Refused(_) | Verdict::Own(_) => None,
    }
}

/// What is said of a long command that would tell of what was dropped, and was sent.
pub(super) fn instead(gate: &Gate, version: Resp, arguments: &Arguments<'_>) -> Bytes {
    match said_of(gate, arguments, then_of(gate, arguments)) {
        Verdict::Said(value) => value.encoded(version).into(),
        _ => unknown(version),
    }
}

/// What is said of a write that Redis refused, if something is but its error.
pub(super) fn refused(gate: &Gate, session: &Session, sent: &Sent) -> Option<Outcome> {
    if !drops(gate) {
        return None;
    }
    let version = session.version;
    let dropped = |answer: &Value, dirty: &[_]| Outcome::Dropped {
        later: Later::Said(answer.encoded(version).into()),
        otherwise: Bytes::new(),
        entries: entries(session, dirty),
    };
    let bytes = match &sent.asked {
        Asked::Whole(bytes) => bytes,
        Asked::Long(Some(write)) => return Some(dropped(&write.answer, &write.dirty)),
        Asked::Long(None) => return None,
    };
    let mut requests = Requests::default();
    let Ok(Request::Whole { arguments, .. }) = requests.read(bytes) else { return None };
    let verdict = said_of(gate, &arguments, then_of(gate, &arguments));
    if matches!(sent.within, Within::Queued) {
        let is_said = matches!(verdict, Verdict::Said(_) | Verdict::Dropped { .. });
        return is_said.then(|| Outcome::Said(Value::Status("QUEUED").encoded(version).into()));
    }
    let family = table::find(arguments.name()).map(|command| command.family);
    match (verdict, family) {
        (Verdict::Dropped { answer, dirty }, _) => Some(dropped(&answer, &dirty)),
        // A lock is not granted.
        (Verdict::Said(value), Some(Family::Set | Family::Unset)) => {
            Some(Outcome::Said(value.encoded(version).into()))
        }
        _ => None,
    }
}

/// What is said to the end of a transaction that Redis did not do, if all of it may be answered.
pub(super) fn executed(gate: &Gate, session: &Session, queue: &[Bytes]) -> Option<Outcome> {
    if !drops(gate) || session.is_watching {
        return None;
    }
    let mut transaction = Transaction::here();
    let mut end = |bytes: &[u8]| {
        let mut requests = Requests::default();
        let Ok(Request::Whole { arguments, .. }) = requests.read(bytes) else { return None };
        let database = Some(session.database);
        match queued(&mut transaction, &arguments, database, || {
            said_of(gate, &arguments, then_of(gate, &arguments))
        }) {
            Queued::Refused | Queued::Said(Value::Error(_)) => None,
            known => Some(known),
        }
    };
    for command in queue {
        end(command)?;
    }
    match end(b"*1\r\n$4\r\nEXEC\r\n")? {
        Queued::Said(list) => Some(Outcome::Said(list.encoded(session.version).into())),
        Queued::Done { answer, dirty } => Some(done(&answer, dirty, session.version)),
        Queued::Refused => None,
    }
}

/// What is said instead of Redis's answer to a command that was sent behind a write which is dropped now, if its answer would tell.
pub(super) fn behind(gate: &Gate, version: Resp, sent: &Sent, dropped: &[Entry]) -> Option<Bytes> {
    let read = |bytes: &Bytes| {
        let mut requests = Requests::default();
        let Ok(Request::Whole { arguments, .. }) = requests.read(bytes) else {
            return Some(unknown(version));
        };
        let would_tell = names(&arguments, dropped) && tells(&arguments, &|_| true);
        would_tell.then(|| match answer(&arguments, &gate.config.rules) {
            Verdict::Said(value) | Verdict::Dropped { answer: value @ Value::Nil, .. } => {
                value.encoded(version).into()
            }
            _ => unknown(version),
        })
    };
    match (&sent.within, &sent.asked) {
        (Within::Queued, _) | (Within::Alone, Asked::Long(Some(_))) => None,
        (Within::Alone, Asked::Long(None)) | (Within::Ends(None), _) => Some(unknown(version)),
        (Within::Alone, Asked::Whole(bytes)) => read(bytes),
        (Within::Ends(Some(queue)), _) => {
            queue.iter().any(|command| read(command).is_some()).then(|| unknown(version))
        }
    }
}

/// An error for what neither Redis nor the table may answer.
pub(super) fn not_clean(arguments: &Arguments<'_>, version: Resp) -> Bytes {
    let name = String::from_utf8_lossy(arguments.name()).to_ascii_uppercase();
    let name: String = name.chars().filter(char::is_ascii_graphic).take(40).collect();
    let text = format!("ROADWORKSDOWN what '{name}' reads is out of date, and not removed yet");
    Value::Error(text).encoded(version).into()
}
