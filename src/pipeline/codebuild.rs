//! The variable in the environment of a `CodeBuild` project, which runs Terraform.
//!
//! Writes the project's environment with that one value changed; nothing else of the project is sent. `CodeBuild` counts no
//! versions: that somebody else wrote is noticed by reading back.

use serde_json::{Value, json};

use super::told::{ABSENT, NEITHER, Unfit, patiently, unread, unwritten};
use super::written::{Place, Read, Written, somebody_wrote, with};
use crate::aws::{Error as AwsError, JsonService, Retry, Session};
use crate::lever::{Error, Lever};
use crate::switch::Mode;

#[derive(Debug)]
struct Project {
    session: Session,
    name: String,
    variable: String,
}

/// The lever over `variable` in the environment of the project `name`, which is true from a mode on.
pub fn project(session: Session, name: &str, variable: &str, true_from: Mode) -> Box<dyn Lever> {
    let place = Project { session, name: name.to_owned(), variable: variable.to_owned() };
    Box::new(Written { place, true_from })
}

impl Project {
    async fn environment(&self) -> Result<Option<Value>, AwsError> {
        let input = json!({ "names": [self.name] });
        let answer =
            self.session.json(JsonService::CodeBuild, "BatchGetProjects", &input, Retry::Standard);
        let answer = answer.await?;
        let project = answer.get("projects").and_then(|all| all.get(0));
        Ok(project.and_then(|project| project.get("environment")).cloned())
    }

    fn variable_of<'a>(&self, environment: &'a Value) -> Option<&'a Value> {
        let all = environment.get("environmentVariables")?.as_array()?;
        all.iter().find(|one| one.get("name").and_then(Value::as_str) == Some(&self.variable))
    }

    /// The same environment, with the variable at `value`.
    fn with(&self, mut environment: Value, value: &str) -> Value {
        let all = environment.get_mut("environmentVariables");
        with(all, &self.variable, ("value", value));
        environment
    }
}

impl Place for Project {
    type Stand = Value;
    const KIND: &'static str = "codebuild";

    fn target(&self) -> String {
        format!("{} {}", self.name, self.variable)
    }

    fn told(&self) -> String {
        format!("{} of the CodeBuild project {}", self.variable, self.name)
    }

    async fn read(&self) -> Result<Read<Value>, AwsError> {
        let unfit = |rule, message: String, hint: &str| {
            Ok(Read::Unfit(Unfit { rule, message, hint: hint.to_owned() }))
        };
        let Some(environment) = self.environment().await? else {
            let message = format!("there is no CodeBuild project {}", self.name);
            return unfit(ABSENT, message, "look at its name and at `region`");
        };
        let Some(variable) = self.variable_of(&environment) else {
            let message = format!("the environment of {} has no {}", self.name, self.variable);
            let hint = "add it to the project, as plain text, with the value false; or say `name` in the variable block";
            return unfit(ABSENT, message, hint);
        };
        let text = |name: &str| variable.get(name).and_then(Value::as_str);
        if text("type").is_some_and(|kind| kind != "PLAINTEXT") {
            let message = format!("{} is only a reference to where its value is", self.told());
            return unfit(NEITHER, message, "write it there: variable { ssm = \"..\" }");
        }
        match text("value").and_then(|value| value.parse().ok()) {
            Some(value) => Ok(Read::Is(value, environment)),
            None => unfit(
                NEITHER,
                format!("{} is neither `true` nor `false`", self.told()),
                "see whether it is the right one; Roadworks overwrites nothing else",
            ),
        }
    }

    async fn write(&self, value: bool, stand: Value) -> Result<(), Error> {
        let what = self.told();
        let wanted = self.with(stand, &value.to_string());
        let input = json!({ "name": self.name, "environment": wanted });
        let ask = async || {
            self.session.json(JsonService::CodeBuild, "UpdateProject", &input, Retry::Never).await
        };
        let sent = patiently(ask).await;
        match sent {
            Err(error) if !error.may_have_happened() => return Err(unwritten(&what, &error)),
            Ok(_) | Err(_) => {}
        }
        let now = self.environment().await.map_err(|error| {
            let reason = unread(&what, &error).to_string();
            unwritten(&what, &AwsError::OutcomeUnknown { reason })
        })?;
        match (now, sent) {
            (Some(now), _) if now == wanted => Ok(()),
            (_, Err(error)) => Err(unwritten(&what, &error)),
            (now, Ok(_)) => {
                let now = now.unwrap_or_default();
                let said = self.variable_of(&now).and_then(|one| one.get("value"));
                let said = said.and_then(Value::as_str).unwrap_or("nothing");
                Err(somebody_wrote(&format!("the environment of {}", self.name), said))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_one_value_of_an_environment_changes() {
        let project = Project {
            session: Session::load(&crate::aws::Settings::default()).await,
            name: "tf".to_owned(),
            variable: "TF_VAR_maintenance_mode".to_owned(),
        };
        let environment = |value: &str| {
            json!({ "type": "LINUX_CONTAINER", "of_tomorrow": { "a": [1] }, "environmentVariables": [
                { "name": "TOKEN", "value": "secret", "type": "PLAINTEXT" },
                { "name": "TF_VAR_maintenance_mode", "value": value, "type": "PLAINTEXT" },
            ] })
        };
        assert_eq!(project.with(environment("false"), "true"), environment("true"));
    }
}
