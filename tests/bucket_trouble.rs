//! A bucket that is busy, refuses, loses answers or holds what nobody can read; and commands on it that are cut short.

use std::process::Stdio;

use serde_json::Value;

use crate::fleet::named;
use crate::support::app::App;
use crate::support::bucket::made;
use crate::support::emulator::ministack;
use crate::support::http::call;
use crate::support::s3::{self, Flaw};
use crate::support::serving::{Serving, Stand, config, until};

const OF_STORE: &str = "roadworks_trouble{site=\"shop\",what=\"store\"}";

fn stand(app: &App, (name, endpoint): (&str, &str), more: &str) -> Stand {
    Stand::new(&format!("{}\n{}", named(name, endpoint), config(&app.url(), more)))
}

#[test]
fn a_right_is_given_back_by_who_is_interrupted_and_who_was_killed_is_waited_for_aloud() {
    let (app, endpoint) = (App::start(), ministack());
    let name = made(&endpoint);
    let stand = stand(&app, (&name, &endpoint), "drain {\n deadline = \"60s\"\n}");
    // No agent, which would finish what is left behind.
    let serving = stand.serve_by(&mut stand.command(&["serve", "--role", "gateway"]));
    let _running = serving.sends("GET", "/gate");
    until(|| (app.asked("GET /gate") == 1).then_some(()));
    let closes = || Serving::start(stand.command(&["close", "--yes"]).stdout(Stdio::null()));
    let released = || {
        let (_, moving) = call(&endpoint, "GET", &format!("/{name}/state/shop/moving.json"), "");
        let moving: Option<Value> = serde_json::from_str(&moving).ok();
        moving.map(|moving| moving["released"] == true)
    };
    let closing = closes();
    stand.until(|status| status["gateways"][0]["drain"] == "draining");
    closing.signal("INT");
    assert_eq!(closing.ended(), Some(130), "{}", closing.log());
    assert_eq!(released(), Some(true));
    let killed = closes();
    until(|| (released() == Some(false)).then_some(()));
    killed.signal("KILL");
    killed.ended();
    app.opens_the_gate(true);
    let words = stand.run(&["open", "--yes"]).exits(0).stderr;
    let said = words.lines().filter(|line| line.starts_with("waiting for "));
    let said: Vec<_> = said.collect();
    assert_eq!(said.len(), 1, "{words}");
    assert!(said[0].contains(", who has moved this site and is silent, for "), "{words}");
}

#[test]
fn a_switch_that_may_have_been_written_is_5_and_nobody_says_that_nothing_changed() {
    let (app, bucket) = (App::start(), s3::start(Flaw::None));
    let stand = stand(&app, ("any", &bucket.endpoint), "");
    stand.status();
    bucket.becomes(Flaw::LosesTheSwitch);
    let close = ["--json", "close", "--yes", "--override=no-gateway", "--reason", "a drill"];
    let error = stand.run(&close).exits(5).error();
    assert_eq!(error["code"], "outcome-unknown", "{error:#}");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("`switch.json` may have been written"), "{error:#}");
    assert!(error["hint"].as_str().unwrap().contains("roadworks status"), "{error:#}");
    assert!(!error.to_string().contains("nothing"), "{error:#}");
    // And it was.
    bucket.becomes(Flaw::None);
    assert_eq!(stand.status()["desired"], "closed");
}

#[test]
fn a_key_that_is_taken_out_of_use_is_followed_by_the_next_one_of_the_profile() {
    let (app, bucket) = (App::start(), s3::start(Flaw::LetsIn("AKIAONE/")));
    let stand = stand(&app, ("any", &bucket.endpoint), "");
    let keys = |id: &str| {
        let profile = "aws_secret_access_key = not-a-secret\naws_access_key_id";
        stand.write("keys", &format!("[default]\n{profile} = {id}\n"));
    };
    keys("AKIAONE");
    let mut command = stand.command(&["serve", "--role", "gateway"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command.env("AWS_SHARED_CREDENTIALS_FILE", stand.folder().join("keys"));
    let serving = stand.serve_by(&mut command);
    assert_eq!(serving.metric(OF_STORE).as_deref(), Some("0"), "{}", serving.log());
    keys("AKIATWO");
    bucket.becomes(Flaw::LetsIn("AKIATWO/"));
    let reads = "GET /any/state/shop/switch.json";
    until(|| bucket.asked().contains(reads).then_some(()));
    until(|| (serving.metric(OF_STORE).as_deref() == Some("0")).then_some(()));
    assert_eq!(serving.ask("GET", "/").0, 200);
}
