//! Ten thousand wait at once in front of the built program: each has a place, nobody else has, and nine of ten leave.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use roadworks::clock;

use crate::support::app::App;
use crate::support::serving::{HOST, LONG, Stand, answer, config, until};

const ALL: usize = 10_000;
/// One of so many stays.
const ONE_OF: usize = 10;
/// Besides the visitors' sockets.
const FILES: usize = 100;

fn waiting(stand: &Stand) -> u64 {
    stand.told()["waiting"].as_u64().expect("a number of those who wait")
}

/// How many files this process may open.
fn files() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("a limit")
}

/// What the visitor of this number sends: those who stay a POST, the others one of four kinds, most of it left unread.
fn request(number: usize) -> String {
    let post = |path: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let get = format!("GET /gone HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    match number {
        stays if stays.is_multiple_of(ONE_OF) => post(&format!("/stays/{stays}"), 2) + "hi",
        gone if gone.is_multiple_of(4) => get,
        gone if gone % 4 == 1 => post("/gone", 20 << 10) + &"x".repeat(20 << 10),
        gone if gone % 4 == 2 => post("/gone", 20 << 10) + "xxxxx",
        _ => get.repeat(2),
    }
}

#[test]
fn ten_thousand_wait_and_the_places_of_nine_thousand_who_hang_up_are_free_within_a_second() {
    assert!(files() > ALL + FILES, "ulimit -n is {}: script/test raises it", files());
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), "hold { patience = \"300s\" }"));
    let serving = stand.serve();
    stand.run(&["hold", "--yes"]).exits(0);
    let at = serving.address();
    let (mut stay, mut gone) = (Vec::new(), Vec::new());
    for number in 0..ALL {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(request(number).as_bytes()).unwrap();
        if number.is_multiple_of(ONE_OF) { &mut stay } else { &mut gone }.push(stream);
    }
    until(|| (waiting(&stand) == ALL as u64).then_some(()));
    let crowded = serving.ask("POST", "/crowded");
    assert_eq!(crowded.0, 503, "there are no more places: {}", crowded.1);
    assert_eq!(serving.ask("GET", "/healthz").0, 200);
    drop(gone);
    let left = clock::monotonic();
    until(|| (waiting(&stand) == stay.len() as u64).then_some(()));
    let took = clock::monotonic() - left;
    assert!(took < Duration::from_secs(1), "their places were free after {took:?}");
    stand.run(&["open", "--yes"]).exits(0);
    for stream in stay.drain(..) {
        stream.set_read_timeout(Some(LONG)).unwrap();
        let (status, whole) = answer(stream);
        assert_eq!(status, 200, "{whole}");
    }
    let stayed = (ALL / ONE_OF) as u64;
    assert_eq!((app.asked("POST /stays/"), app.asked("")), (stayed, stayed), "and nobody else");
}

#[test]
fn a_hold_whose_drain_takes_too_long_is_taken_back_and_said_and_cuts_nobody() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), "drain { deadline = \"300ms\" }"));
    let serving = stand.serve();
    let running = serving.sends("POST", "/gate");
    until(|| (app.asked("POST /gate") == 1).then_some(()));
    let refused = stand.run(&["--json", "hold", "--yes"]).exits(3);
    assert_eq!(refused.error()["code"], "drain-expired", "{refused:#?}");
    let status = stand.status();
    assert_eq!((&status["mode"], &status["desired"]), (&"open".into(), &"open".into()));
    assert_eq!(serving.ask("POST", "/next").0, 200, "visitors are let in again");
    app.opens_the_gate(true);
    assert_eq!((answer(running).0, app.answered("POST /gate")), (200, 1));
}

#[test]
fn a_close_whose_drain_takes_too_long_cuts_with_504_and_without_a_promise() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), "drain { deadline = \"300ms\" }"));
    let serving = stand.serve();
    let running = serving.sends("POST", "/gate");
    until(|| (app.asked("POST /gate") == 1).then_some(()));
    stand.run(&["close", "--for", "10m", "--yes"]).exits(0);
    let (status, whole) = answer(running);
    assert_eq!(status, 504, "{whole}");
    assert!(!whole.to_lowercase().contains("retry-after"), "{whole}");
    let (status, whole) = serving.ask("POST", "/next");
    assert!(status == 503 && whole.to_lowercase().contains("retry-after"), "{whole}");
    assert_eq!((app.asked("POST"), app.answered("POST /gate")), (1, 0));
}
