//! What a client has sent and Redis has not answered when its connection is lost.

use std::thread;
use std::time::Duration;

use super::guard::Guarded;
use crate::support::redis::{RedisServer, encoded};
use crate::support::relay::Relay;
use crate::support::serving::until;

/// A guard, and its way to its Redis.
fn by_a_relay(lines: &str) -> (Guarded, Relay) {
    let redis = RedisServer::start();
    let relay = Relay::to(&format!("http://127.0.0.1:{}", redis.port));
    let guarded = Guarded::by(relay.port(), redis, &format!("role = \"cache\"\n    {lines}"));
    (guarded, relay)
}

#[test]
fn what_stands_before_a_select_is_not_asked_again_of_the_database_behind_it() {
    let (guarded, relay) = by_a_relay("budget = \"10s\"");
    let mut direct = guarded.redis.client();
    for database in 0..3 {
        assert_eq!(direct.does(&format!("SELECT {database}")), "+OK");
        assert_eq!(direct.does(&format!("SET k db{database}")), "+OK");
    }
    let mut client = guarded.client();
    assert_eq!(client.does("PING"), "+PONG");
    guarded.redis.signal("STOP");
    let sent = ["GET k", "SELECT 1", "GET k", "SELECT 2", "GET k"];
    let sent = sent.map(|words| encoded(&words.split(' ').collect::<Vec<_>>()));
    client.send(&sent.concat());
    // They are on their way.
    thread::sleep(Duration::from_millis(200));
    relay.lets_go();
    guarded.redis.signal("CONT");
    for wanted in ["$-1\r\n", "+OK\r\n", "$-1\r\n", "+OK\r\n", "$3\r\ndb2\r\n"] {
        assert_eq!(client.next().unwrap(), wanted.as_bytes());
    }
    assert_eq!(guarded.told("redis is away"), 0);
}

#[test]
fn where_nothing_is_to_be_said_of_what_stands_before_a_select_its_connection_ends() {
    let lines =
        "refuse_as = \"close\"\n    budget = \"200ms\"\n    key \"sess:*\" { role = \"session\" }";
    let (guarded, _relay) = by_a_relay(lines);
    let mut client = guarded.client();
    assert_eq!(client.does("PING"), "+PONG");
    guarded.redis.signal("STOP");
    let sent =
        ["GET sess:1", "SELECT 1"].map(|words| encoded(&words.split(' ').collect::<Vec<_>>()));
    client.send(&sent.concat());
    guarded.says("redis is away");
    assert_eq!(client.next(), None);
    guarded.redis.signal("CONT");
}

#[test]
fn a_transaction_that_was_never_sent_waits_for_redis_like_whatever_comes_later() {
    let redis = RedisServer::start();
    let mut guarded = Guarded::before(redis, "role = \"queue\"\n    budget = \"10s\"");
    guarded.says("ready");
    // Known to be there, and nobody is connected to it.
    thread::sleep(Duration::from_millis(300));
    guarded.redis.kill();
    let mut client = guarded.client();
    let sent = ["PING", "MULTI", "INCR n", "INCR n", "EXEC"];
    let sent = sent.map(|words| encoded(&words.split(' ').collect::<Vec<_>>()));
    client.send(&sent.concat());
    guarded.says("redis is away");
    guarded.again();
    for wanted in ["+PONG\r\n", "+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "*2\r\n:1\r\n:2\r\n"] {
        assert_eq!(client.next().unwrap(), wanted.as_bytes());
    }
}

#[test]
fn what_was_never_sent_waits_where_another_client_finds_that_redis_is_away() {
    let redis = RedisServer::start();
    let guarded =
        Guarded::before(redis, "role = \"queue\"\n    on_outage = [\"hold 2s\", \"drop\"]");
    let mut other = guarded.client();
    assert_eq!(other.does("PING"), "+PONG");
    // A connection that is made anew is one on which Redis has to answer first.
    let mut client = guarded.client();
    assert_eq!(client.does("SELECT 1"), "+OK");
    let mut direct = guarded.redis.client();
    let list = direct.does("CLIENT LIST");
    let own = list.lines().find(|line| line.contains(" db=1 ")).unwrap();
    let address = own.split(' ').find_map(|word| word.strip_prefix("addr=")).unwrap();
    assert_eq!(direct.does(&format!("CLIENT KILL {address}")), "+OK");
    thread::sleep(Duration::from_millis(200));
    guarded.redis.signal("STOP");
    other.send(&encoded(&["GET", "k"]));
    // Later: it is the other one who finds that no answer comes.
    thread::sleep(Duration::from_millis(500));
    let sent = ["INCR n", "MULTI", "INCR n", "INCR n", "EXEC"];
    let sent = sent.map(|words| encoded(&words.split(' ').collect::<Vec<_>>()));
    client.send(&sent.concat());
    guarded.says("redis is away");
    guarded.redis.signal("CONT");
    for wanted in [":1\r\n", "+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "*2\r\n:2\r\n:3\r\n"] {
        assert_eq!(client.next().unwrap(), wanted.as_bytes());
    }
}

#[test]
fn what_a_redis_that_hangs_has_not_taken_is_never_sent_behind_what_is_removed() {
    let (guarded, relay) = by_a_relay("budget = \"100ms\"\n    journal {\n    }");
    let mut client = guarded.client();
    assert_eq!(client.does("SET k old"), "+OK");
    guarded.redis.signal("STOP");
    assert_eq!(client.does("SET k new"), "+OK", "it is dropped");
    guarded.says("redis is away");
    until(|| (relay.resets() > 0).then_some(()));
    guarded.redis.signal("CONT");
    guarded.says("redis is back");
    assert_eq!(client.does("GET k"), "$-1");
    // What it has received on the connection that was lost it does not do any more either.
    let asked = guarded.redis.client().does("INFO commandstats");
    assert!(asked.contains("cmdstat_client|kill:calls=1,"), "{asked}");
}
