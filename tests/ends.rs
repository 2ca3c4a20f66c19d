//! Ends: a promise that an agent keeps, or the command itself, and never a site that opens because time passed.

use serde_json::Value;

use crate::support::app::App;
use crate::support::command::run;
use crate::support::listener::Listener;
use crate::support::serving::{Serving, Stand, answer, config, until};

/// A site that is served, with its app.
fn served() -> (App, Stand, Serving) {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    (app, stand, serving)
}

fn events(stand: &Stand) -> Vec<String> {
    let log = stand.run(&["--json", "log"]).exits(0).json();
    let entries = log["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_end_that_nobody_could_keep_is_refused() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let mut gateway = stand.command(&["serve", "--role", "gateway"]);
    let serving = stand.serve_by(&mut gateway);
    for words in [
        ["hold", "--for", "8s"],
        ["close", "--until", "2099-01-01T00:00:00Z"],
        ["close", "--wait", "none"],
    ] {
        let refused = stand.run(&[&["--json"], &words[..], &["--yes"]].concat()).exits(3);
        let error = refused.error();
        assert_eq!(error["code"], "no-agent", "{words:?}: {error:#}");
        assert!(error["hint"].as_str().unwrap().contains("roadworks serve"), "{error:#}");
    }
    stand.run(&["plan", "close", "-out", "tonight.plan"]).exits(0);
    for words in [["--for", "8s"], ["--wait", "none"]] {
        let refused = stand.run(&[&["--json", "apply", "tonight.plan"], &words[..]].concat());
        assert_eq!(refused.exits(3).error()["code"], "no-agent", "{words:?}");
    }
    assert_eq!(
        (serving.ask("GET", "/").0, stand.status()["desired"].clone()),
        (200, "open".into())
    );
    // The command itself may keep it.
    stand.run(&["hold", "--for", "1s", "--stay", "--yes"]).exits(0);
    assert_eq!(stand.status()["mode"], "open");
}

#[test]
fn a_verb_that_the_system_ends_says_how_things_stand() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    for (signal, code, word) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
        let waiting = Serving::start(&mut stand.command(&["wait", "--for-mode", "hold"]));
        until(|| waiting.log().contains("somebody to ask for hold").then_some(()));
        waiting.signal(signal);
        until(|| (!waiting.is_running()).then_some(()));
        assert_eq!(waiting.ended(), Some(code));
        assert!(waiting.log().contains(&format!("{word}: the switch stays")), "{}", waiting.log());
    }
    let none = stand.run(&["--json", "log", "--limit", "0"]).exits(1).error();
    assert!(none["message"].to_string().contains("a number from 1 on"), "{none:#}");
    let over = stand.run(&["--json", "hold", "--for", "0s", "--yes"]).exits(1).error();
    assert!(over["message"].to_string().contains("1s or more"), "{over:#}");
}

#[test]
fn an_end_by_the_clock_is_one_of_the_zone_that_tz_names() {
    let (_app, stand, _serving) = served();
    let until = |zone: &str, text: &str| {
        let mut command = stand.command(&["--json", "close", "--until", text, "--yes"]);
        run(command.env("TZ", zone))
    };
    for (text, utc) in [("02:30", "T21:00:00Z"), ("2099-12-24 02:30", "2099-12-23T21:00:00Z")] {
        let closed = until("Asia/Kolkata", text).exits(0).json();
        assert!(closed["until"].as_str().unwrap().ends_with(utc), "{text}: {closed:#}");
    }
    let refused = until("Mars/Olympus", "02:30").exits(1).error();
    assert!(refused["message"].as_str().unwrap().contains("`Mars/Olympus`"), "{refused:#}");
    until("Mars/Olympus", "2099-12-24T02:30:00Z").exits(0);
}

