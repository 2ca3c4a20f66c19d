//! An execution, followed to its end. Asking is all that is done: whoever stops following leaves it as it is.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::told::{is_code, unread};
use super::CodePipeline;
use super::seen::{Execution, Stage};
use crate::aws::Error as AwsError;
use crate::clock;
use crate::lever::Error;

/// How often it is asked how far it is.
const POLL: Duration = Duration::from_secs(2);
/// For so long an execution that was just started may not be known yet, and AWS be too busy or away.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is told on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A stage came to another status.
    Stage {
        /// Its name.
        name: String,
        /// `InProgress`, `Succeeded`, ..
        status: String,
    },
    /// It waits before a stage that is closed.
    Waits {
        /// Before which.
        stage: String,
        /// Why that is closed, in the words of whoever did it.
        reason: String,
    },
    /// It still runs.
    Runs {
        /// For so long it has been followed.
        waited: Duration,
    },
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Its id.
    pub id: String,
    /// `Succeeded`, `Failed`, `Stopped`, `Superseded` or `Cancelled`.
    pub status: String,
    /// What went wrong, where AWS says it.
    pub why: Option<String>,
    /// The stages that it came to, in their order, with how it was in each last.
    pub stages: Vec<(String, String)>,
}

impl CodePipeline {
    /// Follows the execution `id` to its end, telling each step on the way. Cancel safe: the execution goes on.
    pub async fn follow(&self, id: &str, mut told: impl FnMut(Told)) -> Result<Ended, Error> {
        let began = clock::monotonic();
        let mut heard = began;
        let mut known = Known::default();
        let mut ticks = tokio::time::interval(POLL);
        loop {
            ticks.tick().await;
            let now = clock::monotonic();
            let execution = match self.execution(id).await {
                Err(error) if passes(&error) && now.duration_since(heard) < PATIENCE => continue,
                execution => execution.map_err(|error| unread(&self.told(), &error))?,
            };
            heard = now;
            // How far it is is only told: its status alone says whether it ended.
            let stages = self.stages_read().await.unwrap_or_default();
            known.tell(id, &stages, &mut told);
            if !execution.runs() {
                return Ok(known.ended(execution, &stages));
            }
            told(Told::Runs { waited: now.duration_since(began) });
        }
    }
}

/// Whether it may be different in a moment.
fn passes(error: &AwsError) -> bool {
    matches!(
        error,
        AwsError::Throttled { .. } | AwsError::OutcomeUnknown { .. } | AwsError::Unreachable { .. }
    ) || is_code(error, "PipelineExecutionNotFoundException")
}

/// What was told already.
#[derive(Debug, Default)]
struct Known {
    stages: Vec<(String, String)>,
    waits: BTreeMap<String, String>,
}

impl Known {
    fn tell(&mut self, id: &str, stages: &[Stage], told: &mut impl FnMut(Told)) {
        for stage in stages {
            if let Some(run) = stage.latest.as_ref().filter(|run| run.id == id) {
                let now = (stage.name.clone(), run.status.clone());
                match self.stages.iter_mut().find(|(name, _)| *name == stage.name) {
                    Some(before) if *before == now => continue,
                    Some(before) => before.clone_from(&now),
                    None => self.stages.push(now.clone()),
                }
                told(Told::Stage { name: now.0, status: now.1 });
            }
            if stage.waiting().contains(&id) && !stage.is_enabled() {
                let reason = stage.disabled_reason().unwrap_or_default().to_owned();
                if self.waits.insert(stage.name.clone(), reason.clone()).as_ref() != Some(&reason) {
                    told(Told::Waits { stage: stage.name.clone(), reason });
                }
            }
        }
    }

    fn ended(self, execution: Execution, stages: &[Stage]) -> Ended {
        let failed = stages.iter().find_map(|stage| {
            let run = stage.latest.as_ref().filter(|run| run.id == execution.id)?;
            (run.status == "Failed").then_some(())?;
            Some(match stage.failure() {
                Some(why) => format!("stage {}, {why}", stage.name),
                None => format!("stage {}", stage.name),
            })
        });
        let why = failed.or(execution.status_summary);
        Ended { id: execution.id, status: execution.status, why, stages: self.stages }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stage(name: &str, id: &str, status: &str) -> Stage {
        serde_json::from_value(json!({
            "stageName": name,
            "latestExecution": { "pipelineExecutionId": id, "status": status },
        }))
        .unwrap()
    }

    #[test]
    fn each_change_is_told_once_and_those_of_other_executions_never() {
        let mut known = Known::default();
        let mut heard = Vec::new();
        for stages in [
            [stage("Source", "e-1", "InProgress"), stage("Deploy", "e-0", "Succeeded")],
            [stage("Source", "e-1", "InProgress"), stage("Deploy", "e-0", "Succeeded")],
            [stage("Source", "e-2", "InProgress"), stage("Deploy", "e-1", "Failed")],
        ] {
            known.tell("e-1", &stages, &mut |told| heard.push(told));
        }
        let told = |name: &str, status: &str| Told::Stage {
            name: name.to_owned(),
            status: status.to_owned(),
        };
        assert_eq!(heard, [told("Source", "InProgress"), told("Deploy", "Failed")]);
    }
}
