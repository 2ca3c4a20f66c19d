//! Ten years of one window, each week on Sunday at half past two by the clocks of Berlin, with time in hand: from a moment before each start
//! to a moment after its end, through twenty changes of those clocks and a 29 February, while machines crash and are suspended.

use std::time::Duration;

use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use roadworks::agent::plan_window;
use roadworks::clock;
use roadworks::switch::window::{Day, Starts};
use roadworks::switch::{Mode, Window};

use super::nodes::window;
use super::{Course, STEP, Size, staged};

const YEARS: i16 = 10;
/// For so many seconds the site is closed each time.
const LASTS: u32 = 60;
/// From so long before each start it is played second by second.
const BEFORE: Duration = Duration::from_secs(4);
/// Within this it is closed when somebody leads, and within this when whoever led is gone.
const SOON: Duration = Duration::from_secs(6);
const TAKEN_OVER: Duration = Duration::from_secs(40);
/// Within this after its end it is open.
const OPEN: Duration = Duration::from_secs(10);
const SIZE: Size = Size { gateways: 1, agents: 2, operators: 1, steps: 0 };

/// When it starts, by the rule of the European Union alone: clocks are one hour ahead, and two from the last Sunday of March, 01:00 UTC,
/// to the last of October. At that hour in March 02:30 does not exist and it starts when clocks go on, an hour later by them; in
/// October it exists twice, and the first counts.
fn starts(year: i16) -> Vec<Timestamp> {
    let last_sunday = |month| {
        let last = date(year, month, 31);
        (0..7).map(|back| last - back.days()).find(|day| day.weekday() == Weekday::Sunday).unwrap()
    };
    let (march, october) = (last_sunday(3), last_sunday(10));
    let at = |day: Date, minute: i64| {
        let midnight = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).unwrap();
        midnight + SignedDuration::from_mins(minute)
    };
    let days = (0..366).map(|ahead| date(year, 1, 1) + ahead.days());
    let sundays = days.filter(|day| day.year() == year && day.weekday() == Weekday::Sunday);
    let minute = |day: Date| match day {
        // In March 02:30 would be 01:30 UTC by the clocks of before: it is 03:30 by those of after.
        day if day > march && day <= october => 30,
        _ => 90,
    };
    sundays.map(|day| at(day, minute(day))).collect()
}

/// What happens at one of its starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing.
    Well,
    /// One of the two who may lead is suspended before it starts, and wakes when it is over.
    OneSleeps(usize),
    /// So are both: it never begins.
    AllSleep,
    /// One of them crashes just before, and is started again when it is over.
    OneCrashes(usize),
}

impl Fate {
    fn of(week: usize) -> Fate {
        match week % 10 {
            2 => Fate::OneSleeps(0),
            4 => Fate::OneCrashes(1),
            5 => Fate::AllSleep,
            7 => Fate::OneSleeps(1),
            9 => Fate::OneCrashes(0),
            _ => Fate::Well,
        }
    }
}

impl Course {
    /// Plays the years from that in which the world began.
    async fn years(&mut self) -> Result<usize, String> {
        let ground = self.ground.clone();
        ground.world.inner().storm = None;
        for machine in &mut self.machines {
            machine.start(&ground);
        }
        let now = ground.world.wall(SignedDuration::ZERO);
        let planned = window(("w1".to_owned(), "ana"), Mode::Closed, 0, LASTS);
        let weekly = Starts::Weekly { days: vec![Day::Sun], time: "02:30".parse().unwrap() };
        let zone = "Europe/Berlin".to_owned();
        let planned = Window { starts: weekly, zone, from: now, ..planned };
        plan_window(&ground.store(3), &planned).await.unwrap();
        tokio::time::sleep(STEP * 30).await;
        let first = TimeZone::UTC.to_datetime(now).year();
        let all = (first..first + YEARS).flat_map(starts).filter(|start| *start > now);
        let mut begun = 0;
        for (week, start) in all.enumerate() {
            let fate = Fate::of(week);
            self.week(start, fate)
                .await
                .map_err(|why| format!("{start}, {fate:?}: {why}\n{}", ground.world.history()))?;
            begun += usize::from(fate != Fate::AllSleep);
            let closed = ground.world.operations(Mode::Closed);
            if closed != begun {
                return Err(format!("{start}, {fate:?}: begun {closed} times and not {begun}"));
            }
        }
        Ok(begun)
    }

    /// One start, from a moment before it to a moment after its end.
    async fn week(&mut self, start: Timestamp, fate: Fate) -> Result<(), String> {
        let ground = self.ground.clone();
        let before = start - SignedDuration::try_from(BEFORE).unwrap();
        ground.world.leaps_to(before);
        let began = clock::monotonic();
        let lasts = Duration::from_secs(LASTS.into());
        let over = BEFORE + lasts + OPEN;
        let agents = &mut self.machines[SIZE.gateways..];
        match fate {
            Fate::Well => {}
            Fate::OneSleeps(which) => agents[which].sleeps(&ground, over),
            Fate::AllSleep => agents.iter().for_each(|agent| agent.sleeps(&ground, over)),
            Fate::OneCrashes(which) => agents[which].crash(&ground),
        }
        let is = async |mode, at: Duration| {
            tokio::time::sleep_until(began + at).await;
            ground.world.found()?;
            let seen = ground.world.asked().unwrap_or(Mode::Open);
            if seen == mode { Ok(()) } else { Err(format!("after {at:?} it is {seen}")) }
        };
        is(Mode::Open, BEFORE.saturating_sub(STEP)).await?;
        let within = match fate {
            Fate::Well => SOON,
            Fate::OneSleeps(_) | Fate::OneCrashes(_) | Fate::AllSleep => TAKEN_OVER,
        };
        let closed = if fate == Fate::AllSleep { Mode::Open } else { Mode::Closed };
        is(closed, BEFORE + within).await?;
        is(closed, (BEFORE + lasts).saturating_sub(STEP)).await?;
        is(Mode::Open, over).await?;
        for machine in self.machines.iter_mut().filter(|machine| !machine.runs()) {
            machine.start(&ground);
        }
        // Who was suspended is awake, and finds nothing to begin.
        is(Mode::Open, over + STEP * 4).await
    }
}

#[test]
fn ten_years_of_windows_begin_and_end_as_they_were_planned() {
    // Of an odd seed every clock is right.
    let (ended, _) = staged(1, Some(SIZE), None, async |course, _| course.years().await);
    match ended {
        Ok(begun) => assert!(begun > 450, "{begun}"),
        Err(found) => panic!("{found}"),
    }
}