#[test]
fn an_end_that_its_command_keeps_can_be_moved() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let mut gateway = stand.command(&["serve", "--role", "gateway"]);
    let _serving = stand.serve_by(&mut gateway);
    std::thread::scope(|scope| {
        let hold = scope.spawn(|| stand.run(&["hold", "--for", "30m", "--stay", "--yes"]));
        stand.until(|status| status["mode"] == "hold");
        let soon = roadworks::clock::now() + std::time::Duration::from_secs(2);
        stand.run(&["extend", "--until", &soon.to_string()]).exits(0);
        hold.join().unwrap().exits(0);
    });
    assert_eq!(stand.status()["mode"], "open");
    stand.run(&["hold", "--yes"]).exits(0);
    let none = stand.run(&["--json", "extend", "5m"]).exits(3);
    assert_eq!(none.error()["code"], "no-agent", "there is no end that anybody keeps");
}

#[test]
fn an_end_that_is_over_is_no_end() {
    let (_app, stand, _serving) = served();
    let over = stand.run(&["--json", "close", "--until", "2020-01-01T00:00:00Z", "--yes"]).exits(1);
    assert!(over.error()["message"].as_str().unwrap().contains("is over"), "{over:#?}");
    let open = stand.run(&["--json", "open", "--for", "5m", "--yes"]).exits(1);
    assert_eq!(open.error()["message"], "open has no end");
    assert_eq!(stand.status()["desired"], "open");
}

#[test]
fn at_its_end_a_healthy_site_opens() {
    let (_app, stand, serving) = served();
    let closed = stand.run(&["--json", "close", "--for", "3s", "--yes"]).exits(0).json();
    assert_eq!(
        (&closed["mode"], &closed["overdue"]),
        (&"closed".into(), &false.into()),
        "{closed:#}"
    );
    assert!(closed["until"].is_string(), "{closed:#}");
    let open = stand.until(|status| status["desired"] == "open");
    assert_eq!(open["until"], Value::Null);
    assert_eq!(until(|| Some(serving.ask("GET", "/").0).filter(|status| *status == 200)), 200);
    // Visitors are let in first, then it is written down.
    let opened = until(|| {
        let entries = stand.run(&["--json", "log"]).exits(0).json();
        let last = entries["entries"].as_array().unwrap().last().unwrap().clone();
        (last["event"] == "moved").then_some(last)
    });
    assert_eq!(opened["to"], "open", "{opened:#}");
    assert!(opened["by"].as_str().unwrap().ends_with("(end)"), "{opened:#}");
}

#[test]
fn at_its_end_a_site_whose_app_is_not_well_stays_and_says_so() {
    let (app, stand, serving) = served();
    app.is_well(false);
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == false);
    stand.run(&["close", "--for", "1s", "--yes"]).exits(0);
    until(|| events(&stand).contains(&"overdue".to_owned()).then_some(()));
    let status = stand.status();
    assert_eq!(
        (&status["desired"], &status["overdue"]),
        (&"closed".into(), &true.into()),
        "{status:#}"
    );
    let (code, page) = serving.ask("GET", "/");
    assert_eq!(code, 503);
    let retry =
        page.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap().to_owned();
    assert!((30..=37).contains(&retry.trim().parse::<u32>().unwrap()), "{retry}");
    let words = stand.run(&["status"]).exits(0).stdout;
    assert!(words.contains("overdue"), "{words}");
    // It was told once, and one that is well again is opened by somebody, not by itself.
    assert_eq!(events(&stand).iter().filter(|event| *event == "overdue").count(), 1);
    app.is_well(true);
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    assert_eq!(stand.status()["desired"], "closed");
    stand.run(&["open", "--yes"]).exits(0);
}

#[test]
fn a_site_that_is_overdue_says_so_to_visitors_and_to_whoever_is_told() {
    let (app, listener) = (App::start(), Listener::start());
    let notify = format!(
        "}}\n  notify \"webhook\" {{\n    url = \"{}/\"\n    events = [\"window.overdue\"]\n  }}\n  settle {{",
        listener.url()
    );
    let stand = Stand::new(&config(&app.url(), &notify));
    let serving = stand.serve();
    stand.run(&["close", "--for", "2s", "--on-end", "stay", "--yes"]).exits(0);
    let (_, page) = serving.ask("GET", "/");
    assert!(page.contains("data-end>") && page.contains("data-late hidden>"), "{page}");
    stand.until(|status| status["overdue"] == true);
    // The page is made anew once its end has come.
    let late = "data-late>This is taking longer than planned.";
    let page = until(|| Some(serving.ask("GET", "/").1).filter(|page| page.contains(late)));
    assert!(page.contains("data-end hidden>"), "{page}");
    let retry = page.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
    assert!((30..=37).contains(&retry.trim().parse::<u32>().unwrap()), "{retry}");
    until(|| (listener.heard().len() == 1).then_some(()));
    let told = listener.heard()[0].json();
    let text = told["data"]["text"].as_str().unwrap();
    assert!(text.starts_with("shop was to be open by now and is still in closed: "), "{told:#}");
}

