//! What a hostile or unlucky world does to a flip: files that are no files, a store that goes away, plans and pins that
//! belong to something else. Each was found by hand, and broke the program once.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::command::{Ran, run};
use crate::support::route53::record::{Answer, RecordSet};
use crate::support::route53::{Route53, Verb};
use crate::support::site::{LIVE, MAINTENANCE, NAME, Site, live};

const DETOUR: [&str; 3] = ["detour", "--yes", "--json"];
const STORE: &str = ".roadworks/default";

fn started() -> (Route53, Site) {
    let server = Route53::start();
    server.pending_for(0);
    let site = Site::at(&server.endpoint());
    (server, site)
}

/// One error object on stderr, nothing on stdout.
#[track_caller]
fn refused(ran: Ran, code: i32) -> Value {
    assert_eq!(ran.stdout, "", "an error is not data");
    ran.exits(code).error()
}

/// Puts `value` at `key` of a JSON file of the site.
fn edited(site: &Site, file: &str, key: &str, value: Value) {
    let mut document: Value = serde_json::from_str(&site.read(file).unwrap()).unwrap();
    document[key] = value;
    site.write(file, &document.to_string());
}

fn plain(value: &str) -> RecordSet {
    let answer = Answer::Plain { ttl: 60, values: vec![value.to_owned()] };
    RecordSet { answer, ..live() }
}

#[test]
fn a_saved_plan_does_not_move_the_same_name_in_another_zone() {
    let (server, site) = started();
    let other = Site::at(&server.endpoint());
    site.run(&["plan", "detour", "-out", "tonight.plan"]).exits(0);
    let zone = format!("route53_zone_id={}", other.zone_id);
    let error = refused(site.run(&["apply", "tonight.plan", "-var", &zone, "--json"]), 3);
    assert_eq!(error["code"], "stale-plan", "{error:#}");
    assert_eq!((site.leads_to().as_str(), other.leads_to().as_str()), (LIVE, LIVE));
    site.run(&["apply", "tonight.plan"]).exits(0);
    assert_eq!((site.leads_to().as_str(), other.leads_to().as_str()), (MAINTENANCE, LIVE));
}

#[test]
fn pins_of_another_folder_move_nothing_in_its_zone() {
    let (server, site) = started();
    let copied = Site::at(&server.endpoint());
    site.run(&["plan", "detour"]).exits(0);
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(site.folder().join(".roadworks")).arg(copied.folder());
    assert!(copy.status().unwrap().success());
    copied.remove("terraform.tfstate");
    server.forget();
    let error = refused(copied.run(&DETOUR), 1);
    assert_eq!(error["code"], "pinned-elsewhere", "{error:#}");
    assert!(server.batches().is_empty());
}

/// One name in a public and in a private zone.
fn split(public: &Site, private: &Site) {
    let record = |label: &str, zone: &str, live: &str, maintenance: &str| {
        format!(
            "resource \"aws_route53_record\" \"{label}\" {{\n  zone_id = \"{zone}\"\n  name = \"{NAME}\"\n  type = \"A\"\n  ttl = 60\n  records = [var.maintenance_mode ? \"{maintenance}\" : \"{live}\"]\n}}\n"
        )
    };
    let variable = "variable \"maintenance_mode\" {\n  type = bool\n  default = false\n}\n";
    let first = record("public", &public.zone_id, "192.0.2.1", "192.0.2.9");
    let second = record("private", &private.zone_id, "10.0.0.1", "10.0.0.9");
    public.write("main.tf", &format!("{variable}{first}{second}"));
}

#[test]
fn one_name_in_two_zones_moves_to_its_own_target_in_each() {
    let (server, public) = started();
    let private = Site::at(&server.endpoint());
    split(&public, &private);
    let put = |last: &str| {
        server.put(&public.zone_id, plain(&format!("192.0.2.{last}")));
        server.put(&private.zone_id, plain(&format!("10.0.0.{last}")));
    };
    let stands = |last: &str| {
        let of = |zone: &str| server.record(zone, NAME, "A").unwrap();
        assert_eq!(of(&public.zone_id), plain(&format!("192.0.2.{last}")));
        assert_eq!(of(&private.zone_id), plain(&format!("10.0.0.{last}")));
    };
    put("1");
    let plan = public.run(&["plan", "detour", "--json"]).exits(0).json();
    let targets: Vec<_> =
        plan["steps"].as_array().unwrap().iter().map(|step| step["target"].clone()).collect();
    assert!(targets.contains(&json!(format!("{NAME} A ({})", private.zone_id))), "{targets:?}");
    public.run(&DETOUR).exits(0);
    stands("9");
    public.run(&["open", "--yes", "--json"]).exits(0);
    stands("1");
}

