//! Whether a write that was not answered with a yes may have been made all the same.
//!
//! Must never call a write "not made" that may arrive yet: somebody would read that nothing changed.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use object_store::Error as Failure;
use object_store::client::{HttpError, HttpErrorKind};

/// How `object_store` tells of answers whose type it keeps private.
const ANSWERED: &str = "Server returned non-2xx status code: ";
const SENT_ELSEWHERE: &str = "Received redirect";
/// How it tells that this was the answer to the last attempt of several: those before may have arrived.
const NOT_THE_FIRST: &str = " retries, max_retries: ";

/// Whether the write that `error` came of may have been made, or may be made yet.
pub(super) fn is_in_doubt(error: &Failure) -> bool {
    match error {
        Failure::NotFound { .. }
        | Failure::InvalidPath { .. }
        | Failure::NotSupported { .. }
        | Failure::NotImplemented { .. }
        | Failure::AlreadyExists { .. }
        | Failure::Precondition { .. }
        | Failure::NotModified { .. }
        | Failure::PermissionDenied { .. }
        | Failure::Unauthenticated { .. }
        | Failure::UnknownConfigurationKey { .. } => false,
        error => {
            let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
            while let Some(error) = cause {
                if error.to_string().contains(NOT_THE_FIRST) {
                    return true;
                }
                if says_no(error) {
                    return false;
                }
                cause = error.source();
            }
            true
        }
    }
}

/// Whether this cause is certain that nothing was written.
fn says_no(cause: &(dyn StdError + 'static)) -> bool {
    if let Some(error) = cause.downcast_ref::<HttpError>() {
        return error.kind() == HttpErrorKind::Connect;
    }
    if cause.is::<CredentialsError>() {
        return true;
    }
    let words = cause.to_string();
    if words.starts_with(SENT_ELSEWHERE) {
        return true;
    }
    let status = words.strip_prefix(ANSWERED).and_then(|rest| rest.get(..3)?.parse().ok());
    status.is_some_and(|status: u16| match status {
        // It waited for a request that it did not get whole, and may have.
        408 => false,
        // Asked to come later: S3's SlowDown, and what others call it.
        503 => true,
        status => (400..500).contains(&status),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(String);

    fn answered(status: &str) -> Failure {
        let source = Box::new(Said(format!("{ANSWERED}{status}: <Error></Error>")));
        Failure::Generic { store: "S3", source }
    }

    #[test]
    fn only_an_answer_that_says_no_is_certain() {
        for no in ["400 Bad Request", "403 Forbidden", "429 Too Many", "503 Slow Down"] {
            assert!(!is_in_doubt(&answered(no)), "{no}");
        }
        for unsure in ["408 Request Timeout", "500 Internal Server Error", "502 X", "504 X"] {
            assert!(is_in_doubt(&answered(unsure)), "{unsure}");
        }
        let last = "Error performing PUT REDACTED in 1s, after 2 retries, max_retries: 2, retry_timeout: 5s  - x";
        let earlier = Failure::Generic { store: "S3", source: Box::new(Said(last.to_owned())) };
        assert!(is_in_doubt(&earlier), "those before may have arrived");
        let cut = Failure::Generic { store: "S3", source: "the connection broke".into() };
        assert!(is_in_doubt(&cut));
        let unsigned = Box::new(CredentialsError::not_loaded("none"));
        assert!(!is_in_doubt(&Failure::Generic { store: "S3", source: unsigned }));
    }
}
