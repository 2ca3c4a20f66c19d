//! Who is inside: every request is counted before it looks at the door, and uncounted when the app has said all or the client
//! is gone. The types allow no other order: only a [`Ticket`], which is counted, can look. Never decides itself.

use std::fmt;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::door::Door;
use super::drain::Draining;
use super::gently::Watched;
use super::lane::{Counter, Home, Lane, Modes};
use super::pace::Outcome;
use super::told::{Cut, Farewell};

/// The lanes of one site, with what runs in each. Shared by all cores.
pub struct Inside {
    home: Home,
    lanes: Mutex<Vec<Arc<Lane>>>,
}

impl Inside {
    pub(super) fn new(home: Home) -> Inside {
        Inside { home, lanes: Mutex::default() }
    }

    /// The lane of this name and these modes. Where there is one it is that one: what runs stays counted over a reload.
    pub fn lane(&self, name: &str, modes: Modes) -> Arc<Lane> {
        let mut lanes = self.lanes();
        // Gone when nobody can take a ticket of it any more, and then nobody is in it or waits for it. In this order.
        lanes.retain(|lane| Arc::strong_count(lane) > 1 || lane.is_used());
        let same = lanes.iter().find(|lane| lane.name() == name && lane.modes() == modes);
        if let Some(lane) = same {
            return Arc::clone(lane);
        }
        let lane = Arc::new(Lane::new(name, modes, &self.home));
        lanes.push(Arc::clone(&lane));
        lane
    }

    /// All requests that run now.
    pub(super) fn running(&self) -> u64 {
        self.lanes().iter().map(|lane| lane.running()).sum()
    }

    pub(super) fn lanes(&self) -> MutexGuard<'_, Vec<Arc<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the door hears of counters that come to zero, from now on.
    pub(super) fn watch(&self, draining: Draining) {
        let wanted = draining.runs();
        if self.home.watched.load(SeqCst) != wanted {
            self.home.watched.store(wanted, SeqCst);
        }
    }
}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lanes().iter()).finish()
    }
}

/// One counted request.
struct Counted(Arc<Counter>);

impl Counted {
    fn at(counter: &Arc<Counter>) -> Counted {
        counter.running.fetch_add(1, SeqCst);
        Counted(Arc::clone(counter))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.uncount(&self.0.running);
    }
}

/// A request that is counted and has not looked at the door yet. Dropping it uncounts it.
#[must_use = "a ticket is there to look at the door with"]
pub struct Ticket {
    counted: Counted,
    /// How often requests of this counter were cut before this one was counted.
    cuts: u32,
    farewells: u32,
}

impl Ticket {
    /// Counts a request of `lane`.
    pub fn take(lane: &Lane) -> Ticket {
        Ticket::at(lane.counter())
    }

    /// Counts a request of this counter's lane.
    pub(super) fn at(counter: &Arc<Counter>) -> Ticket {
        let inside = Counted::at(counter);
        let (cuts, farewells) = (counter.cuts.load(SeqCst), counter.farewells.load(SeqCst));
        Ticket { counted: inside, cuts, farewells }
    }

    pub(super) fn modes(&self) -> Modes {
        self.counted.0.modes
    }

    pub(super) fn counter(&self) -> &Arc<Counter> {
        &self.counted.0
    }

    /// Lets it in.
    pub(super) fn admit(self) -> Admitted {
        Admitted { ticket: self, hears: None }
    }

    /// Lets it in, and has somebody hear how it was answered.
    pub(super) fn admit_heard(self, hears: Hears) -> Admitted {
        Admitted { ticket: self, hears: Some(hears) }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("modes", &self.modes()).finish_non_exhaustive()
    }
}

/// Who hears how a request was answered.
pub(super) enum Hears {
    /// The pace of a release.
    Release(Slot),
    /// A gentle opening.
    Ramp(Watched),
}

/// A request that was let out of the waiting room. The next one goes when it ends.
pub(super) struct Slot {
    pub(super) door: Arc<Door>,
    pub(super) since: Instant,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.door.slot_came_back();
    }
}

/// A request that was let in. Keep it until the app has said all of its answer; dropping it uncounts it.
#[must_use = "a request is inside for as long as this is kept"]
pub struct Admitted {
    // Before the slot in it, since the next one may go only when this one is uncounted.
    ticket: Ticket,
    hears: Option<Hears>,
}

impl Admitted {
    /// Tells how the upstream took it, as soon as that is known: when the head of its answer is there, or there will be
    /// none. The pace of a release and the share of a gentle opening are made of this; at any other time it costs nothing.
    pub fn answered(&self, outcome: Outcome) {
        match &self.hears {
            Some(Hears::Release(slot)) => slot.door.answered(outcome, slot.since),
            Some(Hears::Ramp(watched)) => watched.answered(outcome),
            None => {}
        }
    }

    /// Comes back when it is cut.
    pub fn cut(&self) -> Cut {
        Cut::of(&self.ticket.counted.0, self.ticket.cuts)
    }

    /// Its connection is upgraded: from here on it is counted as that.
    pub fn upgrade(self) -> Upgraded {
        let counter = Arc::clone(&self.ticket.counted.0);
        counter.upgraded.fetch_add(1, SeqCst);
        Upgraded { counter, farewells: self.ticket.farewells }
    }
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted").field("modes", &self.ticket.modes()).finish_non_exhaustive()
    }
}

/// An upgraded connection. Keep it until both ends are closed; dropping it uncounts it.
#[must_use = "a connection is counted for as long as this is kept"]
pub struct Upgraded {
    counter: Arc<Counter>,
    farewells: u32,
}

impl Upgraded {
    /// Comes back when it is to close, with how long to wait before.
    pub fn farewell(&self) -> Farewell {
        Farewell::of(&self.counter, self.farewells)
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded").field("modes", &self.counter.modes).finish_non_exhaustive()
    }
}

impl Drop for Upgraded {
    fn drop(&mut self) {
        self.counter.uncount(&self.counter.upgraded);
    }
}