#[test]
fn a_pipe_that_nobody_writes_is_refused_and_not_waited_for() {
    let (_server, site) = started();
    let pipe = |name: &str| {
        let path = site.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _absent = fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    };
    pipe("pipe");
    for words in [
        &["plan", "detour", "-state", "pipe", "--json"][..],
        &["plan", "detour", "-from-plans", "pipe", "pipe", "--json"],
        &["apply", "pipe", "--json"],
    ] {
        let error = refused(site.run(words), 1);
        assert!(error["message"].to_string().contains("regular file"), "{words:?}: {error:#}");
    }
    for name in [".terraform/environment", ".terraform/terraform.tfstate", "terraform.tfstate"] {
        let path = pipe(name);
        let error = refused(site.run(&["plan", "detour", "--json"]), 1);
        assert!(error["message"].to_string().contains("regular file"), "{name}: {error:#}");
        fs::remove_file(path).unwrap();
    }
    pipe(&format!("{STORE}/switch.json"));
    refused(site.run(&["status", "--json"]), 1);
}

#[test]
fn a_switch_whose_version_cannot_grow_is_told_and_nothing_moves() {
    let (_server, site) = started();
    site.run(&DETOUR).exits(0);
    edited(&site, &format!("{STORE}/switch.json"), "version", json!(u64::MAX));
    let error = refused(site.run(&["open", "--yes", "--json"]), 1);
    assert_eq!(error["code"], "store-unreadable", "{error:#}");
    site.is_in_maintenance();
}

#[test]
fn a_deadline_in_a_billion_years_is_a_deadline() {
    let (_server, site) = started();
    site.run(&["detour", "--yes", "--timeout", "18446744073709551615"]).exits(0);
    site.is_in_maintenance();
}

#[test]
fn pins_that_cannot_be_read_stop_nothing_that_does_not_need_them() {
    let (_server, site) = started();
    site.run(&["plan", "detour"]).exits(0);
    site.write(&format!("{STORE}/pinned.json"), "{");
    let moved = site.run(&DETOUR).exits(0).json();
    assert!(moved["warnings"].to_string().contains("pinned"), "{moved:#}");
    site.is_in_maintenance();
}

#[test]
fn a_stray_file_among_the_entries_does_not_hide_the_log() {
    let (_server, site) = started();
    site.run(&DETOUR).exits(0);
    site.write(&format!("{STORE}/audit/0.json~"), "x");
    fs::create_dir(site.folder().join(format!("{STORE}/audit/folder.json"))).unwrap();
    site.write(&format!("{STORE}/audit/torn.json"), "{");
    let log = site.run(&["log", "--json"]).exits(0).json();
    assert!(log["entries"].as_array().unwrap().len() >= 4, "{log:#}");
    let said = site.run(&["log"]).exits(0);
    assert!(said.stderr.contains("torn.json"), "{said:#?}");
}

/// A detour whose change is on its way when `meddle` comes.
fn during(server: &Route53, site: &Site, meddle: impl FnOnce()) -> Ran {
    server.pending_for(2);
    server.forget();
    let running = site
        .command(&DETOUR)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    server.hears(Verb::GetChange);
    meddle();
    Ran::from(running.wait_with_output().unwrap())
}

#[test]
fn a_store_that_goes_away_after_the_change_is_not_told_as_nothing_changed() {
    let (server, site) = started();
    let ran = during(&server, &site, || {
        fs::remove_dir_all(site.folder().join(".roadworks")).unwrap();
    });
    let error = refused(ran, 5);
    assert_eq!(error["code"], "unrecorded", "{error:#}");
    assert_eq!(site.leads_to(), MAINTENANCE);
    site.run(&DETOUR).exits(0);
    site.is_in_maintenance();
}

#[test]
fn a_store_that_breaks_after_the_change_is_told_as_asked_for_and_not_settled() {
    let (server, site) = started();
    let ran = during(&server, &site, || site.write(&format!("{STORE}/switch.json"), "{"));
    refused(ran, 5);
    assert_eq!(site.leads_to(), MAINTENANCE);
}
#[test]
fn an_empty_variable_of_the_environment_is_one_that_is_not_set() {
    let (_server, site) = started();
    let endpoint = site.endpoint.clone();
    let mut command = site.command(&["status", "--json"]);
    command
        .env("AWS_ENDPOINT_URL", &endpoint)
        .env("AWS_ENDPOINT_URL_ROUTE_53", "")
        .env("AWS_ENDPOINT_URL_STS", "")
        .env("ROADWORKS_CONFIG", "");
    run(&mut command).exits(0);
    let mut command = site.command(&["status", "--json"]);
    command.env("AWS_ENDPOINT_URL", "").env("AWS_ENDPOINT_URL_ROUTE_53", &endpoint);
    run(&mut command).exits(0);
}

