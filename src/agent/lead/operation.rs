//! Plan, move levers, confirm, write: one operation from asking to moved.

mod back;
mod guarded;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Depth, Order, Why};
use crate::agent::fleet::SILENT;
use crate::agent::{Error, Sight, Site, answers, gates, look};
use crate::audit::{self, Entry, Event};
use crate::clock;
use crate::lever::{self, Lasts, Lever, Observation, Progress, Remembering, Started};
use crate::store::{self, Holder, Notice, Store, Version};
use crate::switch::{Ask, End, LeverName, Mode, OperationId, Plan, Step, Switch};
use crate::workers::STILL_WRITING;

/// The lever that visitors meet: it moves with the switch itself.
const GATEWAY: LeverName = LeverName::Gateway;
/// How often the plan is made anew because somebody threw the switch meanwhile.
const ROUNDS: u32 = 5;
/// A wait is never longer: the clock could not count to its end.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// One move of the switch, written in the store and under way.
pub(super) struct Operation<'a, S> {
    site: &'a Site<S>,
    /// Whether it does nothing now but look: whatever it sent that moves something was answered.
    only_looks: &'a Cell<bool>,
    pub(super) switch: Switch,
    pub(super) version: Version,
    /// The switch before, to take the move back where nothing could be moved.
    previous: Option<Box<Switch>>,
    /// Whether it goes on with an operation that was cut short.
    resumed: bool,
    from: Mode,
    /// What was seen of each lever last.
    pub(super) seen: Vec<Observation>,
    steps: Vec<Step>,
    /// What was started, in that order, for whoever had thrown the switch.
    made: Vec<Step>,
    settles_after: u32,
    /// Whether somebody threw the switch meanwhile, and the levers follow them.
    pub(super) followed: bool,
    /// Who does it: not always who asked first.
    by: String,
    /// The command that it is a part of, if it is.
    run: Option<Holder>,
    /// Whether what would be paused is.
    depth: Depth,
    /// Until when somebody else looks after what the lever moves whose turn it is.
    lasts: Option<Lasts>,
    /// The rules that they set aside.
    overrides: Vec<String>,
    deadline: Instant,
    timeout: Duration,
    entries: u32,
    pub(super) warnings: Vec<String>,
}

/// What is asked for by `order`.
fn asked<S: Store>(site: &Site<S>, sight: &Sight, order: &Order, now: Timestamp) -> Ask {
    Ask {
        operation: OperationId::at(now, fastrand::u32(..)),
        mode: order.to,
        by: order.by.clone(),
        reason: order.reason.clone(),
        before: positions(site, sight),
        end: order.end,
        gateway: kept_closed(site, sight, order.to),
        run: match order.depth {
            Depth::Asked | Depth::Moved => order.run.as_ref().map(Holder::token),
            // Whoever finishes it does not run it.
            Depth::Unpaused => sight.switch.as_ref().and_then(|(switch, _)| switch.run),
        },
    }
}

impl<'a, S: Store> Operation<'a, S> {
    /// Throws the switch, if it still is what was seen.
    pub(super) async fn ask(
        site: &'a Site<S>,
        (order, why): (&Order, Why),
        sight: Sight,
        set_aside: &[String],
        only_looks: &'a Cell<bool>,
    ) -> Result<Self, Error> {
        let now = clock::now();
        let ask = asked(site, &sight, order, now);
        let unread = answers::note(site, &sight.levers, now).await.err();
        let (mut steps, from, settles_after) = seen(site, &sight, order.to);
        let (previous, read) = sight.switch.unzip();
        let drifted = previous.as_ref().filter(|_| why == Why::Drifted);
        if drifted.is_some() {
            // Gateways follow the switch by themselves, and who may pass a closed stage is not for this to say.
            steps.retain(|step| !matches!(step.lever, GATEWAY | LeverName::Pipeline));
        }
        let switch = match drifted {
            Some(before) => before.moving_again(),
            None => Switch::asked(previous.as_ref(), ask, now),
        };
        let resumed = drifted.is_none()
            && previous.as_ref().is_some_and(|before| before.operation == switch.operation);
        let version = site.store.write_switch(&switch, read.as_ref()).await?;
        // Gateways have followed the switch since: what visitors get now is not what they got.
        let from = began(&switch).filter(|_| resumed).unwrap_or(from);
        let mut operation = Operation {
            site,
            only_looks,
            switch,
            version,
            previous: previous.filter(|_| !resumed).map(Box::new),
            resumed,
            from,
            seen: sight.levers,
            steps,
            made: Vec::new(),
            settles_after,
            followed: false,
            by: order.by.clone(),
            run: order.run.clone(),
            depth: order.depth,
            lasts: None,
            overrides: order.overrides.clone(),
            deadline: clock::monotonic() + order.timeout.min(LONGEST),
            timeout: order.timeout,
            entries: 0,
            warnings: unread.iter().map(unremembered).collect(),
        };
        let event = match why {
            Why::Drifted => Event::PutBack,
            Why::Ordered if resumed => Event::Resumed,
            Why::Ordered => Event::Asked,
        };
        let end = order.end.filter(|end| matches!(end, End::Healthy { .. }));
        operation.log(event, end.map(End::in_words)).await;
        for rule in set_aside {
            operation.log(Event::Overridden, Some(rule.clone())).await;
        }
        Ok(operation)
    }

