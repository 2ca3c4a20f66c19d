//! What all connections of a guard share: whether Redis is asked, and what was learnt of it.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::breaker::{Asks, Breaker, Order, Others, Posture, Tells, Trouble, Unwritable};
use super::counters::Counters;
use super::dirty::{DirtyKeys, tells};
use super::emergency::Emergency;
use super::frame::Arguments;
use super::journal::Entry;
use super::keeper::Keeper;
use super::observe::{Observed, When};
use super::orders::Orders;
use super::probe::Unfit;
use crate::clock::monotonic;
use crate::config::{Afterwards, RedisConfig, RedisMode, RedisRole};
use crate::metrics::Histogram;

/// So many connections that are lost are known, as many as a guard has clients.
const LOST: usize = 10_000;
/// A Redis that is a replica is looked up anew at most so often.
const LOOKED_UP: Duration = Duration::from_secs(2);

/// Seconds, from a turn of one command on a machine that rests to one of a machine that is crowded.
const ADDED: [f64; 10] =
    [0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1];

/// So many good answers are told together.
const TOGETHER: u32 = 32;

/// One guard.
#[derive(Debug)]
pub(super) struct Gate {
    /// Whose it is.
    pub(super) site: String,
    pub(super) config: RedisConfig,
    /// Who keeps what is dropped, where somebody does.
    pub(super) keeper: Option<Keeper>,
    /// What is written meanwhile, for a moment.
    pub(super) emergency: Option<Emergency>,
    /// What is asked, where it is only observed.
    observed: Option<Mutex<Observed>>,
    /// Connections that were lost since Redis went, by the address that it knows them by.
    lost: Mutex<Vec<SocketAddr>>,
    breaker: Mutex<Breaker>,
    /// Whether a good answer is worth telling: most of them need no lock.
    is_troubled: AtomicBool,
    /// Good answers since the last that were told.
    in_time: AtomicU32,
    posture: watch::Sender<Posture>,
    about: Mutex<About>,
    is_unfit: AtomicBool,
    /// Why it counted as away last.
    why: Mutex<String>,
    /// What somebody ordered.
    pub(super) orders: watch::Sender<Orders>,
    /// Whether everything that may be is answered here now, whatever is configured.
    is_ordered_open: AtomicBool,
    /// What is in the journal, as its thread last said.
    journal: Mutex<Kept>,
    /// Clients, and connections to Redis that are theirs.
    pub(super) clients: Arc<AtomicUsize>,
    pub(super) links: Arc<AtomicUsize>,
    pub(super) counters: Counters,
    /// How long turns of connections took, of some.
    pub(super) added: Histogram<10>,
    /// What may not be read while Redis is there.
    dirty: RwLock<DirtyKeys>,
    /// That something is to be removed from a Redis that is there.
    dirtied: Notify,
    /// Which connections lead to the Redis that its name stands for: those of an earlier number may lead to a replica.
    way: AtomicU64,
    replica: Mutex<Option<Instant>>,
}

/// What a journal has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Keys and patterns that are to be removed.
    pub(super) keys: usize,
    /// Why Redis stays away until somebody has seen to it.
    pub(super) broken: Option<String>,
}

/// One of a number, while it lives.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(super) fn one(of: &Arc<AtomicUsize>) -> Counted {
        of.fetch_add(1, Relaxed);
        Counted(Arc::clone(of))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What was learnt of the upstream.
#[derive(Debug, Clone, Default)]
pub(super) struct About {
    /// What it said of itself when it was well.
    pub(super) info: Option<Arc<str>>,
    /// Why it cannot be guarded.
    pub(super) unfit: Option<Unfit>,
    /// By what it refused the guard's own password.
    pub(super) refused: Option<String>,
}

impl Gate {
    /// One without a journal, or whose journal is clean.
    pub(super) fn new((site, config): (String, RedisConfig), keeper: Option<Keeper>) -> Gate {
        Gate::with((site, config), keeper, Breaker::default())
    }

    /// One whose Redis must not be read before its journal is.
    pub(super) fn away((site, config): (String, RedisConfig), keeper: Keeper) -> Gate {
        Gate::with((site, config), Some(keeper), Breaker::away(monotonic()))
    }

