//! What a door keeps under its lock, and how it moves: the switch, the room, the pace and the drain, one after the other.
//! No clock, no waiting, no waking: what is to be done without the lock is written into [`After`].

use std::net::IpAddr;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::door::Door;
use super::drain::{Draining, SPREAD};
use super::gently::{Opens, UnderWay, Went};
use super::inside::Inside;
use super::lane::{Counter, Lane, Modes};
use super::pace::{Go, Pace};
use super::report::{Report, Waited};
use super::room::{Place, Room};
use super::snapshot::{Fate, Snapshot, Why};
use crate::config::{DrainConfig, DrainThen, HoldConfig, Upgrades};
use crate::metrics::Histogram;
use crate::page::Forms;
use crate::switch::{Mode, Posture};

/// Nobody waits longer, whatever is configured: patience, and then a release.
const LONGEST: Duration = Duration::from_mins(5);
/// How often it is noted how many run, to release as many.
const SAMPLE: Duration = Duration::from_secs(1);
const SAMPLES: usize = 10;

/// What a door keeps under its lock.
pub(super) struct State {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) room: Room,
    pub(super) pace: Pace,
    hold: HoldConfig,
    drain: DrainConfig,
    draining: Draining,
    cut: u64,
    /// Those who waited since it held last, or does, and were let in.
    waited: Waited,
    /// Visitors are let in one after the other.
    ramp: Option<UnderWay>,
    /// They were, until a mode came in between that keeps nobody out.
    rests: Option<UnderWay>,
    /// How often a gentle opening fell back.
    pub(super) falls: u64,
    /// How long moves took until they were drained.
    pub(super) switches: Histogram<8>,
    /// Whether the move of now was one from a mode that was known: a start is none.
    is_move: bool,
    /// When the posture was taken, and for how long it had been asked for then.
    asked: (Instant, Duration),
    /// When waiting ends: patience in hold, else a release that takes too long.
    waits_until: Option<Instant>,
    /// How many ran at once, lately.
    ran: [u64; SAMPLES],
    sampled: usize,
    sample_at: Instant,
    /// When whoever keeps the time comes next.
    planned: Instant,
}

/// What is to be done when the lock is gone.
pub(super) struct After {
    pub(super) now: Instant,
    pub(super) wake: Vec<Waker>,
    pub(super) told: Vec<Arc<Counter>>,
    pub(super) nudge: bool,
    pub(super) changed: bool,
}

impl After {
    pub(super) fn at(now: Instant) -> After {
        After { now, wake: Vec::new(), told: Vec::new(), nudge: false, changed: false }
    }
}

/// What is between a look and its verdict.
pub(super) enum Answer {
    Pass,
    Wait(Place),
    Refuse(Why, Arc<Snapshot>),
}

impl State {
    /// Knows nothing, refuses everything.
    pub(super) fn new(
        forms: Arc<Forms>,
        hold: HoldConfig,
        drain: DrainConfig,
        now: Instant,
    ) -> State {
        let snapshot =
            Snapshot { posture: None, forms, hold_spent: false, closing: false, gently: None };
        State {
            snapshot: Arc::new(snapshot),
            room: Room::new(),
            pace: Pace::new(hold.release_rate),
            hold,
            drain,
            draining: Draining::Done,
            cut: 0,
            waited: Waited::default(),
            ramp: None,
            rests: None,
            falls: 0,
            switches: Histogram::new([0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0, 120.0]),
            is_move: false,
            asked: (now, Duration::ZERO),
            waits_until: None,
            ran: [0; SAMPLES],
            sampled: 0,
            sample_at: now,
            planned: now,
        }
    }

    /// Takes a posture at the time `wall`, with how it opens gently, if it does.
    pub(super) fn set(
        &mut self,
        door: &Door,
        (posture, forms): (Option<Posture>, Arc<Forms>),
        (opens, wall): (Option<Opens>, Timestamp),
        after: &mut After,
    ) {
        let before = Arc::clone(&self.snapshot);
        let asked_ago = posture.as_ref().map_or(Duration::ZERO, |posture| {
            let ago: SignedDuration = wall.duration_since(posture.since);
            Duration::try_from(ago).unwrap_or(Duration::ZERO)
        });
        self.open_gently(opens, posture.as_ref(), (after.now, wall));
        let gently = self.ramp.as_ref().map(UnderWay::said);
        if before.posture == posture {
            if !Arc::ptr_eq(&before.forms, &forms) {
                self.say(door, Snapshot { forms, gently, ..(*before).clone() });
            }
            return;
        }
        let key = |posture: &Option<Posture>| {
            posture.as_ref().map(|posture| (posture.mode, posture.operation.clone()))
        };
        let moved = key(&before.posture) != key(&posture);
        self.asked = (after.now, asked_ago);
        let closing = before.closing;
        self.say(door, Snapshot { posture, forms, hold_spent: false, closing, gently });
        self.sort(door.inside(), before.mode(), after);
        if moved {
            self.draining = Draining::begin(self.snapshot.mode(), &self.drain, after.now);
            self.cut = 0;
            self.is_move = before.posture.is_some();
            let mode = self.snapshot.mode();
            if self.drain.upgrades == Upgrades::Close && mode.is_some() {
                let stricter = |lane: &Lane| !lets(mode, lane);
                Self::say_farewell(door.inside(), self.spread(), stricter, after);
            }
        }
        // It may have been asked for so long ago that patience is over.
        self.expire(door, after);
        after.changed = true;
    }

