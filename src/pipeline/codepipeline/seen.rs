//! What `CodePipeline` tells of stages and executions, as far as it is used (API reference, `GetPipelineState`,
//! `GetPipelineExecution`, `ListPipelineExecutions`).

use serde::{Deserialize, Serialize};

/// How a stage stands.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stage {
    /// Its name.
    #[serde(rename = "stageName")]
    pub name: String,
    inbound_execution: Option<Run>,
    inbound_executions: Vec<Run>,
    pub(super) inbound_transition_state: Option<Inbound>,
    /// The execution that is in it, or was last.
    #[serde(rename = "latestExecution")]
    pub latest: Option<Run>,
    action_states: Vec<Action>,
}

/// An execution, seen from a stage.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its id.
    #[serde(rename = "pipelineExecutionId")]
    pub id: String,
    /// `InProgress`, `Succeeded`, `Failed`, ..
    pub status: String,
}

/// The way into a stage.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Inbound {
    pub(super) enabled: Option<bool>,
    pub(super) last_changed_by: Option<String>,
    pub(super) disabled_reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Action {
    action_name: String,
    latest_execution: Option<Worked>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Worked {
    status: String,
    summary: Option<String>,
    external_execution_url: Option<String>,
    error_details: Option<Details>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Details {
    message: Option<String>,
}

/// One run of a pipeline. Times are not told: `status` orders them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Execution {
    /// Its id.
    #[serde(rename(deserialize = "pipelineExecutionId", serialize = "id"))]
    pub id: String,
    /// `InProgress`, `Stopping`, `Stopped`, `Succeeded`, `Superseded`, `Failed` or `Cancelled`.
    pub status: String,
    /// Why it ended so, where AWS says it.
    #[serde(rename(serialize = "summary"))]
    pub status_summary: Option<String>,
    /// What started it.
    #[serde(serialize_with = "kind_of")]
    pub trigger: Option<Trigger>,
    #[serde(skip_serializing)]
    pub(super) variables: Vec<Value>,
}

/// A variable of an execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Value {
    pub(super) name: String,
    #[serde(rename = "resolvedValue")]
    pub(super) value: String,
}

/// What started an execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trigger {
    /// `StartPipelineExecution`, `CloudWatchEvent`, ..
    #[serde(rename = "triggerType")]
    pub kind: String,
}

#[expect(clippy::ref_option, reason = "serde gives it so")]
fn kind_of<S: serde::Serializer>(trigger: &Option<Trigger>, to: S) -> Result<S::Ok, S::Error> {
    trigger.as_ref().map(|trigger| &trigger.kind).serialize(to)
}

impl Execution {
    /// Whether it can still do something.
    pub fn runs(&self) -> bool {
        // A word of tomorrow is not taken for an end.
        !["Stopped", "Succeeded", "Superseded", "Failed", "Cancelled"]
            .contains(&self.status.as_str())
    }
}

impl Stage {
    /// The executions that wait before it, in the order in which they came.
    pub fn waiting(&self) -> Vec<&str> {
        let one = self.inbound_execution.as_ref();
        let all =
            self.inbound_executions.iter().chain(one).filter(|run| run.status == "InProgress");
        let mut ids = Vec::new();
        for run in all {
            if !ids.contains(&run.id.as_str()) {
                ids.push(run.id.as_str());
            }
        }
        ids
    }

    /// Whether its inbound transition is enabled; a first stage has none.
    pub fn is_enabled(&self) -> bool {
        self.inbound_transition_state.as_ref().is_none_or(|inbound| inbound.enabled != Some(false))
    }

    /// Why its inbound transition is disabled, as whoever did it wrote.
    pub fn disabled_reason(&self) -> Option<&str> {
        self.inbound_transition_state.as_ref()?.disabled_reason.as_deref()
    }

    /// What failed in it, with where to read more.
    pub(super) fn failure(&self) -> Option<String> {
        let failed = self.action_states.iter().find_map(|action| {
            let worked = action.latest_execution.as_ref()?;
            (worked.status == "Failed").then_some((action, worked))
        });
        let (action, worked) = failed?;
        let details = worked.error_details.as_ref().and_then(|details| details.message.as_ref());
        let why = details.or(worked.summary.as_ref()).map(|why| format!(": {why}"));
        let more = worked.external_execution_url.as_ref().map(|url| format!(" ({url})"));
        Some(format!(
            "action {}{}{}",
            action.action_name,
            why.unwrap_or_default(),
            more.unwrap_or_default()
        ))
    }
}
