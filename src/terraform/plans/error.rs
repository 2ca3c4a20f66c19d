//! Why two plans do not say what the boolean moves.

use std::time::Duration;

/// Why two plans do not say what the boolean moves.
#[derive(Debug, thiserror::Error)]
pub enum PlansError {
    /// It is not the JSON of a plan. `serde_json` would quote from it, and it holds secrets: only the place is kept.
    #[error(
        "the {which} plan is not what `terraform show -json` prints (line {line}, column {column})"
    )]
    NotAPlan {
        /// `live` or `maintenance`.
        which: &'static str,
        /// Where it stops being one.
        line: usize,
        /// Where in that line.
        column: usize,
    },
    /// A plan of a Terraform before 1.1 or of a later kind.
    #[error("the {which} plan has the format {version}, and 1.x is read")]
    Format {
        /// `live` or `maintenance`.
        which: &'static str,
        /// What it says.
        version: String,
    },
    /// Larger than is read.
    #[error("the {which} plan is larger than {} bytes", super::LARGEST_PLAN)]
    TooLarge {
        /// `live` or `maintenance`.
        which: &'static str,
    },
    /// Terraform stopped in the middle of it.
    #[error("the {which} plan ended in an error")]
    Errored {
        /// `live` or `maintenance`.
        which: &'static str,
    },
    /// True in the live plan, false in the maintenance plan.
    #[error("the two plans are the wrong way round: the first is the one with the boolean false")]
    Swapped,
    /// No boolean differs between the plans.
    #[error("no variable is false in the one plan and true in the other")]
    NoVariable,
    /// More than one variable differs.
    #[error("more than `{one}` differs between the two plans")]
    TwoVariables {
        /// One of them.
        one: String,
    },
    /// No record differs, and no listener's rule that answers visitors.
    #[error("`{variable}` moves no aws_route53_record{}, and no listener's rule that answers visitors", unless_empty(.undecided))]
    NothingMoves {
        /// The boolean.
        variable: String,
        /// Records that cannot be compared before an apply.
        undecided: Vec<String>,
    },
    /// A moved record depends on what is not made yet.
    #[error("`{attribute}` of {address} is known only after an apply")]
    Unknown {
        /// The resource.
        address: String,
        /// Its attribute.
        attribute: &'static str,
    },
    /// A moved record is of a kind that is not handled.
    #[error("`{attribute}` of {address} is not handled")]
    Unhandled {
        /// The resource.
        address: String,
        /// Its attribute.
        attribute: &'static str,
    },
    /// A moved record lacks what every record has.
    #[error("{address} has no usable `{attribute}`")]
    Attribute {
        /// The resource.
        address: String,
        /// Its attribute.
        attribute: &'static str,
    },
    /// Route 53 refuses it (API reference, `AliasTarget`: must be false for `CloudFront`).
    #[error(
        "{address} has `evaluate_target_health = true` on a CloudFront alias, which Route 53 refuses"
    )]
    HealthOfCloudFront {
        /// The resource.
        address: String,
    },
    /// A moved rule of a listener depends on what is not made yet.
    #[error("`{attribute}` of {address} is known only after an apply")]
    RuleUnknown {
        /// The resource.
        address: String,
        /// What of it.
        attribute: String,
    },
    /// A moved rule of a listener is none that can be written.
    #[error("{message}")]
    Rule {
        /// What is the matter, with the address.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Two resources make the same record.
    #[error("{one} and {other} are the same record in one plan")]
    SameRecord {
        /// An address.
        one: String,
        /// The other address.
        other: String,
    },
    /// There is no `terraform` to ask.
    #[error("there is no `terraform` on PATH to make the two plans")]
    NoTerraform {
        /// What to run where there is one.
        commands: Vec<String>,
    },
    /// Terraform said no.
    #[error("`terraform {step}` failed: {said}")]
    Failed {
        /// `plan` or `show`.
        step: &'static str,
        /// The end of what it said.
        said: String,
    },
    /// Terraform took too long.
    #[error("`terraform {step}` took longer than {} s", .limit.as_secs())]
    TooSlow {
        /// `plan` or `show`.
        step: &'static str,
        /// What it was given.
        limit: Duration,
    },
    /// It could not be started, or its files not be kept.
    #[error("cannot run `terraform {step}`")]
    Run {
        /// `plan` or `show`.
        step: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl PlansError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NotAPlan { .. } | Self::Format { .. } | Self::TooLarge { .. } => {
                "make them with `terraform show -json FILE`, with Terraform 1.1 or later".into()
            }
            Self::Errored { .. } | Self::Failed { .. } => {
                "make `terraform plan` work in this folder first".into()
            }
            Self::Swapped => "give LIVE.json first, then MAINTENANCE.json".into(),
            Self::NoVariable | Self::TwoVariables { .. } => {
                "make both plans with the same values, but for `-var NAME=false` and `-var NAME=true`".into()
            }
            Self::NothingMoves { .. } => "name the right boolean with `-variable NAME`".into(),
            Self::RuleUnknown { .. } => "apply once, so that the listener exists; then try again".into(),
            Self::Rule { hint, .. } => hint.clone(),
            Self::Unknown { .. } => "apply once, so that both targets exist; then try again".into(),
            Self::Unhandled { .. } | Self::Attribute { .. } => {
                "name the record and its two targets in roadworks.hcl, with `dns \"route53\"`".into()
            }
            Self::HealthOfCloudFront { .. } => "set `evaluate_target_health = false`".into(),
            Self::SameRecord { .. } => "give one of them another name or set_identifier".into(),
            Self::NoTerraform { commands } => {
                format!("where there is one, run\n  {}", commands.join("\n  "))
            }
            Self::TooSlow { .. } => {
                "make the plans by hand and give them with `-from-plans LIVE.json MAINTENANCE.json`".into()
            }
            Self::Run { .. } => "check that `terraform version` works and that there is room for two plans".into(),
        }
    }
}

fn unless_empty(undecided: &[String]) -> String {
    if undecided.is_empty() {
        return String::new();
    }
    format!(" that is known before an apply (not known: {})", undecided.join(", "))
}
