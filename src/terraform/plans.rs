//! Terraform itself as the way out: what the boolean moves, read from two of its plans.
//!
//! For folders that the evaluator refuses. Plans hold secrets: nothing of them is printed but addresses and the
//! names of attributes.

mod attributes;
mod error;
mod listeners;
mod make;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value as Json;

use super::AnsweringRule;
use super::record::{RecordKey, RecordSet};
use attributes::Planned;

pub use error::PlansError;
pub use make::{Argument, Request, make};

/// The largest `terraform show -json` that is read.
pub const LARGEST_PLAN: u64 = 256 * 1024 * 1024;
const RECORD: &str = "aws_route53_record";

/// What two plans, one for each value of the boolean, say that it moves.
#[derive(Debug)]
pub struct Compared {
    /// The boolean: the only variable that is false in the one plan and true in the other.
    pub variable: String,
    /// The records that differ.
    pub records: Vec<PlannedRecord>,
    /// The listeners' rule that answers while it is true, or why what it does to rules is of no use.
    pub rule: Option<Result<AnsweringRule, PlansError>>,
    /// Addresses of the rules that it is made of.
    pub rules: Vec<String>,
    /// Addresses of the other resources that differ, those rules among them.
    pub also_moves: Vec<String>,
    /// Records of which only the apply will know what they say, alike in both plans: probably not moved.
    pub undecided: Vec<String>,
}

/// A record that the boolean moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRecord {
    /// `aws_route53_record.environment`; two addresses where one resource makes way for another.
    pub address: String,
    /// Which record.
    pub key: RecordKey,
    /// What it says when the boolean is false; `None`: there is none.
    pub live: Option<RecordSet>,
    /// What it says when the boolean is true.
    pub maintenance: Option<RecordSet>,
}

/// Compares two documents of `terraform show -json`: the plan with the boolean false, and the one with it true.
pub fn compare(live: &[u8], maintenance: &[u8]) -> Result<Compared, PlansError> {
    let live = Document::read(live, "live")?;
    let maintenance = Document::read(maintenance, "maintenance")?;
    let variable = switch(&live, &maintenance)?;
    let rule = listeners::rule(&live, &maintenance);
    let (mut also_moves, mut undecided) = (Vec::new(), Vec::new());
    let mut sides: [Side; 2] = Default::default();
    let addresses: BTreeSet<&str> =
        live.changes.keys().chain(maintenance.changes.keys()).map(String::as_str).collect();
    for address in addresses {
        let both = [live.changes.get(address), maintenance.changes.get(address)];
        let same = both[0].map(Resource::seen) == both[1].map(Resource::seen);
        let is_record = both.iter().flatten().any(|resource| resource.kind == RECORD);
        match (is_record, same) {
            (true, true) if both.iter().flatten().any(|r| r.unknown().is_some()) => {
                undecided.push(address.to_owned());
            }
            (true, false) => {
                for (side, resource) in sides.iter_mut().zip(both) {
                    side.add(address, resource)?;
                }
            }
            (false, false) => also_moves.push(address.to_owned()),
            (_, true) => {}
        }
    }
    let [live, maintenance] = sides;
    let records = moved(live, maintenance);
    match (records.as_slice(), rule) {
        ([], None) => Err(PlansError::NothingMoves { variable, undecided }),
        ([], Some(Err(why))) => Err(why),
        (_, rule) => {
            let made_of = |address: &&String| match &rule {
                Some(Ok(rule)) => rule.is_made_of(address),
                Some(Err(_)) | None => false,
            };
            let rules = also_moves.iter().filter(made_of).cloned().collect();
            Ok(Compared { variable, records, rule, rules, also_moves, undecided })
        }
    }
}

/// The records of one plan that may differ from the other's, by what Route 53 tells them apart by.
#[derive(Default)]
struct Side(BTreeMap<RecordKey, (String, RecordSet)>);

impl Side {
    fn add(&mut self, address: &str, resource: Option<&Resource>) -> Result<(), PlansError> {
        let Some((key, set)) = resource.map(|r| r.record(address)).transpose()?.flatten() else {
            return Ok(());
        };
        match self.0.insert(key, (address.to_owned(), set)) {
            None => Ok(()),
            Some((other, _)) => {
                Err(PlansError::SameRecord { one: other, other: address.to_owned() })
            }
        }
    }
}

