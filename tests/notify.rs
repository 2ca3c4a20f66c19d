//! Whoever is told: by real HTTP and real commands, by the command that moves the site and by its agent.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use roadworks::clock;
use serde_json::{Value, json};

use crate::clients::{has, python};
use crate::support::app::App;
use crate::support::listener::{Does, Heard, Listener};
use crate::support::serving::{Serving, Stand, config, until};

/// 32 bytes, as Base64.
const SECRET: &str = "whsec_bmV2ZXItc2hvd24tdG8tYW55Ym9keS1hdC1hbGwh";
/// Part of it, and of the path of every URL here.
const HUSH: [&str; 2] = ["bmV2ZXItc2hvd24", "hush-hush"];

/// A site in front of `app` with these blocks.
fn hcl(app: &App, blocks: &str) -> String {
    let more = format!("}}\n{blocks}\n  settle {{");
    config(&app.url(), &more)
}

fn webhook(listener: &Listener, more: &str) -> String {
    format!(
        "  notify \"webhook\" {{\n    url = \"{}/hush-hush\"\n    secret = \"{SECRET}\"\n{more}  }}",
        listener.url()
    )
}

/// A site that is served: its agent tells.
fn served(blocks: &str) -> (App, Stand, Serving) {
    let app = App::start();
    let stand = Stand::new(&hcl(&app, blocks));
    let serving = stand.serve();
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    (app, stand, serving)
}

/// The same, not served: nobody but the commands tells.
fn alone(blocks: &str) -> (App, Stand) {
    let app = App::start();
    let stand = Stand::new(&hcl(&app, blocks));
    (app, stand)
}

/// Moves a site without a gateway that lives.
const UNSERVED: [&str; 3] = ["--yes", "--override=no-gateway", "--reason"];

fn close(stand: &Stand, reason: &str) -> (Duration, String) {
    let began = clock::monotonic();
    let words = ["close"].iter().chain(&UNSERVED).copied().chain([reason]).collect::<Vec<_>>();
    let said = stand.run(&words).exits(0).stderr;
    (clock::monotonic().duration_since(began), said)
}

fn events(listener: &Listener) -> Vec<String> {
    listener.heard().iter().map(Heard::event).collect()
}

#[track_caller]
fn hears(listener: &Listener, wanted: &[&str]) {
    until(|| (events(listener) == wanted).then_some(()));
}

/// How many there are still to be told.
pub(crate) fn notices(stand: &Stand) -> usize {
    let folder = stand.folder().join(".roadworks/shop/notices");
    fs::read_dir(folder).map_or(0, |entries| {
        entries
            .filter(|entry| {
                entry.as_ref().unwrap().path().extension().is_some_and(|kind| kind == "json")
            })
            .count()
    })
}

#[test]
fn l12_events_fire_on_enable_and_disable_once_each_with_a_signature_that_others_verify() {
    let listener = Listener::start();
    let (_app, stand, serving) = served(&webhook(&listener, ""));
    stand.run(&["close", "--yes", "--for", "1h", "--reason", "new database"]).exits(0);
    hears(&listener, &["window.started", "mode.changed"]);
    stand.run(&["extend", "15m"]).exits(0);
    stand.run(&["open", "--yes"]).exits(0);
    hears(&listener, &["window.started", "mode.changed", "window.extended", "window.ended"]);
    let heard = listener.heard();
    let first = heard[0].json();
    let data = &first["data"];
    assert_eq!(
        (&data["site"], &data["mode"], &data["from"], &data["reason"]),
        (&json!("shop"), &json!("closed"), &json!("open"), &json!("new database"))
    );
    assert!(data["until"].is_string() && data["operation"].is_string(), "{first:#}");
    assert_eq!((heard[0].method.as_str(), heard[0].path.as_str()), ("POST", "/hush-hush"));
    assert_eq!(heard[0].header("webhook-id"), data["id"]);
    until(|| (notices(&stand) == 0).then_some(()));
    assert!(stand.status()["untold"].as_array().unwrap().is_empty());
    nothing_is_shown(&stand, Some(&serving));
    let name =
        "l12_events_fire_on_enable_and_disable_once_each_with_a_signature_that_others_verify";
    let Some(python) = python(name).filter(|_| has(name, "standardwebhooks")) else { return };
    for heard in &heard {
        verified_by(&mut Command::new(&python), heard);
    }
}

