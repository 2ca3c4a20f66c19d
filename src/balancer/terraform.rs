//! The rule that Terraform's boolean makes -> what ours ask and answer, and how Terraform's own is known where a run of it made
//! it meanwhile. Pure.
//!
//! Terraform's rule carries no tag of ours. It is the one that asks exactly what Terraform's file says and answers so, before
//! every rule that forwards: it is named, and taken away only where a step says so.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, FixedResponseActionConfig, HttpHeaderConditionConfig,
    HttpRequestMethodConditionConfig, PathPatternConditionConfig, QueryStringConditionConfig,
    QueryStringKeyValuePair, RedirectActionConfig, RedirectActionStatusCodeEnum, RuleCondition,
    SourceIpConditionConfig,
};
use ipnet::IpNet;

use super::calls::Calls;
use super::room::Renumber;
use super::rule::{Rule, print};
use super::wanted::{Answer, Wants, of_hosts};
use super::{Alb, BY_TERRAFORM, digest, one_word, seen_of};
use crate::aws::Session;
use crate::config::{AnsweringRule, Listeners, RuleAnswer, RuleCondition as Asked, Stays};
use crate::lever::{Observation, Refusal};

impl Alb {
    /// The lever for `site`, whose visitors get what `rule` of Terraform's says, which `variable` makes; testers pass from
    /// `from`, and from where Terraform lets somebody past.
    pub fn of_rule(
        session: Session,
        site: &str,
        (rule, variable): (&AnsweringRule, &str),
        from: &[IpNet],
    ) -> Alb {
        let mut from: Vec<_> = from.iter().map(ToString::to_string).collect();
        let past = rule.lets_past().into_iter().filter(|network| !from.contains(network));
        from.extend(past.collect::<Vec<_>>());
        let wants = wants(site, (rule, variable), from);
        let listeners = Listeners::Named(rule.listeners.clone());
        Alb { calls: Calls::new(session), listeners, wants, renumber: Renumber::No }
    }

    /// Why opening would let nobody in, where a run of Terraform closed the site meanwhile.
    pub(super) fn closed_by_terraform(&self, seen: &Observation) -> Option<Refusal> {
        let theirs = seen.parts.iter().filter_map(|part| Some((part, seen_of(part)?.theirs?)));
        let theirs: Vec<_> = theirs.collect();
        let removable = theirs.iter().all(|(_, (_, then))| then.is_null());
        let told = theirs.iter().map(|(part, (now, _))| {
            let word = |name: &str| now.get(name).map(one_word).unwrap_or_default();
            format!("{}, at {} on {}", word("address"), word("rule"), part.target)
        });
        let told = told.collect::<Vec<_>>().join("; ");
        let again = self.by_terraform_again();
        let more = ", or take that rule away too: --override=closed-by-terraform --reason ..";
        (!theirs.is_empty()).then(|| Refusal {
            rule: BY_TERRAFORM,
            message: format!(
                "a run of Terraform made its own rule, which would keep visitors out: {told}"
            ),
            hint: format!("{again}{}", if removable { more } else { "" }),
        })
    }

    /// How Terraform takes its own rule away.
    pub(super) fn by_terraform_again(&self) -> String {
        let theirs = self.wants.theirs.as_ref();
        let variable = theirs.map_or("maintenance_mode", |theirs| theirs.variable.as_str());
        format!(
            "run `terraform apply -var {variable}=false`, or `roadworks pipeline start -var {variable}=false`; then run `roadworks open` again"
        )
    }
}

/// Terraform's own rules, as they would be known.
#[derive(Debug, Clone)]
pub(super) struct Theirs {
    /// `aws_lb_listener_rule.maintenance[0]`
    pub(super) address: String,
    /// The boolean.
    pub(super) variable: String,
    /// What becomes of them where the boolean is false.
    pub(super) stays: Stays,
    /// What the one that answers asks and does.
    print: (Vec<String>, Vec<String>),
    /// What it answers.
    answer: Action,
    /// What those ask that let somebody past.
    beside: Vec<Vec<String>>,
}

impl Theirs {
    /// Whether `rule` is the one that answers.
    pub(super) fn is(&self, rule: &Rule) -> bool {
        rule.own.is_none()
            && rule.priority.is_some()
            && rule.print() == self.print
            && rule.actions.iter().all(|action| may_say(action, &self.answer))
    }

