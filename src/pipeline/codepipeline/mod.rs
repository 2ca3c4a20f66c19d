//! A pipeline of `CodePipeline`: what it is, how its stages stand, and the few things that are asked of it.
//!
//! Never stops and never abandons an execution: Terraform that is cut short leaves half of its work.

mod default;
mod follow;
mod freeze;
mod seen;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::told::{ABSENT, Unfit, V1, patiently, unread, unwritten};
use crate::aws::{Error as AwsError, JsonService, Retry, Session};
use crate::lever::Error;

pub use default::default_of;
pub use follow::{Ended, Told};
pub use freeze::{Freezer, Gate, Transition, waiting};
pub use seen::{Execution, Run, Stage, Trigger};

/// How many of the newest executions are shown.
const SHOWN: u32 = 10;

/// A pipeline. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CodePipeline {
    session: Session,
    name: String,
}

impl CodePipeline {
    /// The pipeline `name` where `session` leads.
    pub fn new(session: Session, name: &str) -> CodePipeline {
        CodePipeline { session, name: name.to_owned() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn told(&self) -> String {
        format!("the pipeline {}", self.name)
    }

    fn absent(&self) -> Unfit {
        Unfit {
            rule: ABSENT,
            message: format!("there is no pipeline {} in {}", self.name, self.session.region()),
            hint: "look at its name, at `region` and at whose credentials these are".to_owned(),
        }
    }

    async fn ask(
        &self,
        operation: &'static str,
        input: &Value,
        retry: Retry,
    ) -> Result<Value, AwsError> {
        self.session.json(JsonService::CodePipeline, operation, input, retry).await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        input: Value,
        part: &str,
    ) -> Result<T, AwsError> {
        let mut answer = self.ask(operation, &input, Retry::Standard).await?;
        let part = answer.get_mut(part).map(Value::take).unwrap_or_default();
        serde_json::from_value(part).map_err(|error| AwsError::OutcomeUnknown {
            reason: format!("the answer to {operation} is not understood: {error}"),
        })
    }

    /// The whole definition, as it came, without its metadata.
    async fn definition(&self) -> Result<Value, AwsError> {
        self.read("GetPipeline", json!({ "name": self.name }), "pipeline").await
    }

    /// Its stages, in their order. Cancel safe.
    pub async fn stages(&self) -> Result<Vec<Stage>, Error> {
        self.stages_read().await.map_err(|error| unread(&self.told(), &error))
    }

    async fn stages_read(&self) -> Result<Vec<Stage>, AwsError> {
        self.read("GetPipelineState", json!({ "name": self.name }), "stageStates").await
    }

    /// Its newest executions, newest first. Cancel safe.
    pub async fn executions(&self) -> Result<Vec<Execution>, Error> {
        let input = json!({ "pipelineName": self.name, "maxResults": SHOWN });
        let all = self.read("ListPipelineExecutions", input, "pipelineExecutionSummaries").await;
        all.map_err(|error| unread(&self.told(), &error))
    }

    async fn execution(&self, id: &str) -> Result<Execution, AwsError> {
        let input = json!({ "pipelineName": self.name, "pipelineExecutionId": id });
        self.read("GetPipelineExecution", input, "pipelineExecution").await
    }

    /// The default of its variable `name`; refused where the pipeline cannot have it, with the fix. Cancel safe.
    pub async fn declared(&self, name: &str) -> Result<Option<String>, Error> {
        let definition = self.definition().await;
        let definition = definition.map_err(|error| unread(&self.told(), &error))?;
        let variable = self.variable_of(&definition, name)?;
        Ok(variable.get("defaultValue").and_then(Value::as_str).map(str::to_owned))
    }

    /// The declaration of the variable `name`, or why a pipeline of this definition cannot have it.
    fn variable_of<'a>(&self, definition: &'a Value, name: &str) -> Result<&'a Value, Unfit> {
        let kind = definition.get("pipelineType").and_then(Value::as_str).unwrap_or("V1");
        if kind != "V2" {
            return Err(Unfit {
                rule: V1,
                message: format!("{} is of type {kind}, which has no variables", self.told()),
                hint: format!(
                    "in its Terraform: pipeline_type = \"V2\" and variable {{ name = \"{name}\", default_value = \"false\" }}; or keep the boolean elsewhere: variable {{ ssm = \"..\" }}"
                ),
            });
        }
        let all = definition.get("variables").and_then(Value::as_array);
        let named = |one: &&Value| one.get("name").and_then(Value::as_str) == Some(name);
        all.into_iter().flatten().find(named).ok_or_else(|| Unfit {
            rule: ABSENT,
            message: format!("{} declares no variable {name}", self.told()),
            hint: format!(
                "declare it, with the default \"false\", and hand it to Terraform as #{{variables.{name}}}; or name another with `variable`"
            ),
        })
    }

    /// The value that the execution `id` has of the variable `name`, if it has one. Cancel safe.
    pub async fn value_of(&self, id: &str, name: &str) -> Result<Option<String>, Error> {
        let execution = self.execution(id).await.map_err(|error| unread(&self.told(), &error))?;
        Ok(execution.variables.into_iter().find(|one| one.name == name).map(|one| one.value))
    }

    /// Starts an execution with these values of its variables, and gives its id. The same `token` again starts no second one.
    pub async fn start(
        &self,
        variables: &[(String, String)],
        token: &str,
    ) -> Result<String, Error> {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let mut input = json!({ "name": self.name, "clientRequestToken": token });
        if let (false, Some(fields)) = (variables.is_empty(), input.as_object_mut()) {
            fields.insert("variables".to_owned(), json!(variables));
        }
        let ask = async || self.ask("StartPipelineExecution", &input, Retry::Standard).await;
        let started = patiently(ask).await;
        let started = started.map_err(|error| unwritten(&self.told(), &error))?;
        let id = started.get("pipelineExecutionId").and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| Error::Unknown {
            message: format!("{} was started, and the answer names no execution", self.told()),
            hint: "see it with `roadworks pipeline status`".to_owned(),
        })
    }
}
