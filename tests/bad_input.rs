//! Each kind of bad input: one clear error with a hint, the right exit code, nothing half done.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;

use serde_json::Value;

use crate::support::command::{Ran, run};
use crate::support::route53::{Fault, Route53, Verb};
use crate::support::site::{MAIN_TF, Site};

const DETOUR: [&str; 3] = ["detour", "--yes", "--json"];
const TWO_SWITCHES: &str = r#"
variable "quiet" {
  type    = bool
  default = false
}
variable "busy" {
  type    = bool
  default = false
}
resource "aws_route53_record" "environment" {
  zone_id = var.route53_zone_id
  name    = var.url
  type    = "A"
  ttl     = 60
  records = var.quiet || var.busy ? ["192.0.2.1"] : ["192.0.2.2"]
}
"#;

/// The error of a run that was refused, after a look at its shape.
#[track_caller]
fn error(ran: Ran, code: i32, words: &[&str]) -> Value {
    assert_eq!(ran.stdout, "", "an error is not data");
    let error = ran.exits(code).error();
    let said = error.to_string();
    for key in ["code", "message", "hint"] {
        assert!(error[key].as_str().is_some_and(|text| !text.is_empty()), "{key} of {error:#}");
    }
    for word in words {
        assert!(said.contains(word), "`{word}` in {error:#}");
    }
    error
}

/// A detour in a folder that `spoil` made wrong.
#[track_caller]
fn spoilt(spoil: impl FnOnce(&Site), words: &[&str]) -> Value {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    spoil(&site);
    server.forget();
    let error = error(site.run(&DETOUR), 1, words);
    assert!(server.batches().is_empty(), "nothing was sent");
    assert_eq!(site.told().filter(|told| told["maintenance_mode"] == true), None);
    error
}

#[test]
fn a_folder_without_terraform_is_told_so() {
    spoilt(|site| site.remove("main.tf"), &[".tf"]);
}

#[test]
fn a_broken_file_is_shown_where_it_is_broken() {
    let broken = MAIN_TF.replacen("type            = \"A\"", "type            = ", 1);
    let error = spoilt(|site| site.write("main.tf", &broken), &["main.tf"]);
    assert_eq!(error["line"], 10, "{error:#}");
    assert!(error["column"].as_u64().is_some(), "{error:#}");
    assert!(error["file"].as_str().unwrap().ends_with("main.tf"), "{error:#}");
}

#[test]
fn a_state_that_is_not_one_is_told_so() {
    spoilt(|site| site.write("terraform.tfstate", "{\"version\": 4"), &["terraform.tfstate"]);
}

#[test]
fn locals_that_need_each_other_are_named() {
    let with = MAIN_TF.replacen("= var.url", "= local.a", 1)
        + "\nlocals {\n  a = local.b\n  b = local.a\n}\n";
    spoilt(|site| site.write("main.tf", &with), &["local.a", "local.b"]);
}

#[test]
fn a_folder_without_a_state_is_told_what_is_missing() {
    spoilt(|site| site.remove("terraform.tfstate"), &["state", "-state"]);
}

#[test]
fn a_state_without_the_target_is_told_which() {
    let without = |site: &Site| {
        let state = site.read("terraform.tfstate").unwrap();
        site.write("terraform.tfstate", &state.replace("\"load_balancer\"", "\"another\""));
    };
    let error = spoilt(without, &["aws_lb.load_balancer"]);
    assert_eq!(error["line"], 16, "{error:#}");
}

#[test]
fn two_booleans_that_both_could_be_the_switch_are_named() {
    let error = spoilt(|site| site.write("main.tf", TWO_SWITCHES), &["quiet", "busy", "-variable"]);
    assert_ne!(error["code"], "usage");
}

#[test]
fn an_unknown_function_is_named_with_its_place() {
    let with = MAIN_TF.replacen("= var.url", "= lowre(var.url)", 1);
    let error = spoilt(|site| site.write("main.tf", &with), &["lowre"]);
    assert_eq!(error["line"], 9, "{error:#}");
}

