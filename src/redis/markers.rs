//! The thread that has a guard's marker in the store, and looks at the others'. Whatever the store does, no client waits for it
//! longer than the journal's thread does.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::answer::Dirty;
use super::breaker::Others;
use super::gate::Gate;
use super::journal::Entry;
use super::keeper::Kept;
use super::marker::{Known, Marker, Own, folder, key};
use crate::clock;
use crate::store::{Error, Expect, Notice as _, SiteStore, Store};
use crate::tasks::Tasks;

/// How long one call of the store may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// So much may wait to be done.
const QUEUE: usize = 16;

/// What the thread is asked.
#[derive(Debug)]
enum Ask {
    /// To say that something is dropped in these databases, after so many outages; whether it is said.
    Mark(BTreeSet<u32>, u64, SyncSender<bool>),
    /// To say that nothing is left of it, and to look at the others'.
    Clear(SyncSender<()>),
    /// What is there.
    List(oneshot::Sender<Result<Vec<(String, Marker)>, String>>),
    /// To take these away, and to hold nothing of its own for lost any more.
    Forget(Vec<String>, oneshot::Sender<Result<(), String>>),
}

/// How the thread is reached.
#[derive(Debug, Clone)]
pub(super) struct Markers {
    asks: mpsc::Sender<Ask>,
    marked: Arc<Mutex<Marked>>,
}

/// What is known of a guard's own marker.
#[derive(Debug, Default)]
struct Marked {
    /// The databases that it names.
    covered: BTreeSet<u32>,
    /// Whether there is one, or is to be.
    has_own: bool,
    /// How often nothing was left. What the thread was asked before that is not done any more: what is marked then is of now.
    clears: u64,
}

impl Markers {
    /// Whether something may be dropped in these: others know that it is. Waits at most so long.
    pub(super) fn cover(&self, databases: &BTreeSet<u32>, within: Duration) -> bool {
        let clears = {
            let marked = self.marked();
            if databases.is_subset(&marked.covered) {
                return true;
            }
            marked.clears
        };
        let (reply, done) = sync_channel(1);
        self.asks.try_send(Ask::Mark(databases.clone(), clears, reply)).is_ok()
            && done.recv_timeout(within) == Ok(true)
    }

    /// Whether anything is marked.
    pub(super) fn has_any(&self) -> bool {
        self.marked().has_own
    }

    fn marked(&self) -> MutexGuard<'_, Marked> {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is left of what was dropped. Waits at most so long until that is said and the others' are looked at; it is done later
    /// all the same.
    pub(super) fn clear(&self, within: Duration) {
        {
            let mut marked = self.marked();
            marked.clears += 1;
            // It may be taken away from here on.
            marked.covered.clear();
        }
        let (reply, done) = sync_channel(1);
        if self.asks.try_send(Ask::Clear(reply)).is_ok() {
            // What is known of others stays where it takes longer.
            done.recv_timeout(within).unwrap_or_default();
        }
    }

    /// What is there, by key.
    pub(super) async fn list(&self) -> Result<Vec<(String, Marker)>, String> {
        let (reply, list) = oneshot::channel();
        self.asks.send(Ask::List(reply)).await.map_err(|_| ended())?;
        list.await.map_err(|_| ended())?
    }

    /// Takes these away.
    pub(super) async fn forget(&self, keys: Vec<String>) -> Result<(), String> {
        let (reply, done) = oneshot::channel();
        self.asks.send(Ask::Forget(keys, reply)).await.map_err(|_| ended())?;
        done.await.map_err(|_| ended())?
    }
}

fn ended() -> String {
    "the thread that has the marker has ended".to_owned()
}