    fn with(
        (site, config): (String, RedisConfig),
        keeper: Option<Keeper>,
        breaker: Breaker,
    ) -> Gate {
        let (posture, _) = watch::channel(breaker.posture());
        let kept = config.emergency.as_ref();
        let emergency = kept.map(|kept| Emergency::new(kept.ttl, kept.size));
        let observed = (config.mode == RedisMode::Observe).then(Mutex::default);
        Gate {
            site,
            config,
            keeper,
            emergency,
            observed,
            lost: Mutex::default(),
            breaker: Mutex::new(breaker),
            is_troubled: AtomicBool::new(false),
            in_time: AtomicU32::new(0),
            posture,
            about: Mutex::default(),
            is_unfit: AtomicBool::new(false),
            why: Mutex::default(),
            orders: watch::Sender::default(),
            is_ordered_open: AtomicBool::new(false),
            journal: Mutex::default(),
            clients: Arc::default(),
            links: Arc::default(),
            counters: Counters::default(),
            added: Histogram::new(ADDED),
            dirty: RwLock::default(),
            dirtied: Notify::new(),
            way: AtomicU64::new(0),
            replica: Mutex::default(),
        }
    }

    /// How long one answer may take. Who is let go waits for an answer as long as for Redis: it would only send the same again, and a
    /// Redis that hangs does both in the end.
    pub(super) fn patience(&self) -> Duration {
        let outage = &self.config.on_outage;
        match outage.then {
            Afterwards::Drop => self.config.budget.max(outage.hold),
            Afterwards::Open | Afterwards::Refuse => self.config.budget,
        }
    }

    /// An answer took longer than that: where it was waited for that long, once is enough.
    pub(super) fn late(&self, epoch: u64) {
        if self.patience() > self.config.budget {
            self.trouble(epoch, Trouble::Gone, "an answer took as long as clients are held");
        } else {
            self.trouble(epoch, Trouble::Late, "three answers in a row were late");
        }
    }

    // ## What somebody ordered

    /// Changes what is ordered; whether Redis counts as away by that, or what is done meanwhile is something else.
    pub(super) fn order(&self, change: impl FnOnce(&mut Orders)) {
        self.orders.send_modify(change);
        let mut breaker = self.breaker();
        // Read under the lock: of two who order at once, the later is what counts.
        let order = self.orders.borrow().counts();
        self.is_ordered_open.store(order == Some(Order::Open), Relaxed);
        if breaker.ordered(order, monotonic()) {
            let name = self.name();
            if order.is_none() {
                // Why it still is not asked, the next probe says.
                self.why().clear();
            }
            match order {
                Some(Order::Away) => tracing::info!(redis = name, "redis is left alone"),
                Some(Order::Open) => tracing::info!(redis = name, "redis is not asked"),
                Some(Order::Hold) => tracing::info!(redis = name, "clients wait"),
                None => tracing::info!(redis = name, "redis is asked again once it is well"),
            }
            self.tell(&breaker);
        }
    }

    /// What is done while Redis is away, once nobody waits any more.
    pub(super) fn then(&self) -> Afterwards {
        if self.is_ordered_open.load(Relaxed) {
            Afterwards::Open
        } else {
            self.config.on_outage.then
        }
    }

    /// Why it is not asked, or what it does not take; empty where nobody has said so.
    fn why(&self) -> MutexGuard<'_, String> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is so, for whoever asks.
    pub(super) fn seen(&self) -> (Posture, String, Kept) {
        let why = self.why().clone();
        let kept = self.journal.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (self.breaker().posture(), why, kept)
    }

