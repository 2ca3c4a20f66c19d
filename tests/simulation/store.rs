//! A bucket at the other end of a network that loses requests and answers, one handle a machine: the real store on top of
//! objects that are not there.
//!
//! A request that was sent goes its way whether anybody waits for its answer or not, as it does when its sender dies.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt as _, TryStreamExt as _, once};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as Failure, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result as Answer,
};
use roadworks::clock;
use roadworks::store::{
    BucketNotice, BucketStore, Clocks, Document, Error, Expect, Fenced, Holder, Lease, Right,
    Store, Version,
};
use roadworks::tasks::Tasks;

use super::world::{Broken, Inner, Node, World, gateway};

/// What S3 says of one object of a listing, but for its key, and so many it says at once.
const LISTED: usize = "<Contents><Key></Key><LastModified>2026-11-28T12:00:00.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>500</Size><StorageClass>STANDARD</StorageClass></Contents>".len();
const PAGE: usize = 1000;

/// The bucket as one machine sees it.
#[derive(Clone)]
struct Network {
    world: Arc<World>,
    node: Node,
}

/// What becomes of one request.
struct Way {
    there: Duration,
    back: Duration,
    arrives: bool,
    answered: bool,
    /// How long its sender waits for an answer that does not come.
    patience: Duration,
}

fn failed(why: &'static str) -> Failure {
    Failure::Generic { store: "simulation", source: why.into() }
}

impl Network {
    fn way(&self) -> Way {
        let mut inner = self.world.inner();
        let storm = inner.storm;
        let mut millis = |from: u64, to: u64| Duration::from_millis(inner.chance.u64(from..to));
        let (mut there, mut back, patience) =
            (millis(1, 20), millis(1, 20), millis(200, if storm.is_some() { 6000 } else { 300 }));
        let mut one_in = |of: Option<u32>| of.is_some_and(|of| inner.chance.u32(..of) == 0);
        let (slow_there, slow_back) = (one_in(storm), one_in(storm));
        let (lost, unheard) = (one_in(storm), one_in(storm));
        if slow_there {
            there *= 150;
        }
        if slow_back {
            back *= 150;
        }
        Way { there, back, arrives: !lost, answered: !unheard, patience }
    }

    /// Sends a request that takes `effect` when it arrives.
    async fn ask<T: Send + 'static>(
        &self,
        effect: impl FnOnce(&mut Inner) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let (way, to) = (self.way(), self.clone());
        let patience = way.patience;
        let (answer, answered) = tokio::sync::oneshot::channel();
        drop(Tasks::new().start(async move {
            tokio::time::sleep(way.there).await;
            if !way.arrives || to.is_parted() {
                return;
            }
            let done = if to.is_throttled() {
                Err(failed("503 Slow Down"))
            } else {
                effect(&mut to.world.inner())
            };
            tokio::time::sleep(way.back).await;
            if way.answered && !to.is_parted() {
                drop(answer.send(done));
            }
        }));
        if let Ok(done) = answered.await {
            return done;
        }
        tokio::time::sleep(patience).await;
        Err(failed("no answer"))
    }

    fn is_parted(&self) -> bool {
        let now = clock::monotonic();
        self.world.inner().parted.get(&self.node).is_some_and(|until| now < *until)
    }

    fn is_throttled(&self) -> bool {
        let now = clock::monotonic();
        let mut inner = self.world.inner();
        inner.throttled.is_some_and(|until| now < until) && inner.chance.bool()
    }
}

/// Whether a bucket with this fault looks at what a write of `key` expects.
fn checks(broken: Option<Broken>, key: &str) -> bool {
    match broken {
        Some(Broken::Fencing) => key != "lease.json" && key != "moving.json",
        Some(Broken::VersionCheck) => key != "switch.json",
        Some(Broken::OperationId) | None => true,
    }
}

fn put(inner: &mut Inner, node: Node, key: &str, content: &[u8], mode: &PutMode) -> Answer<u64> {
    let now = inner.documents.get(key).map(|(_, write)| write.to_string());
    let holds = match mode {
        PutMode::Overwrite => true,
        PutMode::Create => now.is_none(),
        PutMode::Update(version) => now.is_some() && version.e_tag == now,
    };
    if !holds && checks(inner.broken, key) {
        let (path, source) = (key.to_owned(), "it is not so".into());
        return Err(match mode {
            PutMode::Create => Failure::AlreadyExists { path, source },
            PutMode::Update(_) | PutMode::Overwrite => Failure::Precondition { path, source },
        });
    }
    inner.writes += 1;
    let write = inner.writes;
    inner.documents.insert(key.to_owned(), (content.to_vec(), write));
    inner.wrote(node, key, content);
    Ok(write)
}

/// What is read under `key`: its content and its `ETag`.
fn read(inner: &Inner, key: &str) -> Option<(Vec<u8>, String)> {
    let (content, write) = inner.documents.get(key)?;
    match (inner.broken, gateway(key), inner.newest()) {
        (Some(Broken::OperationId), Some(_), Some(newest)) => {
            let mut beat: serde_json::Value = serde_json::from_slice(content).unwrap();
            beat["operation"] = serde_json::json!(newest);
            Some((beat.to_string().into_bytes(), format!("{write} {newest}")))
        }
        _ => Some((content.clone(), write.to_string())),
    }
}

fn meta(key: &str, size: usize, etag: String) -> ObjectMeta {
    let (location, last_modified) = (Path::from(key), std::time::UNIX_EPOCH.into());
    ObjectMeta { location, last_modified, size: size as u64, e_tag: Some(etag), version: None }
}

