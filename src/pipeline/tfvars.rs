//! The variable in `roadworks.auto.tfvars.json` beside the `.tf`, which every `terraform` in that folder reads.
//!
//! Only our variable in that file is ours: what else somebody put there stays.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::{Audience, Spelling};
use crate::files::{read_up_to, remove, write_whole};
use crate::lever::{Answer, Error, Lever, Observation, Part, Position, Progress, Refusal, Started};
use crate::switch::{LeverName, Mode, OperationId, Step};

/// The name of the file. Terraform reads `*.auto.tfvars.json` in the order of their names.
pub const FILE_NAME: &str = "roadworks.auto.tfvars.json";
/// A variables file larger than this is not one that a person or Roadworks wrote.
const LARGEST: usize = 1 << 20;

/// The boolean in the folder's variables file.
#[derive(Debug)]
pub struct VariableFile {
    path: PathBuf,
    variable: String,
    /// The boolean's value if this file did not exist.
    without: bool,
    /// Who hears `without`: the file speaks either way where others do not.
    audience: Audience,
    /// Whether Terraform is to find a boolean or a text.
    spelling: Spelling,
    /// What contradicts the file all the same, for a person.
    overruled_by: Option<String>,
    /// The folder's workspaces, to all of which the file would speak.
    workspaces: Vec<String>,
    /// From which mode on the boolean is true.
    true_from: Mode,
}

impl VariableFile {
    /// The file in `folder` that speaks for `variable`, whose value is `without` where the file does not exist.
    #[expect(clippy::fn_params_excessive_bools, reason = "it is Terraform's boolean")]
    pub fn new(folder: &Path, variable: &str, without: bool) -> VariableFile {
        VariableFile {
            path: folder.join(FILE_NAME),
            variable: variable.to_owned(),
            without,
            audience: Audience::Everybody,
            spelling: Spelling::Boolean,
            overruled_by: None,
            workspaces: Vec::new(),
            true_from: Mode::Detour,
        }
    }

    /// With who hears the value that there is without the file.
    pub fn heard_by(self, audience: Audience) -> VariableFile {
        VariableFile { audience, ..self }
    }

    /// With how Terraform must find the value written.
    pub fn spelled(self, spelling: Spelling) -> VariableFile {
        VariableFile { spelling, ..self }
    }

    /// With what has a higher precedence in Terraform than this file.
    pub fn overruled_by(self, origin: Option<String>) -> VariableFile {
        VariableFile { overruled_by: origin, ..self }
    }

    /// With the workspaces that read this file too.
    pub fn among(self, workspaces: Vec<String>) -> VariableFile {
        VariableFile { workspaces, ..self }
    }

    /// With the mode from which on the boolean is true.
    pub fn true_from(self, true_from: Mode) -> VariableFile {
        VariableFile { true_from, ..self }
    }

    fn read(&self) -> Result<Map<String, Value>, Error> {
        let content =
            read_up_to(&self.path, LARGEST).map_err(|error| self.failed("read", &error))?;
        let Some(content) = content else { return Ok(Map::new()) };
        match serde_json::from_slice(&content) {
            Ok(Value::Object(variables)) => Ok(variables),
            Ok(_) => Err(self.not_json("it is not an object")),
            Err(error) => Err(self.not_json(&error.to_string())),
        }
    }

    fn observation(&self) -> Result<Observation, Error> {
        let value = self.read()?.remove(&self.variable).unwrap_or(Value::Null);
        let now = truth(&value).unwrap_or(self.without);
        let position = Position::At(if now { self.true_from } else { Mode::Open });
        let said = if value.is_null() { "without a word from" } else { "by" };
        let detail = format!("{} = {now}, {said} {FILE_NAME}", self.variable);
        let part = Part { target: self.variable.clone(), value };
        let warnings = self.overruled_by.iter().map(|origin| {
            format!(
                "{} is also set by {origin}, which Terraform believes more than {FILE_NAME}: the next apply may undo the move",
                self.variable
            )
        });
        let warnings = warnings.collect();
        Ok(Observation { position, detail, parts: vec![part], warnings })
    }

    fn write(&self, step: &Step) -> Result<(), Error> {
        // Replacing it would leave what it leads to as it was, for all who read that.
        if self.path.is_symlink() {
            return Err(self.failed("written", &io::Error::other("it is a symbolic link")));
        }
        let mut variables = self.read()?;
        let now = variables.get(&self.variable).cloned().unwrap_or(Value::Null);
        if now == step.after {
            return Ok(());
        }
        if now != step.before {
            return Err(Error::Refused {
                code: "variable-moved",
                message: format!(
                    "{} in {FILE_NAME} was changed by somebody else meanwhile",
                    self.variable
                ),
                hint: "run `roadworks status`, then plan again".to_owned(),
            });
        }
        if step.after.is_null() {
            variables.remove(&self.variable);
        } else {
            variables.insert(self.variable.clone(), step.after.clone());
        }
        let written = if variables.is_empty() {
            remove(&self.path)
        } else {
            write_whole(&self.path, format!("{:#}\n", Value::Object(variables)).as_bytes())
        };
        written.map_err(|error| self.failed("written", &error))
    }

    /// What Terraform is to find for a mode.
    fn written(&self, to: Mode) -> Value {
        let wanted = to >= self.true_from;
        match self.spelling {
            _ if wanted == self.without && self.audience == Audience::Everybody => Value::Null,
            Spelling::Boolean => json!(wanted),
            Spelling::Text => json!(wanted.to_string()),
        }
    }

    fn failed(&self, doing: &str, error: &io::Error) -> Error {
        Error::Failed {
            code: "variable-file",
            message: format!("{} cannot be {doing}: {error}", self.path.display()),
            hint: "make the folder writable, or say in roadworks.hcl where the variable lives: variable { .. }".to_owned(),
        }
    }

