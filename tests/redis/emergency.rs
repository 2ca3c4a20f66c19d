//! What is kept for a moment while Redis is away is what a Redis has that evicts whenever it likes.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use roadworks::clock::monotonic;
use roadworks::config::{KeyRules, RedisRole};
use roadworks::redis::answer::{Verdict, answer};
use roadworks::redis::emergency::{Emergency, Moment, View, effect};
use roadworks::redis::frame::{Arguments, Request, Requests};
use roadworks::redis::value::Resp;

use super::stale::Shop;
use crate::support::redis::{RedisServer, encoded};

/// A Redis that can do little: its keys, what they have, and the millisecond in which they end.
type Redis = BTreeMap<String, (Kept, Option<i64>)>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kept {
    Text(String),
    /// With one field, `f`.
    Hash(String),
}

/// Forms in which `K` and `L` are keys and `V` is a value.
const FORMS: [&str; 44] = [
    "SET K V",
    "SET K V",
    "SET K V EX 100",
    "SET K V PX 700",
    "SET K V EXAT 1",
    "SET K V KEEPTTL",
    "SET K V XX",
    "SET K V GET",
    "SET K V NX",
    "SETNX K V",
    "SETEX K 100 V",
    "PSETEX K 300 V",
    "MSET K V L V",
    "MSETNX K V L V",
    "GETSET K V",
    "GETDEL K",
    "GETEX K",
    "GETEX K EX 100",
    "GET K",
    "GET K",
    "MGET K L",
    "MGET K L K",
    "EXISTS K L K",
    "TOUCH K",
    "STRLEN K",
    "GETRANGE K 0 0",
    "GETRANGE K -2 -1",
    "SUBSTR K 1 9",
    "TTL K",
    "PTTL K",
    "EXPIRETIME K",
    "TYPE K",
    "DEL K L",
    "DEL K",
    "UNLINK K",
    "EXPIRE K 100",
    "PERSIST K",
    "COPY K L",
    "HSET K f V",
    "HGET K f",
    "HSETNX K f V",
    "LLEN K",
    "DBSIZE",
    "KEYS *",
];

#[derive(Debug, Clone)]
enum Step {
    /// A form, with its keys and its value, in one of two databases, and whether it can be kept on disk.
    Asks { form: &'static str, keys: [&'static str; 2], value: u8, database: u32, disk: Disk },
    /// So many milliseconds pass.
    Passes(u32),
    /// Redis was back, and is away again.
    AnotherOutage,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || proptest::sample::select(vec!["a", "b", "c"]);
    let asks = (
        proptest::sample::select(FORMS.to_vec()),
        [key(), key()],
        0..3_u8,
        proptest::bool::weighted(0.1),
        prop_oneof![9 => Just(Disk::Writes), 1 => Just(Disk::Full)],
    );
    let asks = asks.prop_map(|(form, keys, value, other, disk)| Step::Asks {
        form,
        keys,
        value,
        database: u32::from(other),
        disk,
    });
    let step = prop_oneof![
        30 => asks,
        3 => (0..600_u32).prop_map(Step::Passes),
        1 => Just(Step::AnotherOutage),
    ];
    vec(step, 1..25)
}

fn words(form: &str, keys: [&str; 2], value: u8) -> Vec<String> {
    let word = |word: &str| match word {
        "K" => keys[0].to_owned(),
        "L" => keys[1].to_owned(),
        "V" => "xyz"[..=usize::from(value)].to_owned(),
        other => other.to_owned(),
    };
    form.split(' ').map(word).collect()
}

const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// What that Redis says, as it does it; without its last line's end, as a client shows it.
fn does(redis: &mut Redis, words: &[String], now: i64) -> String {
    says(redis, words, now).trim_end_matches("\r\n").to_owned()
}