#[test]
fn at_its_end_a_site_that_is_to_stay_stays() {
    let (_app, stand, serving) = served();
    let closed =
        stand.run(&["--json", "close", "--for", "1s", "--on-end", "stay", "--yes"]).exits(0);
    assert_eq!(closed.json()["on_end"], "stay");
    until(|| events(&stand).contains(&"overdue".to_owned()).then_some(()));
    assert_eq!((stand.status()["overdue"].clone(), serving.ask("GET", "/").0), (true.into(), 503));
}

#[test]
fn a_site_that_is_closed_until_it_is_healthy_opens_once_its_app_is_well_again() {
    let (app, stand, serving) = served();
    let words = stand.run(&["close", "--until-healthy=2", "--for", "30m", "--yes"]).exits(0);
    let said = "By itself it ends once every check passes 2 times in a row, and is overdue at ";
    assert!(words.stderr.contains(said), "{words:#?}");
    assert!(words.stdout.contains(": it opens once every check passes 2 times in a row"));
    let extended = stand.run(&["--json", "extend", "15m"]).exits(0).json();
    assert_eq!(extended["until_healthy"], 2, "more time leaves the rest as it was: {extended:#}");
    // Healthy all along, it does not open in the moment in which it was closed.
    let since = roadworks::clock::monotonic();
    until(|| (roadworks::clock::monotonic().duration_since(since).as_secs() > 4).then_some(()));
    assert_eq!(stand.status()["desired"], "closed");
    app.is_well(false);
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == false);
    // The agent asks once a second, and has asked a few times by then.
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(stand.status()["desired"], "closed");
    app.is_well(true);
    let open = stand.until(|status| status["desired"] == "open");
    assert_eq!(open["until_healthy"], Value::Null);
    assert_eq!(until(|| Some(serving.ask("GET", "/").0).filter(|status| *status == 200)), 200);
    let log = stand.run(&["--json", "log"]).exits(0).json();
    let entries = log["entries"].as_array().unwrap();
    assert!(
        entries[0]["detail"].as_str().unwrap().starts_with("it ends once every check"),
        "{log:#}"
    );
    assert!(
        entries.iter().any(|entry| entry["by"].as_str().unwrap().ends_with("(end)")),
        "{log:#}"
    );
}

#[test]
fn a_site_whose_app_stays_unwell_is_overdue_and_opens_once_it_is_well_all_the_same() {
    let (app, stand, serving) = served();
    app.is_well(false);
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == false);
    stand.run(&["close", "--until-healthy", "--for", "1s", "--yes"]).exits(0);
    until(|| events(&stand).contains(&"overdue".to_owned()).then_some(()));
    let status = stand.status();
    assert_eq!((&status["desired"], &status["overdue"]), (&"closed".into(), &true.into()));
    let words = stand.run(&["status"]).exits(0).stdout;
    assert!(words.contains(": it opens once every check passes 3 times in a row"), "{words}");
    app.is_well(true);
    stand.until(|status| status["desired"] == "open");
    assert_eq!(until(|| Some(serving.ask("GET", "/").0).filter(|status| *status == 200)), 200);
}

