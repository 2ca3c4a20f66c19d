//! The listeners' rules of two plans -> the one that answers while the boolean is true. The twin of answering.rs, which asks the
//! `.tf` themselves: what a rule says is read by the same rules.rs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;

use serde_json::Value as Json;

use super::{Document, PlansError, Resource};
use crate::hcl::Place;
use crate::terraform::answering::{Numbered, Sides, Useless, choose};
use crate::terraform::rules::{self, Mistake};
use crate::terraform::{AnsweringRule, ListenerRule, Unknown, Value, state};

/// The rule that answers, if one does.
pub(super) fn rule(
    live: &Document,
    maintenance: &Document,
) -> Option<Result<AnsweringRule, PlansError>> {
    let addresses: BTreeSet<&str> =
        live.changes.keys().chain(maintenance.changes.keys()).map(String::as_str).collect();
    let both = |address: &str| [live, maintenance].map(|side| side.changes.get(address));
    let moved: Vec<&str> = addresses
        .into_iter()
        .filter(|address| both(address).into_iter().flatten().any(is_rule))
        .filter(|address| {
            let [before, after] = both(address);
            before.map(Resource::seen) != after.map(Resource::seen)
        })
        .collect();
    let mut read: BTreeMap<&str, [Option<ListenerRule>; 2]> = BTreeMap::new();
    for address in moved {
        let [before, after] =
            both(address).map(|side| side.map(|one| said(address, one)).transpose());
        match (before, after) {
            (Ok(before), Ok(after)) => {
                read.insert(address, [before.flatten(), after.flatten()]);
            }
            (Err(why), _) | (_, Err(why)) => return Some(Err(why)),
        }
    }
    let sides = read.iter().map(|(&address, [live, maintenance])| Sides {
        address,
        live: live.as_ref(),
        maintenance: maintenance.as_ref(),
    });
    let numbers: Vec<_> = [live, maintenance].into_iter().flat_map(numbers).collect();
    let rule = choose(&sides.collect::<Vec<_>>(), &numbers);
    let useless =
        |Useless { message, hint, .. }| PlansError::Rule { message, hint: hint.to_owned() };
    rule.map(|rule| rule.map_err(useless))
}

fn is_rule(resource: &Resource) -> bool {
    matches!(resource.kind.as_str(), "aws_lb_listener_rule" | "aws_alb_listener_rule")
}

/// Where each rule of a plan stands.
fn numbers(plan: &Document) -> Vec<Numbered> {
    let number = |resource: &Resource| {
        let after = resource.change.after.as_ref()?;
        let listener = after.get("listener_arn").and_then(Json::as_str).map(str::to_owned);
        let number = after.get("priority").and_then(Json::as_u64)?;
        Some((listener, u32::try_from(number).ok()?))
    };
    plan.changes.values().filter(|resource| is_rule(resource)).filter_map(number).collect()
}

/// What a rule says after the apply; `None` where there will be none.
fn said(address: &str, resource: &Resource) -> Result<Option<ListenerRule>, PlansError> {
    let Some(after) = resource.change.after.as_ref().filter(|after| !after.is_null()) else {
        return Ok(None);
    };
    let nothing = Json::Null;
    let unknown = resource.change.after_unknown.as_ref().unwrap_or(&nothing);
    let Value::Object(mut written) = overlaid(after, unknown, "") else { return Ok(None) };
    // Where none is given the provider takes the next that is free.
    if matches!(written.get("priority"), Some(Value::Unknown(_))) {
        written.remove("priority");
    }
    rules::read(&written).map(Some).map_err(|mistake| match mistake {
        Mistake::Unknown(unknown) => PlansError::RuleUnknown {
            address: address.to_owned(),
            attribute: unknown.expression.clone(),
        },
        Mistake::Wrong(message) => PlansError::Rule {
            message: format!("{address}: {message}"),
            hint: "put it right, or name the listener in roadworks.hcl: balancer \"alb\""
                .to_owned(),
        },
    })
}