#[expect(clippy::too_many_lines, reason = "one match over all commands, each a few lines")]
fn says(redis: &mut Redis, words: &[String], now: i64) -> String {
    redis.retain(|_, (_, ends)| ends.is_none_or(|ends| ends >= now));
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let bulk = |text: &str| format!("${}\r\n{text}", text.len());
    let nil = || "$-1".to_owned();
    let number = |at: usize| words[at].parse::<i64>().unwrap();
    let key = words.get(1).copied().unwrap_or_default();
    let text = |redis: &Redis, key: &str| match redis.get(key) {
        Some((Kept::Text(text), _)) => Ok(Some(text.clone())),
        Some((Kept::Hash(_), _)) => Err(WRONG.to_owned()),
        None => Ok(None),
    };
    let shown = |found: Option<String>| found.map_or_else(nil, |text| bulk(&text));
    let list = |items: Vec<String>| {
        items.iter().fold(format!("*{}", items.len()), |all, item| all + "\r\n" + item)
    };
    let count = |redis: &Redis| {
        format!(":{}", words[1..].iter().filter(|key| redis.contains_key(**key)).count())
    };
    let left = |redis: &Redis, from: i64, unit: i64| match redis.get(key) {
        None => ":-2".to_owned(),
        Some((_, None)) => ":-1".to_owned(),
        Some((_, Some(ends))) => format!(":{}", (ends - from + unit / 2) / unit),
    };
    let was = redis.get(key).cloned();
    let mut put = |value: &str, ends: Option<i64>| {
        redis.insert(key.to_owned(), (Kept::Text(value.to_owned()), ends));
    };
    match words[0] {
        "SET" => {
            let before = was.as_ref().map(|(kept, _)| kept);
            let gets = words.contains(&"GET");
            if gets && matches!(before, Some(Kept::Hash(_))) {
                return WRONG.to_owned();
            }
            let may =
                !(words.contains(&"NX") && was.is_some() || words.contains(&"XX") && was.is_none());
            let ends = match words.get(3).copied() {
                Some("EX") => Some(now + number(4) * 1_000),
                Some("PX") => Some(now + number(4)),
                Some("EXAT") => Some(number(4) * 1_000),
                Some("KEEPTTL") => was.as_ref().and_then(|(_, ends)| *ends),
                _ => None,
            };
            if may {
                put(words[2], ends);
            }
            match before {
                Some(Kept::Text(text)) if gets => bulk(text),
                _ if gets || !may => nil(),
                _ => "+OK".to_owned(),
            }
        }
        "SETNX" => {
            if was.is_none() {
                put(words[2], None);
            }
            format!(":{}", u8::from(was.is_none()))
        }
        "SETEX" => (put(words[3], Some(now + number(2) * 1_000)), "+OK".to_owned()).1,
        "PSETEX" => (put(words[3], Some(now + number(2))), "+OK".to_owned()).1,
        "MSET" | "MSETNX" => {
            let keys = [words[1], words[3]];
            if words[0] == "MSETNX" && keys.iter().any(|key| redis.contains_key(*key)) {
                return ":0".to_owned();
            }
            for key in keys {
                redis.insert(key.to_owned(), (Kept::Text(words[2].to_owned()), None));
            }
            if words[0] == "MSET" { "+OK".to_owned() } else { ":1".to_owned() }
        }
        "GETSET" | "GETDEL" | "GETEX" | "GET" | "STRLEN" | "GETRANGE" | "SUBSTR" => {
            let found = match text(redis, key) {
                Ok(found) => found,
                Err(wrong) => return wrong,
            };
            match words[0] {
                "GETSET" => {
                    redis.insert(key.to_owned(), (Kept::Text(words[2].to_owned()), None));
                }
                "GETDEL" => drop(redis.remove(key)),
                "GETEX" if words.len() > 2 => {
                    if let Some((_, ends)) = redis.get_mut(key) {
                        *ends = Some(now + number(3) * 1_000);
                    }
                }
                "STRLEN" => return format!(":{}", found.unwrap_or_default().len()),
                "GETRANGE" | "SUBSTR" => {
                    let found = found.unwrap_or_default();
                    let length = i64::try_from(found.len()).unwrap();
                    let place = |at: i64| if at < 0 { (at + length).max(0) } else { at };
                    let (first, behind) = (place(number(2)), place(number(3)).min(length - 1) + 1);
                    let range = usize::try_from(first).unwrap()..usize::try_from(behind).unwrap();
                    return bulk(found.get(range).unwrap_or_default());
                }
                _ => {}
            }
            shown(found)
        }
        "MGET" => {
            list(words[1..].iter().map(|key| shown(text(redis, key).unwrap_or(None))).collect())
        }
        "EXISTS" | "TOUCH" => count(redis),
        "TTL" => left(redis, now, 1_000),
        "PTTL" => left(redis, now, 1),
        "EXPIRETIME" => left(redis, 0, 1_000),
        "TYPE" => match was {
            Some((Kept::Text(_), _)) => "+string".to_owned(),
            Some((Kept::Hash(_), _)) => "+hash".to_owned(),
            None => "+none".to_owned(),
        },
        "DEL" | "UNLINK" => {
            format!(":{}", words[1..].iter().filter(|key| redis.remove(**key).is_some()).count())
        }
        "EXPIRE" | "PERSIST" => {
            let Some((_, ends)) = redis.get_mut(key) else { return ":0".to_owned() };
            let had = ends.is_some();
            *ends = (words[0] == "EXPIRE").then(|| now + number(2) * 1_000);
            format!(":{}", u8::from(had || words[0] == "EXPIRE"))
        }
        "COPY" => match was {
            _ if words[1] == words[2] => {
                "-ERR source and destination objects are the same".to_owned()
            }
            Some(kept) if !redis.contains_key(words[2]) => {
                redis.insert(words[2].to_owned(), kept);
                ":1".to_owned()
            }
            _ => ":0".to_owned(),
        },
        "HSET" | "HSETNX" | "HGET" => match was {
            Some((Kept::Text(_), _)) => WRONG.to_owned(),
            Some((Kept::Hash(value), _)) if words[0] == "HGET" => bulk(&value),
            None if words[0] == "HGET" => nil(),
            Some((Kept::Hash(_), ends)) => {
                if words[0] == "HSET" {
                    redis.insert(key.to_owned(), (Kept::Hash(words[3].to_owned()), ends));
                }
                ":0".to_owned()
            }
            None => {
                redis.insert(key.to_owned(), (Kept::Hash(words[3].to_owned()), None));
                ":1".to_owned()
            }
        },
        "LLEN" => if was.is_some() { WRONG } else { ":0" }.to_owned(),
        "DBSIZE" => format!(":{}", redis.len()),
        "KEYS" => list(redis.keys().map(|key| bulk(key)).collect()),
        other => panic!("{other}"),
    }
}

