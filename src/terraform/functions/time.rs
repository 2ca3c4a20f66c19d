//! Functions of RFC 3339 timestamps that are given; the clock itself is never read.

use std::cmp::Ordering;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};

use super::arguments::{Answer, Arguments, Failure, Signature, TEXT};
use crate::terraform::number::Number;
use crate::terraform::value::Value;

pub(super) const TABLE: &[Signature] = &[
    Signature::fixed("formatdate", &[TEXT, TEXT], format_date),
    Signature::fixed("timeadd", &[TEXT, TEXT], add),
    Signature::fixed("timecmp", &[TEXT, TEXT], compare),
];

/// A moment as it was written: local time, and minutes east of UTC.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    local: DateTime,
    offset: i32,
}

impl Stamp {
    /// `2006-01-02T15:04:05Z`, with an offset or a fraction.
    fn read(text: &str) -> Result<Self, Failure> {
        let wrong = || Failure::from("a timestamp like 2006-01-02T15:04:05Z is required");
        let part = |from: usize, to: usize| -> Option<i32> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let bytes = text.as_bytes();
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if marks.iter().any(|(place, mark)| bytes.get(*place) != Some(mark)) {
            return Err(wrong());
        }
        let fields = [(0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19)]
            .map(|(from, to)| part(from, to));
        let [Some(year), Some(month), Some(day), Some(hour), Some(minute), Some(second)] = fields
        else {
            return Err(wrong());
        };
        let small = |field: i32| i8::try_from(field).map_err(|_too_large| wrong());
        let rest = text.get(19..).ok_or_else(wrong)?;
        let (nanosecond, zone) = fraction(rest).ok_or_else(wrong)?;
        let year = i16::try_from(year).map_err(|_too_large| wrong())?;
        let date = Date::new(year, small(month)?, small(day)?).map_err(|_no_day| wrong())?;
        let time = Time::new(small(hour)?, small(minute)?, small(second)?, nanosecond)
            .map_err(|_no_time| wrong())?;
        Ok(Self { local: date.to_datetime(time), offset: offset(zone).ok_or_else(wrong)? })
    }

    fn utc(self) -> Result<DateTime, Failure> {
        let east = SignedDuration::from_mins(i64::from(self.offset));
        self.local.checked_sub(east).map_err(|_too_far| "the time is out of range".into())
    }

    /// The offset as `+02:00`, with another sign between.
    fn zone(self, between: &str) -> String {
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.abs();
        format!("{sign}{:02}{between}{:02}", minutes / 60, minutes % 60)
    }

    fn zone_or_z(self, between: &str) -> String {
        if self.offset == 0 { "Z".to_owned() } else { self.zone(between) }
    }
}

/// Digits behind a point as nanoseconds, and what follows them.
fn fraction(text: &str) -> Option<(i32, &str)> {
    let Some(rest) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let end = rest.find(|next: char| !next.is_ascii_digit())?;
    let (digits, zone) = rest.split_at(end);
    let nine: String = digits.chars().chain("000000000".chars()).take(9).collect();
    (!digits.is_empty()).then_some((nine.parse().ok()?, zone))
}