fn moved(mut live: Side, mut maintenance: Side) -> Vec<PlannedRecord> {
    let keys: BTreeSet<RecordKey> = live.0.keys().chain(maintenance.0.keys()).cloned().collect();
    let mut records = Vec::new();
    for key in keys {
        let (before, after) = (live.0.remove(&key), maintenance.0.remove(&key));
        let address = match (&before, &after) {
            (Some((one, _)), Some((other, _))) if one != other => format!("{one}, {other}"),
            (Some((one, _)), _) | (None, Some((one, _))) => one.clone(),
            (None, None) => continue,
        };
        let (live, maintenance) = (before.map(|(_, set)| set), after.map(|(_, set)| set));
        if live != maintenance {
            records.push(PlannedRecord { address, key, live, maintenance });
        }
    }
    records
}

/// The variable that is false here and true there; the other way round, the files are swapped.
fn switch(live: &Document, maintenance: &Document) -> Result<String, PlansError> {
    let flag =
        |document: &Document, name: &str| match document.variables.get(name)?.value.as_ref()? {
            Json::Bool(flag) => Some(*flag),
            Json::String(text) => text.parse().ok(),
            _ => None,
        };
    let mut candidates = Vec::new();
    let mut swapped = false;
    let names: BTreeSet<_> = live.variables.keys().chain(maintenance.variables.keys()).collect();
    for name in names {
        match (flag(live, name), flag(maintenance, name)) {
            // A variable left at its default is not in the plan of Terraform before 1.0.
            (Some(false) | None, Some(true)) => candidates.push(name.clone()),
            (Some(true), Some(false) | None) => swapped = true,
            _ => {}
        }
    }
    match candidates.pop() {
        Some(name) if candidates.is_empty() && !swapped => Ok(name),
        None if swapped => Err(PlansError::Swapped),
        Some(name) => Err(PlansError::TwoVariables { one: name }),
        None => Err(PlansError::NoVariable),
    }
}

/// The parts of the document that we read.
#[derive(Deserialize)]
struct Written {
    format_version: String,
    #[serde(default)]
    errored: bool,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    #[serde(default)]
    resource_changes: Vec<Resource>,
}

#[derive(Deserialize)]
struct Variable {
    value: Option<Json>,
}

struct Document {
    variables: BTreeMap<String, Variable>,
    /// By address.
    changes: BTreeMap<String, Resource>,
}

#[derive(Deserialize)]
struct Resource {
    address: String,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    /// Of an object that was replaced and still waits for its end.
    deposed: Option<String>,
    change: Change,
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    actions: Vec<String>,
    after: Option<Json>,
    after_unknown: Option<Json>,
}

impl Document {
    fn read(text: &[u8], which: &'static str) -> Result<Self, PlansError> {
        if text.len() as u64 > LARGEST_PLAN {
            return Err(PlansError::TooLarge { which });
        }
        let written: Written = serde_json::from_slice(text).map_err(|error| {
            PlansError::NotAPlan { which, line: error.line(), column: error.column() }
        })?;
        if !written.format_version.starts_with("1.") {
            return Err(PlansError::Format { which, version: written.format_version });
        }
        if written.errored {
            return Err(PlansError::Errored { which });
        }
        let ours = |resource: &Resource| resource.mode == "managed" && resource.deposed.is_none();
        let changes = written.resource_changes.into_iter().filter(ours);
        Ok(Self {
            variables: written.variables,
            changes: changes.map(|resource| (resource.address.clone(), resource)).collect(),
        })
    }
}

impl Resource {
    /// What is compared: a change that is the same in both plans is not the boolean's.
    fn seen(&self) -> (&[String], Option<&Json>, Option<&Json>) {
        (&self.change.actions, self.change.after.as_ref(), self.change.after_unknown.as_ref())
    }

