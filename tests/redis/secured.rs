//! A Redis that is reached by TLS: guarded like any other, and away where its certificate is not trusted.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use roadworks::clock::monotonic;
use tempfile::TempDir;

use super::guard::Guarded;
use crate::support::bind::free_port;
use crate::support::redis::{RedisServer, encoded};

/// A certificate for a name, with its key, on disk.
struct Certificate {
    folder: TempDir,
}

impl Certificate {
    fn of(name: &str) -> Certificate {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        fs::write(folder.path().join("certificate.pem"), made.cert.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Certificate { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// A Redis that shows it at this port, and without TLS at its own.
    fn shown_at(&self, port: u16) -> RedisServer {
        let (file, key) = (self.file(), self.folder.path().join("key.pem"));
        RedisServer::with(&[
            "--appendonly",
            "yes",
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            file.to_str().unwrap(),
            "--tls-key-file",
            key.to_str().unwrap(),
            "--tls-auth-clients",
            "no",
        ])
    }
}

#[test]
fn a_redis_that_is_reached_by_tls_is_guarded_like_any_other() {
    let (certificate, port) = (Certificate::of("localhost"), free_port());
    let redis = certificate.shown_at(port);
    let upstream = format!("rediss://localhost:{port}");
    let lines = "role = \"cache\"\n    budget = \"10s\"\n    journal {}";
    let roots = certificate.file();
    let mut guarded = Guarded::at(&upstream, redis, lines, &[("SSL_CERT_FILE", &roots)]);
    let mut client = guarded.client();
    assert_eq!((client.does("SET k v"), client.does("GET k")), ("+OK".into(), "$1\r\nv".into()));
    // Large ones in both directions at once, over and over.
    let value = |number: usize| vec![b'a' + u8::try_from(number % 26).unwrap(); 300_000 + number];
    let asks = |number: usize| {
        let (key, value) = (format!("large{number}"), value(number));
        [encoded(&[b"SET", key.as_bytes(), &value]), encoded(&["GET", &key])].concat()
    };
    client.send_meanwhile((0..100).flat_map(asks).collect());
    for number in 0..100 {
        assert_eq!(client.next().unwrap(), b"+OK\r\n", "{number}");
        let (head, value) = (format!("${}\r\n", 300_000 + number), value(number));
        let wanted = [head.as_bytes(), &value, b"\r\n"].concat();
        assert!(client.next().unwrap() == wanted, "{number}");
    }
    guarded.kill();
    assert_eq!((client.does("DEL k"), client.does("GET large1")), (":0".into(), "$-1".into()));
    guarded.again();
    assert_eq!((client.does("GET k"), client.does("SET k w")), ("$-1".into(), "+OK".into()));
    assert_eq!(guarded.redis.client().does("GET k"), "$1\r\nw");
    guarded.goes(|it| it.redis.kill());
    guarded.comes_back(|it| it.redis.again());
    assert_eq!(client.does("GET k"), "$1\r\nw");
}

#[test]
fn a_redis_whose_certificate_is_not_trusted_is_away_and_nobody_hangs() {
    let (here, elsewhere) = (Certificate::of("localhost"), Certificate::of("other.example.com"));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = silent.local_addr().unwrap().port();
    let ([port, other], plain) = ([(); 2].map(|()| free_port()), RedisServer::start());
    let plainly = plain.port;
    for (redis, port, roots, why) in [
        (here.shown_at(port), port, &elsewhere, "certificate"),
        (elsewhere.shown_at(other), other, &elsewhere, "certificate"),
        (plain, plainly, &here, "no connection in time"),
        (RedisServer::start(), nobody, &here, "no connection in time"),
    ] {
        let (upstream, roots) = (format!("rediss://localhost:{port}"), roots.file());
        let guarded =
            Guarded::at(&upstream, redis, "role = \"cache\"", &[("SSL_CERT_FILE", &roots)]);
        let mut client = guarded.client();
        let began = monotonic();
        assert_eq!(client.does("GET k"), "$-1", "{why}");
        assert!(client.does("SET k v").starts_with("-ROADWORKSDOWN"), "{why}");
        assert!(monotonic().duration_since(began) < Duration::from_secs(5), "{why}");
        guarded.says("redis is away");
        let log = guarded.serving.log();
        let said = log.lines().find(|line| line.contains("redis is away")).unwrap();
        assert!(said.contains(why), "{said}");
        assert_eq!(guarded.redis.client().does("DBSIZE"), ":0", "{why}");
        let shown = guarded.stand.run(&["--json", "redis", "status"]).exits(0).json();
        let guard = &shown["guards"][0];
        assert_eq!((&guard["state"], &guard["upstream"]), (&"open".into(), &upstream.into()));
        assert!(guard["why"].as_str().is_some_and(|said| said.contains(why)), "{guard}");
        assert_eq!(guarded.told("redis is back"), 0);
    }
}
