//! A store in a bucket: one object a document, written by conditional puts. S3 and whatever speaks like it, Google Cloud
//! Storage, Azure Blob Storage.
//!
//! A change is noticed by asking: once a second, with the `ETag` of what was read last, so that nothing unchanged travels.

mod doubt;
mod open;
mod rights;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use object_store::{
    GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, UpdateVersion,
};
use tokio::time::Instant;

use super::{
    Clocks, Document, Error, Expect, Fenced, Holder, LARGEST, Notice, POLL, Right, Store, Version,
};
use crate::clock;

/// The slowest that a bucket is asked whether something changed.
const SLOWEST: Duration = Duration::from_secs(5);
/// How long one question to the bucket may take, retries included.
const PATIENCE: Duration = Duration::from_secs(8);
/// How often a write is made again that the bucket had no time for.
const ROUNDS: u32 = 5;
const AGAIN: Duration = Duration::from_millis(100);
/// What gateways and agents say without being asked is said every so many seconds: each costs money here.
const PACE: u32 = 5;
/// So much of a document, and of so many, is remembered, so that it need not travel twice.
const REMEMBERED: usize = 64 << 10;
const MOST: usize = 2048;
/// So many documents of a folder are asked for at once.
const AT_ONCE: usize = 64;

use doubt::is_in_doubt;
pub use open::open;
pub use rights::{User, rights};

/// Says what a client's error means, for the next step of a person.
pub type Explain = dyn Fn(&object_store::Error) -> io::Error + Send + Sync;

/// Documents as objects below a prefix.
#[derive(Clone)]
pub struct BucketStore {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    place: String,
    explain: Arc<Explain>,
    /// What was read last, by key.
    known: Arc<Mutex<Known>>,
    /// How many questions in a row had no answer.
    refused: Arc<AtomicU32>,
}

type Known = BTreeMap<String, (Vec<u8>, Version)>;

impl std::fmt::Debug for BucketStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("BucketStore").field(&self.place).finish()
    }
}

impl BucketStore {
    /// The documents below `prefix` of `objects`; `place` is the bucket's URL, for a person.
    pub fn new(
        objects: Arc<dyn ObjectStore>,
        prefix: Path,
        place: String,
        explain: Arc<Explain>,
    ) -> BucketStore {
        let (known, refused) = (Arc::default(), Arc::default());
        BucketStore { objects, prefix, place, explain, known, refused }
    }

    /// The documents in a folder of it.
    pub fn folder(&self, name: &str) -> BucketStore {
        let (prefix, place) = (self.prefix.clone().join(name), format!("{}/{name}", self.place));
        let known = Arc::default();
        BucketStore { prefix, place, known, ..self.clone() }
    }

    fn path(&self, key: &str) -> Path {
        self.prefix.parts().chain(Path::from(key).parts()).collect()
    }

    fn cannot(&self, doing: &'static str) -> impl Fn(object_store::Error) -> Error + '_ {
        move |error| self.cannot_now(doing, (self.explain)(&error))
    }

    fn cannot_now(&self, doing: &'static str, source: io::Error) -> Error {
        Error::Unavailable { place: self.describe(), doing, source }
    }

    fn unknown(&self, key: &str, source: io::Error) -> Error {
        Error::Unknown { key: key.to_owned(), place: self.describe(), source }
    }

    async fn in_time<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.in_time_or(|source| self.cannot_now(doing, source), work).await
    }

