//! Which late answers are an outage: some in a row, or most of many within a second. Pure: whoever tells brings the time.

use std::time::Duration;

use tokio::time::Instant;

/// So many in a row are one.
const ROW: u32 = 3;
/// Or more than half of at least so many within this time.
const MANY: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);

/// How late a Redis was of late.
#[derive(Debug, Clone, Default)]
pub(super) struct Lateness {
    /// Since the last that came in time.
    row: u32,
    /// Begins with a late one.
    window: Option<Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    late: u32,
    all: u32,
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= WINDOW
    }
}

impl Lateness {
    /// One is late; whether that is an outage.
    pub(super) fn late(&mut self, now: Instant) -> bool {
        self.row = self.row.saturating_add(1);
        let before = self.window.filter(|window| !window.is_over(now));
        let Window { since, late, all } = before.unwrap_or(Window { since: now, late: 0, all: 0 });
        let (late, all) = (late.saturating_add(1), all.saturating_add(1));
        self.window = Some(Window { since, late, all });
        self.row >= ROW || (all >= MANY && late > all / 2)
    }

    /// So many came in time.
    pub(super) fn in_time(&mut self, count: u32) {
        if count > 0 {
            self.row = 0;
        }
        if let Some(window) = &mut self.window {
            window.all = window.all.saturating_add(count);
        }
    }

    /// Lets go of what is too long ago to count.
    pub(super) fn calm(&mut self, now: Instant) {
        self.window = self.window.filter(|window| !window.is_over(now));
    }

    /// Whether those that come in time count at present.
    pub(super) fn matters(&self) -> bool {
        self.row > 0 || self.window.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::monotonic;

    /// Whether one of these, each at its millisecond, is an outage: `true` for late.
    fn is_outage(answers: &[(u64, bool)]) -> bool {
        let (mut lateness, began) = (Lateness::default(), monotonic());
        answers.iter().any(|(at, is_late)| {
            if *is_late {
                lateness.late(began + Duration::from_millis(*at))
            } else {
                lateness.in_time(1);
                false
            }
        })
    }

    #[test]
    fn three_in_a_row_are_an_outage_however_far_apart() {
        assert!(is_outage(&[(0, true), (5_000, true), (9_000, true)]));
        assert!(!is_outage(&[(0, true), (1, true), (2, false), (3, true), (4, true)]));
    }

    #[test]
    fn most_of_twenty_within_a_second_are_one() {
        // Two late, one in time, and so on: never three in a row.
        let most = |every: u64| -> Vec<_> {
            (0..30).map(|number| (number * every, number % 3 != 2)).collect()
        };
        assert!(is_outage(&most(30)));
        assert!(!is_outage(&most(30)[..19]), "too few to say");
        assert!(!is_outage(&most(60)), "too far apart");
        let some: Vec<_> = (0..200).map(|number| (number * 4, number % 5 < 2)).collect();
        assert!(!is_outage(&some), "two of five are not most");
    }

    #[test]
    fn after_a_second_nobody_counts_what_comes_in_time() {
        let (mut lateness, now) = (Lateness::default(), monotonic());
        lateness.late(now);
        lateness.in_time(1);
        lateness.calm(now + Duration::from_millis(999));
        assert!(lateness.matters());
        lateness.calm(now + WINDOW);
        assert!(!lateness.matters());
    }

    proptest! {
        #[test]
        fn it_takes_three_in_a_row_or_twenty(answers in proptest::collection::vec((0..100_u64, any::<bool>()), 0..60)) {
            let mut at = 0;
            let timed: Vec<_> = answers.iter().map(|(after, late)| { at += after; (at, *late) }).collect();
            let row = timed.windows(3).any(|three| three.iter().all(|(_, late)| *late));
            prop_assert!(!row || is_outage(&timed));
            if !row && timed.len() < 20 {
                prop_assert!(!is_outage(&timed));
            }
        }
    }
}
