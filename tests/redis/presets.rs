//! The keys that frameworks make are those that their presets name.

use std::collections::BTreeSet;
use std::env;
use std::path::Path;
use std::process::Command;

use roadworks::config::RedisRole::{self, Cache, Mixed, Queue, Session};
use roadworks::config::{KeyPattern, KeyRules};
use roadworks::redis::frame::{Request, Requests};
use roadworks::redis::{keys, table};

use crate::support::redis::{RedisServer, encoded};

/// What runs a framework, and the end of its script's name: those of Debian have Debian's own languages.
fn runs(framework: &str) -> (String, &'static str) {
    let installed = |variable: &str| {
        let needs = format!("this test needs {framework}: run script/test, which installs it");
        env::var(variable).expect(&needs)
    };
    match framework {
        "rails" | "sidekiq" => ("/usr/bin/ruby".to_owned(), "rb"),
        "laravel" => ("/usr/bin/php".to_owned(), "php"),
        "bullmq" => {
            installed("ROADWORKS_TEST_NODE_CLIENTS");
            ("node".to_owned(), "mjs")
        }
        _ => (installed("ROADWORKS_TEST_CLIENTS"), "py"),
    }
}

/// All keys that a framework names, in commands and in scripts.
fn keys_of(framework: &str) -> BTreeSet<Vec<u8>> {
    let server = RedisServer::start();
    let mut monitor = server.client();
    assert_eq!(monitor.does("MONITOR"), "+OK");
    let (program, end) = runs(framework);
    let script = format!("tests/clients/redis_frameworks.{end}");
    let ran = Command::new("timeout")
        .args(["200s", &program])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
        .args([framework, &server.port.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{framework}, which script/test installs: {said}");
    assert_eq!(server.client().does("ECHO that-is-all"), "$11\r\nthat-is-all");
    let mut found = BTreeSet::new();
    loop {
        let line = monitor.next().unwrap();
        let words = words(&line);
        if words.last().is_some_and(|word| word == b"that-is-all") {
            return found;
        }
        let (mut requests, bytes) = (Requests::default(), encoded(&words));
        if let Ok(Request::Whole { arguments, .. }) = requests.read(&bytes)
            && let Some(command) = table::find(arguments.name())
        {
            let keys = keys::of(command, &arguments).unwrap_or_default();
            found.extend(keys.into_iter().map(<[u8]>::to_vec));
        }
    }
}

/// `+1339518083.107412 [0 127.0.0.1:60866] "set" "a\x16" "say \"x\""`
fn words(line: &[u8]) -> Vec<Vec<u8>> {
    let begins = line.windows(2).position(|two| two == b"] ").unwrap_or(line.len());
    let mut rest = line[begins..].iter().copied().skip_while(|byte| *byte != b'"');
    let mut words = Vec::new();
    while rest.next() == Some(b'"') {
        let mut word = Vec::new();
        while let Some(byte) = rest.next().filter(|byte| *byte != b'"') {
            word.push(match byte {
                b'\\' => match rest.next().unwrap() {
                    b'x' => {
                        let digits = [rest.next().unwrap(), rest.next().unwrap()];
                        u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                    }
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'a' => 7,
                    b'b' => 8,
                    other => other,
                },
                other => other,
            });
        }
        words.push(word);
        if rest.next() != Some(b' ') {
            break;
        }
    }
    words
}

/// Every key has the role of the first pattern that it is of, by a rule of the preset, or by none; and each pattern has some.
#[track_caller]
fn are(framework: &str, known: &[(&str, Option<RedisRole>)]) {
    let rules = KeyRules::preset(framework).unwrap();
    let fits = |pattern: &str, key: &[u8]| KeyPattern::new(pattern).unwrap().matches(key);
    let found = keys_of(framework);
    let wrong = found.iter().filter_map(|key| {
        let given = rules.iter().find(|rule| rule.pattern.matches(key)).map(|rule| rule.role);
        let wanted = known.iter().find(|(pattern, _)| fits(pattern, key)).map(|(_, role)| *role);
        (wanted != Some(given)).then(|| format!("{}: {given:?}", key.escape_ascii()))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{framework} has other keys: {wrong:#?}");
    for (pattern, _) in known {
        let has = found.iter().any(|key| fits(pattern, key));
        assert!(has, "{framework} has no {pattern}");
    }
}

fn are_work(framework: &str, known: &[&str]) {
    are(framework, &known.iter().map(|pattern| (*pattern, Some(Queue))).collect::<Vec<_>>());
}

#[test]
fn every_key_of_celery_is_work() {
    are_work(
        "celery",
        &[
            "celery-task-meta-*",
            "celery-taskset-meta-*",
            "celery\u{6}\u{16}*",
            "celery*",
            "unacked*",
            "_kombu.binding*",
            "*.pidbox*",
        ],
    );
}

#[test]
fn every_key_of_rq_is_work() {
    are_work(
        "rq",
        &[
            "rq:queue:*",
            "rq:job:*",
            "rq:worker*",
            "rq:finished:*",
            "rq:failed:*",
            "rq:scheduled:*",
            "rq:*",
        ],
    );
}

#[test]
fn every_key_of_bullmq_is_work() {
    are_work(
        "bullmq",
        &[
            "bull:jobs:meta",
            "bull:jobs:wait",
            "bull:jobs:paused",
            "bull:jobs:prioritized",
            "bull:jobs:delayed",
            "bull:jobs:waiting-children",
            "bull:jobs:*:dependencies",
            "bull:jobs:*:lock",
            "bull:jobs:*:logs",
            "bull:jobs:failed",
            "bull:jobs:de:once",
            "bull:jobs:limiter",
            "bull:jobs:repeat:hourly*",
            "bull:jobs:metrics:completed:data",
            "bull:jobs:stalled-check",
            "bull:jobs:events",
            "bull:jobs:*",
        ],
    );
}

#[test]
fn every_key_of_sidekiq_is_work_but_what_a_process_says_of_itself() {
    let work = Some(Queue);
    are(
        "sidekiq",
        &[
            ("queue:default", work),
            ("queues", work),
            ("schedule", work),
            ("retry", work),
            ("dead", work),
            ("processes", work),
            ("stat:processed", work),
            ("stat:failed:20??-??-??", work),
            ("stat:*", work),
            ("*:*:????????????:workers", work),
            ("*:*:????????????-signals", work),
            ("*:*:????????????", None),
        ],
    );
}

#[test]
fn parts_of_pages_sessions_and_limits_of_rails_are_known() {
    let digest = "?".repeat(64);
    are(
        "rails",
        &[
            ("views/sessions/_block:*/form/7", Some(Cache)),
            (&format!("_session_id:2::{digest}"), Some(Session)),
            (&format!("2::{digest}"), Some(Session)),
            ("rack::attack:fail2ban:ban:*", Some(Mixed)),
            ("rack::attack:*:logins:*", Some(Mixed)),
            ("rack::attack:*", Some(Mixed)),
            ("price/*", None),
        ],
    );
}

#[test]
fn every_key_of_django_has_its_role() {
    are(
        "django",
        &[
            (":1:django.contrib.sessions.cache????????????????????????????????", Some(Session)),
            (":1:django.contrib.sessions.cached_db*", Some(Session)),
            (":1:lock:import", Some(Mixed)),
            (":1:rl:*", Some(Mixed)),
            (":1:throttle_anon_*", Some(Mixed)),
            (":1:throttle_logins_*", Some(Mixed)),
            (":1:template.cache.blocks.*", Some(Cache)),
            (":1:views.decorators.cache.cache_page.*", Some(Cache)),
            (":1:views.decorators.cache.cache_header.*", Some(Cache)),
            (":1:price:*", Some(Cache)),
            (":1:hits", Some(Cache)),
        ],
    );
}

#[test]
fn every_key_of_laravel_has_its_role() {
    let cached = |rest: &str| format!("laravel_database_laravel_cache:{rest}");
    let known = [
        ("price:*", Cache),
        ("tag:*:key", Cache),
        ("*:standard_ref", Cache),
        ("*:forever_ref", Cache),
        ("*:price:1?", Cache),
        ("lock:import", Mixed),
        ("laravel_unique_job:Job*", Mixed),
        ("laravel-queue-overlap:Job:*", Mixed),
        ("laravel_throttles_exceptions:*", Mixed),
        ("framework/schedule-*", Mixed),
        ("illuminate:queue:restart", Queue),
        ("*:timer", Mixed),
        ("session:*", Session),
        // A session, or a limit by an address, which nobody can tell from one.
        (&"?".repeat(40), Session),
        // A limit by a name.
        (&"?".repeat(32), Mixed),
    ];
    let known: Vec<_> = known.iter().map(|(rest, role)| (cached(rest), Some(*role))).collect();
    let mut known: Vec<_> = known.iter().map(|(pattern, role)| (pattern.as_str(), *role)).collect();
    known.extend([
        ("laravel_database_lock:*", Some(Mixed)),
        ("laravel_database_laravel_throttles_exceptions:*", Some(Mixed)),
        ("laravel_database_queues:default:delayed", Some(Queue)),
        ("laravel_database_queues:default:reserved", Some(Queue)),
        ("laravel_database_queues:default:notify", Some(Queue)),
        ("laravel_database_queues:default", Some(Queue)),
    ]);
    are("laravel", &known);
}
