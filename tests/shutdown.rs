//! What becomes of requests and of the mode when the process ends: told to, killed, or followed by another one.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use roadworks::tasks::Tasks;

use crate::support::app::App;
use crate::support::serving::{Stand, answer, ask, config, until};

#[test]
fn a_gateway_that_is_killed_while_it_drains_comes_back_in_the_new_mode() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), "drain {\n deadline = \"60s\"\n}"));
    let serving = stand.serve();
    let _running = serving.sends("GET", "/gate");
    until(|| (app.asked("GET /gate") == 1).then_some(()));
    stand.run(&["hold", "--timeout", "1s", "--yes"]).exits(5);
    assert_eq!(stand.status()["gateways"][0]["drain"], "draining");
    serving.signal("KILL");
    serving.ended();
    let again = stand.serve();
    let held = again.sends("POST", "/after");
    stand.until(|status| status["gateways"][0]["waiting"] == 1);
    assert_eq!(app.asked("POST /after"), 0, "it is held as before");
    app.opens_the_gate(true);
    stand.until(|status| status["phase"] == "settled");
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(answer(held).0, 200);
}

#[test]
fn k8_k9_a_restart_keeps_the_mode_and_its_words() {
    let app = App::start();
    let stand = Stand::new(
        &config(&app.url(), "")
            .replace("gateway {", "page {\n    message = \"A bigger database.\"\n  }\n  gateway {"),
    );
    let serving = stand.serve();
    stand.run(&["close", "--for", "1h", "--yes"]).exits(0);
    let before = stand.status();
    serving.signal("TERM");
    assert_eq!(serving.ended(), Some(0));
    let again = stand.serve();
    let (status, page) = again.ask("GET", "/");
    assert_eq!(status, 503);
    assert!(page.contains("A bigger database."), "{page}");
    let after = stand.status();
    for field in ["mode", "operation", "until", "since", "by"] {
        assert_eq!(before[field], after[field], "{field}");
    }
}

#[test]
fn whoever_waits_when_it_is_told_to_end_is_answered() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    stand.run(&["hold", "--yes"]).exits(0);
    let held: Vec<_> = (0..20).map(|_| serving.sends("POST", "/held")).collect();
    stand.until(|status| status["gateways"][0]["waiting"] == 20);
    serving.signal("TERM");
    for one in held {
        let (status, whole) = answer(one);
        assert_eq!(status, 503, "{whole}");
    }
    assert_eq!(serving.ended(), Some(0));
    assert_eq!(app.asked("POST /held"), 0, "none of them was executed");
}

#[test]
fn what_runs_when_it_is_told_to_end_may_end() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    let running = serving.sends("POST", "/slow/300");
    until(|| (app.asked("POST /slow/300") == 1).then_some(()));
    serving.signal("TERM");
    assert_eq!(answer(running).0, 200);
    assert_eq!(serving.ended(), Some(0));
}

#[test]
fn told_twice_it_ends_at_once() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), "drain {\n deadline = \"60s\"\n}"));
    let serving = stand.serve();
    let _running = serving.sends("GET", "/gate");
    until(|| (app.asked("GET /gate") == 1).then_some(()));
    serving.signal("TERM");
    until(|| serving.log().contains("stopping").then_some(()));
    serving.signal("TERM");
    assert_eq!(serving.ended(), Some(1));
}

/// The listening socket is the test's, as it would be systemd's (`sd_listen_fds(3)`); two processes take turns on it.
#[test]
fn one_process_hands_over_to_the_next_and_nobody_is_refused() {
    let app = App::start();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let settings = config(&app.url(), "")
        .replace("listen    = [\"127.0.0.1:0\"]", &format!("listen    = [\"{address}\"]"));
    let stand = Stand::new(&settings);
    let started =
        || stand.serve_by(&mut stand.command_with(&["serve"], socket.try_clone().unwrap()));
    let first = started();
    assert_eq!(first.ask("GET", "/").0, 200);
    let (stop, asked, lost) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicU64::new(0)),
    );
    let visitors = Tasks::new();
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let (stop, asked, lost) = (Arc::clone(&stop), Arc::clone(&asked), Arc::clone(&lost));
            let visit = move || {
                while !stop.load(SeqCst) {
                    let visit = std::panic::catch_unwind(|| {
                        ask(address, "POST", &format!("/visitor/{number}")).0
                    });
                    asked.fetch_add(1, SeqCst);
                    if !matches!(visit, Ok(200)) {
                        lost.fetch_add(1, SeqCst);
                    }
                }
            };
            visitors.start_thread("visitor", visit).unwrap()
        })
        .collect();
    let enough = |more: u64| {
        let wanted = asked.load(SeqCst) + more;
        until(|| (asked.load(SeqCst) >= wanted).then_some(()));
    };
    enough(200);
    first.signal("TERM");
    assert_eq!(first.ended(), Some(0));
    // Between the two nobody listens but the socket itself.
    let _second = started();
    enough(400);
    stop.store(true, SeqCst);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(lost.load(SeqCst), 0, "of {}", asked.load(SeqCst));
    assert_eq!(app.asked("POST /visitor/"), asked.load(SeqCst), "each was executed once");
}
