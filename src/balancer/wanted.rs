//! The rules that a closed site has: what answers visitors, and what lets testers pass as if the site were open. Pure.
//!
//! A tester must meet every rule that a visitor of the open site meets, in the same order: a rule that cannot be copied
//! ends the copies, since the next one might let in whom it keeps out.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, FixedResponseActionConfig, HostHeaderConditionConfig,
    HttpHeaderConditionConfig, RuleCondition, RuleTransform, SourceIpConditionConfig,
};

use super::hosts::both;
use super::rule::{Role, Rule, is_of_hosts, is_of_sources, kind, targets, weight};
use super::terraform::Theirs;

/// The header that lets a tester pass.
pub const HEADER: &str = "X-Roadworks-Bypass";
/// A rule has so many condition values at most (ELB user guide, "Quotas for your Application Load Balancers").
pub(super) const MOST_VALUES: usize = 5;
/// What visitors get where nobody says otherwise.
pub(super) const STATUS: u16 = 503;

/// What closing the site's listeners takes.
#[derive(Debug, Clone)]
pub(super) struct Wants {
    pub(super) site: String,
    /// None of them is every host.
    pub(super) hosts: Vec<String>,
    /// What else a request must be to be answered.
    pub(super) others: Vec<RuleCondition>,
    pub(super) answer: Answer,
    /// From where testers pass.
    pub(super) from: Vec<String>,
    /// The numbers that Terraform's rules have or may get.
    pub(super) declared: BTreeSet<u32>,
    /// How Terraform's own rule is known, where it has one.
    pub(super) theirs: Option<Theirs>,
}

/// What visitors get.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) action: Action,
    pub(super) status: u16,
    /// At most 1,024 bytes.
    pub(super) body: String,
    /// The first digits of a SHA-256 that tell it from others.
    pub(super) digest: String,
}

impl Answer {
    /// A page of HTML.
    pub(super) fn page(body: String, digest: String) -> Answer {
        Answer { action: fixed(&body), status: STATUS, body, digest }
    }
}

/// A rule that is to be.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) role: Role,
    pub(super) conditions: Vec<RuleCondition>,
    pub(super) actions: Vec<Action>,
    pub(super) transforms: Vec<RuleTransform>,
}

/// What answers visitors: a rule for each five hosts, fewer where it asks for more than the host.
pub(super) fn answers(wants: &Wants) -> Vec<Wanted> {
    let answer = |hosts: &[String]| Wanted {
        role: Role::Answer,
        conditions: asked_hosts(hosts).chain(wants.others.iter().cloned()).collect(),
        actions: vec![wants.answer.action.clone()],
        transforms: Vec::new(),
    };
    let taken: usize = wants.others.iter().map(weight).sum();
    groups(&wants.hosts, MOST_VALUES.saturating_sub(taken)).into_iter().map(answer).collect()
}

/// Some hosts at once; one group without a host where there is none.
fn groups(hosts: &[String], at_once: usize) -> Vec<&[String]> {
    if hosts.is_empty() { vec![hosts] } else { hosts.chunks(at_once.max(1)).collect() }
}

fn asked_hosts(hosts: &[String]) -> impl Iterator<Item = RuleCondition> {
    (!hosts.is_empty()).then(|| of_hosts(hosts)).into_iter()
}

fn fixed(body: &str) -> Action {
    let answer = FixedResponseActionConfig::builder()
        .status_code(STATUS.to_string())
        .content_type("text/html")
        .message_body(body)
        .build();
    Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(answer).build()
}

