//! What can go wrong between a folder of `.tf` files and its records. Never carries a value of the configuration or
//! the state: any of them may be a secret.

use std::path::PathBuf;

use crate::hcl::{Diagnostic, Place};

/// Why a folder does not tell its switch.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to read.
    #[error("no .tf or .tf.json file in {}", .0.display())]
    NoTerraform(PathBuf),
    /// The file system said no.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Something in a file is wrong, or cannot be known.
    #[error("{}", .0.message)]
    Wrong(Box<Diagnostic>),
    /// Something that we do not evaluate, or cannot know: Terraform itself might.
    #[error("{}", .0.message)]
    Beyond(Box<Diagnostic>),
    /// The state was not given, and an answer depends on it: read it and ask again.
    #[error("`{expression}` is known only from the state")]
    NeedsState {
        /// Where the expression stands.
        place: Place,
        /// The expression that needs it.
        expression: String,
    },
    /// The state is not one.
    #[error("the state is not readable: {0}")]
    State(String),
    /// No boolean moves a record or a rule.
    #[error("no boolean variable in {} moves a record, or a listener's rule that answers visitors", .0.display())]
    NoSwitch(PathBuf),
    /// The named variable moves neither.
    #[error("variable \"{0}\" moves no record, and no listener's rule that answers visitors")]
    MovesNothing(String),
    /// More than one boolean moves a record, or a rule.
    #[error("more than one boolean moves {what}: {}", names.join(", "))]
    ManySwitches {
        /// What each of them moves.
        what: &'static str,
        /// Which.
        names: Vec<String>,
    },
}

impl Error {
    /// The way out.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoTerraform(_) => Some("name the folder that has the .tf files with -c".to_owned()),
            Self::Unreadable { .. } => Some("check the path and your rights on it".to_owned()),
            Self::Wrong(diagnostic) | Self::Beyond(diagnostic) => {
                let hint = diagnostic.hint.clone();
                Some(hint.unwrap_or_else(|| "put it right; `terraform validate` may say more".to_owned()))
            }
            Self::NeedsState { .. } => Some(
                "name the state with -state, or give the targets in roadworks.hcl or with -from-plans"
                    .to_owned(),
            ),
            Self::State(_) => Some("name a state of Terraform 0.12 or later with -state".to_owned()),
            Self::NoSwitch(_) | Self::MovesNothing(_) => Some(
                "an aws_route53_record or an aws_lb_listener_rule must depend on a boolean variable (one in `locals` or inside \
                 an object cannot be set from outside); name another one with -variable"
                    .to_owned(),
            ),
            Self::ManySwitches { .. } => Some("name the one that is meant with -variable".to_owned()),
        }
    }

    /// Whether Terraform itself might know: a function that we lack, a value that no state has, a limit of ours.
    pub fn is_beyond_us(&self) -> bool {
        matches!(self, Self::Beyond(_))
    }

    /// A kebab-case word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoTerraform(_) => "no-terraform",
            Self::Unreadable { .. } => "unreadable",
            Self::Wrong(_) => "bad-terraform",
            Self::Beyond(_) => "not-known",
            Self::NeedsState { .. } => "no-state",
            Self::State(_) => "bad-state",
            Self::NoSwitch(_) => "no-switch",
            Self::MovesNothing(_) => "moves-nothing",
            Self::ManySwitches { .. } => "many-switches",
        }
    }

    /// The message with its place, where it has one.
    pub fn diagnostic(&self) -> Option<&Diagnostic> {
        match self {
            Self::Wrong(diagnostic) | Self::Beyond(diagnostic) => Some(diagnostic),
            _ => None,
        }
    }

    /// Where, if the error stands in a file.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Wrong(diagnostic) | Self::Beyond(diagnostic) => diagnostic.place.as_ref(),
            Self::NeedsState { place, .. } => Some(place),
            _ => None,
        }
    }
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Wrong(Box::new(diagnostic))
    }
}
