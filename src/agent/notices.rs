//! Tells whoever is to be told of what was appended to the log: each event to each of them once, as far as that can be, and again
//! with the same id where it failed.
//!
//! Whoever wrote the entry left a notice beside it (`audit::append`). One process at a time has a notice: it says so in it, by
//! compare-and-swap, and takes it away once all were told. Never in the way of a switch: nothing waits for this.

mod keep;
mod untold;
mod what;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::audit::{Claim, NOTICES, Notice};
use crate::clock;
use crate::config::{NotifyConfig, Occasion};
use crate::notify::{self, Event};
use crate::store::{Error, Expect, SiteStore, Store, Version};
use crate::tasks::all;

pub(super) use keep::keep;
pub use untold::{Untold, untold};
use what::{event, occasion};

/// So many are told in one go.
const AT_ONCE: usize = 100;
/// A claim of whoever is gone ends after this: longer than anything that is done under one takes.
const CLAIM: SignedDuration = SignedDuration::from_secs(150);
/// The pause after a failure doubles from the first to the longest, until an event is this old.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(4);
const GIVES_UP: SignedDuration = SignedDuration::from_hours(1);

/// Tells what there is to tell of one site.
#[derive(Debug)]
pub struct Notices<'a, S> {
    store: &'a SiteStore<S>,
    own: String,
}

/// What is left after a round.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// How many notices are there still, whoever tells them.
    pub left: usize,
    /// Who was not told, one after the other as it failed.
    pub failed: Vec<Untold>,
    /// When the first of them is tried again.
    pub next: Option<Timestamp>,
}

/// A notice that is ours to tell.
#[derive(Debug)]
struct Claimed {
    notice: Notice,
    version: Version,
    event: Event,
}

/// What became of telling one of them.
#[derive(Debug)]
struct Told {
    /// Of which notices.
    ids: Vec<String>,
    /// What stopped it, and at which notice.
    failed: Option<(String, notify::Error)>,
}

