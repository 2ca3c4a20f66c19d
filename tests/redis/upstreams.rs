//! Where a guard's Redis is, and what may be there instead of one.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use roadworks::clock::monotonic;
use roadworks::tasks::Tasks;

use super::guard::{Guarded, config};
use crate::support::bind::free_port;
use crate::support::redis::RedisServer;
use crate::support::serving::Stand;
use crate::support::terraform::skipped;

#[test]
fn what_cannot_be_guarded_is_said_and_nobody_is_answered_wrongly() {
    // Its bus would be 10,000 ports further on, where there may be none.
    let bus = free_port().to_string();
    let cluster = RedisServer::with(&["--cluster-enabled", "yes", "--cluster-port", &bus]);
    let guarded = Guarded::before(cluster, "role = \"cache\"");
    guarded.says("it is part of a cluster");
    assert_eq!(guarded.client().next(), None);
    let seen = guarded.stand.run(&["--json", "redis", "status"]).exits(0).json();
    assert_eq!(seen["guards"][0]["state"], "drop", "{seen}");
    let taken = Stand::new(&config(
        &format!("127.0.0.1:{}", guarded.port),
        "redis://127.0.0.1:1",
        "role = \"cache\"",
    ));
    let shown = taken.run(&["serve"]).exits(1).stderr;
    assert!(shown.contains("roadworks.hcl:4:14") && shown.contains("cannot listen at"), "{shown}");
    assert!(guarded.stand.status()["mode"] == "open");
}

#[test]
fn whoever_is_no_redis_is_told_by_its_first_answer_and_nobody_is_answered_until_one_is_there() {
    let mut redis = RedisServer::start();
    redis.kill();
    let mail = TcpListener::bind(("127.0.0.1", redis.port)).unwrap();
    let greets = move || {
        let mut stream = mail.accept().unwrap().0;
        stream.write_all(b"220 mail.example.com ESMTP\r\n").unwrap();
        // Once it is closed there is no trace of it.
        drop(stream.read_to_end(&mut Vec::new()));
    };
    let greets = Tasks::new().start_thread("mail", greets).unwrap();
    let mut guarded = Guarded::before(redis, "role = \"cache\"");
    guarded.says("this upstream cannot be guarded: it is no Redis: 0x32 begins no answer");
    assert_eq!(guarded.client().next(), None);
    let status = guarded.stand.run(&["redis", "status", "cache"]).exits(0).stdout;
    assert!(status.contains("it is no Redis"), "{status}");
    greets.join().unwrap();
    guarded.redis.again();
    guarded.says("this upstream can be guarded");
    assert_eq!(guarded.client().does("SET k v"), "+OK");
}

#[test]
fn a_sentinel_is_no_redis() {
    let guarded = Guarded::before(RedisServer::with(&["--sentinel"]), "role = \"cache\"");
    guarded.says("this upstream cannot be guarded: it is a Sentinel, not a Redis");
    assert_eq!(guarded.client().next(), None);
}

#[test]
fn a_name_that_leads_elsewhere_is_looked_up_at_each_connection() {
    // Has the guard read names in a file of the test.
    let reads = Path::new("libnss_wrapper.so");
    let name = "a_name_that_leads_elsewhere_is_looked_up_at_each_connection";
    if !has_library(reads) {
        return skipped(name, "libnss-wrapper");
    }
    let folder = tempfile::tempdir().unwrap();
    let names = folder.path().join("hosts");
    // Nobody listens there.
    fs::write(&names, "127.0.0.2 cache.test\n").unwrap();
    // It is read again when it is of another second.
    let then = UNIX_EPOCH + Duration::from_secs(1);
    fs::File::options().append(true).open(&names).unwrap().set_modified(then).unwrap();
    let redis = RedisServer::start();
    assert_eq!(redis.client().does("SET k v"), "+OK");
    let upstream = format!("redis://cache.test:{}", redis.port);
    let more = [("LD_PRELOAD", reads), ("NSS_WRAPPER_HOSTS", names.as_path())];
    let mut guarded = Guarded::at(&upstream, redis, "role = \"cache\"", &more);
    let mut client = guarded.client();
    assert_eq!(client.does("GET k"), "$-1");
    guarded.comes_back(|_| fs::write(&names, "127.0.0.1 cache.test\n").unwrap());
    assert_eq!(client.does("GET k"), "$1\r\nv");
}

fn has_library(name: &Path) -> bool {
    let folders = fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok);
    folders.map(|folder| folder.path().join(name)).any(|path| path.exists())
}

#[test]
fn a_redis_that_comes_and_goes_is_left_alone_for_longer_each_time() {
    let mut guarded = Guarded::cache("");
    assert_eq!(guarded.client().does("PING"), "+PONG");
    for least in [0, 1, 2] {
        guarded.goes(|guarded| guarded.redis.kill());
        let began = monotonic();
        guarded.again();
        let away = monotonic().duration_since(began);
        assert!(away >= Duration::from_millis(least * 900), "{away:?}, and not {least} s");
    }
}

#[test]
fn a_guard_whose_password_is_refused_says_so_once() {
    let redis = RedisServer::with(&["--requirepass", "right"]);
    let upstream = format!("redis://:wrong@127.0.0.1:{}", redis.port);
    let mut guarded = Guarded::at(&upstream, redis, "role = \"cache\"\n    journal {\n    }", &[]);
    guarded.says("the guard's own password is refused: -WRONGPASS");
    guarded.kill();
    assert_eq!(guarded.client().does("DEL k"), ":0");
    guarded.redis.again();
    guarded.says("redis stays away");
    let asked = || {
        let mut side = guarded.redis.client();
        assert_eq!(side.does("AUTH right"), "+OK");
        let stats = side.does("INFO stats");
        let count = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        count.unwrap().parse::<u32>().unwrap()
    };
    thread::sleep(Duration::from_secs(2));
    let before = asked();
    thread::sleep(Duration::from_secs(2));
    // Its tries come later each time: four connections each, every two seconds.
    assert!(asked() - before <= 12, "{before}, {}", asked());
    assert_eq!(guarded.told("the guard's own password is refused"), 1);
    assert_eq!(guarded.told("redis stays away"), 1);
}

#[test]
fn two_processes_with_guards_have_two_state_folders() {
    let guarded = Guarded::cache("");
    let config = guarded.stand.folder().join("roadworks.hcl");
    let before = fs::read_to_string(&config).unwrap();
    let other = before.replace(&format!(":{}", guarded.port), ":0");
    fs::write(&config, &other).unwrap();
    let error = guarded.stand.run(&["--json", "serve"]).exits(1).error();
    assert!(error["message"].as_str().unwrap().starts_with("no guard runs with the state folder "));
    assert!(error["hint"].as_str().unwrap().contains("serve { state = "), "{error}");
    fs::write(&config, before).unwrap();
    assert_eq!(guarded.client().does("SET k v"), "+OK", "the first is in nobody's hands");
}
