//! Bytes that mean harm, or are wrong, against the built gateway in front of an upstream that writes everything down.
//!
//! Behind each case another request follows in the same write. What is asked of all of them: the upstream never sees a
//! request that the gateway did not count, nor one that it would not have written itself.

mod cases;
mod frames;
mod http2;
mod leftovers;

use std::cell::{Cell, RefCell};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use roadworks::clock;

use self::cases::{Case, all};
use crate::support::metrics::{admin, requests};
use crate::support::recorder::{Recorded, Recorder};
use crate::support::serving::{LONG, Serving, Stand, config};

/// What follows each case on its connection.
const AFTER: &[u8] = b"GET /after HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n";

/// The gateway, what is behind it, and what it counted until now.
struct Rig {
    upstream: Recorder,
    serving: Serving,
    admin: SocketAddr,
    stand: Stand,
    /// How many requests reached the upstream, and which of them were not whole.
    seen: Cell<u64>,
    broken: RefCell<Vec<Recorded>>,
}

impl Rig {
    fn start(more: &str) -> Rig {
        let upstream = Recorder::start();
        let stand = Stand::new(&config(&upstream.url(), more));
        let serving = stand.serve();
        let admin = admin(&serving);
        let (seen, broken) = (Cell::default(), RefCell::default());
        Rig { upstream, serving, admin, stand, seen, broken }
    }

    fn set(&self, verb: &str) {
        self.stand.run(&[verb, "--yes"]).exits(0);
    }

    /// Everything that comes back for `bytes`, until the gateway closes.
    fn says(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut stream = connected(self.serving.address());
        // A gateway that has closed takes no more of it.
        let written = stream.write_all(bytes);
        let mut answers = Vec::new();
        match stream.read_to_end(&mut answers) {
            Ok(_) => Ok(answers),
            Err(error) => Err(format!("{error} after {written:?} and {answers:?}")),
        }
    }

    /// What reached the upstream whole since this was last asked, once the gateway has counted as much. What breaks off
    /// there does so when it likes: it is counted here, all in all.
    #[track_caller]
    fn settled(&self) -> Vec<Recorded> {
        let began = clock::monotonic();
        let mut whole = Vec::new();
        loop {
            for record in self.upstream.take() {
                self.seen.set(self.seen.get() + 1);
                if record.broken.is_some() {
                    self.broken.borrow_mut().push(record);
                } else {
                    whole.push(record);
                }
            }
            let counts = requests(self.admin);
            let let_in = ["passed", "released", "gone"].into_iter().filter_map(|it| counts.get(it));
            if self.seen.get() <= let_in.sum() {
                return whole;
            }
            let waited = clock::monotonic().duration_since(began);
            assert!(waited < LONG, "uncounted: {whole:?} of {counts:?}");
        }
    }
}

fn connected(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// The site's mode, by the verb that leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Closed,
}

impl Mode {
    fn verb(self) -> &'static str {
        match self {
            Mode::Open => "open",
            Mode::Closed => "close",
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
    let one = |name: &str| record.all(name).len() == 1;
    let none = |name: &str| record.all(name).is_empty();
    let wanted = [
        ("one Host", one("host")),
        ("our Host", record.all("host").iter().all(|host| host.starts_with("shop.example.com"))),
        ("Via", one("via")),
        ("the client's address alone", record.all("x-forwarded-for") == ["127.0.0.1"]),
        ("no upgrade", none("upgrade") && none("http2-settings")),
        ("harmless trailers", record.trailers.iter().all(|(name, _)| name == "x-checksum")),
    ];
    let wrong = wanted.into_iter().find(|(_, right)| !right);
    wrong.map_or(Ok(()), |(what, _)| Err(format!("not {what}: {record:?}")))
}

/// `METHOD TARGET BODY` of each.
fn lines(records: &[Recorded]) -> Vec<String> {
    records.iter().map(|record| format!("{} {}", record.line, record.body.escape_ascii())).collect()
}

fn plays(rig: &Rig, case: &Case, mode: Mode) -> Result<(), String> {
    let answers = statuses(&rig.says(&[&case.bytes[..], AFTER].concat())?)?;
    let records = rig.settled();
    let (mut wanted, mut reaches) = (case.statuses.clone(), case.reaches.clone());
    if mode == Mode::Closed {
        reaches.clear();
        wanted = vec![case.closed];
        // A refusal of a closed site closes.
        if case.goes_on && ![503, 204].contains(&case.closed) {
            wanted.push(503);
        }
    } else if case.goes_on {
        wanted.push(200);
        reaches.push("GET /after ".to_owned());
    }
    let seen = lines(&records);
    if (&answers, &seen) != (&wanted, &reaches) {
        return Err(format!("{answers:?} and {seen:?} instead of {wanted:?} and {reaches:?}"));
    }
    records.iter().try_for_each(is_ours)
}

#[track_caller]
fn all_play(mode: Mode) {
    let rig = Rig::start("");
    rig.set(mode.verb());
    let cases = all();
    assert!(cases.len() >= 60, "{}", cases.len());
    let played = cases.iter().filter_map(|case| {
        let wrong = plays(&rig, case, mode).err();
        wrong.map(|why| format!("{}: {why}", case.name))
    });
    let wrong: Vec<String> = played.collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let may_break = cases.iter().filter(|case| case.breaks_off && mode == Mode::Open).count();
    assert!(rig.broken.borrow().len() <= may_break, "{:?}", rig.broken);
    // It stands as it stood.
    let (status, _) = rig.serving.ask("GET", "/well");
    assert_eq!(status, if mode == Mode::Closed { 503 } else { 200 });
}

#[test]
fn whatever_is_sent_to_an_open_site_its_app_sees_only_what_was_counted() {
    all_play(Mode::Open);
}

#[test]
fn whatever_is_sent_to_a_closed_site_its_app_sees_nothing() {
    all_play(Mode::Closed);
}
