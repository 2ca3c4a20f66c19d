//! `roadworks redis recover`: what somebody decides once a journal does not have all that must not be read.

use serde_json::{Value, json};

use super::guard::Guarded;
use crate::support::command::Ran;
use crate::support::redis::RedisServer;
use crate::support::serving::until;

/// A machine that has much to do makes no outage of it.
const SMALL: &str = "role = \"cache\"\n    budget = \"10s\"\n    journal {\n      path = \"cache.journal\"\n      max_keys = 2\n    }";

/// A guard whose Redis is away, and of which more was deleted than its journal has room for.
fn overflowed() -> Guarded {
    let redis = RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut guarded = Guarded::before(redis, SMALL);
    assert_eq!(guarded.client().does("MSET a old b old c old kept here"), "+OK");
    guarded.kill();
    assert_eq!(guarded.client().does("DEL a b c"), ":0");
    guarded.says("more than 2 keys");
    guarded
}

fn recover(guarded: &Guarded, words: &[&str]) -> Ran {
    guarded.stand.run(&[&["--json", "redis", "recover"], words].concat())
}

fn seen(guarded: &Guarded) -> Value {
    guarded.stand.run(&["--json", "redis", "status"]).exits(0).json()["guards"][0].clone()
}

/// It stays away though Redis is there, and says why.
fn stays_away(guarded: &mut Guarded) {
    guarded.redis.again();
    guarded.says("the journal is of no use");
    assert_eq!(guarded.client().does("GET kept"), "$-1");
    let shown = seen(guarded);
    let why = shown["journal"]["broken"].as_str().unwrap_or_default();
    assert!(shown["state"] == "open" && why.contains("more than 2 keys"), "{shown:#}");
}

/// It has nothing left to remove, and asks Redis.
fn is_well(guarded: &Guarded) {
    guarded.says("redis is back");
    until(|| (seen(guarded)["state"] == "closed").then_some(()));
    let journal = seen(guarded)["journal"].clone();
    assert_eq!(journal, json!({ "keys": 0, "broken": null }));
    let mut client = guarded.client();
    assert_eq!(
        (client.does("SET a new"), client.does("GET a")),
        ("+OK".into(), "$3\r\nnew".into())
    );
}

#[test]
fn what_an_overflowed_journal_had_no_room_for_is_flushed_once_redis_is_there() {
    let mut guarded = overflowed();
    let usage = recover(&guarded, &["cache", "--yes"]).exits(1).error()["message"].to_string();
    assert!(usage.contains("--flush") && usage.contains("--accept-stale"), "{usage}");
    let refused = recover(&guarded, &["cache", "--flush", "--yes"]).exits(3).error();
    assert_eq!(refused["code"], "not-recovered");
    assert!(refused["message"].as_str().unwrap().starts_with("redis cannot be flushed: "));
    assert!(refused["hint"].as_str().unwrap().contains("--accept-stale"), "{refused}");
    stays_away(&mut guarded);
    let done = recover(&guarded, &["cache", "--flush", "--yes"]).exits(0).json();
    let recovered = &done["recovered"];
    assert_eq!((&done["format"], &recovered["databases"]), (&json!(1), &json!([0])), "{done}");
    assert_eq!(recovered["guards"].as_array().map(Vec::len), Some(1), "its own marker: {done}");
    assert_eq!(guarded.redis.client().does("DBSIZE"), ":0");
    is_well(&guarded);
    // It does nothing twice.
    let words = guarded.stand.run(&["redis", "recover", "cache", "--flush", "--yes"]).exits(0);
    assert_eq!(words.stdout.trim_end(), "cache  nothing is flushed, 0 keys are given up");
    assert_eq!(guarded.client().does("GET a"), "$3\r\nnew");
}

#[test]
fn what_an_overflowed_journal_had_no_room_for_is_read_where_somebody_accepts_it() {
    let mut guarded = overflowed();
    stays_away(&mut guarded);
    let words = guarded.stand.run(&["redis", "recover", "cache", "--accept-stale", "--yes"]);
    let words = words.exits(0);
    assert!(words.stdout.starts_with("cache  nothing is flushed, "), "{words:#?}");
    assert!(words.stderr.contains("roadworks redis status cache"), "{words:#?}");
    guarded.says("redis is back");
    until(|| {
        (guarded.client().does("MGET a kept") == "*2\r\n$3\r\nold\r\n$4\r\nhere").then_some(())
    });
    is_well(&guarded);
}

#[test]
fn what_is_old_may_be_accepted_while_redis_is_away() {
    let mut guarded = overflowed();
    let done = recover(&guarded, &["cache", "--accept-stale", "--yes"]).exits(0).json();
    assert_eq!(done["recovered"]["databases"], json!([]), "{done}");
    assert_eq!(seen(&guarded)["journal"], json!({ "keys": 0, "broken": null }));
    guarded.again();
    until(|| (guarded.client().does("GET a") == "$3\r\nold").then_some(()));
    is_well(&guarded);
}

#[test]
fn what_nobody_decided_is_refused_and_changes_nothing() {
    let mut guarded = overflowed();
    stays_away(&mut guarded);
    for (words, code, said) in [
        (&["cache", "--flush"][..], 3, "not-confirmed"),
        (&["cache", "--accept-stale"], 3, "not-confirmed"),
        (&["cache", "--yes"], 1, "usage"),
        (&["cache", "--flush", "--accept-stale", "--yes"], 1, "usage"),
        (&["cach", "--flush", "--yes"], 1, "usage"),
    ] {
        assert_eq!(recover(&guarded, words).exits(code).error()["code"], said, "{words:?}");
    }
    assert_eq!(seen(&guarded)["state"], "open");
    assert_eq!(guarded.redis.client().does("DBSIZE"), ":4");
    // Without a journal nothing is dropped.
    let plain = Guarded::cache("");
    let refused = recover(&plain, &["cache", "--flush", "--yes"]).exits(3).error();
    assert!(refused["message"].as_str().unwrap().contains("has no journal"), "{refused}");
    drop(plain.serving);
    let nobody = plain.stand.run(&["--json", "redis", "recover", "cache", "--flush", "--yes"]);
    assert_eq!(nobody.exits(1).error()["code"], "no-serve");
}
