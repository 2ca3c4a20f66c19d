//! `pipeline status`: the stages, who waits before which, and the newest executions.

use serde_json::{Value, json};

use super::super::context::Context;
use super::super::error::Error;
use super::super::report::Form;
use super::Known;
use crate::agent;
use crate::pipeline::{Execution, Stage, Transition};

pub(super) async fn run(context: &Context) -> Result<u8, Error> {
    let known = Known::of(context).await?;
    let stages = known.pipeline.stages().await.map_err(agent::Error::from)?;
    let executions = known.pipeline.executions().await.map_err(agent::Error::from)?;
    let gate = match &known.freezer {
        Some(freezer) => Some(freezer.gate().await.map_err(agent::Error::from)?),
        None => None,
    };
    let frozen = gate.is_some_and(|gate| gate.transition == Transition::Frozen);
    if context.report.form() == Form::Json {
        context.report.object(&json!({
            "format": 1,
            "site": known.site,
            "pipeline": known.pipeline.name(),
            "frozen": frozen,
            "stages": stages.iter().map(stage_object).collect::<Vec<_>>(),
            "executions": executions,
        }))?;
        return Ok(0);
    }
    let mut lines = vec![format!("{}  pipeline {}", known.site, known.pipeline.name())];
    lines.extend(stages.iter().map(stage_line));
    lines.extend(executions.iter().map(execution_line));
    let waits = stages.iter().any(|stage| !stage.is_enabled() && !stage.waiting().is_empty());
    let next = match (frozen, waits) {
        (true, true) => {
            "roadworks pipeline pass, or roadworks open and then roadworks pipeline release"
        }
        (true, false) => "roadworks status",
        (false, _) => "roadworks pipeline start -var maintenance_mode=true",
    };
    lines.push(format!("Next: {next}"));
    context.report.data(&lines.join("\n"))?;
    Ok(0)
}

fn stage_object(stage: &Stage) -> Value {
    let latest = stage.latest.as_ref();
    json!({
        "name": stage.name,
        "enabled": stage.is_enabled(),
        "reason": stage.disabled_reason(),
        "execution": latest.map(|run| &run.id),
        "status": latest.map(|run| &run.status),
        "waiting": stage.waiting(),
    })
}

fn stage_line(stage: &Stage) -> String {
    let latest = stage.latest.as_ref();
    let (status, id) = latest.map_or(("-", "-"), |run| (&*run.status, &*run.id));
    let reason = stage.disabled_reason().filter(|_| !stage.is_enabled());
    let closed = match (stage.is_enabled(), reason) {
        (true, _) => String::new(),
        (false, reason) => format!("  closed: {}", reason.unwrap_or("no reason given")),
    };
    let waiting = stage.waiting();
    let waiting = if waiting.is_empty() {
        String::new()
    } else {
        format!("  before it: {}", waiting.join(", "))
    };
    one_line(&format!("  stage {:<12} {status:<11} {id}{closed}{waiting}", stage.name))
}

fn execution_line(execution: &Execution) -> String {
    let Execution { id, status, status_summary, trigger, .. } = execution;
    let trigger = trigger.as_ref().map_or("", |trigger| trigger.kind.as_str());
    let summary = status_summary.as_ref().map(|why| format!("  {why}")).unwrap_or_default();
    one_line(&format!("  {id}  {status:<11} {trigger}{summary}"))
}

fn one_line(text: &str) -> String {
    text.trim_end().replace('\n', " ")
}
