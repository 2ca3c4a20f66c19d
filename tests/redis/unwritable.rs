//! A Redis that answers and takes no writes: those of a cache are dropped, and nothing that was overwritten or deleted is read.

use std::fs;
use std::time::Duration;

use roadworks::clock::monotonic;

use crate::support::bind::free_port;
use crate::support::redis::{Client, RedisServer, encoded};
use crate::support::serving::{LONG, Serving, Stand, until};

/// A Redis, and a guard with a journal, or without.
struct Shop {
    redis: RedisServer,
    serving: Serving,
    port: u16,
    _stand: Stand,
}

const JOURNAL: &str = "journal { path = \"cache.journal\" }";

impl Shop {
    fn new(lines: &str) -> Shop {
        // It saves what it has, though not soon.
        let (redis, port) = (RedisServer::with(&["--save", "3600 1000000"]), free_port());
        let stand = Stand::new(&format!(
            "serve {{ admin = \"127.0.0.1:0\" }}\nsite \"shop\" {{\n  redis \"cache\" {{\n    listen = \"127.0.0.1:{port}\"\n    upstream = \"redis://127.0.0.1:{}\"\n    role = \"cache\"\n    budget = \"1s\"\n    {lines}\n    key \"sess:*\" {{ role = \"session\" }}\n  }}\n}}\n",
            redis.port
        ));
        Shop { redis, serving: stand.serve(), port, _stand: stand }
    }

    fn client(&self) -> Client {
        Client::at(self.port)
    }

    fn says(&self, words: &str) {
        until(|| self.serving.log().contains(words).then_some(()));
    }
}

