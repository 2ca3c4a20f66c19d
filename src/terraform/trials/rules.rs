//! The listeners' rule that the boolean makes is found, as people write it.

use super::{SIMPLE, Trial};
use crate::terraform::{AnsweringRule, Error, RuleAnswer, RuleCondition, Stays};

const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-central-1:1:listener/app/shop-alb/50dc6c495c0c9188/f2f7dc8efc522ab2";
const VARIABLE: &str = "variable \"maintenance_mode\" {\n  type    = bool\n  default = false\n}\n";
const FIXED: &str = "action {\n    type = \"fixed-response\"\n    fixed_response {\n      content_type = \"text/html\"\n      message_body = \"<h1>soon</h1>\"\n      status_code  = \"503\"\n    }\n  }";
const FORWARD: &str = "action {\n    type             = \"forward\"\n    target_group_arn = aws_lb_target_group.app.arn\n  }";
const HOST: &str =
    "condition {\n    host_header {\n      values = [\"Shop.example.com\"]\n    }\n  }";

/// A rule with these lines.
fn rule(name: &str, lines: &[&str]) -> String {
    let lines = lines.join("\n  ");
    format!(
        "resource \"aws_lb_listener_rule\" \"{name}\" {{\n  listener_arn = aws_lb_listener.https.arn\n  {lines}\n}}\n"
    )
}

/// The usual one: it comes and goes.
fn usual(lines: &[&str]) -> String {
    let mut all = vec!["count = var.maintenance_mode ? 1 : 0", "priority = 10"];
    all.extend(lines);
    rule("maintenance", &all)
}

fn trial(rules: &str) -> Trial {
    let of = |arn: &str| format!("{{\"arn\": \"{arn}\"}}");
    let other = of(&LISTENER.replace("f2f7dc8efc522ab2", "0000000000000000"));
    let listener = of(LISTENER);
    Trial::new(&format!("{VARIABLE}{rules}")).state(&[
        ("aws_lb_listener.https", &listener),
        ("aws_lb_listener.other", &other),
        ("aws_lb_listener.network", &of(&LISTENER.replace("/app/", "/net/"))),
    ])
}

#[track_caller]
fn found(rules: &str) -> AnsweringRule {
    match trial(rules).find().rule {
        Some(Ok(rule)) => rule,
        other => panic!("{other:?}"),
    }
}

fn hosts(all: &[&str]) -> RuleCondition {
    RuleCondition::Hosts(all.iter().map(|&host| host.to_owned()).collect())
}

#[test]
fn a_rule_that_comes_and_goes_is_found_with_what_it_answers_and_where_others_stand() {
    let app = rule("app", &["priority = 100", HOST, FORWARD]);
    let elsewhere = rule("other", &["priority = 7", HOST, FORWARD]).replace(".https.", ".other.");
    let rule = found(&format!("{}{app}{elsewhere}", usual(&[HOST, FIXED])));
    assert_eq!(rule.addresses, ["aws_lb_listener_rule.maintenance[0]"]);
    assert_eq!(rule.listeners, [LISTENER]);
    assert_eq!(rule.conditions, [hosts(&["shop.example.com"])]);
    assert_eq!((rule.name(), rule.stays), ("shop.example.com", Stays::Gone));
    assert_eq!(rule.declared, [10, 100], "7 is on another listener");
    let RuleAnswer::Fixed { status, content_type, body } = rule.answer else { panic!() };
    assert_eq!((status, content_type.as_str(), body.as_str()), (503, "text/html", "<h1>soon</h1>"));
}

#[test]
fn a_rule_that_changes_its_action_its_number_or_its_hosts_is_found_too() {
    let dynamic = "dynamic \"action\" {\n    for_each = var.maintenance_mode ? [1] : []\n    content {\n      type = \"fixed-response\"\n      fixed_response {\n        content_type = \"text/plain\"\n        status_code  = 503\n      }\n    }\n  }\n  dynamic \"action\" {\n    for_each = var.maintenance_mode ? [] : [1]\n    content {\n      type             = \"forward\"\n      target_group_arn = aws_lb_target_group.app.arn\n    }\n  }";
    let host = HOST.replace(
        "[\"Shop.example.com\"]",
        "var.maintenance_mode ? [\"shop.example.com\"] : [\"nobody.invalid\"]",
    );
    let number = "priority = var.maintenance_mode ? 1 : 40000";
    for (lines, declared) in [
        (["priority = 20", HOST, dynamic], vec![20]),
        (["priority = 20", host.as_str(), FIXED], vec![20]),
        ([number, HOST, FIXED], vec![1, 40_000]),
    ] {
        let rule = found(&rule("app", &lines));
        assert_eq!((rule.stays, &rule.declared), (Stays::Changed, &declared), "{lines:?}");
        assert_eq!(rule.conditions, [hosts(&["shop.example.com"])]);
    }
}