#[test]
fn the_model_is_a_redis() {
    let server = RedisServer::start();
    let client = RefCell::new(server.client());
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let done = runner.run(&steps(), |steps| {
        let (mut redis, mut client) = (Redis::new(), client.borrow_mut());
        assert_eq!(client.does("FLUSHALL"), "+OK");
        for step in steps {
            let Step::Asks { form, keys, value, .. } = step else { continue };
            // What ends within the test, is told to the millisecond, or is counted though it has ended.
            if ["PX", "EXAT", "PSETEX", "PTTL", "EXPIRETIME"].iter().any(|word| form.contains(word))
            {
                continue;
            }
            let words = words(form, keys, value);
            let now = roadworks::clock::now().as_millisecond();
            let (ours, real) = (does(&mut redis, &words, now), client.does(&words.join(" ")));
            // In whatever order.
            let is_same = ours == real || (form == "KEYS *" && ours.len() == real.len());
            prop_assert!(is_same, "{words:?}: {ours:?} {real:?}");
        }
        Ok(())
    });
    done.unwrap();
}

fn arguments<'a>(requests: &'a mut Requests, bytes: &'a [u8]) -> Arguments<'a> {
    let Ok(Request::Whole { arguments, .. }) = requests.read(bytes) else { panic!("no command") };
    arguments
}

/// Whether a journal takes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    Writes,
    Full,
}

/// What a guard of a cache says of a command, if something is said.
fn said(
    emergency: &Emergency,
    view: View,
    words: &[String],
    at: Moment,
    disk: Disk,
) -> Option<String> {
    let rules = KeyRules { otherwise: RedisRole::Cache, ..KeyRules::default() };
    let (mut requests, bytes) = (Requests::default(), encoded(words));
    let arguments = arguments(&mut requests, &bytes);
    let value = match answer(&arguments, &rules) {
        Verdict::Said(empty) => emergency.said(view, &arguments, empty, at),
        Verdict::Dropped { answer, .. } if disk == Disk::Writes => {
            emergency.done(view, effect(&arguments), answer, at)
        }
        Verdict::Dropped { .. } | Verdict::Refused(_) => return None,
        other => panic!("{other:?}"),
    };
    let bytes = value.encoded(Resp::Two);
    Some(String::from_utf8(bytes).unwrap().trim_end_matches("\r\n").to_owned())
}

