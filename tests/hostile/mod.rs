//! Bytes that mean harm, or are wrong, against the built gateway in front of an upstream that writes everything down.
//!
//! Behind each case another request follows in the same write. What is asked of all of them: the upstream never sees a
//! request that the gateway did not count, nor one that it would not have written itself.

mod cases;
mod frames;
mod http2;
mod leftovers;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use self::cases::{Case, all};
use crate::support::metrics::{admin, requests};
use crate::support::recorder::{Recorded, Recorder};
use crate::support::serving::{LONG, Serving, Stand, config, until};

/// What follows each case on its connection.
const AFTER: &[u8] = b"GET /after HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n";

/// The gateway, what is behind it, and what it counted until now.
struct Rig {
    upstream: Recorder,
    serving: Serving,
    admin: SocketAddr,
    stand: Stand,
}

impl Rig {
    fn start(more: &str) -> Rig {
        let upstream = Recorder::start();
        let stand = Stand::new(&config(&upstream.url(), more));
        let serving = stand.serve();
        let admin = admin(&serving);
        Rig { upstream, serving, admin, stand }
    }

    fn set(&self, verb: &str) {
        self.stand.run(&[verb, "--yes"]).exits(0);
    }

    /// Everything that comes back for `bytes`, until the gateway closes.
    #[track_caller]
    fn says(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut stream = TcpStream::connect(self.serving.address()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        // A gateway that has closed takes no more of it.
        let written = stream.write_all(bytes);
        let mut answers = Vec::new();
        match stream.read_to_end(&mut answers) {
            Ok(_) => Ok(answers),
            Err(error) => Err(format!("{error} after {written:?} and {answers:?}")),
        }
    }

    /// What reached the upstream meanwhile, once the gateway has counted as much, and what was counted.
    fn settled(&self, before: &BTreeMap<String, u64>) -> Result<Vec<Recorded>, String> {
        let counted = |counts: &BTreeMap<String, u64>| -> u64 {
            let words = ["passed", "released", "gone"];
            words.iter().map(|word| counts.get(*word).copied().unwrap_or_default()).sum()
        };
        let began = roadworks::clock::monotonic();
        loop {
            let (seen, now) = (self.upstream.count() as u64, requests(self.admin));
            if seen <= counted(&now) - counted(before) {
                return Ok(self.upstream.take());
            }
            if roadworks::clock::monotonic().duration_since(began) > LONG {
                return Err(format!("uncounted: {:?} of {now:?}", self.upstream.take()));
            }
        }
    }
}

/// The statuses of the answers in `bytes`, each as long as it says.
fn statuses(bytes: &[u8]) -> Result<Vec<u16>, String> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while !rest.is_empty() {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no end of a head")?;
        let head = String::from_utf8_lossy(&rest[..end]).to_ascii_lowercase();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or("no status")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        found.push(status);
        rest = rest.get(end + 4 + length..).ok_or("an answer that is cut")?;
    }
    Ok(found)
}

/// What every request at the upstream must be, whatever the client sent.
fn is_ours(record: &Recorded) -> Result<(), String> {
    if let Some(why) = &record.broken {
        return Err(format!("it is broken: {why}"));
    }
    let one = |name: &str| record.all(name).len() == 1;
    let none = |name: &str| record.all(name).is_empty();
    let wanted = [
        ("one Host", one("host")),
        ("our Host", record.all("host").iter().all(|host| host.starts_with("shop.example.com"))),
        ("Via", one("via")),
        ("the client's address alone", record.all("x-forwarded-for") == ["127.0.0.1"]),
        ("no upgrade", none("upgrade") && none("http2-settings")),
        ("no pseudo-header", record.headers.iter().all(|(name, _)| !name.starts_with(':'))),
        ("harmless trailers", record.trailers.iter().all(|(name, _)| name == "x-checksum")),
    ];
    let wrong = wanted.into_iter().find(|(_, right)| !right);
    wrong.map_or(Ok(()), |(what, _)| Err(format!("not {what}")))
}

fn plays(rig: &Rig, case: &Case, closed: bool) -> Result<(), String> {
    let before = requests(rig.admin);
    let answers = statuses(&rig.says(&[&case.bytes[..], AFTER].concat())?)?;
    let records = rig.settled(&before)?;
    let (mut wanted, mut lines) = (case.statuses.clone(), case.reaches.clone());
    if closed {
        lines.clear();
        wanted = vec![case.closed];
        // A refusal of a closed site closes.
        if case.goes_on && ![503, 204].contains(&case.closed) {
            wanted.push(503);
        }
    } else if case.goes_on {
        wanted.push(200);
        lines.push("GET /after ".to_owned());
    }
    let whole: Vec<&Recorded> = records.iter().filter(|record| record.broken.is_none()).collect();
    let seen: Vec<String> = whole
        .iter()
        .map(|record| format!("{} {}", record.line, record.body.escape_ascii()))
        .collect();
    if (&answers, &seen) != (&wanted, &lines) {
        return Err(format!("{answers:?} and {seen:?} instead of {wanted:?} and {lines:?}"));
    }
    let broken = records.len() - whole.len();
    if broken > usize::from(case.breaks_off && !closed) {
        return Err(format!("broken at the upstream: {records:?}"));
    }
    whole.iter().try_for_each(|record| is_ours(record).map_err(|why| format!("{why}: {record:?}")))
}

#[track_caller]
fn all_play(verb: &str) {
    let rig = Rig::start("");
    rig.set(verb);
    let cases = all();
    assert!(cases.len() >= 60, "{}", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let played = plays(&rig, case, verb == "close");
            played.err().map(|why| format!("{}: {why}", case.name))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    // It stands as it stood.
    let (status, _) = rig.serving.ask("GET", "/well");
    assert_eq!(status, if verb == "close" { 503 } else { 200 });
    until(|| (requests(rig.admin).get("gone") == Some(&0)).then_some(()));
}

#[test]
fn whatever_is_sent_to_an_open_site_its_app_sees_only_what_was_counted() {
    all_play("open");
}

#[test]
fn whatever_is_sent_to_a_closed_site_its_app_sees_nothing() {
    all_play("close");
}
