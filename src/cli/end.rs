//! When an operation ends: `--for`, `--until`, `--until-healthy`, and whoever keeps it.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::args::{AtEnd, FlipArgs};
use super::context::Opened;
use super::error::Error;
use super::report::{Report, Waiting};
use crate::agent::{self, Awaiting, Site, alive, at_end, between_asks, overdue, told_already};
use crate::clock;
use crate::lever::Progress;
use crate::store::{self, AnyStore, SiteStore, Version};
use crate::switch::{End, Health, LeverName, Mode, OnEnd, Switch, times};

/// Who is at the site is left to it for so long; and after it could not be opened.
const SOON: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_secs(30);

/// The end that `args` ask for, seen at `now`.
pub(super) fn wanted(args: &FlipArgs, to: Mode, now: Timestamp) -> Result<Option<End>, Error> {
    let until = match (args.r#for, &args.until) {
        (Some(after), _) => Some(later(now, after)?),
        (None, Some(text)) => Some(time(text, now)?),
        (None, None) => None,
    };
    let ends = until.is_some() || args.until_healthy.is_some();
    let then = match args.on_end {
        AtEnd::Reopen => None,
        AtEnd::Stay => Some(OnEnd::Stay),
    };
    match (args.until_healthy, until) {
        _ if ends && to == Mode::Open => Err(Error::Usage {
            message: "open has no end".to_owned(),
            hint: "leave out --for, --until and --until-healthy".to_owned(),
        }),
        (Some(passes), latest) => Ok(Some(End::Healthy { passes, latest })),
        (None, Some(until)) => Ok(Some(End::At { until, then })),
        (None, None) if args.stay => Err(Error::Usage {
            message: "--stay keeps an end, and none is given".to_owned(),
            hint: "say --for, --until or --until-healthy too".to_owned(),
        }),
        (None, None) => Ok(None),
    }
}

/// Refuses to wait for the health of a site that nothing could tell of.
pub(super) fn askable(opened: &Opened, until_healthy: Option<u32>) -> Result<(), Error> {
    match until_healthy {
        Some(_) if !can_tell(opened) => Err(Error::NothingToAsk),
        Some(_) | None => Ok(()),
    }
}

/// Whether the site has a check, or a gateway that looks at its upstreams.
fn can_tell(opened: &Opened) -> bool {
    let fronted = opened.site.levers.iter().any(|lever| lever.name() == LeverName::Gateway);
    fronted || !opened.site.checks.is_empty()
}

/// Where a site will not open at its end, because nothing could say that it is well.
pub(super) fn stays(opened: &Opened, end: End) -> Option<String> {
    let reopens = !matches!(end, End::At { then: Some(OnEnd::Stay), .. });
    let unchecked = reopens && !can_tell(opened);
    let words = "at its end the site stays as it is, overdue: it has neither a check nor a gateway that could say that the app is well (docs/checks.md)";
    unchecked.then(|| words.to_owned())
}

/// `after` later than `from`.
pub(super) fn later(from: Timestamp, after: Duration) -> Result<Timestamp, Error> {
    let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
    from.checked_add(after).map_err(|_| Error::Usage {
        message: "that is later than any calendar goes".to_owned(),
        hint: "give a shorter time".to_owned(),
    })
}

/// What somebody wrote: RFC 3339, a local date and time, or the next local HH:MM.
pub(super) fn time(text: &str, now: Timestamp) -> Result<Timestamp, Error> {
    let until = match text.parse::<Timestamp>() {
        Ok(at) => Some(at),
        Err(_) => local(text, now, &own_zone()?),
    };
    match until {
        Some(until) if until > now => Ok(until),
        Some(until) => Err(Error::Usage {
            message: format!("{until} is over"),
            hint: "give a time to come".to_owned(),
        }),
        None => Err(Error::Usage {
            message: format!("`{text}` is not a time"),
            hint: "2026-11-24T03:00:00Z, or 03:00".to_owned(),
        }),
    }
}

