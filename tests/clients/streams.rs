//! What stays open: `WebSocket`s, event streams, gRPC.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::hcl;
use super::program::{python, script};
use crate::support::serving::{Serving, Stand};

/// A program of tests/clients that runs beside the test, and ends with the test's handle of it.
struct Beside {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Beside {
    fn start(command: &mut Command) -> Beside {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Beside { child, out }
    }

    /// The next line that it tells.
    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "it ended: {}", self.wrong());
        line.trim().to_owned()
    }

    fn wrong(&mut self) -> String {
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Tells it to go on, and waits for its end, which has to be a good one.
    #[track_caller]
    fn goes_on(mut self) {
        drop(self.child.stdin.take().map(|mut stdin| stdin.write_all(b"\n")));
        let wrong = self.wrong();
        assert!(self.child.wait().unwrap().success(), "{wrong}");
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // `timeout` hands it on; whoever has ended needs none.
        let id = self.child.id().to_string();
        if self.child.try_wait().unwrap().is_none() {
            Command::new("kill").args(["-TERM", &id]).status().unwrap();
            self.child.wait().unwrap();
        }
    }
}

/// An app of app.py, a gateway before it, and somebody who visits.
struct Visits {
    python: std::path::PathBuf,
    stand: Stand,
    serving: Serving,
    _app: Beside,
}

impl Visits {
    fn start(test: &str, kind: &str, more: &str) -> Option<Visits> {
        let python = python(test)?;
        let mut app = Beside::start(script(&python, "app.py").arg(kind));
        let port = app.line();
        let site = if kind == "grpc" {
            // It answers nothing but gRPC: that it listens is enough.
            hcl(&format!("h2c://127.0.0.1:{port}"), more).replace("upstream_path = \"/up\"", "")
        } else {
            hcl(&format!("http://127.0.0.1:{port}"), more)
        };
        let stand = Stand::new(&site);
        let serving = stand.serve();
        Some(Visits { python, stand, serving, _app: app })
    }

    fn visit(&self, scenario: &str) -> Beside {
        let address = self.serving.address().to_string();
        Beside::start(script(&self.python, "visit.py").args([scenario, &address]))
    }

    fn set(&self, words: &[&str]) {
        self.stand.run(words).exits(0);
    }
}

#[test]
fn a_websocket_of_aiohttp_echoes_and_gets_503_where_it_may_not_enter() {
    let test = "a_websocket_of_aiohttp_echoes_and_gets_503_where_it_may_not_enter";
    let Some(visits) = Visits::start(test, "web", "") else { return };
    let mut socket = visits.visit("websocket");
    assert_eq!(socket.line(), "ready");
    socket.goes_on();
    for mode in ["read-only", "close"] {
        visits.set(&[mode, "--yes"]);
        visits.visit("websocket-refused").goes_on();
    }
}

#[test]
fn a_websocket_is_closed_with_1012_where_the_site_wants_it() {
    let test = "a_websocket_is_closed_with_1012_where_the_site_wants_it";
    let close = "drain {\n upgrades = \"close\"\n}";
    let Some(visits) = Visits::start(test, "web", close) else { return };
    let mut socket = visits.visit("websocket-closes");
    assert_eq!(socket.line(), "ready");
    visits.set(&["close", "--yes"]);
    socket.goes_on();
}

#[test]
fn a_websocket_is_left_alone_where_the_site_says_nothing_of_it() {
    let test = "a_websocket_is_left_alone_where_the_site_says_nothing_of_it";
    let Some(visits) = Visits::start(test, "web", "") else { return };
    let mut socket = visits.visit("websocket");
    assert_eq!(socket.line(), "ready");
    visits.set(&["close", "--yes"]);
    socket.goes_on();
}

#[test]
fn the_first_of_the_events_is_there_before_the_answer_ends() {
    let test = "the_first_of_the_events_is_there_before_the_answer_ends";
    let Some(visits) = Visits::start(test, "web", "") else { return };
    visits.visit("events").goes_on();
}

#[test]
fn a_client_of_grpc_works_waits_and_sees_unavailable_with_when_to_come_back() {
    let test = "a_client_of_grpc_works_waits_and_sees_unavailable_with_when_to_come_back";
    let Some(visits) = Visits::start(test, "grpc", "") else { return };
    visits.visit("grpc").goes_on();
    visits.set(&["hold", "--yes"]);
    let held = visits.visit("grpc");
    visits.stand.until(|status| status["gateways"][0]["waiting"] == 1);
    visits.set(&["open", "--yes"]);
    held.goes_on();
    visits.set(&["close", "--for", "30m", "--yes"]);
    visits.visit("grpc-refused").goes_on();
}
