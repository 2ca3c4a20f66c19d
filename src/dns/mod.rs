//! Lever: the name. Changes the named records and no other, and only if they still are what was read.

mod backoff;
mod calls;
mod commands;
mod route53;
mod wire;

pub use route53::Route53;
