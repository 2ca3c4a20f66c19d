//! The stale trap: what was deleted or written while Redis was away is never read as it was before.

use std::fs;

use roadworks::clock::monotonic;
use roadworks::tasks::Tasks;

use crate::support::bind::free_port;
use crate::support::redis::{Client, RedisServer, encoded};
use crate::support::serving::{LONG, Serving, Stand, until};

/// A Redis that keeps its data over a restart, and a guard with a journal.
pub(super) struct Shop {
    pub(super) redis: RedisServer,
    pub(super) stand: Stand,
    pub(super) port: u16,
}

impl Shop {
    fn new(lines: &str) -> Shop {
        Shop::with(lines, "")
    }

    /// `journal` goes into the journal's block, `lines` into the guard's.
    pub(super) fn with(journal: &str, lines: &str) -> Shop {
        let redis = RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]);
        Shop::before(redis, journal, lines, "")
    }

    /// The guard is `user` there.
    pub(super) fn before(redis: RedisServer, journal: &str, lines: &str, user: &str) -> Shop {
        let port = free_port();
        let stand = Stand::new(&format!(
            "serve {{ admin = \"127.0.0.1:0\" }}\nsite \"shop\" {{\n  redis \"cache\" {{\n    listen = \"127.0.0.1:{port}\"\n    upstream = \"redis://{user}127.0.0.1:{}\"\n    role = \"cache\"\n    budget = \"2s\"\n    journal {{\n      path = \"cache.journal\"\n      {journal}\n    }}\n    {lines}\n    key \"sess:*\" {{\n      role = \"session\"\n      on_outage = [\"refuse\"]\n    }}\n  }}\n}}\n",
            redis.port
        ));
        Shop { redis, stand, port }
    }

    pub(super) fn client(&self) -> Client {
        Client::at(self.port)
    }

    /// Kills Redis, and has the guard find out.
    pub(super) fn kill(&mut self, serving: &Serving) {
        self.redis.kill();
        assert_eq!(self.client().does("GET nobody"), "$-1");
        until(|| serving.log().contains("redis is away").then_some(()));
    }

    /// Reads `key` until Redis is back, and says so if it ever has a value.
    pub(super) fn never_reads(&self, serving: &Serving, key: &str) {
        let (mut client, began) = (self.client(), monotonic());
        let reads = |client: &mut Client| assert_eq!(client.does(&format!("GET {key}")), "$-1");
        while !serving.log().contains("redis is back") {
            reads(&mut client);
            assert!(monotonic().duration_since(began) < LONG, "{}", serving.log());
        }
        reads(&mut client);
        reads(&mut self.client());
    }
}

#[test]
fn what_is_deleted_while_redis_is_away_is_never_read_again() {
    let mut shop = Shop::new("");
    let serving = shop.stand.serve();
    let mut client = shop.client();
    for form in ["SET price old", "SET name old", "SET kept old", "SET sess:1 ana", "HSET cart a 1"]
    {
        assert!(!client.does(form).starts_with('-'), "{form}");
    }
    assert_eq!(
        (client.does("SELECT 3"), client.does("SET price old")),
        ("+OK".to_owned(), "+OK".to_owned())
    );
    shop.kill(&serving);
    assert_eq!(client.does("DEL price"), ":0");
    assert_eq!(
        (client.does("SELECT 0"), client.does("DEL price")),
        ("+OK".to_owned(), ":0".to_owned())
    );
    assert_eq!(client.does("SET name new EX 60"), "+OK");
    assert_eq!(client.does("HSET cart b 2"), ":1");
    let read = client.does("GET name");
    assert!(read == "$3\r\nnew" || read == "$-1", "it is kept for a moment: {read}");
    assert!(client.does("DEL sess:1").starts_with("-ROADWORKSDOWN"), "a session is no cache");
    assert!(client.does("INCR n").starts_with("-ROADWORKSDOWN"));
    shop.redis.again();
    shop.never_reads(&serving, "price");
    assert_eq!(client.does("GET name"), "$-1");
    assert_eq!(client.does("HGETALL cart"), "*0");
    assert_eq!(client.does("GET kept"), "$3\r\nold", "nothing else is removed");
    assert_eq!(client.does("GET sess:1"), "$3\r\nana");
    assert_eq!(
        (client.does("SELECT 3"), client.does("GET price")),
        ("+OK".to_owned(), "$-1".to_owned())
    );
    assert_eq!(client.does("SET price new"), "+OK");
    assert_eq!(client.does("GET price"), "$3\r\nnew");
    let left = fs::read_to_string(shop.stand.folder().join("cache.journal")).unwrap();
    assert_eq!(left, "roadworks redis journal 1\n");
}

