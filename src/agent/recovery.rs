//! `--until-healthy`: a site that is to open once its checks pass again. They are asked while it is in its mode, and where they have
//! passed often enough it is opened as at every other end: all of them are asked once more, and the store is written first.
//!
//! Never counts what could not be asked, nor what was found before the operation had moved.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::ends::at_end;
use super::keeper::Opener;
use super::{Error, Site, fleet};
use crate::checks::asked_once;
use crate::clock;
use crate::store::{self, Store, Version};
use crate::switch::{Health, LeverName, Mode, OperationId, Phase, Recovery, Switch};

/// So long a site's levers are kept as they were opened.
const KEPT: Duration = Duration::from_mins(5);
/// From one question to the next, where no check wants it to be longer.
const LOOK: Duration = Duration::from_secs(1);
/// Who is at the site is left to it for so long; and after it could not be opened.
const SOON: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_secs(30);

/// How a recovery stands that somebody waits for.
#[derive(Debug)]
pub struct Awaiting {
    operation: OperationId,
    since: Instant,
    recovery: Recovery,
}

impl Awaiting {
    /// Of the operation that stands in `switch`, as far as its end is a recovery and it has moved; `before` is gone on with where it
    /// is the same one, with as many passes as are wanted by now.
    pub fn of(before: Option<Awaiting>, switch: &Switch, now: Instant) -> Option<Awaiting> {
        let stands = switch.mode != Mode::Open && switch.phase != Phase::Moving;
        let passes = switch.until_healthy.filter(|_| stands)?;
        let same = before.filter(|before| before.operation == switch.operation);
        let Some(same) = same else {
            let operation = switch.operation.clone();
            return Some(Awaiting { operation, since: now, recovery: Recovery::after(passes) });
        };
        Some(Awaiting { recovery: same.recovery.wanting(passes), ..same })
    }

    /// Asks every check of `site` once, and looks at the upstreams of every living gateway; whether it has recovered, and what was
    /// found. Cancel safe.
    pub async fn asks<S: Store>(&mut self, site: &Site<S>) -> (bool, Health) {
        let found = health(site).await;
        (self.recovery.hears(found, clock::monotonic().duration_since(self.since)), found)
    }

    /// It could not be opened: everything is counted anew, and what was unwell stays so.
    pub fn again(&mut self) {
        self.recovery.hears(Health::Unwell, Duration::ZERO);
    }
}

/// What the checks of `site` say now.
async fn health<S: Store>(site: &Site<S>) -> Health {
    let mut asked = site.checks.len();
    for lever in site.levers.iter().filter(|lever| lever.name() == LeverName::Gateway) {
        let Ok(seen) = lever.observe().await else { return Health::Unknown };
        for beat in fleet::fresh(&seen) {
            if beat.asks_still() {
                return Health::Unknown;
            }
            if !beat.upstreams.iter().any(|upstream| upstream.healthy) {
                return Health::Unwell;
            }
            asked += 1;
        }
    }
    let within = site.checks.iter().map(|guard| guard.deadline).max().unwrap_or_default();
    let outcomes = asked_once(&site.checks, within).await;
    match asked {
        0 => Health::Unknown,
        _ if outcomes.iter().all(|outcome| outcome.found.is_ok()) => Health::Well,
        _ => Health::Unwell,
    }
}

/// How long to wait before `site` is asked again: no check more often than it wants, and no store more often than gateways tell it.
pub fn between_asks<S: Store>(site: &Site<S>) -> Duration {
    let told = Duration::from_secs(u64::from(site.store.pace()));
    site.checks.iter().map(|guard| guard.interval).fold(LOOK.max(told), Duration::max)
}

/// The agent that waits for it.
pub(super) struct Recovers<'a, S, O> {
    site: &'a str,
    opener: &'a O,
    opened: Option<(Site<S>, Instant, u64)>,
    awaiting: Option<Awaiting>,
    /// Why it could not be opened last.
    said: Option<String>,
}

impl<'a, S: Store, O: Opener<S>> Recovers<'a, S, O> {
    pub(super) fn new(site: &'a str, opener: &'a O) -> Self {
        Recovers { site, opener, opened: None, awaiting: None, said: None }
    }

    /// Asks and opens until it is dropped; hears in `standing` how the switch stands where nothing moves. Crash safe.
    pub(super) async fn run(
        mut self,
        mut standing: Receiver<Option<(Switch, Version)>>,
    ) -> Infallible {
        loop {
            let now = clock::monotonic();
            let thrown = standing.borrow_and_update().clone();
            let before = self.awaiting.take();
            self.awaiting =
                thrown.as_ref().and_then(|(switch, _)| Awaiting::of(before, switch, now));
            let Some((switch, version)) = thrown.filter(|_| self.awaiting.is_some()) else {
                (self.opened, self.said) = (None, None);
                changed(&mut standing).await;
                continue;
            };
            let pause = self.turn(&switch, &version).await;
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks once, and opens what has recovered; after how long to ask again.
    async fn turn(&mut self, switch: &Switch, version: &Version) -> Duration {
        if let Err(why) = self.open().await {
            self.says(&why);
            return AGAIN;
        }
        let (Some((site, ..)), Some(awaiting)) = (&self.opened, &mut self.awaiting) else {
            return AGAIN;
        };
        let pause = between_asks(site);
        if !awaiting.asks(site).await.0 {
            return pause;
        }
        match self.opens(switch, version).await {
            Ok(()) => {
                tracing::info!(site = self.site, operation = %switch.operation, "opened: it is healthy again");
                SOON
            }
            // Somebody is at it, or works: it is asked on.
            Err(
                Error::Store(store::Error::Leased { .. } | store::Error::Moved { .. })
                | Error::StalePlan { .. }
                | Error::Superseded { .. }
                | Error::Runs { .. },
            ) => SOON.max(pause),
            Err(error) => {
                self.says(&error.to_string());
                if let Some(awaiting) = &mut self.awaiting {
                    awaiting.again();
                }
                AGAIN
            }
        }
    }

    /// What Terraform says may be another by now: it is opened as it is configured now.
    async fn opens(&self, switch: &Switch, version: &Version) -> Result<(), Error> {
        let site = self.opener.open().await.map_err(|why| Error::Unopened { why })?;
        at_end(&site, switch, version).await
    }

    async fn open(&mut self) -> Result<(), String> {
        let (now, edition) = (clock::monotonic(), self.opener.edition());
        let is_good = |(_, at, of): &(Site<S>, Instant, u64)| {
            *of == edition && now.duration_since(*at) < KEPT
        };
        if !self.opened.as_ref().is_some_and(is_good) {
            self.opened = None;
            self.opened = Some((self.opener.open().await?, now, edition));
        }
        Ok(())
    }

    fn says(&mut self, why: &str) {
        if self.said.as_deref() != Some(why) {
            tracing::warn!(site = self.site, why, "it is to open once it is healthy, and cannot");
            self.said = Some(why.to_owned());
        }
    }
}

async fn changed(standing: &mut Receiver<Option<(Switch, Version)>>) {
    if standing.changed().await.is_err() {
        pending::<()>().await;
    }
}
