//! What AWS answered -> what a lever says, in the words of the person who can act.

use crate::aws::Error as AwsError;
use crate::lever::Error;

pub(super) fn unconfirmed(error: &AwsError) -> Error {
    Error::Unknown {
        message: format!("the change is made, but Route 53 does not confirm it: {error}"),
        hint: format!("{}; then run the same command again", error.hint()),
    }
}

pub(super) fn outcome_unknown(error: &AwsError) -> Error {
    Error::Unknown {
        message: format!("the change was sent, and whether it was made is not known: {error}"),
        hint: "run the same command again: it reads what is there and goes on from it".to_owned(),
    }
}

/// A failed reading changed nothing, however it failed.
pub(super) fn unread(error: AwsError) -> Error {
    let (message, hint) = (error.to_string(), error.hint());
    match error {
        AwsError::OutcomeUnknown { reason } => Error::Failed {
            code: "unreachable",
            message: format!("Route 53 could not be read: {reason}"),
            hint: "nothing was changed; try again".to_owned(),
        },
        AwsError::Credentials { .. } => Error::Credentials { message, hint },
        AwsError::Throttled { .. } => Error::Failed { code: "throttled", message, hint },
        AwsError::Unreachable { .. } => Error::Failed { code: "unreachable", message, hint },
        AwsError::Service { .. } => Error::Failed { code: "aws-refused", message, hint },
        AwsError::Request { .. } => Error::Failed { code: "bad-request", message, hint },
    }
}

pub(super) fn told(error: AwsError) -> Error {
    if error.may_have_happened() { outcome_unknown(&error) } else { unread(error) }
}