impl<'a, S: Store> Notices<'a, S> {
    /// Of the site of `store`, as somebody else than all others.
    pub fn new(store: &'a SiteStore<S>) -> Notices<'a, S> {
        Notices { store, own: format!("{:016x}", fastrand::u64(..)) }
    }

    /// Tells `whom` of everything that nobody else tells and whose time has come. Dropped midway, somebody may be told twice, with
    /// the same id.
    pub async fn round(&self, whom: &[NotifyConfig]) -> Result<Round, Error> {
        let mut round = Round::default();
        if whom.is_empty() {
            // Whoever has the blocks that this configuration lacks tells them.
            return Ok(round);
        }
        let claimed = self.claim(whom, &mut round).await?;
        if claimed.is_empty() {
            return Ok(round);
        }
        let told = all(whom.iter().map(|one| told(one, &claimed))).await;
        for claimed in claimed {
            self.end(claimed, whom, &told, &mut round).await?;
        }
        untold::write(self.store, whom, &told_of(whom, &told), &round.failed).await?;
        Ok(round)
    }

    /// Gives up what it has begun to tell, for somebody else to go on with.
    pub async fn let_go(&self) -> Result<(), Error> {
        for (mut notice, version) in self.there().await? {
            if notice.claim.take_if(|claim| claim.by == self.own).is_some() {
                match self.write(&notice, version).await {
                    Ok(_) | Err(Error::Moved { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Those that can be understood, oldest first.
    async fn there(&self) -> Result<Vec<(Notice, Version)>, Error> {
        let mut there = Vec::new();
        for key in self.store.keys(NOTICES).await?.into_iter().take(AT_ONCE) {
            match self.store.document::<Notice>(&key).await {
                Ok(Some((notice, version))) if notice.is_readable() => {
                    there.push((notice, version));
                }
                // Somebody took it away, or a newer Roadworks wrote it, which tells it.
                Ok(_) => {}
                Err(error @ Error::Unreadable { .. }) => {
                    tracing::debug!(%error, "a notice cannot be understood");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(there)
    }

    async fn write(&self, notice: &Notice, version: Version) -> Result<Version, Error> {
        self.store.write(&notice.key(), notice, Expect::At(version)).await
    }

    /// Makes those its own that nobody else tells, and that somebody of `whom` wants to hear.
    async fn claim(&self, whom: &[NotifyConfig], round: &mut Round) -> Result<Vec<Claimed>, Error> {
        let (mut claimed, now) = (Vec::new(), clock::now());
        for (mut notice, version) in self.there().await? {
            let Some(occasion) = wanted(&notice, whom) else {
                self.store.remove(&notice.key()).await?;
                continue;
            };
            if !is_free(&notice, &self.own, now) {
                round.left += 1;
                continue;
            }
            if let Some(later) = notice.not_before.filter(|later| *later > now) {
                round.left += 1;
                round.next = Some(round.next.map_or(later, |next| next.min(later)));
                continue;
            }
            if notice.tries == 0 && notice.until.is_none() {
                let switch = self.store.switch().await?.map(|(switch, _)| switch);
                let same = switch.filter(|switch| switch.operation == notice.entry.operation);
                notice.until = same.and_then(|switch| switch.until);
            }
            notice.claim = Some(Claim { by: self.own.clone(), at: now });
            match self.write(&notice, version).await {
                Ok(version) => {
                    let event = event(&notice, occasion);
                    claimed.push(Claimed { notice, version, event });
                }
                // Somebody else was faster.
                Err(Error::Moved { .. }) => round.left += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(claimed)
    }

    /// Takes a notice away, or says in it who was told and when it is tried again.
    async fn end(
        &self,
        claimed: Claimed,
        whom: &[NotifyConfig],
        told: &[Told],
        round: &mut Round,
    ) -> Result<(), Error> {
        let (Claimed { mut notice, version, event }, now) = (claimed, clock::now());
        let (mut waits, mut pause) = (false, pause(notice.tries));
        for (one, told) in whom.iter().zip(told) {
            if told.ids.contains(&notice.id) {
                notice.told.push(one.name.clone());
                continue;
            }
            if !wants(one, &notice, event.occasion) {
                continue;
            }
            match &told.failed {
                Some((id, error)) if *id == notice.id => {
                    let ends = error.is_final() || now.duration_since(event.at) > GIVES_UP;
                    round.failed.push(Untold::of(one, &event, (error, notice.tries + 1), ends));
                    if ends {
                        notice.told.push(one.name.clone());
                    } else {
                        waits = true;
                        pause = pause.max(error.again().unwrap_or_default());
                    }
                }
                // What failed before it is told first.
                _ => waits = true,
            }
        }
        if !waits {
            return self.store.remove(&notice.key()).await;
        }
        notice.tries += 1;
        notice.claim = None;
        let later = now.saturating_add(pause).unwrap_or(now);
        notice.not_before = Some(later);
        round.left += 1;
        round.next = Some(round.next.map_or(later, |next| next.min(later)));
        match self.write(&notice, version).await {
            // Somebody took it for abandoned: they go on with it.
            Ok(_) | Err(Error::Moved { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Tells one of them of each notice in turn, up to the first that fails: what comes later is not told before what came earlier.
async fn told(one: &NotifyConfig, claimed: &[Claimed]) -> Told {
    let mut told = Told { ids: Vec::new(), failed: None };
    for Claimed { notice, event, .. } in claimed {
        if !wants(one, notice, event.occasion) {
            continue;
        }
        match Box::pin(notify::tell(one, event, clock::now())).await {
            Ok(()) => told.ids.push(notice.id.clone()),
            Err(error) => {
                told.failed = Some((notice.id.clone(), error));
                break;
            }
        }
    }
    told
}

/// The names of those who were told of everything.
fn told_of(whom: &[NotifyConfig], told: &[Told]) -> Vec<String> {
    let well = whom.iter().zip(told).filter(|(_, told)| told.failed.is_none());
    well.filter(|(_, told)| !told.ids.is_empty()).map(|(one, _)| one.name.clone()).collect()
}

/// What a notice tells of, if anybody is still to hear it.
fn wanted(notice: &Notice, whom: &[NotifyConfig]) -> Option<Occasion> {
    let occasion = occasion(&notice.entry)?;
    whom.iter().any(|one| wants(one, notice, occasion)).then_some(occasion)
}

fn wants(one: &NotifyConfig, notice: &Notice, occasion: Occasion) -> bool {
    one.wants(occasion) && !notice.told.contains(&one.name)
}

/// Whether nobody tells it now.
fn is_free(notice: &Notice, own: &str, now: Timestamp) -> bool {
    notice.claim.as_ref().is_none_or(|claim| {
        // A clock that is far ahead or behind must not keep it for ever.
        claim.by == own || now.duration_since(claim.at).abs() > CLAIM
    })
}

/// How long nobody is told again after so many tries before this one.
fn pause(tries: u32) -> Duration {
    FIRST.saturating_mul(2_u32.saturating_pow(tries)).min(LONGEST)
}

#[cfg(test)]
mod trials;
