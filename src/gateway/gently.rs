//! A gentle opening as the door says it: who is let in at this moment, what the others get, and where answers are counted that
//! those who are in get. All cores share it; whoever keeps the time makes a new one of it when the share moves.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::pace::Outcome;
use super::ramp::{Course, Fresh, Ramp, Tally, place};
use super::report::{FellBack, RampReport};
use crate::config::{OpenConfig, Share};
use crate::page::Forms;
use crate::switch::{Mode, Posture, Reopened};

/// What visitors get who are not let in yet: what all of them got before.
#[derive(Debug)]
pub struct Shut {
    /// It has the mode and the operation of before, and ends when all are to be in.
    pub posture: Posture,
    /// What they read.
    pub forms: Arc<Forms>,
}

/// A gentle opening that a posture begins, or goes on with.
#[derive(Debug, Clone)]
pub struct Opens {
    pub(super) config: OpenConfig,
    pub(super) reopened: Reopened,
    pub(super) shut: Arc<Shut>,
}

/// What those get who are not let in at first, where this posture opens the site gently.
pub(super) fn shut(config: Option<&OpenConfig>, posture: Option<&Posture>) -> Option<Posture> {
    let (config, posture) = config.zip(posture.filter(|posture| posture.mode == Mode::Open))?;
    let Reopened { from, after, at } = *posture.reopened.clone()?;
    let ramp = SignedDuration::try_from(config.ramp).ok()?;
    Some(Posture {
        mode: from,
        operation: Some(after),
        since: at,
        until: at.checked_add(ramp).ok(),
        patience: None,
        reopened: None,
    })
}

impl Opens {
    /// For this posture, where `shut` is what [`shut`] gave for it.
    pub(super) fn new(
        config: Option<&OpenConfig>,
        posture: Option<&Posture>,
        shut: Shut,
    ) -> Option<Opens> {
        let reopened = *posture?.reopened.clone()?;
        Some(Opens { config: config?.clone(), reopened, shut: Arc::new(shut) })
    }
}

/// Who is let in at this moment.
#[derive(Debug, Clone)]
pub struct Gently {
    share: Share,
    fell_back: bool,
    pub(super) shut: Arc<Shut>,
    answers: Arc<Answers>,
}

impl Gently {
    /// Where this client stands among all, if it is let in.
    pub(super) fn lets(&self, client: IpAddr) -> Option<u16> {
        let after = self.shut.posture.operation.as_ref()?;
        let place = place(client, after);
        (place < self.share.in_thousandths()).then_some(place)
    }

    /// Whether nobody is let in, since too much failed.
    pub(super) fn fell_back(&self) -> bool {
        self.fell_back
    }

    /// What the others get.
    pub(super) fn from(&self) -> Mode {
        self.shut.posture.mode
    }

    /// Watches what one is answered who is let in at this place.
    pub(super) fn watch(&self, place: u16, clock: fn() -> Instant) -> Watched {
        Watched { answers: Arc::clone(&self.answers), place, since: clock(), clock }
    }
}

/// Somebody who is in while others are not.
pub(super) struct Watched {
    answers: Arc<Answers>,
    place: u16,
    since: Instant,
    clock: fn() -> Instant,
}

impl Watched {
    /// How the upstream took it.
    pub(super) fn answered(&self, outcome: Outcome) {
        let took = (self.clock)().saturating_duration_since(self.since);
        self.answers.note(self.place, outcome, took);
    }
}

/// What was answered since it was looked at last, by place.
#[derive(Debug)]
struct Answers(Box<[Cell]>);

#[derive(Debug, Default)]
struct Cell {
    answers: AtomicU32,
    errors: AtomicU32,
    micros: AtomicU64,
}

impl Answers {
    fn new() -> Answers {
        Answers((0..Share::ALL.in_thousandths()).map(|_| Cell::default()).collect())
    }

