//! The door: whether a counted request passes, waits or is refused. It is told what to say and never finds out by itself;
//! it never opens because time passed.
//!
//! Counting and looking: a visitor counts, then reads the gate. A mover writes the gate, then reads the counters. All four
//! are sequentially consistent, so that of a visitor and a mover who meet one sees the other: either the visitor is
//! counted when the mover looks, or the visitor sees what the mover wrote. That is why "drained" is true when it is said.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::gently::Opens;
use super::inside::{Admitted, Hears, Inside, Slot, Ticket};
use super::lane::{Counter, Home, Lane, Modes};
use super::pace::Outcome;
use super::report::Report;
use super::room::{Place, Turn};
use super::snapshot::{Fate, Snapshot, Why};
use super::state::{After, Answer, State};
use super::waiting::{Step, Waiting};
use crate::clock;
use crate::config::{DrainConfig, HoldConfig};
use crate::metrics::Sum;
use crate::page::Forms;
use crate::switch::{Mode, Posture};

/// No lane has it, so that nobody passes.
const SHUT: u8 = 1 << 7;
/// In a detour whoever comes has an old answer. In a gentle opening after one the gate has both.
const AWAY: u8 = Modes::one(Mode::Detour).bits();
const BACK: u8 = AWAY | Modes::one(Mode::Open).bits();

/// What the door says to a request.
#[derive(Debug)]
pub enum Verdict {
    /// It is inside.
    Pass(Admitted),
    /// It waits, uncounted. Its body is not to be read.
    Wait(Waiting),
    /// It is not let in.
    Refuse(Refused),
}

/// A request that is not let in. Nothing of it reached an upstream.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub why: Why,
    /// What the door said then.
    pub snapshot: Arc<Snapshot>,
}

/// The door of one site, with its waiting room. All cores share it.
pub struct Door {
    /// The modes that a lane must have, all of them, to pass at once.
    gate: AtomicU8,
    snapshot: ArcSwap<Snapshot>,
    inside: Inside,
    state: Mutex<State>,
    /// For whoever keeps the time.
    nudge: Notify,
    changed: watch::Sender<u64>,
    /// Milliseconds since `born` of the last refusal, and one more; 0 is never.
    refused: AtomicU64,
    /// The same of the last visitor who was not refused though the name leads away.
    visited: AtomicU64,
    born: Instant,
    clock: fn() -> Instant,
}

impl Door {
    /// A door that knows no mode yet and refuses everything, with these forms. `changed` counts on when something is to
    /// be reported: a move, a drain's end, patience that is over.
    pub fn new(
        forms: Arc<Forms>,
        hold: HoldConfig,
        drain: DrainConfig,
        changed: watch::Sender<u64>,
    ) -> Arc<Door> {
        Door::with_clock(forms, hold, drain, changed, clock::monotonic)
    }

    pub(super) fn with_clock(
        forms: Arc<Forms>,
        hold: HoldConfig,
        drain: DrainConfig,
        changed: watch::Sender<u64>,
        clock: fn() -> Instant,
    ) -> Arc<Door> {
        let born = clock();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Arc::new_cyclic(|door| {
            let watched = Arc::new(AtomicBool::new(false));
            let state = State::new(forms, hold, drain, born);
            Door {
                gate: AtomicU8::new(SHUT),
                snapshot: ArcSwap::new(Arc::clone(&state.snapshot)),
                inside: Inside::new(Home { cores, watched, door: door.clone() }),
                state: Mutex::new(state),
                nudge: Notify::new(),
                changed,
                refused: AtomicU64::new(0),
                visited: AtomicU64::new(0),
                born,
                clock,
            }
        })
    }

    /// Where its lanes are made.
    pub fn inside(&self) -> &Inside {
        &self.inside
    }

    /// What it says now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Says something else from now on, at the time `wall`. Saying the same again changes nothing; the same operation
    /// with a longer patience helps those who wait already.
    pub fn set(&self, posture: Option<Posture>, forms: Arc<Forms>, wall: Timestamp) {
        self.set_gently(posture, forms, None, wall);
    }

    /// Says something else from now on, and where it opens gently, how.
    pub fn set_gently(
        &self,
        posture: Option<Posture>,
        forms: Arc<Forms>,
        opens: Option<Opens>,
        wall: Timestamp,
    ) {
        self.with(|state, after| state.set(self, (posture, forms), (opens, wall), after));
    }

