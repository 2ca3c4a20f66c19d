//! Plan, move levers, confirm, write: one operation from asking to moved, under the site's lease.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Error, Sight, Site, look};
use crate::audit::{self, Entry, Event};
use crate::clock;
use crate::lever::{Lever, Observation, Progress};
use crate::store::{Store, Version};
use crate::switch::{Ask, Mode, OperationId, Step, Switch};

/// How often the plan is made anew because somebody threw the switch meanwhile.
const ROUNDS: u32 = 5;

/// What somebody asked for.
#[derive(Debug, Clone)]
pub struct Order {
    /// The mode.
    pub to: Mode,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// The rules set aside.
    pub overrides: Vec<String>,
    /// How long to wait for the levers' own systems.
    pub timeout: Duration,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Done {
    /// Whether anything had to be done.
    pub changed: bool,
    /// What is so now.
    pub sight: Sight,
    /// From the first request to the last confirmation.
    pub took: Duration,
}

/// Carries out `order`, from what was seen and agreed to: nothing else is done, and nothing at all if it is no longer so.
///
/// Not cancel safe, but crash safe: dropped or killed anywhere, the same order again ends where this one meant to.
pub async fn carry_out<S: Store>(
    site: &Site<S>,
    sight: Sight,
    order: &Order,
    progress: &dyn Progress,
) -> Result<Done, Error> {
    let began = clock::monotonic();
    let took = || clock::monotonic().duration_since(began);
    site.offers(order.to)?;
    let _lease = site.store.lease(&order.by).await?;
    switch_is_as_seen(site, &sight).await?;
    sight.refusal(site, &order.overrides)?;
    if sight.is_at(site, order.to) {
        return Ok(Done { changed: false, sight, took: took() });
    }
    let mut operation = Operation::ask(site, order, sight).await?;
    for _ in 0..ROUNDS {
        match operation.lead(order.timeout, progress).await {
            Ok(None) => operation = operation.follow().await?,
            Ok(Some(Switch { by, since, mode, .. })) if !operation.ours => {
                return Err(Error::Superseded { by, at: since, mode });
            }
            Ok(Some(switch)) => {
                let switch = Some((switch, operation.version));
                let sight = Sight { switch, levers: operation.seen };
                return Ok(Done { changed: true, sight, took: took() });
            }
            Err(error) => return Err(operation.gave_up(error).await),
        }
    }
    let Switch { by, since, mode, .. } = operation.switch;
    Err(Error::Superseded { by, at: since, mode })
}

/// Levers check for themselves that they still are what was seen: each moves by compare-and-swap.
async fn switch_is_as_seen<S: Store>(site: &Site<S>, sight: &Sight) -> Result<(), Error> {
    let now = site.store.switch().await?;
    let version =
        |switch: &Option<(Switch, Version)>| switch.as_ref().map(|(_, version)| version.clone());
    if version(&now) == version(&sight.switch) {
        return Ok(());
    }
    let by = now.map_or_else(|| "somebody".to_owned(), |(switch, _)| switch.by);
    Err(Error::StalePlan { what: format!("{by} moved the switch since it was made") })
}

/// One move of the switch, written in the store and under way.
struct Operation<'a, S> {
    site: &'a Site<S>,
    switch: Switch,
    version: Version,
    /// The switch before, to take the move back where nothing could be moved.
    previous: Option<Switch>,
    from: Mode,
    /// What was seen of each lever last.
    seen: Vec<Observation>,
    steps: Vec<Step>,
    /// What was started, in that order.
    made: Vec<Step>,
    settles_after: u32,
    /// Whether this process asked for it, or only follows somebody who threw the switch meanwhile.
    ours: bool,
    entries: u32,
}

impl<'a, S: Store> Operation<'a, S> {
    /// Throws the switch, if it still is what was seen.
    async fn ask(site: &'a Site<S>, order: &Order, sight: Sight) -> Result<Self, Error> {
        let now = clock::now();
        let ask = Ask {
            operation: OperationId::at(now, fastrand::u32(..)),
            mode: order.to,
            by: order.by.clone(),
            reason: order.reason.clone(),
            before: positions(site, &sight),
        };
        let (steps, from, settles_after) = seen(site, &sight, order.to);
        let (previous, read) = sight.switch.unzip();
        let switch = Switch::asked(previous.as_ref(), ask, now);
        let resumed = previous.as_ref().is_some_and(|before| before.operation == switch.operation);
        let version = site.store.write_switch(&switch, read.as_ref()).await?;
        let mut operation = Operation {
            site,
            switch,
            version,
            previous,
            from,
            seen: sight.levers,
            steps,
            made: Vec::new(),
            settles_after,
            ours: true,
            entries: 0,
        };
        let event = if resumed { Event::Resumed } else { Event::Asked };
        operation.log(event, None).await?;
        for rule in &order.overrides {
            operation.log(Event::Overridden, Some(rule.clone())).await?;
        }
        Ok(operation)
    }

    /// The operation of whoever threw the switch meanwhile, planned from what is so now.
    async fn follow(mut self) -> Result<Self, Error> {
        self.log(Event::Superseded, None).await?;
        let sight = look(self.site).await?;
        sight.refusal(self.site, &[])?;
        let (steps, from, settles_after) = seen(self.site, &sight, sight.desired());
        let Some((switch, version)) = sight.switch else {
            return Err(Error::StalePlan {
                what: "the switch was taken out of the store".to_owned(),
            });
        };
        let ours = switch.operation == self.switch.operation;
        let seen = sight.levers;
        Ok(Operation {
            switch,
            version,
            from,
            seen,
            steps,
            settles_after,
            ours,
            previous: None,
            ..self
        })
    }