/// The time zone of whoever asks. Where `TZ` names one that is not known here, guessing UTC would reopen hours off.
fn own_zone() -> Result<TimeZone, Error> {
    let named = std::env::var_os("TZ").filter(|name| !name.is_empty());
    match (TimeZone::try_system(), named) {
        (Ok(zone), _) => Ok(zone),
        // Without TZ and /etc/localtime a system's clocks show UTC.
        (Err(_), None) => Ok(TimeZone::UTC),
        (Err(_), Some(name)) => Err(Error::Usage {
            message: format!(
                "a local time is asked for, and this machine knows no time zone `{}`, which TZ names",
                name.display()
            ),
            hint: "put TZ right, install tzdata, or say it in full: 2026-11-24T03:00:00Z"
                .to_owned(),
        }),
    }
}

/// What clocks in `zone` show, with a date or without.
fn local(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    match text.parse::<DateTime>() {
        Ok(at) => zone.to_timestamp(at).ok(),
        Err(_) => next(text.parse().ok()?, now, zone),
    }
}

/// The next time that clocks in `zone` show `time`.
fn next(time: Time, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let today = zone.to_datetime(now).date();
    let on = |day: Date| zone.to_timestamp(day.to_datetime(time)).ok();
    on(today).filter(|at| *at > now).or_else(|| on(today.checked_add(1.day()).ok()?))
}

/// Refuses an end that nobody could keep.
pub(super) async fn kept(store: &SiteStore<AnyStore>) -> Result<(), Error> {
    match alive(store).await? {
        Some(_) => Ok(()),
        None => Err(Error::NobodyKeepsTheEnd),
    }
}

