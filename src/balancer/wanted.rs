//! The rules that a closed site has: what answers visitors, and what lets testers pass as if the site were open. Pure.
//!
//! A tester must meet every rule that a visitor of the open site meets, in the same order: a rule that cannot be copied
//! ends the copies, since the next one might let in whom it keeps out.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, FixedResponseActionConfig, HostHeaderConditionConfig,
    HttpHeaderConditionConfig, RuleCondition, RuleTransform, SourceIpConditionConfig,
};

use super::hosts::both;
use super::rule::{Role, Rule, is_of_hosts, is_of_sources, kind, targets, weight};

/// The header that lets a tester pass.
pub const HEADER: &str = "X-Roadworks-Bypass";
/// A rule has so many condition values at most (ELB user guide, "Quotas for your Application Load Balancers").
pub(super) const MOST_VALUES: usize = 5;
/// What visitors get.
pub(super) const STATUS: &str = "503";

/// What closing the site's listeners takes.
#[derive(Debug, Clone)]
pub(super) struct Wants {
    pub(super) site: String,
    pub(super) hosts: Vec<String>,
    /// The page, at most 1,024 bytes of HTML.
    pub(super) page: String,
    /// The first digits of its SHA-256.
    pub(super) digest: String,
    /// From where testers pass.
    pub(super) from: Vec<String>,
}

/// A rule that is to be.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) role: Role,
    pub(super) conditions: Vec<RuleCondition>,
    pub(super) actions: Vec<Action>,
    pub(super) transforms: Vec<RuleTransform>,
}

/// What answers visitors: a rule for each five hosts.
pub(super) fn answers(wants: &Wants) -> Vec<Wanted> {
    let answer = |hosts: &[String]| Wanted {
        role: Role::Answer,
        conditions: vec![of_hosts(hosts)],
        actions: vec![page(&wants.page)],
        transforms: Vec::new(),
    };
    wants.hosts.chunks(MOST_VALUES).map(answer).collect()
}

/// The answer to visitors.
pub(super) fn page(body: &str) -> Action {
    let answer = FixedResponseActionConfig::builder()
        .status_code(STATUS)
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
            conditions: [of_hosts(hosts), pass].into_iter().chain(rest.clone()).collect(),
            actions: rule.actions.iter().map(copied).collect(),
            transforms: rule.transforms.clone(),
        };
        let at_once = hosts.len().clamp(1, room.saturating_sub(1).max(1));
        for hosts in hosts.chunks(at_once) {
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
            for hosts in hosts.chunks(at_once) {
                for from in wants.from.chunks(room.saturating_sub(hosts.len()).max(1)) {
                    wanted.push(copy(hosts, of_sources(from)));
                }
            }
        }
    }
    (wanted, warnings)
}

/// For which hosts a rule is copied, or why it cannot be.
fn copied_for(wants: &Wants, rule: &Rule) -> Result<Vec<String>, String> {
    if !rule.actions.iter().all(is_copyable) {
        return Err("it asks who they are in a way that cannot be copied".to_owned());
    }
    let hosts = match rule.hosts() {
        None => Some(wants.hosts.clone()),
        Some(patterns) if patterns.is_empty() => None,
        Some(patterns) => both(&wants.hosts, &patterns),
    };
    let hosts = hosts.ok_or_else(|| {
        "its host names and the site's overlap as no condition can say".to_owned()
    })?;
    let rest = rule.conditions.iter().filter(|condition| !is_of_hosts(condition));
    let taken: usize = rest.map(weight).sum();
    if taken + 2 > MOST_VALUES {
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
            page: "<p>back soon</p>".to_owned(),
            digest: "d1".to_owned(),
            from: texts(from),
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
