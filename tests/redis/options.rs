//! What a guard's block may say otherwise: locks, counters, deletions, how it refuses, and who waits.

use std::time::Duration;

use roadworks::clock::monotonic;
use roadworks::config::{KeyPattern, KeyRule, KeyRules, RedisRole, Says, Whether};
use roadworks::redis::answer::{Dirty, Refusal, Verdict, answer};
use roadworks::redis::frame::{Request, Requests};
use roadworks::redis::value::Resp;

use super::guard::Guarded;
use super::stale::Shop;
use crate::support::redis::{RedisServer, encoded};

fn verdict(form: &str, rules: &KeyRules) -> Verdict {
    let words: Vec<_> = form.split(' ').collect();
    let (mut requests, bytes) = (Requests::default(), encoded(&words));
    let Ok(Request::Whole { arguments, .. }) = requests.read(&bytes) else { panic!("{form}") };
    answer(&arguments, rules)
}

/// A cache of which this is said, and of keys `k*` that.
fn caches(says: Says, of_k: Says) -> KeyRules {
    let pattern = KeyPattern::new("k*").unwrap();
    let rule = KeyRule { pattern, role: RedisRole::Cache, says: of_k };
    KeyRules { rules: vec![rule], otherwise: RedisRole::Cache, says }
}

#[test]
fn counters_that_are_open_begin_at_nothing_as_in_an_empty_redis() {
    let (server, open) =
        (RedisServer::start(), Says { counters: Whether::Said, ..Says::default() });
    let mut client = server.client();
    for version in [Resp::Two, Resp::Three] {
        if version == Resp::Three {
            assert!(client.does("HELLO 3").starts_with('%'));
        }
        for form in [
            "INCR k",
            "DECR k",
            "INCRBY k 5",
            "INCRBY k -5",
            "DECRBY k 5",
            "DECRBY k -7",
            "INCRBYFLOAT k 1.5",
            "INCRBYFLOAT k -0.25",
            "INCRBYFLOAT k 12",
            "HINCRBY k f 3",
            "HINCRBYFLOAT k f 10.125",
            "APPEND k abc",
            "SETBIT k 7 1",
            "PFADD k a b",
        ] {
            assert_eq!(client.does("FLUSHALL"), "+OK");
            let words: Vec<_> = form.split(' ').collect();
            client.send(&encoded(&words));
            let real = client.next().unwrap();
            let found = verdict(form, &caches(open, open));
            let Verdict::Dropped { answer, dirty } = found else { panic!("{form}: {found:?}") };
            let ours = answer.encoded(version);
            assert_eq!(ours.escape_ascii().to_string(), real.escape_ascii().to_string(), "{form}");
            assert_eq!(dirty, [Dirty::Key(b"k".to_vec())]);
        }
    }
    for form in ["INCRBYFLOAT k 1.50", "INCRBYFLOAT k 1e3", "INCRBYFLOAT k 01", "INCRBY k x"] {
        assert_eq!(verdict(form, &caches(open, open)), Verdict::Refused(Refusal::Never), "{form}");
    }
    let mixed = caches(Says::default(), open);
    assert_eq!(verdict("INCR hits", &mixed), Verdict::Refused(Refusal::Never), "only k is open");
    assert!(matches!(verdict("INCR k", &mixed), Verdict::Dropped { .. }));
}

#[test]
fn what_is_not_to_be_answered_is_refused() {
    let careful = Says { nx: Whether::Refused, invalidate: Whether::Refused, ..Says::default() };
    for form in ["SET k v NX", "SET k v NX EX 5", "SETNX k v", "HSETNX k f v", "MSETNX k v a v"] {
        let (whole, some) = (caches(careful, careful), caches(Says::default(), careful));
        assert_eq!(verdict(form, &whole), Verdict::Refused(Refusal::Never), "{form}");
        assert_eq!(verdict(form, &some), Verdict::Refused(Refusal::Never), "{form}");
    }
    for form in ["DEL a k", "UNLINK k", "EXPIRE k 5", "HDEL k f", "GETDEL k", "LTRIM k 0 1"] {
        let some = caches(Says::default(), careful);
        assert_eq!(verdict(form, &some), Verdict::Refused(Refusal::Lost), "{form}");
    }
    for form in ["KEYS k*", "SCAN 0"] {
        let some = caches(Says::default(), careful);
        assert_eq!(verdict(form, &some), Verdict::Refused(Refusal::Lost), "{form}: it may find k");
    }
    let some = caches(Says::default(), careful);
    for form in ["SET k v", "GET k", "DEL a", "SETNX a v", "HSET k f v"] {
        assert!(!matches!(verdict(form, &some), Verdict::Refused(_)), "{form}");
    }
}

#[test]
fn a_guard_refuses_as_it_is_told() {
    let mut guarded = Guarded::cache("refuse_as = \"masterdown\"");
    guarded.kill();
    assert!(guarded.client().does("INCR n").starts_with("-MASTERDOWN redis is unreachable"));
    let mut guarded = Guarded::cache("refuse_as = \"close\"");
    guarded.kill();
    let mut client = guarded.client();
    assert_eq!(client.does("GET k"), "$-1");
    assert_eq!(client.does("INCR n"), "it hung up");
    // What came before it is answered.
    let mut client = guarded.client();
    client.send(&[encoded(&["GET", "k"]), encoded(&["SET", "k", "v"])].concat());
    assert_eq!((client.next(), client.next()), (Some(b"$-1\r\n".to_vec()), None));
}