#[test]
fn a_variables_file_that_is_not_json_is_named_and_left_alone() {
    let text = "maintenance_mode = true";
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    site.write("roadworks.auto.tfvars.json", text);
    server.forget();
    error(site.run(&DETOUR), 1, &["roadworks.auto.tfvars.json"]);
    assert!(server.batches().is_empty());
    assert_eq!(site.read("roadworks.auto.tfvars.json").as_deref(), Some(text));
}

#[test]
fn no_credentials_are_told_so_with_4() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    let mut command = site.command(&DETOUR);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    error(run(&mut command), 4, &["credentials"]);
    site.is_open();
}

#[test]
fn expired_credentials_are_told_so_with_4() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    server.fault(Verb::List, 1, Fault::ExpiredToken);
    error(site.run(&DETOUR), 4, &["expired"]);
    site.is_open();
}

#[test]
fn an_endpoint_that_nobody_answers_is_named() {
    let site = Site::unreachable();
    let error = error(site.run(&DETOUR), 1, &["127.0.0.1:1"]);
    assert!(error["line"].is_null(), "{error:#}");
    assert_eq!(site.told(), None);
}

#[test]
fn a_folder_that_cannot_be_written_moves_nothing() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    // Root may write anywhere, so the run is somebody else's, from a place that everybody may read.
    let bin = tempfile::tempdir().unwrap();
    let everybody = |path: &std::path::Path| {
        fs::set_permissions(path, Permissions::from_mode(0o555)).unwrap();
    };
    let binary = bin.path().join("roadworks");
    fs::copy(env!("CARGO_BIN_EXE_roadworks"), &binary).unwrap();
    everybody(bin.path());
    everybody(site.folder());
    let mut command = crate::support::command::of(&binary, site.folder(), &site.endpoint, &[]);
    command.args(DETOUR);
    if is_root() {
        command.uid(65_534).gid(65_534);
    }
    server.forget();
    let ran = run(&mut command);
    fs::set_permissions(site.folder(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(bin.path(), Permissions::from_mode(0o755)).unwrap();
    error(ran, 1, &["written"]);
    assert!(server.batches().is_empty());
    site.is_open();
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn a_plan_that_no_longer_holds_is_refused_with_3() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    site.run(&["plan", "detour", "-out", "tonight.plan"]).exits(0);
    site.run(&["detour", "--yes"]).exits(0);
    site.run(&["open", "--yes"]).exits(0);
    server.forget();
    error(site.run(&["apply", "tonight.plan", "--json"]), 3, &["plan"]);
    assert!(server.batches().is_empty());
    site.run(&["plan", "detour", "-out", "tonight.plan"]).exits(0);
    let tfvars = site.read("terraform.tfvars").unwrap();
    site.write("terraform.tfvars", &tfvars.replace("app.", "other."));
    error(site.run(&["apply", "tonight.plan", "--json"]), 3, &["plan"]);
}

#[test]
fn a_plan_that_is_not_one_is_told_so() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    site.write("tonight.plan", "{}");
    error(site.run(&["apply", "tonight.plan", "--json"]), 1, &["tonight.plan"]);
    error(site.run(&["apply", "none.plan", "--json"]), 1, &["none.plan"]);
}

#[test]
fn words_that_nobody_knows_are_1_and_not_2() {
    let site = Site::unreachable();
    error(site.run(&["detuor", "--json"]), 1, &["detuor"]);
    error(site.run(&["plan", "sideways", "--json"]), 1, &["sideways"]);
    error(site.run(&["plan", "detour", "-var", "maintenance_mode=true", "--json"]), 1, &["-var"]);
}

#[test]
fn a_mode_that_the_site_does_not_have_is_refused_with_the_lever_it_needs() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    for verb in ["hold", "read-only", "close"] {
        error(site.run(&[verb, "--yes", "--json"]), 3, &["gateway"]);
    }
    site.is_open();
}
