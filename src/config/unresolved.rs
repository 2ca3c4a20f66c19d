//! Why a site's targets are not known.

use std::io;
use std::path::PathBuf;

use crate::hcl::{Diagnostic, Place};
use crate::terraform;
use crate::terraform::backend::BackendError;
use crate::terraform::plans::PlansError;

/// Why a site's records and their targets could not be learned.
#[derive(Debug, thiserror::Error)]
pub enum Unresolved {
    /// The `.tf` files do not tell.
    #[error(transparent)]
    Terraform(#[from] terraform::Error),
    /// Our evaluator refuses, and Terraform itself could not be asked.
    #[error("{error}")]
    Beyond {
        /// Why we refuse.
        error: terraform::Error,
        /// Why Terraform could not be asked.
        by_terraform: PlansError,
    },
    /// Two plans do not tell.
    #[error(transparent)]
    Plans(#[from] PlansError),
    /// A file of `-from-plans`.
    #[error("{} cannot be read: {source}", path.display())]
    PlanFile {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The state cannot be read.
    #[error("{message}")]
    State {
        /// Why not.
        message: String,
        /// What to do.
        hint: String,
        /// Whether better credentials are the way out.
        credentials: bool,
    },
    /// The state is there and is none.
    #[error("{place}: {error}")]
    BadState {
        /// Where it is.
        place: String,
        /// What is the matter with it.
        error: terraform::Error,
    },
    /// Nothing was applied yet, or the state is somewhere else.
    #[error("there is no Terraform state, and {0}")]
    NoState(terraform::Error),
    /// The site's name is to be moved, and the boolean only makes a rule.
    #[error("variable \"{variable}\" moves no record: it makes a listener's rule, {rule}")]
    OnlyRule {
        /// The boolean.
        variable: String,
        /// The rule's address.
        rule: String,
    },
    /// The site is closed by a rule that the boolean does not make.
    #[error("variable \"{variable}\" moves no listener's rule")]
    NoRule {
        /// The boolean.
        variable: String,
    },
    /// Something that was to be looked up is not there.
    #[error("{message} in {region}")]
    NotThere {
        /// What.
        message: String,
        /// Where it was looked for.
        region: String,
    },
    /// Something could not be looked up.
    #[error("{message}")]
    Unasked {
        /// What, and why not.
        message: String,
        /// What to do.
        hint: String,
        /// Whether better credentials are the way out.
        credentials: bool,
    },
    /// What was pinned is another workspace's or another folder's, or a newer Roadworks wrote it.
    #[error("{why}, and what was pinned is not for this folder in workspace {workspace}")]
    PinnedElsewhere {
        /// Why the pinned targets were wanted.
        why: String,
        /// The workspace that is selected.
        workspace: String,
    },
}

impl Unresolved {
    /// A state that could not be read.
    pub(super) fn of_state(error: &BackendError) -> Unresolved {
        let mut message = error.to_string();
        if let Some(cause) = std::error::Error::source(error) {
            message = format!("{message}: {cause}");
        }
        Unresolved::State { message, hint: error.hint(), credentials: error.is_about_credentials() }
    }

    /// Whether the targets that a plan pinned earlier are the way out.
    pub fn pins_will_do(&self) -> bool {
        matches!(
            self,
            Unresolved::State { .. }
                | Unresolved::NoState(_)
                | Unresolved::Beyond { .. }
                | Unresolved::Unasked { .. }
        )
    }

    /// Whether better credentials are the way out.
    pub fn is_about_credentials(&self) -> bool {
        matches!(
            self,
            Unresolved::State { credentials: true, .. }
                | Unresolved::Unasked { credentials: true, .. }
        )
    }

    /// A kebab-case word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Unresolved::Terraform(error)
            | Unresolved::Beyond { error, .. }
            | Unresolved::BadState { error, .. } => error.code(),
            Unresolved::Plans(_) | Unresolved::PlanFile { .. } => "bad-plans",
            Unresolved::State { credentials: true, .. }
            | Unresolved::Unasked { credentials: true, .. } => "credentials",
            Unresolved::Unasked { .. } => "not-looked-up",
            Unresolved::NotThere { .. } => "no-such-target",
            Unresolved::State { .. } => "state-unreadable",
            Unresolved::NoState(_) => "no-state",
            Unresolved::OnlyRule { .. } | Unresolved::NoRule { .. } => "moves-nothing",
            Unresolved::PinnedElsewhere { .. } => "pinned-elsewhere",
        }
    }

    /// The next step for a person.
    pub fn hint(&self) -> Option<String> {
        match self {
            Unresolved::Terraform(error) | Unresolved::BadState { error, .. } => error.hint(),
            Unresolved::Beyond { error, by_terraform } => Some(format!(
                "{}terraform itself could not be asked ({by_terraform}): {}",
                error.hint().map(|hint| format!("{hint}; ")).unwrap_or_default(),
                by_terraform.hint()
            )),
            Unresolved::Plans(error) => Some(error.hint()),
            Unresolved::PlanFile { .. } => {
                Some("-from-plans takes two files of `terraform show -json`".to_owned())
            }
            Unresolved::State { hint, .. } | Unresolved::Unasked { hint, .. } => {
                Some(hint.clone())
            }
            Unresolved::NotThere { .. } => {
                Some("look at its name, the region and the profile of the `dns` block".to_owned())
            }
            Unresolved::NoState(_) => Some(
                "name the state with -state, or write the targets into roadworks.hcl: dns \"route53\"".to_owned(),
            ),
            Unresolved::OnlyRule { .. } => Some(
                "write balancer \"terraform\" in place of dns \"terraform\"".to_owned(),
            ),
            Unresolved::NoRule { .. } => Some(
                "an aws_lb_listener_rule must depend on it; or name the listeners: balancer \"alb\"".to_owned(),
            ),
            Unresolved::PinnedElsewhere { .. } => Some(
                "make the state readable, then run `roadworks plan` here".to_owned(),
            ),
        }
    }

    /// Where, if it stands in a file.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Unresolved::Terraform(error)
            | Unresolved::Beyond { error, .. }
            | Unresolved::NoState(error) => error.place(),
            Unresolved::Plans(_)
            | Unresolved::PlanFile { .. }
            | Unresolved::State { .. }
            | Unresolved::BadState { .. }
            | Unresolved::OnlyRule { .. }
            | Unresolved::NoRule { .. }
            | Unresolved::NotThere { .. }
            | Unresolved::Unasked { .. }
            | Unresolved::PinnedElsewhere { .. } => None,
        }
    }

    /// The message with the text that it points into, where it has one.
    pub fn diagnostic(&self) -> Option<&Diagnostic> {
        match self {
            Unresolved::Terraform(error) => error.diagnostic(),
            Unresolved::Beyond { .. }
            | Unresolved::NoState(_)
            | Unresolved::Plans(_)
            | Unresolved::PlanFile { .. }
            | Unresolved::State { .. }
            | Unresolved::BadState { .. }
            | Unresolved::OnlyRule { .. }
            | Unresolved::NoRule { .. }
            | Unresolved::NotThere { .. }
            | Unresolved::Unasked { .. }
            | Unresolved::PinnedElsewhere { .. } => None,
        }
    }
}