/// A value with what only the apply will know. `serde_json` bounds the depth.
fn overlaid(after: &Json, unknown: &Json, name: &str) -> Value {
    match (after, unknown) {
        (_, Json::Bool(true)) => {
            let place = Place { file: PathBuf::new().into(), span: 0..0, line: 0, column: 0 };
            let why = "known only after an apply".to_owned();
            Value::Unknown(Rc::new(Unknown { expression: name.to_owned(), why, place }))
        }
        (Json::Array(all), Json::Array(marks)) => {
            let mark = |at: usize| marks.get(at).unwrap_or(&Json::Null);
            let elements = all.iter().enumerate().map(|(at, one)| overlaid(one, mark(at), name));
            Value::Tuple(elements.collect())
        }
        (Json::Object(fields), Json::Object(marks)) => {
            let names: BTreeSet<&String> = fields.keys().chain(marks.keys()).collect();
            let of = |name: &String| {
                let none = Json::Null;
                let (field, mark) =
                    (fields.get(name).unwrap_or(&none), marks.get(name).unwrap_or(&none));
                (name.clone(), overlaid(field, mark, name))
            };
            Value::Object(names.into_iter().map(of).collect())
        }
        (known, _) => state::value(known),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::compare;
    use super::*;
    use crate::terraform::{RuleAnswer, RuleCondition, Stays};

    const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-central-1:1:listener/app/shop/1/2";

    /// A rule as provider 5.100.0 plans it, before it is made.
    fn planned(listener: &str, unknown: &Json) -> Json {
        json!({
            "address": "aws_lb_listener_rule.maintenance[0]", "mode": "managed",
            "type": "aws_lb_listener_rule",
            "change": {
                "actions": ["create"],
                "after": {
                    "listener_arn": listener, "priority": 10, "tags": null,
                    "action": [{
                        "type": "fixed-response", "forward": [], "redirect": [],
                        "fixed_response": [{ "content_type": "text/plain", "message_body": "soon", "status_code": "503" }],
                    }],
                    "condition": [{
                        "host_header": [{ "values": ["shop.example.com"] }], "http_header": [],
                        "http_request_method": [], "path_pattern": [], "query_string": [], "source_ip": [],
                    }],
                },
                "after_unknown": unknown,
            },
        })
    }

    /// As provider 5.100.0 has it: what the load balancer chooses.
    fn usual() -> Json {
        json!({ "arn": true, "id": true, "tags_all": true, "action": [{ "order": true, "fixed_response": [{}] }], "condition": [{ "host_header": [{ "values": [false] }] }] })
    }

    fn compared(before: &[Json], after: &[Json]) -> Result<super::super::Compared, PlansError> {
        let plan = |value: bool, resources: &[Json]| {
            let plan = json!({
                "format_version": "1.2", "variables": { "maintenance_mode": { "value": value } },
                "resource_changes": resources,
            });
            plan.to_string().into_bytes()
        };
        compare(&plan(false, before), &plan(true, after))
    }

    #[test]
    fn a_rule_that_only_the_one_plan_makes_is_found_without_a_record() {
        let app = json!({
            "address": "aws_lb_listener_rule.app", "mode": "managed", "type": "aws_lb_listener_rule",
            "change": { "actions": ["no-op"], "after": { "listener_arn": LISTENER, "priority": 20 } },
        });
        let both = [app, planned(LISTENER, &usual())];
        let found = compared(&both[..1], &both).unwrap();
        let rule = found.rule.unwrap().unwrap();
        assert_eq!(rule.addresses, ["aws_lb_listener_rule.maintenance[0]"]);
        assert_eq!((rule.listeners, rule.declared), (vec![LISTENER.to_owned()], vec![10, 20]));
        assert_eq!(rule.conditions, [RuleCondition::Hosts(vec!["shop.example.com".to_owned()])]);
        assert!(matches!(rule.answer, RuleAnswer::Fixed { status: 503, .. }));
        assert_eq!((rule.stays, found.rules == found.also_moves), (Stays::Gone, true));
        assert_eq!(found.records, []);
    }

    #[test]
    fn a_rule_that_only_an_apply_will_know_is_refused_by_attribute() {
        let mut unknown = usual();
        unknown["listener_arn"] = json!(true);
        let error = compared(&[], &[planned("", &unknown)]).map(drop).unwrap_err();
        let address = "aws_lb_listener_rule.maintenance[0]";
        let told = format!("`listener_arn` of {address} is known only after an apply");
        assert_eq!(error.to_string(), told);
        let network = planned(&LISTENER.replace("/app/", "/net/"), &usual());
        let error = compared(&[], &[network]).map(drop).unwrap_err().to_string();
        assert!(
            error.starts_with(address) && error.contains("no application load balancer"),
            "{error}"
        );
    }
}
