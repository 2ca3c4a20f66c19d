//! What is said to a command while Redis is away. Pure: a command, a table and the rules of its keys.
//!
//! Two rules. What is said is what an empty Redis could have said that evicts everything at once; and it is not said where it would
//! grant something (a lock, a number, "accepted") or destroy something (a session). Everything else is refused.

use std::collections::BTreeSet;
use std::time::Duration;

use super::frame::{Arguments, number};
use super::keys;
use super::syntax::{fits, is_an_entry, real};
use super::table::{self, Command, Dropped, Family, Miss};
use super::value::Value;
use crate::config::{KeyRules, RedisRole, Says, Whether};

/// What becomes of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is said, and nothing is left to do.
    Said(Value),
    /// It may be said once what Redis still has of it is sure to be removed before anybody reads it: without that it is refused.
    Dropped {
        /// What is said.
        answer: Value,
        /// What must not be read again as it is.
        dirty: Vec<Dirty>,
    },
    /// Said after this time, and not before: nothing comes meanwhile.
    Waits {
        /// For ever, without one.
        at_most: Option<Duration>,
        /// What is said then.
        answer: Value,
    },
    /// Not answered.
    Refused(Refusal),
    /// The connection knows.
    Own(Family),
}

/// What Redis still has and may not be read as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dirty {
    /// One key.
    Key(Vec<u8>),
    /// Keys by a pattern of Redis's own.
    Pattern(Vec<u8>),
    /// All of a database.
    Database,
}

/// Why a command is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It never is, or not in this form.
    Never,
    /// Its keys are for this.
    Role(RedisRole),
    /// What it changes would be lost.
    Lost,
}

/// What is said of `arguments`, by these rules.
pub fn answer(arguments: &Arguments<'_>, rules: &KeyRules) -> Verdict {
    let Some(command) = table::find(arguments.name()) else {
        return Verdict::Refused(Refusal::Never);
    };
    if let Some(error) = wrong_count(command, arguments) {
        return Verdict::Said(error);
    }
    let fits = || fits(command.forms, arguments);
    match command.family {
        Family::Never => match role(command, arguments, rules) {
            Some(RedisRole::Cache) | None => Verdict::Refused(Refusal::Never),
            Some(other) => Verdict::Refused(Refusal::Role(other)),
        },
        Family::Local | Family::Transaction | Family::Subscribe => Verdict::Own(command.family),
        Family::Message if fits() => Verdict::Said(told_to_nobody(command, arguments)),
        Family::Blocking if fits() => waits(command, arguments, rules),
        Family::Read(_)
        | Family::Search
        | Family::Set
        | Family::Unset
        | Family::Count
        | Family::Write(_)
        | Family::Flush
        | Family::Message
        | Family::Blocking => match role(command, arguments, rules) {
            Some(RedisRole::Cache) if fits() => {
                let keys = keys::of(command, arguments).unwrap_or_default();
                cached(command, arguments, rules.says(&keys))
            }
            Some(RedisRole::Cache) | None => Verdict::Refused(Refusal::Never),
            Some(other) => Verdict::Refused(Refusal::Role(other)),
        },
    }
}

/// The error of a command with too few arguments, or too many.
fn wrong_count(command: &Command, arguments: &Arguments<'_>) -> Option<Value> {
    let count = i64::try_from(arguments.count()).unwrap_or(i64::MAX);
    let is_right = if command.arity < 0 { count >= -command.arity } else { count == command.arity };
    let error = || format!("ERR wrong number of arguments for '{}' command", command.name);
    (!is_right).then(|| Value::Error(error()))
}

/// What all its keys are for: the first that is no cache counts, and without keys, those of the whole database. `None` where its keys
/// are not known.
fn role(command: &Command, arguments: &Arguments<'_>, rules: &KeyRules) -> Option<RedisRole> {
    let keys = keys::of(command, arguments)?;
    if keys.is_empty() {
        return Some(rules.otherwise);
    }
    let mut all = keys.into_iter().map(|key| rules.role(key));
    Some(all.find(|role| *role != RedisRole::Cache).unwrap_or(RedisRole::Cache))
}

