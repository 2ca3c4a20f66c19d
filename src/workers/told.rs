//! What AWS answered -> what workers in AWS say.

use super::way::{Effect, Failed};
use crate::aws::{CredentialsProblem, Error as AwsError};

/// That `what` could not be read.
pub(super) fn unheard(what: &str, error: &AwsError) -> String {
    format!("{what} could not be read: {error}")
}

/// A change of `what` that was not made, or may not have been.
pub(super) fn unmade(what: &str, error: &AwsError) -> Failed {
    let message = format!("{what} could not be changed: {error}");
    let hint = match error {
        AwsError::Credentials { problem: CredentialsProblem::Denied, .. } => {
            "`roadworks doctor --policy` prints the rights that are needed".to_owned()
        }
        error => error.hint(),
    };
    let effect = if error.may_have_happened() { Effect::Unknown } else { Effect::Nothing };
    Failed { message, hint, effect }
}
