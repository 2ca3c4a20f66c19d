//! Several guards of one Redis: what one of them drops, no other reads before it is removed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use roadworks::clock::monotonic;
use roadworks::redis::{Guarded, Guards, Recover, RecoverRefused};
use roadworks::store::{AnyStore, FileStore, SiteStore};
use roadworks::tasks::Tasks;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::fleet::named;
use crate::support::bind::free_port;
use crate::support::bucket;
use crate::support::emulator::{ministack, moto};
use crate::support::http::call;
use crate::support::redis::{Client, RedisServer};
use crate::support::relay::Relay;
use crate::support::serving::{LONG, Serving, Stand, until};

pub(super) const IN_FILE: &str = "path = \"cache.journal\"";

fn config(store: &str, port: u16, upstream: u16, journal: &str) -> String {
    format!(
        "serve {{ admin = \"127.0.0.1:0\" }}\n{store}\nsite \"shop\" {{\n  redis \"cache\" {{\n    listen = \"127.0.0.1:{port}\"\n    upstream = \"redis://127.0.0.1:{upstream}\"\n    role = \"cache\"\n    budget = \"1s\"\n    journal {{\n      {journal}\n    }}\n  }}\n}}\n"
    )
}

fn in_folder(store: &Path) -> String {
    format!("store {{ url = \"file://{}\" }}", store.display())
}

/// A guard in a process of its own, with its own state and the store that all share.
pub(super) struct Guard {
    pub(super) stand: Stand,
    port: u16,
    pub(super) serving: Serving,
}

impl Guard {
    pub(super) fn new(store: &Path, upstream: u16, journal: &str) -> Guard {
        Guard::on(&in_folder(store), upstream, journal)
    }

    fn on(store: &str, upstream: u16, journal: &str) -> Guard {
        let port = free_port();
        let stand = Stand::new(&config(store, port, upstream, journal));
        let serving = stand.serve();
        Guard { stand, port, serving }
    }

    pub(super) fn client(&self) -> Client {
        Client::at(self.port)
    }

    fn says(&self, words: &str) {
        until(|| self.serving.log().contains(words).then_some(()));
    }

    /// Has it find out that Redis is away.
    pub(super) fn is_cut(&self) {
        assert_eq!(self.client().does("GET nobody"), "$-1");
        self.says("redis is away");
    }
}

