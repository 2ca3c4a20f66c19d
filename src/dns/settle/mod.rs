//! The proof that a flip is over, and the evidence beside it.
//!
//! `history.rs` and `quiet.rs` are rules: time comes in as an argument. `resolver.rs` asks recursive resolvers, and what
//! they say is a sample: it never proves anything and never stops anything.

mod history;
mod quiet;
mod resolver;

pub use history::History;
pub use quiet::{Witness, quiet_at, quiet_since};
pub use resolver::{Heard, Question, Sample, sample, stretches};
