//! What was written to a cache while its Redis is away, kept in memory for a moment: else the whole load of reads is the database's.
//!
//! It is a Redis that evicts when it likes: whatever is read of a key that is here is its value, or it is evicted first and then
//! nothing is there. It never outlives the outage in which it was written, and it never grants a lock. [`clock`]'s time
//! comes in as an argument; moka's own only lets go of memory.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use moka::sync::Cache;
use tokio::time::Instant;

use super::frame::{Arguments, number};
use super::keys;
use super::table::{self, Command, Family};
use super::value::Value;
use crate::clock;

/// What an entry takes besides its key and its value.
const OVERHEAD: usize = 96;

/// What is kept of one guard's outage, for all of its connections.
#[derive(Debug)]
pub struct Emergency {
    /// How long a value is kept at most.
    ttl: Duration,
    values: Cache<Place, Held>,
    /// Read by whoever reads, or evicts what it reads: those may do so at once. Written by whoever writes: a command of several keys
    /// is done whole or not at all.
    turn: RwLock<Turn>,
}

/// Of which values may be read: those of before are not there, though they may be in memory still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    /// The breaker's: who speaks of another one has nothing here.
    epoch: u64,
    /// Counts how often everything was evicted.
    round: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    database: u32,
    key: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Held {
    value: Bytes,
    until: Instant,
    /// Its own end, in milliseconds of the wall clock, where it has one.
    ends: Option<i64>,
    turn: Turn,
}

/// When something is done.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Of the clock that only goes on.
    pub since: Instant,
    /// Of the clock that everybody reads.
    pub wall: Timestamp,
}

impl Moment {
    /// This one.
    pub fn now() -> Moment {
        Moment { since: clock::monotonic(), wall: clock::now() }
    }
}

/// Of whose outage, and where.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// The breaker's.
    pub epoch: u64,
    /// `SELECT`
    pub database: u32,
}

/// What a command does to what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// What it names is there no more.
    Evict(Named),
    /// The same, and it is counted how many were there.
    Delete(Vec<Vec<u8>>),
    /// These are written; one without a value is only gone.
    Keep(Vec<(Vec<u8>, Option<Kept>)>),
}

/// A value that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    value: Vec<u8>,
    ends: Ends,
}

/// When a value ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// It does not.
    Never,
    /// So many milliseconds after it is written.
    In(i64),
    /// At this millisecond of the wall clock.
    At(i64),
}

/// Which keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// These.
    Keys(Vec<Vec<u8>>),
    /// Whichever there are.
    All,
}

impl Default for Named {
    fn default() -> Self {
        Named::Keys(Vec::new())
    }
}

impl Named {
    /// More than this at once are all.
    const MOST: usize = 1_000;

    /// Those that a command reads or writes.
    pub fn by(arguments: &Arguments<'_>) -> Named {
        let Some(command) = table::find(arguments.name()) else { return Named::default() };
        match command.family {
            Family::Read(_)
            | Family::Search
            | Family::Set
            | Family::Unset
            | Family::Count
            | Family::Write(_) => of_keys(command, arguments, Named::All),
            Family::Flush => Named::All,
            Family::Blocking => of_keys(command, arguments, Named::default()),
            Family::Never
            | Family::Message
            | Family::Subscribe
            | Family::Transaction
            | Family::Local => Named::default(),
        }
    }

    /// Those of both.
    pub fn and(&mut self, other: Named) {
        match (&mut *self, other) {
            (Named::Keys(keys), Named::Keys(more)) if keys.len() + more.len() <= Named::MOST => {
                keys.extend(more);
            }
            (Named::All, Named::Keys(_)) => {}
            _ => *self = Named::All,
        }
    }
}

/// Its keys, or this where it has none.
fn of_keys(command: &Command, arguments: &Arguments<'_>, otherwise: Named) -> Named {
    match keys::of(command, arguments) {
        Some(keys) if keys.is_empty() => otherwise,
        Some(keys) => Named::Keys(keys.into_iter().map(<[u8]>::to_vec).collect()),
        None => Named::All,
    }
}

