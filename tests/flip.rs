//! The seed's flip from outside, line by line of what it has to do, on an emulator and on the strict fake.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::command::{Ran, run};
use crate::support::emulator::{aws_cli, ministack, moto};
use crate::support::route53::record::CLOUDFRONT;
use crate::support::route53::xml::Element;
use crate::support::route53::{Fault, Request, Route53, Verb};
use crate::support::site::{
    LIVE, LIVE_ZONE, MAIN_TF, MAINTENANCE, NAME, Site, TOLD, foreign, maintenance,
};

const TRUE: &str = "maintenance_mode=true";
const PLAN: [&str; 4] = ["plan", "-var", TRUE, "-detailed-exitcode"];
const APPLY: [&str; 4] = ["apply", "-var", TRUE, "-auto-approve"];
const SECRET: &str = "not-a-secret";

fn alias(name: &str, zone_id: &str) -> Value {
    json!({ "alias": { "name": name, "zone_id": zone_id, "evaluate_target_health": false } })
}

/// The element of a list whose `key` is `value`.
fn one<'a>(list: &'a Value, key: &str, value: &str) -> &'a Value {
    let found = list.as_array().and_then(|list| list.iter().find(|item| item[key] == value));
    found.unwrap_or_else(|| panic!("no {key} = {value} in {list:#}"))
}

/// The events of each operation in the log, oldest first.
fn told(log: &Value) -> Vec<(String, String, String)> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let entries = log["entries"].as_array().expect("entries is a list");
    let told =
        entries.iter().map(|entry| (text(entry, "from"), text(entry, "to"), text(entry, "event")));
    told.collect()
}

fn flips_and_flips_back(endpoint: &str) {
    let site = Site::at(endpoint);
    let planned = site.run(&PLAN).exits(2);
    for shown in [LIVE, MAINTENANCE, NAME] {
        assert!(planned.stdout.contains(shown), "{planned:#?}");
    }
    site.is_open();
    site.run(&APPLY).exits(0);
    site.is_in_maintenance();
    let again = site.run(&APPLY).exits(0);
    assert!((again.stdout + &again.stderr).contains("No changes"));
    site.is_in_maintenance();
    site.run(&PLAN).exits(0);
    site.run(&["open", "--yes"]).exits(0);
    site.is_open();
    assert_eq!(site.read("main.tf").as_deref(), Some(MAIN_TF));

    let log = site.run(&["log", "--json"]).exits(0).json();
    assert_eq!(log["format"], 1);
    let told = told(&log);
    for (from, to) in [("open", "detour"), ("detour", "open")] {
        for event in ["asked", "started", "moved"] {
            let line = (from.to_owned(), to.to_owned(), event.to_owned());
            assert!(told.contains(&line), "{line:?} in {told:#?}");
        }
    }
}

#[test]
fn the_seeds_flip_goes_there_and_back_on_the_strict_fake() {
    flips_and_flips_back(&Route53::start().endpoint());
}

#[test]
fn the_seeds_flip_goes_there_and_back_on_ministack() {
    flips_and_flips_back(&ministack());
}

#[test]
fn the_seeds_flip_goes_there_and_back_on_moto() {
    flips_and_flips_back(&moto());
}

#[test]
fn the_seeds_file_is_the_seeds_file_byte_for_byte() {
    use std::fmt::Write as _;
    let digest = Sha256::digest(MAIN_TF.as_bytes());
    let mut spelt = String::new();
    for byte in digest {
        write!(spelt, "{byte:02x}").unwrap();
    }
    assert_eq!(spelt, "f73d4faeae4256b385075318a7db9bcbf8aa11792169e75bdbca6ef399b66714");
}

#[test]
fn a_plan_in_json_has_what_the_contract_says() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    server.forget();
    let plan = site.run(&["plan", "-var", TRUE, "-detailed-exitcode", "-json"]).exits(2).json();
    assert_eq!(plan["format"], 1);
    assert_eq!(plan["site"], NAME);
    assert_eq!((&plan["from"], &plan["to"]), (&json!("open"), &json!("detour")));
    assert_eq!(plan["changes"], true);
    assert!(plan["warnings"].is_array(), "{plan:#}");
    let step = one(&plan["steps"], "lever", "dns");
    assert_eq!(step["kind"], "route53");
    assert_eq!(step["target"], format!("{NAME} A"));
    assert_eq!(step["before"], alias(LIVE, LIVE_ZONE));
    assert_eq!(step["after"], alias(MAINTENANCE, CLOUDFRONT));
    assert!(server.batches().is_empty(), "a plan sends no change");
    assert_eq!(site.told(), None, "a plan tells Terraform nothing");
}

