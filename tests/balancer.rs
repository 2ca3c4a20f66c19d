//! The listener's rule from outside: a load balancer with real traffic before, while and after it is closed, and
//! everything that can come in between.

use std::cell::Cell;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::balancing::{Balancing, Mishap, Through};
use crate::support::command::{Ran, roadworks, run};
use crate::support::emulator::{ministack, moto};
use crate::support::serving::{Serving, until};
use crate::support::site::{LIVE, LIVE_ZONE, MAINTENANCE, NAME, Site};

const SHOP: &str = "shop.example.com";
const BLOG: &str = "blog.example.com";
/// The ports of a load balancer's two listeners.
const PORTS: [u16; 2] = [80, 8080];

/// A load balancer, and a folder whose site is behind it.
struct Stand {
    balancing: Balancing,
    folder: tempfile::TempDir,
}

impl Stand {
    /// On each listener the shop's rule at 10 and the blog's at 20.
    fn new(ports: &[u16]) -> Stand {
        let stand = Stand::bare(ports);
        for listener in &stand.balancing.listeners {
            stand.balancing.rule(listener, 10, (SHOP, ""), &stand.balancing.group);
        }
        stand.blog(20);
        stand
    }

    fn bare(ports: &[u16]) -> Stand {
        let balancing = Balancing::start(&ministack(), ports);
        let stand = Stand { balancing, folder: tempfile::tempdir().unwrap() };
        let listeners = format!("listeners = {}", json!(stand.balancing.listeners));
        stand.configure(&listeners, "");
        stand
    }

    fn blog(&self, priority: u32) {
        let group = self.balancing.group_for(&self.balancing.other, "blog");
        for listener in &self.balancing.listeners {
            self.balancing.rule(listener, priority, (BLOG, ""), &group);
        }
    }

    fn configure(&self, lines: &str, more: &str) {
        let text = format!(
            "site \"shop\" {{\n  hosts = [\"{SHOP}\"]\n  balancer \"alb\" {{\n    {lines}\n  }}\n{more}}}\n"
        );
        std::fs::write(self.folder.path().join("roadworks.hcl"), text).unwrap();
    }

    fn command(&self, words: &[&str]) -> std::process::Command {
        let mut command = roadworks(self.folder.path(), &self.balancing.endpoint, &[]);
        command.args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        run(&mut self.command(words))
    }

    fn get(&self, port: u16, host: &str) -> Through {
        self.balancing.get(port, host, "/basket", None)
    }

    /// What every listener holds.
    fn rules(&self) -> Vec<Vec<(u32, String, &'static str)>> {
        self.balancing.listeners.iter().map(|listener| self.balancing.rules(listener)).collect()
    }

    #[track_caller]
    fn is_open(&self) {
        for port in PORTS.iter().take(self.balancing.listeners.len()) {
            let through = self.get(*port, SHOP);
            assert_eq!(
                (through.status, through.body.as_str()),
                (200, "GET /basket 0"),
                "at {port}"
            );
        }
    }

    #[track_caller]
    fn is_closed(&self) {
        for port in PORTS.iter().take(self.balancing.listeners.len()) {
            assert_eq!(self.get(*port, SHOP).status, 503, "at {port}");
        }
        assert_eq!(self.run(&["status", "--json"]).exits(0).json()["mode"], "closed");
    }