    /// Takes a new configuration; what it says stays as it is.
    pub fn reload(&self, hold: HoldConfig, drain: DrainConfig) {
        self.with(|state, after| state.reload(self, (hold, drain), after));
    }

    /// The gateway is on its way out: nobody waits any more. Who waits is refused; who is being released goes on; upgraded
    /// connections are told to close.
    pub fn closing(&self) {
        self.with(|state, after| state.closing(self, after));
    }

    /// There is no time left to let anybody in: who still waits is refused, those too who are being released, and upgraded
    /// connections close at once.
    pub fn last_call(&self) {
        self.with(|state, after| state.last_call(self, after));
    }

    /// What is to be told of it, without upstreams, at the time `wall`.
    pub fn report(&self, wall: Timestamp) -> Report {
        let now = (self.clock)();
        let at = |stamp: &AtomicU64| {
            let since_born = Duration::from_millis(stamp.load(Ordering::Relaxed).checked_sub(1)?);
            let ago = now.duration_since(self.born).saturating_sub(since_born);
            // In whole milliseconds, as every other time that is told.
            wall.checked_sub(SignedDuration::from_millis(i64::try_from(ago.as_millis()).ok()?)).ok()
        };
        let last_refused = at(&self.refused);
        let last_request = last_refused.max(at(&self.visited));
        let report = self.with(|state, after| state.report(&self.inside, after.now));
        Report { last_refused, last_request, ..report }
    }

    /// How long its moves took, from asking until no request ran that the new mode would not have let in.
    pub(super) fn switches(&self) -> Sum {
        self.lock().switches.sum()
    }

    /// How often a gentle opening fell back.
    pub(super) fn falls(&self) -> u64 {
        self.lock().falls
    }

    /// Keeps the time: patience, drain deadlines, the pace of a release, a gentle opening. Never returns; without it nothing of that
    /// happens by itself. Cancel safe.
    pub async fn keep(&self) {
        loop {
            let due = self.with(|state, after| state.plan(&self.inside, after));
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = self.nudge.notified() => {}
            }
        }
    }

    /// Whether a request of these modes passes at once.
    fn lets(&self, modes: Modes) -> bool {
        let gate = self.gate.load(Ordering::SeqCst);
        let lets = modes.has_all(gate);
        if lets && gate & BACK == AWAY {
            self.visited();
        }
        lets
    }

    /// One of a watched counter's was the last.
    pub(super) fn emptied(&self) {
        self.with(|_, _| ());
    }

    /// One that was let out of the room has ended.
    pub(super) fn slot_came_back(&self) {
        self.with(|state, _| state.pace.came_back(1));
    }

    /// One that was let out of the room was answered.
    pub(super) fn answered(&self, outcome: Outcome, since: Instant) {
        self.with(|state, after| {
            let took = after.now.saturating_duration_since(since);
            state.pace.answered(outcome, took, after.now);
        });
    }

    /// A step of one who waits.
    pub(super) fn step(
        self: &Arc<Self>,
        place: &Place,
        counter: &Arc<Counter>,
        waker: &Waker,
    ) -> Step {
        self.with(|state, after| match state.room.turn(place, waker) {
            Turn::Waits => Step::Wait,
            // Every move of the switch takes its calls back, under this same lock: the call still holds. The ticket is
            // taken before the lock is gone, so the next mover finds it counted.
            Turn::Called => {
                let ticket = Ticket::at(counter);
                state.goes_in(place, after);
                let slot = Slot { door: Arc::clone(self), since: after.now };
                Step::Pass(ticket.admit_heard(Hears::Release(slot)))
            }
            Turn::Refused(why, snapshot) => {
                state.room.leave(place);
                Step::Refuse(self.refused(why, snapshot))
            }
        })
    }

    /// One who waited goes away.
    pub(super) fn left(&self, place: &Place) {
        self.with(|state, _| {
            if state.room.leave(place) {
                state.pace.came_back(1);
            }
        });
    }

    fn refused(&self, why: Why, snapshot: Arc<Snapshot>) -> Refused {
        self.note(&self.refused);
        Refused { why, snapshot }
    }

    /// A visitor came who is not refused, though the name leads away.
    pub(super) fn visited(&self) {
        self.note(&self.visited);
    }

    /// Notes the time of now. Coarse, so that cores which refuse a hundred thousand a second do not fight for the line.
    fn note(&self, last: &AtomicU64) {
        let (noted, now) = (last.load(Ordering::Relaxed), self.stamp());
        if noted == 0 || now > noted + 100 {
            last.store(now, Ordering::Relaxed);
        }
    }

    /// Milliseconds since `born`, and one more.
    fn stamp(&self) -> u64 {
        let ago = (self.clock)().saturating_duration_since(self.born).as_millis();
        u64::try_from(ago).unwrap_or(u64::MAX - 1) + 1
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes what it says: the whole first, so that whoever finds the gate shut reads why.
    pub(super) fn publish(&self, snapshot: &Arc<Snapshot>) {
        self.snapshot.store(Arc::clone(snapshot));
    }

    /// Moves the gate: who passes in this mode, and in these as well, goes straight through.
    pub(super) fn move_gate(&self, mode: Option<Mode>, as_well: Modes) {
        let wanted = mode.map_or(SHUT, |mode| Modes::one(mode).and(as_well).bits());
        if self.gate.load(Ordering::SeqCst) != wanted {
            self.gate.store(wanted, Ordering::SeqCst);
        }
    }

    /// All that changes anything happens here, one after the other: what is due first, then `work`, then what follows
    /// of it. Tasks are woken when the lock is gone. No [`Ticket`] may be dropped in `work`.
    fn with<T>(&self, work: impl FnOnce(&mut State, &mut After) -> T) -> T {
        let mut after = After::at((self.clock)());
        let done = {
            let mut state = self.lock();
            state.expire(self, &mut after);
            let done = work(&mut state, &mut after);
            state.settle(self, &mut after);
            done
        };
        after.wake.into_iter().for_each(Waker::wake);
        after.told.iter().for_each(|counter| counter.wakers.wake_all());
        if after.nudge {
            self.nudge.notify_one();
        }
        if after.changed {
            self.changed.send_modify(|count| *count += 1);
        }
        done
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("snapshot", &self.snapshot)
            .field("inside", &self.inside)
            .finish_non_exhaustive()
    }
}

