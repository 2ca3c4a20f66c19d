//! What is said while Redis is away is what a real, empty Redis says, or a refusal that the table wants.

use proptest::collection::vec;
use proptest::prelude::*;
use roadworks::config::{KeyRules, RedisRole};
use roadworks::redis::answer::{Dirty, Refusal, Verdict, answer};
use roadworks::redis::frame::{Request, Requests};
use roadworks::redis::table::{self, Family};
use roadworks::redis::value::Resp;

use super::forms::{READS, WRITES};
use crate::support::redis::{Client, RedisServer, encoded};

/// What an empty Redis would grant, and is not: a lock must stay closed.
const NOT_SET: [(&str, &str); 4] =
    [("SET k v NX", "nil"), ("SETNX k v", ":0"), ("MSETNX a 1 b 2", ":0"), ("HSETNX k f v", ":0")];

/// What is refused though its keys are a cache's: it counts, is accepted, takes something away, runs a script, or is an error
/// of an empty Redis's own.
const REFUSED: [&str; 58] = [
    "XPENDING k g",
    "XINFO STREAM k",
    "XINFO GROUPS k",
    "SET k v NX GET",
    "APPEND k v",
    "SETRANGE k 0 v",
    "SETBIT k 1 1",
    "INCR k",
    "INCRBY k 5",
    "INCRBYFLOAT k 1.5",
    "DECR k",
    "RENAME a b",
    "RENAMENX a b",
    "MOVE k 1",
    "HINCRBY k f 1",
    "HINCRBYFLOAT k f 1",
    "LPUSH k a b",
    "RPUSH k a",
    "LPUSHX k a",
    "RPUSHX k a",
    "LPOP k",
    "LPOP k 2",
    "RPOP k",
    "LSET k 0 v",
    "LINSERT k BEFORE a b",
    "LMOVE a b LEFT RIGHT",
    "RPOPLPUSH a b",
    "LMPOP 1 k LEFT",
    "SADD k a b",
    "SPOP k",
    "SPOP k 2",
    "SMOVE a b m",
    "SINTERSTORE d a b",
    "SUNIONSTORE d a b",
    "ZADD k 1 a",
    "ZADD k NX 1 a",
    "ZADD k XX 1 a",
    "ZADD k INCR 1 a",
    "ZINCRBY k 1 a",
    "ZPOPMIN k",
    "ZPOPMAX k 2",
    "ZMPOP 1 k MIN",
    "ZRANGESTORE d k 0 -1",
    "ZUNIONSTORE d 1 k",
    "BITOP AND d a b",
    "BITFIELD k SET u8 0 1",
    "GEOADD k 0 0 m",
    "PFADD k a",
    "PFMERGE d k",
    "XADD k 1-1 f v",
    "XADD k NOMKSTREAM 1-1 f v",
    "XTRIM k MAXLEN 0",
    "XDEL k 1-1",
    "XACK k g 1-1",
    "SORT k",
    "SORT k STORE d",
    "RESTORE k 0 bad",
    "SWAPDB 0 1",
];
/// The same, of which the form says so by its beginning.
const REFUSED_GROUPS: [&str; 7] =
    ["XGROUP ", "XREADGROUP ", "XCLAIM ", "XAUTOCLAIM ", "EVAL ", "EVALSHA ", "FCALL "];
/// What the connection answers by itself.
const OWN: [&str; 1] = ["SCRIPT EXISTS "];

/// What a command may consist of, and an empty word.
const WORDS: &str = "\
    k a 0 1 2 -1 01 1.5 NX XX GET EX PX KEEPTTL \
    COUNT MATCH * WITHSCORES LIMIT STREAMS $ LEFT MIN M km [a (1 - \
    + REV BYSCORE BYLEX u8 i65 ENCODING USAGE -inf inf GT LEN IDX BYTE \
    BIT RANK TYPE ASC BY FROMMEMBER BYRADIUS NUMSUB CHANNELS REPLACE DB 9223372036854775807 WITHVALUES PERSIST ";

fn caches() -> KeyRules {
    KeyRules { otherwise: RedisRole::Cache, ..KeyRules::default() }
}

fn verdict(words: &[&str], rules: &KeyRules) -> Verdict {
    let (mut requests, bytes) = (Requests::default(), encoded(words));
    let Ok(Request::Whole { arguments, .. }) = requests.read(&bytes) else { panic!("{words:?}") };
    answer(&arguments, rules)
}

/// What is said, if something is.
fn said(verdict: Verdict, version: Resp) -> Option<Vec<u8>> {
    match verdict {
        Verdict::Said(answer) | Verdict::Dropped { answer, .. } | Verdict::Waits { answer, .. } => {
            Some(answer.encoded(version))
        }
        Verdict::Refused(_) | Verdict::Own(_) => None,
    }
}

/// What a real Redis says of it that has nothing.
fn really(client: &mut Client, words: &[&str]) -> Vec<u8> {
    assert_eq!(client.does("FLUSHALL"), "+OK");
    client.send(&encoded(words));
    client.next().unwrap()
}

