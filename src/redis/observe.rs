//! What a Redis is asked, by the beginning of its keys, and what that says of what they are for. Pure.
//!
//! A proposal is for a person to read: what is called a cache here may be lost at any time, so where anything speaks against it,
//! nothing is proposed.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde::Serialize;

use super::frame::Arguments;
use super::keys;
use super::table::{self, Command, Family, Keys};
use crate::config::RedisRole;

/// So many beginnings are told apart; the rest is one.
const MOST: usize = 1_000;
/// No beginning is longer.
const LONGEST: usize = 64;
/// Where the rest is counted.
const REST: &[u8] = b"";

/// What was asked so far.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    prefixes: HashMap<Vec<u8>, Seen>,
}

/// What was asked of keys that begin alike.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// How often each, and how often of those while Redis was away.
    commands: Vec<(&'static str, u64, u64)>,
    /// Whether some keys are longer than their beginning.
    goes_on: bool,
}

/// When something was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// While Redis was there.
    There,
    /// While it was away.
    Away,
}

/// What was asked of keys that begin alike, and what they may be for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// How they begin; empty for those that were too many to tell apart.
    pub prefix: String,
    /// The same as the pattern of a `key` block.
    pub pattern: String,
    /// How often each command was sent: `set ex` is one with an end, `set nx` one that sets what is not there.
    pub commands: BTreeMap<&'static str, u64>,
    /// How often of those Redis was away.
    pub while_away: u64,
    /// What would have been said of how many, if they were a cache: `missed`, `dropped`, `unset`, `waited`, `refused`.
    pub as_cache: BTreeMap<&'static str, u64>,
    /// What they seem to be for, if that is plain: `cache`, `queue`, `session` or `mixed`.
    pub proposes: Option<&'static str>,
    /// Why.
    pub why: String,
}

impl Observed {
    /// Counts one command, by its first key. What has none says nothing of keys.
    pub fn count(&mut self, arguments: &Arguments<'_>, when: When) {
        let Some(command) = table::find(arguments.name()) else { return };
        let Some(key) = first_key(command, arguments) else { return };
        let prefix = prefix(key);
        let is_known = self.prefixes.contains_key(prefix);
        let place = if is_known || self.prefixes.len() < MOST { prefix } else { REST };
        if !self.prefixes.contains_key(place) {
            self.prefixes.insert(place.to_vec(), Seen::default());
        }
        if let Some(seen) = self.prefixes.get_mut(place) {
            seen.goes_on |= key.len() > place.len();
            seen.count(label(command, arguments), u64::from(when == When::Away));
        }
    }

    /// What was asked, the most first.
    pub fn report(&self) -> Vec<Proposal> {
        let mut all: Vec<_> =
            self.prefixes.iter().map(|(prefix, seen)| seen.proposal(prefix)).collect();
        let count = |one: &Proposal| one.commands.values().sum::<u64>();
        all.sort_by(|one, other| {
            count(other).cmp(&count(one)).then_with(|| one.prefix.cmp(&other.prefix))
        });
        all
    }

    /// The proposals as `key` blocks.
    pub fn rules(&self) -> String {
        let mut text = String::new();
        for Proposal { pattern, proposes, why, .. } in self.report() {
            let Some(role) = proposes else { continue };
            #[expect(clippy::let_underscore_must_use, reason = "a String takes everything")]
            let _ = writeln!(text, "key {} {{ role = \"{role}\" }} # {why}", quoted(&pattern));
        }
        text
    }
}

impl Seen {
    fn count(&mut self, label: &'static str, away: u64) {
        match self.commands.iter_mut().find(|(known, ..)| *known == label) {
            Some((_, count, while_away)) => {
                *count = count.saturating_add(1);
                *while_away = while_away.saturating_add(away);
            }
            None => self.commands.push((label, 1, away)),
        }
    }

    fn proposal(&self, prefix: &[u8]) -> Proposal {
        let commands: BTreeMap<_, _> =
            self.commands.iter().map(|(label, count, _)| (*label, *count)).collect();
        let mut as_cache = BTreeMap::new();
        for (label, count) in &commands {
            *as_cache.entry(said(label)).or_default() += count;
        }
        let text = plain(prefix);
        let (role, why) = if prefix == REST {
            (None, "beginnings of keys that were too many, or that have no name".to_owned())
        } else {
            propose(&text, &commands)
        };
        let more = if self.goes_on { "*" } else { "" };
        Proposal {
            pattern: format!("{text}{more}"),
            prefix: text,
            commands,
            while_away: self.commands.iter().map(|(.., away)| away).sum(),
            as_cache,
            proposes: role.map(RedisRole::word),
            why,
        }
    }
}

/// Finds it without a list of all.
fn first_key<'a>(command: &Command, arguments: &Arguments<'a>) -> Option<&'a [u8]> {
    match command.keys {
        Keys::At(first, ..) => arguments.short(first),
        Keys::FirstAndCounted | Keys::FirstAndStore => arguments.short(1),
        Keys::Counted(_) | Keys::Streams => keys::of(command, arguments)?.first().copied(),
        Keys::None | Keys::Unknown => None,
    }
}