    /// Moves every lever and waits for it; `None` where somebody threw the switch meanwhile.
    async fn lead(
        &mut self,
        timeout: Duration,
        progress: &dyn Progress,
    ) -> Result<Option<Switch>, Error> {
        let site = self.site;
        for (lever, steps) in groups(site, &self.steps) {
            if !self.unmoved().await? {
                return Ok(None);
            }
            let started = lever.start(&steps, &self.switch.operation).await?;
            self.made.extend_from_slice(&steps);
            self.log(started_event(lever), Some(in_words(&steps))).await?;
            if !self.unmoved().await? {
                return Ok(None);
            }
            let confirmed = tokio::time::timeout(timeout, lever.confirm(&started, progress)).await;
            let confirmed = confirmed.map_err(|_| Error::GaveUp { waited: timeout })??;
            let levers = site.levers.iter().zip(&mut self.seen);
            for (_, seen) in levers.filter(|(other, _)| other.name() == lever.name()) {
                seen.clone_from(&confirmed);
            }
        }
        if !self.unmoved().await? {
            return Ok(None);
        }
        let confirmed =
            self.switch.confirmed(&self.switch.operation, self.settles_after, clock::now());
        let Some(switch) = confirmed else { return Ok(None) };
        self.version = self.site.store.write_switch(&switch, Some(&self.version)).await?;
        self.switch = switch.clone();
        self.log(Event::Moved, None).await?;
        Ok(Some(switch))
    }

    async fn unmoved(&self) -> Result<bool, Error> {
        let now = self.site.store.switch().await?;
        Ok(now.is_some_and(|(_, version)| version == self.version))
    }

    /// After an error: where nothing has moved, everything is put back as it was and the switch with it; else the
    /// switch stays as asked, for the next run to finish.
    async fn gave_up(&mut self, error: Error) -> Error {
        let nothing_changed = match &error {
            Error::Lever(error) => error.nothing_changed(),
            Error::Store(_) | Error::GaveUp { .. } | Error::Superseded { .. } => false,
            Error::NotOffered { .. } | Error::Rule { .. } | Error::StalePlan { .. } => true,
        };
        let resumed =
            self.previous.as_ref().is_some_and(|before| before.operation == self.switch.operation);
        let told = if nothing_changed && self.ours && !resumed {
            match self.take_back().await {
                Ok(()) => self.log(Event::Failed, Some(error.to_string())).await,
                Err(failed) => Err(failed),
            }
        } else {
            self.log(Event::Unfinished, Some(error.to_string())).await
        };
        // What failed first is what a person has to know; the log is at best short of one entry.
        drop(told);
        error
    }

    /// Undoes what was made ahead of the lever that said no (the variable), then the switch.
    async fn take_back(&mut self) -> Result<(), Error> {
        let undo: Vec<_> = self
            .made
            .drain(..)
            .rev()
            .map(|step| Step { before: step.after.clone(), after: step.before.clone(), ..step })
            .collect();
        for (lever, steps) in groups(self.site, &undo) {
            lever.start(&steps, &self.switch.operation).await?;
        }
        let switch = self.switch.taken_back(self.previous.as_ref(), clock::now());
        self.version = self.site.store.write_switch(&switch, Some(&self.version)).await?;
        Ok(())
    }

    async fn log(&mut self, event: Event, detail: Option<String>) -> Result<(), Error> {
        let entry = Entry {
            at: clock::now(),
            operation: self.switch.operation.clone(),
            site: self.site.name.clone(),
            event,
            from: self.from,
            to: self.switch.mode,
            by: self.switch.by.clone(),
            reason: self.switch.reason.clone(),
            detail,
        };
        self.entries += 1;
        let number = (self.switch.version, self.entries);
        audit::append(&self.site.store, &entry, number).await?;
        Ok(())
    }
}

fn seen<S: Store>(site: &Site<S>, sight: &Sight, to: Mode) -> (Vec<Step>, Mode, u32) {
    let bound = site
        .levers
        .iter()
        .zip(&sight.levers)
        .map(|(lever, seen)| lever.settles_after(seen))
        .max()
        .unwrap_or_default();
    let seconds = u32::try_from(bound.as_secs()).unwrap_or(u32::MAX);
    (sight.steps(site, to), sight.mode(site), seconds)
}

fn positions<S: Store>(site: &Site<S>, sight: &Sight) -> BTreeMap<String, String> {
    let levers = site.levers.iter().zip(&sight.levers);
    levers.map(|(lever, seen)| (lever.name().to_owned(), seen.position.to_string())).collect()
}

/// The steps of each lever, in the order of the plan.
fn groups<'a, S: Store>(site: &'a Site<S>, steps: &[Step]) -> Vec<(&'a dyn Lever, Vec<Step>)> {
    let mut groups: Vec<(&dyn Lever, Vec<Step>)> = Vec::new();
    for step in steps {
        let Some(lever) = site.levers.iter().find(|lever| lever.name() == step.lever) else {
            continue;
        };
        match groups.last_mut() {
            Some((last, steps)) if last.name() == step.lever => steps.push(step.clone()),
            _ => groups.push((lever.as_ref(), vec![step.clone()])),
        }
    }
    groups
}

fn started_event(lever: &dyn Lever) -> Event {
    if lever.name() == "variable" { Event::VariableWritten } else { Event::Started }
}

fn in_words(steps: &[Step]) -> String {
    let targets: Vec<_> = steps.iter().map(|step| step.target.as_str()).collect();
    targets.join(", ")
}
