//! A site that opens gently at the built gateway: visitors come back one after the other, few while the app fails, and testers
//! whatever happens.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use roadworks::clock;
use serde_json::Value;

use crate::support::app::App;
use crate::support::serving::{HOST, LONG, Serving, Stand, answer, config, until};

const TESTER: &str = "203.0.113.9";
/// Visitors, each with an address of its own.
const ALL: u16 = 100;

fn site(app: &App, open: &str) -> Stand {
    let more = format!(
        r#"
    trusted_proxies = ["127.0.0.1"]
    bypass {{
      key  = file("key")
      from = ["203.0.113.0/24"]
    }}
    {open}
"#
    );
    let stand = Stand::new(&config(&app.url(), &more));
    stand.write("key", "a key of thirty-two bytes, or so");
    stand
}

/// The status, and the whole answer to a request of this client.
fn comes(serving: &Serving, client: &str, path: &str, lines: &str) -> (u16, String) {
    let mut stream = std::net::TcpStream::connect(serving.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nX-Forwarded-For: {client}\r\n{lines}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    answer(stream)
}

fn client(number: u16) -> String {
    let [high, low] = number.to_be_bytes();
    format!("192.0.{high}.{low}")
}

/// Which of all visitors are let in now, whatever they are answered; the others are refused as in closed.
fn let_in(serving: &Serving) -> BTreeSet<u16> {
    let passes = |number: &u16| {
        let (status, whole) = comes(serving, &client(*number), "/", "");
        let mode = whole.to_lowercase().contains("roadworks-mode: closed");
        assert_eq!(status == 503, mode, "{whole}");
        status != 503
    };
    (0..ALL).filter(passes).collect()
}

fn ramp(stand: &Stand) -> Value {
    stand.told()["ramp"].clone()
}

fn tester_passes(serving: &Serving) {
    assert_ne!(comes(serving, TESTER, "/tested", "").0, 503, "a tester passes");
}

#[test]
fn visitors_come_back_one_after_the_other_and_all_are_in_at_the_end() {
    let app = App::start();
    let stand = site(&app, "open { ramp = \"4s\" }");
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    let linked = stand.run(&["--json", "bypass"]).exits(0).json();
    let header = format!("{}\r\n", linked["header"].as_str().unwrap());
    assert!(let_in(&serving).is_empty());
    let plan = stand.run(&["plan", "open"]).exits(0);
    assert!(plan.stdout.contains("visitors from 5 % to all in 4s"), "{plan:#?}");
    let opened = stand.run(&["open", "--yes"]).exits(0);
    let began = clock::monotonic();
    assert!(opened.stdout.contains("opening gently: "), "{opened:#?}");
    let (status, whole) = comes(&serving, "192.0.2.1", "/kept", &header);
    assert_eq!(status, 200, "a tester of before still passes: {whole}");
    let mut before = let_in(&serving);
    assert!(before.len() < usize::from(ALL) / 2, "{} of {ALL} at first", before.len());
    let out = (0..ALL).rev().find(|number| !before.contains(number)).unwrap();
    let (status, whole) = comes(&serving, &client(out), "/", "Accept: application/json\r\n");
    let retries = whole.to_lowercase().contains("retry-after: ");
    if status == 503 {
        assert!(retries && whole.contains("\"mode\":\"closed\""), "{whole}");
    }
    let mode_of = |number| {
        let (_, whole) = comes(&serving, &client(number), "/.well-known/roadworks", "");
        let (_, body) = whole.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()["mode"].clone()
    };
    let (inside, outside) = (*before.first().unwrap_or(&0), out);
    assert!(before.is_empty() || mode_of(inside) == "open", "the page may reload");
    assert!(mode_of(outside) == "closed" || let_in(&serving).contains(&outside));
    let mut steps = 0;
    while ramp(&stand) != Value::Null {
        tester_passes(&serving);
        let now = let_in(&serving);
        assert!(before.is_subset(&now), "who was in stays in");
        steps += usize::from(now.len() > before.len());
        before = now;
    }
    assert!(steps >= 3, "they come one after the other, in {steps} steps");
    assert_eq!(let_in(&serving).len(), usize::from(ALL));
    assert!(clock::monotonic() - began >= Duration::from_secs(3));
    assert_eq!(stand.status()["gateways"][0]["ramp"], Value::Null);
}

#[test]
fn where_the_app_fails_visitors_are_kept_out_again_and_it_is_said_and_tried_anew() {
    let app = App::start();
    let stand = site(&app, "open {\n ramp = \"8s\"\n first = \"40%\"\n }");
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    app.fails(true);
    stand.run(&["open", "--yes"]).exits(0);
    until(|| {
        let_in(&serving);
        (ramp(&stand)["fell_back"] != Value::Null).then_some(())
    });
    assert_eq!(ramp(&stand)["share"], 0.0);
    assert!(let_in(&serving).is_empty());
    tester_passes(&serving);
    app.is_well(false);
    until(|| (stand.told()["upstreams"][0]["healthy"] == false).then_some(()));
    assert_eq!(comes(&serving, "192.0.2.1", "/healthz", "").0, 200, "a balancer goes on sending");
    app.is_well(true);
    until(|| (stand.told()["upstreams"][0]["healthy"] == true).then_some(()));
    let linked = stand.run(&["--json", "bypass"]).exits(0).json();
    let header = format!("{}\r\n", linked["header"].as_str().unwrap());
    let (status, whole) = comes(&serving, "192.0.2.1", "/linked", &header);
    assert_eq!((status, app.asked("GET /linked")), (500, 1), "a new link passes too: {whole}");
    assert!(serving.log().contains("fell back to closed"), "{}", serving.log());
    assert_eq!(serving.metric("roadworks_ramp_share{site=\"shop\"}").as_deref(), Some("0.0"));
    let falls = serving.metric("roadworks_ramp_fallbacks_total{site=\"shop\"}");
    assert_eq!(falls.as_deref(), Some("1"));
    let status = stand.run(&["status"]).exits(0);
    assert!(status.stdout.contains("fell back to closed"), "{status:#?}");
    assert_eq!(stand.status()["mode"], "open", "the switch has not moved");
    app.fails(false);
    until(|| (ramp(&stand) == Value::Null && !let_in(&serving).is_empty()).then_some(()));
    assert_eq!(let_in(&serving).len(), usize::from(ALL));
}

#[test]
fn where_some_answers_fail_the_share_stands_and_goes_on_when_they_do_not() {
    let app = App::start();
    let stand = site(&app, "open {\n ramp = \"3s\"\n first = \"50%\"\n limit = \"100%\"\n }");
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    stand.run(&["open", "--yes"]).exits(0);
    let some_fail = || {
        app.fails(true);
        (0..ALL / 4).for_each(|number| drop(comes(&serving, &client(number), "/", "")));
        app.fails(false);
        (ALL / 4..ALL).for_each(|number| drop(comes(&serving, &client(number), "/", "")));
    };
    until(|| {
        some_fail();
        (ramp(&stand)["stopped"] == "errors").then_some(())
    });
    let stood = ramp(&stand)["share"].as_f64().unwrap();
    for _ in 0..20 {
        some_fail();
    }
    let now = ramp(&stand);
    assert_eq!((now["share"].as_f64(), now["stopped"].as_str()), (Some(stood), Some("errors")));
    until(|| {
        let_in(&serving);
        (ramp(&stand) == Value::Null).then_some(())
    });
}

#[test]
fn a_gateway_that_was_killed_goes_on_where_the_time_is_and_a_reload_without_a_ramp_lets_all_in() {
    let app = App::start();
    let stand = site(&app, "open { ramp = \"1h\" }");
    let mut serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    stand.run(&["open", "--yes"]).exits(0);
    let before = let_in(&serving);
    serving.signal("KILL");
    serving.ended();
    serving = stand.serve();
    let share = ramp(&stand)["share"].as_f64().unwrap();
    assert!((0.05..0.08).contains(&share), "{share}");
    assert_eq!(let_in(&serving), before);
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(let_in(&serving), before, "asking again changes nothing");
    let text = config(&app.url(), "trusted_proxies = [\"127.0.0.1\"]");
    stand.write("roadworks.hcl", &text);
    stand.run(&["reload"]).exits(0);
    assert_eq!((let_in(&serving).len(), ramp(&stand)), (usize::from(ALL), Value::Null));
}

#[test]
fn without_a_ramp_and_after_a_hold_everybody_comes_at_once() {
    let app = App::start();
    for (open, mode) in [("", "close"), ("open { ramp = \"1h\" }", "hold")] {
        let stand = site(&app, open);
        let serving = stand.serve();
        stand.run(&[mode, "--yes"]).exits(0);
        stand.run(&["open", "--yes"]).exits(0);
        assert_eq!(let_in(&serving).len(), usize::from(ALL), "{open} {mode}");
        assert_eq!(ramp(&stand), Value::Null);
    }
}
