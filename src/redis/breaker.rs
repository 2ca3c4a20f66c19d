//! When Redis counts as away, and when as back. Pure: whoever asks brings the time.
//!
//! One for each upstream, shared by all connections: an outage costs its few budgets once, not once for each connection of a pool.

use std::time::Duration;

use tokio::time::Instant;

/// So many late answers in a row are an outage.
const LATE: u32 = 3;
/// So many probes in a row are an end of it.
const WELL: u32 = 3;
/// Between probes that go well.
const BETWEEN: Duration = Duration::from_millis(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Away again so soon after it came back: it flaps.
const FLAPS: Duration = Duration::from_secs(30);
/// How long it then stays away at least, doubled each time up to [`FLAPS`].
const LEAST_OPEN: Duration = Duration::from_secs(1);
/// Whoever was ordered to wait waits so long still for Redis to be found well.
const GRACE: Duration = Duration::from_secs(2);
/// Longer than any order lasts.
const ENDLESS: Duration = Duration::from_hours(24);

/// What speaks against Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It refused, reset, or says itself that it cannot answer.
    Gone,
    /// An answer took longer than it may.
    Late,
}

impl Trouble {
    /// What an error says of Redis itself, and not of the command.
    pub fn told_by(error: &[u8]) -> Option<Trouble> {
        let begins = |words: &[&str]| words.iter().any(|word| error.starts_with(word.as_bytes()));
        if begins(&[
            "-LOADING ",
            "-MASTERDOWN ",
            "-CLUSTERDOWN ",
            "-READONLY ",
            "-ERR max number of clients",
        ]) {
            return Some(Trouble::Gone);
        }
        begins(&["-BUSY "]).then_some(Trouble::Late)
    }
}

/// Whether Redis is asked. Each change is another epoch: who speaks of an earlier one is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posture {
    /// Counts the changes.
    pub epoch: u64,
    /// Since when it is away; `None` while it is there.
    pub away: Option<Instant>,
    /// Why it counts as away though it may be there.
    pub order: Option<Order>,
    /// How long clients wait from then on at least, whatever is configured.
    pub least_hold: Duration,
}

impl Posture {
    /// Until when clients wait for Redis; `hold` is how long they do in an outage.
    pub fn held_until(&self, hold: Duration) -> Option<Instant> {
        let since = self.away?;
        Some(match self.order {
            Some(Order::Open) => since,
            Some(Order::Hold) => since + ENDLESS,
            Some(Order::Away) | None => since + hold.max(self.least_hold),
        })
    }
}

/// What somebody ordered, whatever Redis is like: before it is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// What is done in an outage.
    Away,
    /// What may be said is said here, and everything else refused.
    Open,
    /// Clients wait.
    Hold,
}

/// The breaker of one upstream. It begins closed: the first connection finds out.
#[derive(Debug, Clone)]
pub struct Breaker {
    posture: Posture,
    late: u32,
    /// Probes that went well in a row, and those that did not.
    well: u32,
    failed: u32,
    came_back: Option<Instant>,
    least_open: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker {
            posture: Posture { epoch: 0, away: None, order: None, least_hold: Duration::ZERO },
            late: 0,
            well: 0,
            failed: 0,
            came_back: None,
            least_open: Duration::ZERO,
        }
    }
}

impl Breaker {
    /// One that begins open: something must be done before Redis is asked.
    pub fn away(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        breaker.posture.away = Some(now);
        breaker
    }

    /// Whether it is asked now.
    pub fn posture(&self) -> Posture {
        self.posture
    }

    /// Whether answers were late since the last good one.
    pub fn is_troubled(&self) -> bool {
        self.late > 0
    }

    // ## There -> away

    /// Somebody who asked in this epoch had trouble; whether it counts as away from now on.
    pub fn trouble(&mut self, epoch: u64, trouble: Trouble, now: Instant) -> bool {
        if epoch != self.posture.epoch || self.posture.away.is_some() {
            return false;
        }
        self.late += 1;
        if trouble == Trouble::Late && self.late < LATE {
            return false;
        }
        let flaps = self.came_back.is_some_and(|then| now.duration_since(then) < FLAPS);
        self.least_open =
            if flaps { (self.least_open * 2).clamp(LEAST_OPEN, FLAPS) } else { Duration::ZERO };
        self.begin(now);
        true
    }

    /// Something is ordered, or nothing any more: then Redis is asked once it is found to be well. Whether that is news.
    pub fn ordered(&mut self, order: Option<Order>, now: Instant) -> bool {
        let before = std::mem::replace(&mut self.posture.order, order);
        if before == order {
            return false;
        }
        if self.posture.away.is_none() {
            self.least_open = Duration::ZERO;
            self.begin(now);
        } else if order.is_none() {
            // From now on it is an outage, if it is one.
            self.posture.away = Some(now);
            (self.well, self.failed) = (0, 0);
        }
        self.posture.least_hold =
            if order.is_none() && before == Some(Order::Hold) { GRACE } else { Duration::ZERO };
        true
    }

    fn begin(&mut self, now: Instant) {
        self.posture.epoch += 1;
        self.posture.away = Some(now);
        self.posture.least_hold = Duration::ZERO;
        (self.late, self.well, self.failed) = (0, 0, 0);
    }

    /// An answer came in time.
    pub fn well(&mut self, epoch: u64) {
        if epoch == self.posture.epoch {
            self.late = 0;
        }
    }

    // ## Away -> there

    /// A probe went well; whether Redis may be asked again.
    pub fn probed_well(&mut self, now: Instant) -> bool {
        let Some(since) = self.posture.away else { return false };
        self.well = self.well.saturating_add(1);
        self.failed = 0;
        let is_ordered = self.posture.order.is_some();
        self.well >= WELL && !is_ordered && now.duration_since(since) >= self.least_open
    }