/// Asks again and again until this is answered; fails the test when that takes too long.
#[track_caller]
fn asks_until(client: &mut Client, words: &str, is_it: impl Fn(&str) -> bool) {
    let began = monotonic();
    while !is_it(&client.does(words)) {
        assert!(monotonic().duration_since(began) < LONG, "{words} takes too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Each way in which a Redis takes no writes, and how it takes them again.
fn each(lines: &str, does: impl Fn(&Shop, &mut Client, &str)) {
    let other = RedisServer::start();
    let replica = format!("REPLICAOF 127.0.0.1 {}", other.port);
    for (code, begin, end) in [
        ("OOM", vec!["CONFIG SET maxmemory 1"], "CONFIG SET maxmemory 0"),
        (
            "NOREPLICAS",
            vec!["CONFIG SET min-replicas-to-write 1"],
            "CONFIG SET min-replicas-to-write 0",
        ),
        ("MISCONF", vec!["BGSAVE"], "CONFIG SET stop-writes-on-bgsave-error no"),
        ("READONLY", vec![replica.as_str()], "REPLICAOF NO ONE"),
    ] {
        let shop = Shop::new(lines);
        let mut client = shop.client();
        fill(&mut client);
        if code == "READONLY" {
            // What the master has is what its replica has.
            fill(&mut other.client());
        }
        let mut direct = shop.redis.client();
        if code == "MISCONF" {
            // Where a file would be written there is a folder.
            fs::create_dir(shop.redis.folder().join("dump.rdb")).unwrap();
        }
        for words in begin {
            assert!(direct.does(words).starts_with('+'), "{words}");
        }
        asks_until(&mut direct, "SET probe x", |said| said.starts_with(&format!("-{code}")));
        if code == "READONLY" {
            asks_until(&mut direct, "INFO replication", |said| {
                said.contains("master_link_status:up")
            });
            asks_until(&mut direct, "GET kept", |said| said == "$4\r\nhere");
        }
        does(&shop, &mut client, code);
        assert!(direct.does(end).starts_with('+'), "{end}");
        asks_until(&mut direct, "SET probe x", |said| said.starts_with('+'));
        is_read_again(&shop, &mut client, code);
        assert_eq!(client.does("SET price newer"), "+OK");
    }
}

fn fill(client: &mut Client) {
    for form in [
        "SET price old",
        "SET name old",
        "HSET cart a 1",
        "SET kept here",
        "SET sess:1 ana",
        "SET n 7",
    ] {
        assert!(!client.does(form).starts_with('-'), "{form}");
    }
}

/// Nothing that was dropped is read once it takes writes again, and everything else is.
fn is_read_again(shop: &Shop, client: &mut Client, code: &str) {
    asks_until(&mut shop.redis.client(), "EXISTS price", |said| said == ":0");
    for _ in 0..20 {
        assert_eq!(
            (client.does("GET price"), client.does("GET name")),
            ("$-1".to_owned(), "$-1".to_owned()),
            "{code}"
        );
    }
    assert_eq!(client.does("HGETALL cart"), "*0", "{code}");
    assert_eq!(client.does("GET kept"), "$4\r\nhere", "{code}");
    assert_eq!(client.does("GET sess:1"), "$3\r\nana", "{code}");
    // Until all that was dropped is removed, and no longer, it is a miss.
    let began = monotonic();
    loop {
        assert_eq!(client.does("SET price new"), "+OK", "{code}");
        let read = shop.client().does("GET price");
        if read == "$3\r\nnew" {
            break;
        }
        assert_eq!(read, "$-1", "{code}");
        assert!(monotonic().duration_since(began) < LONG, "{code}");
    }
    shop.says("redis has refused no write for a while");
    assert!(!shop.serving.log().contains("redis is away"), "{code}: {}", shop.serving.log());
}

#[test]
fn what_a_redis_without_writes_refuses_is_dropped_and_never_read_as_it_was() {
    each(JOURNAL, |shop, client, code| {
        let mut other = shop.client();
        assert_eq!(client.does("SET price new"), "+OK", "{code}");
        assert_eq!(other.does("GET price"), "$-1", "{code}");
        assert_eq!(client.does("HSET cart b 2"), ":1", "{code}");
        assert_eq!(other.does("HGETALL cart"), "*0", "{code}");
        // In one piece: what comes behind a write is about what was written.
        client.send(
            &[
                encoded(&["SET", "name", "new"]),
                encoded(&["GET", "name"]),
                encoded(&["GETDEL", "name"]),
                encoded(&["GET", "kept"]),
            ]
            .concat(),
        );
        let answers: Vec<_> =
            (0..4).map(|_| String::from_utf8(client.next().unwrap()).unwrap()).collect();
        assert_eq!(answers, ["+OK\r\n", "$-1\r\n", "$-1\r\n", "$4\r\nhere\r\n"], "{code}");
        assert_eq!(client.does("SETNX lock 1"), ":0", "{code}: no lock is granted");
        for form in ["SET sess:1 eve", "INCR n"] {
            assert!(client.does(form).starts_with(&format!("-{code} ")), "{code}: {form}");
        }
        assert_eq!(other.does("GET kept"), "$4\r\nhere", "{code}: everything else is read");
        assert_eq!(other.does("GET sess:1"), "$3\r\nana", "{code}");
        if code != "OOM" {
            assert_eq!(other.does("GETDEL price"), "$-1", "{code}");
            assert!(other.does("EVAL return 0").starts_with('-'));
        }
        // As frameworks write: whole transactions, in one piece and one by one.
        client.send(
            &[
                encoded(&["MULTI"]),
                encoded(&["SET", "price", "newer"]),
                encoded(&["EXPIRE", "price", "60"]),
                encoded(&["GET", "kept"]),
                encoded(&["EXEC"]),
            ]
            .concat(),
        );
        let answers: Vec<_> =
            (0..5).map(|_| String::from_utf8(client.next().unwrap()).unwrap()).collect();
        assert_eq!(
            answers,
            ["+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "*3\r\n+OK\r\n:0\r\n$-1\r\n"],
            "{code}"
        );
        for (form, answer) in [
            ("MULTI", "+OK"),
            ("GET price", "+QUEUED"),
            ("SET name newer", "+QUEUED"),
            ("EXEC", "*2\r\n$-1\r\n+OK"),
        ] {
            assert_eq!(client.does(form), answer, "{code}");
        }
        assert_eq!(client.does("GET kept"), "$4\r\nhere", "{code}");
        let long = "x".repeat(200_000);
        assert_eq!(client.does(&format!("SET price {long}")), "+OK", "{code}");
        assert_eq!(other.does("GET price"), "$-1", "{code}");
    });
}

#[test]
fn without_a_journal_the_error_of_a_redis_without_writes_passes() {
    let shop = Shop::new("");
    let (mut client, mut direct) = (shop.client(), shop.redis.client());
    assert_eq!(client.does("SET price old"), "+OK");
    assert_eq!(direct.does("CONFIG SET min-replicas-to-write 1"), "+OK");
    assert!(client.does("SET price new").starts_with("-NOREPLICAS"));
    assert_eq!(client.does("GET price"), "$3\r\nold", "whoever wrote knows");
    for (form, answer) in
        [("MULTI", "+OK"), ("SET price new", "-NOREPLICAS"), ("EXEC", "-EXECABORT")]
    {
        assert!(client.does(form).starts_with(answer), "{form}");
    }
}

#[test]
fn what_says_something_of_the_app_passes_as_it_is() {
    let shop = Shop::new(JOURNAL);
    let (mut client, mut direct) = (shop.client(), shop.redis.client());
    assert_eq!(client.does("SET text x"), "+OK");
    assert!(client.does("HSET text a 1").starts_with("-WRONGTYPE"));
    assert!(client.does("AUTH somebody wrong").starts_with("-WRONGPASS"));
    assert!(direct.does("ACL SETUSER reader on >pass ~* +get +auth").starts_with('+'));
    assert_eq!(client.does("AUTH reader pass"), "+OK");
    assert!(client.does("SET text y").starts_with("-NOPERM"));
    assert_eq!(client.does("GET text"), "$1\r\nx");
    assert!(!shop.serving.log().contains("redis takes no writes"));
}

#[test]
fn what_was_dropped_while_redis_was_away_is_not_read_from_a_replica_either() {
    let redis = RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let other = RedisServer::start();
    let port = free_port();
    let stand = Stand::new(&format!(
        "serve {{ admin = \"127.0.0.1:0\" }}\nsite \"shop\" {{\n  redis \"cache\" {{\n    listen = \"127.0.0.1:{port}\"\n    upstream = \"redis://127.0.0.1:{}\"\n    role = \"cache\"\n    budget = \"1s\"\n    {JOURNAL}\n  }}\n}}\n",
        redis.port
    ));
    let mut redis = redis;
    let serving = stand.serve();
    let mut client = Client::at(port);
    for server in [&redis, &other] {
        assert_eq!(server.client().does("MSET price old kept here"), "+OK");
    }
    redis.kill();
    assert_eq!(client.does("GET price"), "$-1");
    until(|| serving.log().contains("redis is away").then_some(()));
    assert_eq!(client.does("DEL price"), ":0");
    // It comes back as what it was not.
    redis.again_with(&["--replicaof", "127.0.0.1", &other.port.to_string()]);
    until(|| serving.log().contains("redis is back").then_some(()));
    asks_until(&mut client, "GET kept", |said| said == "$4\r\nhere");
    assert_eq!(
        (client.does("GET price"), redis.client().does("GET price")),
        ("$-1".to_owned(), "$3\r\nold".to_owned())
    );
    assert_eq!(redis.client().does("REPLICAOF NO ONE"), "+OK");
    asks_until(&mut redis.client(), "EXISTS price", |said| said == ":0");
    assert_eq!(
        (client.does("GET price"), client.does("GET kept")),
        ("$-1".to_owned(), "$4\r\nhere".to_owned())
    );
}

#[test]
fn a_transaction_behind_a_write_that_is_dropped_ends_with_its_exec() {
    each(JOURNAL, |_, client, code| {
        let words = ["SET price 2", "MULTI", "SET price w", "GET price", "EXEC", "GET price"];
        let all = words.map(|words| encoded(&words.split(' ').collect::<Vec<_>>()));
        client.send(&all.concat());
        let said: Vec<_> = words.iter().map(|_| client.next().unwrap()).collect();
        assert_eq!(said[0], b"+OK\r\n", "{code}");
        assert!(client.does("DEL name cart").starts_with(':'), "{code}");
        // Whatever became of it, it is over.
        assert_eq!(
            (client.does("GET price"), client.does("MULTI")),
            ("$-1".into(), "+OK".into()),
            "{code}"
        );
        assert_eq!(
            (client.does("GET price"), client.does("EXEC")),
            ("+QUEUED".into(), "*1\r\n$-1".into()),
            "{code}"
        );
    });
}

#[test]
fn a_write_that_is_dropped_is_answered_before_a_goodbye() {
    let shop = Shop::new(JOURNAL);
    let mut client = shop.client();
    assert_eq!(client.does("SET price old"), "+OK");
    assert_eq!(shop.redis.client().does("CONFIG SET maxmemory 1"), "+OK");
    client.send(
        &[encoded(&["SET", "price", "new"]), encoded(&["QUIT"]), encoded(&["PING"])].concat(),
    );
    let said = [client.next().unwrap(), client.next().unwrap()];
    assert_eq!((said, client.next()), ([b"+OK\r\n".to_vec(), b"+OK\r\n".to_vec()], None));
}