#[test]
fn a_guard_that_is_killed_removes_it_once_it_runs_again() {
    let mut shop = Shop::new("");
    let serving = shop.stand.serve();
    assert_eq!(shop.client().does("SET price old"), "+OK");
    shop.kill(&serving);
    assert_eq!(shop.client().does("DEL price"), ":0");
    // Without a chance to say anything.
    drop(serving);
    shop.redis.again();
    let serving = shop.stand.serve();
    shop.never_reads(&serving, "price");
    assert_eq!(shop.redis.client().does("EXISTS price"), ":0");
}

#[test]
fn a_deletion_that_was_on_its_way_when_redis_went_is_done_all_the_same() {
    let shop = Shop::new("");
    let serving = shop.stand.serve();
    let (mut client, mut other) = (shop.client(), shop.client());
    assert_eq!(client.does("SET price old"), "+OK");
    let mut shop = shop;
    shop.redis.signal("STOP");
    assert_eq!(client.does("DEL price"), ":0", "whether it was done or not");
    // What it had taken in dies with it.
    shop.redis.kill();
    assert_eq!(other.does("GET price"), "$-1");
    shop.redis.again();
    shop.never_reads(&serving, "price");
}

#[test]
fn whoever_looks_for_keys_to_delete_has_all_of_them_deleted() {
    let mut shop = Shop::new("");
    let serving = shop.stand.serve();
    let mut client = shop.client();
    for number in 0..1_500 {
        assert_eq!(client.does(&format!("SET views:{number} old")), "+OK");
    }
    assert_eq!(
        (client.does("SET other old"), client.does("SET sess:views: ana")),
        ("+OK".to_owned(), "+OK".to_owned())
    );
    shop.kill(&serving);
    assert_eq!(client.does("SCAN 0 MATCH views:* COUNT 100"), "*2\r\n$1\r\n0\r\n*0");
    assert_eq!(client.does("KEYS *views:"), "*0");
    shop.redis.again();
    shop.never_reads(&serving, "views:7");
    assert_eq!(
        client.does("DBSIZE"),
        ":2",
        "the other, and the session that the second pattern has"
    );
}

#[test]
fn clients_that_write_all_the_while_never_read_what_they_overwrote() {
    let mut shop = Shop::new("");
    let serving = shop.stand.serve();
    let (port, tasks) = (shop.port, Tasks::new());
    let clients: Vec<_> = (0..6)
        .map(|number| {
            let stopping = tasks.clone();
            let work = move || {
                let (mut client, mut version) = (Client::at(port), 0);
                while !stopping.is_stopping() {
                    version += 1;
                    let set = client.does(&format!("SET key{number} {version}"));
                    let read = client.does(&format!("GET key{number}"));
                    let is_known = set == "+OK";
                    let is_new = read.ends_with(&format!("\r\n{version}")) || read == "$-1";
                    // Where nobody knows whether it was written, the one before may be there.
                    assert!(is_new || !is_known, "{version} was written, {read} is read");
                }
                version
            };
            tasks.start_thread("client", work).unwrap()
        })
        .collect();
    let back = |log: &str| log.matches("redis is back").count();
    for round in 1..=3 {
        std::thread::sleep(std::time::Duration::from_millis(150));
        shop.redis.kill();
        std::thread::sleep(std::time::Duration::from_millis(150));
        shop.redis.again();
        until(|| (back(&serving.log()) >= round).then_some(()));
    }
    tasks.stop();
    for client in clients {
        assert!(client.join().unwrap() > 100);
    }
}

#[test]
fn a_database_that_redis_does_not_have_keeps_nobody_out() {
    let mut shop = Shop::new("");
    let serving = shop.stand.serve();
    let mut client = shop.client();
    assert_eq!(client.does("SET price old"), "+OK");
    shop.kill(&serving);
    // While Redis is away nobody knows how many it has.
    let mut other = shop.client();
    assert_eq!(
        (other.does("SELECT 900"), other.does("DEL x")),
        ("+OK".to_owned(), ":0".to_owned())
    );
    assert_eq!(client.does("DEL price"), ":0");
    shop.redis.again();
    shop.never_reads(&serving, "price");
    assert_eq!(client.does("SET price new"), "+OK");
}

