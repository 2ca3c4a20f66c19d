//! Names and values as Route 53 stores them. Pure text.

/// A record's name: lower case, without trailing dot, inside its zone, special characters escaped.
///
/// The provider appends the zone's name to a name that does not end with it (`expandRecordName`).
pub(super) fn record_name(written: &str, zone: Option<&str>) -> String {
    let name = written.strip_suffix('.').unwrap_or(written).to_lowercase();
    let whole = match zone {
        Some(zone) if name.is_empty() => zone.to_owned(),
        Some(zone) if !name.ends_with(zone) => format!("{name}.{zone}"),
        _ => name,
    };
    escaped(&whole)
}

/// What Route 53 would refuse in a record's name (Route 53 developer guide, "DNS domain name format").
pub(super) fn mistake(name: &str) -> Option<&'static str> {
    const LONGEST_NAME: usize = 255;
    const LONGEST_LABEL: usize = 63;
    // An escape stands for one byte and takes four.
    let bytes = |text: &str| text.len() - 3 * text.matches('\\').count();
    if name.is_empty() {
        Some("is empty, and the name of its zone is not known")
    } else if bytes(name) > LONGEST_NAME {
        Some("is longer than 255 bytes")
    } else if name.split('.').any(str::is_empty) {
        Some("has two dots in a row")
    } else if name.split('.').any(|label| bytes(label) > LONGEST_LABEL) {
        Some("has a part of more than 63 bytes")
    } else {
        None
    }
}

/// An alias target's name: lower case, without trailing dot, special characters escaped.
pub(super) fn target_name(written: &str) -> String {
    let name = written.to_lowercase();
    escaped(name.strip_suffix('.').unwrap_or(&name))
}

/// A zone's id without what stands before it.
pub(super) fn zone_id(written: &str) -> String {
    written.rsplit('/').next().unwrap_or(written).to_owned()
}

/// A value as the API takes it: the provider puts quotes around texts (`flattenTxtEntry`).
pub(super) fn record_value(kind: &str, written: &str) -> String {
    if matches!(kind, "TXT" | "SPF") { format!("\"{written}\"") } else { written.to_owned() }
}

/// Everything but `a-z`, `0-9`, `-`, `_` and `.` as `\ooo` (Route 53 developer guide, "DNS domain name format"). What
/// is written as `\ooo` already stays.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let bytes = name.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let octal = bytes.get(at + 1..at + 4);
        let is_escape = |digits: &[u8]| digits.iter().all(|digit| (b'0'..=b'7').contains(digit));
        match (byte, octal) {
            (b'\\', Some(digits)) if is_escape(digits) => {
                text.push('\\');
                text.extend(digits.iter().map(|digit| char::from(*digit)));
                at += 4;
                continue;
            }
            (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.', _) => text.push(char::from(*byte)),
            (byte, _) => text.extend(format!("\\{byte:03o}").chars()),
        }
        at += 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_without_its_dot_and_with_its_star_escaped() {
        assert_eq!(record_name("*.Example.COM.", None), r"\052.example.com");
        assert_eq!(record_name(r"\052.example.com", None), r"\052.example.com");
        assert_eq!(record_name("a_b.example.com", None), "a_b.example.com");
    }

    #[test]
    fn a_name_outside_its_zone_gets_the_zone_appended() {
        assert_eq!(record_name("www", Some("example.com")), "www.example.com");
        assert_eq!(record_name("www.example.com.", Some("example.com")), "www.example.com");
        assert_eq!(record_name("", Some("example.com")), "example.com");
        assert_eq!(record_name("www", None), "www");
    }

    #[test]
    fn a_name_that_dns_cannot_hold_is_a_mistake() {
        for good in ["a.example.com", r"\052.example.com", &"a".repeat(63), &r"\303".repeat(63)] {
            assert_eq!(mistake(good), None, "{good}");
        }
        for bad in ["", "a..b", &"a".repeat(64), &"a.".repeat(200)] {
            assert!(mistake(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn only_texts_get_quotes() {
        assert_eq!(record_value("TXT", "v=spf1 -all"), "\"v=spf1 -all\"");
        assert_eq!(record_value("A", "192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn a_target_keeps_its_dualstack_prefix() {
        assert_eq!(target_name("DualStack.lb.amazonaws.com."), "dualstack.lb.amazonaws.com");
    }
}
