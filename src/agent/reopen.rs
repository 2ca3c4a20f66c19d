//! What must hold before visitors are let back: every check of the site passes, or somebody sets it aside.

use crate::checks::passed;
use crate::lever::Progress;
use crate::switch::Mode;

use super::{Error, Site};

impl<S> Site<S> {
    /// Waits until every check passes that is not among `overrides`; the names of those that are. Changes nothing.
    pub(super) async fn is_well(
        &self,
        overrides: &[String],
        progress: &dyn Progress,
    ) -> Result<Vec<String>, Error> {
        let set_aside = |name: &str| overrides.iter().any(|rule| rule == name);
        let asked = self.checks.iter().filter(|guard| !set_aside(&guard.name));
        let hears = |name: &str, what: &str, waited| progress.checking(name, what, waited);
        let outcomes = passed(asked, &hears).await;
        if outcomes.iter().any(|outcome| outcome.found.is_err()) {
            return Err(Error::Unwell { outcomes });
        }
        let names = self.checks.iter().map(|guard| guard.name.clone());
        Ok(names.filter(|name| set_aside(name)).collect())
    }
}

/// Whether visitors are let back to the app where a site goes from `from` to `to`.
pub(super) fn lets_back(from: Mode, to: Mode) -> bool {
    to < from && to <= Mode::ReadOnly
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_are_let_back_where_more_of_them_reach_the_app_than_before() {
        assert!(lets_back(Mode::Detour, Mode::Open) && lets_back(Mode::Closed, Mode::ReadOnly));
        assert!(lets_back(Mode::Hold, Mode::Open) && lets_back(Mode::ReadOnly, Mode::Open));
        assert!(!lets_back(Mode::Open, Mode::Open) && !lets_back(Mode::Open, Mode::ReadOnly));
        assert!(!lets_back(Mode::Detour, Mode::Closed) && !lets_back(Mode::Closed, Mode::Hold));
    }
}
