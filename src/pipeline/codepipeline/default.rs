//! The variable as the default of a pipeline's own variable: every run that says nothing else has it.
//!
//! The definition is written back as it came, with that one default changed and nothing else, and compared again afterwards. Its
//! version counts every write: one that is not the next tells that somebody else wrote. An execution that runs goes on with the
//! values that it began with.

use serde_json::{Value, json};

use super::super::told::{MASKED, NEITHER, Unfit, is_code, patiently, unwritten};
use super::super::written::{Place, Read, Written, somebody_wrote, with};
use super::CodePipeline;
use crate::aws::{Error as AwsError, Retry};
use crate::lever::{Error, Lever};
use crate::switch::Mode;

/// What the API gives instead of a secret of an action (the token of a `GitHub` source of version 1).
const MASK: &str = "****";

#[derive(Debug)]
struct Declared {
    pipeline: CodePipeline,
    variable: String,
}

/// The lever over the default of `variable` in `pipeline`, which is true from a mode on.
pub fn default_of(pipeline: CodePipeline, variable: &str, true_from: Mode) -> Box<dyn Lever> {
    Box::new(Written { place: Declared { pipeline, variable: variable.to_owned() }, true_from })
}

impl Declared {
    fn unfit(&self, definition: &Value) -> Result<bool, Unfit> {
        let declared = self.pipeline.variable_of(definition, &self.variable)?;
        if masked(definition) {
            return Err(Unfit {
                rule: MASKED,
                message: format!(
                    "{} has a secret that AWS does not show: written back, it would be lost",
                    self.pipeline.told()
                ),
                hint: "use a connection (CodeStarSourceConnection) as its source, or keep the boolean elsewhere: variable { ssm = \"..\" }".to_owned(),
            });
        }
        let said = declared.get("defaultValue").and_then(Value::as_str).unwrap_or_default();
        said.parse().map_err(|_| Unfit {
            rule: NEITHER,
            message: format!("{} is neither `true` nor `false`", self.told()),
            hint: "give it the default \"false\"; Roadworks overwrites nothing else".to_owned(),
        })
    }
}

/// The same definition with the default of `variable` at `value`.
fn with_default(mut definition: Value, variable: &str, value: &str) -> Value {
    with(definition.get_mut("variables"), variable, ("defaultValue", value));
    definition
}

fn masked(value: &Value) -> bool {
    match value {
        Value::String(text) => text == MASK,
        Value::Array(all) => all.iter().any(masked),
        Value::Object(fields) => fields.values().any(masked),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn version(definition: &Value) -> i64 {
    definition.get("version").and_then(Value::as_i64).unwrap_or_default()
}

/// The definition but for what AWS counts.
fn unversioned(definition: &Value) -> Value {
    let mut definition = definition.clone();
    if let Some(fields) = definition.as_object_mut() {
        fields.remove("version");
    }
    definition
}

impl Place for Declared {
    type Stand = Value;
    const KIND: &'static str = "pipeline";

    fn target(&self) -> String {
        format!("{} {}", self.pipeline.name, self.variable)
    }

    fn told(&self) -> String {
        format!("the default of {} in {}", self.variable, self.pipeline.told())
    }

    async fn read(&self) -> Result<Read<Value>, AwsError> {
        let definition = match self.pipeline.definition().await {
            Err(error) if is_code(&error, "PipelineNotFoundException") => {
                return Ok(Read::Unfit(self.pipeline.absent()));
            }
            definition => definition?,
        };
        Ok(match self.unfit(&definition) {
            Ok(value) => Read::Is(value, definition),
            Err(unfit) => Read::Unfit(unfit),
        })
    }

    async fn write(&self, value: bool, stand: Value) -> Result<(), Error> {
        let what = self.pipeline.told();
        let next = version(&stand) + 1;
        let wanted = with_default(stand, &self.variable, &value.to_string());
        let input = json!({ "pipeline": wanted });
        let ask = async || self.pipeline.ask("UpdatePipeline", &input, Retry::Never).await;
        let sent = patiently(ask).await;
        match &sent {
            Err(error) if !error.may_have_happened() => return Err(unwritten(&what, error)),
            Ok(_) | Err(_) => {}
        }
        let now = self.pipeline.definition().await.map_err(|error| {
            let reason = error.to_string();
            unwritten(&what, &AwsError::OutcomeUnknown { reason })
        })?;
        let same = unversioned(&now) == unversioned(&wanted);
        match sent {
            Err(error) if version(&now) < next => Err(unwritten(&what, &error)),
            _ if same && version(&now) == next => Ok(()),
            _ => Err(somebody_wrote(
                &what,
                &format!("version {} where {next} was to come", version(&now)),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_default_changes_and_what_we_do_not_know_stays() {
        let definition = |value: &str| {
            json!({ "name": "shop", "version": 3, "of_tomorrow": { "a": [null, 1.5] }, "variables": [
                { "name": "other", "defaultValue": "false" },
                { "name": "maintenance_mode", "defaultValue": value, "description": "d" },
            ] })
        };
        assert_eq!(
            with_default(definition("false"), "maintenance_mode", "true"),
            definition("true")
        );
    }

    #[test]
    fn a_secret_that_is_not_shown_is_seen_wherever_it_stands() {
        let action = |token: &str| json!({ "stages": [{ "actions": [{ "configuration": { "OAuthToken": token } }] }] });
        assert!(masked(&action("****")));
        assert!(!masked(&action("*")));
    }
}
