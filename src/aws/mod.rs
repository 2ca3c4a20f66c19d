//! The AWS session and its errors, for whoever speaks to AWS, the reading of objects in S3, and calls of the services whose
//! SDK is not in the tree.
//!
//! Never prints a key, never changes anything: the calls that do belong to the levers.

mod backoff;
mod error;
mod given;
mod json;
mod lent;
#[cfg(test)]
mod loopback;
mod pace;
pub mod policy;
mod query;
mod rest;
pub mod s3;
mod session;
mod signed;

pub use backoff::Backoff;
pub use error::{CredentialsProblem, Error};
pub use json::JsonService;
pub use query::QueryService;
pub use rest::{RestCall, RestService};
pub use session::{AssumeRole, Identity, Keys, Retry, Session, Settings};