    /// The header that `bypass` prints.
    fn header(&self) -> String {
        let said = self.run(&["bypass", "--json"]).exits(0).json();
        said["header"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_closed_listener_answers_with_the_page_lets_testers_pass_and_touches_no_other_host() {
    let stand = Stand::new(&PORTS);
    let before = stand.rules();
    stand.is_open();
    let plan = stand.run(&["plan", "close", "-detailed-exitcode"]).exits(2);
    assert!(plan.stdout.contains("cannot send Retry-After"), "{plan:#?}");
    assert!(plan.stdout.contains("priorities 9"), "{plan:#?}");
    assert_eq!(stand.rules(), before, "a plan writes nothing");
    let asked = stand.balancing.app.asked("GET /basket");

    let closed = stand.run(&["close", "--yes", "--json"]).exits(0).json();
    assert_eq!((&closed["mode"], &closed["phase"]), (&json!("closed"), &json!("moved")));
    assert_eq!(closed["levers"][0]["name"], "balancer");
    for port in PORTS {
        let refused = stand.get(port, SHOP);
        assert_eq!((refused.status, refused.kind.as_str()), (503, "text/html"));
        assert!(
            refused.body.contains("<!doctype html>") && refused.body.contains("<h1>"),
            "{refused:?}"
        );
        assert_eq!(stand.get(port, BLOG).status, 200, "another host is open");
    }
    assert_eq!(stand.balancing.app.asked("GET /basket"), asked, "nobody reached the app");

    let header = stand.header();
    let wrong = header.replace(": ", ": x");
    for port in PORTS {
        let passes = |line: &str| stand.balancing.get(port, SHOP, "/basket", Some(line)).status;
        assert_eq!((passes(&header), passes(&wrong)), (200, 503));
    }
    let again = stand.run(&["close", "--yes"]).exits(0);
    assert!((again.stdout + &again.stderr).contains("No changes"));

    stand.run(&["open", "--yes"]).exits(0);
    stand.is_open();
    assert_eq!(stand.rules(), before, "not a rule is left");
    let none = stand.run(&["bypass"]).exits(1);
    assert!(none.stderr.contains("no listener of this site is closed"), "{none:#?}");
    stand.run(&["close", "--yes"]).exits(0);
    assert_ne!(stand.header(), header, "a header is good for one closing");
}

#[test]
fn the_header_is_in_no_plan_no_status_and_no_log() {
    let stand = Stand::new(&[80]);
    stand.run(&["close", "--yes", "--reason", "new database"]).exits(0);
    let secret = stand.header().split_once(": ").unwrap().1.to_owned();
    assert_eq!(secret.len(), 40);
    for words in [
        vec!["plan", "open"],
        vec!["plan", "open", "--json"],
        vec!["status", "--json"],
        vec!["log", "--json"],
        vec!["doctor"],
    ] {
        let ran = stand.run(&words);
        assert!(!(ran.stdout + &ran.stderr).contains(&secret), "{words:?}");
    }
}

#[test]
fn testers_meet_the_rules_of_the_open_site_and_no_other_hosts_at_all() {
    let stand = Stand::bare(&[80]);
    let (listener, api) = (&stand.balancing.listeners[0], App::start());
    let group = stand.balancing.group_for(&api, "api");
    stand.balancing.rule(listener, 20, ("", "/api/*"), &group);
    stand.balancing.rule(listener, 30, ("*.example.com", ""), &stand.balancing.group);
    stand.run(&["close", "--yes"]).exits(0);
    let header = stand.header();
    let get = |host: &str, path: &str, line| stand.balancing.get(80, host, path, line).status;
    assert_eq!((get(SHOP, "/api/x", None), get(SHOP, "/", None)), (503, 503));
    assert_eq!((get(BLOG, "/api/x", None), get(BLOG, "/", None)), (200, 200));
    let (there, elsewhere) = (api.asked("GET /api/x"), stand.balancing.app.asked("GET /api/x"));
    assert_eq!((get(SHOP, "/api/x", Some(&header)), get(SHOP, "/", Some(&header))), (200, 200));
    assert_eq!(api.asked("GET /api/x"), there + 1, "as the open site leads");
    assert_eq!(stand.balancing.app.asked("GET /api/x"), elsewhere);
}

#[test]
fn without_room_nothing_is_moved_and_renumber_makes_room_and_gives_it_back() {
    let stand = Stand::bare(&[80]);
    let listener = &stand.balancing.listeners[0];
    stand.balancing.rule(listener, 1, (SHOP, ""), &stand.balancing.group);
    stand.blog(2);
    stand.balancing.rule(listener, 3, ("", "/static/*"), &stand.balancing.group);
    let before = stand.rules();
    for words in [vec!["plan", "close"], vec!["close", "--yes"]] {
        let refused = stand.run(&words).exits(3);
        assert!(refused.stderr.contains("1 (host shop.example.com)"), "{refused:#?}");
        assert!(refused.stderr.contains("--renumber"), "{refused:#?}");
    }
    let words = ["close", "--yes", "--override=no-room", "--reason", "try"];
    let refused = stand.run(&words);
    assert!(refused.stderr.contains("there is room for 0"), "nothing is closed: {refused:#?}");
    assert_eq!(stand.rules(), before);

    let plan = stand.run(&["plan", "close", "--renumber", "--json"]).exits(0).json();
    let steps = plan["steps"].as_array().unwrap();
    assert!(steps[0]["target"].as_str().unwrap().ends_with(":80 priorities"), "{plan:#}");
    assert_eq!(steps[0]["before"]["rules"][0], "1 (host shop.example.com)");
    assert_eq!(steps[0]["after"]["rules"][0], "4 (host shop.example.com)");
    assert!(plan["warnings"].to_string().contains("get theirs back"), "{plan:#}");
    stand.run(&["close", "--yes", "--renumber"]).exits(0);
    stand.is_closed();
    assert_eq!(stand.get(80, BLOG).status, 200);
    let static_of_blog = stand.balancing.get(80, BLOG, "/static/x", None);
    assert_eq!(static_of_blog.status, 200, "others keep their order: {static_of_blog:?}");

    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(stand.rules(), before, "every rule is where it was");
    stand.is_open();
}

#[test]
fn what_gave_way_goes_back_where_there_would_be_no_room_any_more() {
    let stand = Stand::bare(&[80]);
    let listener = &stand.balancing.listeners[0];
    stand.balancing.rule(listener, 1, (SHOP, ""), &stand.balancing.group);
    let before = stand.rules();
    stand.run(&["close", "--yes", "--renumber"]).exits(0);
    let listeners = format!("listeners = {}\n    from = [\"192.0.2.0/24\"]", json!([listener]));
    stand.configure(&listeners, "");
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(stand.rules(), before);
}

#[test]
fn a_kill_between_two_listeners_and_a_run_again_ends_where_it_meant_to() {
    let stand = Stand::new(&PORTS);
    let before = stand.rules();
    // The first listener takes two rules.
    for (well, verb) in [(2, "close"), (2, "open")] {
        let action = if verb == "close" { "CreateRule" } else { "DeleteRule" };
        stand.balancing.asked();
        stand.balancing.mishap(action, well, Mishap::Stalled);
        let killed = Serving::start(&mut stand.command(&[verb, "--yes"]));
        let seen = Cell::new(0);
        until(|| {
            let asked = stand.balancing.asked();
            seen.set(seen.get() + asked.iter().filter(|asked| *asked == action).count());
            (seen.get() == well + 1).then_some(())
        });
        drop(killed);
        let (first, second) = (stand.get(PORTS[0], SHOP).status, stand.get(PORTS[1], SHOP).status);
        let expected = if verb == "close" { (503, 200) } else { (200, 503) };
        assert_eq!((first, second), expected, "{verb}");
        stand.run(&[verb, "--yes"]).exits(0);
        if verb == "close" {
            stand.is_closed();
            let header = stand.header();
            let passes = |port: u16| stand.balancing.get(port, SHOP, "/", Some(&header)).status;
            assert_eq!(PORTS.map(passes), [200, 200], "one header for both, whoever wrote it");
        }
    }
    stand.is_open();
    assert_eq!(stand.rules(), before);
}

#[test]
fn throttling_a_lost_answer_and_a_number_that_somebody_took_are_got_over() {
    let stand = Stand::new(&[80]);
    let before = stand.rules();
    let throttled = Mishap::Refused(400, "Throttling", "Rate exceeded");
    for action in ["DescribeRules", "DescribeTags", "CreateRule", "CreateRule"] {
        stand.balancing.mishap(action, 0, throttled.clone());
    }
    let gone = Mishap::Refused(400, "RuleNotFound", "One or more rules not found");
    stand.balancing.mishap("DescribeTags", 0, gone);
    stand.balancing.mishap("CreateRule", 0, Mishap::Unheard);
    stand.run(&["close", "--yes"]).exits(0);
    stand.is_closed();
    assert_eq!(stand.rules()[0].len(), before[0].len() + 2, "each rule is there once");
    stand.balancing.mishap("DeleteRule", 0, Mishap::Unheard);
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(stand.rules(), before);

    stand.balancing.mishap("CreateRule", 0, Mishap::Overtaken);
    stand.run(&["close", "--yes"]).exits(0);
    stand.is_closed();
    let hosts: Vec<_> = stand.rules()[0].iter().map(|(at, host, _)| (*at, host.clone())).collect();
    assert!(hosts.contains(&(9, "new.example.com".to_owned())), "{hosts:?}");
    assert!(hosts.contains(&(8, SHOP.to_owned())), "{hosts:?}");
}

#[test]
fn a_missing_right_names_the_action_and_the_resource_and_nothing_is_moved() {
    let stand = Stand::new(&[80]);
    let before = stand.rules();
    let denied = Mishap::Refused(
        403,
        "AccessDenied",
        "User: arn:aws:iam::000000000000:user/ana is not authorized",
    );
    stand.balancing.mishap("CreateRule", 0, denied.clone());
    let ran = stand.run(&["close", "--yes"]).exits(4);
    for words in [
        "elasticloadbalancing:CreateRule",
        stand.balancing.listeners[0].as_str(),
        "`roadworks doctor --policy`",
    ] {
        assert!(ran.stderr.contains(words), "`{words}` in {ran:#?}");
    }
    assert_eq!(stand.rules(), before);
    assert_eq!(stand.run(&["status", "--json"]).exits(0).json()["desired"], "open");
    stand.balancing.mishap("DescribeRules", 0, denied);
    let ran = stand.run(&["status"]).exits(4);
    assert!(ran.stderr.contains("elasticloadbalancing:DescribeRules"), "{ran:#?}");
}

#[test]
fn a_quota_that_is_reached_half_way_keeps_the_stricter_mode_and_names_the_way_back() {
    let stand = Stand::new(&[80]);
    stand.balancing.quota(3);
    let ran = stand.run(&["close", "--yes"]).exits(6);
    assert!(
        ran.stderr.contains("TooManyRules") && ran.stderr.contains("roadworks open"),
        "{ran:#?}"
    );
    stand.is_closed();
    stand.balancing.quota(100);
    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(stand.balancing.get(80, SHOP, "/", Some(&stand.header())).status, 200);
    stand.run(&["open", "--yes"]).exits(0);
    stand.is_open();
    stand.balancing.quota(2);
    let ran = stand.run(&["close", "--yes"]).exits(3);
    assert!(ran.stderr.contains("TooManyRules"), "{ran:#?}");
    stand.is_open();
}

#[test]
fn somebody_elses_change_between_plan_and_move_is_not_moved_over() {
    let stand = Stand::new(&[80]);
    stand.run(&["plan", "close", "-out", "tonight.plan"]).exits(0);
    let new = stand.balancing.rule(
        &stand.balancing.listeners[0],
        5,
        ("*.example.com", "/new/*"),
        &stand.balancing.group,
    );
    let refused = stand.run(&["apply", "tonight.plan", "--auto-approve"]).exits(3);
    assert!(refused.stderr.contains("is not what it was"), "{refused:#?}");
    stand.is_open();
    stand.run(&["close", "--yes"]).exits(0);
    let status = stand.balancing.get(80, SHOP, "/new/x", None).status;
    assert_eq!(status, 503, "it came before the rest and is covered, too");
    stand.balancing.without(&new);
}

#[test]
fn a_rule_that_comes_before_ours_later_is_seen_and_closed_again() {
    let stand = Stand::new(&[80]);
    stand.run(&["close", "--yes"]).exits(0);
    let listener = &stand.balancing.listeners[0];
    stand.balancing.rule(listener, 5, ("*.example.com", ""), &stand.balancing.group);
    assert_eq!(stand.get(80, SHOP).status, 200);
    let status = stand.run(&["status"]).exits(0);
    assert!(status.stdout.contains("Visitors get open, the switch asks for closed"), "{status:#?}");
    stand.run(&["close", "--yes"]).exits(0);
    stand.is_closed();
}

#[test]
fn another_page_takes_the_place_of_the_one_before_without_a_moment_in_between() {
    let stand = Stand::new(&[80]);
    stand.run(&["close", "--yes"]).exits(0);
    let listeners = format!("listeners = {}", json!(stand.balancing.listeners));
    stand.configure(&listeners, "  page { message = \"A bigger <database>.\" }\n");
    stand.balancing.asked();
    stand.run(&["close", "--yes"]).exits(0);
    let asked = stand.balancing.asked();
    assert!(
        !asked.iter().any(|action| action == "DeleteRule" || action == "CreateRule"),
        "{asked:?}"
    );
    assert!(stand.get(80, SHOP).body.contains("A bigger &lt;database&gt;."));
}

#[test]
fn the_listeners_of_a_load_balancer_are_looked_up_and_shown_as_such() {
    let stand = Stand::new(&PORTS);
    let name = stand.balancing.name.clone();
    stand.configure(&format!("load_balancer = \"{name}\""), "");
    stand.run(&["close", "--yes"]).exits(0);
    stand.is_closed();
    let status = stand.run(&["status"]).exits(0);
    assert!(status.stdout.contains(&format!("looked up by {name}")), "{status:#?}");
    stand.configure(&format!("load_balancer = \"{}\"", stand.balancing.balancer), "");
    stand.run(&["open", "--yes"]).exits(0);
    stand.is_open();
}

#[test]
fn what_is_not_there_is_named_with_where_it_was_looked_for() {
    let stand = Stand::new(&[80]);
    let gone = stand.balancing.listeners[0].replace(&stand.balancing.name, "gone");
    stand.balancing.mishap(
        "DescribeListeners",
        0,
        Mishap::Refused(400, "ListenerNotFound", "no such listener"),
    );
    stand.configure(&format!("listeners = [\"{gone}\"]"), "");
    let ran = stand.run(&["status"]).exits(1);
    assert!(ran.stderr.contains("in us-east-1") && ran.stderr.contains(&gone), "{ran:#?}");
    let other = gone.replace(":000000000000:", ":210987654321:");
    stand.balancing.mishap(
        "DescribeListeners",
        0,
        Mishap::Refused(400, "ListenerNotFound", "no such listener"),
    );
    stand.configure(&format!("listeners = [\"{other}\"]"), "");
    let ran = stand.run(&["status"]).exits(1);
    assert!(ran.stderr.contains("the ARN is of 210987654321"), "{ran:#?}");
    stand.configure("load_balancer = \"nobody\"", "");
    let ran = stand.run(&["status"]).exits(1);
    assert!(ran.stderr.contains("nobody"), "{ran:#?}");
}

#[test]
fn a_detour_closes_the_listener_first_and_opens_it_last() {
    let stand = Stand::new(&[80]);
    let site = Site::at(&stand.balancing.endpoint);
    let listeners = format!("listeners = {}", json!(stand.balancing.listeners));
    let dns = format!(
        "  dns \"route53\" {{\n    zone_id = \"{}\"\n    name = \"{NAME}\"\n    live {{\n      alias = \"{LIVE}\"\n      zone_id = \"{LIVE_ZONE}\"\n    }}\n    maintenance {{ alias = \"{MAINTENANCE}\" }}\n  }}\n",
        site.zone_id
    );
    stand.configure(&listeners, &dns);
    let order = || -> Vec<String> {
        let asked = stand.balancing.asked();
        let changes = asked.into_iter().filter(|what| {
            ["CreateRule", "DeleteRule"].contains(&what.as_str())
                || what.ends_with("/rrset")
                || what.ends_with("/rrset/")
        });
        let mut order: Vec<_> = changes
            .map(|what| if what.starts_with('/') { "record".to_owned() } else { what })
            .collect();
        order.dedup();
        order
    };
    stand.balancing.asked();
    let moved = stand.run(&["detour", "--yes", "--json"]).exits(0).json();
    assert_eq!(moved["mode"], "detour");
    assert_eq!(order().first().map(String::as_str), Some("CreateRule"));
    assert_eq!((stand.get(80, SHOP).status, site.leads_to().as_str()), (503, MAINTENANCE));
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(order().last().map(String::as_str), Some("DeleteRule"));
    stand.is_open();
    assert_eq!(site.leads_to(), LIVE);
    assert_eq!(stand.run(&["status", "--json"]).exits(0).json()["mode"], "open");
}

#[test]
fn an_end_that_nothing_could_open_at_is_said_when_it_is_given() {
    let stand = Stand::new(&[80]);
    let words = ["close", "--for", "1s", "--stay", "--yes"];
    let closed = stand.run(&words).exits(3);
    assert!(closed.stderr.contains("warning: at its end the site stays"), "{}", closed.stderr);
    assert!(closed.stderr.contains("there is no check that could pass"), "{}", closed.stderr);
    assert_eq!(stand.get(80, SHOP).status, 503);
    let stays =
        stand.run(&["close", "--for", "1s", "--stay", "--on-end", "stay", "--yes"]).exits(0);
    assert!(!stays.stderr.contains("warning: at its end"), "{}", stays.stderr);
}

#[test]
fn a_site_without_a_gateway_is_not_held() {
    let stand = Stand::new(&[80]);
    let refused = stand.run(&["hold", "--yes"]).exits(3);
    assert!(refused.stderr.contains("`gateway` block"), "{refused:#?}");
}

#[test]
fn nothing_is_asked_that_the_policy_does_not_allow_and_the_document_has_the_same() {
    let policy = include_str!("../packaging/iam/balancer.json");
    let document = include_str!("../docs/balancer.md");
    assert_eq!(document.split("```json\n").nth(1).unwrap().split("```").next(), Some(policy));
    let stand = Stand::bare(&[80]);
    stand.configure(&format!("load_balancer = \"{}\"", stand.balancing.name), "");
    stand.balancing.rule(&stand.balancing.listeners[0], 1, (SHOP, ""), &stand.balancing.group);
    stand.run(&["close", "--yes", "--renumber"]).exits(0);
    stand.configure(
        &format!("load_balancer = \"{}\"", stand.balancing.name),
        "  page { message = \"Back at noon.\" }\n",
    );
    stand.run(&["close", "--yes"]).exits(0);
    stand.run(&["open", "--yes"]).exits(0);
    let asked: BTreeSet<_> = stand.balancing.asked().into_iter().collect();
    // AWS asks for no right to say who somebody is.
    for action in asked.iter().filter(|action| *action != "GetCallerIdentity") {
        assert!(policy.contains(&format!("\"elasticloadbalancing:{action}\"")), "{action}");
    }
    for written in ["CreateRule", "ModifyRule", "AddTags", "SetRulePriorities", "DeleteRule"] {
        assert!(asked.contains(written), "{written} in {asked:?}");
    }
}

/// moto has no traffic, and takes no number twice: the rules are all there is to see. Networks are tried here: ministack lets
/// everybody pass a rule that asks for one.
#[test]
fn moto_takes_the_same_rules() {
    let balancing = Balancing::start(&moto(), &[80]);
    let listener = balancing.listeners[0].clone();
    balancing.rule(&listener, 10, (SHOP, ""), &balancing.group);
    let stand = Stand { balancing, folder: tempfile::tempdir().unwrap() };
    let before = stand.rules();
    stand.configure(&format!("listeners = [\"{listener}\"]\n    from = [\"203.0.113.0/24\"]"), "");
    stand.run(&["close", "--yes"]).exits(0);
    let shop = SHOP.to_owned();
    let expected = [
        (7, shop.clone(), "forwards"),
        (8, shop.clone(), "forwards"),
        (9, shop.clone(), "answers"),
        (10, shop, "forwards"),
    ];
    assert_eq!(stand.rules(), [expected]);
    let status = stand.run(&["status", "--json"]).exits(0).json();
    assert_eq!(
        (&status["mode"], &status["levers"][0]["position"]),
        (&json!("closed"), &json!("closed"))
    );
    let again = stand.run(&["plan", "close", "--json"]).exits(0).json();
    assert_eq!(again["changes"], Value::Bool(false), "{again:#}");
    let said = stand.run(&["bypass", "--json"]).exits(0).json();
    assert_eq!(said["from"], json!(["203.0.113.0/24"]));
    stand.run(&["open", "--yes"]).exits(0);
    assert_eq!(stand.rules(), before);
}
