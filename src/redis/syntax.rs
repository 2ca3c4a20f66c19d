//! Whether a command has one of the forms that are answered for it: an empty Redis says of any other that it is wrong.
//!
//! A form is letters for arguments, capitals for words that stand there, `{..}` for options in any order, `<..>` for at most one of
//! them, an option's values after a colon, and `|` between forms. The letters are those of `is_a`; `*` is one argument or more, `%`
//! pairs of them, `#` a count and as many.

use super::frame::{Arguments, number};

/// The longest time in seconds or milliseconds that Redis can add to now.
const LONGEST_TIME: i64 = 9_000_000_000_000_000;
/// Within this a count can be negated and doubled.
const LARGEST: i64 = 4_000_000_000_000_000_000;

/// Whether the arguments after the name have one of these forms.
pub(super) fn fits(forms: &str, arguments: &Arguments<'_>) -> bool {
    forms.split('|').any(|form| has_form(form, arguments))
}

fn has_form(form: &str, arguments: &Arguments<'_>) -> bool {
    let begins = form.find(['{', '<']).unwrap_or(form.len());
    let (fixed, options) = form.split_at(begins);
    let tokens: Vec<_> = fixed.split_whitespace().collect();
    let (mut at, all) = (1, arguments.count());
    for (index, token) in tokens.iter().enumerate() {
        let behind = tokens.len() - index - 1;
        let next = match *token {
            "*" => all.checked_sub(behind).filter(|next| *next > at),
            "%" => Some(all).filter(|_| all > at && (all - at).is_multiple_of(2)),
            "#" => counted(arguments, at),
            token => is_a(token, arguments, at).then_some(at + 1),
        };
        match next.filter(|next| *next <= all) {
            Some(next) => at = next,
            None => return false,
        }
    }
    has_options(options, arguments, at)
}

/// What comes after a count of at least one and as many arguments.
fn counted(arguments: &Arguments<'_>, at: usize) -> Option<usize> {
    let count = number(arguments.short(at)?)?;
    let count = usize::try_from(count).ok().filter(|count| *count > 0)?;
    at.checked_add(1)?.checked_add(count)
}

fn has_options(options: &str, arguments: &Arguments<'_>, mut at: usize) -> bool {
    let is_one_of = options.starts_with('<');
    let known: Vec<_> =
        options.trim_matches(['{', '}', '<', '>', ' ']).split_whitespace().collect();
    let mut seen = Vec::new();
    while at < arguments.count() {
        let here = known.iter().copied().find_map(|option| {
            let (word, values) = option.split_once(':').unwrap_or((option, ""));
            arguments.is(at, word).then_some((word, values))
        });
        let Some((word, values)) = here else { return false };
        if seen.contains(&word) || (is_one_of && !seen.is_empty()) {
            return false;
        }
        seen.push(word);
        at += 1;
        for value in values.split("").filter(|value| !value.is_empty()) {
            if !is_a(value, arguments, at) {
                return false;
            }
            at += 1;
        }
    }
    true
}

/// Whether argument `at` is there and what `token` stands for.
fn is_a(token: &str, arguments: &Arguments<'_>, at: usize) -> bool {
    if token == "v" {
        return arguments.get(at).is_some();
    }
    let Some(text) = arguments.short(at) else { return false };
    let whole = || number(text).filter(|number| number.unsigned_abs() <= LARGEST.unsigned_abs());
    let real = || real(text);
    match token {
        "i" => whole().is_some(),
        "j" => whole().is_some_and(|number| number != 0),
        "u" => whole().is_some_and(|number| number >= 0),
        "p" => whole().is_some_and(|number| (1..=LONGEST_TIME).contains(&number)),
        "e" => whole().is_some_and(|number| (-LONGEST_TIME..=LONGEST_TIME).contains(&number)),
        "k" => is_a_plain_number(text),
        "b" => whole().is_some_and(|number| (0..=i64::from(u32::MAX)).contains(&number)),
        "B" => matches!(text, b"0" | b"1"),
        "c" => whole().is_some_and(|number| number >= 0),
        "f" => real().is_some_and(|number| number.abs() <= 180.0),
        "g" => real().is_some_and(|number| number.abs() <= 85.0),
        "r" | "t" => real().is_some_and(|number| (0.0..1e12).contains(&number)),
        "s" => is_a_score(text.strip_prefix(b"(").unwrap_or(text)),
        "x" => matches!(text, b"-" | b"+" | [b'(' | b'[', ..]),
        "d" => matches!(text, b"-" | b"+") || is_an_entry(text),
        "l" => one_of(text, &["LEFT", "RIGHT"]),
        "m" => one_of(text, &["MIN", "MAX"]),
        "w" => one_of(text, &["M", "KM", "FT", "MI"]),
        "o" => is_a_width(text),
        word => text.eq_ignore_ascii_case(word.as_bytes()),
    }
}

fn one_of(text: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}

/// A number with a point, perhaps; neither infinite nor none.
pub(super) fn real(text: &[u8]) -> Option<f64> {
    let is_plain = text.first().is_some_and(|first| first.is_ascii_digit() || *first == b'-')
        && text.iter().all(|byte| byte.is_ascii_digit() || b"-.e".contains(byte));
    std::str::from_utf8(text).ok()?.parse().ok().filter(|_| is_plain)
}

/// With few digits, and as Redis would write it itself: `-1.5`
fn is_a_plain_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let mut parts = digits.splitn(2, |byte| *byte == b'.');
    let whole = parts.next().unwrap_or_default();
    let behind = parts.next();
    let is_digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let has_no_zero_before = whole == b"0" || !whole.starts_with(b"0");
    is_digits(whole)
        && has_no_zero_before
        && behind.is_none_or(|behind| is_digits(behind) && !behind.ends_with(b"0"))
        && digits.len() <= 12
        && text != b"-0"
}

fn is_a_score(text: &[u8]) -> bool {
    let infinite = ["inf", "+inf", "-inf"];
    real(text).is_some() || infinite.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}

/// `1526919030474` or `1526919030474-55`
pub(super) fn is_an_entry(text: &[u8]) -> bool {
    let part = |part: &[u8]| number(part).is_some_and(|number| number >= 0);
    let mut parts = text.splitn(2, |byte| *byte == b'-');
    parts.next().is_some_and(part) && parts.next().is_none_or(part)
}

/// `u8` or `i64`
fn is_a_width(text: &[u8]) -> bool {
    let bits = |most: i64, bits: &[u8]| number(bits).is_some_and(|bits| (1..=most).contains(&bits));
    match text {
        [b'u', rest @ ..] => bits(63, rest),
        [b'i', rest @ ..] => bits(64, rest),
        _ => false,
    }
}
