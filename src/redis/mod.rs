//! The guard of a Redis: between an app and its Redis, so that a cache that is down is a miss and not an error.
//!
//! Never invents a value: what a client reads is the upstream's answer, what an empty Redis would say, or an error.

pub mod answer;
pub mod frame;
pub mod keys;
mod syntax;
pub mod table;
pub mod value;
