//! A planned operation: when it starts, by whose clocks, and for how long.
//!
//! Pure: zones and times come in as arguments. A start that clocks skip (they are put forward) comes when they go on; of one that
//! they show twice the first counts.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::{Mode, OnEnd, OperationId, Switch};

/// How many seconds before it starts a window is announced, where nobody said otherwise: a day.
const AHEAD: u32 = 24 * 60 * 60;
/// How many seconds before it starts those who were told of it are told again, where nobody said otherwise.
const REMINDS: u32 = 15 * 60;
/// How far ahead a start is looked for: a rule of days has one in each eight.
const LOOKS_AHEAD: i64 = 16;

/// A window of one site, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its format.
    pub format: u32,
    /// What `cancel` takes.
    pub id: String,
    /// What the site is put into.
    pub mode: Mode,
    /// When.
    #[serde(flatten)]
    pub starts: Starts,
    /// The name of the time zone by whose clocks.
    pub zone: String,
    /// For how many seconds.
    pub lasts: u32,
    /// What happens at its end; `None` means to reopen.
    #[serde(default)]
    pub on_end: Option<OnEnd>,
    /// Why, in the words of who planned it.
    pub reason: Option<String>,
    /// Who planned it.
    pub by: String,
    /// No start before this counts: it was planned then.
    pub from: Timestamp,
    /// The last of its starts that was looked after, and what came of it.
    #[serde(default)]
    pub last: Option<Seen>,
    /// What was about to begin it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<Begins>,
    /// So many seconds before it starts it is announced; `None` means a day, 0 not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u32>,
    /// The last of its starts that was announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<Announced>,
    /// So many seconds before it starts those who were told are told again; `None` means a quarter of an hour, 0 not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind: Option<u32>,
    /// The last of its starts of which they were told again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded: Option<Announced>,
}

/// That a window was about to begin: written before the switch is thrown, so that whoever comes after a crash, or after somebody who
/// opened in the same moment, does not begin it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begins {
    /// Which of its starts.
    pub start: Timestamp,
    /// The version of the switch before it; 0 where nobody had thrown it.
    pub version: u64,
    /// The operation that stood then: an end that is moved is another version, and throws nothing. An older program did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationId>,
}

impl Begins {
    /// That it is about to begin for `found`, where `switch` stands.
    pub fn at(found: &Occurrence, switch: Option<&Switch>) -> Begins {
        Begins {
            start: found.start,
            version: switch.map_or(0, |switch| switch.version),
            operation: switch.map(|switch| switch.operation.clone()),
        }
    }
}

/// That somebody was to be told of a window to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// Of which of its starts.
    pub start: Timestamp,
    /// When: the same for whoever finishes telling.
    pub at: Timestamp,
}

/// What came of one start of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Which.
    pub start: Timestamp,
    /// What.
    pub outcome: Outcome,
    /// Why, where it did not begin.
    #[serde(default)]
    pub why: Option<String>,
}

/// What came of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The site was put into its mode: that is not done again.
    Begun,
    /// Somebody had asked for as much or more, so far.
    LeftAlone,
    /// It could not be, so far.
    Failed,
}

/// When a window starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "starts", rename_all = "lowercase")]
pub enum Starts {
    /// Once.
    Once {
        /// Then.
        at: Timestamp,
    },
    /// Each week, on these days.
    Weekly {
        /// `mon` to `sun`; seven of them are every day.
        days: Vec<Day>,
        /// What clocks show.
        time: Time,
    },
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the days of the week")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// One of a window's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// When it starts.
    pub start: Timestamp,
    /// When its time is over.
    pub end: Timestamp,
    /// Whether clocks skip the time that it was planned for.
    pub skipped: bool,
}

impl Day {
    /// All of them.
    pub const WEEK: [Day; 7] =
        [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

    /// By its name, of which three letters will do.
    pub fn named(text: &str) -> Option<Day> {
        const NAMES: [&str; 7] =
            ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let text = text.to_ascii_lowercase();
        let mut named = Day::WEEK.into_iter().zip(NAMES);
        named.find(|(_, name)| text.len() >= 3 && name.starts_with(&text)).map(|(day, _)| day)
    }

    /// Its name in three letters.
    pub fn word(self) -> &'static str {
        match self {
            Day::Mon => "mon",
            Day::Tue => "tue",
            Day::Wed => "wed",
            Day::Thu => "thu",
            Day::Fri => "fri",
            Day::Sat => "sat",
            Day::Sun => "sun",
        }
    }

