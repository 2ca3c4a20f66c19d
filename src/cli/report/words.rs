//! What a person reads: plan, status, findings, log. Readable without colour; the last line says the next step.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::doctor::{Finding, Outcome};
use super::one_line;
use crate::agent::{self, Drift, Heartbeat, Proof, Sight, Site, Untold};
use crate::audit::Entry;
use crate::checks;
use crate::gateway::{Drain, RampReport};
use crate::lever::{Position, value_words};
use crate::pipeline::waiting;
use crate::store::Store;
use crate::switch::{End, LeverName, Mode, OnEnd, Plan, Seen, Step, Switch, times};

/// A plan.
pub(in crate::cli) fn plan_words(plan: &Plan) -> String {
    let mut lines = Vec::new();
    if plan.changes() {
        lines.push(format!("{}: from {} to {}\n", plan.site, plan.from, plan.to));
        lines.extend(plan.steps.iter().map(step_words));
        lines.push(String::new());
    } else {
        lines.push(format!("{}: no changes, it is {} already", plan.site, plan.to));
    }
    lines.extend(warning_lines(&plan.warnings));
    lines.join("\n")
}

/// What a person should know, a line each.
pub(in crate::cli) fn warnings_words(warnings: &[String]) -> String {
    warning_lines(warnings).collect::<Vec<_>>().join("\n")
}

fn warning_lines(warnings: &[String]) -> impl Iterator<Item = String> {
    warnings.iter().map(|warning| format!("warning: {}", one_line(warning)))
}

fn step_words(step: &Step) -> String {
    let sign = match (&step.before, &step.after) {
        (Value::Null, _) => '+',
        (_, Value::Null) => '-',
        _ => '~',
    };
    let mut lines =
        vec![format!("  {sign} {:<9}{:<9} {}", step.lever, step.kind, one_line(&step.target))];
    let values = [('-', &step.before), ('+', &step.after)].into_iter();
    let values = values.filter(|(_, value)| !value.is_null());
    lines.extend(
        values.map(|(sign, value)| format!("      {sign} {}", one_line(&value_words(value)))),
    );
    lines.join("\n")
}

/// A gateway that somebody keeps in a mode of its own, by `--local`.
fn kept_by_hand<S: Store>(site: &Site<S>, sight: &Sight) -> Option<String> {
    let levers = site.levers.iter().zip(&sight.levers);
    let of_gateways = levers.filter(|(lever, _)| lever.name() == LeverName::Gateway);
    let mut gateways = of_gateways.flat_map(|(_, seen)| agent::gateways(seen));
    gateways.find(|(beat, alive)| *alive && beat.local.is_some()).map(|(beat, _)| beat.id)
}

/// The status of a site.
pub(in crate::cli) fn status_words<S: Store>(
    site: &Site<S>,
    sight: &Sight,
    now: Timestamp,
) -> String {
    let (mode, desired) = (sight.mode(site), sight.desired());
    let drifts = drift_lines(site, sight);
    let why = if !drifts.is_empty() {
        ""
    } else if sight.moving() {
        ": it is asked for and not done yet; where an agent runs, it finishes what nobody is at"
    } else {
        ": somebody else moved a lever"
    };
    let asked = sight.switch.as_ref().map(|(switch, _)| {
        let proof = sight.proof(site, now);
        let (words, rest) = (switch_words(switch, proof.seen, now), proof_words(&proof));
        format!("{words}{rest}")
    });
    let title = format!("{}  {}", site.name, mode.word().to_uppercase());
    let mut lines = vec![format!("{title}{}", asked.unwrap_or_default())];
    for (lever, seen) in site.levers.iter().zip(&sight.levers) {
        let (name, kind, position) = (lever.name(), lever.kind(), seen.position.to_string());
        lines.push(format!("  {name:<9}{kind:<9} {position:<12} {}", one_line(&seen.detail)));
    }
    lines.extend(gateway_lines(site, sight));
    let told = !drifts.is_empty();
    lines.extend(drifts);
    let local = kept_by_hand(site, sight);
    if mode != desired && local.is_none() {
        lines.push(format!("Visitors get {mode}, the switch asks for {desired}{why}."));
    }
    if let Some(id) = &local {
        lines.push(format!(
            "Visitors of gateway {id} get {mode}, the switch asks for {desired}: it is kept so on its own machine."
        ));
    }
    if !told && sight.levers.iter().any(|seen| seen.position == Position::Foreign) {
        lines.push(
            "A record leads to neither of its two targets: somebody else moved it, and no verb overwrites it. Find out who."
                .to_owned(),
        );
    }
    lines.push(format!("Next: {}", next_words(site, sight)));
    lines.join("\n")
}

