//! `roadworks serve` beside a record and rules that somebody else moves: what it tells, and what it puts back. What it decides
//! and when is tried in drift.rs, where time is held in hand.

use std::time::Duration;

use roadworks::clock;
use serde_json::{Value, json};

use crate::support::balancing::Balancing;
use crate::support::command::{Ran, roadworks, run};
use crate::support::emulator::ministack;
use crate::support::serving::{Serving, until};
use crate::support::site::{LIVE, MAINTENANCE, NAME, Site, foreign, live, maintenance};

/// Within so long what somebody else does is noticed.
const NOTICED: Duration = Duration::from_mins(1);
const SHOP: &str = "shop.example.com";

/// The seed's folder behind a site that is watched so.
fn site(on_drift: &str) -> Site {
    let site = Site::at(&ministack());
    let text = format!(
        "serve {{\n  admin = \"127.0.0.1:0\"\n}}\nsite \"shop\" {{\n  on_drift = \"{on_drift}\"\n  dns \"terraform\" {{\n    dir = \".\"\n  }}\n}}\n"
    );
    site.write("roadworks.hcl", &text);
    site
}

fn agent(site: &Site) -> Serving {
    Serving::start(&mut site.command(&["serve", "--role", "agent"]))
}

fn status(site: &Site) -> Value {
    site.run(&["status", "--json"]).exits(0).json()
}