    /// Moves the levers until they stand as the switch says, whoever threw it last.
    pub(super) async fn lead_to_the_end(
        &mut self,
        progress: &dyn Progress,
    ) -> Result<Switch, Error> {
        for _ in 0..ROUNDS {
            match self.lead(progress).await? {
                Some(switch) => return Ok(switch),
                None => self.follow().await?,
            }
        }
        let Switch { by, since, mode, .. } = self.switch.clone();
        Err(Error::Superseded { by, at: since, mode })
    }

    /// Somebody threw the switch meanwhile: their operation, planned from what is so now. It is still ours if all that they
    /// did was to give it more time.
    async fn follow(&mut self) -> Result<(), Error> {
        let sight = look(self.site).await?;
        let ours = |(switch, _): &(Switch, Version)| switch.operation == self.switch.operation;
        if !sight.switch.as_ref().is_some_and(ours) {
            self.log(Event::Superseded, None).await;
            (self.followed, self.depth) = (true, Depth::Moved);
        }
        sight.refusal(self.site, sight.desired(), &[])?;
        let (steps, from, settles_after) = seen(self.site, &sight, sight.desired());
        let Some((switch, version)) = sight.switch else {
            return Err(Error::StalePlan {
                what: "the switch was taken out of the store".to_owned(),
            });
        };
        (self.switch, self.version, self.seen) = (switch, version, sight.levers);
        self.steps = steps;
        if self.followed {
            (self.from, self.settles_after) = (from, settles_after);
        }
        Ok(())
    }

