//! When a site that is to open once it is healthy has recovered. Pure.
//!
//! A site that is closed for work is healthy still in the moment in which it is closed: it has recovered where it was unwell first,
//! or has had the time to be.

use std::time::Duration;

/// What one look at the checks has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Every one passes, and there is at least one.
    Well,
    /// One does not.
    Unwell,
    /// They could not be asked: neither counts.
    Unknown,
}

/// Counts how often in a row checks have passed since an operation has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    wanted: u32,
    in_a_row: u32,
    was_unwell: bool,
}

impl Recovery {
    /// So long whoever works has to make the site unwell; one that never was by then is taken to have recovered.
    pub const SETTLES: Duration = Duration::from_mins(2);

    /// Nothing was asked yet; `wanted` passes in a row are.
    pub fn after(wanted: u32) -> Recovery {
        Recovery { wanted: wanted.max(1), in_a_row: 0, was_unwell: false }
    }

    /// The same, with another number of passes in a row, which are counted from now on.
    #[must_use]
    pub fn wanting(self, wanted: u32) -> Recovery {
        if self.wanted == wanted.max(1) {
            return self;
        }
        Recovery { was_unwell: self.was_unwell, ..Recovery::after(wanted) }
    }

    /// Hears what was found `since` it has moved so long ago; whether it has recovered.
    pub fn hears(&mut self, found: Health, since: Duration) -> bool {
        match found {
            Health::Well => self.in_a_row = self.in_a_row.saturating_add(1),
            Health::Unwell => (self.in_a_row, self.was_unwell) = (0, true),
            Health::Unknown => self.in_a_row = 0,
        }
        self.in_a_row >= self.wanted && (self.was_unwell || since >= Recovery::SETTLES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// After which of these, a second each, it has recovered.
    fn recovers(wanted: u32, found: &[Health]) -> Option<usize> {
        let mut recovery = Recovery::after(wanted);
        let since = |index| Duration::from_secs(u64::try_from(index).unwrap());
        (0..found.len()).find(|&index| recovery.hears(found[index], since(index)))
    }

    #[test]
    fn a_site_that_was_healthy_all_along_opens_after_its_time_and_not_at_once() {
        let settles = usize::try_from(Recovery::SETTLES.as_secs()).unwrap();
        assert_eq!(recovers(3, &vec![Health::Well; settles]), None);
        assert_eq!(recovers(3, &vec![Health::Well; settles + 1]), Some(settles));
    }

    #[test]
    fn one_that_was_unwell_opens_once_it_passes_often_enough_in_a_row() {
        use Health::{Unknown, Unwell, Well};
        assert_eq!(recovers(2, &[Well, Unwell, Well, Well]), Some(3));
        assert_eq!(recovers(2, &[Unwell, Well, Unwell, Well, Well]), Some(4));
        assert_eq!(
            recovers(2, &[Unwell, Well, Unknown, Well]),
            None,
            "what is not known is no pass"
        );
        assert_eq!(recovers(1, &[Unknown, Well, Well]), None, "and no failure");
        assert_eq!(recovers(0, &[Unwell, Unwell]), None, "none is not enough");
    }

    #[test]
    fn another_number_of_passes_counts_anew_and_forgets_no_failure() {
        let mut recovery = Recovery::after(5);
        for found in [Health::Unwell, Health::Well, Health::Well] {
            assert!(!recovery.hears(found, Duration::ZERO));
        }
        let mut same = recovery.clone().wanting(5);
        assert_eq!(same, recovery, "the same number goes on");
        assert!(!same.hears(Health::Well, Duration::ZERO));
        let mut fewer = recovery.wanting(2);
        assert!(!fewer.hears(Health::Well, Duration::ZERO));
        assert!(fewer.hears(Health::Well, Duration::ZERO));
    }

    proptest! {
        #[test]
        fn it_recovers_only_after_so_many_passes_and_a_failure_or_time(
            found in proptest::collection::vec(0usize..3, 1..300),
            wanted in 1u32..6,
        ) {
            let found: Vec<_> =
                found.iter().map(|&one| [Health::Well, Health::Unwell, Health::Unknown][one]).collect();
            let Some(index) = recovers(wanted, &found) else { return Ok(()) };
            let before = &found[..=index];
            let row = before.iter().rev().take_while(|one| **one == Health::Well).count();
            prop_assert!(row >= usize::try_from(wanted).unwrap());
            let in_time = index >= usize::try_from(Recovery::SETTLES.as_secs()).unwrap();
            prop_assert!(in_time || before.contains(&Health::Unwell));
        }
    }
}