/// Up to the end of the first part that has a letter: `price:` of `price:7`, `:1:price:` of `:1:price:7`, `cart` of `cart7`.
fn prefix(key: &[u8]) -> &[u8] {
    let mut has_letter = false;
    for (at, byte) in key.iter().enumerate().take(LONGEST) {
        match byte {
            b':' | b'/' | b'.' if has_letter => return key.get(..=at).unwrap_or(key),
            b'0'..=b'9' if has_letter => return key.get(..at).unwrap_or(key),
            b':' | b'/' | b'.' | b'0'..=b'9' => {}
            _ => has_letter = true,
        }
    }
    if has_letter { key.get(..LONGEST).unwrap_or(key) } else { REST }
}

/// A command, and of `SET` what makes it another one.
fn label(command: &Command, arguments: &Arguments<'_>) -> &'static str {
    if command.name != "set" {
        return command.name;
    }
    let has = |words: &[&str]| {
        (3..arguments.count()).any(|at| words.iter().any(|word| arguments.is(at, word)))
    };
    match () {
        () if has(&["NX"]) => "set nx",
        () if has(&["EX", "PX", "EXAT", "PXAT"]) => "set ex",
        () => "set",
    }
}

fn family(label: &str) -> Option<Family> {
    let name = label.split(' ').next().unwrap_or_default();
    table::find(name.as_bytes()).map(|command| command.family)
}

/// What would be said of it for a cache.
fn said(label: &str) -> &'static str {
    match family(label) {
        Some(Family::Read(_)) => "missed",
        Some(Family::Unset) => "unset",
        Some(Family::Set) if label == "set nx" => "unset",
        Some(Family::Set | Family::Write(_) | Family::Search) => "dropped",
        Some(Family::Blocking) => "waited",
        _ => "refused",
    }
}

/// What speaks for work that somebody waits for: lists, streams, and whatever waits.
const WORK: [&str; 27] = [
    "linsert",
    "lmove",
    "lmpop",
    "lpop",
    "lpush",
    "lpushx",
    "lset",
    "rpop",
    "rpoplpush",
    "rpush",
    "rpushx",
    "xack",
    "xadd",
    "xautoclaim",
    "xclaim",
    "xdel",
    "xgroup",
    "xinfo",
    "xlen",
    "xpending",
    "xrange",
    "xreadgroup",
    "xrevrange",
    "xtrim",
    "zmpop",
    "zpopmax",
    "zpopmin",
];
/// What writes with an end.
const ENDING: [&str; 3] = ["psetex", "set ex", "setex"];
/// What a cache may do besides.
const OF_CACHES: [&str; 9] =
    ["del", "expire", "expireat", "getdel", "getex", "persist", "pexpire", "pexpireat", "unlink"];

fn propose(prefix: &str, commands: &BTreeMap<&'static str, u64>) -> (Option<RedisRole>, String) {
    let which = |is: &dyn Fn(&str) -> bool| {
        let found: Vec<_> = commands.keys().filter(|label| is(label)).copied().collect();
        found.join(", ").to_ascii_uppercase()
    };
    if prefix.to_ascii_lowercase().contains("sess") {
        return (Some(RedisRole::Session), "its name".to_owned());
    }
    let work = which(&|label| WORK.contains(&label) || family(label) == Some(Family::Blocking));
    if !work.is_empty() {
        return (Some(RedisRole::Queue), work);
    }
    let locks = which(&|label| label == "set nx" || family(label) == Some(Family::Unset));
    if !locks.is_empty() || prefix.to_ascii_lowercase().contains("lock") {
        let by = if locks.is_empty() { "its name" } else { &locks };
        return (Some(RedisRole::Mixed), format!("locks: {by}"));
    }
    let counters = which(&|label| {
        family(label) == Some(Family::Count) || label == "zincrby" || label == "bitfield"
    });
    if !counters.is_empty() {
        return (Some(RedisRole::Mixed), format!("counters: {counters}"));
    }
    let is_of_cache = |label: &str| {
        ENDING.contains(&label)
            || OF_CACHES.contains(&label)
            || matches!(family(label), Some(Family::Read(_)))
    };
    let others = which(&|label| !is_of_cache(label));
    let written = which(&|label| ENDING.contains(&label));
    if !others.is_empty() {
        return (None, format!("it may be no copy: {others}"));
    }
    if written.is_empty() {
        return (None, "nothing was written with an end".to_owned());
    }
    (Some(RedisRole::Cache), format!("read, and written with an end: {written}"))
}

