//! The agent of one site, whose process holds its right to lead: keeps the ends that were promised, finishes what a
//! dead command left half way, and remembers beside it what the names say.
//!
//! Never opens a site because time passed: it opens where somebody asked for an end, every check passes, and it has
//! just written the store.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::heartbeat::is_fresh;
use super::lead::{Depth, Order, carry_out};
use super::remember::remember;
use super::{Error, Site, fleet, look};
use crate::audit::{self, Entry, Event};
use crate::clock;
use crate::lever::{Observation, Silent};
use crate::store::{self, Notice, SiteStore, Store, Version};
use crate::switch::{End, LeverName, Mode, OnEnd, Phase, Switch};
use crate::tasks::Tasks;

const LEASE: &str = "lease.json";
/// What is said behind the name of who asked for an end, where an agent opens for them.
pub(super) const AT_END: &str = " (end)";
/// How often a switch that came further meanwhile is read again.
const ROUNDS: u32 = 8;
/// How often the agent says that it lives, in seconds.
const EVERY: u32 = 2;
/// How long an operation may stand still before it counts as left behind by whoever began it.
const LEFT_BEHIND: Duration = Duration::from_secs(2);
/// How long checks may take to pass once an end has come.
const GRACE: Duration = Duration::from_secs(10);
/// After a failure: soon enough to mend, seldom enough not to fill the log.
const AGAIN: Duration = Duration::from_secs(30);
/// How long the levers may take.
const TIMEOUT: Duration = Duration::from_mins(15);
/// How far back the log is read to see whether an overdue end was told already.
const LOOK_BACK: usize = 50;

/// What the agent tells of itself in `lease.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Liveness {
    /// Its format.
    pub format: u32,
    /// Its id: that of its machine's state folder.
    pub agent: String,
    /// `user@host`.
    pub holder: String,
    /// When it told.
    pub at: Timestamp,
    /// The next time comes within so many seconds.
    pub every: u32,
}

/// Who keeps the ends of the site in `store` at `now`, if an agent does. Cancel safe.
pub async fn alive<S: Store>(
    store: &SiteStore<S>,
    now: Timestamp,
) -> Result<Option<Liveness>, store::Error> {
    let found = store.document::<Liveness>(LEASE).await?.map(|(told, _)| told);
    Ok(found.filter(|told| is_fresh(told.at, told.every, now)))
}

/// Gives the site with its levers, as they are configured now.
pub trait Opener<S> {
    /// The site. Cancel safe.
    fn open(&self) -> impl Future<Output = Result<Site<S>, String>>;
}

/// One site's agent.
pub struct Keeper<S, O> {
    /// The site's name.
    pub site: String,
    /// Where its documents are.
    pub store: SiteStore<S>,
    /// How to get at its levers.
    pub opener: O,
    /// The id of this machine.
    pub id: String,
    /// `user@host`.
    pub holder: String,
}

/// What is remembered from one look to the next; all of it can be forgotten.
#[derive(Debug, Default)]
struct Memory {
    /// The version that was seen moving, and since when.
    moving: Option<(Version, Instant)>,
    /// The version whose end had come, and since when.
    ending: Option<(Version, Instant)>,
    /// Nothing is tried before.
    not_before: Option<Instant>,
}

impl<S: Store, O: Opener<S>> Keeper<S, O> {
    /// Leads, or waits until whoever leads is gone, until it is told to stop.
    pub async fn run(self, tasks: &Tasks) {
        let every = Duration::from_secs(u64::from(EVERY));
        while !tasks.is_stopping() {
            match self.store.lead(&self.holder).await {
                Ok(_lead) => {
                    let remember = remember(&self.site, &self.store, &self.opener);
                    tokio::select! {
                        () = self.lead(tasks) => return,
                        never = remember => match never {},
                    }
                }
                Err(store::Error::Leased { .. }) => {}
                Err(error) => tracing::warn!(site = self.site, %error, "the agent cannot lead"),
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = tasks.stopping() => {}
            }
        }
    }

    async fn lead(&self, tasks: &Tasks) {
        let mut notice = self.store.watch("").await;
        let mut memory = Memory::default();
        let mut told: Option<Instant> = None;
        while !tasks.is_stopping() {
            let now = clock::monotonic();
            let due =
                told.is_none_or(|told| now.duration_since(told).as_secs() >= u64::from(EVERY));
            if due {
                self.tell().await;
                told = Some(now);
            }
            let turn = async {
                self.turn(&mut memory).await;
                notice.changed().await;
            };
            // A turn may take as long as a lever does: the agent goes on saying that it lives.
            tokio::pin!(turn);
            loop {
                tokio::select! {
                    () = &mut turn => break,
                    () = tokio::time::sleep(Duration::from_secs(u64::from(EVERY))) => self.tell().await,
                    // What it was doing is mended by whoever leads next.
                    () = tasks.stopping() => break,
                }
            }
        }
        drop(self.store.remove(LEASE).await);
    }

