//! Where roadworks.hcl says that the boolean lives.

use crate::support::command::Ran;
use crate::support::route53::Route53;
use crate::support::serving::Stand;
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
fn a_variable_that_the_site_does_not_have_moves_nothing() {
    let server = Route53::start();
    let site = Site::at(&server.endpoint());
    site.run(&["plan"]).exits(0);
    let gateway =
        "gateway {\n  listen = [\"127.0.0.1:0\"]\n  upstreams = [\"http://127.0.0.1:9\"]\n}";
    let alone = Stand::new(&format!("site \"shop\" {{\n  {gateway}\n}}\n"));
    for run in [&|words: &[&str]| site.run(words), &|words: &[&str]| alone.run(words)]
        as [&dyn Fn(&[&str]) -> Ran; 2]
    {
        let typo =
            run(&["apply", "-var", "maintenence_mode=true", "-auto-approve", "-json"]).exits(1);
        let hint = typo.error()["hint"].to_string();
        assert!(hint.contains("did you mean") && hint.contains("maintenance_mode"), "{hint}");
        let unknown = run(&["plan", "-var", "bogus=true", "-json"]).exits(1);
        assert!(unknown.error()["message"].to_string().contains("bogus"), "{}", unknown.stderr);
    }
    let plan = |side: &str| format!("{}/tests/plans/{side}.json", env!("CARGO_MANIFEST_DIR"));
    let (live, maintenance) = (plan("live"), plan("maintenance"));
    let learned = ["plan", "-from-plans", &live, &maintenance, "-var", "bogus=true", "-json"];
    let unknown = site.run(&learned).exits(1).error();
    assert!(unknown["message"].to_string().contains("bogus"), "{unknown:#}");
    site.is_open();
}

#[test]
fn where_somebody_else_keeps_it_nothing_is_written() {
    let (_server, site) = with("none = true");
    site.run(&["detour", "--yes"]).exits(0);
    assert_eq!(site.leads_to(), MAINTENANCE);
    assert!(site.read(TOLD).is_none());
}