    /// Whether `rule` lets somebody past it.
    pub(super) fn lets_past(&self, rule: &Rule) -> bool {
        let (asks, _) = rule.print();
        rule.own.is_none()
            && rule.priority.is_some()
            && rule.forwards()
            && self.beside.contains(&asks)
    }
}

/// Whether one fixed response may be the other: with the same words and of the same type, as far as both are told.
fn may_say(one: &Action, other: &Action) -> bool {
    let fixed = |action: &Action| action.fixed_response_config.clone();
    let (Some(one), Some(other)) = (fixed(one), fixed(other)) else { return true };
    let words = |text: &str| text.split_whitespace().collect::<String>();
    let same = |one: Option<&str>, other: Option<&str>| match (one, other) {
        (Some(one), Some(other)) => words(one) == words(other),
        // Not told: AWS leaves out what is empty, some emulators more.
        _ => true,
    };
    same(one.message_body(), other.message_body()) && same(one.content_type(), other.content_type())
}

/// What closing `site` takes where `rule` says it, and `variable` is its boolean.
pub(super) fn wants(
    site: &str,
    (rule, variable): (&AnsweringRule, &str),
    from: Vec<String>,
) -> Wants {
    let action = action(&rule.answer);
    let conditions: Vec<_> = rule.conditions.iter().map(condition).collect();
    let asks =
        |conditions: &[Asked]| print(&conditions.iter().map(condition).collect::<Vec<_>>(), &[]).0;
    let theirs = Theirs {
        address: rule.addresses.join(", "),
        beside: rule.beside.iter().map(|beside| asks(&beside.conditions)).collect(),
        variable: variable.to_owned(),
        stays: rule.stays,
        print: print(&conditions, std::slice::from_ref(&action)),
        answer: action.clone(),
    };
    let hosts = rule.hosts().to_vec();
    let others = rule.conditions.iter().filter(|asked| !matches!(asked, Asked::Hosts(_)));
    let mut others: Vec<_> = others.map(condition).collect();
    if hosts.is_empty() && others.is_empty() {
        // A rule asks something: every path is every request.
        others.push(of_paths(&["/*".to_owned()]));
    }
    let (status, body) = match &rule.answer {
        RuleAnswer::Fixed { status, body, .. } => (*status, body.clone()),
        RuleAnswer::Redirect { status, .. } => (*status, String::new()),
    };
    let written = serde_json::to_vec(&rule.answer).unwrap_or_default();
    Wants {
        site: site.to_owned(),
        hosts,
        others,
        answer: Answer { action, status, body, digest: digest(&written) },
        from,
        declared: rule.declared.iter().copied().collect::<BTreeSet<_>>(),
        theirs: Some(theirs),
    }
}

fn condition(asked: &Asked) -> RuleCondition {
    let builder = RuleCondition::builder();
    match asked {
        Asked::Hosts(hosts) => of_hosts(hosts),
        Asked::Paths(paths) => of_paths(paths),
        Asked::Methods(methods) => {
            let config = HttpRequestMethodConditionConfig::builder();
            let config = config.set_values(Some(methods.clone())).build();
            builder.field("http-request-method").http_request_method_config(config).build()
        }
        Asked::Sources(networks) => {
            let config = SourceIpConditionConfig::builder();
            let config = config.set_values(Some(networks.clone())).build();
            builder.field("source-ip").source_ip_config(config).build()
        }
        Asked::Header { name, values } => {
            let config = HttpHeaderConditionConfig::builder().http_header_name(name);
            let config = config.set_values(Some(values.clone())).build();
            builder.field("http-header").http_header_config(config).build()
        }
        Asked::Query(pairs) => {
            let pair = |(key, value): &(Option<String>, String)| {
                QueryStringKeyValuePair::builder().set_key(key.clone()).value(value).build()
            };
            let pairs = pairs.iter().map(pair).collect();
            let config = QueryStringConditionConfig::builder().set_values(Some(pairs)).build();
            builder.field("query-string").query_string_config(config).build()
        }
    }
}

fn of_paths(paths: &[String]) -> RuleCondition {
    let config = PathPatternConditionConfig::builder().set_values(Some(paths.to_vec())).build();
    RuleCondition::builder().field("path-pattern").path_pattern_config(config).build()
}

