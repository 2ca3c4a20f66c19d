//! A listener's rule as we look at it: where it stands, for which hosts it is meant, whose it is. Pure.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, HostHeaderConditionConfig,
    HttpHeaderConditionConfig, HttpRequestMethodConditionConfig, PathPatternConditionConfig,
    QueryStringConditionConfig, Rule as Written, RuleCondition, RuleTransform,
    SourceIpConditionConfig,
};

use super::hosts::meet;
use super::wanted::Wants;

/// The tags by which our rules are found again.
pub(super) const SITE: &str = "roadworks:site";
pub(super) const OPERATION: &str = "roadworks:operation";
pub(super) const ROLE: &str = "roadworks:role";
/// What it answers with, as the first digits of its SHA-256: a body is not compared as it comes back.
pub(super) const PAGE: &str = "roadworks:page";
/// Where other rules stood before room was made, in as many tags as it takes.
pub(super) const MOVED: &str = "roadworks:moved-";

/// A rule as it was read.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) arn: String,
    /// `None` for the listener's default rule, which comes last.
    pub(super) priority: Option<u32>,
    pub(super) conditions: Vec<RuleCondition>,
    pub(super) actions: Vec<Action>,
    pub(super) transforms: Vec<RuleTransform>,
    /// What our tags say, where it is ours.
    pub(super) own: Option<Own>,
}

/// A rule of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) role: Role,
    pub(super) page: Option<String>,
    /// The rules that were moved, by the last part of their ARN: from where, and to where.
    pub(super) moved: BTreeMap<String, (u32, u32)>,
}

/// What a rule of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// Answers visitors.
    Answer,
    /// Lets testers pass.
    Testers,
    /// Answers nobody: it remembers where other rules stood.
    Note,
}

impl Role {
    pub(super) fn word(self) -> &'static str {
        match self {
            Role::Answer => "answer",
            Role::Testers => "testers",
            Role::Note => "note",
        }
    }
}

impl Rule {
    /// What AWS wrote of it, and its tags; `None` where there is no sense in it.
    pub(super) fn read(
        written: Written,
        tags: &BTreeMap<String, String>,
        wants: &Wants,
    ) -> Option<Rule> {
        let rule = Rule {
            arn: written.rule_arn?,
            priority: written.priority.and_then(|text| text.parse().ok()),
            conditions: written.conditions.unwrap_or_default(),
            actions: written.actions.unwrap_or_default(),
            transforms: written.transforms.unwrap_or_default(),
            own: own(tags, &wants.site),
        };
        Some(rule.of_hosts_only(&wants.hosts))
    }

    /// Somebody else's if it is about none of `hosts`: another site may have the same name. A note is about no host.
    fn of_hosts_only(self, hosts: &[String]) -> Rule {
        let ours = self.is(Role::Note) || self.concerns(hosts);
        Rule { own: self.own.filter(|_| ours), ..self }
    }

    /// The patterns of its host condition; `None` where it is meant for every host.
    pub(super) fn hosts(&self) -> Option<Vec<String>> {
        let of_hosts = self.conditions.iter().find(|condition| is_of_hosts(condition))?;
        Some(values(of_hosts))
    }

    /// Whether some request for one of `hosts`, or for any where there is none, may come to it. What cannot be compared may.
    pub(super) fn concerns(&self, hosts: &[String]) -> bool {
        if hosts.is_empty() {
            return true;
        }
        let by_regex = |condition: &RuleCondition| !regexes(condition).is_empty();
        if self.conditions.iter().any(|condition| is_of_hosts(condition) && by_regex(condition)) {
            return true;
        }
        let Some(patterns) = self.hosts() else { return true };
        patterns.iter().any(|pattern| hosts.iter().any(|host| meet(host, pattern)))
    }

    /// Whether requests go on from it to an app.
    pub(super) fn forwards(&self) -> bool {
        self.actions.iter().any(|action| kind(action) == Some(&ActionTypeEnum::Forward))
    }

    pub(super) fn is(&self, role: Role) -> bool {
        self.own.as_ref().is_some_and(|own| own.role == role)
    }

    /// The last part of its ARN.
    pub(super) fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or(&self.arn)
    }

    /// For a person: its priority and what it looks at.
    pub(super) fn in_words(&self) -> String {
        let looks: Vec<_> = self.conditions.iter().map(words).collect();
        let looks = if looks.is_empty() { "every request".to_owned() } else { looks.join(", ") };
        match self.priority {
            Some(priority) => format!("{priority} ({looks})"),
            None => "the default".to_owned(),
        }
    }

    /// What it asks of a request besides its host.
    pub(super) fn others(&self) -> Vec<RuleCondition> {
        self.conditions.iter().filter(|condition| !is_of_hosts(condition)).cloned().collect()
    }

    /// The status code with which it answers by itself.
    pub(super) fn status(&self) -> Option<u16> {
        let action = self.actions.first()?;
        let fixed = || action.fixed_response_config.as_ref()?.status_code.as_deref();
        let redirect = || {
            action.redirect_config.as_ref()?.status_code.as_ref()?.as_str().strip_prefix("HTTP_")
        };
        fixed().or_else(redirect)?.parse().ok()
    }

    /// What it asks of a request and does with it, to compare.
    pub(super) fn print(&self) -> (Vec<String>, Vec<String>) {
        print(&self.conditions, &self.actions)
    }
}

