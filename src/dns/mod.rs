//! Lever: the name. Changes the named records and no other, and only if they still are what was read.

mod backoff;
mod batch;
mod calls;
mod cloudfront;
mod commands;
pub mod nameserver;
mod reading;
mod route53;
mod scratch;
mod told;
mod wire;
mod zone;

pub use cloudfront::Distribution;
pub use route53::Route53;
pub use scratch::{Exercise, exercise};
pub use zone::{Allowed, Zone};
