//! A right, held by one living process at a time: what is written of it, and how it is kept where no operating system
//! takes it back.
//!
//! Never trusts a clock of another machine: whoever wants a right that is taken watches whether its document changes.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Error, Expect, Right, Store, Version};
use crate::clock;

/// How often the holder of a right says that it lives, in seconds.
const EVERY: u32 = 2;
/// So many times that, and whoever watched takes a right over whose document did not change.
const MISSED: u32 = 5;
/// Its holder gives it up one earlier: before anybody can have it.
const KEPT: u32 = MISSED - 1;
/// How often a right that many want is tried for anew.
const ROUNDS: u32 = 3;

/// Who asks for a right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// `user@host`, or what AWS calls them.
    pub name: String,
    /// The id of its machine's state folder; empty for a command.
    pub agent: String,
    token: u64,
}

impl Holder {
    /// A command of somebody.
    pub fn command(name: impl Into<String>) -> Holder {
        Holder::agent(name, "")
    }

    /// An agent on the machine with this id.
    pub fn agent(name: impl Into<String>, id: impl Into<String>) -> Holder {
        // A whole number of JSON for whoever reads it with floating point.
        Holder { name: name.into(), agent: id.into(), token: fastrand::u64(..1 << 53) }
    }

    /// What is written of it.
    pub(super) fn told(&self, beat: u64) -> Held {
        Held {
            format: 1,
            agent: self.agent.clone(),
            holder: self.name.clone(),
            at: clock::now(),
            every: EVERY,
            beat,
            token: self.token,
            released: false,
        }
    }
}

/// What `lease.json` tells of the agent that leads, and in a bucket `moving.json` of who moves levers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its format.
    pub format: u32,
    /// Its id: that of its machine's state folder.
    #[serde(default)]
    pub agent: String,
    /// Who holds it.
    pub holder: String,
    /// When it was written, by its own clock.
    pub at: Timestamp,
    /// It is written again within so many seconds.
    pub every: u32,
    /// Counts the times, so that no two contents are the same.
    #[serde(default)]
    pub beat: u64,
    /// Of this holder alone: two of one name that write at once write something else.
    #[serde(default)]
    pub token: u64,
    /// Given back: nobody need wait.
    #[serde(default)]
    pub released: bool,
}

impl Held {
    /// How long its document may stay as it is before somebody else takes the right.
    fn patience(&self) -> Duration {
        Duration::from_secs(u64::from(self.every.clamp(1, 60) * MISSED))
    }
}

/// A right that is held.
pub trait Lease {
    /// Does `work` while the right is kept up. [`Error::Leased`] where somebody else has it meanwhile: `work` is dropped
    /// then, wherever it is. Crash safe, as what it does must be.
    fn hold<T>(&mut self, work: impl Future<Output = T>) -> impl Future<Output = Result<T, Error>>;

    /// Gives it back at once: else others wait until it counts as dead.
    fn release(self) -> impl Future<Output = ()>;
}

/// The document of a right.
pub(super) fn key(right: Right) -> &'static str {
    match right {
        Right::Move => "moving.json",
        Right::Lead => "lease.json",
    }
}

/// How often what says that a holder lives is written.
pub(super) fn every() -> Duration {
    Duration::from_secs(u64::from(EVERY))
}

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
                    let now = silent(&store, right, &held, version).await?;
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
                Err(error) => return Err(error),
            }
        }
        Err(taken(&store, right).await)
    }

    /// Writes its document until that fails for good; says why then.
    async fn keep_up(&mut self) -> Error {
        // From when the last one was begun: its answer may have taken long.
        let mut next = self.kept + every();
        loop {
            let until = self.kept + every() * KEPT;
            tokio::time::sleep_until(next.min(until)).await;
            let began = clock::monotonic();
            let told = written(&self.holder.told(self.beat + 1));
            let expect = Expect::At(self.version.clone());
            let put = self.store.put(key(self.right), &told, expect);
            match tokio::time::timeout_at(until, put).await {
                Ok(Ok(version)) => {
                    (self.beat, self.version, self.kept) = (self.beat + 1, version, began);
                    next = began + every();
                }
                Ok(Err(Error::Moved { .. })) => {
                    let ours = tokio::time::timeout_at(until, self.ours()).await;
                    match ours.unwrap_or_else(|_| Err(self.late())) {
                        Ok(version) => {
                            (self.beat, self.version, next) = (self.beat + 1, version, began);
                        }
                        Err(error) => return error,
                    }
                }
                // Once more, as long as nobody else can have it.
                Ok(Err(_)) if began < until => next = clock::monotonic() + every(),
                Ok(Err(error)) => return error,
                Err(_) => return self.late(),
            }
        }
    }

    /// The version of our own last write, whose answer was lost and which took effect all the same; else who has the right.
    async fn ours(&self) -> Result<Version, Error> {
        match found(&self.store, self.right).await? {
            Found::Taken(held, version)
                if held.token == self.holder.token && held.beat == self.beat + 1 =>
            {
                Ok(version)
            }
            Found::Taken(held, _) => Err(Error::Leased { holder: held.holder }),
            Found::Free(..) => Err(Error::Leased { holder: "somebody else".to_owned() }),
        }
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
            biased;
            done = work => return Ok(done),
            error = self.keep_up() => error,
        };
        self.lost = true;
        Err(error)
    }

    async fn release(self) {
        // What was cut off at work may have sent something that arrives yet: whoever is next waits that out.
        if self.lost {
            return;
        }
        let told = Held { released: true, ..self.holder.told(self.beat + 1) };
        let told = written(&told);
        let put = self.store.put(key(self.right), &told, Expect::At(self.version));
        // Somebody else has it, or waits until it counts as dead.
        drop(tokio::time::timeout(every(), put).await);
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

/// Watches a right whose holder may be dead: what to write over once it counts as that.
async fn silent<S: Store>(
    store: &S,
    right: Right,
    held: &Held,
    version: Version,
) -> Result<Expect, Error> {
    let until = clock::monotonic() + held.patience();
    while clock::monotonic() < until {
        tokio::time::sleep(every() / 2).await;
        match found(store, right).await? {
            Found::Free(expect, _) => return Ok(expect),
            Found::Taken(_, now) if now == version => {}
            Found::Taken(now, _) => return Err(Error::Leased { holder: now.holder }),
        }
    }
    Ok(Expect::At(version))
}

async fn taken<S: Store>(store: &S, right: Right) -> Error {
    match found(store, right).await {
        Ok(Found::Taken(held, _)) => Error::Leased { holder: held.holder },
        Ok(Found::Free(..)) | Err(_) => Error::Leased { holder: "somebody else".to_owned() },
    }
}

fn written(held: &Held) -> Vec<u8> {
    // Texts and numbers: there is nothing in it that could not be written.
    serde_json::to_vec(held).unwrap_or_default()
}