/// A condition for a person.
pub(super) fn words(condition: &RuleCondition) -> String {
    let name = condition.field.as_deref().unwrap_or_default();
    let name = match name.strip_suffix("-header").unwrap_or(name) {
        "path-pattern" => "path",
        other => other,
    };
    // Testers' secrets stand in headers.
    let values = header(condition).unwrap_or_else(|| values(condition).join(" or "));
    format!("{name} {values}")
}

/// What conditions ask and actions do, whatever the way in which AWS writes it.
pub(super) fn print(
    conditions: &[RuleCondition],
    actions: &[Action],
) -> (Vec<String>, Vec<String>) {
    let condition = |condition: &RuleCondition| {
        let mut values = values(condition);
        values.extend(regexes(condition).iter().map(|regex| format!("regex {regex}")));
        if is_of_hosts(condition) {
            values = values.iter().map(|value| value.to_ascii_lowercase()).collect();
        }
        values.sort();
        let header = header(condition).unwrap_or_default().to_ascii_lowercase();
        format!("{} {header} {}", condition.field.as_deref().unwrap_or_default(), values.join(" "))
    };
    let mut conditions: Vec<_> = conditions.iter().map(condition).collect();
    conditions.sort();
    let action = |action: &Action| match kind(action) {
        Some(ActionTypeEnum::Forward) => format!("forward {:?}", targets(action)),
        // The body does not come back as it was sent from every emulator.
        Some(ActionTypeEnum::FixedResponse) => {
            let fixed = action.fixed_response_config.as_ref();
            format!("fixed {:?}", fixed.and_then(|fixed| fixed.status_code.clone()))
        }
        Some(ActionTypeEnum::Redirect) => format!("redirect {:?}", action.redirect_config),
        other => format!("{other:?}"),
    };
    (conditions, actions.iter().map(action).collect())
}

/// The target groups of a forward action, with their weights.
pub(super) fn targets(action: &Action) -> Vec<(String, i32)> {
    let groups = action.forward_config.as_ref().map(ForwardActionConfig::target_groups);
    let groups = groups.unwrap_or_default().iter();
    let mut targets: Vec<_> = groups
        .filter_map(|group| Some((group.target_group_arn.clone()?, group.weight.unwrap_or(1))))
        .collect();
    if let ([], Some(only)) = (targets.as_slice(), &action.target_group_arn) {
        targets.push((only.clone(), 1));
    }
    match targets.as_mut_slice() {
        // A weight means nothing where there is one.
        [(_, weight)] => *weight = 1,
        more => more.sort(),
    }
    targets
}

pub(super) fn kind(action: &Action) -> Option<&ActionTypeEnum> {
    action.r#type.as_ref()
}

pub(super) fn is_of_hosts(condition: &RuleCondition) -> bool {
    condition.field.as_deref() == Some("host-header")
}

pub(super) fn is_of_sources(condition: &RuleCondition) -> bool {
    condition.field.as_deref() == Some("source-ip")
}

/// The name of the header that it is about, where it is about one.
fn header(condition: &RuleCondition) -> Option<String> {
    condition.http_header_config.as_ref()?.http_header_name.clone()
}

/// Its values, in whichever of its two ways AWS writes them.
pub(super) fn values(condition: &RuleCondition) -> Vec<String> {
    let config = |values: Option<&[String]>| values.unwrap_or_default().to_vec();
    let of_field = match condition.field.as_deref() {
        Some("host-header") => {
            config(condition.host_header_config.as_ref().map(HostHeaderConditionConfig::values))
        }
        Some("path-pattern") => {
            config(condition.path_pattern_config.as_ref().map(PathPatternConditionConfig::values))
        }
        Some("http-header") => {
            config(condition.http_header_config.as_ref().map(HttpHeaderConditionConfig::values))
        }
        Some("http-request-method") => config(
            condition
                .http_request_method_config
                .as_ref()
                .map(HttpRequestMethodConditionConfig::values),
        ),
        Some("source-ip") => {
            config(condition.source_ip_config.as_ref().map(SourceIpConditionConfig::values))
        }
        Some("query-string") => {
            let pairs = condition.query_string_config.as_ref();
            let pairs = pairs.map(QueryStringConditionConfig::values).unwrap_or_default();
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            pairs.iter().map(|pair| format!("{}={}", text(&pair.key), text(&pair.value))).collect()
        }
        Some(_) | None => Vec::new(),
    };
    if of_field.is_empty() { condition.values().to_vec() } else { of_field }
}

fn regexes(condition: &RuleCondition) -> Vec<String> {
    let hosts = condition.host_header_config.as_ref().map(HostHeaderConditionConfig::regex_values);
    let paths =
        condition.path_pattern_config.as_ref().map(PathPatternConditionConfig::regex_values);
    let all = [Some(condition.regex_values()), hosts, paths];
    all.into_iter().flatten().flatten().cloned().collect()
}

