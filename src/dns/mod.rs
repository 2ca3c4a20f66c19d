//! Lever: the name. Changes the named records and no other, and only if they still are what was read.

mod ask;
mod exchange;
mod exercise;
pub mod nameserver;
pub mod rfc2136;
#[cfg(feature = "aws")]
pub mod route53;
pub mod settle;
mod signer;
mod words;

pub use ask::{Transport, Unanswered, ask};
pub use exercise::Exercise;
pub use rfc2136::Rfc2136;
#[cfg(feature = "aws")]
pub use route53::Route53;