/// What to do next.
fn next_words<S: Store>(site: &Site<S>, sight: &Sight) -> String {
    let (mode, desired) = (sight.mode(site), sight.desired());
    let someone_waits = site
        .levers
        .iter()
        .zip(&sight.levers)
        .any(|(lever, seen)| lever.name() == LeverName::Pipeline && !waiting(seen).is_empty());
    match (sight.moving(), mode) {
        (false, _) if kept_by_hand(site, sight).is_some() && mode != desired => {
            "roadworks open --local, on that machine".to_owned()
        }
        (true, _) => {
            format!(
                "roadworks wait, or roadworks {} to finish it where no agent runs",
                verb(desired)
            )
        }
        (false, Mode::Open) if someone_waits => "roadworks pipeline release".to_owned(),
        (false, Mode::Open) if site.offers(Mode::Detour).is_ok() => {
            "roadworks plan detour".to_owned()
        }
        (false, Mode::Open) if site.offers(Mode::Hold).is_ok() => "roadworks hold".to_owned(),
        (false, Mode::Open) => "roadworks close".to_owned(),
        (false, _) => "roadworks open".to_owned(),
    }
}

/// A line for each part that somebody else moved, as an agent noticed.
fn drift_lines<S: Store>(site: &Site<S>, sight: &Sight) -> Vec<String> {
    let drifts = site.levers.iter().flat_map(|lever| sight.drifts(site, lever.name()));
    let line = |drift: &Drift| {
        let (lever, noticed) = (drift.lever, drift.noticed);
        let (what, then) = (drift.in_words(), drift.then_in_words());
        format!("Somebody else moved {lever}: {what}, noticed at {noticed}; {then}.")
    };
    drifts.map(|drift| one_line(&line(drift))).collect()
}

/// Who was not told of what happened last, and what to do about it.
pub(in crate::cli) fn untold_words(untold: &Untold) -> String {
    let Untold { at, hint, .. } = untold;
    one_line(&format!("Not told: {}, last tried at {at}: {hint}.", untold.in_words()))
}

/// A line for each gateway, and what is the matter with it.
fn gateway_lines<S: Store>(site: &Site<S>, sight: &Sight) -> Vec<String> {
    let levers = site.levers.iter().zip(&sight.levers);
    let of_gateways = levers.filter(|(lever, _)| lever.name() == LeverName::Gateway);
    let mut lines = Vec::new();
    for (_, seen) in of_gateways {
        lines.extend(agent::gateways(seen).map(|(beat, alive)| gateway_line(&beat, alive)));
        lines.extend(warning_lines(&seen.warnings));
    }
    lines
}

#[expect(clippy::fn_params_excessive_bools, reason = "it comes with each heartbeat")]
fn gateway_line(beat: &Heartbeat, alive: bool) -> String {
    let mode = beat.mode.map_or("knows no mode", Mode::word);
    let healthy = beat.upstreams.iter().filter(|upstream| upstream.healthy).count();
    let all = beat.upstreams.len();
    let mut words = vec![format!("{healthy} of {all} upstreams healthy")];
    let exempt = || beat.exempt.iter().filter(|(_, number)| *number > 0);
    // Where everything passes nobody is let in by leave of anything.
    let open = beat.mode == Some(Mode::Open);
    let in_flight =
        beat.in_flight + if open { exempt().map(|(_, number)| number).sum() } else { 0 };
    let let_in: Vec<_> = exempt().map(|(by, number)| format!("{number} by {by}")).collect();
    for (number, what) in
        [(beat.waiting, "waiting"), (in_flight, "in flight"), (beat.upgraded, "upgraded")]
    {
        if number > 0 {
            words.push(format!("{number} {what}"));
        }
    }
    if !open && !let_in.is_empty() {
        let drained = if beat.drain == Drain::Drained { "drained, " } else { "" };
        words.push(format!("{drained}except {}", let_in.join(", ")));
    }
    words.extend(beat.ramp.as_deref().map(RampReport::in_words));
    words.extend(beat.hold_spent.then(|| "patience is over: 503".to_owned()));
    let mode = if alive { mode } else { "silent" };
    format!("    {:<24} {mode:<10} {}", one_line(&beat.id), one_line(&words.join(", ")))
}

/// What is asked for, where nothing else can be seen.
pub(in crate::cli) fn asked_words(site: &str, switch: &Switch, now: Timestamp) -> String {
    format!("{site} {}", switch_words(switch, switch.seen(now), now))
}

/// How the gateway of this machine stands, where nothing else can be seen.
pub(in crate::cli) fn own_gateway_words(beat: &Heartbeat) -> String {
    let mode = beat.mode.map_or("knows no mode: 503".to_owned(), |mode| mode.word().to_uppercase());
    let mut lines = vec![format!("{}  {mode}  at the gateway of this machine", beat.site)];
    lines.push(gateway_line(beat, true));
    lines.extend(warning_lines(&beat.trouble));
    lines.join("\n")
}

/// The verb that asks for `mode`.
pub(in crate::cli) fn verb(mode: Mode) -> &'static str {
    if mode == Mode::Closed { "close" } else { mode.word() }
}

