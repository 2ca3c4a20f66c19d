//! A right where no operating system takes it back: kept up by writing its document again and again.
//!
//! Never trusts a clock of another machine: whoever wants a right that is taken watches whether its document changes.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::lease::{Held, Holder, Lease, every, key};
use super::{Error, Expect, Right, Store, Version};
use crate::clock;

/// So many times that, and whoever watched takes a right over whose document did not change.
const MISSED: u32 = 5;
/// Its holder gives it up one earlier: before anybody can have it.
const KEPT: u32 = MISSED - 1;
/// How soon what failed is tried again.
const AGAIN: Duration = Duration::from_millis(200);
/// How often a right that many want is tried for anew.
const ROUNDS: u32 = 3;

/// A right in a store that many machines share, kept up by writing its document again: each write is conditional on the one
/// before, so a holder that was taken for dead finds out before it does more.
#[derive(Debug)]
pub struct Fenced<S> {
    store: S,
    right: Right,
    holder: Holder,
    beat: u64,
    version: Version,
    /// When the last write that took effect was begun.
    kept: Instant,
    /// Whether it was lost while work was under way.
    lost: bool,
}

/// What is known of a right that somebody else wants.
enum Found {
    /// Nobody has it: it is written over this.
    Free(Expect, u64),
    /// It is taken, as of this version.
    Taken(Held, Version),
}

impl<S: Store> Fenced<S> {
    /// Takes `right`, at once where it is free, after its holder's patience where that is silent. [`Error::Leased`] as soon as
    /// the holder is seen to live. Cancel safe: a right that was just taken counts as dead after a while.
    pub(super) async fn take(store: S, right: Right, holder: &Holder) -> Result<Fenced<S>, Error> {
        for _ in 0..ROUNDS {
            let (expect, beat) = match found(&store, right).await? {
                Found::Free(expect, beat) => (expect, beat),
                Found::Taken(held, version) => {
                    let now = silent(&store, right, &held, version, holder).await?;
                    (now, held.beat)
                }
            };
            let kept = clock::monotonic();
            match store.put(key(right), &written(&holder.told(beat + 1)), expect).await {
                Ok(version) => {
                    let holder = holder.clone();
                    let (beat, lost) = (beat + 1, false);
                    return Ok(Fenced { store, right, holder, beat, version, kept, lost });
                }
                Err(Error::Moved { .. }) => {}
                // Without the right nothing is moved: whoever has it by this counts as dead after a while.
                Err(Error::Unknown { place, source, .. }) => {
                    return Err(Error::Unavailable { place, doing: "written", source });
                }
                Err(error) => return Err(error),
            }
        }
        Err(taken(&store, right).await)
    }

    /// Writes its document until that fails for good; says why then.
    async fn keep_up(&mut self) -> Error {
        let mut last = None;
        loop {
            let (next, until) = (self.kept + every(), self.kept + every() * KEPT);
            tokio::time::sleep_until(next.max(clock::monotonic() + AGAIN).min(until)).await;
            let left = until.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return last.unwrap_or_else(|| self.late());
            }
            match tokio::time::timeout(left.min(every()), self.beat()).await {
                Ok(Ok(())) => last = None,
                Ok(Err(error @ Error::Leased { .. })) => return error,
                // Once more, as long as nobody else can have it.
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(self.late()),
            }
        }
    }

    /// Says once more that its holder lives.
    async fn beat(&mut self) -> Result<(), Error> {
        let began = clock::monotonic();
        let told = written(&self.holder.told(self.beat + 1));
        let expect = Expect::At(self.version.clone());
        match self.store.put(key(self.right), &told, expect).await {
            Ok(version) => {
                (self.beat, self.version, self.kept) = (self.beat + 1, version, began);
                Ok(())
            }
            Err(Error::Moved { .. }) => self.adopt().await,
            Err(error) => Err(error),
        }
    }

    /// Its document is not what it wrote last: a beat of its own that arrived though its answer did not, or somebody else's.
    async fn adopt(&mut self) -> Result<(), Error> {
        match found(&self.store, self.right).await? {
            Found::Taken(held, version) if held.token == self.holder.token => {
                (self.beat, self.version) = (held.beat, version);
                Ok(())
            }
            Found::Taken(held, _) => Err(Error::Leased { holder: held.holder }),
            Found::Free(..) => Err(Error::Leased { holder: "somebody else".to_owned() }),
        }
    }

    async fn give_back(&mut self) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let told = Held { released: true, ..self.holder.told(self.beat + 1) };
            let expect = Expect::At(self.version.clone());
            match self.store.put(key(self.right), &written(&told), expect).await {
                Err(Error::Moved { .. }) => self.adopt().await?,
                done => return done.map(drop),
            }
        }
        Ok(())
    }

    fn late(&self) -> Error {
        Error::Unavailable {
            place: self.store.describe(),
            doing: "written",
            source: std::io::ErrorKind::TimedOut.into(),
        }
    }
}

impl<S: Store> Lease for Fenced<S> {
    async fn hold<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Error> {
        let error = tokio::select! {
            // First: after a machine slept, nothing more is done by a right that is over.
            biased;
            error = self.keep_up() => error,
            done = work => return Ok(done),
        };
        self.lost = true;
        Err(error)
    }

    async fn release(mut self) {
        // What was cut off at work may have sent something that arrives yet: whoever is next waits that out.
        if self.lost {
            return;
        }
        // Somebody else has it, or waits until it counts as dead.
        drop(tokio::time::timeout(every() * 2, self.give_back()).await);
    }
}

async fn found<S: Store>(store: &S, right: Right) -> Result<Found, Error> {
    let Some((content, version)) = store.get(key(right)).await? else {
        return Ok(Found::Free(Expect::Absent, 0));
    };
    match serde_json::from_slice::<Held>(&content) {
        Ok(held) if held.released => Ok(Found::Free(Expect::At(version), held.beat)),
        Ok(held) => Ok(Found::Taken(held, version)),
        Err(error) => Err(Error::Unreadable {
            key: key(right).to_owned(),
            place: store.describe(),
            why: error.to_string(),
        }),
    }
}

/// Watches a right whose holder may be dead, and tells `asks` of it: what to write over once it counts as that.
async fn silent<S: Store>(
    store: &S,
    right: Right,
    held: &Held,
    version: Version,
    asks: &Holder,
) -> Result<Expect, Error> {
    let until = clock::monotonic() + patience(held);
    loop {
        let left = until.saturating_duration_since(clock::monotonic());
        if left.is_zero() {
            return Ok(Expect::At(version));
        }
        asks.waits_for(&held.holder, left);
        tokio::time::sleep(every() / 2).await;
        match found(store, right).await? {
            Found::Free(expect, _) => return Ok(expect),
            Found::Taken(_, now) if now == version => {}
            Found::Taken(now, _) => return Err(Error::Leased { holder: now.holder }),
        }
    }
}

async fn taken<S: Store>(store: &S, right: Right) -> Error {
    match found(store, right).await {
        Ok(Found::Taken(held, _)) => Error::Leased { holder: held.holder },
        Ok(Found::Free(..)) | Err(_) => Error::Leased { holder: "somebody else".to_owned() },
    }
}

/// How long a right's document may stay as it is before somebody else takes it.
fn patience(held: &Held) -> Duration {
    Duration::from_secs(u64::from(held.every.clamp(1, 60) * MISSED))
}

fn written(held: &Held) -> Vec<u8> {
    // Texts and numbers: there is nothing in it that could not be written.
    serde_json::to_vec(held).unwrap_or_default()
}
