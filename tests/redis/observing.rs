//! A guard that only observes: it says nothing, and counts.

use std::time::Duration;

use roadworks::clock::monotonic;
use serde_json::json;

use super::guard::Guarded;
use crate::support::redis::{RedisServer, encoded};

#[test]
fn whoever_asks_has_what_they_would_have_without_it() {
    let mut guarded =
        Guarded::before(RedisServer::start(), "mode = \"observe\"\nbudget = \"20ms\"");
    let (mut client, mut idle) = (guarded.client(), guarded.client());
    assert_eq!((client.does("SET k v"), idle.does("GET k")), ("+OK".into(), "$1\r\nv".into()));
    // A slow answer is waited for, as it would be.
    guarded.redis.signal("STOP");
    client.send(&encoded(&["GET", "k"]));
    std::thread::sleep(Duration::from_millis(150));
    guarded.redis.signal("CONT");
    assert_eq!(client.next().unwrap(), b"$1\r\nv\r\n");
    guarded.redis.kill();
    assert_eq!(client.does("GET k"), "it hung up");
    assert_eq!(idle.does("GET k"), "it hung up");
    assert_eq!(guarded.client().does("GET k"), "it hung up", "and no miss");
    guarded.says("redis is away");
    guarded.redis.again();
    let began = monotonic();
    assert_eq!(guarded.client().does("SET k w"), "+OK", "at once");
    assert!(monotonic().duration_since(began) < Duration::from_secs(5));
}

#[test]
fn it_tells_what_is_asked_and_what_that_speaks_for() {
    let guarded = Guarded::before(RedisServer::start(), "mode = \"observe\"");
    let mut client = guarded.client();
    for form in ["SET price:1 9 EX 60", "GET price:1", "GET price:2", "LPUSH celery job", "PING"] {
        assert!(!client.does(form).starts_with('-'), "{form}");
    }
    let shown = guarded.stand.run(&["--json", "redis", "status"]).exits(0).json();
    let observed = &shown["guards"][0]["observed"];
    let wanted = "key \"price:*\" { role = \"cache\" } # read, and written with an end: SET EX\nkey \"celery\" { role = \"queue\" } # LPUSH\n";
    assert_eq!(observed["rules"], wanted);
    assert_eq!(observed["prefixes"][0]["commands"], json!({ "get": 2, "set ex": 1 }));
    assert_eq!(observed["prefixes"][0]["proposes"], "cache");
    let words = guarded.stand.run(&["redis", "status", "cache"]).exits(0).stdout;
    assert!(words.contains("key \"celery\" { role = \"queue\" }"), "{words}");
    let error = guarded.stand.run(&["--json", "redis", "open", "cache"]).exits(3).error();
    assert_eq!(error["code"], "observes");
    assert_eq!(client.does("GET price:1"), "$1\r\n9");
}