#[test]
fn health_that_nobody_could_tell_of_or_wait_for_is_refused() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let mut gateway = stand.command(&["serve", "--role", "gateway"]);
    let serving = stand.serve_by(&mut gateway);
    let nobody = stand.run(&["--json", "close", "--until-healthy", "--yes"]).exits(3).error();
    assert_eq!(nobody["code"], "no-agent", "{nobody:#}");
    let open = stand.run(&["--json", "open", "--until-healthy", "--yes"]).exits(1).error();
    assert_eq!(open["message"], "open has no end");
    for wrong in [&["--until-healthy=0"][..], &["--until-healthy", "--on-end", "stay"]] {
        let words = [&["close", "--yes"], wrong].concat();
        stand.run(&words).exits(1);
    }
    assert_eq!(stand.status()["desired"], "open");
    // The command itself may wait for it.
    app.is_well(false);
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == false);
    let words = ["close", "--until-healthy=1", "--for", "1s", "--stay", "--yes"];
    let stays = Serving::start(&mut stand.command(&words));
    until(|| stays.log().contains("it is not healthy yet").then_some(()));
    assert_eq!(serving.ask("GET", "/").0, 503);
    app.is_well(true);
    assert_eq!(stays.ended(), Some(0), "{}", stays.log());
    assert!(stays.log().contains("Every check passes: open again."), "{}", stays.log());
    assert_eq!(serving.ask("GET", "/").0, 200);
    assert_eq!(events(&stand).iter().filter(|event| *event == "overdue").count(), 1);
}

#[test]
fn l13_an_end_is_given_in_seconds_iso_or_by_the_clock_and_what_is_none_is_refused() {
    let (_app, stand, serving) = served();
    for (flag, text) in [
        ("--for", "90"),
        ("--for", "90s"),
        ("--for", "15m"),
        ("--for", "2h"),
        ("--until", "2099-12-24T03:00:00Z"),
        ("--until", "2099-12-24T03:00:00+02:00"),
        ("--until", "2099-12-24 03:00"),
        ("--until", "03:00"),
    ] {
        let closed = stand.run(&["--json", "close", flag, text, "--yes"]).exits(0).json();
        let until: jiff::Timestamp = closed["until"].as_str().unwrap().parse().unwrap();
        assert!(until > roadworks::clock::now(), "{text}: {closed:#}");
        let (_, page) = serving.ask("GET", "/");
        let retry = page.lines().find_map(|line| line.strip_prefix("retry-after: "));
        let retry = retry.unwrap_or_else(|| panic!("{text}: {page}"));
        assert!((1..=300).contains(&retry.trim().parse::<u32>().unwrap()), "{text}: {retry}");
        stand.run(&["open", "--yes"]).exits(0);
    }
    for (flag, text) in [
        ("--for", "banana"),
        ("--for", "0s"),
        ("--for", "-5m"),
        ("--for", "5 fortnights"),
        ("--for", "99999999999999h"),
        ("--until", "banana"),
        ("--until", "25:00"),
        ("--until", "@1924000000"),
        ("--until", "2099-02-30T03:00:00Z"),
        ("--until", "2020-01-01T00:00:00Z"),
    ] {
        let given = format!("{flag}={text}");
        let refused = stand.run(&["--json", "close", &given, "--yes"]).exits(1).error();
        assert!(refused["message"].is_string(), "{given}: {refused:#}");
    }
    assert_eq!(stand.status()["desired"], "open");
}

#[test]
fn an_operation_is_given_more_time() {
    let (_app, stand, _serving) = served();
    let none = stand.run(&["--json", "extend", "5m"]).exits(1);
    assert!(none.error()["message"].as_str().unwrap().contains("no operation"), "{none:#?}");
    let closed = stand.run(&["--json", "close", "--for", "30m", "--yes"]).exits(0).json();
    let at = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let extended = stand.run(&["--json", "extend", "15m"]).exits(0).json();
    let more = at(&closed["until"]).duration_until(at(&extended["until"]));
    assert_eq!(more.as_secs(), 15 * 60, "{extended:#}");
    assert_eq!(extended["operation"], closed["operation"], "it is the same one");
    assert_eq!((&extended["mode"], &extended["site"]), (&"closed".into(), &closed["site"]));
    stand.run(&["extend", "--until", "2099-01-01T03:00:00Z"]).exits(0);
    let status = stand.status();
    assert_eq!(status["until"], "2099-01-01T03:00:00Z", "{status:#}");
    assert_eq!(status["phase"], "settled", "nobody has to drain again");
    assert_eq!(events(&stand).iter().filter(|event| *event == "extended").count(), 2);
}

