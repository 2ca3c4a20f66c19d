//! What is so: the switch as the store has it, and every lever as its own system has it.

use super::{Drift, Error, Site};
use crate::lever::{Observation, Position, Refusal};
use crate::store::{Store, Version};
use crate::switch::{LeverName, Mode, Phase, Plan, Step, Switch};

/// A site, seen once.
#[derive(Debug, Clone)]
pub struct Sight {
    /// The switch and its version; `None` where nobody ever threw it.
    pub switch: Option<(Switch, Version)>,
    /// What was seen of each lever, in the order of the site's levers.
    pub levers: Vec<Observation>,
    /// What an agent noticed that somebody else moved, where that was asked for.
    pub noticed: Vec<Drift>,
}

/// Asks the store and every lever. Changes nothing; cancel safe.
pub async fn look<S: Store>(site: &Site<S>) -> Result<Sight, Error> {
    let switch = site.store.switch().await?;
    let mut levers = Vec::with_capacity(site.levers.len());
    for lever in &site.levers {
        levers.push(lever.observe().await?);
    }
    Ok(Sight { switch, levers, noticed: Vec::new() })
}

impl Sight {
    /// Asks the store and the gateways again, which is all that a move's end depends on. Not the systems of other levers:
    /// they would be asked as often as somebody looks, and Route 53 gives few requests to each account. Cancel safe.
    pub async fn again<S: Store>(&mut self, site: &Site<S>) -> Result<(), Error> {
        self.switch = site.store.switch().await?;
        for (lever, seen) in site.levers.iter().zip(&mut self.levers) {
            if lever.name() == LeverName::Gateway {
                *seen = lever.observe().await?;
            }
        }
        Ok(())
    }

    /// What of `lever` an agent noticed that somebody else moved, as far as it is so still.
    pub fn drifts<S: Store>(&self, site: &Site<S>, lever: LeverName) -> Vec<&Drift> {
        let mut all = site.levers.iter().zip(&self.levers);
        let Some((own, seen)) = all.find(|(own, _)| own.name() == lever) else { return Vec::new() };
        let strays = own.strays(seen, self.desired());
        let is_so = |drift: &&Drift| strays.iter().any(|step| drift.is_undone_by(step));
        self.noticed.iter().filter(is_so).collect()
    }

    /// What is asked for: the switch, or `open` where nobody ever threw it.
    pub fn desired(&self) -> Mode {
        self.switch.as_ref().map_or(Mode::Open, |(switch, _)| switch.mode)
    }

    /// What visitors get: the loosest that the name and the gateways or listeners behind it give, else what is asked for.
    pub fn mode<S: Store>(&self, site: &Site<S>) -> Mode {
        let of = |name| {
            let mut seen = site.levers.iter().zip(&self.levers);
            seen.find(|(lever, _)| lever.name() == name).map(|(_, seen)| seen.position)
        };
        let mode_of = |name| {
            of(name).and_then(|position| match position {
                Position::At(mode) => Some(mode),
                Position::Live | Position::Maintenance | Position::Foreign | Position::Absent => {
                    None
                }
            })
        };
        let gateways = mode_of(LeverName::Gateway).or_else(|| mode_of(LeverName::Balancer));
        match (of(LeverName::Dns), gateways) {
            // A listener is closed behind a detour, too: it knows no other word.
            (Some(Position::Maintenance), Some(Mode::Closed))
                if mode_of(LeverName::Gateway).is_none() =>
            {
                Mode::Detour
            }
            (Some(Position::Live), None) => Mode::Open,
            (Some(Position::Maintenance), None) => Mode::Detour,
            // Whoever has an old answer still comes to the gateways.
            (Some(_) | None, Some(mode)) => mode,
            (Some(Position::Foreign | Position::Absent | Position::At(_)) | None, None) => {
                self.desired()
            }
        }
    }

    /// What has to change for `to`, in the order in which it is done.
    pub fn plan<S: Store>(&self, site: &Site<S>, to: Mode) -> Plan {
        let seen = || site.levers.iter().zip(&self.levers);
        let warnings = self.levers.iter().flat_map(|seen| &seen.warnings);
        Plan {
            site: site.name.clone(),
            from: self.mode(site),
            to,
            steps: seen().flat_map(|(lever, seen)| lever.steps(seen, to)).collect(),
            warnings: site.warnings.iter().chain(warnings).cloned().collect(),
        }
        .ordered()
    }

    /// The steps of `to`. Where an operation was cut short, what stands there already may never have been confirmed: the
    /// same value again, so that its own system confirms it.
    pub(super) fn steps<S: Store>(&self, site: &Site<S>, to: Mode) -> Vec<Step> {
        let mut plan = self.plan(site, to);
        if !self.moving() {
            return plan.steps;
        }
        for (lever, seen) in site.levers.iter().zip(&self.levers) {
            for step in lever.again(seen, to) {
                if plan.steps.iter().all(|other| other.target != step.target) {
                    plan.steps.push(step);
                }
            }
        }
        plan.ordered().steps
    }

    /// Whether an operation was asked for and never confirmed.
    pub fn moving(&self) -> bool {
        self.switch.as_ref().is_some_and(|(switch, _)| switch.phase == Phase::Moving)
    }

    /// Whether there is nothing to do and nothing to write for `to`.
    pub fn is_at<S: Store>(&self, site: &Site<S>, to: Mode) -> bool {
        self.desired() == to && !self.moving() && !self.plan(site, to).changes()
    }

    /// Why nothing may move from here to `to`, or the rules among `overrides` that would have said so.
    pub fn refusal<S: Store>(
        &self,
        site: &Site<S>,
        to: Mode,
        overrides: &[String],
    ) -> Result<Vec<&'static str>, Error> {
        let mut set_aside = Vec::new();
        for (lever, seen) in site.levers.iter().zip(&self.levers) {
            let Some(Refusal { rule, message, hint }) = lever.refusal(seen, to) else { continue };
            if !overrides.iter().any(|other| other == rule) {
                return Err(Error::Rule { rule, message, hint });
            }
            set_aside.push(rule);
        }
        Ok(set_aside)
    }
}
