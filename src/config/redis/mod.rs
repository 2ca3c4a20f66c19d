//! A `redis` block -> what is guarded, and what may be said for it while it is away.

mod rules;

pub use rules::{KeyPattern, KeyRule, KeyRules, RedisRole};
