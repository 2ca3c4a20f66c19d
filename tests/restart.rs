//! What a gateway is after it was killed, and while nobody can read the store: what it was before.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::app::App;
use crate::support::serving::{Stand, answer, config, until};

#[test]
fn n3_a_gateway_that_is_killed_while_it_drains_holds_when_it_is_back() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    let _running = serving.sends("POST", "/gate");
    until(|| (app.asked("POST /gate") == 1).then_some(()));
    let mut holding = stand.command(&["hold", "--yes"]);
    let mut holding = holding.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    stand.until(|status| status["gateways"][0]["mode"] == "hold");
    serving.signal("KILL");
    serving.ended();
    let serving = stand.serve();
    let held = serving.sends("POST", "/held");
    stand.until(|status| {
        let gateway = &status["gateways"][0];
        gateway["mode"] == "hold" && gateway["waiting"] == 1
    });
    assert_eq!(app.asked("POST /held"), 0);
    // Nothing of before runs at this gateway: whoever asked is told so.
    assert!(holding.wait().unwrap().success());
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!((answer(held).0, app.asked("POST /held")), (200, 1));
}

fn is_in_trouble(stand: &Stand) -> bool {
    !stand.told()["trouble"].as_array().expect("a list of troubles").is_empty()
}

#[test]
fn n4_where_the_switch_is_corrupt_or_gone_visitors_get_what_they_got_after_a_restart_too() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    let switch = stand.folder().join(".roadworks/shop/switch.json");
    let whole = fs::read_to_string(&switch).unwrap();
    for broken in [Some("{\"format\": 1, \"mode\": \"op"), None] {
        match broken {
            Some(text) => fs::write(&switch, text).unwrap(),
            None => fs::remove_file(&switch).unwrap(),
        }
        until(|| is_in_trouble(&stand).then_some(()));
        assert_eq!(serving.ask("GET", "/").0, 503, "{broken:?}");
        assert_eq!(serving.ask("GET", "/healthz").0, 200, "{broken:?}");
        fs::write(&switch, &whole).unwrap();
        until(|| (!is_in_trouble(&stand)).then_some(()));
    }
    fs::write(&switch, "nothing").unwrap();
    serving.signal("KILL");
    serving.ended();
    let serving = stand.serve();
    let (status, answer) = serving.ask("GET", "/");
    let closed = answer.to_lowercase().contains("roadworks-mode: closed");
    assert!(status == 503 && closed, "as it was kept on disk: {answer}");
    assert_eq!(serving.ask("GET", "/healthz").0, 200, "it knows its mode");
    assert_eq!(app.asked("GET"), 0);
    fs::write(&switch, whole).unwrap();
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(serving.ask("GET", "/").0, 200);
}

/// Its disk is full, or nobody reads any more: what it has to say is lost, and nothing else.
#[test]
fn a_gateway_outlives_its_log() {
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for reader_is_gone in [false, true] {
        let app = App::start();
        let stand = Stand::new(&config(&app.url(), ""));
        let mut command = stand.command(&["serve"]);
        let log = if reader_is_gone { Stdio::piped() } else { full().into() };
        let mut serving = command.stderr(log).spawn().unwrap();
        drop(serving.stderr.take());
        until(|| stand.status()["gateways"][0]["phase"].as_str().map(|_| ()));
        for (verb, mode) in [("read-only", "read-only"), ("close", "closed"), ("open", "open")] {
            stand.run(&[verb, "--yes", "--timeout", "10s"]).exits(0);
            assert_eq!(stand.status()["gateways"][0]["mode"], mode);
        }
        assert!(serving.try_wait().unwrap().is_none(), "it still runs");
        let id = serving.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        serving.wait().unwrap();
    }
}
