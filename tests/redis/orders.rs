//! `roadworks redis`: what somebody orders of a guard before Redis is worked on, and what the site's mode orders.

use std::time::Duration;

use roadworks::clock::monotonic;
use serde_json::Value;

use crate::support::app::App;
use crate::support::bind::free_port;
use crate::support::redis::{Client, RedisServer, encoded};
use crate::support::serving::{Serving, Stand, until};

struct Ordered {
    serving: Serving,
    stand: Stand,
    port: u16,
    redis: RedisServer,
}

impl Ordered {
    /// A guard `cache` of a site `shop`; `lines` go into its block, `more` into the site's.
    fn with(lines: &str, more: &str) -> Ordered {
        let (port, redis) = (free_port(), RedisServer::start());
        let stand = Stand::new(&format!(
            "serve {{ admin = \"127.0.0.1:0\" }}\nsite \"shop\" {{\n  {more}\n  redis \"cache\" {{\n    listen = \"127.0.0.1:{port}\"\n    upstream = \"redis://127.0.0.1:{}\"\n    budget = \"1s\"\n    {lines}\n  }}\n}}\n",
            redis.port
        ));
        let serving = stand.serve();
        Ordered { serving, stand, port, redis }
    }

    fn client(&self) -> Client {
        Client::at(self.port)
    }

    /// What the verb says of the guard.
    fn orders(&self, words: &[&str]) -> Value {
        let words = [&["--json", "redis"], words].concat();
        self.stand.run(&words).exits(0).json()["guard"].clone()
    }

    fn seen(&self) -> Value {
        let shown = self.stand.run(&["--json", "redis", "status"]).exits(0).json();
        assert_eq!(shown["format"], 1);
        shown["guards"][0].clone()
    }
}

#[test]
fn a_guard_that_is_ordered_open_leaves_redis_alone_until_it_is_closed() {
    let ordered = Ordered::with("role = \"cache\"", "");
    let mut client = ordered.client();
    assert_eq!(client.does("SET k v"), "+OK");
    let before = ordered.seen();
    assert_eq!((&before["state"], &before["role"]), (&"closed".into(), &"cache".into()));
    assert_eq!((&before["clients"], &before["connections"]), (&1.into(), &1.into()));
    assert!(
        before["since"].is_null() && before["ordered"].is_null() && before["journal"].is_null()
    );

    let open = ordered.orders(&["open", "cache", "--for", "10m"]);
    assert_eq!((&open["state"], &open["connections"]), (&"open".into(), &0.into()));
    assert_eq!(open["ordered"]["order"], "open");
    assert!(open["ordered"]["until"].is_string() && open["since"].is_string());
    assert_eq!(client.does("GET k"), "$-1", "the same connection goes on, without Redis");
    assert!(client.does("SET k w").starts_with("-ROADWORKSDOWN"));
    let asked = ordered.redis.client().does("CLIENT LIST");
    assert_eq!(asked.matches("cmd=get").count(), 0, "{asked}");

    let closed = ordered.orders(&["close", "cache"]);
    assert_eq!((&closed["state"], &closed["ordered"]), (&"closed".into(), &Value::Null));
    assert_eq!(client.does("GET k"), "$1\r\nv");
    let answers = &ordered.seen()["answers"];
    assert_eq!((&answers["miss"], &answers["refused"]), (&1.into(), &1.into()));
    assert!(answers["passed"].as_u64() >= Some(2), "{answers}");

    let metrics = ordered.serving.metrics();
    for line in [
        "roadworks_redis_state{site=\"shop\",redis=\"cache\",state=\"closed\"} 1",
        "roadworks_redis_state{site=\"shop\",redis=\"cache\",state=\"open\"} 0",
        "roadworks_redis_answers_total{site=\"shop\",redis=\"cache\",family=\"read\",reason=\"miss\"} 1",
        "roadworks_redis_answers_total{site=\"shop\",redis=\"cache\",family=\"write\",reason=\"refused\"} 1",
        "roadworks_redis_clients{site=\"shop\",redis=\"cache\"} 1",
        "roadworks_redis_connections{site=\"shop\",redis=\"cache\"} 1",
    ] {
        assert!(metrics.lines().any(|has| has == line), "{line}\n{metrics}");
    }
}

