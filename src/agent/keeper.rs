//! The agent of one site, whose process holds its right to lead: keeps the ends that were promised, finishes what a
//! dead command left half way, watches beside it whether somebody else moves its record or its rules, and tells whoever is to be
//! told of what happens.
//!
//! Beside it `recovery` waits for a site that is to open once it is healthy.
//!
//! Never opens a site because time passed: it opens where somebody asked for an end, every check passes, and it has
//! just written the store.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::ends::{TIMEOUT, at_end, overdue, told_already, works_still};
use super::lead::{Depth, Order, carry_out};
use super::pause::PauseKeeper;
use super::pulse::{Pulse, Pulses};
use super::recovery::Recovers;
use super::running::running;
use super::watch::{Watch, Watched, set_aside};
use super::windows::begin;
use super::{Error, Site, look, notices};
use crate::clock;
use crate::config::NotifyConfig;
use crate::lever::Silent;
use crate::store::{self, Held, Holder, Lease as _, Notice, Right, SiteStore, Store, Version};
use crate::switch::{Mode, OnEnd, OperationId, Phase, Switch, times};
use crate::tasks::Tasks;

/// How often who does not lead looks whether it can.
const EVERY: Duration = Duration::from_secs(2);
/// How long an operation may stand still before it counts as left behind by whoever began it.
const LEFT_BEHIND: Duration = Duration::from_secs(2);
/// How long it may take to let go what is paused, on the way out.
const ON_THE_WAY_OUT: Duration = Duration::from_secs(10);
/// How long checks may take to pass once an end has come.
const GRACE: Duration = Duration::from_secs(10);
/// After a failure: soon enough to mend, seldom enough not to fill the log. Twice as long after each in a row.
const AGAIN: Duration = Duration::from_secs(30);
const SELDOM: Duration = Duration::from_mins(2);

/// Who keeps the ends of the site in `store`, if an agent does. Where its clock or ours is wrong it is watched for a few
/// seconds. Cancel safe.
pub async fn alive<S: Store>(store: &SiteStore<S>) -> Result<Option<Held>, store::Error> {
    living(store, Right::Lead).await
}

/// Who has `right`, if it lives: as [`alive`] does.
pub(super) async fn living<S: Store>(
    store: &SiteStore<S>,
    right: Right,
) -> Result<Option<Held>, store::Error> {
    let mut pulses = Pulses::new(store.clocks());
    loop {
        let Some(held) = store.has(right).await? else { return Ok(None) };
        // Whoever writes it, somebody leads.
        match pulses.feel("", held.at, held.every) {
            Pulse::Alive => return Ok(Some(held)),
            Pulse::Silent => return Ok(None),
            Pulse::Unsure => tokio::time::sleep(store::POLL).await,
        }
    }
}

/// Gives the site with its levers, as they are configured now.
pub trait Opener<S> {
    /// The site. Cancel safe.
    fn open(&self) -> impl Future<Output = Result<Site<S>, String>>;

    /// Another number whenever they are configured otherwise.
    fn edition(&self) -> u64 {
        0
    }

    /// Whether it has anything that is paused, and must not stay so.
    fn pauses(&self) -> bool {
        false
    }

    /// Who is told of what happens to it now.
    fn told(&self) -> Vec<NotifyConfig> {
        Vec::new()
    }
}

/// One site's agent.
pub struct Keeper<S, O> {
    /// The site's name.
    pub site: String,
    /// Where its documents are.
    pub store: SiteStore<S>,
    /// How to get at its levers.
    pub opener: O,
    /// `user@host`, and the id of this machine.
    pub holder: Holder,
    /// What is told of what it watches.
    pub watched: Watched,
}

/// The switch where nothing moves.
type Standing = Option<(Switch, Version)>;

/// What became of an operation whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The site is open.
    Opened,
    /// A check may still pass.
    NotYet,
    /// A command works: it opens once that has ended.
    Works,
    /// It stays as it is, and that was told.
    Stays,
}

/// What is remembered from one look to the next; all of it can be forgotten.
#[derive(Debug, Default)]
struct Memory {
    /// The version that was seen moving, and since when.
    moving: Option<(Version, Instant)>,
    /// The version whose end had come, and since when.
    ending: Option<(Version, Instant)>,
    /// The version of which it was told that it stays.
    told: Option<Version>,
    /// The version of which it was told that its command still works.
    works: Option<Version>,
    /// The operation that could not be finished, and how often in a row.
    failed: Option<(OperationId, u32)>,
    /// Nothing is tried before.
    not_before: Option<Instant>,
}