#[test]
fn each_condition_and_a_redirect_are_read_as_the_provider_reads_them() {
    let conditions = "condition {\n    path_pattern { values = [\"/b\", \"/a/*\"] }\n  }\n  condition {\n    http_header {\n      http_header_name = \"X-App\"\n      values = [\"web\"]\n    }\n  }\n  condition {\n    query_string {\n      key = \"v\"\n      value = \"2\"\n    }\n    query_string { value = \"x\" }\n  }";
    let redirect = "action {\n    type = \"redirect\"\n    redirect {\n      host = \"status.example.com\"\n      query = \"\"\n      status_code = \"HTTP_302\"\n    }\n  }";
    let rule = found(&usual(&[conditions, redirect]));
    let texts = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
    assert_eq!(
        rule.conditions,
        [
            RuleCondition::Paths(texts(&["/a/*", "/b"])),
            RuleCondition::Header { name: "X-App".to_owned(), values: texts(&["web"]) },
            RuleCondition::Query(vec![
                (Some("v".to_owned()), "2".to_owned()),
                (None, "x".to_owned())
            ]),
        ]
    );
    let RuleAnswer::Redirect { protocol, host, port, path, query, status } = rule.answer.clone()
    else {
        panic!()
    };
    assert_eq!((host.as_str(), query.as_str(), status), ("status.example.com", "", 302));
    assert_eq!((&*protocol, &*port, &*path), ("#{protocol}", "#{port}", "/#{path}"));
    assert_eq!(rule.name(), "shop-alb", "without a host it is named like its load balancer");
}

#[test]
fn what_lets_the_office_past_is_part_of_it_and_what_only_terraform_puts_back_is_not() {
    let office = "condition {\n    source_ip { values = [\"203.0.113.0/24\"] }\n  }";
    let past = usual(&[HOST, office, FORWARD])
        .replace("\"maintenance\"", "\"office\"")
        .replace("= 10\n", "= 9\n");
    let board = trial(&format!("{}{past}", usual(&[HOST, FIXED]))).find();
    let Some(Ok(rule)) = &board.rule else { panic!("{:?}", board.rule) };
    assert_eq!(rule.beside[0].address, "aws_lb_listener_rule.office[0]");
    assert_eq!(rule.lets_past(), ["203.0.113.0/24"]);
    assert_eq!((rule.stays, &rule.declared), (Stays::Gone, &vec![9, 10]));
    assert_eq!(board.rules, ["aws_lb_listener_rule.maintenance", "aws_lb_listener_rule.office"]);
    let narrower =
        past.replace("source_ip {", "path_pattern {").replace("203.0.113.0/24", "/status");
    assert_eq!(found(&format!("{}{narrower}", usual(&[HOST, FIXED]))).lets_past(), [""; 0]);
    // A pair: while the boolean is true the app has no rule at all.
    let app =
        usual(&[HOST, FORWARD]).replace("1 : 0", "0 : 1").replace("\"maintenance\"", "\"app\"");
    let board = trial(&format!("{}{app}", usual(&[HOST, FIXED]))).find();
    let Some(Ok(rule)) = &board.rule else { panic!("{:?}", board.rule) };
    assert_eq!((rule.stays, rule.beside.len()), (Stays::Changed, 0));
    assert_eq!(board.also_moves, ["aws_lb_listener_rule.app", "aws_lb_listener_rule.maintenance"]);
    assert_eq!(board.rules, ["aws_lb_listener_rule.maintenance"]);
}

#[test]
fn one_answer_on_two_listeners_is_one_rule() {
    let rules = usual(&[HOST, FIXED]).replace("count = var.maintenance_mode ? 1 : 0", "for_each = var.maintenance_mode ? { a = aws_lb_listener.https.arn, b = aws_lb_listener.other.arn } : {}");
    let rule = found(&rules.replace("= aws_lb_listener.https.arn\n", "= each.value\n"));
    let addresses = ["a", "b"].map(|key| format!("aws_lb_listener_rule.maintenance[\"{key}\"]"));
    assert_eq!(rule.addresses, addresses);
    assert_eq!(rule.listeners.len(), 2);
}

#[test]
fn a_record_and_a_rule_behind_one_boolean_are_both_found() {
    let record = SIMPLE.split_once("resource").unwrap().1;
    let board = trial(&format!("resource{record}{}", usual(&[HOST, FIXED]))).find();
    assert_eq!(board.records.len(), 1);
    assert!(matches!(board.rule, Some(Ok(_))), "{:?}", board.rule);
    assert_eq!(board.rules, ["aws_lb_listener_rule.maintenance"]);
    assert_eq!(board.also_moves, board.rules);
}

#[test]
fn beside_a_record_a_rule_that_is_of_no_use_says_why_and_stops_nothing() {
    let record = SIMPLE.split_once("resource").unwrap().1;
    let rules = usual(&[HOST, FIXED]).replace(".https.", ".gone.");
    let board = trial(&format!("resource{record}{rules}")).find();
    assert_eq!(board.records.len(), 1);
    let Some(Err(why)) = board.rule else { panic!() };
    assert!(why.to_string().contains("`aws_lb_listener.gone.arn` is not known"), "{why}");
}