#[test]
fn what_was_asked_before_is_answered_by_redis_first() {
    let ordered = Ordered::with("role = \"cache\"", "");
    let (mut client, mut queues) = (ordered.client(), ordered.client());
    assert_eq!((queues.does("MULTI"), queues.does("INCR n")), ("+OK".into(), "+QUEUED".into()));
    client.send(&[encoded(&["DEBUG", "SLEEP", "0.4"]), encoded(&["INCR", "n"])].concat());
    // It has its own connection once it has asked.
    until(|| (ordered.seen()["connections"] == 2).then_some(()));
    queues.send(&encoded(&["EXEC"]));
    let open = ordered.orders(&["open", "cache"]);
    assert_eq!(open["connections"], 0);
    assert_eq!(
        (client.next().unwrap(), client.next().unwrap()),
        (b"+OK\r\n".into(), b":1\r\n".into())
    );
    assert_eq!(queues.next().unwrap(), b"*1\r\n:2\r\n", "a transaction is ended as it was begun");
    assert_eq!(client.does("GET n"), "$-1");
}

#[test]
fn a_transaction_that_was_begun_is_ended_by_redis_before_it_is_left_alone() {
    let ordered = Ordered::with("role = \"cache\"", "");
    let mut client = ordered.client();
    assert_eq!((client.does("MULTI"), client.does("INCR n")), ("+OK".into(), "+QUEUED".into()));
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| ordered.orders(&["open", "cache"]));
        until(|| ordered.serving.log().contains("redis is not asked").then_some(()));
        assert_eq!(client.does("INCR n"), "+QUEUED");
        assert_eq!(client.does("EXEC"), "*2\r\n:1\r\n:2");
        assert_eq!(opening.join().unwrap()["connections"], 0);
    });
    assert_eq!(client.does("GET n"), "$-1");
}

#[test]
fn clients_wait_as_ordered_over_a_restart() {
    let mut ordered = Ordered::with("role = \"cache\"", "");
    let mut client = ordered.client();
    assert_eq!(client.does("SET k v"), "+OK");
    let held = ordered.orders(&["hold", "cache", "--for", "60s"]);
    assert_eq!((&held["state"], &held["ordered"]["order"]), (&"hold".into(), &"hold".into()));
    client.send(&encoded(&["SET", "k", "w"]));
    ordered.redis.kill();
    ordered.redis.again();
    let closed = ordered.orders(&["close", "cache"]);
    assert_eq!(closed["state"], "closed");
    assert_eq!(client.next().unwrap(), b"+OK\r\n", "it waited, and was done");
    assert_eq!(ordered.redis.client().does("GET k"), "$1\r\nw");
}

#[test]
fn what_is_ordered_ends() {
    let ordered = Ordered::with("role = \"cache\"", "");
    let began = monotonic();
    assert_eq!(ordered.orders(&["open", "cache", "--for", "1s"])["state"], "open");
    until(|| (ordered.seen()["state"] == "closed").then_some(()));
    assert!(monotonic().duration_since(began) >= Duration::from_secs(1));
    assert_eq!(ordered.client().does("SET k v"), "+OK");
}

#[test]
fn why_redis_is_away_is_told_where_it_went_while_something_was_ordered() {
    let mut ordered = Ordered::with("role = \"cache\"", "");
    assert_eq!(ordered.client().does("SET k v"), "+OK");
    ordered.orders(&["hold", "cache", "--for", "1s"]);
    ordered.redis.kill();
    until(|| ordered.serving.log().contains("redis is away").then_some(()));
    let seen = ordered.seen();
    assert!(seen["why"].as_str().unwrap().contains("refused"), "{seen}");
    assert_eq!(seen["ordered"], Value::Null);
}

#[test]
fn what_is_never_answered_waits_where_it_is_ordered_open() {
    let lines = "role = \"queue\"\n    on_outage = [\"hold 1s\", \"refuse\"]";
    let ordered = Ordered::with(lines, "");
    let opened = ordered.orders(&["open", "cache"]);
    assert_eq!((&opened["state"], &opened["ordered"]["order"]), (&"hold".into(), &"away".into()));
    let began = monotonic();
    assert!(ordered.client().does("LPUSH jobs 1").starts_with("-ROADWORKSDOWN"));
    assert!(monotonic().duration_since(began) >= Duration::from_millis(500));
    assert_eq!(ordered.seen()["state"], "refuse");
}

#[test]
fn a_site_that_there_is_not_has_no_guards() {
    let ordered = Ordered::with("role = \"cache\"", "");
    let error =
        ordered.stand.run(&["--json", "--site", "shup", "redis", "status"]).exits(1).error();
    assert_eq!(error["code"], "no-such-site", "{error}");
}

