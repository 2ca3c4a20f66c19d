//! The only reader of the clock. Everything else takes `now` as an argument, so that tests hold time in hand.

use std::future::Future;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

tokio::task_local! {
    /// The clock of the simulated machine that a task runs on.
    static NODE: Simulated;
}

/// A wall clock that was set once, and goes on with tokio's.
#[derive(Debug, Clone, Copy)]
struct Simulated {
    showed: Timestamp,
    then: Instant,
}

impl Simulated {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(monotonic().duration_since(self.then));
        passed.ok().and_then(|passed| self.showed.checked_add(passed).ok()).unwrap_or(self.showed)
    }
}

/// The wall clock, in whole milliseconds: finer digits only make files and logs harder to read.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now() -> Timestamp {
    let now = NODE.try_with(Simulated::now).unwrap_or_else(|_| Timestamp::now());
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// Does `work` as on a machine of its own whose wall clock shows `shows` now, right or wrong, and goes on with tokio's, which
/// a test holds in hand. For simulations of many machines in one process; cancel safe where `work` is.
pub fn at_node<F: Future>(shows: Timestamp, work: F) -> impl Future<Output = F::Output> {
    NODE.scope(Simulated { showed: shows, then: monotonic() }, work)
}

/// A monotonic clock for measuring how long something took.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}
