//! The JSON objects of DESIGN §4. Fields are only ever added.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::doctor::Finding;
use crate::agent::{self, Drift, Heartbeat, Sight, Site};
use crate::audit::Entry;
use crate::checks::Outcome;
use crate::store::Store;
use crate::switch::{LeverName, Plan};

/// The object of `plan --json`.
pub(in crate::cli) fn plan_object(plan: &Plan) -> Value {
    json!({
        "format": 1,
        "site": plan.site,
        "from": plan.from,
        "to": plan.to,
        "changes": plan.changes(),
        "steps": plan.steps,
        "warnings": plan.warnings,
    })
}

/// The object of `status --json`, of every mode verb and of `apply`.
pub(in crate::cli) fn status_object<S: Store>(
    site: &Site<S>,
    sight: &Sight,
    now: Timestamp,
) -> Value {
    let switch = sight.switch.as_ref().map(|(switch, _)| switch);
    let proof = sight.proof(site, now);
    let phase = proof.seen.word();
    let levers: Vec<_> = site
        .levers
        .iter()
        .zip(&sight.levers)
        .map(|(lever, seen)| {
            json!({
                "name": lever.name(),
                "kind": lever.kind(),
                "position": seen.position,
                "phase": phase,
                "detail": seen.detail,
                "drift": sight.drifts(site, lever.name()).into_iter().map(drift_object).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "format": 1,
        "site": site.name,
        "mode": sight.mode(site),
        "desired": sight.desired(),
        "phase": phase,
        "moved_at": proof.moved_at,
        "settled_at": proof.settled_at,
        "quiet_at": proof.quiet_at,
        "last_request": proof.last_request,
        "hold_spent": gateways(site, sight).any(|(beat, alive)| alive && beat.hold_spent),
        "operation": switch.map(|switch| &switch.operation),
        "since": switch.map(|switch| switch.since),
        "until": switch.and_then(|switch| switch.until),
        "overdue": switch.is_some_and(|switch| switch.is_overdue(now)),
        "on_end": switch.and_then(|switch| switch.on_end),
        "until_healthy": switch.and_then(|switch| switch.until_healthy),
        "by": switch.map(|switch| &switch.by),
        "reason": switch.and_then(|switch| switch.reason.as_ref()),
        "levers": levers,
        "gateways": gateways(site, sight).map(gateway_object).collect::<Vec<_>>(),
        "checks": [],
        "warnings": site.warnings,
    })
}

fn drift_object(drift: &Drift) -> Value {
    json!({
        "target": drift.target,
        "was": drift.was,
        "is": drift.is,
        "noticed": drift.noticed,
        "then": drift.then,
        "why": drift.why,
    })
}

fn gateways<S: Store>(site: &Site<S>, sight: &Sight) -> impl Iterator<Item = (Heartbeat, bool)> {
    let levers = site.levers.iter().zip(&sight.levers);
    let of_gateways = levers.filter(|(lever, _)| lever.name() == LeverName::Gateway);
    of_gateways.flat_map(|(_, seen)| agent::gateways(seen)).collect::<Vec<_>>().into_iter()
}

/// The object of `status --json` where the store is out of reach: what the gateway of this machine gives, and no word of what
/// was asked for.
pub(in crate::cli) fn own_gateway_object(site: &str, beat: Heartbeat) -> Value {
    json!({
        "format": 1,
        "site": site,
        "mode": beat.mode,
        "desired": null,
        "phase": null,
        "moved_at": null,
        "settled_at": null,
        "quiet_at": null,
        "last_request": beat.last_request,
        "hold_spent": beat.hold_spent,
        "operation": beat.operation,
        "since": null,
        "until": null,
        "overdue": null,
        "on_end": null,
        "until_healthy": null,
        "by": null,
        "reason": null,
        "levers": [],
        "gateways": [gateway_object((beat, true))],
        "checks": [],
        "warnings": [],
        "untold": [],
        "windows": [],
        "run": null,
    })
}

fn gateway_object((beat, alive): (Heartbeat, bool)) -> Value {
    let phase = if alive { json!(beat.phase) } else { json!("silent") };
    json!({
        "id": beat.id,
        "mode": beat.mode,
        "phase": phase,
        "operation": beat.operation,
        "drain": beat.drain,
        "hold_spent": beat.hold_spent,
        "ramp": beat.ramp,
        "local": beat.local,
        "waiting": beat.waiting,
        "oldest": beat.oldest,
        "patience": beat.patience,
        "waited": beat.waited,
        "in_flight": beat.in_flight,
        "exempt": beat.exempt.into_iter().collect::<BTreeMap<_, _>>(),
        "upgraded": beat.upgraded,
        "cut": beat.cut,
        "upstreams": beat.upstreams,
        "last_refused": beat.last_refused,
        "last_request": beat.last_request,
        "seen": beat.at,
        "started": beat.started,
        "trouble": beat.trouble,
    })
}

/// The object of `doctor --json`.
pub(in crate::cli) fn doctor_object(findings: &[Finding]) -> Value {
    json!({ "format": 1, "checks": findings })
}

/// The object of `check --json`.
pub(in crate::cli) fn check_object(site: Option<&str>, outcomes: &[Outcome]) -> Value {
    json!({
        "format": 1,
        "site": site,
        "checks": checks_object(outcomes),
    })
}

/// `checks` of that object, and of `status`.
pub(in crate::cli) fn checks_object(outcomes: &[Outcome]) -> Value {
    outcomes.iter().map(outcome_object).collect()
}

fn outcome_object(Outcome { name, kind, found }: &Outcome) -> Value {
    let (result, reason, fix) = match found {
        Ok(detail) => ("pass", detail, None),
        Err(failed) => ("fail", &failed.why, Some(&failed.fix)),
    };
    json!({ "id": name, "kind": kind, "result": result, "reason": reason, "fix": fix })
}

/// The object of `log --json`.
pub(in crate::cli) fn log_object(entries: &[Entry], torn: &[String]) -> Value {
    json!({ "format": 1, "entries": entries, "warnings": torn })
}

/// The object of `plan --as-aws-cli --json`.
pub(in crate::cli) fn commands_object(plan: &Plan, make: &[String], undo: &[String]) -> Value {
    json!({
        "format": 1,
        "site": plan.site,
        "from": plan.from,
        "to": plan.to,
        "make": make,
        "undo": undo,
    })
}
