//! What `plan` and `doctor` say of the distribution that a detour would lead visitors to.

use serde_json::Value;

use crate::support::cloudfront::{CloudFront, Distribution};
use crate::support::command::{Ran, run};
use crate::support::emulator::{aws, ministack};
use crate::support::route53::record::{Answer, RecordSet};
use crate::support::site::{LIVE, LIVE_ZONE, MAINTENANCE, NAME, STATE, Site, live};

fn asked(site: &Site, front: &CloudFront, words: &[&str]) -> Ran {
    run(site.command(words).env("AWS_ENDPOINT_URL_CLOUDFRONT", &front.endpoint))
}

/// What `doctor` finds of the distribution: id, result, reason and fix.
fn findings(site: &Site, front: &CloudFront) -> Vec<[String; 4]> {
    let found: Value =
        serde_json::from_str(&asked(site, front, &["doctor", "--json"]).stdout).unwrap();
    let checks = found["checks"].as_array().unwrap().iter();
    let of_ours = checks.filter(|check| check["id"].as_str().unwrap().starts_with("distribution"));
    let text = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
    of_ours.map(|check| ["id", "result", "reason", "fix"].map(|name| text(check, name))).collect()
}

fn warnings(site: &Site, front: &CloudFront, mode: &str) -> Vec<String> {
    let plan = asked(site, front, &["plan", mode, "--json"]).exits(0).json();
    let warnings = plan["warnings"].as_array().unwrap().iter();
    warnings
        .map(|warning| warning.as_str().unwrap().to_owned())
        .filter(|warning| warning.contains("E1") || warning.contains("E2"))
        .collect()
}

#[test]
fn a_distribution_in_order_is_one_line_and_no_warning() {
    let site = Site::at(&ministack());
    let front = CloudFront::start(vec![Distribution::new("E1", MAINTENANCE, &[NAME])]);
    let found = findings(&site, &front);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0][..2], ["distribution", "ok"]);
    assert_eq!(warnings(&site, &front, "detour"), Vec::<String>::new());
}

