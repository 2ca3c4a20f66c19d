//! What somebody wrote for a time -> when a window starts.

use std::time::Duration;

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

use super::super::args::AddArgs;
use super::super::error::Error;
use crate::hcl::nearest;
use crate::switch::window::{Day, Starts, at};

/// More is not a window.
const LONGEST: Duration = Duration::from_hours(24 * 30);

pub(super) fn usage(message: String) -> Error {
    let hint = "for example: roadworks schedule add 'sat 03:00' --for 30m --mode closed --timezone Europe/Berlin";
    Error::Usage { message, hint: hint.to_owned() }
}

/// The zone of that name; this machine's, where none is given.
pub(super) fn zone(name: Option<&str>) -> Result<(String, TimeZone), Error> {
    let Some(name) = name else {
        let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
        return match zone.iana_name().map(str::to_owned) {
            Some(name) => Ok((name, zone)),
            None if zone == TimeZone::UTC => Ok(("UTC".to_owned(), zone)),
            None => Err(Error::Usage {
                message: "the time zone of this machine has no name".to_owned(),
                hint: "say it: --timezone Europe/Berlin".to_owned(),
            }),
        };
    };
    if let Ok(zone) = TimeZone::get(name) {
        let name = zone.iana_name().unwrap_or(name).to_owned();
        return Ok((name, zone));
    }
    let known: Vec<String> =
        jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "a name of the tz database, such as Europe/Berlin or UTC".to_owned(),
    };
    Err(Error::Usage { message: format!("there is no time zone `{name}`"), hint })
}

/// When `text` is, by clocks in `zone`, seen from `now`.
pub(super) fn starts(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Starts, Error> {
    let wrong = || usage(format!("`{text}` is no time for a window"));
    let text = text.trim();
    if let Some(rule) = text.strip_prefix("every ") {
        let (days, time) = rule.trim().rsplit_once(' ').ok_or_else(wrong)?;
        let days = match days.trim() {
            "day" => Some(Day::WEEK.to_vec()),
            days => days.split(',').map(|day| Day::named(day.trim())).collect(),
        };
        let mut days: Vec<Day> = days.ok_or_else(wrong)?;
        days.sort_by_key(|day| Day::WEEK.iter().position(|one| one == day));
        days.dedup();
        let time = time.parse::<Time>().map_err(|_| wrong())?;
        return Ok(Starts::Weekly { days, time });
    }
    if let Some(at) = once(text, zone)? {
        return Ok(Starts::Once { at });
    }
    let (day, time) = match text.rsplit_once(' ') {
        Some((day, time)) => (Some(Day::named(day.trim()).ok_or_else(wrong)?), time),
        None => (None, text),
    };
    let time = time.parse::<Time>().map_err(|_| wrong())?;
    let today = zone.to_datetime(now).date();
    for ahead in 0..9_i64 {
        let Ok(date) = today.checked_add(ahead.days()) else { break };
        if day.is_some_and(|day| !day.is(date)) {
            continue;
        }
        let (start, skipped) = at(date, time, zone).ok_or_else(wrong)?;
        if start > now {
            return if skipped {
                Err(is_skipped(date.to_datetime(time), zone))
            } else {
                Ok(Starts::Once { at: start })
            };
        }
    }
    Err(wrong())
}

/// A time that is written in full.
fn once(text: &str, zone: &TimeZone) -> Result<Option<Timestamp>, Error> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Some(at));
    }
    // A time alone is none of a date.
    if !text.contains('-') {
        return Ok(None);
    }
    let Ok(local) = text.parse::<DateTime>() else { return Ok(None) };
    let ambiguous = zone.to_ambiguous_timestamp(local);
    if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
        return Err(is_skipped(local, zone));
    }
    Ok(ambiguous.compatible().ok())
}

fn is_skipped(local: DateTime, zone: &TimeZone) -> Error {
    let name = zone.iana_name().unwrap_or("that zone");
    Error::Usage {
        message: format!(
            "clocks in {name} skip {}: they are put forward that day",
            local.strftime("%Y-%m-%d %H:%M")
        ),
        hint: "choose an hour before or after".to_owned(),
    }
}

/// For how many seconds.
pub(super) fn lasts(args: &AddArgs, starts: &Starts, zone: &TimeZone) -> Result<u32, Error> {
    let lasts = match (args.r#for, &args.until, starts) {
        (Some(lasts), _, _) => lasts,
        (None, Some(_), Starts::Weekly { .. }) => {
            return Err(usage("what comes each week has no --until: say --for".to_owned()));
        }
        (None, Some(text), Starts::Once { at }) => {
            let until =
                once(text, zone)?.ok_or_else(|| usage(format!("`{text}` is no date and time")))?;
            Duration::try_from(until.duration_since(*at))
                .ok()
                .filter(|lasts| !lasts.is_zero())
                .ok_or_else(|| {
                    usage(format!("it would end at {until}, before it starts at {at}"))
                })?
        }
        (None, None, _) => return Err(usage("it has no --for".to_owned())),
    };
    if lasts > LONGEST {
        return Err(usage("a window lasts 30 days at most".to_owned()));
    }
    Ok(u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX))
}