/// Each Redis that this one may be, having evicted what it likes.
fn evicted(redis: &Redis) -> Vec<Redis> {
    let mut all = vec![Redis::new()];
    for (key, value) in redis {
        let with = all.clone().into_iter().map(|mut one| {
            one.insert(key.clone(), value.clone());
            one
        });
        all.extend(with.collect::<Vec<_>>());
    }
    all
}

#[test]
fn every_answer_is_one_of_a_redis_that_evicts_when_it_likes() {
    let (began, day) = (monotonic(), 1_800_000_000_250_i64);
    let (there, cases) = (Cell::new(0_u32), 1_500);
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let done = runner.run(&steps(), |steps| {
        let emergency = Emergency::new(Duration::from_secs(1), 64 << 20);
        let (mut epoch, mut passed) = (1, 0_u32);
        emergency.begin(epoch);
        // Two databases, and everything that each of them may be.
        let mut possible = [0, 1].map(|_| BTreeSet::from([Redis::new()]));
        for step in steps {
            let (form, keys, value, database, disk) = match step {
                Step::Asks { form, keys, value, database, disk } => {
                    (form, keys, value, database, disk)
                }
                Step::Passes(time) => {
                    passed += time;
                    continue;
                }
                Step::AnotherOutage => {
                    epoch += 2;
                    emergency.begin(epoch);
                    // What was written is removed before Redis is read again.
                    possible = [0, 1].map(|_| BTreeSet::from([Redis::new()]));
                    continue;
                }
            };
            let now = day + i64::from(passed);
            let at = Moment {
                since: began + Duration::from_millis(passed.into()),
                wall: Timestamp::from_millisecond(now).unwrap(),
            };
            let words = words(form, keys, value);
            let Some(ours) = said(&emergency, View { epoch, database }, &words, at, disk) else {
                continue;
            };
            if form == "GET K" && ours != "$-1" {
                there.set(there.get() + 1);
            }
            let grants = form.ends_with(" NX") || form.contains("NX ");
            let here = &mut possible[usize::try_from(database).unwrap()];
            let before: BTreeSet<_> = here.iter().flat_map(evicted).collect();
            let and_does =
                |mut redis: Redis| (does(&mut redis, &words, now) == ours).then_some(redis);
            let after: BTreeSet<_> = before.clone().into_iter().filter_map(and_does).collect();
            if grants {
                // Never granted, whether it is there or not.
                prop_assert!(ours == "$-1" || ours == ":0", "{words:?}: {ours:?}");
                *here = before;
                continue;
            }
            prop_assert!(!after.is_empty(), "{words:?}: {ours:?} of {before:?}");
            *here = after;
        }
        Ok(())
    });
    done.unwrap();
    assert!(there.get() > cases / 40, "something was read {} times", there.get());
}

#[test]
fn a_value_is_kept_for_its_time_and_no_longer_than_its_own() {
    let emergency = Emergency::new(Duration::from_secs(1), 64 << 20);
    emergency.begin(1);
    let (view, wall) = (View { epoch: 1, database: 0 }, "2027-01-01T00:00:00Z".parse().unwrap());
    let began = monotonic();
    let asks = |form: &str, after: u64| {
        let since = began + Duration::from_millis(after);
        let words: Vec<_> = form.split(' ').map(str::to_owned).collect();
        said(&emergency, view, &words, Moment { since, wall }, Disk::Writes).unwrap()
    };
    assert_eq!(asks("SET long v EX 600", 0), "+OK");
    assert_eq!(asks("SET short v PX 200", 0), "+OK");
    assert_eq!(
        (asks("GET long", 999), asks("GET short", 199)),
        ("$1\r\nv".into(), "$1\r\nv".into())
    );
    assert_eq!((asks("GET long", 1_000), asks("GET short", 200)), ("$-1".into(), "$-1".into()));
    // Who was away meanwhile has nothing here, and leaves nothing.
    assert_eq!(asks("SET k v", 0), "+OK");
    let other = View { epoch: 3, database: 0 };
    let get = ["GET".to_owned(), "k".to_owned()];
    let at = Moment { since: began, wall };
    assert_eq!(said(&emergency, other, &get, at, Disk::Writes).unwrap(), "$-1");
    emergency.begin(3);
    assert_eq!(said(&emergency, other, &get, at, Disk::Writes).unwrap(), "$-1");
    assert_eq!(asks("SET k late", 0), "+OK", "of the outage before");
    assert_eq!(said(&emergency, other, &get, at, Disk::Writes).unwrap(), "$-1");
}

