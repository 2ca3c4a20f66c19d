//! What can go wrong between us and AWS, sorted by what a person or a lever has to do about it.
//!
//! Must never call a request "not sent" when it may have been: a lever would then send it twice.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{DispatchFailure, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Error codes that say "later": nothing was done. `PriorRequestNotComplete` is Route 53's, per hosted zone.
const LATER: [&str; 8] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
];

const EMPTY_CHAIN: &str = "none in the environment, the profile files, a web identity, or the role of this container or machine";

/// Why the call to AWS gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AWS does not know who asks, or does not let them.
    #[error("{problem}{}: {reason}", of_profile(.profile.as_deref()))]
    Credentials {
        /// What is wrong with them.
        problem: CredentialsProblem,
        /// The profile that was used, if one was named.
        profile: Option<String>,
        /// AWS's own words, or the credential chain's, without keys.
        reason: String,
    },
    /// Too many requests for now; nothing was done.
    #[error("AWS asks to wait ({code}): {message}")]
    Throttled {
        /// `Throttling`, `PriorRequestNotComplete`, ..
        code: String,
        /// AWS's own words.
        message: String,
    },
    /// Nothing was sent: no connection could be made.
    #[error("cannot reach {}: {reason}", without_passwords(endpoint))]
    Unreachable {
        /// Where we wanted to go.
        endpoint: String,
        /// What the network said.
        reason: String,
    },
    /// The request was sent, or may have been, and no answer says what became of it. A change may have been made.
    #[error("the outcome is unknown: {reason}")]
    OutcomeUnknown {
        /// What was seen.
        reason: String,
    },
    /// AWS refused the request as it stands; nothing was done.
    #[error("AWS refused ({code}): {message}")]
    Service {
        /// AWS's error code (`NoSuchHostedZone`).
        code: String,
        /// AWS's own words.
        message: String,
        /// What AWS's support asks for.
        request_id: Option<String>,
    },
    /// The request could not be built; nothing was sent.
    #[error("the request to AWS could not be made: {reason}")]
    Request {
        /// What is wrong with it.
        reason: String,
    },
}

/// What is wrong with the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialsProblem {
    /// The whole chain gave none.
    Missing,
    /// They were good once.
    Expired,
    /// AWS does not accept them: unknown key, wrong signature.
    Rejected,
    /// AWS knows who asks and does not let them do this.
    Denied,
    /// The chain broke: a profile that is not there, an answer that cannot be read, a role that cannot be assumed.
    Broken,
}

impl std::fmt::Display for CredentialsProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "no AWS credentials",
            Self::Expired => "the AWS credentials have expired",
            Self::Rejected => "AWS does not accept the credentials",
            Self::Denied => "AWS does not allow it",
            Self::Broken => "the AWS credentials cannot be loaded",
        })
    }
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Credentials { problem, profile, reason } => {
                credentials_hint(*problem, profile.as_deref(), reason)
            }
            Self::Throttled { .. } => {
                "nothing was done; Route 53 takes 5 requests a second from the whole account, so try again in a moment".into()
            }
            Self::Unreachable { .. } => {
                "check the network, the proxy and AWS_ENDPOINT_URL; nothing was sent".into()
            }
            Self::OutcomeUnknown { .. } => "read what is there before trying again".into(),
            Self::Service { request_id: Some(id), .. } => {
                format!("nothing was done; the request id, for AWS support: {id}")
            }
            Self::Service { request_id: None, .. } => "nothing was done".into(),
            Self::Request { .. } => "check the values that the request is made from".into(),
        }
    }

    /// Whether a change that was asked for may have been made all the same.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. })
    }

    /// Sorts whatever an AWS client answered. `place` names who asked and where, for the message.
    pub(super) fn from_sdk<E>(error: &SdkError<E, HttpResponse>, place: &Asked<'_>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        match error {
            SdkError::ServiceError(context) => {
                let meta = context.err().meta();
                Answer {
                    status: context.raw().status().as_u16(),
                    code: meta.code().unwrap_or("unknown"),
                    message: meta.message().unwrap_or("no message"),
                    request_id: meta.extra("aws_request_id"),
                }
                .sorted(place)
            }
            SdkError::DispatchFailure(failure) => from_dispatch(failure, error, place),
            SdkError::ConstructionFailure(_) => match find::<CredentialsError>(error) {
                Some(cause) => from_credentials(cause, place),
                None => Self::Request { reason: told(error) },
            },
            SdkError::TimeoutError(_) => {
                Self::OutcomeUnknown { reason: "no answer in time".into() }
            }
            _ => Self::OutcomeUnknown { reason: told(error) },
        }
    }
}