/// `Z` or `+02:00`, in minutes.
fn offset(zone: &str) -> Option<i32> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match zone.as_bytes().first()? {
        b'+' => (1, zone.get(1..)?),
        b'-' => (-1, zone.get(1..)?),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two = |digits: &str| -> Option<i32> {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn compare(mut args: Arguments<'_>) -> Answer {
    let (left, right) = (Stamp::read(&args.text()?)?.utc()?, Stamp::read(&args.text()?)?.utc()?);
    let order = match left.cmp(&right) {
        Ordering::Less => -1i64,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    };
    Ok(Value::Number(Number::from(order)))
}

/// The result keeps the offset and drops the fraction, as Terraform prints it.
fn add(mut args: Arguments<'_>) -> Answer {
    let (stamp, duration) = (Stamp::read(&args.text()?)?, duration(&args.text()?)?);
    let local = stamp.local.checked_add(duration).map_err(|_too_far| "the time is out of range")?;
    if !(0..=9999).contains(&local.year()) {
        return Err("the time is out of range".into());
    }
    let local = local.strftime("%Y-%m-%dT%H:%M:%S");
    Ok(Value::String(format!("{local}{}", stamp.zone_or_z(":"))))
}

/// Go's durations: `-1h30m5.5s`, with the units h, m, s, ms, us (or µs), ns.
fn duration(text: &str) -> Result<SignedDuration, Failure> {
    let wrong = || Failure::from("a duration like 1h30m is required");
    let (negative, mut left) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or("")),
        Some(b'+') => (false, text.get(1..).unwrap_or("")),
        _ => (false, text),
    };
    if left == "0" {
        return Ok(SignedDuration::ZERO);
    }
    if left.is_empty() || left.len() > 64 {
        return Err(wrong());
    }
    let mut total = 0i128;
    while !left.is_empty() {
        let end =
            left.find(|next: char| !next.is_ascii_digit() && next != '.').ok_or_else(wrong)?;
        let (amount, rest) = left.split_at(end);
        let end =
            rest.find(|next: char| next.is_ascii_digit() || next == '.').unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(end);
        left = rest;
        let nanoseconds: i128 = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" | "μs" => 1_000,
            "ns" => 1,
            _ => return Err(wrong()),
        };
        let (whole, part) = amount.split_once('.').unwrap_or((amount, ""));
        if (whole.is_empty() && part.is_empty())
            || whole.len() > 18
            || part.len() > 18
            || part.contains('.')
        {
            return Err(wrong());
        }
        let read = |digits: &str| {
            if digits.is_empty() {
                Ok(0)
            } else {
                digits.parse::<i128>().map_err(|_no_number| wrong())
            }
        };
        let scale = 10i128.pow(u32::try_from(part.len()).unwrap_or(18));
        total += read(whole)? * nanoseconds + read(part)? * nanoseconds / scale;
    }
    let total =
        i64::try_from(if negative { -total } else { total }).map_err(|_too_long| wrong())?;
    Ok(SignedDuration::from_nanos(total))
}

/// Runs of one letter are fields, other characters stand for themselves, and quotes hold letters that do.
fn format_date(mut args: Arguments<'_>) -> Answer {
    let (format, stamp) = (args.text()?, Stamp::read(&args.text()?)?);
    let mut printed = String::new();
    let mut left = format.as_str();
    while let Some(next) = left.chars().next() {
        if next == '\'' {
            let (literal, rest) = quoted(left)?;
            printed.push_str(&literal);
            left = rest;
            continue;
        }
        let end = left.find(|other| other != next).unwrap_or(left.len());
        let (run, rest) = left.split_at(end);
        left = rest;
        if next.is_ascii_alphabetic() {
            printed.push_str(&field(run, stamp)?);
        } else {
            printed.push_str(run);
        }
    }
    Ok(Value::String(printed))
}

/// `'o''clock'`, and what follows; `''` alone is one quote.
fn quoted(text: &str) -> Result<(String, &str), Failure> {
    let mut left = text.strip_prefix('\'').unwrap_or(text);
    if let Some(rest) = left.strip_prefix('\'') {
        return Ok(("'".to_owned(), rest));
    }
    let mut literal = String::new();
    loop {
        let (part, rest) = left.split_once('\'').ok_or("a quote in the format has no end")?;
        literal.push_str(part);
        match rest.strip_prefix('\'') {
            Some(rest) => {
                literal.push('\'');
                left = rest;
            }
            None => return Ok((literal, rest)),
        }
    }
}