    /// What `work` says, or `late` where it takes too long.
    async fn in_time_or<T>(
        &self,
        late: impl FnOnce(io::Error) -> Error,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let done = tokio::time::timeout(PATIENCE, Box::pin(work))
            .await
            .unwrap_or_else(|_| Err(late(io::ErrorKind::TimedOut.into())));
        match &done {
            Err(Error::Unavailable { .. } | Error::Unknown { .. }) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) | Err(_) => self.refused.store(0, Ordering::Relaxed),
        }
        done
    }

    /// The document. What was read before is not sent again where it still is so.
    async fn read(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
        let known = self.known().get(key).cloned();
        let etag = known.as_ref().map(|(_, version)| parts_of(version).0.to_owned());
        let options = GetOptions { if_none_match: etag, ..GetOptions::default() };
        let answer = match self.objects.get_opts(&self.path(key), options).await {
            Ok(answer) => answer,
            Err(object_store::Error::NotModified { .. }) => return Ok(known),
            Err(object_store::Error::NotFound { .. }) => {
                self.known().remove(key);
                return Ok(None);
            }
            Err(error) => return Err(self.cannot("read")(error)),
        };
        if answer.meta.size > LARGEST as u64 {
            return Err(Error::too_large(key, self.describe()));
        }
        let (etag, version) = (answer.meta.e_tag.clone(), answer.meta.version.clone());
        let version = self.version_of(key, etag.as_deref(), version.as_deref())?;
        let content = answer.bytes().await.map_err(self.cannot("read"))?.to_vec();
        let mut known = self.known();
        if content.len() <= REMEMBERED && (known.len() < MOST || known.contains_key(key)) {
            known.insert(key.to_owned(), (content.clone(), version.clone()));
        }
        Ok(Some((content, version)))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One conditional put; [`Error::Moved`] where what it expects is not so, [`Error::Unknown`] where it may have been made.
    async fn write(&self, key: &str, content: &[u8], expect: &Expect) -> Result<Version, Error> {
        let mode = match expect {
            Expect::Absent => PutMode::Create,
            Expect::At(version) => PutMode::Update(update_of(version)),
            Expect::Anything => PutMode::Overwrite,
        };
        let payload = PutPayload::from(content.to_vec());
        match self.objects.put_opts(&self.path(key), payload, mode.into()).await {
            Ok(done) => self.version_of(key, done.e_tag.as_deref(), done.version.as_deref()),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. }
                | object_store::Error::NotModified { .. },
            ) => Err(Error::Moved { key: key.to_owned() }),
            Err(error) if *expect != Expect::Anything && is_in_doubt(&error) => {
                Err(self.unknown(key, (self.explain)(&error)))
            }
            Err(error) => Err(self.cannot("written")(error)),
        }
    }

    /// What is there after a put that may have been made though its answer says otherwise, or never came. No two writers write
    /// the same content: what says what we wrote is ours.
    async fn settled(
        &self,
        key: &str,
        content: &[u8],
        expect: &Expect,
        error: Error,
    ) -> Result<Option<Version>, Error> {
        let now = match (self.read(key).await, &error) {
            (Ok(now), _) => now,
            // It is not as expected: by somebody else, or by an attempt of ours whose answer did not come.
            (Err(Error::Unavailable { source, .. }), Error::Moved { .. }) => {
                return Err(self.unknown(key, source));
            }
            (Err(_), _) => return Err(error),
        };
        match (now, expect, &error) {
            (Some((now, version)), _, _) if now == content => Ok(Some(version)),
            // It is as it was: the bucket had no time for it (409), or it never arrived.
            (None, Expect::Absent, Error::Moved { .. }) => Ok(None),
            (Some((_, now)), Expect::At(version), Error::Moved { .. }) if now == *version => {
                Ok(None)
            }
            (_, _, _) => Err(error),
        }
    }

    fn version_of(
        &self,
        key: &str,
        etag: Option<&str>,
        version: Option<&str>,
    ) -> Result<Version, Error> {
        match etag {
            Some(etag) => Ok(Version(format!("{etag}\n{}", version.unwrap_or_default()))),
            None => Err(Error::Unreadable {
                key: key.to_owned(),
                place: self.describe(),
                why: "the bucket gives no ETag, so nobody could tell one version from another"
                    .to_owned(),
            }),
        }
    }
}

/// The `ETag` of a version, and what the bucket calls it besides.
fn parts_of(version: &Version) -> (&str, Option<&str>) {
    let (etag, other) = version.0.split_once('\n').unwrap_or((&version.0, ""));
    (etag, Some(other).filter(|other| !other.is_empty()))
}

fn update_of(version: &Version) -> UpdateVersion {
    let (etag, version) = parts_of(version);
    UpdateVersion { e_tag: Some(etag.to_owned()), version: version.map(str::to_owned) }
}