    async fn tell(&self) {
        let liveness = Liveness {
            format: 1,
            agent: self.id.clone(),
            holder: self.holder.clone(),
            at: clock::now(),
            every: EVERY,
        };
        if let Err(error) = self.store.renew(LEASE, &liveness).await {
            tracing::warn!(site = self.site, %error, "the agent cannot say that it lives");
        }
    }

    /// Looks at the switch, and does what nobody else will.
    async fn turn(&self, memory: &mut Memory) {
        let (switch, version) = match self.store.switch().await {
            Ok(Some(found)) => found,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(site = self.site, %error, "the switch cannot be read");
                return;
            }
        };
        let now = clock::monotonic();
        if memory.not_before.is_some_and(|at| now < at) {
            return;
        }
        let done = if switch.phase == Phase::Moving {
            if now.duration_since(since(&mut memory.moving, &version, now)) < LEFT_BEHIND {
                return;
            }
            memory.moving = None;
            self.finish(&switch).await
        } else if switch.is_overdue(clock::now()) {
            let waited = now.duration_since(since(&mut memory.ending, &version, now));
            self.end(&switch, &version, waited).await
        } else {
            return;
        };
        memory.not_before = match done {
            Ok(()) => None,
            // Somebody else is at it: look again soon.
            Err(Error::Store(store::Error::Leased { .. })) => Some(now + LEFT_BEHIND),
            Err(error) => {
                tracing::error!(site = self.site, %error, hint = error.hint(), "the agent could not do its part");
                Some(now + AGAIN)
            }
        };
    }

    /// Goes on with an operation whose command is gone.
    async fn finish(&self, switch: &Switch) -> Result<(), Error> {
        // While the command lives it holds the lease, and there is nothing to see to.
        drop(self.store.lease(&self.holder).await?);
        tracing::info!(site = self.site, operation = %switch.operation, mode = switch.mode.word(), "finishing what was left behind");
        self.move_to(switch.mode, format!("{} (agent)", self.holder)).await
    }

    async fn move_to(&self, to: Mode, by: String) -> Result<(), Error> {
        let site = self.opener.open().await.map_err(|why| Error::Unopened { why })?;
        let sight = look(&site).await?;
        let order = Order {
            to,
            by,
            reason: None,
            overrides: Vec::new(),
            timeout: TIMEOUT,
            end: None,
            depth: Depth::Moved,
        };
        carry_out(&site, sight, &order, &Silent).await.map(drop)
    }

    /// An operation's time is over: reopen where that was asked for and every check passes, else stay and tell.
    async fn end(&self, switch: &Switch, version: &Version, waited: Duration) -> Result<(), Error> {
        if told_already(&self.store, switch).await? {
            return Ok(());
        }
        if switch.on_end == Some(OnEnd::Stay) {
            return overdue(&self.store, &self.site, switch, "it was to stay").await;
        }
        let site = self.opener.open().await.map_err(|why| Error::Unopened { why })?;
        match at_end(&site, switch, version).await {
            Err(Error::Rule { .. } | Error::Unchecked { .. }) if waited < GRACE => Ok(()),
            Err(error @ (Error::Rule { .. } | Error::Unchecked { .. })) => {
                overdue(&self.store, &self.site, switch, &error.to_string()).await
            }
            done => {
                done?;
                tracing::info!(site = self.site, operation = %switch.operation, "opened at its end");
                Ok(())
            }
        }
    }
}

/// Since when `version` was seen, remembering it if it is new.
fn since(seen: &mut Option<(Version, Instant)>, version: &Version, now: Instant) -> Instant {
    match seen {
        Some((known, since)) if known == version => *since,
        _ => {
            *seen = Some((version.clone(), now));
            now
        }
    }
}

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
    checked(gateways)?;
    let order = Order {
        to: Mode::Open,
        by: format!("{}{AT_END}", switch.by),
        reason: switch.reason.clone(),
        overrides: Vec::new(),
        timeout: TIMEOUT,
        end: None,
        depth: Depth::Moved,
    };
    carry_out(site, sight, &order, &Silent).await.map(drop)
}

/// Healthy upstreams in the heartbeats of every living gateway are a check.
fn checked<'a>(gateways: impl Iterator<Item = &'a Observation>) -> Result<(), Error> {
    let mut checks = 0;
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

async fn told_already<S: Store>(store: &SiteStore<S>, switch: &Switch) -> Result<bool, Error> {
    let (entries, _): (Vec<Entry>, _) = audit::log(store, LOOK_BACK).await?;
    let told = |entry: &Entry| {
        entry.event == Event::Overdue
            && entry.operation == switch.operation
            && switch.until.is_some_and(|until| until <= entry.at)
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
    let now = clock::now();
    let entry = Entry {
        at: now,
        operation: switch.operation.clone(),
        site: site.to_owned(),
        event: Event::Overdue,
        from: switch.mode,
        to: switch.mode,
        by: switch.by.clone(),
        reason: switch.reason.clone(),
        detail: Some(why.to_owned()),
    };
    let late = switch.until.map_or(SignedDuration::ZERO, |until| now.duration_since(until));
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
    /// How many seconds requests may wait.
    Patience(u32),
}