fn field(run: &str, stamp: Stamp) -> Result<String, Failure> {
    let local = stamp.local;
    let half = (local.hour() + 11) % 12 + 1;
    let in_words = |format: &str| local.strftime(format).to_string();
    Ok(match run {
        "YYYY" => format!("{:04}", local.year()),
        "YY" => format!("{:02}", local.year() % 100),
        "M" => local.month().to_string(),
        "MM" => format!("{:02}", local.month()),
        "MMM" => in_words("%b"),
        "MMMM" => in_words("%B"),
        "D" => local.day().to_string(),
        "DD" => format!("{:02}", local.day()),
        "EEE" => in_words("%a"),
        "EEEE" => in_words("%A"),
        "h" => local.hour().to_string(),
        "hh" => format!("{:02}", local.hour()),
        "H" => half.to_string(),
        "HH" => format!("{half:02}"),
        "AA" => (if local.hour() < 12 { "AM" } else { "PM" }).to_owned(),
        "aa" => (if local.hour() < 12 { "am" } else { "pm" }).to_owned(),
        "m" => local.minute().to_string(),
        "mm" => format!("{:02}", local.minute()),
        "s" => local.second().to_string(),
        "ss" => format!("{:02}", local.second()),
        "Z" => stamp.zone_or_z(":"),
        "ZZZ" if stamp.offset == 0 => "UTC".to_owned(),
        "ZZZ" | "ZZZZ" => stamp.zone(""),
        "ZZZZZ" => stamp.zone(":"),
        _ => return Err(
            "the date format has an unknown field; letters that stand for themselves need quotes"
                .into(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, number, refused, text};

    /// Every expectation was printed by Terraform 1.11.4.
    #[test]
    fn dates_are_printed_as_terraform_prints_them() {
        for (format, time, printed) in [
            (
                "YYYY-MM-DD'T'hh:mm:ssZ EEE MMM D",
                "2018-01-02T23:12:01Z",
                "2018-01-02T23:12:01Z Tue Jan 2",
            ),
            (
                "EEEE, DD-MMM-YY hh:mm:ss ZZZ",
                "2018-01-02T23:12:01+02:00",
                "Tuesday, 02-Jan-18 23:12:01 +0200",
            ),
            (
                "H HH h AA aa ZZZZ ZZZZZ M MM m s '' 'o''clock'",
                "2018-01-02T23:12:01-05:30",
                "11 11 23 PM pm -0530 -05:30 1 01 12 1 ' o'clock",
            ),
        ] {
            assert_eq!(answer("formatdate", [text(format), text(time)]), Ok(text(printed)));
        }
        for (format, time) in [
            ("x", "2018-01-02T23:12:01Z"),
            ("YYY", "2018-01-02T23:12:01Z"),
            ("YYYY", "2018-01-02"),
            ("'", "2018-01-02T23:12:01Z"),
        ] {
            assert!(refused("formatdate", [text(format), text(time)]), "{format} {time}");
        }
    }

    #[test]
    fn durations_are_added_in_the_zone_that_was_given() {
        for (time, duration, later) in [
            ("2017-11-22T00:00:00Z", "10m", "2017-11-22T00:10:00Z"),
            ("2017-11-22T00:00:00+02:00", "-1h30.5s", "2017-11-21T22:59:29+02:00"),
            ("2017-11-22T00:00:00.5Z", "0", "2017-11-22T00:00:00Z"),
        ] {
            assert_eq!(answer("timeadd", [text(time), text(duration)]), Ok(text(later)));
        }
        for duration in ["1d", "", "1", "h", "1.2.3s", "99999999h", "-"] {
            assert!(
                refused("timeadd", [text("2017-11-22T00:00:00Z"), text(duration)]),
                "{duration}"
            );
        }
    }

    #[test]
    fn times_are_compared_as_moments() {
        let compare = |left: &str, right: &str| answer("timecmp", [text(left), text(right)]);
        assert_eq!(compare("2017-11-22T00:00:00Z", "2017-11-22T02:00:00+02:00"), Ok(number("0")));
        assert_eq!(compare("2017-11-22T00:00:00Z", "2017-11-22T00:00:00.1Z"), Ok(number("-1")));
        assert!(refused("timecmp", [text("2017-02-30T00:00:00Z"), text("2017-11-22T00:00:00Z")]));
    }
}
