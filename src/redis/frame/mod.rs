//! Where one frame ends and the next begins, on both sides of a connection to Redis (RESP2 and RESP3).
//!
//! Copies nothing that fits into 64 KiB, keeps no value that does not, and never waits for what cannot become right any more.
//! What is accepted, and how long it is, does not depend on how the bytes were cut on their way.
//! Source: networking.c of Redis 7.0, and the specification of RESP3.

mod inline;
mod replies;
mod requests;

pub use replies::{Kind, NotRedis, Replies, Reply};
pub use requests::{Argument, Arguments, Guest, Request, Requests, plain};

/// So much of a frame is gathered; what is longer is passed on as it comes.
pub const GATHERED: usize = 64 << 10;
/// The longest bulk (`proto-max-bulk-len`).
pub const LONGEST_BULK: u64 = 512 << 20;
/// Digits of a number and its line's end are shorter than this.
const LONGEST_NUMBER: usize = 32;

/// Why a client's bytes are no command. Its text is Redis's own, and the connection ends with it, as Redis does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A line without an end.
    #[error("Protocol error: too big inline request")]
    LongLine,
    /// A quote that does not end, or ends inside a word.
    #[error("Protocol error: unbalanced quotes in request")]
    Quotes,
    /// No number, or over 1,048,576 arguments.
    #[error("Protocol error: invalid multibulk length")]
    Count,
    /// Over ten arguments before `AUTH`.
    #[error("Protocol error: unauthenticated multibulk length")]
    GuestCount,
    /// No number, or over 512 MiB.
    #[error("Protocol error: invalid bulk length")]
    Length,
    /// Over 16 KiB before `AUTH`.
    #[error("Protocol error: unauthenticated bulk length")]
    GuestLength,
    /// An argument that is no bulk.
    #[error("Protocol error: expected '$', got '{}'", char::from(*.0))]
    NoBulk(u8),
}

impl ProtocolError {
    /// The answer, as Redis gives it before it hangs up.
    pub fn answer(self) -> Vec<u8> {
        format!("-ERR {self}\r\n").into_bytes()
    }
}

/// A number as Redis reads one (`string2ll`): digits, perhaps a `-` before them, no zero in front and no `+`.
pub(crate) fn number(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_plain = match digits {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !is_plain {
        return None;
    }
    // Lengths are short: most need no look at whether they fit.
    let value = |value: i64, digit: &u8| value * 10 + i64::from(digit - b'0');
    if digits.len() == text.len() && digits.len() <= 18 {
        return Some(digits.iter().fold(0, value));
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The line at the front of `bytes`, where it is this type with a number of up to four digits, as nearly all are: the number, and
/// the line's length. Whatever else it is, [`line`] tells.
#[inline]
fn short(kind: u8, bytes: &[u8]) -> Option<(usize, usize)> {
    let [first, rest @ ..] = bytes else { return None };
    if *first != kind {
        return None;
    }
    let mut number = 0;
    for (at, byte) in rest.iter().take(5).enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let is_end = *byte == b'\r' && rest.get(at + 1) == Some(&b'\n');
            return (at > 0 && is_end).then_some((number, at + 3));
        }
        if at == 1 && number == 0 {
            return None;
        }
        number = number * 10 + usize::from(digit);
    }
    None
}

/// A number's line.
enum Line {
    /// What stands between type and end, and how many bytes the whole line has.
    Whole { number: Option<i64>, length: usize },
    /// Its end has not come yet.
    Wait,
}

/// The line at the front of `bytes`: a type of one byte, a number, and two bytes of which the first is `\r`, since Redis does
/// not look at the second either.
fn line(bytes: &[u8]) -> Line {
    let head = bytes.get(..bytes.len().min(LONGEST_NUMBER)).unwrap_or_default();
    match head.iter().position(|byte| *byte == b'\r') {
        Some(end) if bytes.len() >= end + 2 => {
            Line::Whole { number: head.get(1..end).and_then(number), length: end + 2 }
        }
        // No number is as long: it need not be waited for.
        None if head.len() == LONGEST_NUMBER => {
            Line::Whole { number: None, length: LONGEST_NUMBER }
        }
        Some(_) | None => Line::Wait,
    }
}