#[test]
fn what_one_client_writes_while_redis_is_away_another_reads_until_it_is_back() {
    let mut shop = Shop::with("", "emergency { ttl = \"10s\" }");
    let serving = shop.stand.serve();
    let (mut writer, mut reader) = (shop.client(), shop.client());
    assert_eq!(writer.does("SET price old"), "+OK");
    shop.kill(&serving);
    assert_eq!(writer.does("SET price new EX 60"), "+OK");
    assert_eq!(reader.does("GET price"), "$3\r\nnew");
    assert_eq!(reader.does("TTL price"), ":60");
    assert_eq!(reader.does("SET price other NX"), "$-1");
    assert_eq!((reader.does("SELECT 1"), reader.does("GET price")), ("+OK".into(), "$-1".into()));
    assert_eq!(reader.does("SELECT 0"), "+OK");
    assert_eq!(
        (reader.does("DEL price none"), writer.does("GET price")),
        (":1".into(), "$-1".into())
    );
    assert_eq!(writer.does("MSET a 1 b 2"), "+OK");
    assert_eq!(reader.does("MGET a b c"), "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$-1");
    assert_eq!(reader.does("HGET a f"), "$-1", "of a text Redis would say that it is none");
    assert_eq!((writer.does("GET a"), writer.does("GET b")), ("$-1".into(), "$1\r\n2".into()));
    // A transaction is answered as if nothing were there, and then nothing is.
    assert_eq!((reader.does("MULTI"), reader.does("GET b")), ("+OK".into(), "+QUEUED".into()));
    assert_eq!(writer.does("GET b"), "$1\r\n2");
    assert_eq!((reader.does("EXEC"), writer.does("GET b")), ("*1\r\n$-1".into(), "$-1".into()));
    // A session is no cache.
    assert!(writer.does("SET sess:1 ana").starts_with("-ROADWORKSDOWN"));
    assert_eq!(writer.does("SET price newer"), "+OK");
    shop.redis.again();
    until_back(&serving);
    assert_eq!(
        reader.does("GET price"),
        "$-1",
        "neither what was there before nor what came meanwhile"
    );
    assert_eq!(writer.does("SET price newest"), "+OK");
    shop.kill(&serving);
    assert_eq!(reader.does("GET price"), "$-1");
}

#[test]
fn whoever_redis_did_not_let_in_sees_nothing_and_leaves_nothing() {
    let redis = RedisServer::with(&["--requirepass", "pass"]);
    let mut shop = Shop::before(redis, "", "emergency { ttl = \"10s\" }", ":pass@");
    let serving = shop.stand.serve();
    let mut known = shop.client();
    assert_eq!(known.does("AUTH pass"), "+OK");
    shop.kill(&serving);
    let (mut stranger, mut own) = (shop.client(), shop.client());
    assert_eq!((stranger.does("AUTH wrong"), own.does("AUTH pass")), ("+OK".into(), "+OK".into()));
    assert_eq!((known.does("SET k v"), own.does("GET k")), ("+OK".into(), "$1\r\nv".into()));
    assert_eq!((stranger.does("SET k evil"), known.does("GET k")), ("+OK".into(), "$-1".into()));
    assert_eq!((known.does("SET k v"), stranger.does("GET k")), ("+OK".into(), "$-1".into()));
    assert_eq!((known.does("SET k v"), stranger.does("STRLEN k")), ("+OK".into(), ":0".into()));
}

fn until_back(serving: &crate::support::serving::Serving) {
    crate::support::serving::until(|| serving.log().contains("redis is back").then_some(()));
}
