//! When Redis counts as away, and when as back; and who answers a command meanwhile. Pure: whoever asks brings the time.
//!
//! One for each upstream, shared by all connections: an outage costs its few budgets once, not once for each connection of a pool.

use std::time::Duration;

use tokio::time::Instant;

use super::lateness::Lateness;

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
/// Where it has refused no write for so long, it takes them.
const QUIET: Duration = Duration::from_secs(5);

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
        if Self::says_undone(error) || begins(&["-CLUSTERDOWN "]) {
            return Some(Trouble::Gone);
        }
        begins(&["-BUSY "]).then_some(Trouble::Late)
    }

    /// Whether a command that has this error was certainly not done: by Redis's own words, since a script may say others. It refuses
    /// so before it does anything (`processCommand`), and before it reads anything where it has no room (`acceptCommonHandler`).
    pub fn says_undone(error: &[u8]) -> bool {
        let begins = |words: &str| error.starts_with(words.as_bytes());
        let loads =
            begins("-LOADING ") && error.ends_with(b" is loading the dataset in memory\r\n");
        loads
            || begins("-MASTERDOWN Link with MASTER is down")
            || begins("-ERR max number of clients reached")
    }
}

/// Why a Redis that answers takes no writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwritable {
    /// `OOM`
    Full,
    /// `MISCONF`
    Unsaved,
    /// `NOREPLICAS`
    Alone,
    /// `READONLY`
    Replica,
}

impl Unwritable {
    const ALL: [(&'static str, Unwritable); 4] = [
        ("OOM", Unwritable::Full),
        ("MISCONF", Unwritable::Unsaved),
        ("NOREPLICAS", Unwritable::Alone),
        ("READONLY", Unwritable::Replica),
    ];

    /// What an error says: of a command, or of why a whole transaction is not done.
    pub fn told_by(error: &[u8]) -> Option<Unwritable> {
        let because = b"-EXECABORT Transaction discarded because of: ";
        let why = error.strip_prefix(because).or_else(|| error.strip_prefix(b"-"))?;
        let end = why.iter().position(|byte| *byte == b' ')?;
        let code = why.get(..end)?;
        Self::ALL.into_iter().find(|(word, _)| word.as_bytes() == code).map(|(_, known)| known)
    }

    /// Its code.
    pub fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, known)| *known == self).map_or("", |(word, _)| word)
    }
}

/// What is asked of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Everything.
    All,
    /// Everything but what was dropped and is to be removed yet: it refuses writes, or did a moment ago.
    Clean,
    /// Nothing that tells what a cache has: others have yet to remove what they dropped. Writes are passed on, or guards that write
    /// would wait for each other for ever.
    Writes,
    /// Nothing, since then.
    Nothing(Instant),
}

/// What is known of other guards of the same Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// None has anything to remove.
    Clean,
    /// One has, or nobody knows.
    HaveDropped,
}

/// What a command tells of what a cache has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// Nothing: it writes, or is about something else.
    Nothing,
    /// Of keys of which a write was dropped.
    Dropped,
    /// Of keys of a cache, in whatever state.
    Cache,
}

/// Who answers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// It is passed on.
    Redis,
    /// The table of what an empty Redis says.
    Guard,
}

impl Asks {
    /// Who answers a command that tells so much: the one place that says so.
    pub fn who(self, tells: Tells) -> Who {
        match (self, tells) {
            (Asks::All, _)
            | (Asks::Clean, Tells::Nothing | Tells::Cache)
            | (Asks::Writes, Tells::Nothing) => Who::Redis,
            (Asks::Clean, Tells::Dropped)
            | (Asks::Writes, Tells::Dropped | Tells::Cache)
            | (Asks::Nothing(_), _) => Who::Guard,
        }
    }
}

/// Whether Redis is asked. Each time that it goes or comes back is another epoch: who speaks of an earlier one is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posture {
    /// Counts how often it went and came back.
    pub epoch: u64,
    /// What it is asked.
    pub asks: Asks,
    /// Why it counts as away though it may be there.
    pub order: Option<Order>,
    /// How long clients wait from then on at least, whatever is configured.
    pub least_hold: Duration,
}

impl Posture {
    /// Since when it is away; `None` while it is there.
    pub fn away(&self) -> Option<Instant> {
        match self.asks {
            Asks::Nothing(since) => Some(since),
            Asks::All | Asks::Clean | Asks::Writes => None,
        }
    }

    /// Until when clients wait for Redis; `hold` is how long they do in an outage.
    pub fn held_until(&self, hold: Duration) -> Option<Instant> {
        let since = self.away()?;
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
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    epoch: u64,
    away: Option<Instant>,
    late: Lateness,
    /// Probes that went well in a row, and those that did not.
    well: u32,
    failed: u32,
    /// How often in this outage it was well, and could not be asked all the same.
    in_vain: u32,
    came_back: Option<Instant>,
    least_open: Duration,
    order: Option<Order>,
    least_hold: Duration,
    /// When it last refused a write, of late.
    refused: Option<Instant>,
    /// Whether it still has what was dropped while it was there.
    is_dirty: bool,
    /// Whether others have yet to remove something.
    others: bool,
}

impl Breaker {
    /// One that begins open: something must be done before Redis is asked.
    pub fn away(now: Instant) -> Breaker {
        Breaker { away: Some(now), ..Breaker::default() }
    }