/// What lets testers pass: copies of `covered`, the rules that visitors do not come to any more, in their order; and why
/// they end, where they end early.
pub(super) fn testers(
    wants: &Wants,
    covered: &[&Rule],
    secret: &str,
) -> (Vec<Wanted>, Vec<String>) {
    let (mut wanted, mut warnings, mut by_source) =
        (Vec::new(), Vec::new(), !wants.from.is_empty());
    let last = covered.iter().rposition(|rule| rule.forwards()).map_or(0, |last| last + 1);
    for rule in covered.iter().take(last) {
        let hosts = match copied_for(wants, rule) {
            Ok(hosts) => hosts,
            Err(why) => {
                warnings.push(format!(
                    "testers do not get past the rule at {}: {why}",
                    rule.in_words()
                ));
                break;
            }
        };
        let rest: Vec<_> = rule
            .conditions
            .iter()
            .filter(|condition| !is_of_hosts(condition))
            .map(sendable)
            .collect();
        let room = MOST_VALUES.saturating_sub(rest.iter().map(weight).sum());
        let copy = |hosts: &[String], pass: RuleCondition| Wanted {
            role: Role::Testers,
            conditions: asked_hosts(hosts).chain([pass]).chain(rest.clone()).collect(),
            actions: rule.actions.iter().map(copied).collect(),
            transforms: rule.transforms.clone(),
        };
        let at_once = hosts.len().clamp(1, room.saturating_sub(1).max(1));
        for hosts in groups(&hosts, at_once) {
            wanted.push(copy(hosts, of_header(secret)));
        }
        if by_source && rest.iter().any(is_of_sources) {
            by_source = false;
            warnings.push(format!(
                "testers do not get past the rule at {} by their address, which it compares itself: by the header only",
                rule.in_words()
            ));
        }
        if by_source {
            for hosts in groups(&hosts, at_once) {
                for from in wants.from.chunks(room.saturating_sub(hosts.len()).max(1)) {
                    wanted.push(copy(hosts, of_sources(from)));
                }
            }
        }
    }
    (wanted, warnings)
}

/// For which hosts a rule is copied, none of them for every host, or why it cannot be.
fn copied_for(wants: &Wants, rule: &Rule) -> Result<Vec<String>, String> {
    if !rule.actions.iter().all(is_copyable) {
        return Err("it asks who they are in a way that cannot be copied".to_owned());
    }
    let hosts = match rule.hosts() {
        None => Some(wants.hosts.clone()),
        Some(patterns) if patterns.is_empty() => None,
        Some(patterns) if wants.hosts.is_empty() => Some(patterns),
        Some(patterns) => both(&wants.hosts, &patterns),
    };
    let hosts = hosts.ok_or_else(|| {
        "its host names and the site's overlap as no condition can say".to_owned()
    })?;
    let rest = rule.conditions.iter().filter(|condition| !is_of_hosts(condition));
    let taken: usize = rest.map(weight).sum();
    if taken + 1 + hosts.len().min(1) > MOST_VALUES {
        return Err(format!(
            "beside the hosts its conditions have {taken} values, and a rule has {MOST_VALUES} at most: there is no room for a host and a bypass"
        ));
    }
    Ok(hosts)
}

/// Whether AWS tells all that it takes to write it again. What signs visitors in by OIDC has a secret.
fn is_copyable(action: &Action) -> bool {
    matches!(
        kind(action),
        Some(
            ActionTypeEnum::Forward
                | ActionTypeEnum::Redirect
                | ActionTypeEnum::FixedResponse
                | ActionTypeEnum::AuthenticateCognito
        )
    )
}

/// As it is sent: AWS answers a target group in two ways, and takes one.
fn copied(action: &Action) -> Action {
    let mut copy = action.clone();
    if kind(action) == Some(&ActionTypeEnum::Forward) {
        let sticky = action
            .forward_config
            .as_ref()
            .and_then(|config| config.target_group_stickiness_config.as_ref())
            .is_some_and(|sticky| sticky.enabled.unwrap_or_default());
        match targets(action).as_slice() {
            [(group, _)] if !sticky => {
                copy.target_group_arn = Some(group.clone());
                copy.forward_config = None;
            }
            _ => copy.target_group_arn = None,
        }
    }
    copy
}

/// The same in one of the two ways in which AWS writes it.
fn sendable(condition: &RuleCondition) -> RuleCondition {
    let mut copy = condition.clone();
    let typed = copy.path_pattern_config.is_some()
        || copy.http_header_config.is_some()
        || copy.http_request_method_config.is_some()
        || copy.query_string_config.is_some()
        || copy.source_ip_config.is_some();
    if typed {
        copy.values = None;
        copy.regex_values = None;
    }
    copy
}

pub(super) fn of_hosts(hosts: &[String]) -> RuleCondition {
    let config = HostHeaderConditionConfig::builder().set_values(Some(hosts.to_vec())).build();
    RuleCondition::builder().field("host-header").host_header_config(config).build()
}

fn of_header(secret: &str) -> RuleCondition {
    let config =
        HttpHeaderConditionConfig::builder().http_header_name(HEADER).values(secret).build();
    RuleCondition::builder().field("http-header").http_header_config(config).build()
}