    fn not_json(&self, why: &str) -> Error {
        Error::Failed {
            code: "variable-file",
            message: format!("{} is not the JSON of a variables file: {why}", self.path.display()),
            hint: "put it right or remove it: Terraform cannot read it either".to_owned(),
        }
    }
}

/// What a value of the file says, however it is spelled.
fn truth(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str()?.parse().ok())
}

impl Lever for VariableFile {
    fn name(&self) -> LeverName {
        LeverName::Variable
    }

    fn kind(&self) -> &'static str {
        "tfvars"
    }

    fn observe(&self) -> Answer<'_, Observation> {
        Box::pin(async { self.observation() })
    }

    fn steps(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        let after = self.written(to);
        let differs = seen.parts.iter().filter(|part| part.value != after);
        let steps = differs.map(|part| Step {
            lever: self.name(),
            kind: self.kind().to_owned(),
            target: part.target.clone(),
            before: part.value.clone(),
            after: after.clone(),
        });
        steps.collect()
    }

    fn again(&self, _seen: &Observation, _to: Mode) -> Vec<Step> {
        Vec::new()
    }

    fn refusal(&self, _seen: &Observation, _to: Mode) -> Option<Refusal> {
        (self.workspaces.len() > 1).then(|| Refusal {
            rule: "several-workspaces",
            message: format!(
                "{FILE_NAME} would speak to all workspaces of this folder: {}",
                self.workspaces.join(", ")
            ),
            hint: "say in a roadworks.hcl where this workspace's variable lives: variable { command = [..] } or variable { none = true }".to_owned(),
        })
    }

    fn start<'a>(&'a self, steps: &'a [Step], _operation: &'a OperationId) -> Answer<'a, Started> {
        Box::pin(async move {
            for step in steps {
                self.write(step)?;
            }
            Ok(Started { changes: Vec::new(), steps: steps.to_vec() })
        })
    }

    fn confirm<'a>(
        &'a self,
        _started: &'a Started,
        _progress: &'a dyn Progress,
    ) -> Answer<'a, Observation> {
        self.observe()
    }

    fn settles_after(&self, _before: Option<&Observation>) -> Duration {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn moved(lever: &VariableFile, to: Mode) -> Result<usize, Error> {
        let steps = lever.steps(&lever.observation()?, to);
        for step in &steps {
            lever.write(step)?;
        }
        Ok(steps.len())
    }

    #[test]
    fn the_file_comes_and_goes_with_the_maintenance() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let lever = VariableFile::new(folder.path(), "maintenance_mode", false);
        assert_eq!(moved(&lever, Mode::Detour).unwrap(), 1);
        let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(written, json!({ "maintenance_mode": true }));
        assert_eq!(moved(&lever, Mode::Detour).unwrap(), 0);
        assert_eq!(moved(&lever, Mode::Open).unwrap(), 1);
        assert!(!path.exists());
    }

    #[test]
    fn a_text_is_written_where_terraform_compares_it_with_one() {
        let folder = tempfile::tempdir().unwrap();
        let lever = VariableFile::new(folder.path(), "closed", false).spelled(Spelling::Text);
        assert_eq!(moved(&lever, Mode::Detour).unwrap(), 1);
        assert_eq!(lever.read().unwrap().get("closed"), Some(&json!("true")));
        assert_eq!(lever.observation().unwrap().position, Position::At(Mode::Detour));
        assert_eq!(moved(&lever, Mode::Open).unwrap(), 1);
        assert!(!folder.path().join(FILE_NAME).exists());
    }

    #[test]
    fn on_the_way_back_the_file_stays_where_the_value_without_it_would_be_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let lever = VariableFile::new(folder.path(), "maintenance_mode", true);
        assert_eq!(moved(&lever, Mode::Detour).unwrap(), 0);
        assert_eq!(moved(&lever, Mode::Open).unwrap(), 1);
        assert_eq!(lever.read().unwrap().get("maintenance_mode"), Some(&json!(false)));
    }

    #[test]
    fn what_somebody_else_put_into_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, r#"{"size": 3, "maintenance_mode": false}"#).unwrap();
        let lever = VariableFile::new(folder.path(), "maintenance_mode", false);
        moved(&lever, Mode::Detour).unwrap();
        moved(&lever, Mode::Open).unwrap();
        assert_eq!(lever.read().unwrap(), *json!({ "size": 3 }).as_object().unwrap());
    }

    #[test]
    fn a_file_that_is_not_json_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, "maintenance_mode = true").unwrap();
        let lever = VariableFile::new(folder.path(), "maintenance_mode", false);
        assert!(moved(&lever, Mode::Detour).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "maintenance_mode = true");
    }

    #[test]
    fn a_boolean_that_closes_listeners_is_true_as_soon_as_they_close() {
        let folder = tempfile::tempdir().unwrap();
        let of = |true_from| VariableFile::new(folder.path(), "down", false).true_from(true_from);
        let (closes, leads_away) = (of(Mode::Closed), of(Mode::Detour));
        let written = |lever: &VariableFile, to| {
            let seen = lever.observation().unwrap();
            lever.steps(&seen, to).into_iter().map(|step| step.after).collect::<Vec<_>>()
        };
        assert_eq!(written(&closes, Mode::Closed), [json!(true)]);
        assert_eq!(written(&closes, Mode::Detour), [json!(true)]);
        assert_eq!(written(&leads_away, Mode::Closed), [Value::Null; 0]);
        assert_eq!(moved(&closes, Mode::Closed).unwrap(), 1);
        assert_eq!(closes.observation().unwrap().position, Position::At(Mode::Closed));
        assert_eq!(written(&leads_away, Mode::Closed), [Value::Null]);
    }
}