    /// The same opening goes on, also after a mode in between that keeps nobody out; another one begins, unless all are in by now.
    fn open_gently(
        &mut self,
        opens: Option<Opens>,
        posture: Option<&Posture>,
        now: (Instant, Timestamp),
    ) {
        let before = self.ramp.take().or(self.rests.take());
        self.ramp = match (before, opens) {
            (before, None) => {
                let between = posture.filter(|posture| posture.mode != Mode::Open);
                let reopened = between.and_then(|posture| posture.reopened.as_deref());
                self.rests = before.filter(|ramp| reopened.is_some_and(|it| ramp.came_by(it)));
                None
            }
            (Some(mut same), Some(opens)) if same.is_of(&opens) => {
                same.reload(opens);
                Some(same)
            }
            // A posture that has been given so far lets everybody in: it is not taken back.
            (None, Some(opens)) if self.gives(&opens) => None,
            (_, Some(opens)) => UnderWay::begin(opens, now),
        };
    }

    /// Whether the opening is that of the posture of now, by which visitors are in.
    fn gives(&self, opens: &Opens) -> bool {
        let posture = self.snapshot.posture.as_ref();
        let posture = posture.filter(|posture| posture.mode == Mode::Open);
        posture.and_then(|posture| posture.reopened.as_deref()) == Some(&opens.reopened)
    }

    pub(super) fn reload(
        &mut self,
        door: &Door,
        config: (HoldConfig, DrainConfig),
        after: &mut After,
    ) {
        (self.hold, self.drain) = config;
        self.pace.limit(self.hold.release_rate);
        if self.snapshot.mode() == Some(Mode::Hold) {
            self.say(door, Snapshot { hold_spent: false, ..(*self.snapshot).clone() });
            self.waits_until = Some(self.patience_ends());
            self.expire(door, after);
        }
    }

    pub(super) fn closing(&mut self, door: &Door, after: &mut After) {
        self.say(door, Snapshot { closing: true, ..(*self.snapshot).clone() });
        if self.snapshot.mode() == Some(Mode::Hold) {
            self.refuse_all(Why::Closing, after);
        }
        Self::say_farewell(door.inside(), self.spread(), |_| true, after);
    }

    /// There is no time left: nobody is let in any more, and upgraded connections close at once.
    pub(super) fn last_call(&mut self, door: &Door, after: &mut After) {
        self.refuse_all(Why::Closing, after);
        Self::say_farewell(door.inside(), Duration::ZERO, |_| true, after);
    }

    /// What is with a request of these modes, now.
    pub(super) fn ask(&mut self, modes: Modes, client: Option<IpAddr>, now: Instant) -> Answer {
        let fate = self.snapshot.fate(modes, client);
        let in_line = match fate {
            Fate::Refused(why) => return Answer::Refuse(why, Arc::clone(&self.snapshot)),
            Fate::Passes | Fate::PassesAt(_) => self.room.waiting() > 0 && !modes.has(Mode::Hold),
            Fate::Waits => true,
        };
        match in_line {
            false => Answer::Pass,
            true if self.room.waiting() < self.hold.places => {
                Answer::Wait(self.room.enter(modes, now))
            }
            true => Answer::Refuse(Why::Crowded, Arc::clone(&self.snapshot)),
        }
    }

    /// One who was called goes in.
    pub(super) fn goes_in(&mut self, place: &Place, after: &mut After) {
        if let Some(since) = self.room.since(place) {
            self.waited.note(after.now.saturating_duration_since(since));
        }
        self.room.leave(place);
        // Nobody waits any more: whoever asked wants to know how long they did.
        after.changed |= self.room.waiting() == 0;
    }