impl<S: Store, O: Opener<S>> Keeper<S, O> {
    /// Leads, or waits until whoever leads is gone, until it is told to stop.
    pub async fn run(self, tasks: &Tasks) {
        while !tasks.is_stopping() {
            let right = tokio::select! {
                biased;
                right = self.store.lead(&self.holder) => right,
                () = tasks.stopping() => return,
            };
            match right {
                Ok(mut right) => {
                    let moved = watch::Sender::new(None);
                    let watch = Watch::new(
                        &self.site,
                        &self.store,
                        &self.opener,
                        (&self.holder, &self.watched),
                    );
                    let watches = Box::pin(watch.run(moved.subscribe()));
                    let recovers = Recovers::new(&self.site, &self.opener);
                    let recovers = Box::pin(recovers.run(moved.subscribe()));
                    let by = (&self.opener, &self.holder);
                    let windows = Box::pin(begin(&self.site, &self.store, by));
                    let guard = self.guard();
                    let pauses = Box::pin(guard.keep());
                    let tells = Box::pin(notices::keep(&self.store, &self.site, &self.opener));
                    let holds = right.hold(async {
                        tokio::select! {
                            biased;
                            () = Box::pin(self.lead(tasks, &moved)) => {}
                            never = watches => match never {},
                            never = recovers => match never {},
                            never = windows => match never {},
                            never = tells => match never {},
                            never = pauses => match never {},
                        }
                    });
                    let ended = holds.await;
                    if tasks.is_stopping() {
                        drop(tokio::time::timeout(ON_THE_WAY_OUT, guard.leave()).await);
                    }
                    self.watched.leaves(&self.site);
                    right.release().await;
                    match ended {
                        Ok(()) => return,
                        Err(error) => {
                            tracing::warn!(site = self.site, %error, "the agent leads no longer");
                        }
                    }
                }
                Err(store::Error::Leased { .. }) => {}
                Err(error) => tracing::warn!(site = self.site, %error, "the agent cannot lead"),
            }
            tokio::select! {
                biased;
                () = tokio::time::sleep(EVERY) => {}
                () = tasks.stopping() => {}
            }
        }
    }

