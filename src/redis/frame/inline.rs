//! The words of an inline command, as somebody types them by hand: `SET "a key" 'it''s'`.

use super::ProtocolError;

/// The words of a line, unquoted, one after the other into `kept`, each of their places into `found`. As `sdssplitargs` does
/// it, whose rules those are: `\xHH` and `\n` in double quotes, `\'` in single ones, and nothing behind a zero byte.
pub(super) fn words(
    line: &[u8],
    kept: &mut Vec<u8>,
    mut found: impl FnMut(std::ops::Range<usize>),
) -> Result<(), ProtocolError> {
    let end = line.iter().position(|byte| *byte == 0).unwrap_or(line.len());
    let mut rest = line.get(..end).unwrap_or_default();
    loop {
        rest = rest.trim_ascii_start();
        // A vertical tab is a space to C, and none to Rust.
        while let [0x0b, after @ ..] = rest {
            rest = after.trim_ascii_start();
        }
        if rest.is_empty() {
            return Ok(());
        }
        let begins = kept.len();
        rest = word(rest, kept)?;
        found(begins..kept.len());
    }
}

/// Puts the word at the front of `text` into `kept`; what comes after it.
fn word<'a>(mut text: &'a [u8], kept: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        match text {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Ok(text),
            [quote @ (b'"' | b'\''), rest @ ..] => {
                let rest = quoted(*quote, rest, kept)?;
                // A closing quote ends its word.
                let ends = rest.first().is_none_or(|next| is_space(*next));
                return if ends { Ok(rest) } else { Err(ProtocolError::Quotes) };
            }
            [letter, rest @ ..] => {
                kept.push(*letter);
                text = rest;
            }
        }
    }
}

/// What stands before the next `quote`, into `kept`; what comes after that quote.
fn quoted<'a>(
    quote: u8,
    mut text: &'a [u8],
    kept: &mut Vec<u8>,
) -> Result<&'a [u8], ProtocolError> {
    let is_double = quote == b'"';
    loop {
        text = match text {
            [] => return Err(ProtocolError::Quotes),
            [letter, rest @ ..] if *letter == quote => return Ok(rest),
            [b'\\', b'x', high, low, rest @ ..]
                if is_double && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                kept.push(hex(*high) * 16 + hex(*low));
                rest
            }
            [b'\\', letter, rest @ ..] if is_double => {
                kept.push(escaped(*letter));
                rest
            }
            [b'\\', b'\'', rest @ ..] if !is_double => {
                kept.push(b'\'');
                rest
            }
            [letter, rest @ ..] => {
                kept.push(*letter);
                rest
            }
        };
    }
}

fn escaped(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase().saturating_sub(b'a' - 10),
    }
}

/// What `isspace` of C takes for one.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}
