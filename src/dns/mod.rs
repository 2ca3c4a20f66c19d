//! Lever: the name. Changes the named records and no other, and only if they still are what was read.

mod all;
mod ask;
mod backoff;
mod batch;
mod calls;
mod cloudfront;
mod commands;
pub mod nameserver;
mod reading;
mod rfc2136;
mod route53;
mod scratch;
pub mod settle;
mod told;
mod wire;
mod zone;

pub use ask::{Transport, Unanswered, ask};
pub use cloudfront::Distribution;
pub use rfc2136::Rfc2136;
pub use route53::Route53;
pub use scratch::{Exercise, exercise};
pub use zone::{Allowed, Zone};