    /// Who looks after what is paused.
    fn guard(&self) -> PauseKeeper<'_, S, O> {
        let name = format!("{} (agent)", self.holder.name);
        PauseKeeper::new((&self.site, &self.store), &self.opener, name)
    }

    async fn lead(&self, tasks: &Tasks, moved: &watch::Sender<Standing>) {
        let mut notice = self.store.watch_switch().await;
        let mut memory = Memory::default();
        while !tasks.is_stopping() {
            let turn = async {
                self.turn(&mut memory, moved).await;
                notice.changed().await;
            };
            tokio::select! {
                biased;
                () = turn => {}
                // What it was doing is mended by whoever leads next.
                () = tasks.stopping() => {}
            }
        }
    }

    /// Looks at the switch, and does what nobody else will; tells through `moved` where it stands still.
    async fn turn(&self, memory: &mut Memory, moved: &watch::Sender<Standing>) {
        let (switch, version) = match self.store.switch().await {
            Ok(Some(found)) => found,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(site = self.site, %error, "the switch cannot be read");
                return;
            }
        };
        if switch.phase != Phase::Moving {
            moved.send_if_modified(|known| {
                let news = known.as_ref().is_none_or(|(_, known)| *known != version);
                if news {
                    *known = Some((switch.clone(), version.clone()));
                }
                news
            });
        }
        let now = clock::monotonic();
        if memory.not_before.is_some_and(|at| now < at) {
            return;
        }
        let ends = switch.is_overdue(clock::now()) && memory.told.as_ref() != Some(&version);
        let done = if ends {
            let waited = now.duration_since(since(&mut memory.ending, &version, now));
            let ended = self.end(&switch, &version, waited).await;
            self.remembers(memory, (&switch, version), ended.as_ref().ok()).await;
            ended.map(drop)
        } else if switch.phase == Phase::Moving {
            if now.duration_since(since(&mut memory.moving, &version, now)) < LEFT_BEHIND {
                return;
            }
            memory.moving = None;
            self.finish(&switch).await
        } else {
            return;
        };
        let failed = memory.failed.take().filter(|(operation, _)| *operation == switch.operation);
        memory.not_before = match done {
            Ok(()) => None,
            // Somebody else is at it, or was until a moment ago: look again soon.
            Err(Error::Store(store::Error::Leased { .. }) | Error::Runs { .. }) => {
                Some(now + LEFT_BEHIND)
            }
            Err(error) => {
                tracing::error!(site = self.site, %error, hint = error.hint(), "the agent could not do its part");
                // A gateway that stays silent is not asked for ever as often: each time the switch is written anew.
                let times = failed.map_or(0, |(_, times)| times);
                memory.failed = Some((switch.operation, times + 1));
                Some(now + (AGAIN * 2_u32.pow(times.min(2))).min(SELDOM))
            }
        };
    }

    /// Remembers what became of an end, and tells once that a command works past it.
    async fn remembers(
        &self,
        memory: &mut Memory,
        (switch, version): (&Switch, Version),
        ended: Option<&Ended>,
    ) {
        match ended {
            Some(Ended::Stays) => memory.told = Some(version),
            Some(Ended::Works) if memory.works.as_ref() != Some(&version) => {
                match works_still(&self.store, &self.site, switch).await {
                    Ok(()) => memory.works = Some(version),
                    Err(error) => {
                        tracing::warn!(site = self.site, %error, "that it is overdue cannot be told yet");
                    }
                }
            }
            Some(Ended::Opened | Ended::NotYet | Ended::Works) | None => {}
        }
    }

    /// Goes on with an operation whose command is gone.
    async fn finish(&self, switch: &Switch) -> Result<(), Error> {
        // While the command lives it holds the lease, and there is nothing to see to.
        self.store.lease(&self.holder).await?.release().await;
        let depth = match switch.run {
            None => Depth::Moved,
            Some(own) => match running(&self.store).await? {
                // It is on its way out.
                Some(held) if held.token == own => {
                    return Err(Error::Runs { by: held.holder, at: held.at });
                }
                Some(_) | None => Depth::Unpaused,
            },
        };
        tracing::info!(site = self.site, operation = %switch.operation, mode = switch.mode.word(), "finishing what was left behind");
        self.move_to(switch.mode, (format!("{} (agent)", self.holder.name), depth)).await
    }

    async fn move_to(&self, to: Mode, (by, depth): (String, Depth)) -> Result<(), Error> {
        let site = self.opener.open().await.map_err(|why| Error::Unopened { why })?;
        let sight = look(&site).await?;
        let overrides = set_aside(&site, &sight).await;
        let order = Order {
            to,
            by,
            reason: None,
            overrides,
            timeout: TIMEOUT,
            end: None,
            depth,
            run: None,
        };
        carry_out(&site, sight, &order, &Silent).await.map(drop)
    }

    /// An operation's time is over: reopen where that was asked for and every check passes, else stay and tell.
    async fn end(
        &self,
        switch: &Switch,
        version: &Version,
        waited: Duration,
    ) -> Result<Ended, Error> {
        if told_already(&self.store, switch).await? {
            return Ok(Ended::Stays);
        }
        if switch.on_end == Some(OnEnd::Stay) {
            overdue(&self.store, &self.site, switch, "it was to stay").await?;
            return Ok(Ended::Stays);
        }
        if let Some(passes) = switch.until_healthy {
            let why = format!("its checks have not passed {} yet", times(passes));
            overdue(&self.store, &self.site, switch, &why).await?;
            return Ok(Ended::Stays);
        }
        let site = self.opener.open().await.map_err(|why| Error::Unopened { why })?;
        match at_end(&site, switch, version).await {
            // While a command works nobody opens: its end comes once the command has ended, or is dead, which takes seconds to see.
            Err(Error::Runs { .. }) if waited < GRACE => Ok(Ended::NotYet),
            Err(Error::Runs { .. }) => Ok(Ended::Works),
            Err(Error::Rule { .. } | Error::Unchecked { .. } | Error::Unwell { .. })
                if waited < GRACE =>
            {
                Ok(Ended::NotYet)
            }
            Err(error @ (Error::Rule { .. } | Error::Unchecked { .. } | Error::Unwell { .. })) => {
                overdue(&self.store, &self.site, switch, &error.to_string()).await?;
                Ok(Ended::Stays)
            }
            done => {
                done?;
                tracing::info!(site = self.site, operation = %switch.operation, "opened at its end");
                Ok(Ended::Opened)
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