/// By the library of Standard Webhooks' own authors.
fn verified_by(python: &mut Command, heard: &Heard) {
    let program = "
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
given = json.load(sys.stdin)
Webhook(given['secret']).verify(given['body'], given['headers'])
try:
    Webhook(given['secret']).verify(given['body'] + ' ', given['headers'])
    sys.exit('another body is taken, too')
except WebhookVerificationError:
    print('verified')
";
    let headers: serde_json::Map<String, Value> =
        heard.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let given = json!({ "secret": SECRET, "body": heard.body, "headers": headers });
    let mut child =
        python.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "verified\n");
}

/// No secret in anything that is said or written.
#[track_caller]
fn nothing_is_shown(stand: &Stand, serving: Option<&Serving>) {
    let mut said = serving.map(Serving::log).unwrap_or_default();
    for words in [
        &["status"][..],
        &["--json", "status"],
        &["--json", "log"],
        &["doctor"],
        &["--json", "doctor"],
        &["notify", "test"],
        &["--json", "notify", "test"],
    ] {
        let ran = stand.run(words);
        said.push_str(&ran.stdout);
        said.push_str(&ran.stderr);
    }
    written(&stand.folder().join(".roadworks"), &mut said);
    for hush in HUSH {
        assert!(!said.contains(hush), "{hush} in\n{said}");
    }
}

fn written(folder: &std::path::Path, said: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            written(&path, said);
        } else if path.is_file() {
            said.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap_or_default()));
        }
    }
}

#[test]
fn what_fails_is_told_again_with_the_same_id_and_shown_until_then() {
    let listener = Listener::start();
    let (_app, stand, serving) = served(&webhook(&listener, "    events = [\"window.started\"]\n"));
    let failed = Does::Answers(500, "POST /hush-hush broke".to_owned());
    listener.then([failed.clone(), Does::Cuts, failed]);
    stand.run(&["close", "--yes"]).exits(0);
    let status = stand.until(|status| status["untold"][0]["tries"] == 2);
    let untold = &status["untold"][0];
    assert_eq!((&untold["name"], &untold["event"]), (&json!("webhook"), &json!("window.started")));
    assert_eq!(untold["given_up"], false, "{untold:#}");
    let words = stand.run(&["status"]).exits(0).stdout;
    assert!(words.contains("Not told: webhook was not told of window.started ("), "{words}");
    until(|| (listener.heard().len() == 4).then_some(()));
    stand.until(|status| status["untold"].as_array().unwrap().is_empty());
    let ids: Vec<_> =
        listener.heard().iter().map(|heard| heard.header("webhook-id").to_owned()).collect();
    assert!(ids.iter().all(|id| *id == ids[0] && !id.is_empty()), "{ids:?}");
    let log = serving.log();
    let line = log.lines().find(|line| line.contains("not told yet")).unwrap();
    assert!(line.contains("ERROR") && line.contains("answers 500"), "{line}");
    nothing_is_shown(&stand, Some(&serving));
}

