//! The keys that frameworks make are those that their presets name.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use roadworks::config::{KeyRules, RedisRole};
use roadworks::redis::frame::{Request, Requests};
use roadworks::redis::{keys, table};

use crate::support::redis::{RedisServer, encoded};

/// All keys that a framework names, in commands and in scripts.
fn keys_of(framework: &str) -> BTreeSet<Vec<u8>> {
    let server = RedisServer::start();
    let mut monitor = server.client();
    assert_eq!(monitor.does("MONITOR"), "+OK");
    let python = std::env::var("ROADWORKS_TEST_CLIENTS")
        .expect("this test needs celery and rq: run script/test, which installs them");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/redis_frameworks.py");
    let ran = Command::new("timeout")
        .args(["200s", &python])
        .arg(script)
        .args([framework, &server.port.to_string()])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
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

/// Each has the role of work; those that begin like these are among them.
fn are_work(framework: &str, known: &[&str]) {
    let rules = KeyRules { rules: KeyRules::preset(framework).unwrap(), ..KeyRules::default() };
    let found = keys_of(framework);
    let others: Vec<_> = found.iter().filter(|key| rules.role(key) != RedisRole::Queue).collect();
    let shown: Vec<_> = others.iter().map(|key| key.escape_ascii().to_string()).collect();
    assert!(shown.is_empty(), "{framework} has other keys: {shown:#?}");
    for begins in known {
        let has = found.iter().any(|key| key.starts_with(begins.as_bytes()));
        assert!(has, "{framework} has no {begins}");
    }
}

#[test]
fn every_key_of_celery_is_work() {
    are_work(
        "celery",
        &[
            "celery",
            "celery\u{6}\u{16}",
            "celery-task-meta-",
            "celery-taskset-meta-",
            "unacked",
            "_kombu.binding.",
        ],
    );
}

#[test]
fn every_key_of_rq_is_work() {
    are_work(
        "rq",
        &["rq:queue:", "rq:job:", "rq:worker", "rq:finished:", "rq:failed:", "rq:scheduled:"],
    );
}
