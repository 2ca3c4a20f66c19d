//! What must hold before visitors are let back: every check of the site passes, or somebody sets it aside.

use std::time::Duration;

use crate::checks::passed;
use crate::lever::Progress;
use crate::store::Store;
use crate::switch::{LeverName, Mode};

use super::{Error, Sight, Site};

impl<S> Site<S> {
    /// Waits until every check passes that is not among `overrides`, for at most `within`. Changes nothing.
    pub(super) async fn is_well(
        &self,
        overrides: &[String],
        within: Duration,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let set_aside = |name: &str| overrides.iter().any(|rule| rule == name);
        let asked = self.checks.iter().filter(|guard| !set_aside(&guard.name));
        let hears = |name: &str, what: &str, waited| progress.checking(name, what, waited);
        let outcomes = passed(asked, within, &hears).await;
        if outcomes.iter().any(|outcome| outcome.found.is_err()) {
            return Err(Error::Unwell { outcomes });
        }
        Ok(())
    }

    /// The names of the checks that are among `overrides`.
    pub(super) fn set_aside(&self, overrides: &[String]) -> Vec<String> {
        let names = self.checks.iter().map(|guard| guard.name.clone());
        names.filter(|name| overrides.contains(name)).collect()
    }
}

impl Sight {
    /// Whether visitors are let back to the app on the way from here to `to`: more of them reach it than before, or a lever that
    /// they meet is not open yet, whatever the others are.
    pub(super) fn lets_back<S: Store>(&self, site: &Site<S>, to: Mode) -> bool {
        let met =
            |lever| matches!(lever, LeverName::Gateway | LeverName::Balancer | LeverName::Dns);
        let before = self.mode(site).max(self.desired());
        (to < before && to <= Mode::ReadOnly)
            || (to == Mode::Open && self.plan(site, to).steps.iter().any(|step| met(step.lever)))
    }
}