    /// The journal's thread says what is in it.
    pub(super) fn keeps(&self, kept: Kept) {
        *self.journal.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    // ## There, and away

    /// Its label.
    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    /// What was asked so far, where that is observed.
    pub(super) fn observed(&self) -> Option<Observed> {
        let observed = self.observed.as_ref()?;
        Some(observed.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Whether nothing is ever said by this guard.
    pub(super) fn only_observes(&self) -> bool {
        self.observed.is_some()
    }

    /// Something is asked, while Redis is there or away.
    pub(super) fn asked(&self, arguments: &Arguments<'_>) {
        if let Some(observed) = &self.observed {
            let is_away = self.posture.borrow().away().is_some();
            let when = if is_away { When::Away } else { When::There };
            observed.lock().unwrap_or_else(PoisonError::into_inner).count(arguments, when);
        }
    }

    pub(super) fn posture(&self) -> watch::Receiver<Posture> {
        self.posture.subscribe()
    }

    /// Somebody who asked in this epoch had trouble.
    pub(super) fn trouble(&self, epoch: u64, trouble: Trouble, why: &str) {
        let mut breaker = self.breaker();
        let now = monotonic();
        breaker.well(epoch, self.in_time.swap(0, Relaxed), now);
        let went = breaker.trouble(epoch, trouble, now);
        self.is_troubled.store(breaker.is_troubled(), Relaxed);
        if went {
            why.clone_into(&mut self.why());
            // Whoever reads the log finds it so.
            self.tell(&breaker);
            tracing::warn!(redis = self.config.name, why, "redis is away");
        }
    }

    /// An answer came in time.
    pub(super) fn well(&self, epoch: u64) {
        // One in so many needs a lock, and those only while something was late.
        if self.is_troubled.load(Relaxed)
            && self.in_time.fetch_add(1, Relaxed) % TOGETHER == TOGETHER - 1
        {
            let mut breaker = self.breaker();
            breaker.well(epoch, self.in_time.swap(0, Relaxed), monotonic());
            self.is_troubled.store(breaker.is_troubled(), Relaxed);
        }
    }

    /// A probe ended, or a try to remove what was dropped; whether Redis may be asked again, once nothing is left to be done.
    pub(super) fn probed(&self, result: Result<(), String>) -> bool {
        let mut breaker = self.breaker();
        match result {
            Ok(()) => breaker.probed_well(monotonic()),
            Err(why) => {
                breaker.probed_ill();
                let (mut known, posture) = (self.why(), breaker.posture());
                // Where it went while something was ordered nobody has said so yet.
                if known.is_empty() && posture.away().is_some() && posture.order.is_none() {
                    tracing::warn!(redis = self.config.name, why, "redis is away");
                    *known = why;
                } else {
                    tracing::debug!(redis = self.config.name, why, "redis is still away");
                }
                false
            }
        }
    }

    /// It is well and not asked all the same; told once.
    pub(super) fn stays_away(&self, why: &str) {
        self.breaker().not_reopened();
        let mut known = self.why();
        if *known != why {
            tracing::warn!(redis = self.config.name, why, "redis stays away");
            why.clone_into(&mut known);
        }
    }

    /// Connections are lost on which Redis was asked something: what it has received of that it may still do.
    pub(super) fn note_lost(&self, own: impl IntoIterator<Item = SocketAddr>) {
        if self.keeper.is_some() {
            let mut lost = self.lost_links();
            lost.extend(own);
            lost.truncate(LOST);
        }
    }

    /// Some of these, which Redis is to end.
    pub(super) fn take_lost(&self, most: usize) -> Vec<SocketAddr> {
        let mut lost = self.lost_links();
        let left = lost.len().saturating_sub(most);
        lost.split_off(left)
    }

    fn lost_links(&self) -> MutexGuard<'_, Vec<SocketAddr>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Redis is asked from now on: it has nothing that may not be read.
    pub(super) fn close(&self) {
        if self.replica().take().is_some() {
            // It was removed from the Redis of now: a connection to another one may still read it.
            self.way.fetch_add(1, Release);
        }
        let mut breaker = self.breaker();
        *self.dirty.write().unwrap_or_else(PoisonError::into_inner) = DirtyKeys::default();
        let away = Gate::came_back(&mut breaker);
        if away.is_some() {
            self.why().clear();
            // Others may have their ports by now.
            self.lost_links().clear();
        }
        self.tell_back(&breaker, away);
    }

    fn came_back(breaker: &mut Breaker) -> Option<Duration> {
        let away = breaker.posture().away();
        breaker
            .close(monotonic())
            .then(|| away.map(|since| monotonic().duration_since(since)).unwrap_or_default())
    }

    /// Whoever reads the log finds it so: connections are told before.
    fn tell_back(&self, breaker: &Breaker, away: Option<Duration>) {
        self.tell(breaker);
        if let Some(seconds) = away.map(|away| away.as_secs_f64()) {
            tracing::info!(redis = self.config.name, seconds, "redis is back");
        }
    }

    /// Redis has yet to lose these: until then it is not read but for everything else.
    pub(super) fn dirtied(&self, entries: &[Entry]) {
        let mut breaker = self.breaker();
        if breaker.posture().away().is_none() {
            self.dirty.write().unwrap_or_else(PoisonError::into_inner).add(entries);
            breaker.dirtied();
            self.tell(&breaker);
            self.dirtied.notify_one();
        }
    }

    /// Redis is read from now on, but for these: they are not removed yet, because it takes no writes, or because there were more each
    /// time.
    pub(super) fn open_partly(&self, entries: &[Entry], why: Option<Unwritable>) {
        let (mut breaker, now) = (self.breaker(), monotonic());
        self.why().clear();
        self.dirty.write().unwrap_or_else(PoisonError::into_inner).add(entries);
        let away = Gate::came_back(&mut breaker);
        breaker.dirtied();
        if let Some(why) = why.map(Unwritable::word) {
            breaker.refused(now);
            why.clone_into(&mut self.why());
            tracing::warn!(
                redis = self.config.name,
                why,
                "redis takes no writes: they are dropped"
            );
        }
        self.tell_back(&breaker, away);
    }

    /// Whether other guards have something to remove.
    pub(super) fn others(&self, others: Others) {
        let mut breaker = self.breaker();
        breaker.set_others(others);
        self.tell(&breaker);
    }

    /// Whether Redis is there and refused a write a moment ago.
    pub(super) fn is_refusing(&self) -> bool {
        self.breaker().is_refusing()
    }

    /// Whether whole databases may be flushed.
    pub(super) fn may_flush(&self) -> bool {
        self.config.journal.as_ref().is_some_and(|journal| journal.allow_flush)
    }

    /// Has whoever removes things look whether there is something.
    pub(super) fn look(&self) {
        self.dirtied.notify_one();
    }

    /// Nothing may be read: what is there that may not be is not known any more.
    pub(super) fn lost(&self, why: &str) {
        let epoch = self.breaker().posture().epoch;
        self.trouble(epoch, Trouble::Gone, why);
    }

    /// Comes back once something is to be removed from a Redis that is there. Cancel safe.
    pub(super) async fn has_dirt(&self) {
        self.dirtied.notified().await;
    }

    /// Whether Redis takes no writes, or did not a moment ago.
    pub(super) fn is_partly_away(&self) -> bool {
        let breaker = self.breaker();
        breaker.posture().away().is_none() && breaker.is_partly_away()
    }

    /// Redis has refused a write.
    pub(super) fn refused(&self, why: Unwritable) {
        if why == Unwritable::Replica {
            let (mut replica, now) = (self.replica(), monotonic());
            if replica.is_none_or(|then| now.duration_since(then) >= LOOKED_UP) {
                *replica = Some(now);
                self.way.fetch_add(1, Release);
            }
        }
        if self.keeper.is_none() {
            return;
        }
        let mut breaker = self.breaker();
        let why = why.word();
        why.clone_into(&mut self.why());
        if breaker.refused(monotonic()) {
            tracing::warn!(
                redis = self.config.name,
                why,
                "redis takes no writes: they are dropped"
            );
            self.tell(&breaker);
            self.dirtied.notify_one();
        }
    }

    /// Where it has refused no write for a while, it takes them; how long until then.
    pub(super) fn calmed(&self) -> Option<Duration> {
        let (mut breaker, now) = (self.breaker(), monotonic());
        if breaker.calmed(now) {
            tracing::info!(redis = self.config.name, "redis has refused no write for a while");
            self.tell(&breaker);
        }
        breaker.quiet(now)
    }

    /// What Redis's answer to a command would tell.
    pub(super) fn tells(&self, asks: Asks, arguments: &Arguments<'_>) -> Tells {
        let is_cache = |key: &[u8]| self.config.rules.role(key) == RedisRole::Cache;
        match asks {
            Asks::Writes if tells(arguments, &is_cache) => Tells::Cache,
            Asks::Clean
                if self
                    .dirty
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .is_told_by(arguments) =>
            {
                Tells::Dropped
            }
            Asks::All | Asks::Clean | Asks::Writes | Asks::Nothing(_) => Tells::Nothing,
        }
    }

    /// The number that a connection has that is made now. To be looked at after [`Gate::tells`], and before anything is sent.
    pub(super) fn way(&self) -> u64 {
        self.way.load(Acquire)
    }

    pub(super) fn is_away(&self) -> bool {
        self.breaker().posture().away().is_some()
    }

    /// Whoever looks is told only of what is another thing now.
    fn tell(&self, breaker: &Breaker) {
        let posture = breaker.posture();
        if let Some(emergency) = &self.emergency
            && self.posture.borrow().epoch != posture.epoch
        {
            emergency.begin(posture.epoch);
        }
        self.posture.send_if_modified(|known| {
            let was = *known;
            *known = posture;
            was != posture
        });
    }

    fn replica(&self) -> MutexGuard<'_, Option<Instant>> {
        self.replica.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pause(&self) -> Duration {
        self.breaker().pause(fastrand::f64())
    }

    pub(super) fn about(&self) -> About {
        self.about.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the upstream is nothing that can be guarded.
    pub(super) fn is_unfit(&self) -> bool {
        self.is_unfit.load(Relaxed)
    }

    pub(super) fn learnt(&self, about: About) {
        self.is_unfit.store(about.unfit.is_some(), Relaxed);
        *self.about.lock().unwrap_or_else(PoisonError::into_inner) = about;
    }

    /// A panic elsewhere leaves it as it was: each change is made in one step.
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