#[async_trait]
impl ObjectStore for Network {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Answer<PutResult> {
        let (key, node) = (location.to_string(), self.node);
        let content: Vec<u8> = payload.iter().flat_map(|part| part.to_vec()).collect();
        let effect = move |inner: &mut Inner| {
            inner.traffic.counts(1, content.len());
            put(inner, node, &key, &content, &options.mode)
        };
        let write = self.ask(effect).await?;
        let e_tag = Some(write.to_string());
        Ok(PutResult { e_tag, version: None, extensions: object_store::Extensions::default() })
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Answer<Box<dyn MultipartUpload>> {
        Err(Failure::NotImplemented {
            operation: "put_multipart".to_owned(),
            implementer: self.to_string(),
        })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Answer<GetResult> {
        let key = location.to_string();
        let (content, meta) = self
            .ask(move |inner| {
                let (path, source) = (key.clone(), "nothing new".into());
                inner.traffic.counts(1, 0);
                match read(inner, &key) {
                    None => Err(Failure::NotFound { path, source }),
                    Some((_, etag)) if options.if_none_match.as_ref() == Some(&etag) => {
                        Err(Failure::NotModified { path, source })
                    }
                    Some((content, etag)) => {
                        inner.traffic.counts(0, content.len());
                        let meta = meta(&key, content.len(), etag);
                        Ok((content, meta))
                    }
                }
            })
            .await?;
        let range = 0..content.len() as u64;
        let whole = once(async move { Ok(content.into()) }).boxed();
        Ok(GetResult {
            payload: GetResultPayload::Stream(whole),
            meta,
            range,
            attributes: object_store::Attributes::default(),
            extensions: object_store::Extensions::default(),
        })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Answer<Path>>,
    ) -> BoxStream<'static, Answer<Path>> {
        let to = self.clone();
        let gone = locations.and_then(move |location| {
            let (to, key) = (to.clone(), location.to_string());
            async move {
                to.ask(move |inner| {
                    inner.traffic.counts(1, 0);
                    inner.documents.remove(&key);
                    inner.removed(&key);
                    Ok(location)
                })
                .await
            }
        });
        gone.boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Answer<ObjectMeta>> {
        once(async { Err(failed("nobody lists everything")) }).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Answer<ListResult> {
        let folder = prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default();
        let objects = self.ask(move |inner| {
            let keys = inner.documents.keys().filter(|key| key.starts_with(&folder));
            let found = |key: &String| {
                let (content, etag) = read(inner, key)?;
                Some(meta(key, content.len(), etag))
            };
            let found: Vec<_> = keys.filter_map(found).collect();
            let bytes = found.iter().map(|meta| meta.location.as_ref().len() + LISTED).sum();
            inner.traffic.counts(found.len().div_ceil(PAGE).max(1), bytes);
            Ok(found)
        });
        Ok(ListResult {
            common_prefixes: Vec::new(),
            objects: objects.await?,
            extensions: object_store::Extensions::default(),
        })
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Answer<()> {
        Err(failed("nobody copies"))
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the network of {}", self.node)
    }
}

/// The real store of one machine, and who is seen to work with which right.
#[derive(Clone)]
pub(super) struct SimulatedStore {
    bucket: BucketStore,
    world: Arc<World>,
    node: Node,
}

impl SimulatedStore {
    pub(super) fn of(world: &Arc<World>, node: Node) -> SimulatedStore {
        let network = Arc::new(Network { world: Arc::clone(world), node });
        let words = |error: &Failure| io::Error::other(error.to_string());
        let bucket = BucketStore::new(
            network,
            Path::default(),
            format!("bucket of {node}"),
            Arc::new(words),
        );
        SimulatedStore { bucket, world: Arc::clone(world), node }
    }
}

impl fmt::Debug for SimulatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bucket.fmt(f)
    }
}

/// A right, and whose work with it is seen.
pub(super) struct Watched {
    lease: Fenced<BucketStore>,
    right: Right,
    world: Arc<World>,
    node: Node,
}

impl Lease for Watched {
    async fn hold<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Error> {
        let (world, right, node) = (&self.world, self.right, self.node);
        let seen = async move {
            let _at_work = world.begins(right, node);
            work.await
        };
        self.lease.hold(seen).await
    }

    async fn release(self) {
        self.lease.release().await;
    }
}

impl Store for SimulatedStore {
    type Lease = Watched;
    type Notice = BucketNotice;

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
        self.bucket.get(key).await
    }

    async fn put(&self, key: &str, content: &[u8], expect: Expect) -> Result<Version, Error> {
        let version = self.bucket.put(key, content, expect.clone()).await?;
        if expect != Expect::Anything {
            self.world.won(key, &format!("{key} {expect:?}"), content);
        }
        Ok(version)
    }

    async fn renew(&self, key: &str, content: &[u8]) -> Result<(), Error> {
        self.bucket.renew(key, content).await
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.bucket.remove(key).await
    }

    async fn watch(&self, what: &str) -> BucketNotice {
        self.bucket.watch(what).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        self.bucket.list(prefix).await
    }

    async fn all(&self, prefix: &str, most: usize) -> Result<Vec<Document>, Error> {
        self.bucket.all(prefix, most).await
    }

    async fn lease(&self, right: Right, holder: &Holder) -> Result<Watched, Error> {
        let lease = self.bucket.lease(right, holder).await?;
        Ok(Watched { lease, right, world: Arc::clone(&self.world), node: self.node })
    }

    fn pace(&self) -> u32 {
        self.bucket.pace()
    }

    fn clocks(&self) -> Clocks {
        self.bucket.clocks()
    }

    fn describe(&self) -> String {
        self.bucket.describe()
    }
}
