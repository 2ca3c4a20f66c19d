//! An order, carried out under the site's lease: it is looked once more, the checks are asked where visitors are let back, and an
//! operation begins, or only its end changes.

mod operation;
mod right;

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::pin;
use std::time::Duration;

use super::{Error, Sight, Site, gates, look};
use crate::audit::{self, Entry, Event};
use crate::clock;
use crate::lever::{Observation, Progress};
use crate::store::{Holder, Lease as _, Store, Version};
use crate::switch::{End, LeverName, Mode, Switch};
use operation::{Operation, asks_on_the_way, unlogged};
use right::{ends, leased};

/// So long it may take to give the right back on the way out.
const ON_THE_WAY_OUT: Duration = Duration::from_secs(1);

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
    /// How long to wait for the levers' own systems, all in all.
    pub timeout: Duration,
    /// When it is to end, and what happens then.
    pub end: Option<End>,
    /// How far to go.
    pub depth: Depth,
    /// The command that it is a part of, if it is.
    pub run: Option<Holder>,
}

/// How far an order goes before whoever gave it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The switch is written; an agent does the rest.
    Asked,
    /// Every lever's own system has confirmed.
    Moved,
    /// The same, but for what would stay paused: whoever asked for that is gone.
    Unpaused,
}

/// Why levers are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Somebody asks for a mode.
    Ordered,
    /// Somebody else moved one of them away from where it was asked for.
    Drifted,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Done {
    /// Whether anything had to be done.
    pub changed: bool,
    /// What is so now.
    pub sight: Sight,
    /// What went wrong on the way without stopping it.
    pub warnings: Vec<String>,
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
    let never = pending::<Infallible>();
    let Ok(done) = under_the_right(site, sight, (order, Why::Ordered), progress, never).await;
    done
}

/// The same, unless `stop` comes first, whose value is the error then: it ends where it is, and gives back the right to move the
/// site where nothing that it sent may still arrive. Takes a second at most after `stop`.
pub async fn carry_out_until<S: Store, T>(
    site: &Site<S>,
    sight: Sight,
    order: &Order,
    progress: &dyn Progress,
    stop: impl Future<Output = T>,
) -> Result<Result<Done, Error>, T> {
    under_the_right(site, sight, (order, Why::Ordered), progress, stop).await
}

/// Puts back what somebody else moved, from what was seen and told: the operation of before goes on, whose mode `order` has. Where
/// that fails and nothing has moved, it is as if it had never begun. Crash safe, too.
pub(super) async fn put_back<S: Store>(
    site: &Site<S>,
    sight: Sight,
    order: &Order,
    progress: &dyn Progress,
) -> Result<Done, Error> {
    let never = pending::<Infallible>();
    let Ok(done) = under_the_right(site, sight, (order, Why::Drifted), progress, never).await;
    done
}

async fn under_the_right<S: Store, T>(
    site: &Site<S>,
    sight: Sight,
    (order, why): (&Order, Why),
    progress: &dyn Progress,
    stop: impl Future<Output = T>,
) -> Result<Result<Done, Error>, T> {
    if let Err(error) = site.offers(order.to) {
        return Ok(Err(error));
    }
    let mut stop = pin!(stop);
    let ready = tokio::select! {
        biased;
        ready = ready(site, order, &sight, progress) => ready,
        stopped = &mut stop => return Err(stopped),
    };
    let (mut lease, well) = match ready {
        Ok(ready) => ready,
        Err(error) => return Ok(Err(error)),
    };
    let only_looks = Cell::new(false);
    let work = async {
        tokio::select! {
            biased;
            done = Box::pin(carried_out(site, sight, (order, why), (progress, well), &only_looks)) => Ok(done),
            stopped = stop => Err(stopped),
        }
    };
    match lease.hold(work).await {
        Ok(Err(stopped)) => {
            // Else what was sent may arrive yet: whoever is next waits that out.
            if only_looks.get() {
                drop(tokio::time::timeout(ON_THE_WAY_OUT, lease.release()).await);
            }
            Err(stopped)
        }
        // Whoever is next waits until what was sent and never answered has arrived, too.
        Ok(Ok(Err(error))) if error.may_happen_yet() => Ok(Err(error)),
        Ok(Ok(done)) => {
            lease.release().await;
            Ok(done)
        }
        Err(lost) => {
            lease.release().await;
            // How far it came is not known: who has the right now goes on with it.
            Ok(Err(Error::Lost(lost)))
        }
    }
}