#[test]
fn status_in_json_has_what_the_contract_says() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    let before = site.run(&["status", "--json"]).exits(0).json();
    assert_eq!(before["mode"], "open");
    site.run(&["status", "-detailed-exitcode"]).exits(0);
    let moved =
        site.run(&["detour", "--yes", "--reason", "new database", "--json"]).exits(0).json();
    let status = site.run(&["status", "--json"]).exits(0).json();
    site.run(&["status", "-detailed-exitcode"]).exits(2);
    for said in [&moved, &status] {
        assert_eq!(said["format"], 1);
        assert_eq!(said["site"], NAME);
        assert_eq!((&said["mode"], &said["desired"]), (&json!("detour"), &json!("detour")));
        assert_eq!(said["phase"], "moved");
        assert_eq!(said["reason"], "new database");
        assert_eq!(said["by"], "arn:aws:iam::123456789012:user/ana");
        assert_eq!((&said["until"], &said["overdue"]), (&Value::Null, &json!(false)));
        assert_eq!(said["hold_spent"], false);
        let dns = one(&said["levers"], "name", "dns");
        assert_eq!((&dns["kind"], &dns["position"]), (&json!("route53"), &json!("maintenance")));
        assert!(dns["phase"].is_string() && dns["detail"].is_string(), "{dns:#}");
        assert!(said["gateways"].is_array() && said["checks"].is_array(), "{said:#}");
        let since = said["since"].as_str().unwrap();
        assert!(since.ends_with('Z') && since.contains('T'), "{since} is not RFC 3339 in UTC");
    }
    assert_eq!(moved["operation"], status["operation"]);
}

/// The batch's actions, each with the name that the record leads to.
fn batch(request: &Request) -> Vec<(String, String)> {
    let parsed = Element::parse(&request.body).unwrap();
    let text = |change: &Element, path: &[&str]| change.at(path).unwrap_or_default().to_owned();
    let changes = parsed.all("Change");
    let target = ["ResourceRecordSet", "AliasTarget", "DNSName"];
    let pairs = changes.iter().map(|change| {
        (text(change, &["Action"]), text(change, &target).trim_end_matches('.').to_owned())
    });
    pairs.collect()
}

#[test]
fn a_flip_is_one_batch_that_deletes_what_was_read_and_creates_the_other() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    server.forget();
    site.run(&APPLY).exits(0);
    site.run(&["open", "--yes"]).exits(0);
    let sent: Vec<_> = server.batches().iter().map(batch).collect();
    let pair = |from: &str, to: &str| {
        vec![("DELETE".to_owned(), from.to_owned()), ("CREATE".to_owned(), to.to_owned())]
    };
    assert_eq!(sent, [pair(LIVE, MAINTENANCE), pair(MAINTENANCE, LIVE)]);
}

#[test]
fn a_second_apply_sends_no_change() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    site.run(&APPLY).exits(0);
    server.forget();
    site.run(&APPLY).exits(0);
    assert!(server.batches().is_empty());
}

#[test]
fn moved_is_said_only_after_in_sync() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    server.pending_for(2);
    server.forget();
    site.run(&["detour", "--yes", "--wait", "moved"]).exits(0);
    let verbs: Vec<_> = server.requests().iter().map(|request| request.verb).collect();
    let polls = verbs.iter().filter(|verb| **verb == Verb::GetChange).count();
    assert_eq!(polls, 3, "{verbs:?}");
    let last = verbs.iter().rposition(|verb| *verb == Verb::GetChange).unwrap();
    assert!(verbs[last..].contains(&Verb::List), "it is read back after INSYNC: {verbs:?}");
}

#[test]
fn at_most_three_requests_go_to_route_53_in_a_second() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    server.pending_for(4);
    server.forget();
    site.run(&APPLY).exits(0);
    let requests = server.requests();
    let times: Vec<_> = requests
        .iter()
        .filter(|request| request.path.starts_with("/2013-04-01/"))
        .map(|request| request.at)
        .collect();
    assert!(times.len() > 5, "{}", times.len());
    // A tenth of a second for what a request needs from being sent to being seen.
    let second = Duration::from_millis(900);
    for four in times.windows(4) {
        assert!(four[3].duration_since(four[0]) >= second, "{times:?}");
    }
}

#[test]
fn terraform_is_told_before_the_record_moves_and_no_longer_after_it_is_back() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    let seen = Arc::new(Mutex::new(None));
    let (file, into) = (site.folder().join(TOLD), Arc::clone(&seen));
    let look = move |_: &mut _| *into.lock().unwrap() = Some(file.exists());
    server.fault(Verb::Change, 1, Fault::meddle(look));
    site.run(&["detour", "--yes"]).exits(0);
    assert_eq!(*seen.lock().unwrap(), Some(true), "told when the change came");
    site.is_in_maintenance();
    site.run(&["open", "--yes"]).exits(0);
    site.is_open();
}

#[test]
fn a_name_without_a_record_gets_one_and_the_plan_says_so() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    server.remove(&site.zone_id, ("app.example.com.", "A", None));
    let plan = site.run(&["plan", "-var", TRUE, "--json"]).exits(0).json();
    assert_eq!(one(&plan["steps"], "lever", "dns")["before"], Value::Null);
    let warnings = plan["warnings"].to_string();
    assert!(warnings.contains("does not exist yet"), "{warnings}");
    server.forget();
    site.run(&APPLY).exits(0);
    assert_eq!(server.batches()[0].actions(), ["CREATE"]);
    assert_eq!(server.record(&site.zone_id, NAME, "A"), Some(maintenance()));
}

