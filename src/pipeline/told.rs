//! What AWS answered -> what a lever says, and patience where AWS says "later".

use std::time::Duration;

use serde_json::{Value, json};

use crate::aws::{CredentialsProblem, Error as AwsError};
use crate::lever::{Error, Refusal};

/// The waits before a change that AWS was too busy for is asked again: together a quarter of a minute.
const WAITS: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// The rules by which a part of this folder refuses a move.
pub(super) const UNREAD: &str = "pipeline-unread";
pub(super) const ABSENT: &str = "variable-absent";
pub(super) const NEITHER: &str = "variable-neither";
pub(super) const V1: &str = "pipeline-v1";
pub(super) const MASKED: &str = "pipeline-masked";
pub(super) const NO_STAGE: &str = "stage-absent";
const RULES: [&str; 6] = [UNREAD, ABSENT, NEITHER, V1, MASKED, NO_STAGE];

/// Why a part cannot be moved: nothing is, unless the rule is set aside. It travels in the part's value, so that `status` can
/// tell how everything else stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) rule: &'static str,
    pub(super) message: String,
    pub(super) hint: String,
}

impl Unfit {
    /// As the value of a part.
    pub(super) fn value(&self) -> Value {
        json!({ "unfit": self.rule, "message": self.message, "hint": self.hint })
    }

    /// What a part's value says, if it says that.
    pub(super) fn of(value: &Value) -> Option<Unfit> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let said = text("unfit")?;
        let rule = RULES.into_iter().find(|rule| *rule == said)?;
        Some(Unfit { rule, message: text("message")?, hint: text("hint")? })
    }

    /// That it could not be read, whatever is wrong there; who is not let in is told so.
    pub(super) fn unread(what: &str, error: &AwsError) -> Result<Unfit, Error> {
        match error {
            AwsError::Credentials { .. } => Err(unread(what, error)),
            error => Ok(Unfit::unseen(what, error)),
        }
    }

    /// The same of what never keeps visitors out or in: whoever is not let in there can move the name all the same.
    pub(super) fn unseen(what: &str, error: &AwsError) -> Unfit {
        let first = match error {
            AwsError::Credentials { .. } => hint(error),
            _ => "try again".to_owned(),
        };
        Unfit {
            rule: UNREAD,
            message: format!("{what} could not be read: {error}"),
            hint: format!(
                "{first}; to move the name without it: --override={UNREAD} --reason \"..\", and see to it that no run undoes that"
            ),
        }
    }
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Refusal {
        Refusal { rule: unfit.rule, message: unfit.message, hint: unfit.hint }
    }
}

impl From<Unfit> for Error {
    fn from(unfit: Unfit) -> Error {
        Error::Refused { code: unfit.rule, message: unfit.message, hint: unfit.hint }
    }
}

/// A failed reading changed nothing, however it failed.
pub(super) fn unread(what: &str, error: &AwsError) -> Error {
    let message = format!("{what}: {error}");
    let hint = hint(error);
    match error {
        AwsError::Credentials { .. } => Error::Credentials { message, hint },
        AwsError::Throttled { .. } => Error::Failed { code: "throttled", message, hint },
        AwsError::OutcomeUnknown { .. } | AwsError::Unreachable { .. } => {
            Error::Failed { code: "unreachable", message, hint }
        }
        AwsError::Service { .. } => Error::Failed { code: "aws-refused", message, hint },
        AwsError::Request { .. } => Error::Failed { code: "bad-request", message, hint },
    }
}

/// A change that failed, or may not have.
pub(super) fn unwritten(what: &str, error: &AwsError) -> Error {
    if !error.may_have_happened() {
        return unread(what, error);
    }
    Error::Unknown {
        message: format!("{what} was sent a change, and whether it was made is not known: {error}"),
        hint: "run the same command again: it reads what is there and goes on from it".to_owned(),
    }
}

fn hint(error: &AwsError) -> String {
    match error {
        AwsError::Credentials { problem: CredentialsProblem::Denied, .. } => {
            "docs/pipeline.md lists the rights that are needed; `aws sts get-caller-identity` says who asks".to_owned()
        }
        AwsError::Throttled { .. } => "nothing was done; try again in a moment".to_owned(),
        AwsError::OutcomeUnknown { .. } => "nothing was changed; try again".to_owned(),
        error => error.hint(),
    }
}

/// Asks again as long as AWS says "later": then nothing was done. Cancel safe where `ask` is.
pub(super) async fn patiently<T>(
    mut ask: impl AsyncFnMut() -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    for wait in WAITS {
        match ask().await {
            Err(AwsError::Throttled { .. }) => {
                tokio::time::sleep(wait.mul_f64(fastrand::f64().mul_add(0.5, 0.5))).await;
            }
            answered => return answered,
        }
    }
    ask().await
}

/// Whether AWS refused with that code.
pub(super) fn is_code(error: &AwsError, wanted: &str) -> bool {
    matches!(error, AwsError::Service { code, .. } if code == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unfit_is_read_again_from_the_value_that_carries_it() {
        let unfit = Unfit { rule: V1, message: "m".to_owned(), hint: "h".to_owned() };
        assert_eq!(Unfit::of(&unfit.value()), Some(unfit));
        assert_eq!(Unfit::of(&json!(true)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_aws_is_too_busy_for_is_asked_again_and_not_for_ever() {
        let busy = || AwsError::Throttled { code: "T".to_owned(), message: String::new() };
        let mut asked = 0;
        let third = patiently(async || {
            asked += 1;
            if asked < 3 { Err(busy()) } else { Ok(asked) }
        });
        assert_eq!(third.await.unwrap(), 3);
        let mut asked = 0;
        let never: Result<(), _> = patiently(async || {
            asked += 1;
            Err(busy())
        })
        .await;
        assert!(matches!(never, Err(AwsError::Throttled { .. })));
        assert_eq!(asked, WAITS.len() + 1);
    }
}