#[test]
fn an_operation_that_is_extended_while_it_drains_is_still_that_of_who_asked() {
    let (app, stand, serving) = served();
    app.opens_the_gate(false);
    let running = serving.sends("POST", "/gate");
    until(|| (app.asked("POST /gate") == 1).then_some(()));
    std::thread::scope(|scope| {
        let close = scope.spawn(|| stand.run(&["close", "--for", "30m", "--yes"]));
        stand.until(|status| status["phase"] == "moving");
        stand.run(&["extend", "15m"]).exits(0);
        app.opens_the_gate(true);
        close.join().unwrap().exits(0);
    });
    assert_eq!(answer(running).0, 200);
    assert!(!events(&stand).contains(&"superseded".to_owned()), "{:?}", events(&stand));
}

#[test]
fn a_longer_patience_helps_those_who_wait_already() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), "hold {\n patience = \"2s\"\n}"));
    let serving = stand.serve();
    stand.run(&["hold", "--yes"]).exits(0);
    let held = serving.sends("GET", "/held");
    stand.until(|status| status["gateways"][0]["waiting"] == 1);
    stand.run(&["extend", "--patience", "60s"]).exits(0);
    // Past the first patience it still waits; with it alone it would have been refused.
    let since = roadworks::clock::monotonic();
    until(|| {
        (roadworks::clock::monotonic().duration_since(since).as_millis() > 2_500).then_some(())
    });
    let status = stand.status();
    assert_eq!(
        (&status["hold_spent"], &status["gateways"][0]["waiting"]),
        (&false.into(), &1.into())
    );
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(answer(held).0, 200);
    let long = stand.run(&["--json", "extend", "--patience", "10m"]).exits(1);
    assert!(long.error()["message"].as_str().is_some(), "{long:#?}");
    stand.run(&["close", "--yes"]).exits(0);
    let nobody = stand.run(&["--json", "extend", "--patience", "60s"]).exits(1).error();
    assert_eq!(nobody["message"], "nobody waits in closed: patience is for hold");
}

#[test]
fn patience_that_is_spent_is_a_503_while_the_switch_stays_in_hold() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), "hold {\n patience = \"1s\"\n}"));
    let serving = stand.serve();
    stand.run(&["hold", "--yes"]).exits(0);
    let held = serving.sends("POST", "/held");
    assert_eq!(answer(held).0, 503);
    let status = stand.until(|status| status["hold_spent"] == true);
    assert_eq!(
        (&status["mode"], &status["desired"]),
        (&"hold".into(), &"hold".into()),
        "{status:#}"
    );
    assert_eq!((app.asked("POST /held"), serving.ask("GET", "/").0), (0, 503));
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(serving.ask("GET", "/").0, 200);
}

#[test]
fn an_agent_that_was_killed_keeps_its_ends_when_it_comes_back() {
    let (_app, stand, serving) = served();
    stand.run(&["close", "--for", "1s", "--yes"]).exits(0);
    serving.signal("KILL");
    serving.ended();
    let since = roadworks::clock::monotonic();
    until(|| {
        (roadworks::clock::monotonic().duration_since(since).as_millis() > 1_200).then_some(())
    });
    let status = stand.status();
    assert_eq!(
        (&status["desired"], &status["overdue"]),
        (&"closed".into(), &true.into()),
        "nobody opened it"
    );
    let again = stand.serve();
    stand.until(|status| status["desired"] == "open" && status["phase"] == "settled");
    assert_eq!(again.ask("GET", "/").0, 200);
}