/// What a command does that is answered once Redis is sure not to be read as it was.
pub fn effect(arguments: &Arguments<'_>) -> Effect {
    let word = |at: usize| arguments.short(at);
    let kept = |at: usize, ends: Ends| {
        // A value that was too long to be gathered is not known here.
        word(at).map(|value| Kept { value: value.to_vec(), ends })
    };
    let evict = || Effect::Evict(Named::by(arguments));
    let Some(command) = table::find(arguments.name()) else { return evict() };
    let one = |value: Option<Kept>| match word(1) {
        Some(key) => Effect::Keep(vec![(key.to_vec(), value)]),
        None => evict(),
    };
    match command.name {
        "set" => match options(arguments) {
            Some(ends) => one(kept(2, ends)),
            None => evict(),
        },
        "setex" => one(time(arguments, 2, 1_000).and_then(|time| kept(3, Ends::In(time)))),
        "psetex" => one(time(arguments, 2, 1).and_then(|time| kept(3, Ends::In(time)))),
        "mset" => {
            let pairs = (1..arguments.count()).step_by(2);
            let all = pairs.map(|at| Some((word(at)?.to_vec(), kept(at + 1, Ends::Never))));
            all.collect::<Option<_>>().map_or_else(evict, Effect::Keep)
        }
        "del" | "unlink" => match Named::by(arguments) {
            Named::Keys(keys) => Effect::Delete(keys),
            Named::All => evict(),
        },
        _ => evict(),
    }
}

/// When what `SET` writes ends; `None` where it says or wants something of what was there before.
fn options(arguments: &Arguments<'_>) -> Option<Ends> {
    let (mut ends, mut at) = (Ends::Never, 3);
    while at < arguments.count() {
        let is = |word: &str| arguments.is(at, word);
        ends = match () {
            () if is("EX") => Ends::In(time(arguments, at + 1, 1_000)?),
            () if is("PX") => Ends::In(time(arguments, at + 1, 1)?),
            () if is("EXAT") => Ends::At(time(arguments, at + 1, 1_000)?),
            () if is("PXAT") => Ends::At(time(arguments, at + 1, 1)?),
            () => return None,
        };
        at += 2;
    }
    Some(ends)
}

/// A time in milliseconds.
fn time(arguments: &Arguments<'_>, at: usize, unit: i64) -> Option<i64> {
    number(arguments.short(at)?)?.checked_mul(unit)
}

impl Emergency {
    /// Nothing yet. Values are kept for `ttl` at most, in about `size` bytes.
    pub fn new(ttl: Duration, size: u64) -> Emergency {
        let weight = |place: &Place, held: &Held| {
            u32::try_from(place.key.len() + held.value.len() + OVERHEAD).unwrap_or(u32::MAX)
        };
        let values = Cache::builder().weigher(weight).max_capacity(size).time_to_live(ttl).build();
        Emergency { ttl, values, turn: RwLock::new(Turn { epoch: 0, round: 0 }) }
    }

    /// Another time begins: whatever was kept before it is not there any more.
    pub fn begin(&self, epoch: u64) {
        let mut turn = self.write();
        turn.epoch = epoch;
        self.clear(&mut turn);
    }

    // ## What is read

    /// What is said of a command that changes nothing, of which an empty Redis would say `empty`.
    pub fn said(&self, view: View, arguments: &Arguments<'_>, empty: Value, at: Moment) -> Value {
        let Some(command) = table::find(arguments.name()) else { return empty };
        if matches!(empty, Value::Error(_)) {
            return empty;
        }
        match command.name {
            "get" | "mget" | "exists" | "touch" | "strlen" | "getrange" | "substr" | "ttl"
            | "pttl" | "expiretime" | "pexpiretime" | "type" => {
                self.read_of(view, (command.name, arguments), empty, at)
            }
            "getex" if arguments.count() == 2 => self.read_of(view, ("get", arguments), empty, at),
            // Not set: the truth where the key is here, and where it is not, no lock is granted.
            "set" | "setnx" | "msetnx" => empty,
            _ => {
                self.evict(view, &Named::by(arguments));
                empty
            }
        }
    }

