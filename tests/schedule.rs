//! Windows: planned ahead, begun and ended by an agent, and explained.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::serving::{Serving, Stand, config, until};

fn stand() -> (App, Stand) {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    (app, stand)
}

fn served() -> (App, Stand, Serving) {
    let (app, stand) = stand();
    let serving = stand.serve();
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    (app, stand, serving)
}

fn add(stand: &Stand, words: &[&str]) -> Value {
    let all = [&["--json", "schedule", "add"], words].concat();
    stand.run(&all).exits(0).json()["window"].clone()
}

/// So many seconds from now.
fn after(seconds: i64) -> String {
    (roadworks::clock::now() + SignedDuration::from_secs(seconds)).to_string()
}

fn explained(stand: &Stand, id: &str) -> (bool, String) {
    let told = stand.run(&["--json", "schedule", "explain", id]).exits(0).json();
    let window = &told["windows"][0];
    (window["active"].as_bool().unwrap(), window["why"].as_str().unwrap().to_owned())
}

#[test]
fn d2_before_a_window_nothing_is_so_inside_its_mode_and_after_it_open_again_and_what_it_did_is_not_done_again()
 {
    let (_app, stand, serving) = served();
    let window = add(&stand, &[&after(2), "--for", "6s", "--mode", "close", "--reason", "disks"]);
    let id = window["id"].as_str().unwrap().to_owned();
    let status = stand.status();
    assert_eq!((&status["mode"], &status["windows"][0]["id"]), (&json!("open"), &json!(id)));
    assert_eq!(status["windows"][0]["reason"], "disks");
    let active = stand.until(|status| status["mode"] == "closed");
    assert_eq!((&active["reason"], &active["until"]), (&json!("disks"), &window["next"]["end"]));
    assert!(active["by"].as_str().unwrap().contains(&format!("(window {id})")), "{active:#}");
    let (is, why) = explained(&stand, &id);
    assert!(is && why.starts_with("active since"), "{why}");
    stand.until(|status| status["mode"] == "open");
    assert_eq!(serving.ask("GET", "/").0, 200);
    until(|| explained(&stand, &id).1.starts_with("over: it was begun").then_some(()));
}

#[test]
fn d2_who_opens_a_window_by_hand_has_it_open_though_its_time_is_not_over() {
    let (_app, stand, _serving) = served();
    let window = add(&stand, &[&after(1), "--for", "1h", "--mode", "hold"]);
    let id = window["id"].as_str().unwrap();
    stand.until(|status| status["mode"] == "hold" && status["phase"] == "settled");
    stand.run(&["open", "--yes"]).exits(0);
    // An agent that would begin it again has looked by then.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(stand.status()["mode"], "open");
    let (is, why) = explained(&stand, id);
    assert!(!is && why.contains("not active any more: ana@"), "{why}");
}

#[test]
fn who_opens_a_window_whose_agent_died_while_it_drained_has_it_open_too() {
    let (app, stand) = stand();
    let serving = stand.serve_by(&mut stand.command(&["serve", "--role", "gateway"]));
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    let agent = || {
        // On a machine of its own, as far as its state goes.
        let mut command = stand.command(&["serve", "--role", "agent"]);
        Serving::start(command.env("STATE_DIRECTORY", stand.folder().join("agent")))
    };
    let leads = agent();
    let inside = serving.sends("GET", "/gate");
    until(|| (app.asked("GET /gate") == 1).then_some(()));
    add(&stand, &[&after(1), "--for", "1h", "--mode", "close"]);
    stand.until(|status| status["desired"] == "closed" && status["phase"] == "moving");
    leads.signal("KILL");
    leads.ended();
    until(|| (stand.run(&["open", "--yes"]).code == Some(0)).then_some(()));
    app.opens_the_gate(true);
    assert_eq!(crate::support::serving::answer(inside).0, 200);
    let _again = agent();
    until(|| explained(&stand, "w1").1.contains("not active any more: ana@").then_some(()));
    // An agent that would begin it again has looked by then.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(stand.status()["desired"], "open");
}

#[test]
fn n11_editing_a_window_does_not_start_it_again() {
    let (_app, stand, _serving) = served();
    let start = after(1);
    let window = add(&stand, &[&start, "--for", "1h", "--mode", "hold"]);
    let id = window["id"].as_str().unwrap();
    stand.until(|status| status["mode"] == "hold" && status["phase"] == "settled");
    until(|| explained(&stand, id).1.starts_with("active since").then_some(()));
    stand.run(&["open", "--yes"]).exits(0);
    let place = format!(".roadworks/shop/windows/{id}.json");
    let text = || std::fs::read_to_string(stand.folder().join(&place)).unwrap();
    until(|| text().contains("\"begun\"").then_some(()));
    let mut edited: Value = serde_json::from_str(&text()).unwrap();
    edited["reason"] = "longer".into();
    edited["lasts"] = 7_200.into();
    stand.write(&place, &edited.to_string());
    // An agent that would begin it again has read it by then.
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(stand.status()["mode"], "open");
    // Nor does planning it anew, unless somebody says that it is to begin at once.
    stand.run(&["schedule", "cancel", id]).exits(0);
    let words = ["--json", "schedule", "add", &start, "--for", "1h", "--mode", "hold"];
    stand.run(&words).exits(3);
    assert_eq!(stand.status()["mode"], "open");
}