#[test]
fn a_record_that_is_neither_target_is_refused_and_shown_beside_both() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    server.put(&site.zone_id, foreign());
    server.forget();
    let refused = site.run(&["detour", "--yes", "--json"]).exits(3).error();
    assert_eq!(refused["code"], "foreign-record");
    let message = refused["message"].as_str().unwrap();
    for shown in ["other-99", LIVE, MAINTENANCE] {
        assert!(message.contains(shown), "{message}");
    }
    assert!(server.batches().is_empty());
    assert_eq!(site.told(), None);
    site.run(&["detour", "--yes", "--override=foreign-record"]).exits(1);
    let with = ["detour", "--yes", "--override=foreign-record", "--reason", "moved house"];
    site.run(&with).exits(0);
    site.is_in_maintenance();
    let log = site.run(&["log", "--json"]).exits(0).stdout;
    assert!(log.contains("overridden") && log.contains("moved house"), "{log}");
}

#[test]
fn off_a_terminal_nothing_moves_without_a_word_for_it() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    server.forget();
    for words in [&["detour", "--json"][..], &["apply", "-var", TRUE, "--json"]] {
        let refused = site.run(words).exits(3).error();
        assert_eq!(refused["code"], "not-confirmed");
        let hint = refused["hint"].as_str().unwrap();
        assert!(hint.contains("--yes") && hint.contains("-auto-approve"), "{hint}");
    }
    assert!(server.batches().is_empty());
    site.is_open();
}

#[test]
fn a_saved_plan_is_carried_out_and_then_refused() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    site.run(&["plan", "-var", TRUE, "-out", "tonight.plan"]).exits(0);
    site.run(&["apply", "tonight.plan"]).exits(0);
    site.is_in_maintenance();
    let refused = site.run(&["apply", "tonight.plan", "--json"]).exits(3).error();
    assert_eq!(refused["code"], "stale-plan");
    site.is_in_maintenance();
}

#[test]
fn a_flip_by_somebody_else_is_seen() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    server.put(&site.zone_id, maintenance());
    let status = site.run(&["status", "--json"]).exits(0).json();
    assert_eq!((&status["mode"], &status["desired"]), (&json!("detour"), &json!("open")));
    site.run(&["status", "-detailed-exitcode"]).exits(2);
}

#[test]
fn a_state_that_somebody_locked_refuses_the_flip_and_says_who() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    let lock = json!({
        "ID": "5ff5ba4c-7a35-4e8b-bd8e-1d6a4f2a0001",
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": "ben@laptop",
        "Version": "1.11.4",
        "Created": "2026-11-23T20:00:00.000000000Z",
        "Path": "terraform.tfstate",
    });
    site.write(".terraform.tfstate.lock.info", &lock.to_string());
    let refused = site.run(&["detour", "--yes", "--json"]).exits(3).error();
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("ben@laptop"), "{message}");
    site.is_open();
    site.remove(".terraform.tfstate.lock.info");
    site.run(&["detour", "--yes"]).exits(0);
    site.is_in_maintenance();
}

/// Every file under a folder, with its text.
fn texts(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let texts = entries.flat_map(|path| {
        if path.is_dir() {
            return texts(&path);
        }
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        vec![(path.display().to_string(), text)]
    });
    texts.collect()
}

#[test]
fn a_secret_is_in_nothing_that_a_flip_writes_or_says() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    let in_state = site.read("terraform.tfstate").unwrap().replace(
        "\"outputs\": {}",
        &format!("\"outputs\": {{\"p\": {{\"value\": \"{SECRET}\", \"type\": \"string\"}}}}"),
    );
    let runs: Vec<Ran> = [&PLAN[..], &APPLY, &["log", "--json"], &["status"], &["open", "--yes"]]
        .iter()
        .map(|words| {
            site.write("terraform.tfstate", &in_state);
            run(site.command(words).env("RUST_LOG", "trace"))
        })
        .collect();
    site.remove("terraform.tfstate");
    for ran in runs {
        assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET), "{ran:#?}");
    }
    for (path, text) in texts(site.folder()) {
        assert!(!text.contains(SECRET), "{path}");
    }
}

#[test]
fn the_commands_that_a_plan_prints_for_aws_do_it_and_undo_it() {
    let site = Site::at(&ministack());
    let printed = site.run(&["plan", "detour", "--as-aws-cli"]).exits(0).stdout;
    let (make, undo) = printed.split_once("# and back").expect("there is a way back");
    for (commands, leads_to) in [(make, MAINTENANCE), (undo, LIVE)] {
        let folder = Path::new(&aws_cli()).parent().unwrap().to_owned();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("timeout");
        shell.args(["60s", "sh", "-eu", "-c", commands]).current_dir(site.folder());
        shell.env("PATH", path).env("AWS_ENDPOINT_URL", &site.endpoint);
        shell.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        shell.env("AWS_DEFAULT_REGION", "us-east-1").env("HOME", site.folder());
        run(&mut shell).exits(0);
        assert_eq!(site.leads_to(), leads_to);
    }
}