    fn read_of(
        &self,
        view: View,
        (name, arguments): (&str, &Arguments<'_>),
        empty: Value,
        at: Moment,
    ) -> Value {
        let turn = self.read();
        let held = |number: usize| self.held(*turn, view, arguments.short(number)?, at);
        let count = arguments.count();
        if name == "mget" {
            let text = |held: Option<Held>| held.map_or(Value::Nil, |held| Value::text(held.value));
            return Value::List((1..count).map(|number| text(held(number))).collect());
        }
        if matches!(name, "exists" | "touch") {
            let found = (1..count).filter(|number| held(*number).is_some()).count();
            return Value::Number(i64::try_from(found).unwrap_or(i64::MAX));
        }
        let Some(Held { value, ends, .. }) = held(1) else { return empty };
        let wall = at.wall.as_millisecond();
        let left = |from: i64, unit: i64| {
            let end = ends.map(|end| (end - from).max(0));
            // Seconds are rounded, as Redis does it.
            Value::Number(end.map_or(-1, |end| (end + unit / 2) / unit))
        };
        match name {
            "strlen" => Value::Number(i64::try_from(value.len()).unwrap_or(i64::MAX)),
            "getrange" | "substr" => Value::text(part(&value, arguments)),
            "ttl" => left(wall, 1_000),
            "pttl" => left(wall, 1),
            "expiretime" => left(0, 1_000),
            "pexpiretime" => left(0, 1),
            "type" => Value::Status("string"),
            _ => Value::text(value),
        }
    }

    fn held(&self, turn: Turn, view: View, key: &[u8], at: Moment) -> Option<Held> {
        let held = self.values.get(&Place::of(view, key))?;
        (view.epoch == turn.epoch && held.turn == turn && held.until > at.since).then_some(held)
    }

    // ## What is changed

    /// What it names is there no more.
    pub fn evict(&self, view: View, named: &Named) {
        match named {
            Named::Keys(keys) => {
                let turn = self.read();
                if turn.epoch == view.epoch {
                    for key in keys {
                        self.values.invalidate(&Place::of(view, key));
                    }
                }
            }
            Named::All => {
                let mut turn = self.write();
                if turn.epoch == view.epoch {
                    self.clear(&mut turn);
                }
            }
        }
    }

    /// Does what a command does, of which an empty Redis would say `empty`; what is said of it now. What Redis itself has of these
    /// keys is sure to be removed before it is read: else it would be read again once this is gone.
    pub fn done(&self, view: View, effect: Effect, empty: Value, at: Moment) -> Value {
        match effect {
            Effect::Evict(named) => {
                self.evict(view, &named);
                empty
            }
            Effect::Delete(keys) => {
                let turn = self.write();
                if turn.epoch != view.epoch {
                    return empty;
                }
                let was_there = |key: &&Vec<u8>| {
                    let held = self.held(*turn, view, key, at);
                    self.values.invalidate(&Place::of(view, key));
                    held.is_some()
                };
                let count = keys.iter().filter(was_there).count();
                Value::Number(i64::try_from(count).unwrap_or(i64::MAX))
            }
            Effect::Keep(all) => {
                let turn = self.write();
                if turn.epoch == view.epoch {
                    for pair in all {
                        self.keep(*turn, view, pair, at);
                    }
                }
                empty
            }
        }
    }

    fn keep(&self, turn: Turn, view: View, (key, kept): (Vec<u8>, Option<Kept>), at: Moment) {
        let place = Place { database: view.database, key };
        let wall = at.wall.as_millisecond();
        let ends = match kept.as_ref().map_or(Ends::Never, |kept| kept.ends) {
            Ends::Never => None,
            Ends::In(time) => Some(wall.saturating_add(time)),
            Ends::At(time) => Some(time),
        };
        let left = ends.map_or(self.ttl, |end| {
            let left = u64::try_from(end.saturating_sub(wall)).unwrap_or(0);
            Duration::from_millis(left).min(self.ttl)
        });
        match kept {
            Some(Kept { value, .. }) if !left.is_zero() => {
                let (value, until) = (value.into(), at.since + left);
                self.values.insert(place, Held { value, until, ends, turn });
            }
            _ => self.values.invalidate(&place),
        }
    }

    fn clear(&self, turn: &mut Turn) {
        turn.round += 1;
        self.values.invalidate_all();
    }

    /// A panic elsewhere leaves it as it was: each change of it is made in one step.
    fn read(&self) -> RwLockReadGuard<'_, Turn> {
        self.turn.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Turn> {
        self.turn.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn of(view: View, key: &[u8]) -> Place {
        Place { database: view.database, key: key.to_vec() }
    }
}

/// From the second argument to the third, both included, and from the end where they are negative (`getrangeCommand` of `t_string.c`).
fn part<'a>(value: &'a [u8], arguments: &Arguments<'_>) -> &'a [u8] {
    let place = |at: usize| arguments.short(at).and_then(number).unwrap_or(0);
    let (first, last) = (place(2), place(3));
    if first < 0 && last < 0 && first > last {
        return b"";
    }
    let length = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let from_front =
        |place: i64| if place < 0 { place.saturating_add(length).max(0) } else { place };
    let (first, last) = (from_front(first), from_front(last).min(length - 1));
    let (Ok(first), Ok(behind)) = (usize::try_from(first), usize::try_from(last + 1)) else {
        return b"";
    };
    value.get(first..behind).unwrap_or_default()
}
