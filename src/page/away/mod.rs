//! The page's place in AWS: what is in the bucket, who else may write there, and what the distribution keeps of it.
//!
//! Writes what differs and nothing else, and takes nothing away. Finished by running again, whatever cut it short.

mod access;
mod invalidation;
mod objects;

use std::time::Duration;

use crate::aws;

pub use access::Access;
pub use invalidation::{Front, Invalidation};
pub use objects::{Place, Stored};

/// Why the page is not where it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Anybody could put another page there.
    #[error("anybody may write to {bucket}: {how}")]
    PublicWrite {
        /// `s3://shop-page`
        bucket: String,
        /// Which grant or statement says so.
        how: String,
    },
    /// AWS said no, or nothing.
    #[error("{doing}")]
    Aws {
        /// What was wanted, with its object: `s3://shop-page/index.html cannot be written`.
        doing: String,
        /// The action that it takes, where it is one of a policy: `s3:PutObject on arn:aws:s3:::shop-page/*`.
        needs: String,
        /// What AWS said.
        #[source]
        source: aws::Error,
    },
    /// A file cannot be packed.
    #[error("the page cannot be packed")]
    Packed(#[source] std::io::Error),
    /// It is asked for, and not known to have happened.
    #[error("{what} after {} s", waited.as_secs())]
    Unfinished {
        /// `invalidation I1 of E1 is still in progress`
        what: String,
        /// For how long it was waited.
        waited: Duration,
    },
}

impl Error {
    /// The next step for a person.
    pub fn hint(&self) -> String {
        match self {
            Error::PublicWrite { .. } => {
                "put a public access block on the bucket, or take the grant away: what visitors read is for you alone to write"
                    .to_owned()
            }
            Error::Aws { needs, source, .. } => match source {
                aws::Error::Credentials {
                    problem: aws::CredentialsProblem::Denied, ..
                } => format!("allow {needs}"),
                aws::Error::OutcomeUnknown { .. } => "run the same command again: it finishes what was begun".to_owned(),
                source => source.hint(),
            },
            Error::Packed(_) => "this is a mistake in Roadworks: report it".to_owned(),
            Error::Unfinished { .. } => {
                "what is written is written; run the same command again to wait for the rest".to_owned()
            }
        }
    }

    /// Whether it is about who asks.
    pub fn is_about_credentials(&self) -> bool {
        matches!(self, Error::Aws { source: aws::Error::Credentials { .. }, .. })
    }

    /// Whether something was asked for of which nobody knows whether it has happened.
    pub fn is_open_ended(&self) -> bool {
        matches!(
            self,
            Error::Unfinished { .. } | Error::Aws { source: aws::Error::OutcomeUnknown { .. }, .. }
        )
    }
}