/// Begins; the second is told once it has looked for the first time, or cannot.
pub(super) fn start<S: Store + Send + 'static>(
    gate: &Arc<Gate>,
    store: SiteStore<S>,
    known: Known,
    guard: &str,
    tasks: &Tasks,
) -> io::Result<(Markers, oneshot::Receiver<()>)> {
    let (asks, asked) = mpsc::channel(QUEUE);
    let (looked, first) = oneshot::channel();
    let markers = Markers { asks, marked: Arc::default() };
    let name = gate.config.name.clone();
    let watch = Watch {
        key: key(&name, guard),
        store,
        known,
        asked,
        gate: Arc::downgrade(gate),
        marked: Arc::clone(&markers.marked),
        clears: 0,
        name,
        is_readable: true,
        is_writable: true,
        others: Others::Clean,
    };
    let stopping = tasks.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = move || runtime.block_on(watch.run(looked, &stopping));
    drop(tasks.start_thread("marker", work)?);
    Ok((markers, first))
}

struct Watch<S> {
    name: String,
    key: String,
    store: SiteStore<S>,
    known: Known,
    asked: mpsc::Receiver<Ask>,
    gate: Weak<Gate>,
    marked: Arc<Mutex<Marked>>,
    clears: u64,
    /// Whether it was, the last time.
    is_readable: bool,
    is_writable: bool,
    /// What was told last.
    others: Others,
}

impl<S: Store> Watch<S> {
    async fn run(mut self, looked: oneshot::Sender<()>, tasks: &Tasks) {
        self.settle().await;
        // Whoever began may wait for it no longer.
        looked.send(()).unwrap_or_default();
        let mut notice = self.store.watch(&folder(&self.name)).await;
        loop {
            let ask = tokio::select! {
                ask = self.asked.recv() => match ask {
                    Some(ask) => Some(ask),
                    None => return,
                },
                () = notice.changed() => None,
                () = tasks.stopping() => return,
            };
            self.catch_up();
            match ask {
                None => self.settle().await,
                Some(Ask::Mark(databases, clears, reply)) => {
                    if !self.known.has_looked() {
                        self.look().await;
                    }
                    let mut is_told = false;
                    if clears == self.clears {
                        self.known.want(&databases);
                        self.publish();
                        is_told = self.set_own().await && self.known.covers(&databases);
                    }
                    // Whoever asked may wait for it no longer.
                    reply.try_send(is_told).unwrap_or_default();
                }
                Some(Ask::Clear(reply)) => {
                    self.set_own().await;
                    self.look().await;
                    reply.try_send(()).unwrap_or_default();
                }
                Some(Ask::List(reply)) => drop(reply.send(self.list().await)),
                Some(Ask::Forget(keys, reply)) => drop(reply.send(self.forget(keys).await)),
            }
        }
    }

    /// Nothing is left of what was marked before.
    fn catch_up(&mut self) {
        let clears = self.marked().clears;
        if clears != std::mem::replace(&mut self.clears, clears) {
            self.known.done();
        }
    }

