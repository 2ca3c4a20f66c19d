//! The agent of one site, whose process holds its right to lead: keeps the ends that were promised, finishes what a
//! dead command left half way, and remembers beside it what the names say.
//!
//! Never opens a site because time passed: it opens where somebody asked for an end, every check passes, and it has
//! just written the store.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::ends::{TIMEOUT, at_end, overdue, told_already};
use super::heartbeat::is_fresh;
use super::lead::{Depth, Order, carry_out};
use super::remember::remember;
use super::{Error, Site, look};
use crate::clock;
use crate::lever::Silent;
use crate::store::{self, Notice, SiteStore, Store, Version};
use crate::switch::{Mode, OnEnd, Phase, Switch};
use crate::tasks::Tasks;

const LEASE: &str = "lease.json";
/// How often the agent says that it lives, in seconds.
const EVERY: u32 = 2;
/// How long an operation may stand still before it counts as left behind by whoever began it.
const LEFT_BEHIND: Duration = Duration::from_secs(2);
/// How long checks may take to pass once an end has come.
const GRACE: Duration = Duration::from_secs(10);
/// After a failure: soon enough to mend, seldom enough not to fill the log.
const AGAIN: Duration = Duration::from_secs(30);

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
