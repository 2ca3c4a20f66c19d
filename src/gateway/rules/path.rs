//! Paths: whether apps can disagree about what one means, and whether a pattern fits it.
//!
//! What lets something through is compared with the path that every app sees, or it does not fit. What keeps something
//! out fits as soon as any reading of the path does. So nobody tunnels through by spelling a path in another way.

use std::borrow::Cow;

use crate::config::PathPattern;

/// So often a path is decoded, at most, to find what it could mean behind another proxy.
const DECODINGS: usize = 3;

/// The path without percent-encoding, if all apps agree on it: no dot segments, no empty ones, no `\`, no `;`, no
/// control characters, and none of these encoded.
pub(super) fn agreed(path: &str) -> Option<Cow<'_, str>> {
    if !path.starts_with('/') || path.bytes().any(is_doubtful) || has_odd_segments(path) {
        return None;
    }
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let meant = if byte == b'%' { hex(rest.next()?, rest.next()?)? } else { byte };
        if byte == b'%' && (is_doubtful(meant) || b"/.%?#".contains(&meant)) {
            return None;
        }
        plain.push(meant);
    }
    String::from_utf8(plain).ok().map(Cow::Owned)
}

/// Whether a pattern that lets through fits: [`agreed`]'s text, letter by letter.
pub(super) fn lets(patterns: &[PathPattern], agreed: Option<&str>) -> bool {
    let Some(path) = agreed else { return false };
    patterns.iter().any(|pattern| match pattern {
        PathPattern::Exact(exact) => path == exact,
        PathPattern::Prefix(prefix) => path.starts_with(prefix.as_str()),
    })
}

/// Whether a pattern that keeps out fits any reading of the path: upper or lower case, with or without a last slash.
pub(super) fn keeps_out(patterns: &[PathPattern], path: &str) -> bool {
    if patterns.is_empty() {
        return false;
    }
    let mut reading = Cow::Borrowed(path);
    for _ in 0..=DECODINGS {
        if fits_loosely(patterns, &reading) || fits_loosely(patterns, &tidied(&reading)) {
            return true;
        }
        if !reading.contains('%') {
            return false;
        }
        reading = Cow::Owned(decoded(&reading));
    }
    false
}

/// The pattern with its own percent-encoding taken off, so that it is compared with what apps see.
pub(super) fn decoded_pattern(pattern: &PathPattern) -> PathPattern {
    match pattern {
        PathPattern::Exact(path) => PathPattern::Exact(decoded(path)),
        PathPattern::Prefix(path) => PathPattern::Prefix(decoded(path)),
    }
}

fn is_doubtful(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f || byte == b'\\' || byte == b';'
}

fn has_odd_segments(path: &str) -> bool {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if segment == "." || segment == ".." || (segment.is_empty() && !is_last) {
            return true;
        }
    }
    false
}

fn fits_loosely(patterns: &[PathPattern], path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path).as_bytes();
    patterns.iter().any(|pattern| match pattern {
        PathPattern::Exact(exact) => {
            exact.strip_suffix('/').unwrap_or(exact).as_bytes().eq_ignore_ascii_case(path)
        }
        PathPattern::Prefix(prefix) => {
            let prefix = prefix.strip_suffix('/').map_or(prefix.as_bytes(), str::as_bytes);
            let start = path.get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        }
    })
}

/// As a forgiving app would read it: `\` is `/`, parameters after `;` and control characters are gone, dot segments are
/// resolved, empty ones left out.
fn tidied(path: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    for segment in path.split(['/', '\\']) {
        let name = segment.split(';').next().unwrap_or_default();
        let name: String = name.chars().filter(|letter| !letter.is_control()).collect();
        match name.as_str() {
            "" | "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(name),
        }
    }
    format!("/{}", kept.join("/"))
}

/// One round of percent-decoding; what is no encoding stays.
fn decoded(path: &str) -> String {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let meant = match (byte, ahead.next(), ahead.next()) {
            (b'%', Some(high), Some(low)) => hex(high, low),
            _ => None,
        };
        if meant.is_some() {
            rest = ahead;
        }
        plain.push(meant.unwrap_or(byte));
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The byte that two hexadecimal digits name.
pub(super) fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(path: &str) -> Vec<PathPattern> {
        vec![PathPattern::Exact(path.to_owned())]
    }

    fn prefix(path: &str) -> Vec<PathPattern> {
        vec![PathPattern::Prefix(path.to_owned())]
    }

    #[test]
    fn a_path_that_apps_can_read_in_two_ways_never_matches_what_lets_through() {
        for path in [
            "/webhooks/../admin",
            "/webhooks/./x",
            "/webhooks//x",
            "/webhooks/..",
            "/webhooks/.",
            "/webhooks/..;/admin",
            "/webhooks/..\\admin",
            "/webhooks/%2e%2e/admin",
            "/webhooks/%2E./admin",
            "/webhooks/..%2fadmin",
            "/webhooks/a%5cb",
            "/webhooks/a%00b",
            "/webhooks/%252e%252e/admin",
            "/webhooks/%c0%ae%c0%ae/admin",
            "/webhooks/%zz",
            "/webhooks/%2",
            "/webhooks/a%3fb",
            "//webhooks/x",
            "webhooks/x",
            "*",
            "",
        ] {
            let seen = agreed(path);
            assert!(!lets(&prefix("/webhooks/"), seen.as_deref()), "{path}: {seen:?}");
            assert_eq!(seen, None, "{path}");
        }
    }

    #[test]
    fn a_plain_path_matches_as_the_app_sees_it() {
        let seen = |path| agreed(path).unwrap().into_owned();
        for path in ["/webhooks/x", "/webhooks/", "/%77ebhooks/x", "/webhooks/..x", "/webhooks/é"]
        {
            assert!(lets(&prefix("/webhooks/"), Some(&seen(path))), "{path}");
        }
        assert!(!lets(&prefix("/webhooks/"), Some("/webhooks")));
        assert!(!lets(&exact("/search"), Some("/search/")));
        assert!(!lets(&exact("/search"), Some("/Search")));
        assert!(lets(&exact("/search"), Some("/search")));
        assert_eq!(decoded_pattern(&PathPattern::Exact("/a%20b".into())), exact("/a b")[0]);
    }

    #[test]
    fn what_keeps_out_matches_every_reading_of_a_path() {
        for path in [
            "/unsubscribe",
            "/unsubscribe/",
            "/UNSUBSCRIBE",
            "//unsubscribe",
            "/x/../unsubscribe",
            "/x/%2e%2e/unsubscribe",
            "/x/%252e%252e/unsubscribe",
            "/x\\..\\unsubscribe",
            "/unsubscribe;jsessionid=1",
            "/./unsubscribe",
            "/%75nsubscribe",
            "/%2575nsubscribe",
            "/unsubscribe%00",
            "/..;/unsubscribe",
        ] {
            assert!(keeps_out(&exact("/unsubscribe"), path), "{path}");
        }
        assert!(keeps_out(&prefix("/admin/"), "/admin"));
        assert!(keeps_out(&prefix("/admin/"), "/x/%2e%2e/ADMIN/y"));
        assert!(!keeps_out(&exact("/unsubscribe"), "/unsubscribed"));
        assert!(!keeps_out(&[], "/unsubscribe"));
    }
}