fn switch_words(switch: &Switch, seen: Seen, now: Timestamp) -> String {
    let phase = seen.word();
    let asked =
        format!("asked for {} at {} by {}", switch.mode, switch.since, one_line(&switch.by));
    let reason = switch.reason.as_ref().map(|reason| format!("  \"{}\"", one_line(reason)));
    let overdue = switch.is_overdue(now);
    let end = switch.end().filter(|_| switch.mode != Mode::Open).map(|end| match end {
        End::At { until, .. } if overdue => {
            format!("\n  overdue since {until}: it stays until somebody opens it")
        }
        End::At { until, then: Some(OnEnd::Stay) } => {
            format!("\n  until {until}, then it stays and tells")
        }
        End::At { until, then: Some(OnEnd::Reopen) | None } => {
            format!("\n  until {until}, then it opens if every check passes")
        }
        End::Healthy { passes, latest } => {
            let opens = format!("it opens once every check passes {}", times(passes));
            match latest {
                Some(until) if overdue => format!("\n  overdue since {until}: {opens}"),
                Some(until) => format!("\n  until {until}: {opens}"),
                None => format!("\n  {opens}"),
            }
        }
    });
    format!(" ({phase})  {asked}{}{}", reason.unwrap_or_default(), end.unwrap_or_default())
}

/// When it settles, and whether anybody still comes to the old target: what is next, and what of it was seen.
fn proof_words(proof: &Proof) -> String {
    let settles = proof.settled_at.filter(|_| proof.seen == Seen::Moved);
    let settles = settles
        .map(|at| format!("\n  settled at {at}, when every correct client has the new answer"));
    let came = proof.last_request.map(|at| format!(", the last request came at {at}"));
    let came = came.unwrap_or_default();
    let quiet = proof.quiet_at.map(|at| match proof.seen {
        Seen::Quiet => format!("\n  quiet since {at} at the old target{came}"),
        Seen::Moving | Seen::Moved | Seen::Settled => {
            format!("\n  quiet at {at} if nobody comes to the old target any more{came}")
        }
    });
    settles.unwrap_or_default() + &quiet.unwrap_or_default()
}

/// The findings, each with its fix.
pub(in crate::cli) fn doctor_words(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for finding in findings {
        let result = match finding.result {
            Outcome::Ok => "ok",
            Outcome::Warn => "warn",
            Outcome::Fail => "FAIL",
        };
        lines.push(format!("{result:<5} {:<18} {}", finding.id, finding.reason));
        let fix = finding.fix.iter();
        lines.extend(fix.map(|fix| format!("{:<24} fix: {fix}", "")));
    }
    lines.join("\n")
}

/// What became of each check.
pub(in crate::cli) fn check_words(outcomes: &[checks::Outcome]) -> String {
    if outcomes.is_empty() {
        return "no checks: the site has no `check` block".to_owned();
    }
    let mut lines = Vec::new();
    for checks::Outcome { name, kind, found } in outcomes {
        let name = format!("{name} ({kind})");
        match found {
            Ok(detail) => lines.push(format!("{:<5} {name:<18} {detail}", "ok")),
            Err(failed) => {
                lines.push(format!("{:<5} {name:<18} {}", "FAIL", failed.why));
                lines.push(format!("{:<24} fix: {}", "", failed.fix));
            }
        }
    }
    lines.join("\n")
}

/// The log, oldest first.
pub(in crate::cli) fn log_words(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "nothing happened yet".to_owned();
    }
    let lines: Vec<_> = entries.iter().map(entry_words).collect();
    lines.join("\n")
}

fn entry_words(entry: &Entry) -> String {
    let Entry { at, operation, from, to, by, .. } = entry;
    let event = json!(entry.event);
    let event = event.as_str().unwrap_or_default();
    let more = [&entry.reason, &entry.detail].into_iter().flatten();
    let more: String = more.flat_map(|words| ["  ", words]).collect();
    one_line(&format!("{at}  {operation}  {event:<16} {from} -> {to}  {by}{more}"))
}

/// Commands to paste, each side under its own comment.
pub(in crate::cli) fn commands_words(plan: &Plan, make: &[String], undo: &[String]) -> String {
    let Plan { site, from, to, .. } = plan;
    // A comment that ended in the middle of a name would go on as a command.
    let site = one_line(site);
    if make.is_empty() {
        return format!("# {site}: no changes, it is {to} already");
    }
    let told = |value_of: fn(&Step) -> &Value| {
        let steps = plan.steps.iter().filter(|step| step.lever == LeverName::Variable);
        let lines = steps.map(|step| {
            let value = value_of(step);
            format!(
                "# {} is to be {value} ({}), or the next terraform apply undoes this\n",
                step.target, step.kind
            )
        });
        let stages = plan.steps.iter().filter(|step| step.lever == LeverName::Pipeline);
        let stages = stages.map(|step| {
            let value = value_of(step);
            format!(
                "# {} is to be {value}: aws codepipeline disable-stage-transition or enable-stage-transition, Inbound\n",
                step.target
            )
        });
        lines.chain(stages).collect::<String>()
    };
    let (make, undo) = (make.join("\n"), undo.join("\n"));
    format!(
        "# {site}: from {from} to {to}\n{}{make}\n\n# and back\n{}{undo}",
        told(|step| &step.after),
        told(|step| &step.before)
    )
}