/// Counts down, or asks the checks, in the foreground, then does what an agent would.
pub(super) async fn keep(report: Report, opened: &Opened) -> Result<(), Error> {
    let site = &opened.site;
    let waiting = Waiting::new(report);
    let began = clock::monotonic();
    let mut recovers = Recovers::default();
    loop {
        let read = match site.store.switch().await {
            Err(error @ store::Error::Unavailable { .. }) => {
                // Nobody else keeps this end: a store that is away for a while is waited for.
                let waited = clock::monotonic().duration_since(began);
                waiting.waiting(LeverName::Gateway, &error.to_string(), waited);
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
            read => read?,
        };
        let Some((switch, version)) = read else { return Ok(()) };
        let Some(end) = switch.end().filter(|_| switch.mode != Mode::Open) else {
            report.words("Somebody ended it meanwhile.");
            return Ok(());
        };
        let now = clock::now();
        let (what, pause) = match end {
            End::At { until, .. } if now >= until => {
                waiting.ended();
                return ended(report, site, &switch, &version).await;
            }
            End::At { until, .. } => {
                let left = now.duration_until(until);
                let what = format!("its end at {until}, in {} s", left.as_secs());
                let left = Duration::try_from(left).unwrap_or_default();
                (what, left.min(Duration::from_secs(1)))
            }
            End::Healthy { passes, .. } => {
                let Some(pause) = recovers.turn(report, site, (&switch, &version)).await? else {
                    waiting.ended();
                    report.words("Every check passes: open again.");
                    return Ok(());
                };
                (format!("every check to pass {}: {}", times(passes), recovers.found), pause)
            }
        };
        waiting.waiting(LeverName::Gateway, &what, clock::monotonic().duration_since(began));
        tokio::time::sleep(pause).await;
    }
}

/// The health of a site, as it is waited for in the foreground.
#[derive(Default)]
struct Recovers {
    awaiting: Option<Awaiting>,
    found: &'static str,
    told: bool,
    /// What was in the way last.
    said: Option<String>,
}

impl Recovers {
    /// Asks once; after how long to ask again, or `None` where the site has recovered and is open. What an agent would survive is said
    /// and survived.
    async fn turn(
        &mut self,
        report: Report,
        site: &Site<AnyStore>,
        (switch, version): (&Switch, &Version),
    ) -> Result<Option<Duration>, Error> {
        let pause = between_asks(site);
        if switch.is_overdue(clock::now()) && !self.told {
            match late(site, switch).await {
                Ok(()) => {
                    report.words("Its time is over, and it is not healthy yet.");
                    self.told = true;
                }
                // Everything is asked all the same.
                Err(error) => self.says(report, &error),
            }
        }
        self.awaiting = Awaiting::of(self.awaiting.take(), switch, clock::monotonic());
        let Some(awaiting) = &mut self.awaiting else { return Ok(Some(pause)) };
        let (recovered, found) = awaiting.asks(site).await;
        self.found = match found {
            Health::Well => "they pass",
            Health::Unwell => "one does not pass",
            Health::Unknown => "they cannot be asked",
        };
        if !recovered {
            return Ok(Some(pause));
        }
        match at_end(site, switch, version).await {
            Ok(()) => Ok(None),
            Err(agent::Error::Unchecked { .. } | agent::Error::Unwell { .. }) => {
                awaiting.again();
                Ok(Some(pause))
            }
            // Somebody is at it, or works.
            Err(
                agent::Error::Store(store::Error::Leased { .. } | store::Error::Moved { .. })
                | agent::Error::StalePlan { .. }
                | agent::Error::Superseded { .. }
                | agent::Error::Runs { .. },
            ) => Ok(Some(SOON.max(pause))),
            Err(
                error @ (agent::Error::Store(store::Error::Unavailable { .. })
                | agent::Error::Rule { .. }
                | agent::Error::Unrecorded(_)),
            ) => {
                awaiting.again();
                self.says(report, &error);
                Ok(Some(AGAIN))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Says what is in the way, once as long as it is the same.
    fn says(&mut self, report: Report, error: &agent::Error) {
        let why = error.to_string();
        if self.said.as_ref() != Some(&why) {
            report.words(&format!("It cannot be opened yet: {why}. {}", error.hint()));
            self.said = Some(why);
        }
    }
}

/// Tells that it is overdue, unless an agent has.
async fn late(site: &Site<AnyStore>, switch: &Switch) -> Result<(), agent::Error> {
    if told_already(&site.store, switch).await? {
        return Ok(());
    }
    overdue(&site.store, &site.name, switch, "its checks have not passed yet").await
}

async fn ended(
    report: Report,
    site: &Site<AnyStore>,
    switch: &Switch,
    version: &Version,
) -> Result<(), Error> {
    if switch.on_end == Some(OnEnd::Stay) {
        overdue(&site.store, &site.name, switch, "it was to stay").await?;
        report.words(&format!("Its time is over, and it stays {}.", switch.mode));
        return Ok(());
    }
    match at_end(site, switch, version).await {
        Ok(()) => {
            report.words("Its time is over: open again.");
            Ok(())
        }
        Err(
            error @ (agent::Error::Rule { .. }
            | agent::Error::Unchecked { .. }
            | agent::Error::Unwell { .. }),
        ) => {
            overdue(&site.store, &site.name, switch, &error.to_string()).await?;
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_clock_is_the_next_one_in_local_time() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let now: Timestamp = "2026-11-23T22:30:00Z".parse().unwrap();
        let next = |text: &str| local(text, now, &zone).unwrap().to_string();
        assert_eq!(next("00:45"), "2026-11-23T22:45:00Z");
        assert_eq!(next("00:15"), "2026-11-24T22:15:00Z");
        assert_eq!(next("03:00"), "2026-11-24T01:00:00Z");
        assert_eq!(next("2026-12-24 00:45"), "2026-12-23T22:45:00Z");
        assert!(time("2020-01-01T00:00:00Z", now).is_err());
    }
}
