//! What a guard says of itself while its Redis is asked only in part: by the verb, and to whoever scrapes.

use tempfile::TempDir;

use super::guard::Guarded;
use super::several::{Guard, IN_FILE};
use crate::support::bind::free_port;
use crate::support::redis::RedisServer;
use crate::support::relay::Relay;
use crate::support::serving::{Serving, Stand, until};

/// Both say that it is in this state, and in no other.
#[track_caller]
fn is(stand: &Stand, serving: &Serving, wanted: &str) {
    let scraped = || {
        let page = serving.metrics();
        let states = page.lines().filter(|line| line.starts_with("roadworks_redis_state{"));
        let now = states.filter(|line| line.ends_with(" 1"));
        now.map(|line| line.split("state=\"").nth(1).unwrap().replace("\"} 1", "")).collect()
    };
    until(|| {
        let shown = stand.run(&["--json", "redis", "status"]).exits(0).json();
        let states: Vec<String> = scraped();
        (shown["guards"][0]["state"] == wanted && states == [wanted]).then_some(())
    });
}

#[test]
fn a_guard_whose_redis_takes_no_writes_says_that_it_is_read() {
    let replica = format!("REPLICAOF 127.0.0.1 {}", free_port());
    for (begin, end) in [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        (replica.as_str(), "REPLICAOF NO ONE"),
    ] {
        let guarded = Guarded::cache("    budget = \"10s\"\n    journal {}");
        let (mut client, mut direct) = (guarded.client(), guarded.redis.client());
        assert_eq!(client.does("MSET price old kept here"), "+OK");
        is(&guarded.stand, &guarded.serving, "closed");
        assert_eq!(direct.does(begin), "+OK");
        assert_eq!(client.does("SET price new"), "+OK", "{begin}");
        is(&guarded.stand, &guarded.serving, "reads");
        assert_eq!(client.does("GET kept"), "$4\r\nhere", "{begin}");
        let words = guarded.stand.run(&["redis", "status"]).exits(0).stdout;
        assert!(words.starts_with("cache  reads  redis is read, "), "{words}");
        assert_eq!(direct.does(end), "+OK");
        is(&guarded.stand, &guarded.serving, "closed");
        assert_eq!((client.does("GET price"), guarded.told("redis is away")), ("$-1".into(), 0));
    }
}

#[test]
fn a_guard_tells_what_its_journal_has_and_what_it_adds() {
    let small = "    budget = \"10s\"\n    journal { max_keys = 2 }";
    let mut guarded = Guarded::cache(small);
    let mut client = guarded.client();
    for _ in 0..70 {
        assert_eq!(client.does("GET k"), "$-1");
    }
    let told = |guarded: &Guarded, name: &str| -> String {
        let page = guarded.serving.metrics();
        let start = format!("roadworks_redis_{name}{{site=\"shop\",redis=\"cache\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&start)).unwrap().to_owned()
    };
    // Two turns for each command.
    assert!(["2", "3"].contains(&told(&guarded, "added_seconds_count").as_str()));
    assert!(told(&guarded, "added_seconds_sum").parse::<f64>().unwrap() < 1.0);
    let kept =
        |guarded: &Guarded| ["journal_keys", "journal_broken"].map(|name| told(guarded, name));
    assert_eq!(kept(&guarded), ["0", "0"]);
    guarded.kill();
    assert_eq!(client.does("DEL a b"), ":0");
    until(|| (kept(&guarded) == ["2", "0"]).then_some(()));
    assert_eq!(client.does("DEL c"), ":0");
    until(|| (kept(&guarded)[1] == "1").then_some(()));
}

#[test]
fn a_guard_that_waits_for_another_says_that_it_is_written() {
    let (redis, store) = (RedisServer::start(), TempDir::new().unwrap());
    let relay = Relay::to(&format!("http://127.0.0.1:{}", redis.port));
    let a = Guard::new(store.path(), relay.port(), IN_FILE);
    let b = Guard::new(store.path(), redis.port, IN_FILE);
    for guard in [&a, &b] {
        is(&guard.stand, &guard.serving, "closed");
    }
    relay.cut();
    a.is_cut();
    assert_eq!(a.client().does("DEL price"), ":0");
    is(&a.stand, &a.serving, "open");
    is(&b.stand, &b.serving, "writes");
    let words = b.stand.run(&["redis", "status"]).exits(0).stdout;
    assert!(words.starts_with("cache  writes  reads miss: "), "{words}");
    relay.mend();
    for guard in [&a, &b] {
        is(&guard.stand, &guard.serving, "closed");
    }
}