/// What is said of a command all of whose keys are a cache's.
fn cached(command: &Command, arguments: &Arguments<'_>, says: Says) -> Verdict {
    if says.invalidate == Whether::Refused && takes_away(command) {
        return Verdict::Refused(Refusal::Lost);
    }
    let is_nx = || (3..arguments.count()).any(|at| arguments.is(at, "NX"));
    let is_unset = match command.family {
        Family::Unset => true,
        Family::Set => command.name == "set" && is_nx(),
        _ => false,
    };
    if says.nx == Whether::Refused && is_unset {
        return Verdict::Refused(Refusal::Never);
    }
    match command.family {
        Family::Count if says.counters == Whether::Said => counted(command, arguments),
        Family::Read(miss) => read(command, miss, arguments),
        Family::Unset => Verdict::Said(Value::Number(0)),
        Family::Set => set(command, arguments),
        Family::Search => {
            let (answer, pattern) = match command.name {
                "keys" => (Value::List(Vec::new()), arguments.short(1)),
                _ => (end_of_search(), value_of(arguments, 2, "MATCH")),
            };
            let pattern = pattern.unwrap_or(b"*").to_vec();
            Verdict::Dropped { answer, dirty: vec![Dirty::Pattern(pattern)] }
        }
        Family::Write(dropped) => write(command, dropped, arguments),
        Family::Flush => {
            Verdict::Dropped { answer: Value::Status("OK"), dirty: vec![Dirty::Database] }
        }
        Family::Never
        | Family::Count
        | Family::Blocking
        | Family::Message
        | Family::Subscribe
        | Family::Transaction
        | Family::Local => Verdict::Refused(Refusal::Never),
    }
}

/// Whether it deletes, shortens a life, or looks for what to delete.
fn takes_away(command: &Command) -> bool {
    match command.family {
        Family::Search => true,
        Family::Write(Dropped::Zero) => command.name != "copy",
        Family::Write(_) => matches!(command.name, "getdel" | "ltrim"),
        _ => false,
    }
}

/// What counts begins at nothing. The forms are known to be right.
fn counted(command: &Command, arguments: &Arguments<'_>) -> Verdict {
    let given = |at: usize| arguments.short(at).and_then(number);
    let last = arguments.count() - 1;
    let answer = match command.name {
        "incr" | "pfadd" => Some(Value::Number(1)),
        "decr" => Some(Value::Number(-1)),
        "incrby" | "hincrby" => given(last).map(Value::Number),
        "decrby" => given(last).map(|by| Value::Number(-by)),
        "setbit" => Some(Value::Number(0)),
        "append" => arguments
            .short(last)
            .map(|text| Value::Number(i64::try_from(text.len()).unwrap_or(i64::MAX))),
        _ => arguments.short(last).map(Value::text),
    };
    match answer {
        Some(answer) => Verdict::Dropped { answer, dirty: keys_of(command, arguments) },
        None => Verdict::Refused(Refusal::Never),
    }
}

/// `["0", []]`
fn end_of_search() -> Value {
    Value::List(vec![Value::text("0"), Value::List(Vec::new())])
}

/// The value of `option`, one of pairs that begin at `first`: what is a word there is a value in between.
fn value_of<'a>(arguments: &Arguments<'a>, first: usize, option: &str) -> Option<&'a [u8]> {
    let mut words = (first..arguments.count()).step_by(2);
    let at = words.find(|at| arguments.is(*at, option))?;
    arguments.short(at + 1)
}

fn read(command: &Command, miss: Miss, arguments: &Arguments<'_>) -> Verdict {
    let each = |value: Value, besides: usize| {
        Value::List(vec![value; arguments.count().saturating_sub(besides)])
    };
    Verdict::Said(match miss {
        Miss::Nil => Value::Nil,
        Miss::NilEachKey => each(Value::Nil, 1),
        Miss::NilEach => each(Value::Nil, 2),
        Miss::NilArrayEach => each(Value::NilList, 2),
        Miss::Zero => Value::Number(0),
        Miss::ZeroEach => each(Value::Number(0), 2),
        Miss::NoTtl => Value::Number(-2),
        Miss::NoType => Value::Status("none"),
        Miss::EmptyText => Value::text(""),
        Miss::List => Value::List(Vec::new()),
        Miss::Map => Value::Map(Vec::new()),
        Miss::Set => Value::Set(Vec::new()),
        Miss::Cursor => end_of_search(),
        Miss::Asked => asked(command, arguments),
    })
}

/// Reads whose miss depends on their options; their forms are known to be right.
fn asked(command: &Command, arguments: &Arguments<'_>) -> Value {
    match command.name {
        // Beyond the end of a text are zeros without end.
        "bitpos" => Value::Number(if arguments.is(2, "1") { -1 } else { 0 }),
        "bitfield_ro" => Value::List(vec![Value::Number(0)]),
        "lcs" if arguments.count() == 3 => Value::text(""),
        "lcs" => Value::Number(0),
        "lpos" if value_of(arguments, 3, "COUNT").is_some() => Value::List(Vec::new()),
        "srandmember" | "hrandfield" | "zrandmember" if arguments.count() > 2 => {
            Value::List(Vec::new())
        }
        _ => Value::Nil,
    }
}

fn keys_of(command: &Command, arguments: &Arguments<'_>) -> Vec<Dirty> {
    let keys = keys::of(command, arguments).unwrap_or_default();
    keys.into_iter().map(|key| Dirty::Key(key.to_vec())).collect()
}