    fn planned(&self) -> Option<Planned<'_>> {
        Some(Planned {
            values: self.change.after.as_ref()?.as_object()?,
            unknown: self.change.after_unknown.as_ref(),
        })
    }

    /// The first attribute that only the apply will know.
    fn unknown(&self) -> Option<&'static str> {
        self.planned()?.unknown()
    }

    /// The record after the apply; `None` where there will be none.
    fn record(&self, address: &str) -> Result<Option<(RecordKey, RecordSet)>, PlansError> {
        self.planned().map(|planned| planned.record(address)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::terraform::record::{Routing, Target};

    // Printed by Terraform 1.11.4 with provider 5.100.0 from the seed and three more records.
    const LIVE: &[u8] = include_bytes!("../../tests/plans/live.json");
    const MAINTENANCE: &[u8] = include_bytes!("../../tests/plans/maintenance.json");

    fn alias(name: &str, zone_id: &str) -> Target {
        Target::Alias { name: name.into(), zone_id: zone_id.into(), evaluate_target_health: false }
    }

    /// Two plans that differ in `change.after` of one record.
    fn plans(live: &Json, maintenance: &Json) -> [Vec<u8>; 2] {
        [(false, live), (true, maintenance)].map(|(value, after)| {
            let unknown = after.get("unknown").cloned().unwrap_or_else(|| json!({}));
            json!({
                "format_version": "1.2",
                "variables": {"maintenance_mode": {"value": value}},
                "resource_changes": [{
                    "address": "aws_route53_record.a", "mode": "managed", "type": "aws_route53_record",
                    "change": {"actions": ["update"], "after": after, "after_unknown": unknown},
                }],
            })
            .to_string()
            .into_bytes()
        })
    }

    fn compared(live: &Json, maintenance: &Json) -> Result<Compared, PlansError> {
        let [live, maintenance] = plans(live, maintenance);
        compare(&live, &maintenance)
    }

    fn plain(value: &str) -> Json {
        json!({"zone_id": "/hostedzone/Z1", "name": "*.Example.com.", "type": "CNAME", "ttl": 60, "records": [value]})
    }

    #[test]
    fn the_seeds_two_plans_say_where_the_alias_goes() {
        let compared = compare(LIVE, MAINTENANCE).unwrap();
        assert_eq!(compared.variable, "maintenance_mode");
        let record = compared
            .records
            .iter()
            .find(|r| r.address == "aws_route53_record.environment")
            .unwrap();
        assert_eq!((record.key.name.as_str(), record.key.kind.as_str()), ("app.example.com", "A"));
        assert_eq!(record.live.as_ref().unwrap().target, alias("lb.example.com", "ZLB"));
        assert_eq!(
            record.maintenance.as_ref().unwrap().target,
            alias("d1.cloudfront.net", "Z2FDTNDATAQYW2")
        );
    }

    #[test]
    fn a_weighted_text_record_is_read_as_route_53_has_it() {
        let compared = compare(LIVE, MAINTENANCE).unwrap();
        let record =
            compared.records.iter().find(|r| r.address == "aws_route53_record.ttl").unwrap();
        assert_eq!(record.key.set_identifier.as_deref(), Some("one"));
        let live = record.live.as_ref().unwrap();
        assert_eq!(live.routing, Some(Routing::Weighted(10)));
        let records = vec![r#""b""#.to_owned(), r#""x""y""#.to_owned()];
        assert_eq!(live.target, Target::Plain { ttl: 60, records });
    }

    #[test]
    fn a_record_that_only_one_plan_has_is_absent_in_the_other() {
        let compared = compare(LIVE, MAINTENANCE).unwrap();
        let record =
            compared.records.iter().find(|r| r.address == "aws_route53_record.pair[0]").unwrap();
        assert_eq!(record.live, None);
        assert!(record.maintenance.is_some());
    }

    #[test]
    fn what_else_moves_is_named_and_what_is_undecided_too() {
        let compared = compare(LIVE, MAINTENANCE).unwrap();
        assert_eq!(compared.also_moves, ["terraform_data.other"]);
        assert_eq!(compared.undecided, ["aws_route53_record.unk[0]"]);
        assert_eq!(compared.records.len(), 3);
    }

    #[test]
    fn plans_the_wrong_way_round_are_refused() {
        assert!(matches!(compare(MAINTENANCE, LIVE), Err(PlansError::Swapped)));
        assert!(matches!(compare(LIVE, LIVE), Err(PlansError::NoVariable)));
    }

    #[test]
    fn names_are_written_as_route_53_keeps_them() {
        let key = compared(&plain("a"), &plain("b")).unwrap().records.remove(0).key;
        assert_eq!((key.zone_id.as_str(), key.name.as_str()), ("Z1", "\\052.example.com"));
    }

    #[test]
    fn a_short_name_is_completed_by_what_the_provider_knows() {
        let with = |value| {
            let mut record = plain(value);
            record["name"] = json!("app");
            record["fqdn"] = json!("app.example.com");
            record
        };
        let key = compared(&with("a"), &with("b")).unwrap().records.remove(0).key;
        assert_eq!(key.name, "app.example.com");
    }

    #[test]
    fn a_moved_record_that_only_an_apply_will_know_is_refused_by_attribute() {
        let mut unknown = plain("a");
        unknown["unknown"] = json!({"alias": [{"name": true}], "fqdn": true});
        let error = compared(&plain("a"), &unknown).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`alias` of aws_route53_record.a is known only after an apply"
        );
    }

    #[test]
    fn a_pair_of_resources_with_one_name_is_one_moved_record() {
        let [mut live, mut maintenance] = [LIVE, MAINTENANCE].map(|text| {
            let mut plan: Json = serde_json::from_slice(text).unwrap();
            plan["resource_changes"].as_array_mut().unwrap().truncate(1);
            plan
        });
        live["resource_changes"][0]["address"] = json!("aws_route53_record.live[0]");
        maintenance["resource_changes"][0]["address"] = json!("aws_route53_record.page[0]");
        let compared =
            compare(live.to_string().as_bytes(), maintenance.to_string().as_bytes()).unwrap();
        assert_eq!(compared.records.len(), 1);
        let record = &compared.records[0];
        assert_eq!(record.address, "aws_route53_record.live[0], aws_route53_record.page[0]");
        assert!(record.live.is_some() && record.maintenance.is_some());
    }

    #[test]
    fn two_resources_that_make_the_same_record_in_one_plan_are_refused() {
        let [live, maintenance] = plans(&plain("a"), &plain("b")).map(|text| {
            let mut plan: Json = serde_json::from_slice(&text).unwrap();
            let mut twin = plan["resource_changes"][0].clone();
            twin["address"] = json!("aws_route53_record.b");
            plan["resource_changes"].as_array_mut().unwrap().push(twin);
            plan.to_string()
        });
        let error = compare(live.as_bytes(), maintenance.as_bytes()).unwrap_err();
        assert!(matches!(error, PlansError::SameRecord { .. }), "{error:?}");
    }

    #[test]
    fn a_health_check_on_a_cloudfront_alias_is_refused() {
        let mut page = plain("a");
        page["alias"] = json!([{"name": "d.cloudfront.net", "zone_id": "Z2FDTNDATAQYW2", "evaluate_target_health": true}]);
        assert!(matches!(compared(&plain("a"), &page), Err(PlansError::HealthOfCloudFront { .. })));
    }

    #[test]
    fn a_policy_that_is_not_handled_is_refused_by_name() {
        let mut near = plain("a");
        near["geoproximity_routing_policy"] = json!([{"aws_region": "eu-west-1"}]);
        let error = compared(&plain("a"), &near).unwrap_err();
        assert!(error.to_string().contains("`geoproximity_routing_policy`"), "{error}");
    }

    #[test]
    fn what_is_no_plan_is_refused_without_quoting_it() {
        let text = r#"{"format_version": "1.2", "resource_changes": "hunter2"}"#;
        let error = compare(text.as_bytes(), MAINTENANCE).unwrap_err();
        assert!(matches!(error, PlansError::NotAPlan { which: "live", .. }));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        let old = r#"{"format_version": "0.1"}"#;
        assert!(matches!(compare(LIVE, old.as_bytes()), Err(PlansError::Format { .. })));
        let deep = "[".repeat(100_000);
        assert!(matches!(compare(LIVE, deep.as_bytes()), Err(PlansError::NotAPlan { .. })));
    }

    #[test]
    fn a_plan_that_ended_in_an_error_is_refused() {
        let text = r#"{"format_version": "1.2", "errored": true}"#;
        assert!(matches!(compare(text.as_bytes(), LIVE), Err(PlansError::Errored { .. })));
    }

    #[test]
    fn a_boolean_that_moves_no_record_is_told_so() {
        let error = compared(&plain("a"), &plain("a")).unwrap_err();
        let told = "`maintenance_mode` moves no aws_route53_record, and no listener's rule that answers visitors";
        assert_eq!(error.to_string(), told);
    }
}
