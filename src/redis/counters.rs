//! What clients were told, by what they asked and why. Counted on the way; costs nothing else.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::table::Family;

/// Why a command was answered as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Redis answered.
    Passed,
    /// As an empty Redis would.
    Miss,
    /// A write that is removed from Redis before it is read.
    Dropped,
    /// By the guard itself: about the connection.
    Own,
    /// Nothing came in its time.
    Waited,
    /// Not answered.
    Refused,
    /// Redis took too long.
    Late,
    /// Redis went, and nobody knows what it did.
    Unknown,
}

const REASONS: [(Reason, &str); 8] = [
    (Reason::Passed, "passed"),
    (Reason::Miss, "miss"),
    (Reason::Dropped, "dropped"),
    (Reason::Own, "own"),
    (Reason::Waited, "waited"),
    (Reason::Refused, "refused"),
    (Reason::Late, "late"),
    (Reason::Unknown, "unknown"),
];

/// Commands by what they do, as docs/metrics.md has them.
const FAMILIES: [&str; 9] = [
    "read",
    "search",
    "write",
    "blocking",
    "message",
    "subscribe",
    "transaction",
    "connection",
    "other",
];

/// Which of [`FAMILIES`] it is counted under; `None` is a command that is not known.
fn number(family: Option<Family>) -> usize {
    match family {
        Some(Family::Read(_)) => 0,
        Some(Family::Search) => 1,
        Some(Family::Set | Family::Unset | Family::Write(_) | Family::Flush | Family::Count) => 2,
        Some(Family::Blocking) => 3,
        Some(Family::Message) => 4,
        Some(Family::Subscribe) => 5,
        Some(Family::Transaction) => 6,
        Some(Family::Local) => 7,
        Some(Family::Never) | None => 8,
    }
}

/// All counts of one guard.
#[derive(Debug, Default)]
pub(super) struct Counters([[AtomicU64; REASONS.len()]; FAMILIES.len()]);

impl Counters {
    /// One more.
    pub(super) fn note(&self, family: Option<Family>, reason: Reason) {
        if let Some(count) = self.0.get(number(family)).and_then(|row| row.get(reason as usize)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// So many more that Redis answered, and none is left in `passed`.
    pub(super) fn add(&self, passed: &mut Tally) {
        if !std::mem::take(&mut passed.is_any) {
            return;
        }
        for (row, count) in self.0.iter().zip(&mut passed.counts) {
            if let (Some(all), 1..) = (row.get(Reason::Passed as usize), *count) {
                all.fetch_add(u64::from(std::mem::take(count)), Relaxed);
            }
        }
    }

    /// Each that is not zero: family, reason, count.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        let rows = FAMILIES.iter().zip(&self.0);
        rows.flat_map(|(family, row)| {
            let counts = REASONS.iter().zip(row);
            counts.map(|((_, reason), count)| (*family, *reason, count.load(Relaxed)))
        })
        .filter(|(_, _, count)| *count > 0)
    }

    /// How many were answered for each reason.
    pub(super) fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        REASONS.iter().enumerate().map(|(at, (_, reason))| {
            let counts = self.0.iter().filter_map(move |row| row.get(at));
            (*reason, counts.map(|count| count.load(Relaxed)).sum())
        })
    }
}

/// What one connection's client was told by Redis: added to the others' from time to time, since all threads count there.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: [u32; FAMILIES.len()],
    is_any: bool,
}

impl Tally {
    /// One more.
    pub(super) fn note(&mut self, family: Option<Family>) {
        if let Some(count) = self.counts.get_mut(number(family)) {
            *count += 1;
            self.is_any = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::table::Miss;

    #[test]
    fn each_is_counted_under_what_it_is() {
        let counters = Counters::default();
        counters.note(Some(Family::Read(Miss::Nil)), Reason::Miss);
        counters.note(Some(Family::Read(Miss::Zero)), Reason::Miss);
        counters.note(None, Reason::Refused);
        let mut passed = Tally::default();
        passed.note(Some(Family::Read(Miss::Nil)));
        for _ in 0..2 {
            counters.add(&mut passed);
        }
        let all: Vec<_> = counters.all().collect();
        assert_eq!(all, [("read", "passed", 1), ("read", "miss", 2), ("other", "refused", 1)]);
        let refused = counters.by_reason().find(|(reason, _)| *reason == "refused");
        assert_eq!(refused, Some(("refused", 1)));
        assert_eq!(REASONS.map(|(reason, _)| reason as usize), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
