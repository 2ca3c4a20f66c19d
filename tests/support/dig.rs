//! Somebody else at the name server of `example.test`, whichever it is: asks by `dig`, and changes it by `nsupdate`.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use roadworks::clock;

/// Of the key `roadworks`, which may change the zone.
pub(crate) const SECRET: &str = "cm9hZHdvcmtzIHRocm93LWF3YXkga2V5IGZvciB0ZXN0cw==";
const LONG: Duration = Duration::from_secs(20);

/// A name server, by where it listens on loopback.
#[derive(Debug)]
pub(crate) struct Client {
    port: u16,
}

impl Client {
    pub(crate) fn of(port: u16) -> Client {
        Client { port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// `TTL DATA` of each record that it gives, sorted.
    pub(crate) fn dig(&self, name: &str, kind: &str) -> Vec<String> {
        let output = Command::new("dig")
            .args(["+noall", "+answer", "+tries=1", "+time=1", "@127.0.0.1", "-p"])
            .args([&self.port.to_string(), name, kind])
            .output()
            .expect("dig is installed by script/test");
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines: Vec<_> = text.lines().filter_map(|line| record(line, kind)).collect();
        lines.sort();
        lines
    }

    pub(crate) fn serial(&self) -> u32 {
        let soa = self.dig("example.test", "SOA");
        soa[0].split(' ').nth(3).unwrap().parse().unwrap()
    }

    /// Changes the zone.
    #[track_caller]
    pub(crate) fn nsupdate(&self, lines: &str) {
        nsupdate(self.port, lines);
    }

    /// Waits until it answers for its zone; `log` is what it says meanwhile.
    #[track_caller]
    pub(crate) fn until_ready(&self, log: impl Fn() -> String) {
        let deadline = clock::monotonic() + LONG;
        while self.dig("example.test", "SOA").is_empty() {
            assert!(clock::monotonic() < deadline, "it is not ready: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[track_caller]
pub(crate) fn nsupdate(port: u16, lines: &str) {
    let mut process = Command::new("nsupdate")
        .args(["-y", &format!("hmac-sha256:roadworks:{SECRET}")])
        .stdin(Stdio::piped())
        .spawn()
        .expect("nsupdate is installed by script/test");
    let script = format!("server 127.0.0.1 {port}\nzone example.test\n{lines}\nsend\n");
    process.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(process.wait().unwrap().success(), "{lines}");
}

/// `name TTL IN TYPE DATA` -> `TTL DATA`.
fn record(line: &str, kind: &str) -> Option<String> {
    let words: Vec<_> = line.split_whitespace().collect();
    (words.get(3) == Some(&kind)).then(|| format!("{} {}", words[1], words[4..].join(" ")))
}
