//! What stands behind an option, read and checked.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Time;

use crate::config::{self, duration};

/// An upstream such as `http://127.0.0.1:3000`, as it is written in roadworks.hcl.
pub(super) fn upstream(text: &str) -> Result<String, String> {
    config::upstream(text).map(|upstream| upstream.to_string())
}

/// A duration from the start, with or without a plus.
pub(super) fn later(text: &str) -> Result<Duration, String> {
    duration(text.strip_prefix('+').unwrap_or(text))
}

/// A time such as `2026-11-24T03:00:00Z` or `03:00`.
pub(super) fn time(text: &str) -> Result<String, String> {
    let known = text.parse::<Timestamp>().is_ok() || text.parse::<Time>().is_ok();
    let wrong = || format!("`{text}` is not a time: 2026-11-24T03:00:00Z, or 03:00");
    if known { Ok(text.to_owned()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_of_the_clock_or_of_the_calendar() {
        assert!(time("03:00").is_ok() && time("2026-11-24T03:00:00Z").is_ok());
        assert!(time("banana").is_err());
    }
}
