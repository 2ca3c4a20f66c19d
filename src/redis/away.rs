//! One command while Redis is away: what is said, how long it waits, or that its connection ends.

use std::time::Duration;

use bytes::Bytes;
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;

use super::answer::{Dirty, Refusal, Verdict, answer};
use super::breaker::Posture;
use super::counters::Reason;
use super::emergency::{Effect, Moment, Named, View, effect};
use super::frame::Arguments;
use super::gate::Gate;
use super::journal::Entry;
use super::keys;
use super::local::local;
use super::session::{Change, Queued, Session, Standing, Transaction, aborted, change, queued};
use super::table::{self, Family};
use super::value::{Resp, Value};
use crate::clock;
use crate::config::{Afterwards, OnOutage, RedisRole, RefuseAs};

/// What becomes of a command.
#[derive(Debug)]
pub(super) enum Outcome {
    Said(Bytes),
    /// An error, which comes the later the more there are.
    Refused(Bytes),
    Waits {
        at_most: Option<Duration>,
        answer: Bytes,
    },
    /// Said once these are kept, and else the other.
    Dropped {
        later: Later,
        otherwise: Bytes,
        entries: Vec<Entry>,
    },
    /// Said, and then the connection ends.
    Ends(Bytes),
    /// The client listens, until Redis is back and it must listen there.
    Listens(Bytes),
}

impl Outcome {
    /// What it is counted as.
    pub(super) fn reason(&self, family: Option<Family>) -> Reason {
        match self {
            Outcome::Said(_) => match family {
                Some(Family::Local | Family::Transaction | Family::Message | Family::Subscribe) => {
                    Reason::Own
                }
                Some(_) | None => Reason::Miss,
            },
            Outcome::Refused(_) => Reason::Refused,
            Outcome::Waits { .. } => Reason::Waited,
            Outcome::Dropped { .. } => Reason::Dropped,
            Outcome::Ends(_) | Outcome::Listens(_) => Reason::Own,
        }
    }
}

/// What is said of a write once it is kept.
#[derive(Debug)]
pub(super) enum Later {
    /// This.
    Said(Bytes),
    /// What an empty Redis says, or what comes of what is kept meanwhile.
    Done { empty: Value, effect: Effect, view: View, version: Resp },
}

impl Later {
    /// It is kept, and done now.
    pub(super) fn done(self, gate: &Gate) -> Bytes {
        match self {
            Later::Said(bytes) => bytes,
            Later::Done { empty, effect, view, version } => {
                let said = match &gate.emergency {
                    Some(emergency) => emergency.done(view, effect, empty, Moment::now()),
                    None => empty,
                };
                said.encoded(version).into()
            }
        }
    }
}

/// What is said of a command that Redis is not asked, and what it does to its session.
pub(super) fn outcome(
    gate: &Gate,
    posture: Posture,
    session: &mut Session,
    arguments: &Arguments<'_>,
    bytes: Option<&Bytes>,
) -> Outcome {
    let own_way = outage_of(gate, arguments);
    if own_way.is_some_and(|outage| outage.then == Afterwards::Drop) {
        return Outcome::Ends(Bytes::new());
    }
    let then = then_of(gate, arguments);
    let verdict = || said_of(gate, arguments, then);
    let (version, database) = (session.version, session.database);
    // Nothing is kept while Redis is there.
    let view = posture.away().map(|_| View { epoch: posture.epoch, database });
    let is_queueing = matches!(session.transaction, Transaction::Here { .. });
    let family = table::find(arguments.name()).map(|command| command.family);
    if is_queueing || family == Some(Family::Transaction) {
        let database = gate.keeper.is_some().then_some(session.database);
        let found = queued(&mut session.transaction, arguments, database, verdict);
        evict_queued(gate, view, session, arguments);
        return match found {
            Queued::Said(value) => Outcome::Said(value.encoded(version).into()),
            Queued::Done { answer, dirty } => done(&answer, dirty, version),
            Queued::Refused => refused(gate, arguments, Refusal::Never, version),
        };
    }
    match verdict() {
        Verdict::Said(empty) => {
            let said = kept_meanwhile(gate, view, session, arguments, empty);
            Outcome::Said(said.encoded(version).into())
        }
        Verdict::Waits { at_most, answer } => {
            let answer = kept_meanwhile(gate, view, session, arguments, answer);
            Outcome::Waits { at_most, answer: answer.encoded(version).into() }
        }
        Verdict::Refused(why) => refused(gate, arguments, why, version),
        Verdict::Dropped { answer, dirty } if gate.keeper.is_some() => {
            let otherwise = refusal(gate, arguments, Refusal::Lost, version);
            let entries = entries(session, &dirty);
            let later = later(gate, view, session, arguments, answer);
            Outcome::Dropped { later, otherwise, entries }
        }
        // Without a journal nobody could remove what Redis still has.
        Verdict::Dropped { .. } => refused(gate, arguments, Refusal::Lost, version),
        Verdict::Own(Family::Subscribe) => listens(gate, arguments, version),
        Verdict::Own(_) => own(gate, session, arguments, bytes),
    }
}