    /// What it is asked now.
    pub fn posture(&self) -> Posture {
        let asks = match self.away {
            Some(since) => Asks::Nothing(since),
            None if self.others => Asks::Writes,
            None if self.is_partly_away() => Asks::Clean,
            None => Asks::All,
        };
        Posture { epoch: self.epoch, asks, order: self.order, least_hold: self.least_hold }
    }

    /// Whether it takes no writes, or has yet what was dropped because of that.
    pub fn is_partly_away(&self) -> bool {
        self.is_dirty || self.refused.is_some()
    }

    /// Whether others have something to remove is known.
    pub fn set_others(&mut self, others: Others) {
        self.others = others == Others::HaveDropped;
    }

    /// Whether it refused a write a moment ago.
    pub fn is_refusing(&self) -> bool {
        self.refused.is_some()
    }

    /// Whether answers were late, so that good ones count.
    pub fn is_troubled(&self) -> bool {
        self.late.matters()
    }

    // ## There -> away

    /// Somebody who asked in this epoch had trouble; whether it counts as away from now on.
    pub fn trouble(&mut self, epoch: u64, trouble: Trouble, now: Instant) -> bool {
        if epoch != self.epoch || self.away.is_some() {
            return false;
        }
        if trouble == Trouble::Late && !self.late.late(now) {
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
        let before = std::mem::replace(&mut self.order, order);
        if before == order {
            return false;
        }
        if self.away.is_none() {
            self.least_open = Duration::ZERO;
            self.begin(now);
        } else if order.is_none() {
            // From now on it is an outage, if it is one.
            self.away = Some(now);
            (self.well, self.failed) = (0, 0);
        }
        self.least_hold =
            if order.is_none() && before == Some(Order::Hold) { GRACE } else { Duration::ZERO };
        true
    }

    fn begin(&mut self, now: Instant) {
        self.epoch += 1;
        self.away = Some(now);
        self.least_hold = Duration::ZERO;
        self.late = Lateness::default();
        (self.well, self.failed, self.in_vain, self.refused) = (0, 0, 0, None);
    }

    /// So many answers came in time.
    pub fn well(&mut self, epoch: u64, count: u32, now: Instant) {
        if epoch == self.epoch {
            self.late.in_time(count);
            self.late.calm(now);
        }
    }

    // ## Away -> there

    /// A probe went well; whether Redis may be asked again.
    pub fn probed_well(&mut self, now: Instant) -> bool {
        let Some(since) = self.away else { return false };
        self.well = self.well.saturating_add(1);
        self.failed = 0;
        let is_ordered = self.order.is_some();
        self.well >= WELL && !is_ordered && now.duration_since(since) >= self.least_open
    }

    /// It is asked from now on; whether it was not before, and may be. Nothing is left in it that may not be read.
    pub fn close(&mut self, now: Instant) -> bool {
        (self.is_dirty, self.failed, self.in_vain) = (false, 0, 0);
        if self.order.is_some() || self.away.take().is_none() {
            return false;
        }
        self.epoch += 1;
        self.least_hold = Duration::ZERO;
        self.came_back = Some(now);
        true
    }

    /// It is well, and what must be done before it is asked could not be.
    pub fn not_reopened(&mut self) {
        self.well = 0;
        self.in_vain = self.in_vain.saturating_add(1);
    }

    /// A probe failed.
    pub fn probed_ill(&mut self) {
        self.well = 0;
        self.failed = self.failed.saturating_add(1);
    }

    // ## There -> partly away

    /// It refused a write; whether it did not a moment ago.
    pub fn refused(&mut self, now: Instant) -> bool {
        if self.away.is_some() {
            return false;
        }
        self.refused.replace(now).is_none()
    }

    /// Something was dropped while it is there.
    pub fn dirtied(&mut self) {
        self.is_dirty |= self.away.is_none();
    }

    // ## Partly away -> there

    /// How long until it takes writes again, if it refuses none meanwhile; `None` where it takes them.
    pub fn quiet(&self, now: Instant) -> Option<Duration> {
        self.refused.map(|then| (then + QUIET).saturating_duration_since(now))
    }

    /// Whether it takes writes again, and did not before.
    pub fn calmed(&mut self, now: Instant) -> bool {
        let is_over = !self.is_dirty && self.quiet(now) == Some(Duration::ZERO);
        is_over && self.refused.take().is_some()
    }

    /// How long until the next probe: longer each time that one fails. `share` is a random number below 1, by which guards that
    /// lost the same Redis do not all come back at once.
    pub fn pause(&self, share: f64) -> Duration {
        if self.order.is_some() {
            return LONGEST_PAUSE;
        }
        if self.well > 0 {
            return BETWEEN;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failed.max(self.in_vain).min(8));
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
        breaker.well(0, 1, now);
        assert!(!breaker.trouble(0, Trouble::Late, now) && !breaker.trouble(0, Trouble::Late, now));
        assert!(breaker.trouble(0, Trouble::Late, now));
        let posture = breaker.posture();
        assert_eq!((posture.epoch, posture.asks), (1, Asks::Nothing(now)));
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
        assert!(breaker.posture().away().is_some(), "what must be done first is done first");
        assert!(breaker.close(now));
        assert_eq!((breaker.posture().epoch, breaker.posture().asks), (2, Asks::All));
    }

    #[test]
    fn what_is_ordered_counts_whatever_redis_is_like_and_ends_when_it_is_found_well() {
        let (mut breaker, now) = (Breaker::default(), monotonic());
        let hold = Duration::from_millis(500);
        assert!(
            breaker.ordered(Some(Order::Hold), now) && !breaker.ordered(Some(Order::Hold), now)
        );
        assert_eq!((breaker.posture().epoch, breaker.posture().away()), (1, Some(now)));
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
    fn what_is_well_and_cannot_be_asked_is_tried_later_each_time() {
        let (mut breaker, now) = (Breaker::default(), monotonic());
        away(&mut breaker, now);
        let mut last = Duration::ZERO;
        for _ in 0..6 {
            assert!((0..WELL).any(|_| breaker.probed_well(now)));
            breaker.not_reopened();
            assert!(breaker.pause(1.0) > last || last == LONGEST_PAUSE);
            last = breaker.pause(1.0);
        }
        assert_eq!(last, LONGEST_PAUSE);
        assert!(back(&mut breaker, now), "as soon as it can be");
        away(&mut breaker, now);
        assert_eq!(breaker.pause(1.0), FIRST_PAUSE);
    }

    #[test]
    fn whoever_speaks_of_an_earlier_time_is_not_heard() {
        let (mut breaker, now) = (Breaker::default(), monotonic());
        away(&mut breaker, now);
        assert!(back(&mut breaker, now));
        assert!(!breaker.trouble(0, Trouble::Gone, now), "that connection was of before");
        assert_eq!(breaker.posture().away(), None);
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

    #[test]
    fn a_redis_that_refuses_writes_is_read_but_for_what_was_dropped_until_it_has_refused_none_for_a_while()
     {
        let (mut breaker, now) = (Breaker::default(), monotonic());
        assert!(breaker.refused(now) && !breaker.refused(now), "it is told once");
        breaker.dirtied();
        let asks = breaker.posture().asks;
        assert_eq!((breaker.posture().epoch, asks), (0, Asks::Clean), "nobody is let go");
        assert_eq!((asks.who(Tells::Nothing), asks.who(Tells::Dropped)), (Who::Redis, Who::Guard));
        assert!(!breaker.calmed(now + QUIET), "it has yet what was dropped");
        assert!(!breaker.close(now), "it was there all the time");
        assert!(!breaker.calmed(now + QUIET / 2) && breaker.calmed(now + QUIET));
        assert_eq!(breaker.posture().asks, Asks::All);
        breaker.refused(now);
        away(&mut breaker, now);
        breaker.dirtied();
        assert!(back(&mut breaker, now));
        assert_eq!(breaker.posture().asks, Asks::All, "it came back with nothing left in it");
    }

    #[test]
    fn while_others_have_something_to_remove_nothing_is_read_and_everything_written() {
        let (mut breaker, now) = (Breaker::default(), monotonic());
        breaker.set_others(Others::HaveDropped);
        let asks = breaker.posture().asks;
        assert_eq!(asks, Asks::Writes);
        assert_eq!((asks.who(Tells::Nothing), asks.who(Tells::Cache)), (Who::Redis, Who::Guard));
        breaker.refused(now);
        breaker.dirtied();
        assert_eq!(breaker.posture().asks, Asks::Writes, "that is stricter");
        away(&mut breaker, now);
        assert!(breaker.posture().away().is_some());
        assert!(back(&mut breaker, now));
        assert_eq!(breaker.posture().asks, Asks::Writes, "it comes back to what others say");
        breaker.set_others(Others::Clean);
        assert_eq!(breaker.posture().asks, Asks::All);
    }

    #[test]
    fn what_refuses_writes_says_so_in_its_first_word() {
        for (error, known) in [
            (&b"-OOM command not allowed\r\n"[..], Some(Unwritable::Full)),
            (b"-MISCONF Redis is", Some(Unwritable::Unsaved)),
            (b"-NOREPLICAS Not enough", Some(Unwritable::Alone)),
            (b"-READONLY You can't", Some(Unwritable::Replica)),
            (b"-EXECABORT Transaction discarded because of: OOM command", Some(Unwritable::Full)),
            (b"-EXECABORT Transaction discarded because of previous errors.", None),
            (b"-ERR OOM ", None),
            (b"-NOAUTH Authentication required.", None),
            (b"-OOM", None),
        ] {
            assert_eq!(Unwritable::told_by(error), known, "{}", String::from_utf8_lossy(error));
        }
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