/// For how many of a rule's five values it counts.
pub(super) fn weight(condition: &RuleCondition) -> usize {
    values(condition).len() + regexes(condition).len()
}

fn own(tags: &BTreeMap<String, String>, site: &str) -> Option<Own> {
    if tags.get(SITE).map(String::as_str) != Some(site) {
        return None;
    }
    let role = match tags.get(ROLE).map(String::as_str) {
        Some("answer") => Role::Answer,
        Some("note") => Role::Note,
        // Without a word for it: it is ours, and nobody misses it.
        Some(_) | None => Role::Testers,
    };
    let moved = tags.iter().filter(|(key, _)| key.starts_with(MOVED));
    let moved = moved.flat_map(|(_, text)| text.split(' ')).filter_map(|entry| {
        let mut parts = entry.split(':');
        let (id, from, to) = (parts.next()?, parts.next()?, parts.next()?);
        Some((id.to_owned(), (from.parse().ok()?, to.parse().ok()?)))
    });
    Some(Own { role, page: tags.get(PAGE).cloned(), moved: moved.collect() })
}

#[cfg(test)]
pub(super) mod trials {
    use aws_sdk_elasticloadbalancingv2::types::FixedResponseActionConfig;

    use super::*;

    /// A rule that nobody tagged: `what` is `hosts|paths`, each with commas, and where it leads.
    pub(in super::super) fn rule(priority: u32, what: &str, to: &str) -> Rule {
        let (hosts, paths) = what.split_once('|').unwrap_or((what, ""));
        let list = |text: &str| {
            text.split(',').filter(|text| !text.is_empty()).map(ToOwned::to_owned).collect()
        };
        let (hosts, paths): (Vec<String>, Vec<String>) = (list(hosts), list(paths));
        let mut conditions = Vec::new();
        if !hosts.is_empty() {
            conditions.push(super::super::wanted::of_hosts(&hosts));
        }
        if !paths.is_empty() {
            let config = PathPatternConditionConfig::builder().set_values(Some(paths)).build();
            conditions.push(
                RuleCondition::builder().field("path-pattern").path_pattern_config(config).build(),
            );
        }
        Rule {
            arn: format!(
                "arn:aws:elasticloadbalancing:eu-central-1:1:listener-rule/app/shop/1/2/{priority:016x}"
            ),
            priority: Some(priority),
            conditions,
            actions: vec![action(to)],
            transforms: Vec::new(),
            own: None,
        }
    }

    /// `403` answers so, `login` asks who it is first, anything else is a target group.
    fn action(to: &str) -> Action {
        match to {
            "403" => Action::builder()
                .r#type(ActionTypeEnum::FixedResponse)
                .fixed_response_config(
                    FixedResponseActionConfig::builder().status_code("403").build(),
                )
                .build(),
            "login" => Action::builder().r#type(ActionTypeEnum::AuthenticateOidc).build(),
            group => {
                Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(group).build()
            }
        }
    }

    #[test]
    fn a_rule_concerns_hosts_that_its_patterns_meet_and_all_where_it_has_none() {
        let hosts = ["shop.example.com".to_owned(), "*.shop.example.com".to_owned()];
        for (patterns, concerned) in [
            ("shop.example.com", true),
            ("*.example.com", true),
            ("api.shop.example.com", true),
            ("www.example.com", false),
            ("", true),
            ("|/api/*", true),
            ("www.example.com,shop.*", true),
        ] {
            assert_eq!(rule(1, patterns, "app").concerns(&hosts), concerned, "{patterns}");
        }
    }

    #[test]
    fn a_rule_with_our_tag_that_is_about_none_of_our_hosts_is_somebody_elses() {
        let hosts = ["shop.example.com".to_owned()];
        for (host, role, ours) in [
            ("shop.example.com", Role::Answer, true),
            ("shop.example.org", Role::Answer, false),
            ("shop.example.org", Role::Testers, false),
            ("note.roadworks.invalid", Role::Note, true),
        ] {
            let own = Own { role, page: None, moved: BTreeMap::new() };
            let tagged = Rule { own: Some(own), ..rule(1, host, "app") };
            assert_eq!(tagged.of_hosts_only(&hosts).is(role), ours, "{host}");
        }
    }

    #[test]
    fn a_rule_is_ours_by_the_tag_of_the_site_alone() {
        let tags = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(own(&tags(&[(ROLE, "answer")]), "shop"), None);
        assert_eq!(own(&tags(&[(SITE, "blog"), (ROLE, "answer")]), "shop"), None);
        let noted = tags(&[
            (SITE, "shop"),
            (ROLE, "note"),
            ("roadworks:moved-1", "00ff:1:3 00fe:2:4"),
            ("roadworks:moved-2", "00fd:7:8 nonsense"),
        ]);
        let own = own(&noted, "shop").unwrap();
        assert_eq!(own.role, Role::Note);
        let moved: Vec<_> = own.moved.into_iter().collect();
        let expected = [("00fd", (7, 8)), ("00fe", (2, 4)), ("00ff", (1, 3))];
        assert_eq!(moved, expected.map(|(id, both)| (id.to_owned(), both)));
    }
}