#[test]
fn a_wait_for_what_does_not_come_ends_with_5_and_the_switch_stays_as_asked() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), "drain {\n deadline = \"60s\"\n}"));
    let serving = stand.serve();
    let running = serving.sends("GET", "/gate");
    until(|| (app.asked("GET /gate") == 1).then_some(()));
    let gave_up = stand.run(&["--json", "close", "--timeout", "1s", "--yes"]).exits(5);
    assert!(gave_up.error()["hint"].is_string(), "{gave_up:#?}");
    let status = stand.status();
    assert_eq!(
        (&status["desired"], &status["phase"]),
        (&"closed".into(), &"moving".into()),
        "{status:#}"
    );
    assert_eq!(stand.run(&["wait", "--timeout", "1s"]).code, Some(5));
    app.opens_the_gate(true);
    assert_eq!(answer(running).0, 200);
    // The agent finishes what the command left behind.
    stand.run(&["wait", "--timeout", "15s"]).exits(0);
    assert_eq!(stand.status()["phase"], "settled");
}

#[test]
fn who_waits_for_nothing_is_answered_when_the_switch_is_written() {
    let (app, stand, serving) = served();
    let running = serving.sends("POST", "/gate");
    until(|| (app.asked("POST /gate") == 1).then_some(()));
    let asked = stand.run(&["--json", "read-only", "--wait", "none", "--yes"]).exits(0).json();
    assert_eq!(
        (&asked["desired"], &asked["phase"]),
        (&"read-only".into(), &"moving".into()),
        "a write is still on its way: {asked:#}"
    );
    app.opens_the_gate(true);
    assert_eq!(answer(running).0, 200);
    stand.until(|status| status["phase"] == "settled" && status["mode"] == "read-only");
    // A process that is stopped while it writes keeps the store's lock.
    until(|| {
        serving.signal("STOP");
        let closed = stand.run(&["close", "--wait", "none", "--yes"]);
        if closed.code != Some(0) {
            serving.signal("CONT");
            assert!(closed.stderr.contains("cannot be locked"), "{closed:#?}");
        }
        (closed.code == Some(0)).then_some(())
    });
    let told = stand.run(&["status"]).exits(0);
    serving.signal("CONT");
    assert!(told.stdout.contains("it is asked for and not done yet"), "{told:#?}");
    stand.until(|status| status["phase"] == "settled" && status["mode"] == "closed");
    // The agent goes on from where it began, not from where the gateways have followed to.
    let log = stand.run(&["--json", "log"]).exits(0).json();
    let ways: Vec<_> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (&entry["from"], &entry["to"]))
        .collect();
    assert!(ways.iter().all(|(from, to)| from != to), "{log:#}");
}

/// The agent opens, and somebody holds again in the same moment.
#[test]
fn who_comes_right_after_an_end_is_not_refused() {
    let (_app, stand, _serving) = served();
    for round in 0..12 {
        stand.run(&["hold", "--for", "1s", "--yes"]).exits(0);
        stand.until(|status| status["desired"] == "open");
        // At another moment of the agent's work each time.
        std::thread::sleep(std::time::Duration::from_millis(round * 3));
        stand.run(&["close", "--yes"]).exits(0);
        stand.run(&["open", "--yes"]).exits(0);
    }
}

/// Whoever keeps an end opens, and waits for a gateway that is slow, and somebody closes in between.
#[test]
fn who_comes_while_a_site_opens_at_its_end_waits_for_that() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve_by(&mut stand.command(&["serve", "--role", "gateway"]));
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    std::thread::scope(|scope| {
        let hold = scope.spawn(|| stand.run(&["hold", "--for", "30m", "--stay", "--yes"]));
        stand.until(|status| status["mode"] == "hold" && status["phase"] != "moving");
        let soon = roadworks::clock::now() + std::time::Duration::from_secs(4);
        stand.run(&["extend", "--until", &soon.to_string()]).exits(0);
        // As late as it can: a gateway that is stopped for three seconds counts as silent.
        let just_before = soon - std::time::Duration::from_millis(300);
        until(|| (roadworks::clock::now() >= just_before).then_some(()));
        serving.signal("STOP");
        stand.until(|status| status["desired"] == "open");
        let close = scope.spawn(|| stand.run(&["close", "--yes"]));
        // Long enough to be refused, and shorter than anybody is waited for.
        std::thread::sleep(std::time::Duration::from_millis(300));
        serving.signal("CONT");
        hold.join().unwrap().exits(0);
        close.join().unwrap().exits(0);
    });
    assert_eq!(stand.status()["mode"], "closed");
}