#[test]
fn keys_that_no_header_can_carry_are_a_matter_of_credentials() {
    let (_server, site) = started();
    for (name, value) in [("AWS_ACCESS_KEY_ID", "AKIA\nX"), ("AWS_SESSION_TOKEN", "hush-hush\nX")] {
        let mut command = site.command(&["status", "--json"]);
        command.env(name, value);
        let ran = run(&mut command);
        assert!(!ran.stderr.contains("hush-hush"), "{ran:#?}");
        refused(ran, 4);
    }
}

#[test]
fn a_name_that_no_zone_can_hold_is_refused_while_planning() {
    let (_server, site) = started();
    for name in ["a".repeat(70_000), "a.".repeat(600), "a..b".to_owned(), "x".repeat(64)] {
        let tfvars = format!("url = \"{name}\"\nroute53_zone_id = \"{}\"\n", site.zone_id);
        site.write("terraform.tfvars", &tfvars);
        let error = refused(site.run(&["plan", "detour", "--json"]), 1);
        assert_eq!(error["code"], "bad-terraform", "{error:#}");
    }
}

#[test]
fn an_expression_with_a_hundred_thousand_splats_does_not_end_the_stack() {
    let (_server, site) = started();
    let splats = format!("locals {{\n  y = [1]\n  x = local.y{}\n}}\n", "[*]".repeat(100_000));
    site.write("splats.tf", &splats);
    let main = site.read("main.tf").unwrap().replace("= var.url", "= local.x");
    site.write("main.tf", &main);
    refused(site.run(&["plan", "detour", "--json"]), 1);
}

#[test]
fn a_password_in_the_endpoint_is_in_no_error() {
    let site = Site::unreachable();
    let mut command = site.command(&["status", "--json"]);
    command.env("AWS_ENDPOINT_URL", "http://ana:hush-hush@127.0.0.1:1");
    let ran = run(&mut command);
    assert!(!ran.stderr.contains("hush-hush"), "{ran:#?}");
    assert!(ran.stderr.contains("127.0.0.1:1"), "{ran:#?}");
}

#[test]
fn a_reason_cannot_forge_a_line_of_the_log() {
    let (_server, site) = started();
    let reason = "new database\nop-00000000  forged\u{1b}[2J";
    site.run(&["detour", "--yes", "--reason", reason]).exits(0);
    for verb in ["log", "status"] {
        let said = site.run(&[verb]).exits(0);
        assert!(!said.stdout.lines().any(|line| line.starts_with("op-")), "{said:#?}");
        assert!(said.stdout.contains("forged"), "{said:#?}");
    }
    let log = site.run(&["log", "--json"]).exits(0).json();
    assert_eq!(log["entries"][0]["reason"], reason);
}

#[test]
fn a_mistake_in_usage_says_what_is_missing_in_json_too() {
    let site = Site::unreachable();
    let error = refused(site.run(&["detour", "--override", "x", "--json"]), 1);
    assert!(error["message"].as_str().unwrap().contains("--reason"), "{error:#}");
}

#[test]
fn a_variables_file_that_is_a_link_is_refused_before_anything_moves() {
    let (server, site) = started();
    site.write("shared.json", "{\"size\": 3}");
    let link = site.folder().join("roadworks.auto.tfvars.json");
    std::os::unix::fs::symlink("shared.json", &link).unwrap();
    server.forget();
    let error = refused(site.run(&DETOUR), 1);
    assert_eq!(error["code"], "variable-file", "{error:#}");
    assert!(server.batches().is_empty());
    assert!(link.is_symlink());
    assert_eq!(site.leads_to(), LIVE);
}

#[test]
fn a_variable_of_this_shell_alone_does_not_count_as_told() {
    let (_server, site) = started();
    let mut command = site.command(&DETOUR);
    command.env("TF_VAR_maintenance_mode", "true");
    run(&mut command).exits(0);
    site.is_in_maintenance();
    site.run(&["open", "--yes"]).exits(0);
    site.is_open();
}

#[test]
fn a_configuration_that_is_a_link_to_nowhere_is_not_passed_over() {
    let (_server, site) = started();
    std::os::unix::fs::symlink("/nowhere", site.folder().join("roadworks.hcl")).unwrap();
    let error = refused(site.run(&["status", "--json"]), 1);
    assert!(error["message"].to_string().contains("roadworks.hcl"), "{error:#}");
}