    /// Whether `date` is one.
    pub fn is(self, date: Date) -> bool {
        Day::of(date.weekday()) == self
    }

    fn of(day: Weekday) -> Day {
        match day {
            Weekday::Monday => Day::Mon,
            Weekday::Tuesday => Day::Tue,
            Weekday::Wednesday => Day::Wed,
            Weekday::Thursday => Day::Thu,
            Weekday::Friday => Day::Fri,
            Weekday::Saturday => Day::Sat,
            Weekday::Sunday => Day::Sun,
        }
    }
}

impl Window {
    /// Its first time that starts at `after` or later, by clocks in `zone`.
    pub fn next(&self, zone: &TimeZone, after: Timestamp) -> Option<Occurrence> {
        match &self.starts {
            Starts::Once { at } => (*at >= after).then(|| self.occurrence((*at, false))),
            Starts::Weekly { days, time } => {
                let first = zone.to_datetime(after).date().yesterday().ok()?;
                (0..LOOKS_AHEAD).find_map(|ahead| {
                    let day = first.checked_add(ahead.days()).ok()?;
                    let (start, skipped) =
                        days.contains(&Day::of(day.weekday())).then(|| at(day, *time, zone))??;
                    (start >= after).then(|| self.occurrence((start, skipped)))
                })
            }
        }
    }

    /// The time of it that `now` is in.
    pub fn current(&self, zone: &TimeZone, now: Timestamp) -> Option<Occurrence> {
        let lasts = SignedDuration::from_secs(i64::from(self.lasts));
        let found = self.next(zone, now.checked_sub(lasts).unwrap_or(Timestamp::MIN))?;
        // What ends now is over; of two that follow one another the second may have begun.
        let found = if found.end <= now { self.next(zone, found.end)? } else { found };
        (found.start <= now && now < found.end).then_some(found)
    }

    /// The time that has come and did not begin yet: it was planned before it started.
    pub fn due(&self, zone: &TimeZone, now: Timestamp) -> Option<Occurrence> {
        let found = self.current(zone, now).filter(|found| found.start >= self.from)?;
        let begun = |last: &Seen| {
            last.start > found.start
                || (last.start == found.start && last.outcome == Outcome::Begun)
        };
        (!self.last.as_ref().is_some_and(begun)).then_some(found)
    }

    /// The time to come that is near enough to be announced.
    pub fn near(&self, zone: &TimeZone, now: Timestamp) -> Option<Occurrence> {
        let ahead = SignedDuration::from_secs(i64::from(self.ahead.unwrap_or(AHEAD)));
        let near = |found: &Occurrence| {
            now < found.start && found.start <= now.saturating_add(ahead).unwrap_or(now)
        };
        self.next(zone, now.max(self.from)).filter(near)
    }

    /// Whether those who were told of `found` are to be told again: it starts soon, and they were told before that.
    pub fn reminds(&self, found: &Occurrence, now: Timestamp) -> bool {
        let ahead = self.remind.unwrap_or(REMINDS);
        let Ok(at) = found.start.checked_sub(SignedDuration::from_secs(i64::from(ahead))) else {
            return false;
        };
        let told = self.announced.filter(|told| told.start == found.start);
        ahead > 0 && now >= at && told.is_some_and(|told| told.at < at)
    }

    /// The time to come of which somebody was told.
    pub fn told(&self, zone: &TimeZone, now: Timestamp) -> Option<Occurrence> {
        let told = self.announced?;
        self.next(zone, now).filter(|found| found.start == told.start)
    }

    /// What came of `found`, if it was looked after.
    pub fn seen(&self, found: &Occurrence) -> Option<&Seen> {
        self.last.as_ref().filter(|last| last.start == found.start)
    }

    /// Whether the switch was thrown since `found` was about to begin, by whomever: it is `switch` now.
    pub fn was_thrown(&self, found: &Occurrence, switch: Option<&Switch>) -> bool {
        let begins = self.begins.as_ref().filter(|begins| begins.start == found.start);
        begins.is_some_and(|begins| match &begins.operation {
            Some(operation) => switch.is_none_or(|switch| switch.operation != *operation),
            None => begins.version != switch.map_or(0, |switch| switch.version),
        })
    }