/// Who asked, and where: what an error names besides its cause.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) profile: Option<&'a str>,
    pub(super) endpoint: &'a str,
}

/// An error answer of an AWS service.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) code: &'a str,
    pub(super) message: &'a str,
    pub(super) request_id: Option<&'a str>,
}

impl Answer<'_> {
    pub(super) fn sorted(&self, place: &Asked<'_>) -> Error {
        if LATER.contains(&self.code) || self.status == 429 {
            return Error::Throttled { code: self.code.into(), message: redacted(self.message) };
        }
        if let Some(problem) = credentials_problem(self.code, self.status) {
            return Error::Credentials {
                problem,
                profile: place.profile.map(Into::into),
                reason: redacted(self.message),
            };
        }
        if self.status >= 500 {
            let reason =
                format!("AWS answered {} {}: {}", self.status, self.code, redacted(self.message));
            return Error::OutcomeUnknown { reason };
        }
        Error::Service {
            code: self.code.into(),
            message: redacted(self.message),
            request_id: self.request_id.map(Into::into),
        }
    }
}

fn credentials_problem(code: &str, status: u16) -> Option<CredentialsProblem> {
    match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => {
            Some(CredentialsProblem::Expired)
        }
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "AuthFailure"
        | "RequestTimeTooSkewed" => Some(CredentialsProblem::Rejected),
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "UnauthorizedException"
        | "NotAuthorized"
        | "OptInRequired" => Some(CredentialsProblem::Denied),
        _ if status == 401 => Some(CredentialsProblem::Rejected),
        _ if status == 403 => Some(CredentialsProblem::Denied),
        _ => None,
    }
}

fn from_dispatch(
    failure: &DispatchFailure,
    error: &(dyn StdError + 'static),
    place: &Asked<'_>,
) -> Error {
    if let Some(cause) = find::<CredentialsError>(error) {
        return from_credentials(cause, place);
    }
    // Only the connector itself can say that nothing was sent; every other cut may have come after the request.
    if find::<hyper_util::client::legacy::Error>(error)
        .is_some_and(hyper_util::client::legacy::Error::is_connect)
    {
        return Error::Unreachable { endpoint: place.endpoint.into(), reason: told(error) };
    }
    if failure.is_user() {
        return Error::Request { reason: told(error) };
    }
    Error::OutcomeUnknown { reason: told(error) }
}

/// The credential chain gave up.
pub(super) fn from_credentials(cause: &CredentialsError, place: &Asked<'_>) -> Error {
    let reason = told(cause);
    let lower = reason.to_lowercase();
    // The metadata service comes last in the chain, so its failure means that nobody before had any either.
    let none = matches!(cause, CredentialsError::CredentialsNotLoaded(_)) || lower.contains("imds");
    let (problem, reason) = match place.profile {
        None if none => (CredentialsProblem::Missing, EMPTY_CHAIN.into()),
        Some(_) if matches!(cause, CredentialsError::CredentialsNotLoaded(_)) => {
            (CredentialsProblem::Missing, "no such profile, or it has no credentials".into())
        }
        _ if lower.contains("expired") => (CredentialsProblem::Expired, reason),
        _ if lower.contains("accessdenied") || lower.contains("not authorized") => {
            (CredentialsProblem::Denied, reason)
        }
        _ => (CredentialsProblem::Broken, reason),
    };
    Error::Credentials { problem, profile: place.profile.map(Into::into), reason }
}

fn of_profile(profile: Option<&str>) -> String {
    profile.map(|name| format!(" (profile `{name}`)")).unwrap_or_default()
}

fn credentials_hint(problem: CredentialsProblem, profile: Option<&str>, reason: &str) -> String {
    let option = profile.map(|name| format!(" --profile {name}")).unwrap_or_default();
    let single_sign_on = reason.to_lowercase().contains("sso");
    match problem {
        CredentialsProblem::Denied => format!(
            "`roadworks doctor --policy` prints the rights that this site needs; `aws sts get-caller-identity{option}` says who asks"
        ),
        CredentialsProblem::Missing if profile.is_none() => {
            "set AWS_PROFILE, or run `aws configure`, or `aws sso login --profile NAME`".into()
        }
        CredentialsProblem::Rejected => format!(
            "try `aws sts get-caller-identity{option}`; check the keys, AWS_SESSION_TOKEN and this machine's clock"
        ),
        CredentialsProblem::Expired => {
            format!("run `aws sso login{option}`, or get new session keys")
        }
        CredentialsProblem::Missing | CredentialsProblem::Broken if single_sign_on => {
            format!("run `aws sso login{option}`")
        }
        CredentialsProblem::Missing | CredentialsProblem::Broken => {
            format!(
                "try `aws sts get-caller-identity{option}`; with single sign-on run `aws sso login{option}`"
            )
        }
    }
}

/// The first cause of that type. The depth is bounded because a chain comes from code that is not ours.
pub(super) fn find<'a, T: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref::<T>())
}