    /// Does what is due.
    pub(super) fn expire(&mut self, door: &Door, after: &mut After) {
        if self.waits_until.is_some_and(|until| until <= after.now) {
            self.waits_until = None;
            if self.snapshot.mode() == Some(Mode::Hold) {
                self.say(door, Snapshot { hold_spent: true, ..(*self.snapshot).clone() });
            }
            self.refuse_all(Why::TimedOut, after);
            after.changed = true;
        }
        if self.ramp.as_ref().is_some_and(|ramp| ramp.due() <= after.now) {
            self.go_on_gently(door, after);
        }
        if self.due().is_some_and(|due| due <= after.now) {
            self.settle(door, after);
        }
    }

    /// The share moves, or stands, or all are let in.
    fn go_on_gently(&mut self, door: &Door, after: &mut After) {
        let went = self.ramp.as_mut().map_or(Went::Done, |ramp| ramp.step(after.now));
        match went {
            Went::On => {}
            Went::Otherwise => after.changed = true,
            Went::Fell => {
                self.falls += 1;
                after.changed = true;
            }
            Went::Done => {
                self.ramp = None;
                after.changed = true;
            }
        }
        let gently = self.ramp.as_ref().map(UnderWay::said);
        self.say(door, Snapshot { gently, ..(*self.snapshot).clone() });
    }

    /// What follows of a change: the gate, who is called, how far the drain is.
    pub(super) fn settle(&mut self, door: &Door, after: &mut After) {
        let mode = self.snapshot.mode();
        // Nobody overtakes who was there before, but for lanes that never wait.
        let line = if self.room.waiting() > 0 { Modes::one(Mode::Hold) } else { Modes::NONE };
        // Who passed before does still; all others depend on who they are.
        let gently = self.snapshot.gently.as_ref();
        let before = gently.map_or(Modes::NONE, |gently| Modes::one(gently.from()));
        door.move_gate(mode, line.and(before));
        if self.releases() {
            while self.room.has_next() && self.pace.may_go(after.now) == Go::Now {
                self.room.call(&mut after.wake);
                self.pace.went(after.now);
            }
        }
        // Watched before it is counted: whoever leaves after the counting sees that it is watched.
        let inside = door.inside();
        inside.watch(self.draining);
        if self.draining.runs() {
            self.look_at_drain(inside, after);
            inside.watch(self.draining);
        }
        after.nudge |= self.due().is_some_and(|due| due < self.planned);
    }

    /// When whoever keeps the time has to come again; notes how many run, while they run freely.
    pub(super) fn plan(&mut self, inside: &Inside, after: &After) -> Instant {
        if after.now >= self.sample_at {
            self.sample_at = after.now + SAMPLE;
            if self.runs_freely() {
                self.sample(inside);
            }
        }
        let due = self.due();
        self.planned = due.map_or(self.sample_at, |due| due.min(self.sample_at));
        self.planned
    }

    pub(super) fn report(&self, inside: &Inside, now: Instant) -> Report {
        let posture = self.snapshot.posture.as_ref();
        let mode = self.snapshot.mode();
        let mut report = Report {
            mode,
            operation: posture.and_then(|posture| posture.operation.clone()),
            drain: self.draining.told(),
            hold_spent: self.snapshot.hold_spent,
            ramp: self.ramp.as_ref().map(|ramp| Box::new(ramp.report())),
            waiting: self.room.waiting() as u64,
            oldest: self.room.oldest().map(|since| seconds(now.saturating_duration_since(since))),
            patience: self.patience(),
            waited: self.waited,
            cut: self.cut,
            ..Report::default()
        };
        for lane in inside.lanes().iter() {
            let running = lane.running();
            report.upgraded += lane.upgraded();
            if lets(mode, lane) {
                exempt(&mut report.exempt, lane.name(), running);
            } else {
                report.in_flight += running;
            }
        }
        report
    }

    fn say(&mut self, door: &Door, snapshot: Snapshot) {
        self.snapshot = Arc::new(snapshot);
        door.publish(&self.snapshot);
    }

    fn releases(&self) -> bool {
        !matches!(self.snapshot.mode(), None | Some(Mode::Hold))
    }

    fn runs_freely(&self) -> bool {
        self.releases() && self.room.waiting() == 0
    }

    fn sample(&mut self, inside: &Inside) {
        if let Some(sample) = self.ran.get_mut(self.sampled % SAMPLES) {
            *sample = inside.running();
            self.sampled = self.sampled.wrapping_add(1);
        }
    }

    /// When patience is over, counted from when the operation was asked for.
    fn patience_ends(&self) -> Instant {
        let (at, ago) = self.asked;
        at + self.longest().saturating_sub(ago)
    }

    /// How long requests wait at most.
    fn longest(&self) -> Duration {
        let asked = self.snapshot.posture.as_ref().and_then(|posture| posture.patience);
        asked.unwrap_or(self.hold.patience).min(LONGEST)
    }

    /// The same in whole seconds, while it holds.
    fn patience(&self) -> Option<u32> {
        (self.snapshot.mode() == Some(Mode::Hold)).then(|| seconds(self.longest()))
    }