impl Ticket {
    /// Looks at the door, counted.
    pub fn look(self, door: &Arc<Door>) -> Verdict {
        self.look_as(door, None, |_| None)
    }

    /// Looks at the door, counted, for this client. Where it would not pass at once, `tester` says whether it may go in another lane: a
    /// bypass is good or not under one snapshot, the one that it is decided by. `tester` must not ask the door anything.
    pub fn look_as(
        self,
        door: &Arc<Door>,
        client: Option<IpAddr>,
        tester: impl Fn(&Snapshot) -> Option<Arc<Lane>>,
    ) -> Verdict {
        if door.lets(self.modes()) {
            return Verdict::Pass(self.admit());
        }
        // Refusing takes no lock, unless there may be a tester; nor does a gentle opening.
        let snapshot = door.snapshot();
        match (snapshot.fate(self.modes(), client), &snapshot.gently) {
            (Fate::Refused(why), _) if tester(&snapshot).is_none() => {
                return Verdict::Refuse(door.refused(why, snapshot));
            }
            // Counted before the gate was read, and that before the snapshot: a mover whose gate this is not finds it counted,
            // and of one whose gate it is the snapshot is as new.
            (Fate::PassesAt(place), Some(gently)) => {
                let watched = gently.watch(place, door.clock);
                return Verdict::Pass(self.admit_heard(Hears::Ramp(watched)));
            }
            (Fate::Refused(_) | Fate::Passes | Fate::PassesAt(_) | Fate::Waits, _) => {}
        }
        let (answer, other) = door.with(|state, after| {
            let other = tester(&state.snapshot).map(|lane| Ticket::take(&lane));
            (state.ask(other.as_ref().unwrap_or(&self).modes(), client, after.now), other)
        });
        // Counted in the other lane already, and only now no longer in its own.
        let ticket = other.unwrap_or(self);
        match answer {
            Answer::Pass => Verdict::Pass(ticket.admit()),
            Answer::Wait(place) => {
                Verdict::Wait(Waiting::at(place, Arc::clone(ticket.counter()), Arc::clone(door)))
            }
            Answer::Refuse(why, snapshot) => Verdict::Refuse(door.refused(why, snapshot)),
        }
    }
}

#[cfg(test)]
mod tests;