fn action(answer: &RuleAnswer) -> Action {
    match answer {
        RuleAnswer::Fixed { status, content_type, body } => {
            let config = FixedResponseActionConfig::builder()
                .status_code(status.to_string())
                .content_type(content_type)
                .set_message_body((!body.is_empty()).then(|| body.clone()))
                .build();
            let action = Action::builder().r#type(ActionTypeEnum::FixedResponse);
            action.fixed_response_config(config).build()
        }
        RuleAnswer::Redirect { protocol, host, port, path, query, status } => {
            let status = match status {
                301 => RedirectActionStatusCodeEnum::Http301,
                _ => RedirectActionStatusCodeEnum::Http302,
            };
            let config = RedirectActionConfig::builder()
                .protocol(protocol)
                .host(host)
                .port(port)
                .path(path)
                .query(query)
                .status_code(status)
                .build();
            Action::builder().r#type(ActionTypeEnum::Redirect).redirect_config(config).build()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::room::{Renumber, by_terraform, closing, is_closed};
    use super::super::rule::trials::rule;
    use super::super::rule::{Own, Role, values};
    use super::*;
    use crate::config::RuleBeside;

    fn fixed() -> RuleAnswer {
        let (content_type, body) = ("text/plain".to_owned(), "soon".to_owned());
        RuleAnswer::Fixed { status: 500, content_type, body }
    }

    #[test]
    fn a_page_of_somebody_elses_with_the_same_status_is_not_terraforms() {
        let fixed = |body: Option<&str>| {
            let config = FixedResponseActionConfig::builder().status_code("503");
            let config = config.content_type("text/html").set_message_body(body.map(str::to_owned));
            let action = Action::builder().r#type(ActionTypeEnum::FixedResponse);
            action.fixed_response_config(config.build()).build()
        };
        let theirs = fixed(Some("<p>Back soon.</p>\n"));
        assert!(may_say(&fixed(Some("<p>Back soon.</p>")), &theirs));
        assert!(may_say(&fixed(None), &theirs));
        assert!(!may_say(&fixed(Some("Moved to shop2.")), &theirs));
    }

    fn answering(conditions: Vec<Asked>, answer: RuleAnswer) -> AnsweringRule {
        AnsweringRule {
            addresses: vec!["aws_lb_listener_rule.down[0]".to_owned()],
            listeners: vec!["arn".to_owned()],
            conditions,
            answer,
            stays: Stays::Gone,
            beside: Vec::new(),
            declared: vec![10, 20],
        }
    }

    fn wanted(rule: &AnsweringRule) -> Wants {
        wants("shop", (rule, "down"), Vec::new())
    }

    fn hosts(all: &[&str]) -> Asked {
        Asked::Hosts(all.iter().map(|&host| host.to_owned()).collect())
    }

    /// Terraform's own, as a load balancer tells it.
    fn made(asks: &AnsweringRule, priority: u32) -> Rule {
        let conditions = asks.conditions.iter().map(condition).collect();
        Rule { conditions, actions: vec![action(&asks.answer)], ..rule(priority, "", "403") }
    }

    #[test]
    fn ours_ask_what_terraforms_rule_asks_and_answer_what_it_answers() {
        let paths = || Asked::Paths(vec!["/a/*".to_owned(), "/b".to_owned()]);
        for (conditions, expected) in [
            (vec![hosts(&["a.x", "b.x"])], vec![vec!["a.x", "b.x"]]),
            (vec![paths(), hosts(&["a.x"])], vec![vec!["a.x"], vec!["/a/*", "/b"]]),
            (vec![paths()], vec![vec!["/a/*", "/b"]]),
            (vec![], vec![vec!["/*"]]),
        ] {
            let wants = wanted(&answering(conditions, fixed()));
            let rules = super::super::wanted::answers(&wants);
            let [only] = rules.as_slice() else { panic!("{rules:?}") };
            assert_eq!(only.conditions.iter().map(values).collect::<Vec<_>>(), expected);
            let answer = only.actions[0].fixed_response_config.clone().unwrap();
            assert_eq!((answer.status_code(), answer.message_body()), (Some("500"), Some("soon")));
            let app = rule(30, "", "app");
            let closed = closing(&[app], &wants, "hush", Renumber::No).unwrap();
            assert_eq!(closed.priorities(Role::Answer), [29]);
        }
    }

    #[test]
    fn terraforms_own_rule_is_the_one_that_says_the_same_before_all_that_forward() {
        let asks = answering(vec![hosts(&["a.x"])], fixed());
        let wants = wanted(&asks);
        let app = rule(20, "a.x", "app");
        let seen = |rules: &[Rule]| by_terraform(rules, &wants).and_then(|rule| rule.priority);
        assert_eq!(seen(&[app.clone(), made(&asks, 10)]), Some(10));
        assert_eq!(seen(&[app.clone(), made(&asks, 21)]), None, "nobody comes to it");
        let other = answering(vec![hosts(&["b.x"])], fixed());
        assert_eq!(seen(&[app.clone(), made(&other, 10)]), None, "for others");
        let redirect = RuleAnswer::Redirect {
            protocol: "HTTPS".to_owned(),
            host: "status.x".to_owned(),
            port: "443".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            status: 302,
        };
        let elsewhere = answering(vec![hosts(&["a.x"])], redirect);
        assert_eq!(seen(&[app.clone(), made(&elsewhere, 10)]), None, "another answer");
        let wants = wanted(&elsewhere);
        let rules = [app, made(&elsewhere, 10)];
        assert_eq!(by_terraform(&rules, &wants).and_then(|rule| rule.priority), Some(10));
        assert!(!is_closed(&rules, &wants), "not by ours");
    }

    #[test]
    fn whom_terraforms_own_rules_let_past_opens_nothing_to_others_and_goes_with_them() {
        let office = vec![hosts(&["a.x"]), Asked::Sources(vec!["203.0.113.0/24".to_owned()])];
        let address = "aws_lb_listener_rule.office[0]".to_owned();
        let beside = RuleBeside { address, conditions: office.clone() };
        let asks =
            AnsweringRule { beside: vec![beside], ..answering(vec![hosts(&["a.x"])], fixed()) };
        let wants = wanted(&asks);
        let conditions = office.iter().map(condition).collect();
        let past = Rule { conditions, ..rule(9, "", "app") };
        let ours = rule(20, "a.x", "app");
        let rules = [ours.clone(), made(&asks, 10), past.clone()];
        assert_eq!(by_terraform(&rules, &wants).and_then(|rule| rule.priority), Some(10));
        let closed = closing(&rules, &wants, "hush", Renumber::No).unwrap();
        assert_eq!(closed.priorities(Role::Answer), [19], "no need to stand before 9");
        let gone = super::super::room::all_by_terraform(&rules, &wants);
        let gone: Vec<_> = gone.into_iter().filter_map(|rule| rule.priority).collect();
        assert_eq!(gone, [10, 9]);
        let another = Rule { conditions: ours.conditions.clone(), ..past };
        let rules = [ours, made(&asks, 10), another];
        assert!(by_terraform(&rules, &wants).is_none(), "one for everybody comes before it");
    }

    #[test]
    fn testers_do_not_meet_terraforms_own_answer() {
        let asks =
            AnsweringRule { declared: vec![10, 11], ..answering(vec![hosts(&["a.x"])], fixed()) };
        let wants = wanted(&asks);
        let app = rule(11, "a.x", "app");
        let closed = closing(std::slice::from_ref(&app), &wants, "hush", Renumber::No).unwrap();
        let (testers, answers) =
            (closed.priorities(Role::Testers), closed.priorities(Role::Answer));
        assert_eq!((testers, answers), (vec![8], vec![9]), "10 is Terraform's");
        // A run of Terraform makes its own between ours and the app's.
        let mut rules = vec![app, made(&asks, 10)];
        rules.extend(closed.placed.into_iter().map(|placed| Rule {
            conditions: placed.wanted.conditions,
            actions: placed.wanted.actions,
            own: Some(Own {
                role: placed.wanted.role,
                page: Some(wants.answer.digest.clone()),
                moved: std::collections::BTreeMap::new(),
            }),
            ..rule(placed.priority, "", "app")
        }));
        let again = closing(&rules, &wants, "hush", Renumber::No).unwrap();
        assert!(again.is_whole(&wants), "{again:#?}");
    }
}