/// As a pattern has it: what would be a star, or is no text, is any one byte.
fn plain(prefix: &[u8]) -> String {
    let mut text = String::new();
    for chunk in prefix.utf8_chunks() {
        text.extend(
            chunk.valid().chars().map(|one| if one == '*' || one.is_control() { '?' } else { one }),
        );
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

/// As HCL has it.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace("${", "$${").replace("%{", "%%{"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::frame::{Request, Requests};
    use super::super::probe::command;
    use super::*;

    fn seen(commands: &[&str]) -> Observed {
        let mut observed = Observed::default();
        for words in commands {
            let words: Vec<_> = words.split(' ').map(str::as_bytes).collect();
            let (mut requests, bytes) = (Requests::default(), command(&words));
            let Ok(Request::Whole { arguments, .. }) = requests.read(&bytes) else { panic!() };
            observed.count(&arguments, When::There);
        }
        observed
    }

    #[test]
    fn keys_are_told_apart_by_how_they_begin() {
        for (key, wanted) in [
            ("price:7", "price:"),
            (":1:price:7", ":1:price:"),
            ("cart7", "cart"),
            ("views/home/7", "views/"),
            ("_kombu.binding.celery", "_kombu."),
            ("celery", "celery"),
            ("12:34", ""),
            ("", ""),
        ] {
            assert_eq!(prefix(key.as_bytes()), wanted.as_bytes(), "{key}");
        }
        assert_eq!(prefix(&[b'a'; 100]).len(), LONGEST);
    }

    #[test]
    fn each_use_speaks_for_what_keys_are_for() {
        for (commands, pattern, role) in [
            (&["GET price:1", "SET price:1 9 EX 60", "DEL price:1"][..], "price:*", Some("cache")),
            (&["SETEX price:1 60 9", "TTL price:1"], "price:*", Some("cache")),
            (&["GET price:1"], "price:*", None),
            (&["GET price:1", "SET price:1 9"], "price:*", None),
            (&["SET price:1 9 EX 60", "HSET price:2 a b"], "price:*", None),
            (&["GET sess:a", "SET sess:a 9 EX 60"], "sess:*", Some("session")),
            (&["LPUSH celery job", "BRPOP celery 1"], "celery", Some("queue")),
            (&["BZPOPMIN bull:a:marker 5", "EVALSHA x 1 bull:a:wait"], "bull:*", Some("queue")),
            (&["XADD events * a b"], "events", Some("queue")),
            (&["SET once:1 x NX EX 5", "GET once:1"], "once:*", Some("mixed")),
            (&["INCR hits:1", "EXPIRE hits:1 60"], "hits:*", Some("mixed")),
            (&["EVAL s 1 thing:1"], "thing:*", None),
        ] {
            let report = seen(commands).report();
            let [one] = report.as_slice() else { panic!("{report:?}") };
            assert_eq!((one.pattern.as_str(), one.proposes), (pattern, role), "{commands:?}");
        }
        let report = seen(&["GET a:1", "GET a:2", "SET a:1 x EX 9", "INCR a:1"]).report();
        let wanted = [("dropped", 1), ("missed", 2), ("refused", 1)];
        assert_eq!(report[0].as_cache, BTreeMap::from(wanted));
        assert!(seen(&["PING", "NOSUCH k", "KEYS *"]).report().is_empty());
    }

    #[test]
    fn rules_are_blocks_that_are_read_again() {
        let observed = seen(&["SET a\"\\${x}*:1 v EX 9", "SET a\"\\${x}*:2 v EX 9", "LPUSH b x"]);
        let body: hcl_edit::structure::Body = observed.rules().parse().unwrap();
        let found: Vec<_> = body
            .blocks()
            .map(|block| {
                let role = block.body.get_attribute("role").unwrap().value.as_str().unwrap();
                (block.labels[0].as_str().to_owned(), role.to_owned())
            })
            .collect();
        let (cache, queue) = ("a\"\\${x}?:*".to_owned(), "b".to_owned());
        assert_eq!(found, [(cache, "cache".to_owned()), (queue, "queue".to_owned())]);
    }

    #[test]
    fn what_begins_in_too_many_ways_is_one() {
        let mut observed = Observed::default();
        let letters = |number: usize| {
            let three = [number / 676 % 26, number / 26 % 26, number % 26];
            three.map(|letter| char::from(b'a' + u8::try_from(letter).unwrap())).iter().collect()
        };
        for number in 0..2_000 {
            let key: String = letters(number);
            let bytes = command(&[b"GET", key.as_bytes()]);
            let mut requests = Requests::default();
            let Ok(Request::Whole { arguments, .. }) = requests.read(&bytes) else { panic!() };
            observed.count(&arguments, When::Away);
        }
        let report = observed.report();
        assert_eq!(report.len(), MOST + 1);
        assert_eq!((report[0].prefix.as_str(), report[0].while_away), ("", 1_000));
        assert_eq!(report[0].proposes, None);
    }

    proptest! {
        #[test]
        fn whatever_a_key_is_its_pattern_fits_it(key in proptest::collection::vec(any::<u8>(), 1..90)) {
            let bytes = command(&[b"GET", &key]);
            let (mut observed, mut requests) = (Observed::default(), Requests::default());
            let Ok(Request::Whole { arguments, .. }) = requests.read(&bytes) else { panic!() };
            observed.count(&arguments, When::There);
            let pattern = observed.report()[0].pattern.clone();
            // One sign of a text may be several bytes.
            if !pattern.is_empty() && key.is_ascii() {
                let pattern = crate::config::KeyPattern::new(&pattern).unwrap();
                prop_assert!(pattern.matches(&key), "{pattern:?}");
            }
            serde_json::to_string(&observed.report()).unwrap();
        }
    }
}
