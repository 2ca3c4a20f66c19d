//! A text with a unit -> a duration or a size. The same words on the command line and in roadworks.hcl.

use std::time::Duration;

use jiff::SignedDuration;

/// A duration such as `90s`, `15m`, `1h30m`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let parsed = match text.parse::<u64>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => text
            .parse::<SignedDuration>()
            .map_err(|error| error.to_string())
            .and_then(|signed| Duration::try_from(signed).map_err(|error| error.to_string())),
    };
    parsed.map_err(|_| format!("`{text}` is not a duration: 90s, 15m, 1h30m"))
}

/// A size such as `32KiB`, `1MiB`, `500kB`; a bare number is bytes.
pub(super) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 8] = [
        ("", 1),
        ("b", 1),
        ("kb", 1_000),
        ("kib", 1 << 10),
        ("mb", 1_000_000),
        ("mib", 1 << 20),
        ("gb", 1_000_000_000),
        ("gib", 1 << 30),
    ];
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_lowercase();
    let unit = UNITS.iter().find(|(word, _)| *word == unit).map(|(_, bytes)| *bytes);
    let bytes =
        number.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    bytes.ok_or_else(|| format!("`{text}` is not a size: 32KiB, 1MiB, or a number of bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(duration("90").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("1h30m").unwrap(), Duration::from_mins(90));
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        for wrong in ["-3s", "soon", "", "20 parsecs", "99999999999999999999"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(size("32KiB").unwrap(), 32_768);
        assert_eq!(size("1 MB").unwrap(), 1_000_000);
        assert_eq!(size("240").unwrap(), 240);
        for wrong in ["", "KiB", "-1", "1.5MiB", "3 miles", "99999999999GiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_unit_panic(text in ".{0,40}") {
            let _seen = (duration(&text).is_ok(), size(&text).is_ok());
        }
    }
}
