//! What has to change, lever by lever, in the order in which it is done. A value, shown before it is applied.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Mode;

/// One thing that one lever changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The lever (`dns`, `variable`).
    pub lever: String,
    /// Its kind (`route53`, `tfvars`).
    pub kind: String,
    /// What of it: `NAME TYPE [set_identifier]` for a record.
    pub target: String,
    /// What it is now, in the lever's own terms; null where there is nothing.
    pub before: Value,
    /// What it will be; null where it is taken away.
    pub after: Value,
}

/// The way from what is so to what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The site's name.
    pub site: String,
    /// What visitors get now.
    pub from: Mode,
    /// What they will get.
    pub to: Mode,
    /// What changes, in the order in which it is done; empty where nothing does.
    pub steps: Vec<Step>,
    /// What a person should know before saying yes.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Puts the steps into the order in which they are safe.
    ///
    /// Closing goes from visitors inwards and ends with the name; opening starts with the name while everything
    /// before it is still closed. The variable is made truthful before the name moves, either way: a run of
    /// Terraform in between must not undo the move.
    pub fn ordered(mut self) -> Plan {
        self.steps.sort_by_key(|step| match step.lever.as_str() {
            "variable" => 0,
            _ => 1,
        });
        self
    }

    /// Whether anything has to change.
    pub fn changes(&self) -> bool {
        !self.steps.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_made_truthful_before_the_name_moves() {
        let step = |lever: &str| Step {
            lever: lever.to_owned(),
            kind: String::new(),
            target: String::new(),
            before: Value::Null,
            after: Value::Null,
        };
        for (from, to) in [(Mode::Open, Mode::Detour), (Mode::Detour, Mode::Open)] {
            let plan = Plan {
                site: "shop".to_owned(),
                from,
                to,
                steps: vec![step("dns"), step("variable")],
                warnings: vec![],
            };
            let levers: Vec<_> = plan.ordered().steps.into_iter().map(|step| step.lever).collect();
            assert_eq!(levers, ["variable", "dns"]);
        }
    }
}