#[test]
fn a_switch_is_thrown_as_fast_where_the_webhook_hangs() {
    let listener = Listener::answering(|_| Does::Hangs);
    let (_app, stand, serving) = served(&webhook(&listener, ""));
    let began = clock::monotonic();
    let done = stand.run(&["--json", "close", "--yes"]).exits(0).json();
    let took = clock::monotonic().duration_since(began);
    assert!(done["took"].as_f64().unwrap() < 1.0, "{done:#}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(serving.ask("GET", "/").0, 503);
    until(|| (listener.heard().len() == 1).then_some(()));
    let began = clock::monotonic();
    stand.run(&["open", "--yes"]).exits(0);
    let took = clock::monotonic().duration_since(began);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn where_no_agent_lives_the_command_tells_and_the_next_one_what_it_could_not() {
    let listener = Listener::start();
    let (_app, stand) = alone(&webhook(&listener, ""));
    let (_, said) = close(&stand, "one");
    assert!(!said.contains("told"), "{said}");
    hears(&listener, &["window.started", "override.used", "mode.changed"]);
    assert_eq!(notices(&stand), 0);

    listener.then(std::iter::repeat_n(Does::Hangs, 9));
    let began = clock::monotonic();
    let words = ["hold", "--yes", "--override=no-gateway", "--reason", "two"];
    let ran = stand.run(&words).exits(0);
    let took = clock::monotonic().duration_since(began);
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(ran.stderr.contains("warning: not everybody was told"), "{}", ran.stderr);
    assert!(notices(&stand) > 0);
    let hung = listener.heard().last().unwrap().clone();
    listener.told_no_more();

    stand.run(&["open", "--yes", "--override=no-gateway", "--reason", "three"]).exits(0);
    let again: Vec<_> = listener
        .heard()
        .into_iter()
        .filter(|heard| heard.header("webhook-id") == hung.header("webhook-id"))
        .collect();
    assert_eq!(again.len(), 2, "the next command tells what hung, with the same id");
    assert_eq!(notices(&stand), 0);
    assert_eq!(events(&listener).last().unwrap(), "window.ended");
    nothing_is_shown(&stand, None);
}

#[test]
fn what_a_command_could_not_tell_an_agent_tells_that_comes_later() {
    let listener = Listener::start();
    let (_app, stand) = alone(&webhook(&listener, "    events = [\"window.started\"]\n"));
    listener.then(std::iter::repeat_n(Does::Answers(503, String::new()), 4));
    let (_, said) = close(&stand, "one");
    assert!(said.contains("warning: webhook was not told of window.started"), "{said}");
    let _serving = stand.serve();
    stand.until(|status| status["untold"].as_array().unwrap().is_empty() && notices(&stand) == 0);
}

#[test]
fn slack_is_told_in_text_and_in_a_block_and_a_command_by_its_environment() {
    let slack = Listener::start();
    let blocks = "  notify \"slack\" \"ops\" {
    url = env(\"SLACK_URL\")
  }
  notify \"exec\" {
    command = \"echo $ROADWORKS_EVENT $ROADWORKS_SITE $ROADWORKS_MODE $ROADWORKS_FROM >> told.txt\"
  }";
    let app = App::start();
    let stand = Stand::new(&hcl(&app, blocks));
    let url = format!("{}/services/hush-hush", slack.url());
    let mut serve = stand.command(&["serve"]);
    let serving = stand.serve_by(serve.env("SLACK_URL", &url));
    // The command lacks the secret, and does everything else.
    stand.run(&["close", "--yes", "--reason", "<!here> & all"]).exits(0);
    until(|| (slack.heard().len() == 2).then_some(()));
    let heard = slack.heard()[0].clone();
    let text = heard.json()["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("shop goes into maintenance (closed), says "), "{text}");
    assert!(text.ends_with(": &lt;!here&gt; &amp; all"), "{text}");
    assert_eq!(
        (heard.path.as_str(), &heard.json()["blocks"][0]["text"]["text"]),
        ("/services/hush-hush", &json!(text))
    );
    let told = || fs::read_to_string(stand.folder().join("told.txt")).unwrap_or_default();
    until(|| (told().lines().count() == 2).then_some(()));
    assert_eq!(told(), "window.started shop closed open\nmode.changed shop closed open\n");
    let lacking = stand.run(&["--json", "doctor"]).exits(1).json();
    let checks = lacking["checks"].as_array().unwrap().iter();
    let found: Vec<_> = checks.filter(|check| check["id"] == "notify").collect();
    assert_eq!((&found[0]["result"], &found[1]["result"]), (&json!("fail"), &json!("ok")));
    assert!(found[0]["reason"].as_str().unwrap().contains("the environment has no SLACK_URL"));
    nothing_is_shown(&stand, Some(&serving));
}

#[test]
fn a_test_says_who_can_be_told_and_fails_where_one_cannot() {
    let (listener, gone) =
        (Listener::start(), Listener::answering(|_| Does::Answers(404, "no_service".to_owned())));
    let slack = format!(
        "  notify \"slack\" {{\n    url = \"{}/hush-hush\"\n    events = [\"window.ended\"]\n  }}",
        gone.url()
    );
    let app = App::start();
    let stand = Stand::new(&hcl(&app, &webhook(&listener, "")));
    stand.run(&["notify", "test"]).exits(0);
    assert_eq!((events(&listener), notices(&stand)), (vec!["test".to_owned()], 0));
    stand.write("roadworks.hcl", &hcl(&app, &format!("{}\n{slack}", webhook(&listener, ""))));
    let ran = stand.run(&["notify", "test"]).exits(1);
    assert!(
        ran.stdout.contains(&format!("ok    webhook at {}: told", listener.url())),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("answers 404: no_service"), "{}", ran.stdout);
    assert!(ran.stderr.contains("1 of 2 could not be told"), "{}", ran.stderr);
    let told = stand.run(&["--json", "notify", "test"]).exits(1).json();
    assert_eq!(
        (&told["targets"][0]["told"], &told["targets"][1]["told"]),
        (&json!(true), &json!(false))
    );
    nothing_is_shown(&stand, None);
    let bare = Stand::new(&config(&app.url(), ""));
    let refused = bare.run(&["notify", "test"]).exits(1).stderr;
    assert!(refused.contains("it has no `notify` block"), "{refused}");
}

#[test]
fn who_wants_to_hear_no_more_is_left_alone() {
    let listener = Listener::answering(|_| Does::Answers(410, String::new()));
    let (_app, stand, _serving) =
        served(&webhook(&listener, "    events = [\"window.started\"]\n"));
    stand.run(&["close", "--yes"]).exits(0);
    let status = stand.until(|status| status["untold"][0]["given_up"] == true);
    assert!(status["untold"][0]["why"].as_str().unwrap().contains("answers 410"), "{status:#}");
    until(|| (notices(&stand) == 0).then_some(()));
    assert_eq!(listener.heard().len(), 1);
}

#[test]
fn a_site_that_is_reloaded_tells_whom_it_is_to_tell_now() {
    let listener = Listener::start();
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let _serving = stand.serve();
    stand.write(
        "roadworks.hcl",
        &hcl(&app, &webhook(&listener, "    events = [\"window.overdue\"]\n")),
    );
    stand.run(&["reload"]).exits(0);
    stand.run(&["close", "--yes", "--for", "1s", "--on-end", "stay"]).exits(0);
    hears(&listener, &["window.overdue"]);
}

#[test]
fn upstreams_that_keep_visitors_out_are_told_as_any_other_check() {
    let listener = Listener::start();
    let events = "    events = [\"gate.*\"]\n";
    let (app, stand, _serving) = served(&webhook(&listener, events));
    stand.run(&["close", "--yes"]).exits(0);
    app.is_well(false);
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == false);
    for _ in 0..2 {
        let refused = stand.run(&["--json", "open", "--yes"]).exits(3).error();
        assert_eq!(refused["code"], "upstreams", "{refused:#}");
    }
    hears(&listener, &["gate.failed"]);
    app.is_well(true);
    stand.until(|status| status["gateways"][0]["upstreams"][0]["healthy"] == true);
    stand.run(&["open", "--yes"]).exits(0);
    hears(&listener, &["gate.failed", "gate.recovered"]);
}

#[test]
fn a_check_that_keeps_visitors_out_is_told_once_and_once_more_when_it_passes_again() {
    let (listener, checked) = (Listener::start(), App::start());
    let events = "    events = [\"gate.*\", \"window.ended\"]\n";
    let check = format!(
        "  check \"http\" \"app\" {{\n    url = \"{}/up\"\n    interval = \"100ms\"\n    deadline = \"300ms\"\n  }}",
        checked.url()
    );
    let (_app, stand, _serving) = served(&format!("{}\n{check}", webhook(&listener, events)));
    checked.is_well(false);
    stand.run(&["close", "--yes", "--for", "1s"]).exits(0);
    hears(&listener, &["gate.failed"]);
    // The agent asks again and again, and opens once it is well.
    let asked = checked.looked_at();
    until(|| (checked.looked_at() > asked + 6).then_some(()));
    checked.is_well(true);
    hears(&listener, &["gate.failed", "gate.recovered", "window.ended"]);
    let failed = listener.heard()[0].json();
    let text = failed["data"]["text"].as_str().unwrap();
    assert!(text.starts_with("shop cannot be let back yet: check app does not pass: "), "{text}");
    assert_eq!(
        (&failed["data"]["mode"], &failed["data"]["by"]),
        (&json!("closed"), &ended_by(&stand))
    );
}

/// Who opens at an end that was asked for in `stand`.
fn ended_by(stand: &Stand) -> Value {
    let log = stand.run(&["--json", "log"]).exits(0).json();
    json!(format!("{} (end)", log["entries"][0]["by"].as_str().unwrap()))
}

#[test]
fn whoever_heard_of_a_window_hears_again_when_it_is_near_and_that_it_does_not_come() {
    let listener = Listener::start();
    let (_app, stand, _serving) = served(&webhook(&listener, "    events = [\"window.*\"]\n"));
    let start = (clock::now() + jiff::SignedDuration::from_secs(3_604)).to_string();
    let adds = |more: &[&str]| {
        let words = ["--json", "schedule", "add", &start, "--for", "30m", "--mode", "close"];
        let window = stand.run(&[&words[..], more].concat()).exits(0).json()["window"].clone();
        window["id"].as_str().unwrap().to_owned()
    };
    // Nobody hears of one that nobody was to hear of.
    let quiet = adds(&["--announce", "0s", "--remind", "1h"]);
    stand.run(&["schedule", "cancel", &quiet]).exits(0);
    let window = adds(&["--remind", "1h"]);
    hears(&listener, &["window.announced", "window.reminder"]);
    stand.run(&["schedule", "cancel", &window]).exits(0);
    hears(&listener, &["window.announced", "window.reminder", "window.cancelled"]);
    let data: Vec<_> = listener.heard().iter().map(|one| one.json()["data"].clone()).collect();
    let of_it = |one: &Value| one["starts"] == data[0]["starts"] && one["mode"] == "closed";
    assert!(data.iter().all(of_it), "{data:#?}");
    let text = data[1]["text"].as_str().unwrap();
    assert!(text.starts_with("shop goes into maintenance (closed) soon, at 2"), "{text}");
    let text = data[2]["text"].as_str().unwrap();
    assert!(text.starts_with("shop will not go into maintenance (closed) at 2"), "{text}");
    let log = stand.run(&["--json", "log"]).exits(0).json();
    let events: Vec<_> =
        log["entries"].as_array().unwrap().iter().map(|one| &one["event"]).collect();
    assert_eq!(events, ["cancelled", "announced", "reminded", "cancelled"], "{log:#}");
}

#[test]
fn a_window_to_come_is_announced_once_whoever_leads_and_one_that_nobody_is_to_hear_of_is_not() {
    let listener = Listener::start();
    let events = "    events = [\"window.announced\"]\n";
    let (_app, stand, serving) = served(&webhook(&listener, events));
    let start = |hours: i64| (clock::now() + jiff::SignedDuration::from_hours(hours)).to_string();
    let adds = |start: &str, more: &[&str]| {
        let words = ["--json", "schedule", "add", start, "--for", "30m", "--mode", "close"];
        stand.run(&[&words[..], more].concat()).exits(0).json()["window"].clone()
    };
    adds(&start(2), &["--announce", "0s"]);
    adds(&start(48), &[]);
    let window = adds(&start(72), &["--announce", "80h", "--reason", "disks"]);
    hears(&listener, &["window.announced"]);
    let data = listener.heard()[0].json()["data"].clone();
    assert_eq!(
        (&data["starts"], &data["until"], &data["reason"], &data["mode"]),
        (&window["next"]["start"], &window["next"]["end"], &json!("disks"), &json!("closed"))
    );
    let text = data["text"].as_str().unwrap();
    assert!(text.starts_with("shop will go into maintenance (closed) at 2"), "{text}");
    // Whoever leads next tells nothing twice; what is planned then is told.
    serving.signal("KILL");
    serving.ended();
    let _again = stand.serve();
    let later = adds(&start(5), &[]);
    let of_later = |heard: &Heard| heard.json()["data"]["starts"] == later["next"]["start"];
    until(|| listener.heard().iter().any(of_later).then_some(()));
    let heard = listener.heard();
    assert!(heard.len() == 2 && heard.iter().all(|one| one.event() == "window.announced"));
    assert_ne!(heard[0].header("webhook-id"), heard[1].header("webhook-id"));
    let log = stand.run(&["--json", "log"]).exits(0).json();
    let entries = log["entries"].as_array().unwrap().iter();
    assert_eq!(entries.filter(|entry| entry["event"] == "announced").count(), 2, "{log:#}");
}