#[test]
fn a_guard_leaves_redis_alone_in_the_modes_of_its_when() {
    let app = App::start();
    let gateway = format!(
        "hosts = [\"shop.example.com\"]\n  gateway {{\n    listen = [\"127.0.0.1:0\"]\n    upstreams = [\"{}\"]\n  }}",
        app.url()
    );
    let mut ordered = Ordered::with("role = \"cache\"\n    when = [\"closed\"]", &gateway);
    let mut client = ordered.client();
    assert_eq!(client.does("SET k v"), "+OK");
    ordered.stand.run(&["hold", "--yes"]).exits(0);
    assert_eq!(client.does("GET k"), "$1\r\nv", "hold is none of them");
    ordered.stand.run(&["close", "--yes"]).exits(0);
    let seen = ordered.seen();
    assert_eq!((&seen["state"], &seen["connections"]), (&"open".into(), &0.into()));
    assert_eq!(seen["ordered"]["by"], "the site's mode closed");
    assert_eq!(client.does("GET k"), "$-1");
    let error = ordered.stand.run(&["--json", "redis", "close", "cache"]).exits(3).error();
    assert_eq!(error["code"], "left-alone");
    assert_eq!(ordered.orders(&["open", "cache"])["ordered"]["order"], "open");
    let left = ordered.orders(&["close", "cache"]);
    assert_eq!(left["ordered"]["by"], "the site's mode closed", "one's own is taken back: {left}");
    ordered.serving.signal("TERM");
    assert_eq!(ordered.serving.ended(), Some(0));
    ordered.serving = ordered.stand.serve();
    let mut client = ordered.client();
    assert_eq!(ordered.seen()["ordered"]["by"], "the site's mode closed", "after a restart, too");
    assert_eq!(client.does("GET k"), "$-1");
    ordered.stand.run(&["open", "--yes"]).exits(0);
    until(|| (ordered.seen()["state"] == "closed").then_some(()));
    assert_eq!(client.does("GET k"), "$1\r\nv");
}

#[test]
fn a_gateway_lets_in_less_while_a_redis_is_away() {
    let app = App::start();
    let gateway = format!(
        "hosts = [\"shop.example.com\"]\n  gateway {{\n    listen = [\"127.0.0.1:0\"]\n    upstreams = [\"{}\"]\n  }}",
        app.url()
    );
    let ordered = Ordered::with("role = \"cache\"\n    limit_gateway = 2", &gateway);
    let _kept: Vec<_> = (0..2).map(|_| ordered.serving.sends("GET", "/gate")).collect();
    until(|| (app.asked("GET /gate") == 2).then_some(()));
    assert_eq!(ordered.serving.ask("GET", "/more").0, 200, "while Redis is there as many as come");
    assert_eq!(ordered.orders(&["open", "cache"])["state"], "open");
    until(|| (ordered.serving.ask("GET", "/more").0 == 503).then_some(()));
    let refused = "roadworks_requests_total{site=\"shop\",decision=\"refused_crowded\"}";
    assert!(ordered.serving.metric(refused).is_some_and(|count| count != "0"));
    app.opens_the_gate(true);
    until(|| (app.answered("GET /gate") == 2).then_some(()));
    assert_eq!(ordered.serving.ask("GET", "/more").0, 200, "there is room again");
    app.opens_the_gate(false);
    let _kept: Vec<_> = (0..2).map(|_| ordered.serving.sends("GET", "/gate")).collect();
    until(|| (app.asked("GET /gate") == 4).then_some(()));
    assert_eq!(ordered.serving.ask("GET", "/more").0, 503);
    assert_eq!(ordered.orders(&["close", "cache"])["state"], "closed");
    until(|| (ordered.serving.ask("GET", "/more").0 == 200).then_some(()));
}

#[test]
fn what_cannot_be_ordered_says_why() {
    let ordered = Ordered::with("role = \"cache\"", "");
    let refused = |words: &[&str]| {
        ordered.stand.run(&[&["--json", "redis"], words].concat()).exits(1).error()
    };
    let unknown = refused(&["open", "cach"]);
    assert!(unknown["hint"].as_str().unwrap().contains("did you mean \"cache\"?"), "{unknown}");
    assert!(
        refused(&["hold", "cache", "--for", "10m"])["message"]
            .as_str()
            .unwrap()
            .contains("at most 5m")
    );
    drop(ordered.serving);
    let nobody = ordered.stand.run(&["--json", "redis", "status"]).exits(1).error();
    assert_eq!(nobody["code"], "no-serve");
}
