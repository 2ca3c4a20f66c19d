//! Where roadworks.hcl says that the boolean lives.

use crate::support::route53::Route53;
use crate::support::site::{MAINTENANCE, Site, TOLD};

fn with(variable: &str) -> (Route53, Site) {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    let dns = "dns \"terraform\" {\n    dir = \".\"\n  }";
    site.write(
        "roadworks.hcl",
        &format!("site \"shop\" {{\n  {dns}\n  variable {{\n    {variable}\n  }}\n}}\n"),
    );
    (server, site)
}

#[test]
fn a_command_is_told_before_the_record_moves_and_again_on_the_way_back() {
    let line = "command = \"echo $ROADWORKS_VARIABLE=$ROADWORKS_VALUE >> told\"";
    let (_server, site) = with(line);
    let moved = site.run(&["detour", "--yes", "-json"]).exits(0).json();
    assert_eq!(moved["site"], "shop");
    assert_eq!(site.leads_to(), MAINTENANCE);
    assert_eq!(site.read("told").unwrap(), "maintenance_mode=true\n");
    site.run(&["detour", "--yes"]).exits(0);
    assert_eq!(site.read("told").unwrap(), "maintenance_mode=true\n", "it is told once");
    site.run(&["open", "--yes"]).exits(0);
    site.is_open();
    assert_eq!(site.read("told").unwrap(), "maintenance_mode=true\nmaintenance_mode=false\n");
    assert!(site.read(TOLD).is_none());
}

#[test]
fn a_command_that_fails_moves_nothing() {
    let (server, site) = with("command = [\"sh\", \"-c\", \"echo no right on it >&2; exit 7\"]");
    server.forget();
    let error = site.run(&["detour", "--yes", "-json"]).exits(1).error();
    assert_eq!(error["code"], "variable-command");
    assert!(error["message"].as_str().unwrap().contains("no right on it"), "{error:#}");
    assert!(server.batches().is_empty());
    let status = site.run(&["status", "-json"]).exits(0).json();
    assert_eq!((&status["desired"], &status["phase"]), (&"open".into(), &"settled".into()));
}

#[test]
fn where_somebody_else_keeps_it_nothing_is_written() {
    let (_server, site) = with("none = true");
    site.run(&["detour", "--yes"]).exits(0);
    assert_eq!(site.leads_to(), MAINTENANCE);
    assert!(site.read(TOLD).is_none());
}
