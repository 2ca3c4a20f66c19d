//! A pipeline with its stages and executions, as `CodePipeline` has them. Each question how it stands is a tick: whoever may enter a
//! stage enters it, and who is in one ends after as many ticks as the test says.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Refused;

/// What an execution that ends in the last stage does; `false` is a failure.
type Work = Box<dyn FnMut(&BTreeMap<String, String>) -> bool + Send>;

#[derive(Debug, Clone)]
pub(crate) struct Execution {
    pub(crate) id: String,
    pub(crate) status: &'static str,
    variables: BTreeMap<String, String>,
    token: String,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Stage {
    name: String,
    /// Why its way in is disabled, and by whom.
    pub(crate) disabled: Option<(String, String)>,
    pub(crate) waiting: Vec<String>,
    /// Who is in it or was last, how it went, and for how many ticks more it is in.
    inside: Option<(String, &'static str, u32)>,
}

/// A pipeline of two stages, `Source` and `Deploy`.
pub(crate) struct Pipeline {
    pub(crate) definition: Value,
    pub(crate) stages: Vec<Stage>,
    pub(crate) executions: Vec<Execution>,
    /// For how many ticks an execution is in a stage.
    pub(crate) ticks: u32,
    work: Work,
}

impl Pipeline {
    /// Of this type, with a variable `maintenance_mode` where it can have one.
    pub(crate) fn new(name: &str, kind: &str) -> Pipeline {
        let action = |name: &str, category: &str, provider: &str| {
            json!({
                "name": name, "runOrder": 1, "configuration": { "ProjectName": "shop" },
                "actionTypeId": { "category": category, "owner": "AWS", "provider": provider, "version": "1" },
                "inputArtifacts": [], "outputArtifacts": [],
            })
        };
        let mut definition = json!({
            "name": name, "roleArn": "arn:aws:iam::123456789012:role/pipeline", "version": 3,
            "artifactStore": { "type": "S3", "location": "artifacts" },
            "stages": [
                { "name": "Source", "actions": [action("Code", "Source", "S3")] },
                { "name": "Deploy", "actions": [action("Terraform", "Build", "CodeBuild")] },
            ],
            "executionMode": "SUPERSEDED", "pipelineType": kind,
        });
        if kind == "V2" {
            definition["variables"] = json!([
                { "name": "other", "defaultValue": "x", "description": "not ours" },
                { "name": "maintenance_mode", "defaultValue": "false" },
            ]);
        }
        let stage = |name: &str| Stage { name: name.to_owned(), ..Stage::default() };
        Pipeline {
            definition,
            stages: vec![stage("Source"), stage("Deploy")],
            executions: Vec::new(),
            ticks: 1,
            work: Box::new(|_| true),
        }
    }

    /// What Terraform does in it.
    pub(crate) fn working(
        mut self,
        work: impl FnMut(&BTreeMap<String, String>) -> bool + Send + 'static,
    ) -> Pipeline {
        self.work = Box::new(work);
        self
    }

    pub(crate) fn deploy(&mut self) -> &mut Stage {
        &mut self.stages[1]
    }

    pub(crate) fn default(&self, name: &str) -> Option<String> {
        let all = self.definition["variables"].as_array()?;
        let one = all.iter().find(|one| one["name"] == name)?;
        one["defaultValue"].as_str().map(str::to_owned)
    }

    /// An execution begins, as a commit begins one.
    pub(crate) fn begin(&mut self, given: BTreeMap<String, String>, token: &str) -> String {
        let id = format!("0000000{}-0000-4000-8000-000000000000", self.executions.len() + 1);
        let mut variables = BTreeMap::new();
        for one in self.definition["variables"].as_array().into_iter().flatten() {
            let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            variables.insert(text("name"), text("defaultValue"));
        }
        variables.extend(given);
        self.executions.push(Execution {
            id: id.clone(),
            status: "InProgress",
            variables,
            token: token.to_owned(),
        });
        let ticks = self.ticks;
        self.stages[0].inside = Some((id.clone(), "InProgress", ticks));
        id
    }

    /// Whoever is in a stage ends at the next tick.
    pub(crate) fn hurry(&mut self) {
        for stage in &mut self.stages {
            if let Some((_, _, left)) = &mut stage.inside {
                *left = 0;
            }
        }
    }

    /// Whoever is in `Deploy` is there for ever.
    pub(crate) fn busy(&mut self) {
        let (id, ..) = self.stages[1].inside.clone().expect("somebody is in it");
        self.stages[1].inside = Some((id, "InProgress", u32::MAX));
    }

    fn end(&mut self, id: &str, status: &'static str) {
        for execution in self.executions.iter_mut().filter(|one| one.id == id) {
            execution.status = status;
        }
    }

    /// An execution waits before `Deploy`; whoever waited there is superseded.
    fn wait(&mut self, id: String) {
        for old in std::mem::take(&mut self.stages[1].waiting) {
            self.end(&old, "Superseded");
        }
        self.stages[1].waiting.push(id);
    }

    /// Everything goes one step on.
    pub(crate) fn tick(&mut self) {
        if let Some((id, status, left)) = self.stages[1].inside.clone()
            && status == "InProgress"
        {
            if left == 0 {
                let execution = self.executions.iter().find(|one| one.id == id).cloned();
                let went_well = execution.is_none_or(|one| (self.work)(&one.variables));
                let status = if went_well { "Succeeded" } else { "Failed" };
                self.end(&id, status);
                self.stages[1].inside = Some((id, status, 0));
            } else {
                self.stages[1].inside = Some((id, status, left - 1));
            }
        }
        if let Some((id, "InProgress", left)) = self.stages[0].inside.clone() {
            if left == 0 {
                self.stages[0].inside = Some((id.clone(), "Succeeded", 0));
                self.wait(id);
            } else {
                self.stages[0].inside = Some((id, "InProgress", left - 1));
            }
        }
        let ticks = self.ticks;
        let deploy = self.deploy();
        let busy = matches!(&deploy.inside, Some((_, "InProgress", _)));
        if deploy.disabled.is_none() && !busy && !deploy.waiting.is_empty() {
            let id = deploy.waiting.remove(0);
            deploy.inside = Some((id, "InProgress", ticks));
        }
    }

    pub(super) fn answer(&mut self, operation: &str, input: &Value) -> Result<Value, Refused> {
        match operation {
            "GetPipeline" => Ok(json!({
                "pipeline": self.definition,
                "metadata": { "pipelineArn": "arn:aws:codepipeline:us-east-1:123456789012:shop", "created": 1_700_000_000.5, "updated": 1_700_000_001 },
            })),
            "UpdatePipeline" => {
                let version = self.definition["version"].as_i64().unwrap_or_default();
                self.definition = input["pipeline"].clone();
                self.definition["version"] = json!(version + 1);
                Ok(json!({ "pipeline": self.definition }))
            }
            "GetPipelineState" => {
                self.tick();
                Ok(json!({
                    "pipelineName": self.definition["name"],
                    "pipelineVersion": self.definition["version"],
                    "stageStates": self.stages.iter().enumerate().map(|(at, stage)| stage.state(at)).collect::<Vec<_>>(),
                }))
            }
            "StartPipelineExecution" => self.start(input),
            "GetPipelineExecution" => {
                self.tick();
                let id = input["pipelineExecutionId"].as_str().unwrap_or_default();
                let found = self.executions.iter().find(|one| one.id == id);
                let one =
                    found.ok_or_else(|| ("PipelineExecutionNotFoundException", String::new()))?;
                let variables: Vec<_> = one
                    .variables
                    .iter()
                    .map(|(name, value)| json!({ "name": name, "resolvedValue": value }))
                    .collect();
                Ok(json!({ "pipelineExecution": {
                    "pipelineName": self.definition["name"], "pipelineVersion": self.definition["version"],
                    "pipelineExecutionId": one.id, "status": one.status, "variables": variables,
                    "executionMode": self.definition["executionMode"],
                } }))
            }
            "ListPipelineExecutions" => {
                let all = self.executions.iter().rev().map(|one| {
                    json!({
                        "pipelineExecutionId": one.id, "status": one.status, "startTime": 1_700_000_000.25,
                        "trigger": { "triggerType": "StartPipelineExecution", "triggerDetail": "arn:aws:iam::123456789012:user/ana" },
                    })
                });
                Ok(json!({ "pipelineExecutionSummaries": all.collect::<Vec<_>>() }))
            }
            "EnableStageTransition" | "DisableStageTransition" => self.turn(operation, input),
            other => panic!("the fake has no {other}"),
        }
    }

    fn start(&mut self, input: &Value) -> Result<Value, Refused> {
        let refused = |words: String| Err(("ValidationException", words));
        let mut given = BTreeMap::new();
        for one in input["variables"].as_array().into_iter().flatten() {
            let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            if self.definition["pipelineType"] != "V2" {
                return refused("Pipeline variables are only supported in V2 pipelines".to_owned());
            }
            if self.default(&text("name")).is_none() {
                return refused(format!("Variable {} is not declared", text("name")));
            }
            given.insert(text("name"), text("value"));
        }
        let token = input["clientRequestToken"].as_str().unwrap_or_default().to_owned();
        let known = self.executions.iter().find(|one| one.token == token && !token.is_empty());
        let known = known.map(|one| one.id.clone());
        let id = known.unwrap_or_else(|| self.begin(given, &token));
        Ok(json!({ "pipelineExecutionId": id }))
    }

    fn turn(&mut self, operation: &str, input: &Value) -> Result<Value, Refused> {
        let stage = self.stages.iter_mut().find(|stage| input["stageName"] == stage.name.as_str());
        let stage = stage.ok_or_else(|| ("StageNotFoundException", String::new()))?;
        if input["transitionType"] != "Inbound" {
            return Err(("ValidationException", "only inbound ones are used here".to_owned()));
        }
        if operation == "EnableStageTransition" {
            stage.disabled = None;
            return Ok(Value::Null);
        }
        let reason = input["reason"].as_str().unwrap_or_default();
        let fits = |one: char| one.is_ascii_alphanumeric() || "!@ ().*?-".contains(one);
        if reason.is_empty() || reason.len() > 300 || !reason.chars().all(fits) {
            return Err((
                "ValidationException",
                format!(
                    "Value '{reason}' at 'reason' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9!@ \\(\\)\\.\\*\\?\\-]+"
                ),
            ));
        }
        stage.disabled =
            Some((reason.to_owned(), "arn:aws:iam::123456789012:user/roadworks".to_owned()));
        Ok(Value::Null)
    }
}

impl Stage {
    /// Somebody disables its way in.
    pub(crate) fn disable(&mut self, reason: &str, by: &str) {
        self.disabled = Some((reason.to_owned(), by.to_owned()));
    }

    fn state(&self, at: usize) -> Value {
        let run = |id: &str, status: &str| json!({ "pipelineExecutionId": id, "status": status });
        let mut state = json!({ "stageName": self.name, "actionStates": [] });
        // Nobody waits before a first stage.
        if at > 0 {
            state["inboundTransitionState"] = match &self.disabled {
                None => json!({ "enabled": true }),
                Some((reason, by)) => json!({
                    "enabled": false, "disabledReason": reason, "lastChangedBy": by, "lastChangedAt": 1_700_000_000.125,
                }),
            };
        }
        let waiting: Vec<_> = self.waiting.iter().map(|id| run(id, "InProgress")).collect();
        if let Some(first) = waiting.first() {
            state["inboundExecution"] = first.clone();
            state["inboundExecutions"] = json!(waiting);
        }
        if let Some((id, status, _)) = &self.inside {
            state["latestExecution"] = run(id, status);
            if *status == "Failed" {
                state["actionStates"] = json!([{ "actionName": "Terraform", "latestExecution": {
                    "status": "Failed", "errorDetails": { "code": "JobFailed", "message": "terraform apply: exit status 1" },
                } }]);
            }
        }
        state
    }
}