    /// What a new mode means for those who wait: they wait on, go in order, or are refused.
    fn sort(&mut self, inside: &Inside, before: Option<Mode>, after: &mut After) {
        let under = Arc::clone(&self.snapshot);
        let why = if under.mode().is_some() { Why::Mode } else { Why::Unknown };
        let stays = |modes| !matches!(under.fate(modes, None), Fate::Refused(_));
        let called = self.room.refuse((why, &under), stays, &mut after.wake);
        self.pace.came_back(called);
        if under.mode() == Some(Mode::Hold) {
            // Woken and not gone yet: they wait again, and nobody slips through.
            self.pace.came_back(self.room.call_back());
            if before.is_some_and(|mode| mode != Mode::Hold) {
                self.waited = Waited::default();
                self.sample(inside);
            }
            self.waits_until = Some(self.patience_ends());
        } else if self.room.waiting() == 0 {
            self.waits_until = None;
        } else if before == Some(Mode::Hold) {
            self.pace.begin(self.ran.iter().copied().max().unwrap_or(0));
            self.ran = [0; SAMPLES];
            self.waits_until = Some(after.now + LONGEST);
        }
    }

    /// Refuses everybody in the room.
    fn refuse_all(&mut self, why: Why, after: &mut After) {
        let under = Arc::clone(&self.snapshot);
        let called = self.room.refuse((why, &under), |_| false, &mut after.wake);
        self.pace.came_back(called);
    }

    /// Whether those who still run are gone, or their time is over.
    fn look_at_drain(&mut self, inside: &Inside, after: &mut After) {
        let mode = self.snapshot.mode();
        let stricter = |lane: &&Arc<Lane>| !lets(mode, lane);
        let lanes = inside.lanes();
        let run: u64 = lanes.iter().filter(stricter).map(|lane| lane.running()).sum();
        let upgraded = match self.drain.upgrades {
            Upgrades::Leave => 0,
            Upgrades::Close => lanes.iter().filter(stricter).map(|lane| lane.upgraded()).sum(),
        };
        match self.draining {
            // ## -> Done
            Draining::Until(..) | Draining::Cut if run + upgraded == 0 => {
                self.draining = Draining::Done;
                self.moved(after.now);
                after.changed = true;
            }
            // ## Until -> Expired, or Cut
            Draining::Until(at, DrainThen::Abort) if at <= after.now => {
                self.draining = Draining::Expired;
                after.changed = true;
            }
            Draining::Until(at, DrainThen::Cut) if at <= after.now => {
                for counter in lanes.iter().filter(stricter).flat_map(|lane| lane.counters()) {
                    counter.cut();
                    after.told.push(Arc::clone(counter));
                }
                self.cut = run;
                self.draining = Draining::Cut;
                after.changed = true;
            }
            Draining::Until(..) | Draining::Cut | Draining::Done | Draining::Expired => {}
        }
    }

    /// Nobody of before is left.
    fn moved(&self, now: Instant) {
        let (at, ago) = self.asked;
        if self.is_move {
            self.switches.took(now.saturating_duration_since(at) + ago);
        }
    }

    /// Tells the upgraded connections of these lanes to close, each at a time of its own within `spread`.
    fn say_farewell(
        inside: &Inside,
        spread: Duration,
        which: impl Fn(&Lane) -> bool,
        after: &mut After,
    ) {
        let lanes = inside.lanes();
        for counter in lanes.iter().filter(|lane| which(lane)).flat_map(|lane| lane.counters()) {
            counter.farewell(spread);
            after.told.push(Arc::clone(counter));
        }
    }

    /// Over how long closing is spread, so that not all come back at once.
    fn spread(&self) -> Duration {
        SPREAD.min(self.drain.deadline / 2)
    }

    /// When something is to be done though nothing happens.
    fn due(&self) -> Option<Instant> {
        let calls = self.releases() && self.room.has_next();
        let next = self.pace.due().filter(|_| calls);
        let ramp = self.ramp.as_ref().map(UnderWay::due);
        [self.waits_until, self.draining.due(), next, ramp].into_iter().flatten().min()
    }
}

/// Notes who runs by leave of this mode. Lanes of one name are one to whoever reads it.
fn exempt(all: &mut Vec<(String, u64)>, name: &str, running: u64) {
    match all.iter_mut().find(|(other, _)| other == name) {
        Some((_, sum)) => *sum += running,
        None if running > 0 => all.push((name.to_owned(), running)),
        None => {}
    }
}

/// Whole seconds.
fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// Whether a mode lets a lane in.
fn lets(mode: Option<Mode>, lane: &Lane) -> bool {
    mode.is_some_and(|mode| lane.passes(mode))
}
