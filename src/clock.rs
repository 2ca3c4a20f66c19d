//! The only reader of the clock. Everything else takes `now` as an argument, so that tests hold time in hand.

use jiff::Timestamp;

/// The wall clock, in whole milliseconds: finer digits only make files and logs harder to read.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// A monotonic clock for measuring how long something took.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn monotonic() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
