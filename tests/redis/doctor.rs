//! What `doctor` says of guards, before and while they run.

use super::guard::config;
use crate::support::bind::free_port;
use crate::support::redis::RedisServer;
use crate::support::serving::Stand;

/// What it finds of guards, each as `id result reason`.
fn found(upstream: &str, lines: &str, code: i32) -> Vec<String> {
    let stand = Stand::new(&config(&format!("127.0.0.1:{}", free_port()), upstream, lines));
    let said = stand.run(&["doctor", "--json"]).exits(code).json();
    let text =
        |found: &serde_json::Value, key: &str| found[key].as_str().unwrap_or_default().to_owned();
    let all = said["checks"].as_array().unwrap().iter();
    let of_guards = all.filter(|found| text(found, "id").starts_with("redis"));
    of_guards
        .map(|found| {
            format!("{} {} {}", text(found, "id"), text(found, "result"), text(found, "reason"))
        })
        .collect()
}

#[test]
fn doctor_asks_each_redis_as_its_guard_does() {
    let redis = RedisServer::start();
    let at = format!("redis://127.0.0.1:{}", redis.port);
    let cache = "role = \"cache\"\njournal { path = \"cache.journal\" }";
    let [well, journal] = found(&at, cache, 0).try_into().unwrap();
    assert!(well.starts_with(&format!("redis ok cache at {at} is a Redis ")), "{well}");
    assert!(journal.ends_with("is made when the guard first runs"), "{journal}");
    let [_, nowhere] = found(&at, &cache.replace("cache.", "none/cache."), 1).try_into().unwrap();
    assert!(nowhere.starts_with("redis-journal fail"), "{nowhere}");

    let mut client = redis.client();
    assert_eq!(client.does("CONFIG SET maxmemory 100000000"), "+OK");
    let [full] = found(&at, "role = \"cache\"", 0).try_into().unwrap();
    assert!(full.starts_with("redis warn") && full.contains("noeviction"), "{full}");
    assert_eq!(client.does("CONFIG SET requirepass secret"), "+OK");
    let [silent] = found(&at, "role = \"cache\"", 0).try_into().unwrap();
    assert!(silent.starts_with("redis warn") && silent.contains("NOAUTH"), "{silent}");
    let [shut, _] = found(&at.replace("//", "//:wrong@"), cache, 1).try_into().unwrap();
    assert!(shut.starts_with("redis fail") && !shut.contains("wrong"), "{shut}");
    let [well] = found(&at.replace("//", "//:secret@"), "role = \"cache\"", 0).try_into().unwrap();
    assert!(well.starts_with("redis warn") && !well.contains("secret"), "{well}");
}

#[test]
fn doctor_says_that_a_redis_is_away_or_none() {
    let [away] = found("redis://127.0.0.1:1", "role = \"cache\"", 1).try_into().unwrap();
    assert!(away.starts_with("redis fail cache at redis://127.0.0.1:1 is away: "), "{away}");
    let bus = free_port().to_string();
    let cluster = RedisServer::with(&["--cluster-enabled", "yes", "--cluster-port", &bus]);
    let at = format!("redis://127.0.0.1:{}", cluster.port);
    let [unfit] = found(&at, "role = \"cache\"", 1).try_into().unwrap();
    assert!(unfit.contains("cannot be guarded: it is part of a cluster"), "{unfit}");
}
