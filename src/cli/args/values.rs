//! What stands behind an option, read and checked.

use std::time::Duration;

use clap::builder::RangedI64ValueParser;
use clap::value_parser;
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};

use crate::config::{self, duration};

/// An upstream such as `http://127.0.0.1:3000`, as it is written in roadworks.hcl.
pub(super) fn upstream(text: &str) -> Result<String, String> {
    config::upstream(text).map(|upstream| upstream.to_string())
}

/// A duration from the start, with or without a plus.
pub(super) fn later(text: &str) -> Result<Duration, String> {
    duration(text.strip_prefix('+').unwrap_or(text))
}

/// A duration that something is to last: less than a second is over before anybody could use it.
pub(super) fn lasting(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        long if long >= Duration::from_secs(1) => Ok(long),
        _ => Err(format!("`{text}` is over at once: give 1s or more, such as 15m")),
    }
}

/// How often in a row checks are to pass.
pub(super) fn passes() -> RangedI64ValueParser<u32> {
    value_parser!(u32).range(1..=1000)
}

/// How many of something to show: none would look as if there were none.
pub(super) fn some(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("`{text}` is not a number from 1 on"))
}

/// A host name, or a wildcard one, as a distribution may list it: lower case, without a last dot.
pub(super) fn host(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    let bare = name.strip_prefix("*.").unwrap_or(&name);
    let label = |label: &str| {
        let known = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(known)
    };
    if name.len() <= 253 && bare.contains('.') && bare.split('.').all(label) {
        Ok(name)
    } else {
        Err(format!("`{text}` is not a host name such as shop.example.com"))
    }
}

/// What parts of a stack are called: at most so long that a bucket's name may begin with it.
pub(super) fn part(text: &str) -> Result<String, String> {
    let known = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
    let edge = |one: Option<char>| one.is_some_and(|one| one != '-');
    let well = edge(text.chars().next()) && edge(text.chars().next_back());
    if well && text.len() <= 36 && text.chars().all(known) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not a name of up to 36 lower case letters, digits and hyphens"))
    }
}

/// A time such as `2026-11-24T03:00:00Z`, `2026-11-24 03:00` or `03:00`; the last two are local.
pub(super) fn time(text: &str) -> Result<String, String> {
    let local = text.parse::<DateTime>().is_ok() || text.parse::<Time>().is_ok();
    let known = text.parse::<Timestamp>().is_ok() || local;
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

    #[test]
    fn what_lasts_no_second_is_over_at_once() {
        assert_eq!(lasting("1s"), Ok(Duration::from_secs(1)));
        for short in ["0s", "0", "1ms", "999ms"] {
            assert!(lasting(short).unwrap_err().contains("1s or more"), "{short}");
        }
    }
}
