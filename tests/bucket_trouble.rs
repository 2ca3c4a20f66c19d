//! A bucket that is busy, refuses, loses answers or holds what nobody can read; and commands on it that are cut short.

use std::process::Stdio;

use object_store::RetryConfig;
use roadworks::clock;
use roadworks::store::{Error, Expect, Notice as _, Store as _};
use serde_json::{Value, json};

use crate::fleet::named;
use crate::support::app::App;
use crate::support::bucket::{made, store};
use crate::support::emulator::ministack;
use crate::support::http::call;
use crate::support::s3::{self, Flaw};
use crate::support::serving::{Serving, Stand, config, until};

const OF_STORE: &str = "roadworks_trouble{site=\"shop\",what=\"store\"}";

fn stand(app: &App, (name, endpoint): (&str, &str), more: &str) -> Stand {
    Stand::new(&format!("{}\n{}", named(name, endpoint), config(&app.url(), more)))
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

/// One attempt and so many more.
fn retries(max_retries: usize) -> RetryConfig {
    RetryConfig { max_retries, ..RetryConfig::default() }
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
fn a_bucket_that_asks_to_wait_is_asked_each_five_seconds_and_each_second_once_it_answers() {
    let bucket = s3::start(Flaw::SlowsDown);
    let store = store(&bucket.endpoint, "any", retries(0));
    block_on(async {
        let mut notice = store.watch("switch.json").await;
        for _ in 0..3 {
            store.get("switch.json").await.unwrap_err();
        }
        let mut waits = async || {
            let began = clock::monotonic();
            notice.changed().await;
            clock::monotonic().duration_since(began).as_secs_f64()
        };
        let busy = waits().await;
        assert!((3.5..6.5).contains(&busy), "{busy} s");
        bucket.becomes(Flaw::None);
        assert_eq!(store.get("switch.json").await.unwrap(), None);
        let well = waits().await;
        assert!((0.5..2.0).contains(&well), "{well} s");
    });
}

#[test]
fn a_write_that_a_bucket_has_no_time_for_is_made_again_and_given_up_as_moved_in_the_end() {
    let bucket = s3::start(Flaw::None);
    let store = store(&bucket.endpoint, "any", retries(2));
    block_on(async {
        bucket.becomes(Flaw::Conflicts(2));
        let first = store.put("switch.json", b"one", Expect::Absent).await.unwrap();
        bucket.becomes(Flaw::Conflicts(5));
        let second = store.put("switch.json", b"two", Expect::At(first)).await.unwrap();
        bucket.becomes(Flaw::Conflicts(u32::MAX));
        let third = store.put("switch.json", b"three", Expect::At(second.clone())).await;
        assert!(matches!(third, Err(Error::Moved { .. })), "{third:?}");
        let new = store.put("new.json", b"one", Expect::Absent).await;
        assert!(matches!(new, Err(Error::Moved { .. })), "{new:?}");
        bucket.becomes(Flaw::None);
        let now = store.get("switch.json").await.unwrap().unwrap();
        assert_eq!(now, (b"two".to_vec(), second));
        assert_eq!(store.get("new.json").await.unwrap(), None);
    });
}

#[test]
fn a_switch_in_a_bucket_that_nobody_can_read_leaves_the_mode_as_it_is_and_that_is_said() {
    let (app, endpoint) = (App::start(), ministack());
    let name = made(&endpoint);
    let stand = stand(&app, (&name, &endpoint), "");
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    let path = format!("/{name}/state/shop/switch.json");
    let writes = |content: &str| assert_eq!(call(&endpoint, "PUT", &path, content).0, 200);
    let (_, whole) = call(&endpoint, "GET", &path, "");
    let mut newer: Value = serde_json::from_str(&whole).unwrap();
    newer["format"] = json!(99);
    for wrong in [&whole[..whole.len() / 2], &newer.to_string()] {
        writes(wrong);
        until(|| (serving.metric(OF_STORE).as_deref() == Some("1")).then_some(()));
        assert_eq!((serving.ask("GET", "/").0, serving.ask("GET", "/healthz").0), (503, 200));
        assert_eq!(app.asked("GET /"), 0, "the last one that could be read counts");
        let told = stand.run(&["--json", "status"]).exits(1);
        assert_eq!(told.error()["code"], "store-unreadable", "{told:#?}");
        let told = told.json();
        assert_eq!(told["mode"], "closed", "{told:#}");
        let trouble = told["gateways"][0]["trouble"][0].as_str().unwrap();
        assert!(trouble.contains("the mode stays as it is"), "{told:#}");
        let opened = stand.run(&["--json", "open", "--yes"]).exits(1).error();
        assert_eq!(opened["code"], "store-unreadable", "{opened:#}");
        writes(&whole);
        until(|| (serving.metric(OF_STORE).as_deref() == Some("0")).then_some(()));
    }
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(serving.ask("GET", "/").0, 200);
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