    fn marked(&self) -> MutexGuard<'_, Marked> {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is there.
    async fn list(&self) -> Result<Vec<(String, Marker)>, String> {
        let read = async {
            let mut found = Vec::new();
            for key in self.store.keys(&folder(&self.name)).await? {
                match self.store.document::<Marker>(&key).await {
                    Ok(Some((marker, _))) => found.push((key, marker)),
                    Ok(None) => {}
                    // Something is there, whatever it says.
                    Err(Error::Unreadable { .. }) => {
                        let marker = Marker::of(&key, clock::now(), BTreeSet::new());
                        found.push((key, marker));
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(found)
        };
        match timeout(PATIENCE, read).await {
            Ok(found) => found.map_err(|error: Error| error.to_string()),
            Err(_) => Err("it does not answer in time".to_owned()),
        }
    }

    /// Looks at the others', and has nobody read while there is one. What cannot be looked at stays as it was known.
    async fn look(&mut self) {
        let redis = self.name.clone();
        match self.list().await {
            Ok(found) => {
                self.is_readable = true;
                let markers = found.into_iter().map(|(_, marker)| marker).collect();
                for guard in self.known.looked(markers, clock::now()) {
                    tracing::error!(
                        redis,
                        guard,
                        "reads miss until this guard has removed what it dropped: if it is gone for good, run `roadworks redis recover {redis} --flush`, or --accept-stale"
                    );
                }
            }
            Err(why) => {
                if std::mem::replace(&mut self.is_readable, false) {
                    tracing::error!(redis, why, "the markers of other guards cannot be read");
                }
            }
        }
        self.publish();
    }

    /// Looks, and does what is left to be done.
    async fn settle(&mut self) {
        self.look().await;
        self.set_own().await;
        self.flush_lost().await;
    }

    /// What is known is acted on.
    fn publish(&mut self) {
        {
            let mut marked = self.marked();
            if marked.clears == self.clears {
                (marked.covered, marked.has_own) = (self.known.covered(), self.known.has_own());
            }
        }
        let is_kept = self.known.keeps_from_reading();
        let others = if is_kept { Others::HaveDropped } else { Others::Clean };
        if let Some(gate) = self.gate.upgrade() {
            gate.others(others);
        }
        if others != std::mem::replace(&mut self.others, others) {
            let redis = self.name.as_str();
            let guards = self.known.others().collect::<Vec<_>>().join(" ");
            if !self.known.has_looked() {
                tracing::error!(redis, "reads miss until the store can be read");
            } else if is_kept && !self.known.lost().is_empty() {
                tracing::error!(
                    redis,
                    "what this guard dropped before it ended is not known: reads miss until somebody runs `roadworks redis recover {redis} --flush`, or --accept-stale"
                );
            } else if is_kept {
                tracing::warn!(
                    redis,
                    guards,
                    "reads miss: others have yet to remove what they dropped"
                );
            } else {
                tracing::info!(redis, "no guard has anything to remove any more");
            }
        }
    }

    /// Has what is lost flushed, where that is allowed.
    async fn flush_lost(&mut self) {
        let Some(gate) = self.gate.upgrade().filter(|gate| gate.may_flush()) else { return };
        let lost = self.known.lost().clone();
        let entries: Vec<_> =
            lost.iter().map(|&database| Entry { database, dirty: Dirty::Database }).collect();
        if entries.is_empty() || !self.known.covers(&lost) {
            return;
        }
        let Some(kept) = gate.keeper.as_ref().and_then(|keeper| keeper.keep(entries)) else {
            return;
        };
        if let Ok(Ok(Kept::Safely)) = timeout(PATIENCE, kept).await {
            let redis = self.name.as_str();
            tracing::warn!(redis, databases = ?lost, "what was dropped is not known: these are flushed");
            self.known.want(&lost);
            self.known.recovered();
            self.publish();
        }
    }

    /// Has its own marker in the store be what it is to be; whether it is.
    async fn set_own(&mut self) -> bool {
        let done = match self.known.own(clock::now()) {
            Own::Right => return true,
            Own::Write(marker) => {
                let writing = self.store.write(&self.key, &marker, Expect::Anything);
                let written = timeout(PATIENCE, writing).await;
                written.map(|done| done.map(|_| Some(marker)))
            }
            Own::Remove => {
                let removing = timeout(PATIENCE, self.store.remove(&self.key)).await;
                removing.map(|done| done.map(|()| None))
            }
        };
        let why = match done {
            Ok(Ok(own)) => {
                self.is_writable = true;
                self.known.wrote(own);
                self.publish();
                return true;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not answer in time".to_owned(),
        };
        if std::mem::replace(&mut self.is_writable, false) {
            let redis = self.name.as_str();
            tracing::error!(
                redis,
                why,
                "the store does not take this guard's marker: it is tried again"
            );
        }
        false
    }

    async fn forget(&mut self, keys: Vec<String>) -> Result<(), String> {
        self.known.recovered();
        for key in keys.iter().filter(|key| **key != self.key) {
            match timeout(PATIENCE, self.store.remove(key)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(error.to_string()),
                Err(_) => return Err("it does not answer in time".to_owned()),
            }
        }
        self.look().await;
        self.set_own().await;
        Ok(())
    }
}
