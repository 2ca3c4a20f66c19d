//! When nobody comes to the old target any more, as those who stand there saw it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// What one who stands at the old target saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness {
    /// Since when it watches.
    pub since: Timestamp,
    /// When a visitor came last.
    pub last_request: Option<Timestamp>,
    /// Until when it has told.
    pub told: Timestamp,
}

/// When the old target is quiet if nobody comes from now on: `span` after the last visitor at any of them, and not before
/// it has been watched for so long. `None` where nobody watches.
pub fn quiet_at(witnesses: &[Witness], moved_at: Timestamp, span: Duration) -> Option<Timestamp> {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    let busy = |seen: &Witness| {
        let from = seen.since.max(moved_at);
        seen.last_request.map_or(from, |last| last.max(from))
    };
    let last = witnesses.iter().map(busy).max()?;
    Some(last.checked_add(span).unwrap_or(Timestamp::MAX))
}

/// The same, once every witness has told for so long: silence after its last word proves nothing.
pub fn quiet_since(
    witnesses: &[Witness],
    moved_at: Timestamp,
    span: Duration,
) -> Option<Timestamp> {
    let at = quiet_at(witnesses, moved_at, span)?;
    witnesses.iter().all(|seen| seen.told >= at).then_some(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPAN: Duration = Duration::from_mins(2);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn witness(since: i64, last: Option<i64>, told: i64) -> Witness {
        Witness { since: at(since), last_request: last.map(at), told: at(told) }
    }

    #[test]
    fn two_minutes_without_a_request_are_quiet_and_not_a_second_less() {
        let seen = |told| [witness(0, Some(50), told)];
        assert_eq!(quiet_since(&seen(169), at(10), SPAN), None);
        assert_eq!(quiet_since(&seen(170), at(10), SPAN), Some(at(170)));
        assert_eq!(quiet_at(&seen(60), at(10), SPAN), Some(at(170)));
    }

    #[test]
    fn where_nobody_watches_nothing_is_quiet() {
        assert_eq!(quiet_since(&[], at(0), SPAN), None);
    }

    #[test]
    fn who_was_started_a_moment_ago_has_not_seen_two_minutes() {
        assert_eq!(quiet_since(&[witness(100, None, 200)], at(0), SPAN), None);
        assert_eq!(quiet_since(&[witness(100, None, 220)], at(0), SPAN), Some(at(220)));
    }

    #[test]
    fn requests_of_before_the_move_do_not_count() {
        assert_eq!(quiet_since(&[witness(0, Some(5), 130)], at(10), SPAN), Some(at(130)));
    }

    proptest! {
        #[test]
        fn one_busy_or_silent_witness_is_enough_for_no(
            all in proptest::collection::vec((0i64..500, proptest::option::of(0i64..500), 0i64..900), 1..6),
            moved in 0i64..500,
        ) {
            let all: Vec<_> = all.into_iter().map(|(since, last, told)| witness(since, last, told)).collect();
            if let Some(quiet) = quiet_since(&all, at(moved), SPAN) {
                let span = SignedDuration::try_from(SPAN).unwrap();
                for seen in all {
                    prop_assert!(seen.told >= quiet && seen.since + span <= quiet);
                    prop_assert!(seen.last_request.is_none_or(|last| last + span <= quiet));
                }
                prop_assert!(at(moved) + span <= quiet);
            }
        }
    }
}