/// The right to move the site, once its checks pass where visitors are let back, and the names of those that are set aside. While they
/// are asked anybody may still make it stricter.
async fn ready<S: Store>(
    site: &Site<S>,
    order: &Order,
    sight: &Sight,
    progress: &dyn Progress,
) -> Result<(S::Lease, Vec<String>), Error> {
    let rules = gates::let_through(site, sight, (order.to, &order.by), &order.overrides).await?;
    let mut set_aside = Vec::new();
    if sight.lets_back(site, order.to) {
        site.nobody_else_runs(order.run.as_ref()).await?;
        set_aside = site.set_aside(&order.overrides);
        // What a check asks may need what is released first: it is asked then, while visitors are still kept out.
        if !asks_on_the_way(site, sight, order.to) {
            let well = site.is_well(&order.overrides, order.timeout, progress).await;
            if set_aside.is_empty() && rules.is_empty() {
                let switch = sight.switch.as_ref().map(|(switch, _)| switch);
                gates::noted(site, switch, &order.by, well.as_ref().copied()).await;
            }
            well?;
        }
    }
    if let (Depth::Asked, Some(check)) = (order.depth, set_aside.first()) {
        return Err(Error::Rule {
            rule: "agent-asks",
            message: format!("the agent that carries it out asks the check {check} all the same"),
            hint: "leave out --wait none: the command opens it itself then".to_owned(),
        });
    }
    Ok((leased(site, order, sight, progress).await?, set_aside))
}

async fn carried_out<S: Store>(
    site: &Site<S>,
    sight: Sight,
    (order, why): (&Order, Why),
    (progress, well): (&dyn Progress, Vec<String>),
    only_looks: &Cell<bool>,
) -> Result<Done, Error> {
    let began = clock::monotonic();
    only_looks.set(true);
    let sight = as_seen(site, sight).await?;
    only_looks.set(false);
    let set_aside = sight.refusal(site, order.to, &order.overrides)?;
    if sight.lets_back(site, order.to) {
        site.nobody_else_runs(order.run.as_ref()).await?;
    }
    let done = |changed, sight, warnings| Done {
        changed,
        sight,
        warnings,
        took: clock::monotonic().duration_since(began),
    };
    if sight.is_at(site, order.to) {
        return match (order.end, sight) {
            // It is there already, and only its end is another.
            (Some(end), Sight { switch: Some((switch, version)), levers, .. }) => {
                let (sight, warnings) =
                    ends_at(site, order, end, (switch, version, levers)).await?;
                Ok(done(true, sight, warnings))
            }
            (_, sight) => Ok(done(false, sight, Vec::new())),
        };
    }
    let set_aside: Vec<_> = set_aside.into_iter().map(str::to_owned).chain(well).collect();
    let mut operation = Operation::ask(site, (order, why), sight, &set_aside, only_looks).await?;
    if order.depth == Depth::Asked {
        let switch = Some((operation.switch, operation.version));
        let sight = Sight { switch, levers: operation.seen, noticed: Vec::new() };
        return Ok(done(true, sight, operation.warnings));
    }
    match operation.lead_to_the_end(progress).await {
        Err(error) => Err(operation.gave_up(error).await),
        Ok(Switch { by, since, mode, .. }) if operation.followed => {
            Err(Error::Superseded { by, at: since, mode })
        }
        Ok(switch) => {
            let switch = Some((switch, operation.version));
            let sight = Sight { switch, levers: operation.seen, noticed: Vec::new() };
            Ok(done(true, sight, operation.warnings))
        }
    }
}

/// The operation that is there gets another end, and the reason for it, and the log says so.
async fn ends_at<S: Store>(
    site: &Site<S>,
    order: &Order,
    end: End,
    (switch, version, levers): (Switch, Version, Vec<Observation>),
) -> Result<(Sight, Vec<String>), Error> {
    let reason = order.reason.clone().or_else(|| switch.reason.clone());
    let switch = Switch { reason, ..switch.ending(end) };
    let version = site.store.write_switch(&switch, Some(&version)).await?;
    let entry = Entry {
        reason: order.reason.clone(),
        detail: Some(end.in_words()),
        ..Entry::beside(Some(&switch), &site.name, Event::Extended, &order.by)
    };
    let logged = audit::append(&site.store, &entry, (switch.version, 0)).await;
    let warnings = logged.err().map(|error| unlogged(&error)).into_iter().collect();
    Ok((Sight { switch: Some((switch, version)), levers, noticed: Vec::new() }, warnings))
}

/// What was seen, if it still is what is asked for. An end that an agent has come further with since is seen anew. Levers check
/// for themselves that they still are what was seen: each moves by compare-and-swap.
async fn as_seen<S: Store>(site: &Site<S>, mut sight: Sight) -> Result<Sight, Error> {
    let before = sight.switch.clone();
    let opens = ends(&sight);
    // Gateways come and go by themselves, and the right may have been waited for: one that came must confirm, too.
    sight.again(site).await?;
    // Whoever looks after what is paused may have let it go meanwhile.
    for (lever, seen) in site.levers.iter().zip(&mut sight.levers) {
        if lever.name() == LeverName::Database {
            *seen = lever.observe().await?;
        }
    }
    match (before, &sight.switch) {
        (None, None) => Ok(sight),
        (Some((_, before)), Some((_, now))) if before == *now => Ok(sight),
        (Some((before, _)), Some((now, _))) if opens && before.operation == now.operation => {
            look(site).await
        }
        (_, now) => {
            let by = now.as_ref().map_or("somebody", |(switch, _)| switch.by.as_str());
            Err(Error::StalePlan { what: format!("{by} moved the switch since it was made") })
        }
    }
}
