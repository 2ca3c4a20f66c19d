//! A lane: one kind of request, the modes in which it passes, and how many of it run now. It never decides anything:
//! the door does. Counters are kept for each core, so that counting costs no core the cache line of another.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::Duration;
use std::{fmt, thread_local};

use super::door::Door;
use super::told::Wakers;
use crate::switch::Mode;

/// A set of modes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Modes(u8);

impl Modes {
    /// Where a lane passes that is let in as little as any.
    pub const OPEN: Modes = Modes::one(Mode::Open);

    pub(super) const NONE: Modes = Modes(0);

    /// These modes, and `open`: nothing is refused there.
    pub fn of(modes: &[Mode]) -> Modes {
        modes.iter().fold(Modes::OPEN, |all, mode| all.and(Modes::one(*mode)))
    }

    /// Whether this mode is in it.
    pub fn has(self, mode: Mode) -> bool {
        self.has_all(Modes::one(mode).0)
    }

    pub(super) const fn one(mode: Mode) -> Modes {
        Modes(match mode {
            Mode::Open => 1,
            Mode::ReadOnly => 2,
            Mode::Hold => 4,
            Mode::Closed => 8,
            Mode::Detour => 16,
        })
    }

    pub(super) const fn and(self, other: Modes) -> Modes {
        Modes(self.0 | other.0)
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `wanted` are in it.
    pub(super) const fn has_all(self, wanted: u8) -> bool {
        self.0 & wanted == wanted
    }
}

impl fmt::Debug for Modes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Mode::LADDER.iter().filter(|mode| self.has(**mode))).finish()
    }
}

/// One kind of request: `reads`, `writes`, `acme`, `bypass`, `allow webhooks`. Made by [`Inside::lane`](super::Inside::lane).
pub struct Lane {
    name: String,
    modes: Modes,
    counters: Box<[Arc<Counter>]>,
}

impl Lane {
    pub(super) fn new(name: &str, modes: Modes, home: &Home) -> Lane {
        let counter = |_| Arc::new(Counter::new(modes, home.clone()));
        Lane { name: name.to_owned(), modes, counters: (0..home.cores).map(counter).collect() }
    }

    /// What it is called in a report.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The modes in which it passes.
    pub fn modes(&self) -> Modes {
        self.modes
    }

    /// Whether it passes in this mode.
    pub fn passes(&self, mode: Mode) -> bool {
        self.modes.has(mode)
    }

    /// The counter of the core that asks.
    pub(super) fn counter(&self) -> &Arc<Counter> {
        let mine = core() % self.counters.len().max(1);
        self.counters.get(mine).expect("a lane has a counter for each core, and at least one")
    }

    pub(super) fn counters(&self) -> impl Iterator<Item = &Arc<Counter>> {
        self.counters.iter()
    }

    /// Whether somebody is in it, or waits to be.
    pub(super) fn is_used(&self) -> bool {
        self.counters.iter().any(|counter| Arc::strong_count(counter) > 1)
    }

    /// Requests of it that run now.
    pub(super) fn running(&self) -> u64 {
        self.counters.iter().map(|counter| counter.running.load(SeqCst)).sum()
    }

    /// Upgraded connections of it.
    pub(super) fn upgraded(&self) -> u64 {
        self.counters.iter().map(|counter| counter.upgraded.load(SeqCst)).sum()
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("name", &self.name)
            .field("modes", &self.modes)
            .field("running", &self.running())
            .finish_non_exhaustive()
    }
}

/// What every counter of a site knows of it.
#[derive(Clone)]
pub(super) struct Home {
    /// How many counters each lane has.
    pub(super) cores: usize,
    /// Whether the door wants to hear of a counter that comes to zero.
    pub(super) watched: Arc<AtomicBool>,
    /// The door.
    pub(super) door: Weak<Door>,
}

/// How much of one lane runs on one core. Alone in its cache lines.
#[repr(align(128))]
pub(super) struct Counter {
    pub(super) modes: Modes,
    /// Requests that are counted.
    pub(super) running: AtomicU64,
    /// Upgraded connections.
    pub(super) upgraded: AtomicU64,
    /// How often its requests were cut; who was counted before the last time is cut.
    pub(super) cuts: AtomicU32,
    /// How often its upgraded connections were told to close.
    pub(super) farewells: AtomicU32,
    /// Over how many milliseconds they spread it.
    pub(super) spread: AtomicU32,
    /// Who waits to be told.
    pub(super) wakers: Wakers,
    home: Home,
}

impl Counter {
    fn new(modes: Modes, home: Home) -> Counter {
        Counter {
            modes,
            running: AtomicU64::new(0),
            upgraded: AtomicU64::new(0),
            cuts: AtomicU32::new(0),
            farewells: AtomicU32::new(0),
            spread: AtomicU32::new(0),
            wakers: Wakers::default(),
            home,
        }
    }

    /// Takes one off, and tells the door where it waits for that. Never call it with the door's lock held.
    pub(super) fn uncount(&self, counter: &AtomicU64) {
        let before = counter.fetch_sub(1, SeqCst);
        // The door sets `watched` before it reads the counters, so either it reads the zero or we read that it watches.
        if before == 1
            && self.home.watched.load(SeqCst)
            && let Some(door) = self.home.door.upgrade()
        {
            door.emptied();
        }
    }

    /// Its requests are cut. They are to be woken, when no lock is held.
    pub(super) fn cut(&self) {
        self.cuts.fetch_add(1, SeqCst);
    }

    /// Its upgraded connections are to close within `spread`. They are to be woken, when no lock is held.
    pub(super) fn farewell(&self, spread: Duration) {
        self.spread.store(u32::try_from(spread.as_millis()).unwrap_or(u32::MAX), SeqCst);
        self.farewells.fetch_add(1, SeqCst);
    }
}

/// A number for the thread that asks. Each core of the gateway is one thread.
fn core() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static CORE: usize = NEXT.fetch_add(1, SeqCst);
    }
    CORE.with(|core| *core)
}