/// The events of the log, in order.
fn events(ran: &Ran) -> Vec<String> {
    let log = ran.json();
    let entries = log["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["event"].as_str().unwrap().to_owned()).collect()
}

fn log(site: &Site) -> Vec<String> {
    events(&site.run(&["log", "--json"]).exits(0))
}

/// The name's drift, once there is one.
fn drift(site: &Site) -> Value {
    until(|| Some(status(site)["levers"][0]["drift"][0].clone()).filter(Value::is_object))
}

#[test]
fn a_record_that_somebody_moved_is_told_within_a_minute_and_left_where_it_is() {
    let site = site("report");
    let serving = agent(&site);
    site.run(&["detour", "--yes"]).exits(0);
    until(|| site.read(".roadworks/shop/drift.json").filter(|text| text.contains(MAINTENANCE)));
    site.upsert(&live());
    let moved = clock::monotonic();
    until_late(|| serving.log().contains("somebody else moved a lever"));
    assert!(clock::monotonic().duration_since(moved) < NOTICED);
    let told = serving.log();
    let line = told.lines().find(|line| line.contains("somebody else moved")).unwrap();
    assert!(line.contains("ERROR") && line.contains(MAINTENANCE) && line.contains(LIVE), "{line}");
    let metric = || serving.metric("roadworks_drift{site=\"shop\",lever=\"dns\"}");
    until(|| metric().filter(|value| value == "1"));
    let drift = drift(&site);
    assert_eq!(drift["target"], json!(format!("{NAME} A")));
    assert_eq!(drift["was"]["alias"]["name"], MAINTENANCE);
    assert_eq!(drift["is"]["alias"]["name"], LIVE);
    assert_eq!((&drift["then"], &drift["why"]), (&json!("reported"), &Value::Null));
    let words = site.run(&["status"]).exits(0).stdout;
    assert!(words.contains("Visitors get open, the switch asks for detour.\n"), "{words}");
    let line = words.lines().find(|line| line.starts_with("Somebody else moved dns:")).unwrap();
    assert!(line.contains(MAINTENANCE) && line.ends_with("reported."), "{line}");
    assert_eq!(words.matches("omebody else moved").count(), 1, "{words}");
    assert_eq!(site.leads_to(), LIVE);
    drop(serving);
    site.upsert(&maintenance());
    let _again = agent(&site);
    until(|| log(&site).contains(&"drift-over".to_owned()).then_some(()));
    assert_eq!(log(&site).iter().filter(|event| *event == "drifted").count(), 1);
    assert_eq!(status(&site)["levers"][0]["drift"], json!([]));
}

/// The same as [`until`], for what an agent notices in its own time.
#[track_caller]
fn until_late(is_so: impl Fn() -> bool) {
    let began = clock::monotonic();
    while !is_so() {
        assert!(clock::monotonic().duration_since(began) < NOTICED, "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_record_that_somebody_moved_is_put_back_but_never_to_visitors() {
    let site = site("put-back");
    site.run(&["detour", "--yes", "--reason", "new database"]).exits(0);
    site.upsert(&live());
    let serving = agent(&site);
    until(|| log(&site).contains(&"drift-over".to_owned()).then_some(()));
    site.is_in_maintenance();
    let now = status(&site);
    assert_eq!((&now["phase"], &now["reason"]), (&json!("moved"), &json!("new database")));
    let happened = log(&site);
    let [.., drifted, put_back, started, moved, over] = happened.as_slice() else { panic!() };
    assert_eq!(
        [drifted, put_back, started, moved, over],
        ["drifted", "put-back", "started", "moved", "drift-over"]
    );
    drop(serving);

    // What is neither target goes back where it was seen.
    site.upsert(&foreign());
    let serving = agent(&site);
    until(|| (log(&site).iter().filter(|event| *event == "drift-over").count() == 2).then_some(()));
    site.is_in_maintenance();
    assert!(log(&site).contains(&"overridden".to_owned()));
    drop(serving);

    // An apply of Terraform may be about to say where it is to be.
    let lock = ".terraform.tfstate.lock.info";
    site.write(
        lock,
        r#"{"ID":"1","Who":"ann@build-7","Operation":"OperationTypeApply","Created":""}"#,
    );
    site.upsert(&live());
    let serving = agent(&site);
    let waits = drift(&site);
    assert_eq!(waits["then"], "waits", "{waits:#}");
    assert!(waits["why"].as_str().unwrap().contains("ann@build-7"), "{waits:#}");
    assert_eq!(site.leads_to(), LIVE);
    drop(serving);
    site.remove(lock);

    site.run(&["open", "--yes"]).exits(0);
    site.upsert(&maintenance());
    let _serving = agent(&site);
    let stays = drift(&site);
    assert_eq!(stays["then"], "stays", "{stays:#}");
    assert_eq!(site.leads_to(), MAINTENANCE, "nobody asked for it to open");
}

#[test]
fn rules_that_somebody_took_away_are_told_and_written_again() {
    let balancing = Balancing::start(&ministack(), &[80]);
    let listener = balancing.listeners[0].clone();
    balancing.rule(&listener, 10, (SHOP, ""), &balancing.group);
    let folder = tempfile::tempdir().unwrap();
    let configure = |on_drift: &str| {
        let text = format!(
            "serve {{\n  admin = \"127.0.0.1:0\"\n}}\nsite \"shop\" {{\n  hosts = [\"{SHOP}\"]\n  on_drift = \"{on_drift}\"\n  balancer \"alb\" {{\n    listeners = [\"{listener}\"]\n  }}\n}}\n"
        );
        std::fs::write(folder.path().join("roadworks.hcl"), text).unwrap();
    };
    let command = |words: &[&str]| {
        let mut command = roadworks(folder.path(), &balancing.endpoint, &[]);
        command.args(words);
        command
    };
    let log = || events(&run(&mut command(&["log", "--json"])).exits(0));
    let visit = || balancing.get(80, SHOP, "/basket", None).status;
    configure("report");
    run(&mut command(&["close", "--yes"])).exits(0);
    balancing.without_answers(&listener);
    assert_eq!(visit(), 200);
    let serving = Serving::start(&mut command(&["serve", "--role", "agent"]));
    until(|| log().contains(&"drifted".to_owned()).then_some(()));
    let words = run(&mut command(&["status"])).exits(0).stdout;
    let line = words.lines().find(|line| line.starts_with("Somebody else moved balancer:"));
    assert!(line.is_some_and(|line| line.contains("was hosts shop.example.com")), "{words}");
    drop(serving);

    configure("put-back");
    let _serving = Serving::start(&mut command(&["serve", "--role", "agent"]));
    until(|| log().contains(&"drift-over".to_owned()).then_some(()));
    assert_eq!(visit(), 503);
    assert_eq!(log().iter().filter(|event| *event == "drifted").count(), 1);
}