    /// The same, where this came of `found`.
    pub fn with(&self, found: &Occurrence, outcome: Outcome, why: Option<String>) -> Window {
        Window { last: Some(Seen { start: found.start, outcome, why }), ..self.clone() }
    }

    /// Its next time that starts before the one before it is over, within a year of `from`.
    pub fn meets_itself(&self, zone: &TimeZone, from: Timestamp) -> Option<Timestamp> {
        let until = from.checked_add(SignedDuration::from_hours(24 * 366)).ok()?;
        let mut last = self.next(zone, from)?;
        while last.start < until {
            let after = last.start.checked_add(SignedDuration::from_secs(1)).ok()?;
            let next = self.next(zone, after)?;
            if next.start <= last.end {
                return Some(next.start);
            }
            last = next;
        }
        None
    }

    /// The first time, within a year of `from`, at which both want the site.
    pub fn meets(
        &self,
        other: &Window,
        (zone, others): (&TimeZone, &TimeZone),
        from: Timestamp,
    ) -> Option<Timestamp> {
        let until = from.checked_add(SignedDuration::from_hours(24 * 366)).ok()?;
        let all = |window: &Window, zone: &TimeZone| {
            let mut all: Vec<_> = window.current(zone, from).into_iter().collect();
            let mut after = all.first().map_or(from, |first| first.end);
            while let Some(next) = window.next(zone, after).filter(|next| next.start < until) {
                after = next.start.checked_add(SignedDuration::from_secs(1)).unwrap_or(until);
                all.push(next);
            }
            all
        };
        let theirs = all(other, others);
        all(self, zone).iter().find_map(|own| {
            let meets = theirs.iter().find(|one| one.start < own.end && own.start < one.end)?;
            Some(own.start.max(meets.start))
        })
    }

    fn occurrence(&self, (start, skipped): (Timestamp, bool)) -> Occurrence {
        let lasts = SignedDuration::from_secs(i64::from(self.lasts));
        Occurrence { start, end: start.checked_add(lasts).unwrap_or(Timestamp::MAX), skipped }
    }
}