#[test]
fn every_form_is_answered_as_an_empty_redis_does_or_refused_as_the_table_says() {
    let server = RedisServer::start();
    for version in [Resp::Two, Resp::Three] {
        let mut client = server.client();
        if version == Resp::Three {
            assert!(client.does("HELLO 3").starts_with('%'));
        }
        let mut wrong = Vec::new();
        for form in READS.iter().chain(&WRITES) {
            let words: Vec<_> = form.split(' ').collect();
            let real = really(&mut client, &words);
            let ours = said(verdict(&words, &caches()), version);
            let begins = |groups: &[&str]| groups.iter().any(|group| form.starts_with(group));
            let wanted = match NOT_SET.iter().find(|(known, _)| known == form) {
                Some((_, "nil")) if version == Resp::Three => Some(b"_\r\n".to_vec()),
                Some((_, "nil")) => Some(b"$-1\r\n".to_vec()),
                Some((_, line)) => Some(format!("{line}\r\n").into_bytes()),
                None if REFUSED.contains(form) || begins(&REFUSED_GROUPS) || begins(&OWN) => None,
                None => Some(real),
            };
            if ours != wanted {
                let shown =
                    |bytes: Option<Vec<u8>>| bytes.map(|bytes| bytes.escape_ascii().to_string());
                wrong.push((form, shown(ours), shown(wanted)));
            }
        }
        assert!(wrong.is_empty(), "{version:?}: {wrong:#?}");
    }
}

#[test]
fn nothing_is_said_of_keys_that_are_no_cache() {
    let rules = KeyRules { rules: KeyRules::preset("django").unwrap(), ..KeyRules::default() };
    let role = |role| Verdict::Refused(Refusal::Role(role));
    for (form, wanted) in [
        ("GET :1:django.contrib.sessions.cachex", role(RedisRole::Session)),
        ("GET other", role(RedisRole::Mixed)),
        ("MGET :1:a other", role(RedisRole::Mixed)),
        ("DEL :1:a :1:lock:b", role(RedisRole::Mixed)),
        ("INCR other", role(RedisRole::Mixed)),
        ("INCR :1:a", Verdict::Refused(Refusal::Never)),
        ("DBSIZE", role(RedisRole::Mixed)),
        ("SCAN 0", role(RedisRole::Mixed)),
        ("NOSUCH :1:a", Verdict::Refused(Refusal::Never)),
    ] {
        assert_eq!(verdict(&form.split(' ').collect::<Vec<_>>(), &rules), wanted, "{form}");
    }
    let everywhere = KeyRules::default();
    for form in READS.iter().chain(&WRITES) {
        let words: Vec<_> = form.split(' ').collect();
        let is_of_no_key = ["PUBLISH", "SPUBLISH", "PUBSUB", "SCRIPT"].contains(&words[0]);
        let found = verdict(&words, &everywhere);
        let waits = matches!(found, Verdict::Waits { .. }) || words[0] == "WAIT";
        assert!(is_of_no_key || waits || matches!(found, Verdict::Refused(_)), "{form}: {found:?}");
    }
}

#[test]
fn what_is_dropped_names_what_redis_still_has() {
    let key = |key: &str| Dirty::Key(key.as_bytes().to_vec());
    for (form, wanted) in [
        ("SET k v EX 60", vec![key("k")]),
        ("MSET a 1 b 2", vec![key("a"), key("b")]),
        ("DEL a b", vec![key("a"), key("b")]),
        ("COPY a b", vec![key("b")]),
        ("EXPIRE k 10", vec![key("k")]),
        ("KEYS p*", vec![Dirty::Pattern(b"p*".to_vec())]),
        ("SCAN 0 MATCH p* COUNT 100", vec![Dirty::Pattern(b"p*".to_vec())]),
        ("SCAN 0", vec![Dirty::Pattern(b"*".to_vec())]),
    ] {
        let found = verdict(&form.split(' ').collect::<Vec<_>>(), &caches());
        let Verdict::Dropped { dirty, .. } = found else { panic!("{form}: {found:?}") };
        assert_eq!(dirty, wanted, "{form}");
    }
    for form in READS {
        let found = verdict(&form.split(' ').collect::<Vec<_>>(), &caches());
        let searches = form.starts_with("KEYS") || form.starts_with("SCAN");
        assert!(searches || !matches!(found, Verdict::Dropped { .. }), "{form} changes nothing");
    }
}

#[test]
fn nothing_is_invented_for_any_words() {
    let server = RedisServer::start();
    let client = std::cell::RefCell::new(server.client());
    let is_answered = |command: &&table::Command| {
        use Family::{Blocking, Local, Never, Subscribe, Transaction};
        !matches!(command.family, Never | Local | Transaction | Subscribe | Blocking)
    };
    let names: Vec<_> =
        table::all().iter().filter(is_answered).map(|command| command.name).collect();
    let words: Vec<_> = [WORDS.split_whitespace().collect(), vec![""]].concat();
    let (names, words) = (proptest::sample::select(names), proptest::sample::select(words));
    let command = (names, vec(words, 0..6));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 6_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let answered = std::cell::Cell::new(0);
    let done = runner.run(&command, |(name, rest)| {
        let words = [vec![name], rest].concat();
        let is_granted = |word: &&str| word.eq_ignore_ascii_case("nx");
        let grants = ["setnx", "hsetnx", "msetnx"].contains(&name)
            || (name == "set" && words.iter().skip(3).any(is_granted));
        if let Some(ours) = said(verdict(&words, &caches()), Resp::Two)
            && !grants
        {
            let real = really(&mut client.borrow_mut(), &words);
            // What is refused for its number of arguments says little.
            answered.set(answered.get() + u32::from(!ours.starts_with(b"-")));
            prop_assert_eq!(ours.escape_ascii().to_string(), real.escape_ascii().to_string());
        }
        Ok(())
    });
    done.unwrap();
    assert!(answered.get() > 300, "{} of them were answered", answered.get());
}