    /// It is asked from now on; whether it was not before, and may be.
    pub fn close(&mut self, now: Instant) -> bool {
        if self.posture.away.is_none() || self.posture.order.is_some() {
            return false;
        }
        self.posture.epoch += 1;
        self.posture.away = None;
        self.posture.least_hold = Duration::ZERO;
        self.came_back = Some(now);
        true
    }

    /// A probe failed.
    pub fn probed_ill(&mut self) {
        self.well = 0;
        self.failed = self.failed.saturating_add(1);
    }

    /// How long until the next probe: longer each time that one fails. `share` is a random number below 1, by which guards that
    /// lost the same Redis do not all come back at once.
    pub fn pause(&self, share: f64) -> Duration {
        if self.posture.order.is_some() {
            return LONGEST_PAUSE;
        }
        if self.well > 0 {
            return BETWEEN;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failed.min(8));
        doubled.min(LONGEST_PAUSE).mul_f64(0.75 + share.clamp(0.0, 1.0) / 4.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::monotonic;

    fn away(breaker: &mut Breaker, now: Instant) {
        assert!(breaker.trouble(breaker.posture().epoch, Trouble::Gone, now));
    }

    fn back(breaker: &mut Breaker, now: Instant) -> bool {
        (0..WELL).any(|_| breaker.probed_well(now)) && breaker.close(now)
    }

    #[test]
    fn refused_is_away_at_once_and_late_after_three_in_a_row() {
        let (mut breaker, now) = (Breaker::default(), monotonic());
        assert!(!breaker.trouble(0, Trouble::Late, now));
        assert!(!breaker.trouble(0, Trouble::Late, now));
        breaker.well(0);
        assert!(!breaker.trouble(0, Trouble::Late, now) && !breaker.trouble(0, Trouble::Late, now));
        assert!(breaker.trouble(0, Trouble::Late, now));
        let posture = breaker.posture();
        assert_eq!((posture.epoch, posture.away), (1, Some(now)));
        let mut breaker = Breaker::default();
        away(&mut breaker, now);
    }

    #[test]
    fn it_is_back_after_three_probes_in_a_row() {
        let (mut breaker, now) = (Breaker::default(), monotonic());
        away(&mut breaker, now);
        assert!(!breaker.probed_well(now) && !breaker.probed_well(now));
        breaker.probed_ill();
        assert!(!breaker.probed_well(now) && !breaker.probed_well(now) && breaker.probed_well(now));
        assert!(breaker.posture().away.is_some(), "what must be done first is done first");
        assert!(breaker.close(now));
        assert_eq!((breaker.posture().epoch, breaker.posture().away), (2, None));
    }

    #[test]
    fn what_is_ordered_counts_whatever_redis_is_like_and_ends_when_it_is_found_well() {
        let (mut breaker, now) = (Breaker::default(), monotonic());
        let hold = Duration::from_millis(500);
        assert!(
            breaker.ordered(Some(Order::Hold), now) && !breaker.ordered(Some(Order::Hold), now)
        );
        assert_eq!((breaker.posture().epoch, breaker.posture().away), (1, Some(now)));
        assert!(breaker.posture().held_until(hold).unwrap() > now + Duration::from_hours(1));
        assert!(!back(&mut breaker, now), "not before it is ordered");
        let later = now + Duration::from_mins(1);
        assert!(breaker.ordered(None, later));
        let until = breaker.posture().held_until(hold);
        assert_eq!(until, Some(later + GRACE), "who waited waits for it still");
        assert!(back(&mut breaker, later) && breaker.posture().held_until(hold).is_none());
        breaker.ordered(Some(Order::Open), later);
        assert_eq!(breaker.posture().held_until(hold), Some(later), "nobody waits");
        breaker.ordered(Some(Order::Away), later);
        assert_eq!(breaker.posture().held_until(hold), Some(later + hold), "as in an outage");
    }

    #[test]
    fn whoever_speaks_of_an_earlier_time_is_not_heard() {
        let (mut breaker, now) = (Breaker::default(), monotonic());
        away(&mut breaker, now);
        assert!(back(&mut breaker, now));
        assert!(!breaker.trouble(0, Trouble::Gone, now), "that connection was of before");
        assert_eq!(breaker.posture().away, None);
        assert!(!breaker.probed_well(now), "nobody asked");
    }

    #[test]
    fn what_flaps_stays_away_longer_each_time_up_to_half_a_minute() {
        let (mut breaker, mut now) = (Breaker::default(), monotonic());
        for least in [0, 1, 2, 4, 8, 16, 30, 30] {
            away(&mut breaker, now);
            let least = Duration::from_secs(least);
            if !least.is_zero() {
                assert!(!back(&mut breaker, now + least - Duration::from_millis(1)), "{least:?}");
            }
            now += least;
            assert!(back(&mut breaker, now), "{least:?}");
        }
        away(&mut breaker, now + FLAPS);
        assert!(back(&mut breaker, now + FLAPS), "it was well for long");
    }

    proptest! {
        #[test]
        fn probes_come_later_each_time_and_never_later_than_two_seconds(share in 0.0..1.0_f64) {
            let (mut breaker, mut last) = (Breaker::default(), Duration::ZERO);
            away(&mut breaker, monotonic());
            prop_assert!(breaker.pause(share) >= Duration::from_millis(75));
            for _ in 0..20 {
                let pause = breaker.pause(share);
                prop_assert!(pause >= last && pause <= LONGEST_PAUSE);
                last = pause;
                breaker.probed_ill();
            }
            prop_assert!(last >= Duration::from_millis(1_500));
        }
    }
}
