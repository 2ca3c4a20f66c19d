//! The ladder of modes from outside: `roadworks serve` in front of an app, the verbs, and what visitors get.

use std::process::Stdio;

use crate::support::app::App;
use crate::support::command::Ran;
use crate::support::serving::{Stand, answer, config, until};

#[test]
fn each_verb_changes_what_visitors_get_and_says_how_it_stands() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    for (verb, mode, get, post) in [
        ("read-only", "read-only", 200, 503),
        ("close", "closed", 503, 503),
        ("open", "open", 200, 200),
    ] {
        let done = stand.run(&["--json", verb, "--yes"]).exits(0).json();
        assert_eq!((&done["mode"], &done["desired"]), (&mode.into(), &mode.into()), "{done:#}");
        assert_eq!(done["gateways"][0]["mode"], mode, "{done:#}");
        assert_eq!(serving.ask("GET", "/a").0, get, "{mode}");
        assert_eq!(serving.ask("POST", "/a").0, post, "{mode}");
        assert_eq!(serving.ask("GET", "/healthz").0, 200, "{mode}");
    }
}

#[test]
fn a_site_opens_right_after_a_start_once_its_app_has_been_asked() {
    let app = App::start();
    let slowly = config(&app.url(), "").replace("/up", "/slow/700");
    let stand = Stand::new(&slowly);
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    serving.signal("KILL");
    serving.ended();
    let again = stand.serve();
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(again.ask("GET", "/a").0, 200);
}

#[test]
fn a_held_request_waits_and_is_answered_when_the_site_opens() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    let words = stand.run(&["hold", "--yes"]).exits(0);
    assert!(words.stderr.contains("Moved in 0."), "it says how long it took: {words:#?}");
    let held = serving.sends("POST", "/a");
    stand.until(|status| status["gateways"][0]["waiting"] == 1);
    assert_eq!(app.asked("POST /a"), 0);
    stand.run(&["open", "--yes"]).exits(0);
    let (status, whole) = answer(held);
    assert_eq!(status, 200, "{whole}");
    assert!(whole.ends_with("POST /a 2"), "{whole}");
    assert_eq!(app.asked("POST /a"), 1);
}

#[test]
fn holding_comes_back_when_what_ran_before_has_ended() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    let running = serving.sends("POST", "/gate");
    until(|| (app.asked("POST /gate") == 1).then_some(()));
    let holding =
        stand.command(&["--json", "hold", "--yes"]).stdout(Stdio::piped()).spawn().unwrap();
    let status = stand.until(|status| status["gateways"][0]["mode"] == "hold");
    assert_eq!(
        (&status["phase"], &status["gateways"][0]["in_flight"]),
        (&"moving".into(), &1.into())
    );
    app.opens_the_gate(true);
    let held = Ran::from(holding.wait_with_output().unwrap()).exits(0).json();
    assert_eq!((&held["phase"], &held["gateways"][0]["in_flight"]), (&"settled".into(), &0.into()));
    assert_eq!((answer(running).0, app.answered("POST /gate")), (200, 1));
}

#[test]
fn a_site_whose_app_is_not_well_is_not_opened() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    app.is_well(false);
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == false);
    let refused = stand.run(&["--json", "open", "--yes"]).exits(3);
    assert_eq!(refused.error()["code"], "upstreams", "{refused:#?}");
    assert_eq!(serving.ask("GET", "/").0, 503);
    app.is_well(true);
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(serving.ask("GET", "/").0, 200);
}