impl Store for BucketStore {
    type Lease = Fenced<BucketStore>;
    type Notice = BucketNotice;

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
        self.in_time("read", self.read(key)).await
    }

    async fn put(&self, key: &str, content: &[u8], expect: Expect) -> Result<Version, Error> {
        if content.len() > LARGEST {
            return Err(Error::too_large(key, self.describe()));
        }
        let late = |source| match &expect {
            Expect::Absent | Expect::At(_) => self.unknown(key, source),
            Expect::Anything => self.cannot_now("written", source),
        };
        let written = async {
            let mut round = 0;
            loop {
                let error = match self.write(key, content, &expect).await {
                    Ok(version) => return Ok(version),
                    Err(error) if expect == Expect::Anything => return Err(error),
                    Err(error) => error,
                };
                let moved = || Error::Moved { key: key.to_owned() };
                if let Some(version) = self.settled(key, content, &expect, error).await? {
                    return Ok(version);
                }
                round += 1;
                if round >= ROUNDS {
                    return Err(moved());
                }
                tokio::time::sleep(AGAIN * round).await;
            }
        };
        self.in_time_or(late, written).await
    }

    async fn renew(&self, key: &str, content: &[u8]) -> Result<(), Error> {
        self.in_time("written", async {
            self.write(key, content, &Expect::Anything).await.map(drop)
        })
        .await
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.in_time("written", async {
            match self.objects.delete(&self.path(key)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(self.cannot("written")(error)),
            }
        })
        .await
    }

    async fn watch(&self, _what: &str) -> BucketNotice {
        BucketNotice {
            refused: Arc::clone(&self.refused),
            asked: clock::monotonic(),
            jitter: jitter(),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let found = self.in_time("read", self.listed(prefix)).await?;
        Ok(found.into_iter().map(|(key, _)| key).collect())
    }

    async fn all(&self, prefix: &str, most: usize) -> Result<Vec<Document>, Error> {
        let listed = self.in_time("read", self.listed(prefix)).await?;
        let reads = listed.into_iter().take(most).map(|(key, etag)| async move {
            let document = match self.remembered(&key, etag.as_deref()) {
                Some(document) => Some(document),
                None => self.get(&key).await?,
            };
            Ok(document.map(|(content, version)| (key, content, version)))
        });
        let read: Vec<_> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    async fn lease(&self, right: Right, holder: &Holder) -> Result<Fenced<BucketStore>, Error> {
        Fenced::take(self.clone(), right, holder).await
    }

    fn pace(&self) -> u32 {
        PACE
    }

    fn clocks(&self) -> Clocks {
        Clocks::Many
    }

    fn describe(&self) -> String {
        self.place.clone()
    }
}

impl BucketStore {
    /// The keys in the folder of `prefix` that start with it, with their `ETag`s, sorted.
    async fn listed(&self, prefix: &str) -> Result<Vec<(String, Option<String>)>, Error> {
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = self.path(folder);
        let listing = self.objects.list_with_delimiter(Some(&path)).await;
        let objects = listing.map_err(self.cannot("read"))?.objects;
        let named = |object: ObjectMeta| {
            let name = object.location.filename()?;
            let key = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            key.starts_with(prefix).then_some((key, object.e_tag))
        };
        let mut keys: Vec<_> = objects.into_iter().filter_map(named).collect();
        keys.sort();
        Ok(keys)
    }

    /// What was read before, if it still has this `ETag`.
    fn remembered(&self, key: &str, etag: Option<&str>) -> Option<(Vec<u8>, Version)> {
        let known = self.known().get(key).cloned()?;
        (Some(parts_of(&known.1).0) == etag).then_some(known)
    }
}

/// Says when to ask a bucket again: each question brings what is new, and nothing where nothing is.
#[derive(Debug)]
pub struct BucketNotice {
    refused: Arc<AtomicU32>,
    /// When it was asked last. Kept between calls: whoever asks again before the next time must not put that off.
    asked: Instant,
    jitter: f64,
}

impl Notice for BucketNotice {
    async fn changed(&mut self) {
        // It is throttled or out of reach: the more who ask, the longer it stays so.
        let refused = self.refused.load(Ordering::Relaxed).min(8);
        let every = POLL.saturating_mul(1 << refused).min(SLOWEST);
        tokio::time::sleep_until(self.asked + every.mul_f64(self.jitter)).await;
        (self.asked, self.jitter) = (clock::monotonic(), jitter());
    }
}

/// So that those who were started together do not ask together.
fn jitter() -> f64 {
    0.8 + 0.4 * fastrand::f64()
}
