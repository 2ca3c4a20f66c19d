//! The variable where only a command of the operator's can write it. It is run each time what Terraform has moves, with
//! `ROADWORKS_VARIABLE` and `ROADWORKS_VALUE` in its environment, and must be safe to run twice.

use std::cell::Cell;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::lever::{Answer, Error, Lever, Observation, Part, Position, Progress, Refusal, Started};
use crate::switch::{LeverName, Mode, OperationId, Step};

/// A command that takes longer does not write a variable.
const DEADLINE: Duration = Duration::from_mins(1);
/// How much of what it said goes into an error.
const MOST_SAID: usize = 400;

/// A command that tells whoever reads the variable.
#[derive(Debug)]
pub struct VariableCommand {
    variable: String,
    command: Vec<String>,
    /// What it was told last, as the switch remembers; `None` where an operation was cut short.
    told: Cell<Option<bool>>,
    /// From which mode on the boolean is true.
    true_from: Mode,
}

impl VariableCommand {
    /// `command` (program and arguments) writes `variable`; `told` is what it wrote last, where that is certain.
    pub fn new(variable: &str, command: Vec<String>, told: Option<bool>) -> VariableCommand {
        VariableCommand {
            variable: variable.to_owned(),
            command,
            told: Cell::new(told),
            true_from: Mode::Detour,
        }
    }

    /// With the mode from which on the boolean is true.
    pub fn true_from(self, true_from: Mode) -> VariableCommand {
        VariableCommand { true_from, ..self }
    }

    async fn tell(&self, value: &Value) -> Result<(), Error> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(self.failed("it is empty"));
        };
        let before = self.told.replace(None);
        let run = Command::new(program)
            .args(arguments)
            .env("ROADWORKS_VARIABLE", &self.variable)
            .env("ROADWORKS_VALUE", value.to_string())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        match tokio::time::timeout(DEADLINE, run).await {
            Err(_) => Err(self.failed(&format!("it took over {} s", DEADLINE.as_secs()))),
            Ok(Err(error)) => {
                // It was never run.
                self.told.set(before);
                Err(self.failed(&error.to_string()))
            }
            Ok(Ok(output)) if output.status.success() => {
                self.told.set(value.as_bool());
                Ok(())
            }
            Ok(Ok(output)) => {
                let said: String = String::from_utf8_lossy(&output.stderr)
                    .trim()
                    .chars()
                    .take(MOST_SAID)
                    .collect();
                Err(self.failed(&format!("{}: {said}", output.status)))
            }
        }
    }

    fn observation(&self, told: Option<bool>) -> Observation {
        let detail = match told {
            Some(told) => format!("{} = {told} was told to the command last", self.variable),
            None => "what the command was told last is not certain".to_owned(),
        };
        let value = told.map_or(Value::Null, |told| json!(told));
        Observation {
            position: Position::At(if told == Some(true) { self.true_from } else { Mode::Open }),
            detail,
            parts: vec![Part { target: self.variable.clone(), value }],
            warnings: Vec::new(),
        }
    }

    fn failed(&self, why: &str) -> Error {
        let program = self.command.first().map_or("", String::as_str);
        Error::Failed {
            code: "variable-command",
            message: format!("the command `{program}` did not write {}: {why}", self.variable),
            hint: "run it by hand with ROADWORKS_VALUE=true; then try again".to_owned(),
        }
    }
}

impl Lever for VariableCommand {
    fn name(&self) -> LeverName {
        LeverName::Variable
    }

    fn kind(&self) -> &'static str {
        "command"
    }

    fn observe(&self) -> Answer<'_, Observation> {
        let observation = self.observation(self.told.get());
        Box::pin(async move { Ok(observation) })
    }

    fn steps(&self, _seen: &Observation, to: Mode) -> Vec<Step> {
        let wanted = to >= self.true_from;
        if self.told.get() == Some(wanted) {
            return Vec::new();
        }
        vec![Step {
            lever: self.name(),
            kind: self.kind().to_owned(),
            target: self.variable.clone(),
            before: self.told.get().map_or(Value::Null, |told| json!(told)),
            after: json!(wanted),
        }]
    }

    fn again(&self, _seen: &Observation, _to: Mode) -> Vec<Step> {
        Vec::new()
    }

    fn refusal(&self, _seen: &Observation, _to: Mode) -> Option<Refusal> {
        None
    }

    fn start<'a>(&'a self, steps: &'a [Step], _operation: &'a OperationId) -> Answer<'a, Started> {
        Box::pin(async move {
            for step in steps {
                // Undoing what was told before an uncertain time would be telling nothing.
                if !step.after.is_null() {
                    self.tell(&step.after).await?;
                }
            }
            Ok(Started { changes: Vec::new(), steps: steps.to_vec() })
        })
    }

    fn confirm<'a>(
        &'a self,
        started: &'a Started,
        _progress: &'a dyn Progress,
    ) -> Answer<'a, Observation> {
        let value = started.steps.last().map_or(Value::Null, |step| step.after.clone());
        let observation = self.observation(value.as_bool());
        Box::pin(async move { Ok(observation) })
    }

    fn settles_after(&self, _before: Option<&Observation>) -> Duration {
        Duration::ZERO
    }
}
