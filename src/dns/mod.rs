//! Lever: the name. Changes the named records and no other, and only if they still are what was read.

#[cfg(feature = "aws")]
mod all;
#[cfg(feature = "aws")]
mod ask;
#[cfg(feature = "aws")]
mod backoff;
#[cfg(feature = "aws")]
mod batch;
#[cfg(feature = "aws")]
mod calls;
#[cfg(feature = "aws")]
mod cloudfront;
#[cfg(feature = "aws")]
mod commands;
#[cfg(feature = "aws")]
mod exchange;
pub mod nameserver;
#[cfg(feature = "aws")]
mod reading;
#[cfg(feature = "aws")]
mod rfc2136;
#[cfg(feature = "aws")]
mod route53;
#[cfg(feature = "aws")]
mod scratch;
#[cfg(feature = "aws")]
pub mod settle;
mod signer;
#[cfg(feature = "aws")]
mod told;
#[cfg(feature = "aws")]
mod wire;
#[cfg(feature = "aws")]
mod zone;

#[cfg(feature = "aws")]
pub use ask::{Transport, Unanswered, ask};
#[cfg(feature = "aws")]
pub use cloudfront::Distribution;
#[cfg(feature = "aws")]
pub use rfc2136::Rfc2136;
#[cfg(feature = "aws")]
pub use route53::Route53;
#[cfg(feature = "aws")]
pub use scratch::{Exercise, exercise};
#[cfg(feature = "aws")]
pub use zone::{Allowed, Zone};