/// The end of a transaction of ours in which something was dropped.
pub(super) fn done(answer: &Value, entries: Vec<Entry>, version: Resp) -> Outcome {
    let (answer, otherwise) = (answer.encoded(version), aborted().encoded(version));
    Outcome::Dropped { later: Later::Said(answer.into()), otherwise: otherwise.into(), entries }
}

/// What is said of a write once it is kept.
fn later(
    gate: &Gate,
    view: Option<View>,
    session: &Session,
    arguments: &Arguments<'_>,
    empty: Value,
) -> Later {
    let version = session.version;
    let Some(view) = view else { return Later::Said(empty.encoded(version).into()) };
    let effect = if is_trusted(gate, session) {
        effect(arguments)
    } else {
        Effect::Evict(Named::by(arguments))
    };
    Later::Done { empty, effect, view, version }
}

/// What is kept of a key meanwhile counts, for whoever may see it.
fn kept_meanwhile(
    gate: &Gate,
    view: Option<View>,
    session: &Session,
    arguments: &Arguments<'_>,
    empty: Value,
) -> Value {
    let (Some(emergency), Some(view)) = (&gate.emergency, view) else { return empty };
    if is_trusted(gate, session) {
        return emergency.said(view, arguments, empty, Moment::now());
    }
    emergency.evict(view, &Named::by(arguments));
    empty
}

/// Whether it may see, and say, what others see: Redis would have asked for a password.
fn is_trusted(gate: &Gate, session: &Session) -> bool {
    gate.config.upstream.password.is_none() || session.standing == Standing::Proven
}

/// What was queued was answered as if nothing were there: it is so once it is done.
fn evict_queued(gate: &Gate, view: Option<View>, session: &mut Session, arguments: &Arguments<'_>) {
    let (Some(emergency), Some(view)) = (&gate.emergency, view) else { return };
    if matches!(session.transaction, Transaction::Here { .. }) {
        session.named.and(Named::by(arguments));
    } else {
        let named = std::mem::take(&mut session.named);
        if arguments.is(0, "EXEC") {
            emergency.evict(view, &named);
        }
    }
}

/// What is done with a command once nobody waits for its keys.
pub(super) fn then_of(gate: &Gate, arguments: &Arguments<'_>) -> Afterwards {
    outage_of(gate, arguments).map_or(gate.then(), |outage| outage.then)
}

/// By the rule that counts for it: with `refuse` nothing is said of keys.
pub(super) fn said_of(gate: &Gate, arguments: &Arguments<'_>, then: Afterwards) -> Verdict {
    let found = answer(arguments, &gate.config.rules);
    match (&found, then) {
        (Verdict::Said(_) | Verdict::Dropped { .. }, Afterwards::Refuse) => {
            let family = table::find(arguments.name()).map(|command| command.family);
            if family == Some(Family::Message) { found } else { Verdict::Refused(Refusal::Never) }
        }
        // Whoever lets it flush has said so.
        (Verdict::Dropped { dirty, .. }, _)
            if dirty.contains(&Dirty::Database) && !gate.may_flush() =>
        {
            Verdict::Refused(Refusal::Never)
        }
        _ => found,
    }
}

/// What is done in an outage with a command whose keys have a rule of their own for that.
fn outage_of(gate: &Gate, arguments: &Arguments<'_>) -> Option<OnOutage> {
    let command = table::find(arguments.name())?;
    // What waits by itself does so already, and a channel is no key.
    if matches!(command.family, Family::Blocking | Family::Message | Family::Subscribe) {
        return None;
    }
    let keys = keys::of(command, arguments).filter(|keys| !keys.is_empty())?;
    gate.config.rules.says(&keys).on_outage
}