#[track_caller]
fn asks_until(client: &mut Client, words: &str, answer: &str) {
    let began = monotonic();
    while client.does(words) != answer {
        assert!(monotonic().duration_since(began) < LONG, "{words} is not {answer} in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn markers(store: &Path) -> usize {
    fs::read_dir(store.join("shop/dirty/cache")).map_or(0, Iterator::count)
}

#[test]
fn what_is_deleted_by_a_guard_that_cannot_reach_redis_is_not_read_by_another_that_can() {
    let (redis, store) = (RedisServer::start(), TempDir::new().unwrap());
    let relay = Relay::to(&format!("http://127.0.0.1:{}", redis.port));
    let a = Guard::new(store.path(), relay.port(), IN_FILE);
    let b = Guard::new(store.path(), redis.port, IN_FILE);
    let (mut of_a, mut of_b) = (a.client(), b.client());
    assert_eq!(of_a.does("MSET price old kept here"), "+OK");
    assert_eq!(of_b.does("GET price"), "$3\r\nold");
    relay.cut();
    a.is_cut();
    assert_eq!(of_a.does("DEL price"), ":0");
    assert_eq!(markers(store.path()), 1, "it is told before it is answered");
    asks_until(&mut of_b, "GET price", "$-1");
    b.says("reads miss: others have yet to remove what they dropped");
    assert_eq!(of_b.does("GET kept"), "$-1", "only the other knows which keys they are");
    assert_eq!(
        (of_b.does("SET fresh x"), of_b.does("DEL kept")),
        ("+OK".to_owned(), ":1".to_owned())
    );
    assert_eq!(redis.client().does("MGET fresh kept price"), "*3\r\n$1\r\nx\r\n$-1\r\n$3\r\nold");
    assert_eq!(of_b.does("GETSET price newer"), "$-1", "what was there before is not told");
    assert!(of_b.does("INCR n").starts_with("-ROADWORKSDOWN"));
    // What a transaction only writes, Redis does.
    for (words, answer) in [("MULTI", "+OK"), ("SET fresh y", "+QUEUED"), ("EXEC", "*1\r\n+OK")] {
        assert_eq!(of_b.does(words), answer);
    }
    assert_eq!(redis.client().does("GET fresh"), "$1\r\ny");
    for (words, answer) in [("MULTI", "+OK"), ("GET price", "+QUEUED"), ("EXEC", "*1\r\n$-1")] {
        assert_eq!(of_b.does(words), answer);
    }
    // One that begins meanwhile looks first.
    let c = Guard::new(store.path(), redis.port, IN_FILE);
    assert_eq!(c.client().does("GET price"), "$-1");
    relay.mend();
    a.says("redis is back");
    for guard in [&a, &b, &c] {
        let mut client = guard.client();
        asks_until(&mut client, "GET fresh", "$1\r\ny");
        assert_eq!(client.does("GET price"), "$-1");
    }
    assert_eq!((markers(store.path()), redis.client().does("EXISTS price")), (0, ":0".to_owned()));
}

#[test]
fn guards_that_all_lost_redis_read_it_once_each_has_removed_what_it_dropped() {
    let mut redis = RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = TempDir::new().unwrap();
    let a = Guard::new(store.path(), redis.port, IN_FILE);
    let b = Guard::new(store.path(), redis.port, "");
    assert_eq!(a.client().does("MSET one old two old kept here"), "+OK");
    redis.kill();
    a.is_cut();
    b.is_cut();
    assert_eq!(
        (a.client().does("DEL one"), b.client().does("SET two new")),
        (":0".to_owned(), "+OK".to_owned())
    );
    assert_eq!(markers(store.path()), 2);
    redis.again();
    let (mut of_a, mut of_b) = (a.client(), b.client());
    let began = monotonic();
    loop {
        let mut are_open = true;
        for client in [&mut of_a, &mut of_b] {
            for key in ["one", "two"] {
                // What was written meanwhile may be kept for a second; what was there before is not read.
                let said = client.does(&format!("GET {key}"));
                assert!(said == "$-1" || (key == "two" && said == "$3\r\nnew"), "{key} {said}");
            }
            assert!(client.does("SET other x").starts_with(['+', '-']));
            are_open &= client.does("GET kept") == "$4\r\nhere";
        }
        if are_open {
            break;
        }
        assert!(
            monotonic().duration_since(began) < LONG,
            "{}\n{}",
            a.serving.log(),
            b.serving.log()
        );
    }
    until(|| (markers(store.path()) == 0).then_some(()));
}

#[test]
fn where_the_store_takes_no_marker_what_cannot_be_deleted_is_refused_at_once() {
    let (mut redis, store) = (RedisServer::start(), TempDir::new().unwrap());
    let guard = Guard::new(store.path(), redis.port, IN_FILE);
    let mut client = guard.client();
    assert_eq!(client.does("SET price old"), "+OK");
    assert_eq!(client.does("GET price"), "$3\r\nold");
    let folder = store.path().join("shop/dirty");
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "").unwrap();
    guard.says("the markers of other guards cannot be read");
    assert_eq!(client.does("GET price"), "$3\r\nold", "what was known stays");
    redis.kill();
    guard.is_cut();
    let began = monotonic();
    for _ in 0..10 {
        assert!(client.does("DEL price").starts_with("-ROADWORKSDOWN"));
    }
    assert!(monotonic().duration_since(began) < Duration::from_secs(2), "nobody waits for it");
    assert_eq!(client.does("GET price"), "$-1");
    assert!(client.does("FLUSHDB").starts_with("-ROADWORKSDOWN"), "nobody allowed it");
    fs::remove_file(&folder).unwrap();
    asks_until(&mut client, "DEL price", ":0");
    redis.again();
    guard.says("redis is back");
    assert!(guard.stand.folder().join("cache.journal").exists());
}

#[test]
fn where_it_is_allowed_a_database_is_flushed_for_a_client_and_for_what_nobody_knows() {
    let mut redis = RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = TempDir::new().unwrap();
    let guard = Guard::new(store.path(), redis.port, "allow_flush = true");
    let mut client = guard.client();
    for (database, words) in [("0", "SET a old"), ("1", "SET b old"), ("2", "SET c here")] {
        assert_eq!(
            (client.does(&format!("SELECT {database}")), client.does(words)),
            ("+OK".to_owned(), "+OK".to_owned())
        );
    }
    redis.kill();
    guard.is_cut();
    assert_eq!(
        (client.does("SELECT 0"), client.does("FLUSHDB")),
        ("+OK".to_owned(), "+OK".to_owned())
    );
    assert!(client.does("FLUSHALL").starts_with("-ROADWORKSDOWN"));
    redis.again();
    guard.says("redis is back");
    until(|| (markers(store.path()) == 0).then_some(()));
    assert_eq!(redis.client().does("EXISTS a"), ":0");
    redis.kill();
    let mut client = guard.client();
    assert_eq!(client.does("SELECT 1"), "+OK");
    until(|| Some(()).filter(|()| guard.client().does("GET nobody") == "$-1"));
    asks_until(&mut client, "DEL b", ":0");
    // What it dropped ends with it, but for the database.
    guard.serving.signal("KILL");
    guard.serving.ended();
    redis.again();
    let serving = guard.stand.serve();
    let mut client = guard.client();
    assert_eq!(client.does("SELECT 1"), "+OK");
    assert_eq!(client.does("GET b"), "$-1");
    until(|| serving.log().contains("these are flushed").then_some(()));
    until(|| (markers(store.path()) == 0).then_some(()));
    assert_eq!(
        (client.does("EXISTS b"), client.does("SELECT 2")),
        (":0".to_owned(), "+OK".to_owned())
    );
    asks_until(&mut client, "GET c", "$4\r\nhere");
}

#[test]
fn guards_tell_each_other_by_a_bucket_and_refuse_what_they_cannot_tell() {
    for endpoint in [ministack(), moto()] {
        let (redis, bucket) = (RedisServer::start(), bucket::made(&endpoint));
        let (to_redis, to_bucket) =
            (Relay::to(&format!("http://127.0.0.1:{}", redis.port)), Relay::to(&endpoint));
        let a = Guard::on(&named(&bucket, &to_bucket.endpoint), to_redis.port(), IN_FILE);
        let b = Guard::on(&named(&bucket, &endpoint), redis.port, IN_FILE);
        let told = || {
            let path = format!("/{bucket}?list-type=2&prefix=state/shop/dirty/cache/");
            let (status, listed) = call(&endpoint, "GET", &path, "");
            assert_eq!(status, 200, "{listed}");
            listed.matches("<Key>").count()
        };
        let (mut of_a, mut of_b) = (a.client(), b.client());
        assert_eq!(of_a.does("MSET price old kept here"), "+OK");
        assert_eq!((of_a.does("GET price"), of_b.does("GET price")), twice("$3\r\nold"));
        to_bucket.cut();
        a.says("the markers of other guards cannot be read");
        assert_eq!(of_a.does("GET price"), "$3\r\nold", "what was known stays");
        to_redis.cut();
        a.is_cut();
        for words in ["DEL price", "SET price new"] {
            assert!(
                of_a.does(words).starts_with("-ROADWORKSDOWN"),
                "{words}: nobody could be told"
            );
        }
        assert_eq!((of_a.does("GET price"), told()), ("$-1".to_owned(), 0));
        to_bucket.mend();
        asks_until(&mut of_a, "DEL price", ":0");
        assert_eq!(told(), 1, "it is told before it is answered");
        asks_until(&mut of_b, "GET price", "$-1");
        assert_eq!(of_b.does("GET kept"), "$-1", "only the other knows which keys they are");
        to_redis.mend();
        a.says("redis is back");
        for client in [&mut of_a, &mut of_b] {
            asks_until(client, "GET kept", "$4\r\nhere");
            assert_eq!(client.does("GET price"), "$-1");
        }
        assert_eq!((told(), redis.client().does("EXISTS price")), (0, ":0".to_owned()));
    }
}

fn twice(answer: &str) -> (String, String) {
    (answer.to_owned(), answer.to_owned())
}

/// Guards in this process.
struct Inside {
    runtime: Runtime,
    guards: Guards,
    _folder: TempDir,
}

impl Inside {
    fn start(store: &Path, port: u16, upstream: u16, id: &str) -> Inside {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("roadworks.hcl");
        fs::write(&path, config(&in_folder(store), port, upstream, "")).unwrap();
        let read = roadworks::config::load(&path, &|_| None).unwrap();
        let store = SiteStore::new(AnyStore::File(FileStore::at(store.join("shop"))));
        let guarded =
            Guarded { site: "shop".to_owned(), config: read.sites[0].redis[0].clone(), store };
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let started =
            runtime.block_on(Guards::start(&[guarded], (id, folder.path()), 1, &Tasks::new()));
        Inside { runtime, guards: started.unwrap(), _folder: folder }
    }

    fn recover(&self, how: Recover) -> Result<roadworks::redis::Recovered, RecoverRefused> {
        self.runtime.block_on(self.guards.recover(("shop", "cache"), how))
    }
}

#[test]
fn what_a_guard_that_is_gone_dropped_is_read_by_nobody_until_somebody_decides() {
    let (redis, store) = (RedisServer::start(), TempDir::new().unwrap());
    let relay = Relay::to(&format!("http://127.0.0.1:{}", redis.port));
    let (a, port) = (Guard::new(store.path(), relay.port(), ""), free_port());
    let b = Inside::start(store.path(), port, redis.port, "b");
    let mut of_b = Client::at(port);
    assert_eq!(
        (of_b.does("MSET price old kept here"), of_b.does("GET price")),
        ("+OK".to_owned(), "$3\r\nold".to_owned())
    );
    relay.cut();
    a.is_cut();
    assert_eq!(a.client().does("DEL price"), ":0");
    a.serving.signal("KILL");
    a.serving.ended();
    asks_until(&mut of_b, "GET price", "$-1");
    for _ in 0..50 {
        assert_eq!(
            (of_b.does("GET price"), of_b.does("GET kept")),
            ("$-1".to_owned(), "$-1".to_owned())
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(matches!(
        b.runtime.block_on(b.guards.recover(("shop", "other"), Recover::Flush)),
        Err(RecoverRefused::Unknown(_))
    ));
    let done = b.recover(Recover::Flush).unwrap();
    assert_eq!((done.databases, done.guards.len()), (vec![0], 1));
    assert_eq!(redis.client().does("DBSIZE"), ":0");
    assert_eq!(of_b.does("SET price new"), "+OK");
    asks_until(&mut of_b, "GET price", "$3\r\nnew");
    until(|| (markers(store.path()) == 0).then_some(()));
}

#[test]
fn what_is_old_is_read_where_somebody_accepts_it() {
    let mut redis = RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let (store, port) = (TempDir::new().unwrap(), free_port());
    let guard = Inside::start(store.path(), port, redis.port, "a");
    assert_eq!(Client::at(port).does("SET price old"), "+OK");
    redis.kill();
    let mut client = Client::at(port);
    asks_until(&mut client, "DEL price", ":0");
    assert!(guard.runtime.block_on(guard.guards.end()), "it ends, and what it knew with it");
    drop(guard);
    let (again, port) = (free_port(), redis.port);
    let guard = Inside::start(store.path(), again, port, "a");
    let refused = guard.recover(Recover::Flush);
    assert!(matches!(refused, Err(RecoverRefused::Unreachable(_))), "{refused:?}");
    redis.again();
    let mut client = Client::at(again);
    for _ in 0..50 {
        assert_eq!(client.does("GET price"), "$-1");
        std::thread::sleep(Duration::from_millis(10));
    }
    let done = guard.recover(Recover::AcceptStale).unwrap();
    assert_eq!((done.databases, done.guards), (vec![], vec!["a".to_owned()]));
    asks_until(&mut client, "GET price", "$3\r\nold");
    until(|| (markers(store.path()) == 0).then_some(()));
}