/// When clocks in `zone` show this, and whether they skip it.
pub fn at(day: Date, time: Time, zone: &TimeZone) -> Option<(Timestamp, bool)> {
    let ambiguous = zone.to_ambiguous_timestamp(day.to_datetime(time));
    let skipped = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
    Some((ambiguous.compatible().ok()?, skipped))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(days: &[Day], at: &str, lasts: u32) -> Window {
        Window {
            format: 1,
            id: "w1".to_owned(),
            mode: Mode::Closed,
            starts: Starts::Weekly { days: days.to_vec(), time: at.parse().unwrap() },
            zone: "Europe/Berlin".to_owned(),
            lasts,
            on_end: None,
            begins: None,
            ahead: None,
            announced: None,
            remind: None,
            reminded: None,
            reason: None,
            by: "ana@laptop".to_owned(),
            from: time("2020-01-01T00:00:00Z"),
            last: None,
        }
    }

    #[test]
    fn a_week_has_its_day_whatever_the_clocks_are_put_to() {
        let (berlin, window) = (zone("Europe/Berlin"), window(&[Day::Sat], "03:00", 1_800));
        let starts = |after: &str| window.next(&berlin, time(after)).unwrap().start.to_string();
        assert_eq!(starts("2026-11-29T06:00:00Z"), "2026-12-05T02:00:00Z");
        assert_eq!(starts("2026-12-05T02:00:00Z"), "2026-12-05T02:00:00Z");
        assert_eq!(starts("2026-12-05T02:00:01Z"), "2026-12-12T02:00:00Z");
        assert_eq!(starts("2026-06-01T00:00:00Z"), "2026-06-06T01:00:00Z");
    }

    #[test]
    fn a_time_that_clocks_skip_comes_when_they_go_on_and_one_that_they_show_twice_comes_once() {
        let berlin = zone("Europe/Berlin");
        let window = window(&[Day::Sun], "02:30", 900);
        // 2026-03-29: 02:00 is 03:00.
        let skipped = window.next(&berlin, time("2026-03-28T00:00:00Z")).unwrap();
        assert_eq!((skipped.start, skipped.skipped), (time("2026-03-29T01:30:00Z"), true));
        // 2026-10-25: 03:00 is 02:00 again.
        let twice = window.next(&berlin, time("2026-10-24T00:00:00Z")).unwrap();
        assert_eq!((twice.start, twice.skipped), (time("2026-10-25T00:30:00Z"), false));
        let after = window.next(&berlin, time("2026-10-25T00:30:01Z")).unwrap();
        assert_eq!(after.start, time("2026-11-01T01:30:00Z"));
    }

    #[test]
    fn what_has_come_begins_once_and_what_was_left_alone_is_looked_after_again() {
        let berlin = zone("Europe/Berlin");
        let window = window(&[Day::Sat], "03:00", 1_800);
        let now = time("2026-12-05T02:10:00Z");
        let found = window.due(&berlin, now).unwrap();
        assert_eq!(window.due(&berlin, time("2026-12-05T01:59:59Z")), None);
        assert_eq!(window.due(&berlin, time("2026-12-05T02:30:00Z")), None);
        for (outcome, again) in
            [(Outcome::Begun, false), (Outcome::LeftAlone, true), (Outcome::Failed, true)]
        {
            let seen = window.with(&found, outcome, None);
            assert_eq!(seen.due(&berlin, now).is_some(), again, "{outcome:?}");
            // The next week is another start.
            assert!(seen.due(&berlin, time("2026-12-12T02:10:00Z")).is_some());
        }
        // Planned when it had begun already: not of its past.
        let late = Window { from: now, ..window };
        assert_eq!(late.due(&berlin, now), None);
    }

    #[test]
    fn whoever_was_told_is_told_again_when_it_starts_soon_and_nobody_twice_at_once() {
        let berlin = zone("Europe/Berlin");
        let plain = window(&[Day::Sat], "03:00", 1_800);
        let found = plain.next(&berlin, time("2026-12-04T12:00:00Z")).unwrap();
        let told = |at: &str| Window {
            announced: Some(Announced { start: found.start, at: time(at) }),
            ..plain.clone()
        };
        let (early, late) = (told("2026-12-04T02:00:00Z"), told("2026-12-05T01:50:00Z"));
        let reminds = |window: &Window, at: &str| window.reminds(&found, time(at));
        assert!(!reminds(&early, "2026-12-05T01:44:59Z"));
        assert!(reminds(&early, "2026-12-05T01:45:00Z"));
        assert!(!reminds(&late, "2026-12-05T01:55:00Z"), "they were told five minutes ago");
        assert!(!reminds(&plain, "2026-12-05T01:55:00Z"), "nobody was told");
        let never = Window { remind: Some(0), ..early.clone() };
        assert!(!reminds(&never, "2026-12-05T01:55:00Z"));
        let hour = Window { remind: Some(3_600), ..early.clone() };
        assert!(reminds(&hour, "2026-12-05T01:00:00Z"));
        assert_eq!(early.told(&berlin, time("2026-12-05T01:00:00Z")), Some(found));
        assert_eq!(early.told(&berlin, time("2026-12-05T02:00:01Z")), None, "the next is another");
    }

    #[test]
    fn an_end_that_is_moved_is_no_throw_of_the_switch_and_another_operation_is() {
        use crate::switch::{Ask, End, OperationId, Switch};
        let berlin = zone("Europe/Berlin");
        let window = window(&[Day::Sat], "03:00", 1_800);
        let now = time("2026-12-05T02:10:00Z");
        let found = window.due(&berlin, now).unwrap();
        let ask = |number| Ask {
            operation: OperationId::at(now, number),
            mode: Mode::ReadOnly,
            by: "ana".to_owned(),
            reason: None,
            before: std::collections::BTreeMap::new(),
            end: None,
            gateway: None,
            run: None,
        };
        let asked = Switch::asked(None, ask(1), now);
        let switch = asked.confirmed(&asked.operation, 0, now).unwrap();
        let begins = |switch: Option<&Switch>| Window {
            begins: Some(Begins::at(&found, switch)),
            ..window.clone()
        };
        let extended = switch.ending(End::At { until: found.end, then: None });
        let thrown = Switch::asked(Some(&extended), ask(2), now);
        assert!(!begins(Some(&switch)).was_thrown(&found, Some(&extended)));
        assert!(begins(Some(&switch)).was_thrown(&found, Some(&thrown)));
        assert!(begins(None).was_thrown(&found, Some(&switch)), "nobody had thrown it");
        assert!(!begins(None).was_thrown(&found, None));
        let mut older = begins(Some(&switch));
        older.begins.as_mut().unwrap().operation = None;
        assert!(older.was_thrown(&found, Some(&extended)), "all that an older program knows");
    }

    #[test]
    fn a_window_that_is_longer_than_its_week_meets_itself() {
        let berlin = zone("Europe/Berlin");
        let from = time("2026-11-29T06:00:00Z");
        assert_eq!(window(&Day::WEEK, "03:00", 82_800 - 1).meets_itself(&berlin, from), None);
        // The day on which clocks are put forward has 23 hours.
        let meets = window(&Day::WEEK, "03:00", 82_800).meets_itself(&berlin, from);
        assert_eq!(meets, Some(time("2027-03-28T01:00:00Z")));
        assert!(window(&Day::WEEK, "03:00", 108_000).meets_itself(&berlin, from).is_some());
    }

    #[test]
    fn two_windows_meet_where_both_want_the_site() {
        let berlin = zone("Europe/Berlin");
        let (one, other) = (window(&[Day::Sat], "03:00", 1_800), window(&Day::WEEK, "03:20", 600));
        let from = time("2026-11-29T06:00:00Z");
        let meets = one.meets(&other, (&berlin, &berlin), from);
        assert_eq!(meets, Some(time("2026-12-05T02:20:00Z")));
        let later = window(&Day::WEEK, "03:30", 600);
        assert_eq!(one.meets(&later, (&berlin, &berlin), from), None);
        // The same time elsewhere is another one, but for the weeks between two changes of the clocks.
        let york = zone("America/New_York");
        let there = window(&[Day::Fri], "22:00", 600);
        let meets = one.meets(&there, (&berlin, &york), from).unwrap();
        assert_eq!(meets, time("2027-03-20T02:00:00Z"));
    }

    #[test]
    fn days_are_known_by_their_names() {
        assert_eq!(
            ["mon", "Saturday", "THURS"].map(Day::named),
            [Day::Mon, Day::Sat, Day::Thu].map(Some)
        );
        assert_eq!(["mo", "someday", ""].map(Day::named), [None; 3]);
    }

    #[test]
    fn ten_years_of_windows_have_each_of_their_days_once() {
        for name in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"] {
            let (zone, window) = (zone(name), window(&Day::WEEK, "02:30", 3_600));
            let (mut after, mut count) = (time("2024-01-01T12:00:00Z"), 0);
            while let Some(next) =
                window.next(&zone, after).filter(|next| next.start < time("2034-01-01T12:00:00Z"))
            {
                // At its start, in its last second, and never before or after.
                assert_eq!(window.current(&zone, next.start), Some(next));
                let second = SignedDuration::from_secs(1);
                assert_eq!(window.current(&zone, next.end - second), Some(next));
                assert_eq!(window.current(&zone, next.end), None, "{name} {next:?}");
                assert_eq!(window.current(&zone, next.start - second), None, "{name} {next:?}");
                (after, count) = (next.start + second, count + 1);
            }
            assert_eq!(count, 3_653, "{name}");
        }
    }

    proptest! {
        #[test]
        fn the_time_that_now_is_in_is_the_one_that_comes_first_from_its_start(
            at in 0i64..400_000_000, lasts in 60u32..200_000, hour in 0i8..24, minute in 0i8..60,
            days in 1usize..8,
        ) {
            let berlin = zone("Europe/Berlin");
            let mut window = window(Day::WEEK.get(..days).unwrap(), "00:00", lasts);
            let time = Time::new(hour, minute, 0, 0).unwrap();
            window.starts = Starts::Weekly { days: Day::WEEK.get(..days).unwrap().to_vec(), time };
            let now = Timestamp::from_second(1_700_000_000 + at).unwrap();
            if let Some(found) = window.current(&berlin, now) {
                prop_assert!(found.start <= now && now < found.end);
                prop_assert_eq!(window.next(&berlin, found.start), Some(found));
            }
            let next = window.next(&berlin, now).unwrap();
            prop_assert!(next.start >= now);
            prop_assert!(next.start.duration_since(now) <= SignedDuration::from_hours(8 * 24));
        }
    }
}