#[test]
fn a_journal_that_is_full_keeps_redis_away_after_a_restart_too() {
    let mut shop = Shop::new("max_keys = 2");
    let serving = shop.stand.serve();
    assert_eq!(shop.client().does("MSET a old b old c old"), "+OK");
    shop.kill(&serving);
    let mut client = shop.client();
    assert_eq!(client.does("DEL a b c"), ":0", "it is true: nobody reads them again");
    until(|| serving.log().contains("more than 2 keys").then_some(()));
    shop.redis.again();
    until(|| serving.log().contains("redis stays away").then_some(()));
    assert_eq!(client.does("GET c"), "$-1");
    drop(serving);
    let serving = shop.stand.serve();
    let said = || serving.log().matches("the journal is of no use").count() > 0;
    until(|| said().then_some(()));
    assert_eq!(shop.client().does("GET c"), "$-1");
    assert!(!serving.log().contains("redis is back"));
}

/// strace has the disk full at the second and third record.
#[test]
fn what_a_full_disk_does_not_take_is_refused_until_it_does_and_nothing_old_is_read() {
    let mut shop = Shop::new("");
    let path = shop.stand.folder().join("cache.journal");
    let path = path.to_str().unwrap();
    let full = "inject=write:error=ENOSPC:when=2..3";
    // As a grandchild it is not who is asked to end.
    let around = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-P", path, "-e", full];
    let serving = shop.stand.serve_by(&mut shop.stand.command_by(&around, &["serve"]));
    let mut client = shop.client();
    for key in ["a", "b", "c"] {
        assert_eq!(client.does(&format!("SET {key} old")), "+OK");
    }
    shop.kill(&serving);
    assert_eq!(client.does("DEL a"), ":0");
    for form in ["DEL b", "SET b new"] {
        let said = client.does(form);
        assert!(said.starts_with("-ROADWORKSDOWN"), "{form}: {said}");
    }
    assert_eq!(client.does("GET b"), "$-1", "a miss needs no disk");
    assert_eq!(client.does("DEL c"), ":0", "there is room again");
    shop.redis.again();
    shop.never_reads(&serving, "a");
    assert_eq!((client.does("GET b"), client.does("GET c")), ("$3\r\nold".into(), "$-1".into()));
}

#[test]
fn a_journal_that_cannot_be_used_is_said_at_the_start() {
    let shop = Shop::new("");
    let path = shop.stand.folder().join("cache.journal");
    fs::write(&path, "roadworks redis journal 2\n").unwrap();
    let shown = shop.stand.run(&["serve"]).exits(1).stderr;
    assert!(
        shown.contains("roadworks.hcl:9:14") && shown.contains("no journal of this version"),
        "{shown}"
    );
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let shown = shop.stand.run(&["serve"]).exits(1).stderr;
    assert!(shown.contains("cannot be used"), "{shown}");
    fs::remove_dir(&path).unwrap();
    let _serving = shop.stand.serve();
    let other = Stand::new(&format!(
        "site \"shop\" {{\n  redis \"cache\" {{\n    listen = \"127.0.0.1:0\"\n    upstream = \"redis://a\"\n    role = \"cache\"\n    journal {{ path = \"{}\" }}\n  }}\n}}\n",
        path.display()
    ));
    let shown = other.run(&["serve"]).exits(1).stderr;
    assert!(shown.contains("another guard has this journal"), "{shown}");
}

#[test]
fn a_write_that_redis_was_asked_for_when_it_went_is_dropped_like_those_that_come_later() {
    let shop = Shop::new("");
    let serving = shop.stand.serve();
    let (mut client, mut other) = (shop.client(), shop.client());
    assert_eq!(
        (client.does("SET k old"), other.does("SET gone old")),
        ("+OK".into(), "+OK".into())
    );
    shop.redis.signal("STOP");
    // Nobody knows whether these are done, and nobody has to: what was there before is not read again.
    client.send(&[encoded(&["SET", "k", "new"]), encoded(&["GET", "k"])].concat());
    other.send(&encoded(&["DEL", "gone"]));
    assert_eq!(client.next().unwrap(), b"+OK\r\n");
    let said = client.next().unwrap();
    assert!(said == b"$-1\r\n" || said == b"$3\r\nnew\r\n", "{said:?}");
    assert_eq!(other.next().unwrap(), b":0\r\n");
    shop.redis.signal("CONT");
    shop.never_reads(&serving, "gone");
    assert_ne!(shop.client().does("GET k"), "$3\r\nold");
}