    /// Moves every lever and waits for it; `None` where somebody threw the switch meanwhile.
    async fn lead(&mut self, progress: &dyn Progress) -> Result<Option<Switch>, Error> {
        let (site, mut silent) = (self.site, None);
        for (lever, steps) in groups(site, &self.steps) {
            if !self.unmoved().await? {
                return Ok(None);
            }
            let visitors = lever.name() == GATEWAY;
            if self.lets_in(lever.name()) {
                self.checked(progress).await?;
            }
            if visitors && self.switch.gateway.is_some() && !self.release().await? {
                return Ok(None);
            }
            let steps = self.guarded(lever, steps).await?;
            let started = self.started(lever, &steps).await?;
            self.made.extend_from_slice(&steps);
            // Gateways have moved with the switch, and the time until they have drained is a visitor's.
            if !visitors {
                self.log(started_event(lever), Some(in_words(&steps))).await;
                if !self.unmoved().await? {
                    return Ok(None);
                }
            }
            match self.confirmed_or_set_aside(lever, &started, progress).await {
                // The name needs no gateway that has drained: it leads away from one that is dead.
                Err(Error::Unconfirmed(error @ lever::Error::Silent { .. }))
                    if self.switch.mode == Mode::Detour =>
                {
                    silent = Some(error);
                }
                confirmed => match confirmed? {
                    Some(confirmed) => self.now_seen(lever, &confirmed),
                    None => return Ok(None),
                },
            }
            self.unguarded(lever).await?;
        }
        if let Some(error) = silent {
            return Err(Error::Unconfirmed(error));
        }
        let moved_at = clock::now();
        let settles_after = match answers::settles_after(site, &self.seen, moved_at).await {
            Ok(seconds) => seconds.max(self.settles_after),
            Err(error) => {
                self.warnings.push(unremembered(&error));
                self.settles_after
            }
        };
        let confirmed = self.switch.confirmed(&self.switch.operation, settles_after, moved_at);
        let Some(switch) = confirmed else { return Ok(None) };
        match site.store.write_switch(&switch, Some(&self.version)).await {
            Ok(version) => self.version = version,
            Err(store::Error::Moved { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        self.switch = switch.clone();
        self.log(Event::Moved, None).await;
        Ok(Some(switch))
    }

    /// Asks the checks, now that everything behind visitors has moved back.
    async fn checked(&self, progress: &dyn Progress) -> Result<(), Error> {
        let site = self.site;
        self.only_looks.set(true);
        let left = self.deadline.saturating_duration_since(clock::monotonic());
        let well = site.is_well(&self.overrides, left, progress).await;
        self.only_looks.set(false);
        if !site.checks.is_empty() && site.set_aside(&self.overrides).is_empty() {
            gates::noted(site, Some(&self.switch), &self.by, well.as_ref().copied()).await;
        }
        well
    }

    /// Whether `lever` lets visitors in who were kept out until everything behind it had moved back: the checks are asked then.
    fn lets_in(&self, lever: LeverName) -> bool {
        let behind =
            |lever| matches!(lever, LeverName::Dns | LeverName::Database | LeverName::Workers);
        let opened_behind = self.made.iter().any(|step| behind(step.lever));
        match lever {
            // Whoever is kept waiting is not let in.
            _ if self.switch.mode > Mode::ReadOnly => false,
            LeverName::Gateway => self.switch.gateway.is_some(),
            LeverName::Balancer => opened_behind,
            LeverName::Pipeline
            | LeverName::Workers
            | LeverName::Database
            | LeverName::Variable
            | LeverName::Dns => false,
        }
    }

    /// The same, where somebody said to go on without gateways that are silent, or while jobs still run.
    async fn confirmed_or_set_aside(
        &mut self,
        lever: &dyn Lever,
        started: &Started,
        progress: &dyn Progress,
    ) -> Result<Option<Observation>, Error> {
        let confirmed = self.confirmed(lever, started, progress).await;
        let (rule, message) = match &confirmed {
            Err(Error::Unconfirmed(lever::Error::Silent { message, .. })) => (SILENT, message),
            Err(Error::Lever(lever::Error::Refused { code: STILL_WRITING, message, .. })) => {
                (STILL_WRITING, message)
            }
            _ => return confirmed,
        };
        if !self.overrides.iter().any(|other| other == rule) {
            return confirmed;
        }
        let message = message.clone();
        self.log(Event::Overridden, Some(format!("{rule}: {message}"))).await;
        self.warnings.push(message);
        Ok(Some(lever.observe().await.map_err(Error::Unconfirmed)?))
    }

    /// Waits for a lever; `None` where somebody threw the switch meanwhile.
    async fn confirmed(
        &self,
        lever: &dyn Lever,
        started: &Started,
        progress: &dyn Progress,
    ) -> Result<Option<Observation>, Error> {
        self.only_looks.set(true);
        let confirmed = self.waited_for(lever, started, progress).await;
        self.only_looks.set(false);
        confirmed
    }

    async fn waited_for(
        &self,
        lever: &dyn Lever,
        started: &Started,
        progress: &dyn Progress,
    ) -> Result<Option<Observation>, Error> {
        let progress = Remembering::new(progress);
        let confirmed = tokio::time::timeout_at(self.deadline, lever.confirm(started, &progress));
        if lever.name() != GATEWAY {
            let confirmed = confirmed.await.map_err(|_| self.too_late(&progress))?;
            return match confirmed {
                // Jobs do not end in their time: they go on, and so do visitors.
                Err(error @ lever::Error::Refused { .. }) if lever.name() == LeverName::Workers => {
                    Err(error.into())
                }
                confirmed => confirmed.map(Some).map_err(Error::Unconfirmed),
            };
        }
        // Gateways follow whoever throws the switch next, and never confirm this operation then.
        let confirmed = tokio::select! {
            biased;
            confirmed = confirmed => confirmed.map_err(|_| self.too_late(&progress))?,
            thrown = self.thrown() => return thrown.map(|()| None),
        };
        match confirmed {
            Err(error @ lever::Error::Refused { .. }) => Err(error.into()),
            confirmed => confirmed.map(Some).map_err(Error::Unconfirmed),
        }
    }

    fn too_late(&self, progress: &Remembering<'_>) -> Error {
        Error::GaveUp { what: "confirmed", waited: self.timeout, still: progress.last() }
    }

    /// Comes back when somebody throws the switch.
    async fn thrown(&self) -> Result<(), Error> {
        let mut notice = self.site.store.watch_switch().await;
        // A store that is away for a moment tells of nobody.
        while self.unmoved().await.unwrap_or(true) {
            notice.changed().await;
        }
        Ok(())
    }

    fn now_seen(&mut self, lever: &dyn Lever, confirmed: &Observation) {
        let levers = self.site.levers.iter().zip(&mut self.seen);
        for (_, seen) in levers.filter(|(other, _)| other.name() == lever.name()) {
            seen.clone_from(confirmed);
        }
    }

    /// Everything behind the gateways has moved: lets them follow. `false` where somebody threw the switch meanwhile.
    async fn release(&mut self) -> Result<bool, Error> {
        let switch = self.switch.released(clock::now());
        match self.site.store.write_switch(&switch, Some(&self.version)).await {
            Ok(version) => {
                (self.switch, self.version) = (switch, version);
                Ok(true)
            }
            Err(store::Error::Moved { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn unmoved(&self) -> Result<bool, Error> {
        let now = self.site.store.switch().await?;
        Ok(now.is_some_and(|(_, version)| version == self.version))
    }

    /// Writes an entry of the log. One that cannot be written stops nothing: the site is half way, and the way on is
    /// better than the way back.
    async fn log(&mut self, event: Event, detail: Option<String>) {
        let entry = Entry {
            at: clock::now(),
            operation: self.switch.operation.clone(),
            site: self.site.name.clone(),
            event,
            from: self.from,
            to: self.switch.mode,
            by: self.by.clone(),
            reason: self.switch.reason.clone(),
            detail,
            window: None,
        };
        self.entries += 1;
        let number = (self.switch.version, self.entries);
        if let Err(error) = audit::append(&self.site.store, &entry, number).await {
            let warning = unlogged(&error);
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }
}

pub(super) fn unlogged(error: &store::Error) -> String {
    format!("the log could not be written: {error}")
}

fn unremembered(error: &store::Error) -> String {
    format!(
        "what the name said could not be remembered, so a TTL that was changed lately is not counted: {error}"
    )
}

fn seen<S: Store>(site: &Site<S>, sight: &Sight, to: Mode) -> (Vec<Step>, Mode, u32) {
    let steps = sight.steps(site, to);
    let moves = |lever: &dyn Lever| steps.iter().any(|step| step.lever == lever.name());
    let levers = site.levers.iter().zip(&sight.levers).filter(|(lever, _)| moves(lever.as_ref()));
    // What was there before an operation that was cut short is not known any more.
    let before = |seen| if sight.moving() { None } else { Some(seen) };
    let bound = levers.map(|(lever, seen)| lever.settles_after(before(seen))).max();
    let seconds = u32::try_from(bound.unwrap_or_default().as_secs()).unwrap_or(u32::MAX);
    (steps, sight.mode(site), seconds)
}

/// What gateways go on giving while the levers behind them open: visitors come last.
fn kept_closed<S: Store>(site: &Site<S>, sight: &Sight, to: Mode) -> Option<Mode> {
    let plan: Plan = sight.plan(site, to);
    let others = plan.steps.iter().any(|step| step.lever != GATEWAY);
    let has = site.levers.iter().any(|lever| lever.name() == GATEWAY);
    let (switch, _) = sight.switch.as_ref()?;
    let now = switch.posture().mode;
    (has && others && now > to).then_some(now)
}

/// Whether the checks are asked on the way to `to`, by the lever that lets visitors in: see [`Operation::lets_in`].
pub(super) fn asks_on_the_way<S: Store>(site: &Site<S>, sight: &Sight, to: Mode) -> bool {
    let steps = sight.plan(site, to).steps;
    let moves = |lever| steps.iter().any(|step| step.lever == lever);
    let inner = moves(LeverName::Database) || moves(LeverName::Workers);
    inner
        && (moves(LeverName::Balancer)
            || (moves(GATEWAY) && kept_closed(site, sight, to).is_some()))
}

/// What visitors got before the operation of `switch`, from where its levers stood then.
fn began(switch: &Switch) -> Option<Mode> {
    let stood = |lever: LeverName| switch.before.get(lever.word()).map(String::as_str);
    let visitors = |lever| stood(lever).and_then(|word| word.parse().ok());
    let listeners = visitors(LeverName::Balancer);
    if listeners == Some(Mode::Closed) && stood(LeverName::Dns) == Some("maintenance") {
        return Some(Mode::Detour);
    }
    let gateways = visitors(GATEWAY).or(listeners);
    let name = || match stood(LeverName::Dns)? {
        "live" => Some(Mode::Open),
        "maintenance" => Some(Mode::Detour),
        _ => None,
    };
    gateways.or_else(name)
}

fn positions<S: Store>(site: &Site<S>, sight: &Sight) -> BTreeMap<String, String> {
    let levers = site.levers.iter().zip(&sight.levers);
    levers.map(|(lever, seen)| (lever.name().to_string(), seen.position.to_string())).collect()
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
    if lever.name() == LeverName::Variable { Event::VariableWritten } else { Event::Started }
}

fn in_words(steps: &[Step]) -> String {
    let targets: Vec<_> = steps.iter().map(|step| step.target.as_str()).collect();
    targets.join(", ")
}