fn of_sources(from: &[String]) -> RuleCondition {
    let config = SourceIpConditionConfig::builder().set_values(Some(from.to_vec())).build();
    RuleCondition::builder().field("source-ip").source_ip_config(config).build()
}

/// The value of the bypass header in a rule of ours.
pub(super) fn secret_of(rule: &Rule) -> Option<String> {
    let headers =
        rule.conditions.iter().filter_map(|condition| condition.http_header_config.as_ref());
    let mut own = headers.filter(|header| {
        header.http_header_name().is_some_and(|name| name.eq_ignore_ascii_case(HEADER))
    });
    own.next()?.values().first().cloned()
}

#[cfg(test)]
pub(super) mod trials {
    use super::super::rule::trials::rule;
    use super::super::rule::values;
    use super::*;

    pub(in super::super) fn wants(hosts: &[&str], from: &[&str]) -> Wants {
        let texts = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect();
        Wants {
            site: "shop".to_owned(),
            hosts: texts(hosts),
            others: Vec::new(),
            answer: Answer::page("<p>back soon</p>".to_owned(), "d1".to_owned()),
            from: texts(from),
            declared: BTreeSet::new(),
            theirs: None,
        }
    }

    /// Each rule as its conditions' values and where it leads.
    fn shown(wanted: &[Wanted]) -> Vec<String> {
        let one = |wanted: &Wanted| {
            let conditions: Vec<_> =
                wanted.conditions.iter().map(|condition| values(condition).join(",")).collect();
            let to = wanted.actions.iter().flat_map(targets).map(|(group, _)| group);
            format!("{} -> {}", conditions.join(" "), to.collect::<Vec<_>>().join(","))
        };
        wanted.iter().map(one).collect()
    }

    #[test]
    fn each_five_hosts_have_an_answer_of_their_own() {
        let hosts = ["a.x", "b.x", "c.x", "d.x", "e.x", "f.x"];
        let shown = shown(&answers(&wants(&hosts, &[])));
        assert_eq!(shown, ["a.x,b.x,c.x,d.x,e.x -> ", "f.x -> "]);
    }

    #[test]
    fn testers_meet_the_rules_of_the_open_site_in_their_order_and_for_its_hosts_alone() {
        let wants = wants(&["a.x", "b.x"], &["203.0.113.0/24"]);
        let rules =
            [rule(5, "a.x|/api/*", "api"), rule(7, "*", "web"), rule(9, "b.x|/admin", "403")];
        let covered: Vec<_> = rules.iter().collect();
        let (wanted, warnings) = testers(&wants, &covered, "hush");
        assert_eq!(
            shown(&wanted),
            [
                "a.x hush /api/* -> api",
                "a.x 203.0.113.0/24 /api/* -> api",
                "a.x,b.x hush -> web",
                "a.x,b.x 203.0.113.0/24 -> web",
            ],
            "what comes after the last that forwards keeps nobody out"
        );
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn a_rule_that_keeps_visitors_out_keeps_testers_out_too() {
        let wants = wants(&["a.x"], &[]);
        for (to, expected) in
            [("403", vec!["a.x hush /admin/* -> ", "a.x hush -> web"]), ("login", vec![])]
        {
            let rules = [rule(5, "a.x|/admin/*", to), rule(7, "", "web")];
            let (wanted, warnings) = testers(&wants, &rules.iter().collect::<Vec<_>>(), "hush");
            assert_eq!(shown(&wanted), expected, "{to}");
            assert_eq!(warnings.is_empty(), to == "403", "{warnings:?}");
        }
    }

    #[test]
    fn conditions_that_leave_no_room_for_a_bypass_are_named() {
        let wants = wants(&["a.x", "b.x", "c.x"], &["203.0.113.0/24", "198.51.100.7/32"]);
        let rules = [rule(5, "|/1,/2,/3", "app"), rule(6, "|/1,/2,/3,/4", "more")];
        let (wanted, warnings) = testers(&wants, &rules.iter().collect::<Vec<_>>(), "hush");
        assert!(
            wanted.iter().all(|rule| rule.conditions.iter().map(weight).sum::<usize>() == 5),
            "{wanted:#?}"
        );
        assert_eq!(wanted.len(), 3 + 3 * 2);
        assert!(
            warnings.len() == 1 && warnings[0].contains("at 6 (path /1 or /2 or /3 or /4)"),
            "{warnings:?}"
        );
    }
}