/// Until when a command waits because of its keys, from the beginning of an outage. Not in a transaction of which something is
/// answered already: Redis would have to be told that it was.
pub(super) fn held(
    gate: &Gate,
    session: &Session,
    arguments: &Arguments<'_>,
    posture: Posture,
) -> Option<Instant> {
    let may_wait = match &session.transaction {
        Transaction::Here { .. } => session.transaction.is_begun(),
        Transaction::None | Transaction::There => true,
    };
    let hold = outage_of(gate, arguments).filter(|_| may_wait)?.hold;
    Some(posture.away()? + hold)
}

fn own(
    gate: &Gate,
    session: &mut Session,
    arguments: &Arguments<'_>,
    bytes: Option<&Bytes>,
) -> Outcome {
    let info = gate.about().info;
    let Some(value) = local(arguments, session, info.as_deref(), clock::now()) else {
        return refused(gate, arguments, Refusal::Never, session.version);
    };
    let is_error = matches!(value, Value::Error(_));
    let done = change(arguments).filter(|_| !is_error);
    if let (Some(change), Some(bytes)) = (&done, bytes) {
        session.apply(change.clone(), bytes);
        if let Some(password) = password(arguments) {
            let own = gate.config.upstream.password.as_ref();
            let is_own = own.is_some_and(|own| bool::from(own.bytes().ct_eq(password)));
            session.standing = if is_own { Standing::Proven } else { Standing::Unknown };
        }
    }
    let said = value.encoded(session.version).into();
    if done == Some(Change::Quit) { Outcome::Ends(said) } else { Outcome::Said(said) }
}

/// What `AUTH` says, or `HELLO .. AUTH`.
fn password<'a>(arguments: &Arguments<'a>) -> Option<&'a [u8]> {
    if arguments.is(0, "AUTH") {
        return arguments.short(arguments.count() - 1);
    }
    let at = (2..arguments.count()).find(|at| arguments.is(*at, "AUTH"))?;
    arguments.short(at + 2).filter(|_| arguments.is(0, "HELLO"))
}

/// Confirms each channel, as Redis does it; nothing ever comes there.
fn listens(gate: &Gate, arguments: &Arguments<'_>, version: Resp) -> Outcome {
    let word = arguments.name().to_ascii_lowercase();
    if word.windows(5).any(|part| part == b"unsub") || word.starts_with(b"uns") {
        let none = vec![Value::Text(word), Value::Nil, Value::Number(0)];
        return Outcome::Said(Value::Push(none).encoded(version).into());
    }
    let mut said = Vec::new();
    for (number, at) in (1_i64..).zip(1..arguments.count()) {
        let Some(channel) = arguments.short(at) else {
            return refused(gate, arguments, Refusal::Never, version);
        };
        let one = vec![Value::Text(word.clone()), Value::text(channel), Value::Number(number)];
        Value::Push(one).write(version, &mut said);
    }
    Outcome::Listens(said.into())
}

/// An error with a code that no client takes for a reason to try again or to reconnect: those cost seconds for each command.
fn refused(gate: &Gate, arguments: &Arguments<'_>, why: Refusal, version: Resp) -> Outcome {
    match gate.config.refuse_as {
        RefuseAs::Close => Outcome::Ends(Bytes::new()),
        RefuseAs::Plain | RefuseAs::Masterdown => {
            Outcome::Refused(refusal(gate, arguments, why, version))
        }
    }
}

pub(super) fn refusal(
    gate: &Gate,
    arguments: &Arguments<'_>,
    why: Refusal,
    version: Resp,
) -> Bytes {
    let code = match gate.config.refuse_as {
        RefuseAs::Plain => "ROADWORKSDOWN",
        RefuseAs::Masterdown => "MASTERDOWN",
        RefuseAs::Close => return Bytes::new(),
    };
    let name = String::from_utf8_lossy(arguments.name()).to_ascii_uppercase();
    let name: String = name.chars().filter(char::is_ascii_graphic).take(40).collect();
    let reason = match why {
        Refusal::Never => format!("'{name}' is never answered on its behalf"),
        Refusal::Lost => format!("'{name}' would be lost"),
        Refusal::Role(RedisRole::Mixed) => {
            format!("nothing says that the keys of '{name}' are a cache")
        }
        Refusal::Role(role) => format!("the keys of '{name}' are for a {}", role.word()),
    };
    let text = format!("{code} redis is unreachable; {reason}");
    Value::Error(text).encoded(version).into()
}

pub(super) fn entries(session: &Session, dirty: &[Dirty]) -> Vec<Entry> {
    let database = session.database;
    dirty.iter().map(|dirty| Entry { database, dirty: dirty.clone() }).collect()
}
