//! The night when the Terraform state cannot be read: what an earlier plan pinned, and what is said of it.

use serde_json::Value;

use crate::support::route53::Route53;
use crate::support::site::Site;

fn warnings(object: &Value) -> String {
    object["warnings"].to_string()
}

#[test]
fn without_a_state_the_pinned_targets_move_the_record_and_their_age_is_said() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    site.run(&["plan", "detour"]).exits(0);
    site.remove("terraform.tfstate");
    let planned = site.run(&["plan", "detour", "-json"]).exits(0).json();
    assert!(warnings(&planned).contains("pinned"), "{planned:#}");
    assert!(!warnings(&planned).contains("files changed"), "{planned:#}");
    let moved = site.run(&["detour", "--yes", "-json"]).exits(0).json();
    assert!(warnings(&moved).contains(" ago"), "{moved:#}");
    site.is_in_maintenance();
    // Our own variables file is no change of the folder.
    let back = site.run(&["open", "--yes", "-json"]).exits(0).json();
    assert!(!warnings(&back).contains("files changed"), "{back:#}");
    site.is_open();
}

#[test]
fn targets_that_were_pinned_for_other_files_are_used_with_a_word_about_it() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    site.run(&["plan", "detour"]).exits(0);
    site.remove("terraform.tfstate");
    site.write("more.tf", "locals {\n  a = 1\n}\n");
    let planned = site.run(&["plan", "detour", "-json"]).exits(0).json();
    assert!(warnings(&planned).contains("files changed"), "{planned:#}");
}

#[test]
fn what_was_pinned_in_one_workspace_is_not_used_in_another() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    site.write(
        "roadworks.hcl",
        "site \"shop\" {\n  dns \"terraform\" {\n    dir = \".\"\n  }\n}\n",
    );
    site.run(&["plan", "detour"]).exits(0);
    site.remove("terraform.tfstate");
    server.forget();
    let elsewhere =
        site.command(&["detour", "--yes", "-json"]).env("TF_WORKSPACE", "staging").output();
    let elsewhere = crate::support::command::Ran::from(elsewhere.unwrap()).exits(1);
    assert_eq!(elsewhere.error()["code"], "pinned-elsewhere");
    assert!(server.batches().is_empty());
}

#[test]
fn a_log_that_cannot_be_written_stops_no_flip_and_is_said() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    site.run(&["plan", "detour"]).exits(0);
    site.write(".roadworks/default/audit", "not a folder");
    let moved = site.run(&["detour", "--yes"]).exits(0);
    assert!(moved.stderr.contains("the log could not be written"), "{moved:#?}");
    site.is_in_maintenance();
}

#[test]
fn a_cname_at_the_apex_is_refused_before_anything_moves() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    site.write(
        "main.tf",
        r#"
        variable "maintenance_mode" { default = false }
        resource "aws_route53_record" "apex" {
          zone_id = var.route53_zone_id
          name    = "example.com"
          type    = "CNAME"
          ttl     = 60
          records = [var.maintenance_mode ? "b.example.net" : "a.example.net"]
        }
        "#,
    );
    let refused = site.run(&["plan", "detour", "-json"]).exits(3);
    assert_eq!(refused.error()["code"], "cname-at-apex");
}