#[test]
fn counters_that_are_open_are_forgotten_and_removed() {
    let mut shop = Shop::with("", "key \"hits:*\" { counters = \"open\" }");
    let serving = shop.stand.serve();
    let mut client = shop.client();
    assert_eq!(client.does("INCRBY hits:1 41"), ":41");
    shop.kill(&serving);
    assert_eq!(
        (client.does("INCR hits:1"), client.does("INCR hits:1")),
        (":1".into(), ":1".into())
    );
    assert!(client.does("INCR other").starts_with("-ROADWORKSDOWN"));
    shop.redis.again();
    shop.never_reads(&serving, "hits:1");
    assert_eq!(client.does("INCR hits:1"), ":1");
}

#[test]
fn keys_have_an_outage_of_their_own() {
    let refused = "key \"rate:*\" {\n on_outage = [\"refuse\"]\n }\n";
    let mut guarded = Guarded::cache(refused);
    guarded.kill();
    let mut client = guarded.client();
    assert!(client.does("GET rate:1").starts_with("-ROADWORKSDOWN"));
    assert!(client.does("MGET price rate:1").starts_with("-ROADWORKSDOWN"));
    assert_eq!(client.does("GET price"), "$-1");
    // The same while it only hangs.
    let hanging = Guarded::cache(refused);
    let mut client = hanging.client();
    assert_eq!(client.does("GET rate:1"), "$-1");
    hanging.redis.signal("STOP");
    assert!(client.does("GET rate:1").starts_with("-ROADWORKSDOWN"));
    hanging.redis.signal("CONT");
    let open = "on_outage = [\"refuse\"]\nkey \"price\" {\n on_outage = [\"open\"]\n }\n";
    let mut guarded = Guarded::cache(open);
    guarded.redis.kill();
    let mut client = guarded.client();
    assert!(client.does("GET other").starts_with("-ROADWORKSDOWN"));
    assert_eq!(client.does("GET price"), "$-1");
}

#[test]
fn work_waits_for_redis_while_misses_are_answered_at_once() {
    let mut guarded = Guarded::cache("key \"jobs*\" { role = \"queue\" }");
    guarded.kill();
    let (mut worker, mut web) = (guarded.client(), guarded.client());
    assert_eq!(worker.does("GET price"), "$-1");
    // In one piece: what comes after what waits waits, too.
    let asked = [
        encoded(&["LPUSH", "jobs", "one"]),
        encoded(&["GET", "price"]),
        encoded(&["MULTI"]),
        encoded(&["RPUSH", "jobs", "two"]),
        encoded(&["LLEN", "jobs"]),
        encoded(&["EXEC"]),
    ];
    worker.send(&asked.concat());
    let mut other = guarded.client();
    // A transaction is begun here, and done there.
    assert_eq!(other.does("MULTI"), "+OK");
    other.send(&encoded(&["LPUSH", "jobs:2", "x"]));
    let began = monotonic();
    for _ in 0..20 {
        assert_eq!(web.does("GET price"), "$-1");
    }
    assert!(monotonic().duration_since(began) < Duration::from_secs(5), "nobody else waits");
    assert!(web.does("MGET price jobs").starts_with("-ROADWORKSDOWN"), "half of it would be a lie");
    guarded.again();
    let next = |client: &mut crate::support::redis::Client| {
        let bytes = client.next().unwrap_or_else(|| b"it hung up".to_vec());
        String::from_utf8(bytes).unwrap()
    };
    for wanted in
        [":1\r\n", "$-1\r\n", "+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "*2\r\n:2\r\n:2\r\n"]
    {
        assert_eq!(next(&mut worker), wanted);
    }
    assert_eq!(next(&mut other), "+QUEUED\r\n");
    assert_eq!(other.does("EXEC"), "*1\r\n:1");
    assert_eq!(guarded.redis.client().does("LRANGE jobs 0 -1"), "*2\r\n$3\r\none\r\n$3\r\ntwo");
}

#[test]
fn what_waited_for_its_time_is_let_go_or_refused() {
    let lines = "key \"jobs\" {\n role = \"queue\"\n on_outage = [\"hold 300ms\", \"drop\"]\n }\nkey \"sess:*\" {\n role = \"session\"\n on_outage = [\"hold 300ms\", \"refuse\"]\n }\n";
    let mut guarded = Guarded::cache(lines);
    let (mut worker, mut web) = (guarded.client(), guarded.client());
    assert_eq!(
        (worker.does("LPUSH jobs a"), web.does("SET sess:1 ana")),
        (":1".into(), "+OK".into())
    );
    guarded.redis.kill();
    let began = monotonic();
    assert!(web.does("GET sess:1").starts_with("-ROADWORKSDOWN"));
    assert!(
        monotonic().duration_since(began) >= Duration::from_millis(280),
        "it may be asked again"
    );
    assert_eq!(worker.does("LPUSH jobs b"), "it hung up");
    assert_eq!(web.does("GET price"), "$-1");
    guarded.again();
    assert_eq!(web.does("SET sess:1 bo"), "+OK", "the same connection goes on");
    assert_eq!(guarded.client().does("LPUSH jobs c"), ":1");
}

#[test]
fn a_session_that_was_asked_for_when_redis_went_is_read_when_it_is_back() {
    let guarded = Guarded::cache("key \"sess:*\" { role = \"session\" }");
    let mut web = guarded.client();
    assert_eq!(web.does("SET sess:1 ana"), "+OK");
    guarded.redis.signal("STOP");
    web.send(&encoded(&["GET", "sess:1"]));
    guarded.says("redis is away");
    guarded.redis.signal("CONT");
    assert_eq!(web.next().unwrap(), b"$3\r\nana\r\n");
}