#[test]
fn a_window_lets_nobody_back_whom_somebody_keeps_out() {
    let (_app, stand, _serving) = served();
    stand.run(&["close", "--yes"]).exits(0);
    let window = add(&stand, &[&after(1), "--for", "8s", "--mode", "hold"]);
    let id = window["id"].as_str().unwrap();
    let left = || {
        let log = stand.run(&["--json", "log"]).exits(0).json();
        let entries = log["entries"].as_array().unwrap().clone();
        entries.into_iter().find(|entry| entry["event"] == "left-alone")
    };
    let entry = until(left);
    assert!(entry["detail"].as_str().unwrap().contains("has asked for closed"), "{entry:#}");
    until(|| explained(&stand, id).1.starts_with("over").then_some(()));
    assert_eq!(stand.status()["mode"], "closed");
    let log = stand.run(&["--json", "log"]).exits(0).json();
    let entries = log["entries"].as_array().unwrap().iter();
    assert_eq!(entries.filter(|entry| entry["event"] == "left-alone").count(), 1, "told once");
}

#[test]
fn a_window_opens_nothing_that_is_to_stay_or_that_somebody_wants_after_it() {
    let (_app, stand, _serving) = served();
    // Overdue, and to stay: a window changes nothing of that.
    stand.run(&["close", "--for", "1s", "--on-end", "stay", "--yes"]).exits(0);
    stand.until(|status| status["overdue"] == true);
    add(&stand, &[&after(1), "--for", "6s", "--mode", "close"]);
    until(|| explained(&stand, "w1").1.starts_with("over").then_some(()));
    assert_eq!(stand.status()["mode"], "closed");
    stand.run(&["open", "--yes"]).exits(0);
    // Read-only without an end: after the window nobody knows what is to be so, and it stays.
    stand.run(&["read-only", "--yes"]).exits(0);
    add(&stand, &[&after(1), "--for", "6s", "--mode", "close"]);
    stand.until(|status| status["mode"] == "closed");
    let overdue = stand.until(|status| status["overdue"] == true);
    assert_eq!(overdue["on_end"], "stay", "{overdue:#}");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(stand.status()["mode"], "closed");
}

