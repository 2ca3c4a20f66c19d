//! Whether who told of itself still lives: by the clock where all read the same one, else by whether it tells again.
//!
//! Never trusts the clock of another machine: it may be minutes wrong. Where the two agree nobody has to wait.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::clock;
use crate::store::{SiteStore, Store};

/// So many missed ones in a row, and nobody takes it for alive.
const MISSED: u32 = 3;
/// Whoever may live and does not look like it is watched for so many times that it should have told again.
const WATCHED: u32 = 2;
/// Clocks that differ by more than this are not only wrong: what is as old as that was told by who is gone.
const APART: SignedDuration = SignedDuration::from_mins(15);

/// What is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulse {
    /// It told a moment ago.
    Alive,
    /// It should have told again, and has not.
    Silent,
    /// Only watching it longer will tell: its clock or ours is wrong, or it is gone.
    Unsure,
}

/// What one reader has seen, of many.
#[derive(Debug)]
pub(super) struct Pulses {
    one_clock: bool,
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    at: Timestamp,
    /// Since when this is what it told last, by our own clock.
    since: Instant,
    /// Whether it has told something else before that.
    again: bool,
}

impl Pulses {
    /// Nobody was seen yet of those who tell in `store`.
    pub(super) fn of<S: Store>(store: &SiteStore<S>) -> Pulses {
        Pulses { one_clock: store.one_clock(), seen: BTreeMap::new() }
    }

    /// `id` told `at`, as we see now, and is to tell again within `every` seconds.
    pub(super) fn feel(&mut self, id: &str, at: Timestamp, every: u32) -> Pulse {
        self.felt(id, (at, every), clock::now(), clock::monotonic())
    }

    fn felt(
        &mut self,
        id: &str,
        (at, every): (Timestamp, u32),
        wall: Timestamp,
        now: Instant,
    ) -> Pulse {
        let (every, age) = (every.clamp(1, 60), wall.duration_since(at));
        let missed = SignedDuration::from_secs(i64::from(every * MISSED));
        if self.one_clock {
            return if age <= missed { Pulse::Alive } else { Pulse::Silent };
        }
        let again = self.seen.get(id).map(|seen| seen.at != at || seen.again);
        let seen = match self.seen.get(id) {
            Some(seen) if seen.at == at => seen,
            _ => {
                let seen = Seen { at, since: now, again: again.unwrap_or_default() };
                self.seen.entry(id.to_owned()).insert_entry(seen).into_mut()
            }
        };
        let watched = now.duration_since(seen.since);
        let seconds = |times: u32| Duration::from_secs(u64::from(every * times));
        match age.abs() {
            _ if watched > seconds(MISSED) => Pulse::Silent,
            _ if seen.again => Pulse::Alive,
            age if age <= missed => Pulse::Alive,
            age if age > APART || watched > seconds(WATCHED) => Pulse::Silent,
            _ => Pulse::Unsure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is felt of one who tells each 5 s, seen at these seconds of ours with what it told at these of its own.
    fn felt(mut pulses: Pulses, seen: &[(u64, i64)]) -> Vec<Pulse> {
        let began = clock::monotonic();
        let wall = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let felt = seen.iter().map(|(now, told)| {
            let (now, shows) = (Duration::from_secs(*now), wall(now.cast_signed()));
            pulses.felt("i-0aa", (wall(*told), 5), shows, began + now)
        });
        felt.collect()
    }

    fn of_many_machines() -> Pulses {
        Pulses { one_clock: false, seen: BTreeMap::new() }
    }

    #[test]
    fn where_clocks_agree_who_told_a_moment_ago_lives_at_once_and_not_for_ever() {
        assert_eq!(felt(of_many_machines(), &[(0, -14)]), [Pulse::Alive]);
        assert_eq!(
            felt(of_many_machines(), &[(0, 14), (15, 14), (16, 14)])[1..],
            [Pulse::Alive, Pulse::Silent]
        );
    }

    #[test]
    fn who_looks_silent_by_a_clock_that_is_wrong_is_watched_until_it_tells_again() {
        for skew in [-299, 299] {
            let lives =
                felt(of_many_machines(), &[(0, skew), (4, skew), (5, skew + 5), (19, skew + 5)]);
            assert_eq!(lives, [Pulse::Unsure, Pulse::Unsure, Pulse::Alive, Pulse::Alive], "{skew}");
            let gone = felt(of_many_machines(), &[(0, skew), (10, skew), (11, skew)]);
            assert_eq!(gone, [Pulse::Unsure, Pulse::Unsure, Pulse::Silent], "{skew}");
        }
        assert_eq!(
            felt(of_many_machines(), &[(0, -1000)]),
            [Pulse::Silent],
            "nobody waits for who is long gone"
        );
    }

    fn of_one_machine() -> Pulses {
        Pulses { one_clock: true, seen: BTreeMap::new() }
    }

    #[test]
    fn on_one_machine_the_clock_says_it_at_once() {
        assert_eq!(felt(of_one_machine(), &[(0, -15), (1, -15)]), [Pulse::Alive, Pulse::Silent]);
        assert_eq!(felt(of_one_machine(), &[(0, 30)]), [Pulse::Alive]);
    }
}
