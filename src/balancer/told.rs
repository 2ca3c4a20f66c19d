//! What AWS answered -> what the lever says, in the words of the person who can act.

use crate::aws::{CredentialsProblem, Error as AwsError, Session};
use crate::lever::Error;

/// AWS's word for a rule that is not there.
pub(super) const RULE_NOT_FOUND: &str = "RuleNotFound";
/// Ours for one that went while it was looked at.
pub(super) const RULE_GONE: &str = "rule-gone";

/// A call: what was to be done, and to what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    /// `elasticloadbalancing:CreateRule`
    pub(super) action: &'static str,
    /// An ARN, or a name.
    pub(super) on: &'a str,
}

/// What is certain after a call that failed.
pub(super) async fn told(session: &Session, call: Call<'_>, error: AwsError) -> Error {
    let Call { action, on } = call;
    let hint = error.hint();
    match error {
        AwsError::Credentials { problem: CredentialsProblem::Denied, .. } => Error::Credentials {
            message: format!("not allowed: {action} on {on}: {error}"),
            hint: format!(
                "{}allow {action} on {on}; `roadworks doctor --policy` prints the whole policy",
                elsewhere(session, on).await
            ),
        },
        AwsError::Credentials { .. } => Error::Credentials { message: error.to_string(), hint },
        AwsError::Service { ref code, .. } => refused(session, call, code, &error).await,
        AwsError::Throttled { .. } => Error::Failed {
            code: "throttled",
            message: error.to_string(),
            hint: "others ask Elastic Load Balancing a lot in this account and region: try again in a moment".to_owned(),
        },
        AwsError::OutcomeUnknown { reason } => Error::Failed {
            code: "unreachable",
            message: format!("Elastic Load Balancing gave no answer to {action}: {reason}"),
            hint: "run the same command again: it reads what is there and goes on from it"
                .to_owned(),
        },
        AwsError::Unreachable { .. } => {
            Error::Failed { code: "unreachable", message: error.to_string(), hint }
        }
        AwsError::Request { .. } => {
            Error::Failed { code: "bad-request", message: error.to_string(), hint }
        }
    }
}

/// AWS refused the request as it stands.
async fn refused(session: &Session, call: Call<'_>, code: &str, error: &AwsError) -> Error {
    let Call { action, on } = call;
    let message = format!("{action} on {on}: {error}");
    match code {
        "ListenerNotFound" | "LoadBalancerNotFound" => Error::Failed {
            code: "listener-not-found",
            message: format!("there is no {on} in {}", session.region()),
            hint: format!(
                "{}look at the ARN, the region and the profile of the `balancer` block",
                elsewhere(session, on).await
            ),
        },
        "TooManyRules" | "TooManyUniqueTargetGroupsPerLoadBalancer" | "TooManyTargetGroups" => {
            Error::Refused {
                code: "too-many-rules",
                message,
                hint: "a load balancer has 100 rules unless AWS is asked for more (Service Quotas, `Rules per Application Load Balancer`): take some away, or ask".to_owned(),
            }
        }
        RULE_NOT_FOUND => Error::Failed {
            code: RULE_GONE,
            message,
            hint: "somebody else takes rules away at the same time: try again".to_owned(),
        },
        "PriorityInUse" => Error::Refused {
            code: "rules-moved",
            message,
            hint: "somebody else writes rules at the same time: run `roadworks plan` again"
                .to_owned(),
        },
        _ => Error::Failed { code: "aws-refused", message, hint: error.hint() },
    }
}

/// Whether the ARN is of an account that these credentials are not of. Only asked where something failed already.
async fn elsewhere(session: &Session, on: &str) -> String {
    let owner = on.split(':').nth(4).filter(|account| !account.is_empty());
    match (owner, session.caller().await) {
        (Some(owner), Ok(caller)) if caller.account != owner => format!(
            "the credentials are of account {}, and the ARN is of {owner}: name a profile or a role of that account; or ",
            caller.account
        ),
        _ => String::new(),
    }
}