/// `SET` with options, and `GETEX`.
fn set(command: &Command, arguments: &Arguments<'_>) -> Verdict {
    let dirty = keys_of(command, arguments);
    let has = |word: &str| (3..arguments.count()).any(|at| arguments.is(at, word));
    if command.name == "getex" {
        // Without an option it changes nothing.
        return match arguments.count() {
            2 => Verdict::Said(Value::Nil),
            _ => Verdict::Dropped { answer: Value::Nil, dirty },
        };
    }
    let ends = ["EX", "PX", "EXAT", "PXAT", "KEEPTTL"].into_iter().filter(|word| has(word)).count();
    match (has("NX"), has("XX"), has("GET")) {
        // A nil there says that it was set.
        (true, _, true) | (true, true, _) => Verdict::Refused(Refusal::Never),
        _ if ends > 1 => Verdict::Refused(Refusal::Never),
        (true, false, false) => Verdict::Said(Value::Nil),
        (false, true, _) | (false, _, true) => Verdict::Dropped { answer: Value::Nil, dirty },
        (false, false, false) => Verdict::Dropped { answer: Value::Status("OK"), dirty },
    }
}

fn write(command: &Command, dropped: Dropped, arguments: &Arguments<'_>) -> Verdict {
    let mut dirty = keys_of(command, arguments);
    if command.name == "copy" {
        if dirty.first() == dirty.last() {
            return Verdict::Refused(Refusal::Never);
        }
        // What is copied from stays as it is.
        dirty.remove(0);
    }
    let answer = match dropped {
        Dropped::Ok => Value::Status("OK"),
        Dropped::Nil => Value::Nil,
        Dropped::Zero => Value::Number(0),
        Dropped::Fields => {
            let fields = (2..arguments.count()).step_by(2).map(|at| arguments.short(at));
            let Some(fields) = fields.collect::<Option<BTreeSet<_>>>() else {
                return Verdict::Refused(Refusal::Never);
            };
            Value::Number(i64::try_from(fields.len()).unwrap_or(i64::MAX))
        }
    };
    Verdict::Dropped { answer, dirty }
}

/// `PUBLISH` and what is asked about who listens: nobody does.
fn told_to_nobody(command: &Command, arguments: &Arguments<'_>) -> Value {
    if command.name != "pubsub" || arguments.is(1, "NUMPAT") {
        return Value::Number(0);
    }
    if arguments.is(1, "CHANNELS") || arguments.is(1, "SHARDCHANNELS") {
        return Value::List(Vec::new());
    }
    let channels = (2..arguments.count()).filter_map(|at| arguments.short(at));
    let each = channels.flat_map(|channel| [Value::text(channel), Value::Number(0)]);
    Value::List(each.collect())
}

/// What waits gets nothing, and not before its time: at once would make a loop of it.
fn waits(command: &Command, arguments: &Arguments<'_>, rules: &KeyRules) -> Verdict {
    let last = arguments.count() - 1;
    let seconds = |at: usize| {
        let seconds = arguments.short(at).and_then(real)?;
        Duration::try_from_secs_f64(seconds).ok()
    };
    let milliseconds = |text: Option<&[u8]>| {
        let number = text.and_then(number)?;
        u64::try_from(number).ok().map(Duration::from_millis)
    };
    let (time, answer) = match command.name {
        "wait" if arguments.is(1, "0") => return Verdict::Said(Value::Number(0)),
        "wait" => (milliseconds(arguments.short(2)), Value::Number(0)),
        "blmpop" | "bzmpop" => (seconds(1), Value::NilList),
        "xread" => {
            let Some(streams) = keys::of(command, arguments) else {
                return Verdict::Refused(Refusal::Never);
            };
            let mut ids =
                (arguments.count() - streams.len()..=last).filter_map(|at| arguments.short(at));
            if !ids.all(|id| id == b"$" || is_an_entry(id)) {
                return Verdict::Refused(Refusal::Never);
            }
            let block = value_of(arguments, 1, "BLOCK").filter(|_| !arguments.is(1, "STREAMS"));
            let Some(block) = block else {
                return match role(command, arguments, rules) {
                    Some(RedisRole::Cache) => Verdict::Said(Value::NilList),
                    Some(other) => Verdict::Refused(Refusal::Role(other)),
                    None => Verdict::Refused(Refusal::Never),
                };
            };
            (milliseconds(Some(block)), Value::NilList)
        }
        _ => (seconds(last), Value::NilList),
    };
    match time {
        Some(time) => Verdict::Waits { at_most: Some(time).filter(|time| !time.is_zero()), answer },
        None => Verdict::Refused(Refusal::Never),
    }
}