/// Distributions, and what is found of them: id, result, a part of the reason and of the fix.
type Case = (Vec<Distribution>, [&'static str; 4]);

/// What a distribution may be by itself.
fn in_bad_order() -> Vec<Case> {
    let changed = |change: &dyn Fn(&mut Distribution)| {
        let mut one = Distribution::new("E1", MAINTENANCE, &[NAME]);
        change(&mut one);
        vec![one]
    };
    let itself = "distribution";
    vec![
        (changed(&|one| one.enabled = false), [itself, "fail", "is disabled", "enable"]),
        (
            changed(&|one| one.aliases = vec!["www.example.com"]),
            [itself, "fail", "does not list app.example.com", "alternate domain names"],
        ),
        (
            changed(&|one| one.certificate = false),
            [itself, "fail", "no certificate", "ACM in us-east-1"],
        ),
        (
            changed(&|one| one.status = "InProgress"),
            [itself, "warn", "still being deployed", "wait"],
        ),
        (
            changed(&|one| one.methods = vec!["GET", "HEAD"]),
            ["distribution-methods", "warn", "POST", "seven methods"],
        ),
        (
            changed(&|one| one.errors = vec![(503, "", 300)]),
            ["distribution-errors", "warn", "300 s", "to 0"],
        ),
        (
            changed(&|one| one.errors = vec![(403, "200", 0), (503, "", 0)]),
            ["distribution-errors", "warn", "answers 200", "503"],
        ),
    ]
}

#[test]
fn whatever_would_keep_visitors_from_the_page_is_found_with_its_fix_and_warned_of_in_the_plan() {
    let site = Site::at(&ministack());
    let wild = Distribution::new("E1", MAINTENANCE, &["*.example.com"]);
    let rival = Distribution::new("E2", "d2.cloudfront.net", &[NAME]);
    let beaten = ["distribution-rival", "fail", "E2 lists app.example.com", "associate-alias"];
    for (all, [id, result, reason, fix]) in
        in_bad_order().into_iter().chain([(vec![wild, rival], beaten)])
    {
        let front = CloudFront::start(all);
        let found = findings(&site, &front);
        let one = found.iter().find(|one| one[0] == id && one[1] == result);
        let one = one.unwrap_or_else(|| panic!("{reason}: {found:?}"));
        assert!(one[2].contains(reason) && one[3].contains(fix), "{one:?}");
        let warned = warnings(&site, &front, "detour");
        let told = |warning: &String| warning.contains(reason) && warning.contains(fix);
        assert!(warned.iter().any(told), "{warned:?}");
        assert_eq!(warnings(&site, &front, "open"), Vec::<String>::new(), "nothing leads there");
    }
}

#[test]
fn another_accounts_distribution_counts_where_it_is_closer_and_not_where_it_is_wider() {
    let site = Site::at(&ministack());
    let front = CloudFront::start(vec![Distribution::new("E1", MAINTENANCE, &["*.example.com"])]);
    front.now().conflicts = vec![(NAME, "****E2", "****9012")];
    let found = findings(&site, &front);
    assert!(
        found
            .iter()
            .any(|one| one[0] == "distribution-rival"
                && one[2].contains("****E2 of account ****9012")),
        "{found:?}"
    );

    let front = CloudFront::start(vec![Distribution::new("E1", MAINTENANCE, &[NAME])]);
    front.now().conflicts = vec![("*.example.com", "****E2", "****9012")];
    assert_eq!(findings(&site, &front).len(), 1);
}

#[test]
fn a_right_that_is_missing_is_doctors_to_say_and_no_plans() {
    let site = Site::at(&ministack());
    let front = CloudFront::start(vec![Distribution::new("E1", MAINTENANCE, &[NAME])]);
    front.now().denied = vec!["/conflicting-alias"];
    let found = findings(&site, &front);
    assert!(
        found.iter().any(|one| one[3].contains("allow cloudfront:ListConflictingAliases")),
        "{found:?}"
    );
    front.now().denied = vec!["/distribution"];
    let found = findings(&site, &front);
    assert!(
        found.iter().any(|one| one[3].contains("allow cloudfront:ListDistributions")),
        "{found:?}"
    );
    let plan = asked(&site, &front, &["plan", "detour", "--json"]).exits(0).json();
    assert!(!plan["warnings"].to_string().contains("cloudfront:"), "{plan}");
}

#[test]
fn what_stays_behind_at_the_same_name_is_warned_of() {
    for (kind, value) in [("AAAA", "2001:db8::7"), ("HTTPS", "1 . alpn=h2 ipv4hint=192.0.2.7")] {
        let site = Site::at(&ministack());
        let answer = Answer::Plain { ttl: 60, values: vec![value.to_owned()] };
        site.upsert(&RecordSet { kind: kind.to_owned(), answer, ..live() });
        let plan = site.run(&["plan", "detour", "--json"]).exits(0).json();
        let told = format!("{NAME} A moves, but its sibling {NAME} {kind} does not");
        assert!(plan["warnings"].to_string().contains(&told), "{plan}");
    }
}

/// A load balancer that keeps connections for so many seconds, with a site's name at it.
fn kept_for(seconds: &str) -> (Site, String) {
    let endpoint = ministack();
    let site = Site::at(&endpoint);
    let name = format!("rw-{:08x}", fastrand::u32(..));
    let made = aws(&endpoint, &["elbv2", "create-load-balancer", "--name", &name]);
    let made = &made["LoadBalancers"][0];
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    let (arn, live, zone) =
        (text("LoadBalancerArn"), text("DNSName"), text("CanonicalHostedZoneId"));
    let attribute = format!("Key=client_keep_alive.seconds,Value={seconds}");
    let words = ["elbv2", "modify-load-balancer-attributes", "--load-balancer-arn", &arn];
    aws(&endpoint, &[&words[..], &["--attributes", &attribute]].concat());
    site.upsert(&RecordSet::alias(NAME, &zone, &live.to_lowercase()));
    let state = STATE.replace(LIVE, &live).replace(LIVE_ZONE, &zone);
    site.write("terraform.tfstate", &state);
    (site, name)
}

fn of_keep_alive(site: &Site) -> (Value, String) {
    let doctor: Value = serde_json::from_str(&site.run(&["doctor", "--json"]).stdout).unwrap();
    let checks = doctor["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["id"] == "keep-alive").unwrap().clone();
    let plan = site.run(&["plan", "detour", "--json"]).exits(0).json();
    (found, plan["warnings"].to_string())
}

#[test]
fn connections_that_outlive_a_detour_are_told_with_the_fix_and_short_ones_are_not() {
    let (site, name) = kept_for("3600");
    let (found, warned) = of_keep_alive(&site);
    let says = format!("{name} keeps a visitor's connection for up to 3600 s");
    assert_eq!(found["result"], "warn", "{found:#}");
    assert!(found["reason"].as_str().unwrap().contains(&says), "{found:#}");
    assert!(found["fix"].as_str().unwrap().contains("client_keep_alive = 60"), "{found:#}");
    assert!(warned.contains(&says), "{warned}");
    let (site, _) = kept_for("60");
    let (found, warned) = of_keep_alive(&site);
    assert_eq!(found["result"], "ok", "{found:#}");
    assert!(!warned.contains("keeps a visitor's connection"), "{warned}");
}

#[test]
fn where_the_load_balancer_closes_too_a_long_connection_meets_its_page() {
    let (site, name) = kept_for("3600");
    site.write(
        "roadworks.hcl",
        &format!("site \"shop\" {{\n  hosts = [\"{NAME}\"]\n  dns \"terraform\" {{ dir = \".\" }}\n  balancer \"alb\" {{ load_balancer = \"{name}\" }}\n}}\n"),
    );
    let arn = aws(&site.endpoint, &["elbv2", "describe-load-balancers", "--names", &name]);
    let arn = arn["LoadBalancers"][0]["LoadBalancerArn"].as_str().unwrap().to_owned();
    let fixed = "Type=fixed-response,FixedResponseConfig={StatusCode=200}";
    let words = ["elbv2", "create-listener", "--load-balancer-arn", &arn, "--protocol", "HTTP"];
    aws(&site.endpoint, &[&words[..], &["--port", "80", "--default-actions", fixed]].concat());
    let (found, warned) = of_keep_alive(&site);
    assert_eq!(found["result"], "ok", "{found:#}");
    assert!(found["reason"].as_str().unwrap().contains("the page of the balancer"), "{found:#}");
    assert!(!warned.contains("keeps a visitor's connection"), "{warned}");
}