pub(super) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source()).take(16)
}

/// The chain in one line: the last three causes, without repeating itself and without keys.
pub(super) fn told(error: &(dyn StdError + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        match parts.last_mut() {
            // A cause that quotes its own cause says it better.
            Some(last) if last.contains(&text) => {}
            Some(last) if text.contains(last.as_str()) => *last = text,
            _ => parts.push(text),
        }
    }
    let last = parts.len().saturating_sub(3);
    redacted(&parts.get(last..).unwrap_or_default().join(": "))
}

/// Cuts long text, and takes out what looks like a key: AWS quotes access key ids, a credential
/// process may print anything.
fn redacted(text: &str) -> String {
    let (mut out, mut run) = (String::new(), String::new());
    for symbol in
        without_passwords(text).chars().take(600).map(|c| if c.is_control() { ' ' } else { c })
    {
        if symbol.is_ascii_alphanumeric() || matches!(symbol, '+' | '/' | '=') {
            run.push(symbol);
        } else {
            out.push_str(unless_key(&run));
            out.push(symbol);
            run.clear();
        }
    }
    out.push_str(unless_key(&run));
    out
}

/// An address may carry a name and a password before its host.
fn without_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.extend([before, "://"]);
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'`".contains(c));
        let place = after.get(..end.unwrap_or(after.len())).unwrap_or(after);
        rest = place.rfind('@').and_then(|at| after.get(at + 1..)).unwrap_or(after);
    }
    out + rest
}

/// Access key ids have 20 characters, secrets 40, tokens hundreds; all mix capitals and digits.
fn unless_key(run: &str) -> &str {
    let has = |test: fn(&char) -> bool| run.chars().any(|c| test(&c));
    let id = run.len() >= 16 && (run.starts_with("AKIA") || run.starts_with("ASIA"));
    let mixed =
        has(char::is_ascii_digit) && has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase);
    if id || (run.len() >= 32 && mixed) { "(hidden)" } else { run }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hidden_and_names_are_not() {
        let text = "key AKIAIOSFODNN7EXAMPLE secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY of arn:aws:iam::123456789012:role/OrganizationAccountAccessRole";
        assert_eq!(
            redacted(text),
            "key (hidden) secret (hidden) of arn:aws:iam::123456789012:role/OrganizationAccountAccessRole"
        );
    }

    #[test]
    fn an_address_is_told_without_its_password() {
        assert_eq!(
            redacted("no http://ana:hush@host:1/a@b and `https://x@y`, a://b"),
            "no http://host:1/a@b and `https://y`, a://b"
        );
    }

    #[test]
    fn a_long_message_is_cut_and_stays_on_one_line() {
        let text = redacted(&format!("a\nb {}", "- ".repeat(1000)));
        assert!(text.starts_with("a b -"));
        assert!(text.len() <= 600);
    }

    #[test]
    fn an_empty_chain_is_told_in_one_line_and_a_named_profile_by_its_name() {
        let cause = CredentialsError::not_loaded("no credentials found in chain. Attempted: ..");
        let told =
            |profile| from_credentials(&cause, &Asked { profile, endpoint: "AWS" }).to_string();
        assert!(
            told(None).starts_with("no AWS credentials: none in the environment"),
            "{}",
            told(None)
        );
        assert_eq!(
            told(Some("prod")),
            "no AWS credentials (profile `prod`): no such profile, or it has no credentials"
        );
    }

    #[test]
    fn an_expired_single_sign_on_names_the_login_of_its_profile() {
        let cause = CredentialsError::provider_error("the SSO session has expired");
        let error = from_credentials(&cause, &Asked { profile: Some("prod"), endpoint: "AWS" });
        assert!(matches!(&error, Error::Credentials { problem: CredentialsProblem::Expired, .. }));
        assert!(error.hint().starts_with("run `aws sso login --profile prod`"), "{}", error.hint());
    }
}