#[test]
fn a_boolean_that_makes_other_rules_is_no_switch_and_takes_nothing_from_one_that_is() {
    let block = VARIABLE.replace("maintenance_mode", "block_admin");
    let admin = usual(&[HOST, FIXED])
        .replace("maintenance", "block_admin")
        .replace("block_admin_mode", "block_admin");
    let record = SIMPLE.replace("maintenance_mode", "down");
    let found = trial("").file("main.tf", &format!("{block}{admin}{record}")).find();
    assert_eq!(found.variable, "down");
    let comes = record
        .replace("ttl     = 60", "ttl   = 60\n  count = var.down ? 1 : 0")
        .replace("var.down ? \"192.0.2.2\" : ", "");
    let found = trial("").file("main.tf", &format!("{block}{admin}{comes}")).find();
    assert_eq!(found.variable, "down");
    let api = usual(&[HOST, FORWARD]).replace("var.maintenance_mode", "var.api");
    let api = format!("{}{api}", VARIABLE.replace("maintenance_mode", "api"));
    let found = trial("").file("main.tf", &format!("{api}{record}")).find();
    assert_eq!(found.variable, "down");
    let error = trial("").file("main.tf", &api).error();
    assert!(error.contains("does not answer visitors: its action is \"forward\""), "{error}");
}

#[test]
fn a_state_that_was_not_read_is_asked_for() {
    let error = trial(&usual(&[HOST, FIXED])).without_state().try_find().map(|found| found.rules);
    assert!(matches!(error, Err(Error::NeedsState { .. })), "{error:?}");
    let literal =
        usual(&[HOST, FIXED]).replace("aws_lb_listener.https.arn", &format!("\"{LISTENER}\""));
    assert!(matches!(trial(&literal).without_state().find().rule, Some(Ok(_))));
}

#[track_caller]
fn refused(rules: &str, told: &str) {
    let shown = trial(rules).error();
    assert!(shown.contains(told), "`{told}` is not in\n{shown}");
    assert!(shown.contains("main.tf:"), "it has a place: {shown}");
}

#[test]
fn a_listener_or_a_condition_that_is_not_known_is_named() {
    let usual = |condition: &str| usual(&[condition, FIXED]);
    let unknown = HOST.replace("[\"Shop.example.com\"]", "[aws_acm_certificate.shop.domain_name]");
    for (rules, told) in [
        (
            usual(HOST).replace(".https.", ".gone."),
            "`aws_lb_listener.gone.arn` is not known: not in the state",
        ),
        (usual(HOST).replace(".https.", ".network."), "is of no application load balancer"),
        (
            usual(HOST).replace("aws_lb_listener.https.arn", "\"arn:x\""),
            "`arn:x` is not the ARN of a listener",
        ),
        (usual(&unknown), "`aws_acm_certificate.shop.domain_name` is not known"),
        (usual(&HOST.replace("values", "regex_values")), "`regex_values` is not handled"),
        (usual(HOST).replace("= 10\n", "= 50001\n"), "`priority` must be a whole number"),
    ] {
        refused(&rules, told);
    }
}

#[test]
fn an_answer_that_no_load_balancer_gives_is_refused_where_it_stands() {
    let signs_in = format!("action {{\n    type = \"authenticate-oidc\"\n  }}\n  {FIXED}");
    let long = "join(\"\", [for n in range(300) : \"long\"])";
    for (rules, told) in [
        (
            usual(&[HOST, FORWARD]),
            "does not answer visitors: its action is \"forward\" while the boolean is true",
        ),
        (
            usual(&[HOST, &signs_in]),
            "does not answer visitors: its action is \"authenticate-oidc\"",
        ),
        (
            usual(&[HOST, FIXED]).replace("1 : 0", "0 : 1"),
            "it is not there while the boolean is true",
        ),
        (usual(&[HOST, FIXED]).replace("\"503\"", "\"302\""), "`status_code` is 2xx, 4xx or 5xx"),
        (usual(&[HOST, FIXED]).replace("text/html", "text/xml"), "`content_type` is one of"),
        (usual(&[HOST, FIXED]).replace("\"<h1>soon</h1>\"", long), "`message_body` has 1200 bytes"),
    ] {
        refused(&rules, told);
    }
}

#[test]
fn more_than_one_rule_that_answers_is_refused_with_both_addresses() {
    let one = usual(&[HOST, FIXED]);
    let again = one.replace("\"maintenance\"", "\"again\"");
    let elsewhere = |condition: &str| {
        let rule = usual(&[condition, FIXED]).replace("\"maintenance\"", "\"zother\"");
        rule.replace(".https.", ".other.")
    };
    let blog = elsewhere(&HOST.replace("Shop", "blog"));
    for (rules, told) in [
        (
            format!("{one}{again}"),
            "aws_lb_listener_rule.again[0] and aws_lb_listener_rule.maintenance[0] stand on one listener",
        ),
        (format!("{one}{blog}"), "aws_lb_listener_rule.zother[0] are for other requests"),
        (format!("{one}{}", elsewhere(HOST).replace("\"503\"", "\"500\"")), "answer differently"),
    ] {
        refused(&rules, told);
    }
}