#[test]
fn a_window_that_was_left_alone_begins_when_what_stood_ends_within_it() {
    let (_app, stand, _serving) = served();
    stand.run(&["close", "--yes"]).exits(0);
    add(&stand, &[&after(1), "--for", "10m", "--mode", "hold"]);
    until(|| explained(&stand, "w1").1.contains("has asked for closed").then_some(()));
    stand.run(&["open", "--yes"]).exits(0);
    // Half a minute is the longest that it is not looked after.
    let began = roadworks::clock::monotonic();
    while stand.status()["mode"] != "hold" {
        let waited = roadworks::clock::monotonic() - began;
        assert!(waited < std::time::Duration::from_secs(40), "{:?}", explained(&stand, "w1"));
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[test]
fn a_window_that_cannot_be_read_hides_no_other_and_can_be_cancelled() {
    let (_app, stand, _serving) = served();
    std::fs::create_dir_all(stand.folder().join(".roadworks/shop/windows")).unwrap();
    stand.write(".roadworks/shop/windows/w0.json", "{");
    add(&stand, &[&after(1), "--for", "10m", "--mode", "close"]);
    let listed = stand.run(&["schedule", "list"]).exits(0);
    assert!(listed.stderr.contains("w0.json") && listed.stdout.contains("w1"), "{listed:?}");
    stand.until(|status| status["mode"] == "closed");
    stand.run(&["schedule", "cancel", "w0"]).exits(0);
    assert_eq!(stand.run(&["schedule", "list"]).exits(0).stderr, "");
    // What it began goes on, and that is said.
    let cancelled = stand.run(&["schedule", "cancel", "w1"]).exits(0);
    let says = "What it began goes on: the site is asked to be closed, until 20";
    assert!(cancelled.stderr.contains(says), "{}", cancelled.stderr);
    assert_eq!(stand.status()["mode"], "closed");
}

#[test]
fn d2_a_week_is_listed_in_the_time_of_its_zone_and_cancelled_by_its_id() {
    let (_app, stand) = stand();
    let words = ["sat 03:00", "--for", "30m", "--mode", "closed", "--timezone", "Europe/Berlin"];
    let once = add(&stand, &words);
    let words = ["every sun,wed 02:30", "--for", "15m", "--mode", "read-only", "--timezone", "UTC"];
    let weekly = add(&stand, &words);
    assert_eq!(weekly["when"], "every wed,sun 02:30");
    for (window, hour) in [(&once, [1, 2]), (&weekly, [2, 2])] {
        let next: Timestamp = window["next"]["start"].as_str().unwrap().parse().unwrap();
        let hours = next.to_string()[11..13].parse::<i32>().unwrap();
        assert!(hour.contains(&hours) && next > roadworks::clock::now(), "{window:#}");
    }
    let listed = stand.run(&["schedule", "list"]).exits(0).stdout;
    assert!(listed.contains("read-only every wed,sun 02:30 UTC for 15m"), "{listed}");
    let id = once["id"].as_str().unwrap();
    stand.run(&["schedule", "cancel", id]).exits(0);
    let listed = stand.run(&["--json", "schedule", "list"]).exits(0).json();
    assert_eq!(listed["windows"].as_array().unwrap().len(), 1);
    let unknown = stand.run(&["--json", "schedule", "cancel", id]).exits(1).error();
    assert!(unknown["message"].as_str().unwrap().contains("no window"), "{unknown:#}");
    let (is, why) = explained(&stand, weekly["id"].as_str().unwrap());
    assert!(!is && why.starts_with("not active: it starts in"), "{why}");
}

#[test]
fn d2_each_mistake_of_a_window_has_one_clear_answer() {
    let (_app, stand) = stand();
    let base = ["--for", "30m", "--mode", "close"];
    add(&stand, &["every day 03:00", "--for", "30m", "--mode", "close", "--timezone", "UTC"]);
    let (past, long_past) = (after(-60), after(-7_200));
    for (words, code, says) in [
        (vec!["someday 03:00"], 1, "is no time for a window"),
        (vec!["sat 27:00"], 1, "is no time for a window"),
        (
            vec!["sat 05:00", "--timezone", "Europe/Berln"],
            1,
            "there is no time zone `Europe/Berln`",
        ),
        (vec!["2027-03-28 02:30", "--timezone", "Europe/Berlin"], 1, "skip 2027-03-28 02:30"),
        (vec!["every day 03:10", "--timezone", "UTC"], 1, "overlaps window w1"),
        (vec!["every mon,tue 05:00", "--for", "25h"], 1, "longer than the time to its next start"),
        (vec![long_past.as_str()], 1, "is over"),
        (vec![past.as_str()], 3, "begins at once"),
    ] {
        let base = if words.contains(&"--for") { &base[2..] } else { &base[..] };
        let all = [&["--json", "schedule", "add"], words.as_slice(), base].concat();
        let refused = stand.run(&all).exits(code).error();
        assert!(refused["message"].as_str().unwrap().contains(says), "{words:?}: {refused:#}");
    }
    let nearest = ["--json", "schedule", "add", "sat 05:00", "--timezone", "Europe/Berln"];
    let refused = stand.run(&[&nearest[..], &base].concat()).error();
    assert_eq!(refused["hint"], "did you mean `Europe/Berlin`?");
    let (start, before) = (after(7_200), after(3_600));
    let words = ["--json", "schedule", "add", &start, "--until", &before, "--mode", "close"];
    let refused = stand.run(&words).exits(1).error();
    assert!(refused["message"].as_str().unwrap().contains("before it starts"), "{refused:#}");
    let words = ["--json", "schedule", "add", &start, "--until", &start, "--mode", "close"];
    stand.run(&words).exits(1);
    // Only a start, only an end, an end that is none.
    for words in [
        &["sat 05:00", "--mode", "close"][..],
        &["--until", &start, "--mode", "close"],
        &["sat 05:00", "--until", "banana", "--mode", "close"],
        &["sat 05:00", "--for", "banana", "--mode", "close"],
        &["every sat 05:00", "--until", &start, "--mode", "close"],
    ] {
        let refused = stand.run(&[&["--json", "schedule", "add"], words].concat()).exits(1).error();
        assert!(refused["message"].is_string(), "{words:?}: {refused:#}");
    }
    let words = ["--json", "schedule", "add", "sat 05:00", "--for", "1m", "--mode", "detour"];
    assert_eq!(stand.run(&words).exits(3).error()["code"], "mode-not-available");
    assert_eq!(
        stand.run(&["--json", "schedule", "list"]).json()["windows"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn one_that_would_have_started_begins_at_once_where_somebody_says_so() {
    let (_app, stand, _serving) = served();
    add(&stand, &[&after(-60), "--for", "1h", "--mode", "close", "--yes"]);
    stand.until(|status| status["mode"] == "closed");
}

#[test]
fn without_an_agent_a_window_is_planned_with_a_warning_and_explained() {
    let (_app, stand) = stand();
    let words = ["schedule", "add", &after(1), "--for", "1h", "--mode", "close"];
    let added = stand.run(&words).exits(0);
    assert!(added.stderr.contains("no agent leads this site"), "{}", added.stderr);
    until(|| explained(&stand, "w1").1.contains("no agent leads this site").then_some(()));
    // Whoever leads later begins it, for as long as it was planned.
    let _serving = stand.serve();
    stand.until(|status| status["mode"] == "closed");
}
