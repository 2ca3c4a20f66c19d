//! The guard of a Redis: between an app and its Redis, so that a cache that is down is a miss and not an error.
//!
//! Never invents a value: what a client reads is the upstream's answer, what an empty Redis would say, or an error.

pub mod answer;
mod asked;
mod away;
pub mod breaker;
mod connection;
mod cores;
mod counters;
mod dirty;
pub mod emergency;
mod error;
pub mod frame;
mod gate;
mod guard;
pub mod journal;
mod keeper;
pub mod keys;
mod lateness;
mod line;
mod local;
pub mod marker;
mod markers;
pub mod observe;
mod orders;
mod plan;
mod probe;
mod recover;
mod refusals;
mod replay;
mod report;
mod run;
mod scrape;
mod session;
mod syntax;
pub mod table;
mod unanswered;
mod unwritable;
mod upstream;
pub mod value;

pub use error::Error;
pub use guard::{Guarded, Guards, NotOrdered, Wanted};
pub use probe::{Meeting, Met, Unfit, meet};
pub use recover::{Recover, RecoverRefused, Recovered};
pub use report::{GuardReport, JournalReport, Observation, Ordered, State};