    fn note(&self, place: u16, outcome: Outcome, took: Duration) {
        let Some(cell) = self.0.get(usize::from(place)) else { return };
        match outcome {
            Outcome::Answered => {}
            Outcome::Erred | Outcome::Failed => {
                cell.errors.fetch_add(1, Relaxed);
            }
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        cell.micros.fetch_add(micros, Relaxed);
        cell.answers.fetch_add(1, Relaxed);
    }

    /// All of it; it begins anew.
    fn take(&self) -> Fresh {
        let taken = |cell: &Cell| Tally {
            answers: u64::from(cell.answers.swap(0, Relaxed)),
            errors: u64::from(cell.errors.swap(0, Relaxed)),
            took: Duration::from_micros(cell.micros.swap(0, Relaxed)),
        };
        let all = (0..).zip(self.0.iter().map(taken));
        all.filter(|(_, tally)| *tally != Tally::default()).collect()
    }
}

/// A gentle opening that is under way at a door.
pub(super) struct UnderWay {
    ramp: Ramp,
    answers: Arc<Answers>,
    opens: Opens,
    /// One moment by both clocks.
    began: (Instant, Timestamp),
}

impl UnderWay {
    /// Begins, or goes on where the time says, at the moment `now` by both clocks; `None` where all are in by now.
    pub(super) fn begin(opens: Opens, now: (Instant, Timestamp)) -> Option<UnderWay> {
        let gone = now.1.duration_since(opens.reopened.at);
        let gone = Duration::try_from(gone).unwrap_or(Duration::ZERO);
        let ramp = Ramp::begin(opens.config.clone(), gone, now.0);
        let answers = Arc::new(Answers::new());
        (ramp.course() != Course::Done).then_some(UnderWay { ramp, answers, opens, began: now })
    }

    /// Whether this is the same opening.
    pub(super) fn is_of(&self, opens: &Opens) -> bool {
        self.came_by(&opens.reopened)
    }

    /// Whether this is the opening that a switch speaks of.
    pub(super) fn came_by(&self, reopened: &Reopened) -> bool {
        self.opens.reopened == *reopened
    }

    /// Takes a new configuration, and new forms.
    pub(super) fn reload(&mut self, opens: Opens) {
        self.ramp.reload(opens.config.clone());
        self.opens = opens;
    }

    /// What the door says.
    pub(super) fn said(&self) -> Gently {
        Gently {
            share: self.ramp.share(),
            fell_back: matches!(self.ramp.course(), Course::FellBack { .. }),
            shut: Arc::clone(&self.opens.shut),
            answers: Arc::clone(&self.answers),
        }
    }

    /// When it is to be looked at again.
    pub(super) fn due(&self) -> Instant {
        self.ramp.due()
    }

    /// Goes on until `now`.
    pub(super) fn step(&mut self, now: Instant) -> Went {
        let before = self.ramp.course();
        self.ramp.step(self.answers.take(), now);
        match (before, self.ramp.course()) {
            (_, Course::Done) => Went::Done,
            (Course::FellBack { .. }, Course::Rises) => {
                // Whoever was let in before it fell is counted where nobody looks.
                self.answers = Arc::new(Answers::new());
                Went::Otherwise
            }
            (Course::FellBack { .. }, Course::FellBack { .. }) => Went::On,
            (_, Course::FellBack { .. }) => Went::Fell,
            (before, course) if told(before) == told(course) => Went::On,
            (_, Course::Rises | Course::Stands(..)) => Went::Otherwise,
        }
    }

    /// As it is told.
    pub(super) fn report(&self) -> RampReport {
        let at = |moment: Instant| {
            let (began, wall) = self.began;
            let later = moment.saturating_duration_since(began).as_millis();
            let later = SignedDuration::from_millis(i64::try_from(later).unwrap_or(i64::MAX));
            wall.checked_add(later).unwrap_or(wall)
        };
        let (stopped, fell_back) = match self.ramp.course() {
            Course::Rises | Course::Done => (None, None),
            Course::Stands(why, _) => (Some(why), None),
            Course::FellBack { errors, at: fell, again } => {
                (None, Some(FellBack { errors, at: at(fell), again: at(again) }))
            }
        };
        RampReport { share: self.ramp.share(), stopped, fell_back }
    }
}

/// What a course is, without its times.
fn told(course: Course) -> Option<super::report::Stands> {
    match course {
        Course::Stands(why, _) => Some(why),
        Course::Rises | Course::FellBack { .. } | Course::Done => None,
    }
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    /// As before, but for the share.
    On,
    /// It stands now, or goes on.
    Otherwise,
    /// Nobody is let in any more.
    Fell,
    /// All are in.
    Done,
}
