//! What has to change, lever by lever, in the order in which it is done. A value, shown before it is applied.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Mode;

/// A real thing that is moved, by the label of its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeverName {
    /// What stands in front of the app: every gateway of the site.
    Gateway,
    /// The load balancer's listeners, where no gateway stands.
    Balancer,
    /// The stage of a pipeline that must not run meanwhile.
    Pipeline,
    /// What writes in the background: queue workers, schedules.
    Workers,
    /// The database's pools, and whether it takes writes.
    Database,
    /// The boolean that Terraform or the pipeline reads.
    Variable,
    /// The name itself.
    Dns,
}

impl LeverName {
    /// The word for it in JSON, in files and in what people read.
    pub fn word(self) -> &'static str {
        match self {
            LeverName::Gateway => "gateway",
            LeverName::Balancer => "balancer",
            LeverName::Pipeline => "pipeline",
            LeverName::Workers => "workers",
            LeverName::Database => "database",
            LeverName::Variable => "variable",
            LeverName::Dns => "dns",
        }
    }
}

impl fmt::Display for LeverName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One thing that one lever changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The lever.
    pub lever: LeverName,
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
    /// Closing goes from visitors inwards: gateway or listener, workers, database, and the name at last. Opening goes from the
    /// inside out: the database is released, then workers, then the name goes back while the gateway or the listener is still
    /// closed, and visitors come last. The variable is made truthful before the name moves, either way: a run of Terraform in
    /// between must not undo the move. A pipeline that is closed is closed before that, and let go when all else is done.
    pub fn ordered(mut self) -> Plan {
        let order = if self.is_opening() { rank_when_opening } else { rank_when_closing };
        self.steps.sort_by_key(|step| order(step.lever));
        self
    }

    /// Whether visitors come last, since they will get more than now. Where nothing changes for them, as after a move
    /// that was cut short, only `open` is opened towards.
    pub fn is_opening(&self) -> bool {
        self.to < self.from || self.to == Mode::Open
    }

    /// Whether anything has to change.
    pub fn changes(&self) -> bool {
        !self.steps.is_empty()
    }
}

fn rank_when_closing(lever: LeverName) -> u8 {
    match lever {
        LeverName::Gateway | LeverName::Balancer => 0,
        LeverName::Pipeline => 1,
        LeverName::Workers => 2,
        LeverName::Database => 3,
        LeverName::Variable => 4,
        LeverName::Dns => 5,
    }
}

fn rank_when_opening(lever: LeverName) -> u8 {
    match lever {
        LeverName::Database => 0,
        LeverName::Workers => 1,
        LeverName::Variable => 2,
        LeverName::Dns => 3,
        LeverName::Gateway | LeverName::Balancer => 4,
        LeverName::Pipeline => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_are_first_to_be_closed_out_and_last_to_be_let_in_and_the_variable_is_true_before_the_name_moves()
     {
        let step = |lever: LeverName| Step {
            lever,
            kind: String::new(),
            target: String::new(),
            before: Value::Null,
            after: Value::Null,
        };
        let pipeline = LeverName::Pipeline;
        let (workers, database) = (LeverName::Workers, LeverName::Database);
        for visitors in [LeverName::Gateway, LeverName::Balancer] {
            let (variable, name) = (LeverName::Variable, LeverName::Dns);
            let closing = [visitors, pipeline, workers, database, variable, name];
            let opening = [database, workers, variable, name, visitors, pipeline];
            for (from, to, order) in [
                (Mode::Open, Mode::Detour, closing),
                (Mode::Closed, Mode::Detour, closing),
                (Mode::Detour, Mode::Detour, closing),
                (Mode::Detour, Mode::Closed, opening),
                (Mode::Detour, Mode::Open, opening),
                (Mode::Open, Mode::Open, opening),
            ] {
                let steps = [pipeline, name, workers, visitors, variable, database];
                let plan = Plan {
                    site: "shop".to_owned(),
                    from,
                    to,
                    steps: steps.map(step).to_vec(),
                    warnings: vec![],
                };
                let levers: Vec<_> =
                    plan.ordered().steps.into_iter().map(|step| step.lever).collect();
                assert_eq!(levers, order, "{from} to {to}");
            }
        }
    }
}
