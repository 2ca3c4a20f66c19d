//! The end of an operation: the site opens if every check passes, or stays and tells; until then it can be given more time.

use std::time::Duration;

use jiff::SignedDuration;

use super::lead::{Depth, Order, carry_out};
use super::{Error, Site, fleet, gates, look};
use crate::audit::{self, Entry, Event};
use crate::lever::{Observation, Silent};
use crate::store::{self, SiteStore, Store, Version};
use crate::switch::{End, LeverName, Mode, Switch};

/// How long the levers may take.
pub(super) const TIMEOUT: Duration = Duration::from_mins(15);
/// How often a switch that came further meanwhile is read again.
const ROUNDS: u32 = 8;
/// How far back the log is read to see whether an overdue end was told already.
const LOOK_BACK: usize = 50;

/// Opens a site whose operation `switch` is over, if at least one check exists and all pass; [`Error::Unchecked`] or
/// [`Error::Rule`] says why it stays.
pub async fn at_end<S: Store>(
    site: &Site<S>,
    switch: &Switch,
    version: &Version,
) -> Result<(), Error> {
    let sight = look(site).await?;
    if sight.switch.as_ref().is_none_or(|(_, now)| now != version) {
        return Err(Error::StalePlan { what: "the switch was moved meanwhile".to_owned() });
    }
    let gateways = site.levers.iter().zip(&sight.levers);
    let gateways =
        gateways.filter(|(lever, _)| lever.name() == LeverName::Gateway).map(|(_, seen)| seen);
    let well = checked(gateways, site.checks.len());
    if well.is_err() || site.checks.is_empty() {
        gates::noted(site, Some(switch), &switch.by_at_end(), well.as_ref().copied()).await;
    }
    well?;
    let order = Order {
        to: Mode::Open,
        by: switch.by_at_end(),
        reason: switch.reason.clone(),
        overrides: Vec::new(),
        timeout: TIMEOUT,
        end: None,
        depth: Depth::Moved,
        run: None,
    };
    carry_out(site, sight, &order, &Silent).await.map(drop)
}

/// Healthy upstreams in the heartbeats of every living gateway are a check, beside the site's own, which are asked before
/// anything moves.
fn checked<'a>(
    gateways: impl Iterator<Item = &'a Observation>,
    mut checks: usize,
) -> Result<(), Error> {
    for beat in gateways.flat_map(fleet::fresh) {
        if !beat.upstreams.iter().any(|upstream| upstream.healthy) {
            let why = format!("gateway {} has no healthy upstream", beat.id);
            return Err(Error::Unchecked { why });
        }
        checks += 1;
    }
    match checks {
        0 => Err(Error::Unchecked { why: "there is no check that could pass".to_owned() }),
        _ => Ok(()),
    }
}

/// Why it stays while a command works: it opens once that has ended.
const WORKS: &str = "its command still works";

/// Tells once that the time of an operation is over, and that its command works still: it opens once that has ended.
pub(super) async fn works_still<S: Store>(
    store: &SiteStore<S>,
    site: &str,
    switch: &Switch,
) -> Result<(), Error> {
    if is_told(store, switch, |why| why == Some(WORKS)).await? {
        return Ok(());
    }
    overdue(store, site, switch, WORKS).await
}

/// Whether the log says already that the operation of `switch` is overdue and stays, at the end that it has now.
pub async fn told_already<S: Store>(store: &SiteStore<S>, switch: &Switch) -> Result<bool, Error> {
    is_told(store, switch, |why| why != Some(WORKS)).await
}

async fn is_told<S: Store>(
    store: &SiteStore<S>,
    switch: &Switch,
    fits: impl Fn(Option<&str>) -> bool,
) -> Result<bool, Error> {
    let (entries, _): (Vec<Entry>, _) = audit::log(store, LOOK_BACK).await?;
    let told = |entry: &Entry| {
        entry.event == Event::Overdue
            && entry.operation == switch.operation
            && switch.until.is_some_and(|until| until <= entry.at)
            && fits(entry.detail.as_deref())
    };
    Ok(entries.iter().any(told))
}

/// Tells that an operation's time is over and that it stays.
pub async fn overdue<S: Store>(
    store: &SiteStore<S>,
    site: &str,
    switch: &Switch,
    why: &str,
) -> Result<(), Error> {
    tracing::warn!(site, operation = %switch.operation, why, "overdue: it stays as it is");
    let entry = Entry {
        reason: switch.reason.clone(),
        detail: Some(why.to_owned()),
        ..Entry::beside(Some(switch), site, Event::Overdue, &switch.by)
    };
    let late = switch.until.map_or(SignedDuration::ZERO, |until| entry.at.duration_since(until));
    let number = u32::try_from(late.as_millis().max(0)).unwrap_or(u32::MAX);
    Ok(audit::append(store, &entry, (switch.version, number)).await?)
}

/// Gives the running operation another end. It stays the same operation, and may come further meanwhile: whoever moves it
/// writes how far it is.
pub async fn extend<S: Store>(
    store: &SiteStore<S>,
    (switch, version): (&Switch, &Version),
    change: Extension,
) -> Result<Switch, Error> {
    let (mut switch, mut version) = (switch.clone(), version.clone());
    let operation = switch.operation.clone();
    for _ in 0..ROUNDS {
        let extended = match change {
            Extension::End(end) => switch.ending(end),
            Extension::Stays => switch.staying(),
            Extension::Patience(seconds) => switch.waiting_for(seconds),
        };
        match store.write_switch(&extended, Some(&version)).await {
            Err(error @ store::Error::Moved { .. }) => match store.switch().await? {
                Some(now) if now.0.operation == operation => (switch, version) = now,
                Some(_) | None => return Err(error.into()),
            },
            done => return Ok(done.map(|_| extended)?),
        }
    }
    Err(Error::Superseded { by: switch.by, at: switch.since, mode: switch.mode })
}

/// What of a running operation is made longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// The whole of it.
    End(End),
    /// The whole of it, until somebody opens it by hand.
    Stays,
    /// How many seconds requests may wait.
    Patience(u32),
}
