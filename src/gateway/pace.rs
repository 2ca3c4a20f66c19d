//! The pace of a release: how many that waited may be at the upstream at once. Pure: time comes in.
//!
//! The window opens with as many as ran before, grows by one for each window of good answers that do not come slower,
//! and halves when answers fail; then nobody goes for a moment. It never lets all go at once.

use std::time::Duration;

use tokio::time::Instant;

/// The fewest that a release begins with: enough to keep a small app busy, less than any accept queue.
const LEAST: usize = 16;
/// What a release never goes beyond.
const MOST: usize = 4096;
/// How long nobody goes after the first failure, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// So many answers say how fast the upstream is when it is not crowded.
const FIRST_ANSWERS: u32 = 8;
/// Answers that take so much longer than the first ones mean that more at once are not faster.
const SLOWER: f64 = 1.5;
const JITTER: f64 = 0.001;

/// How an upstream took a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, whatever it said.
    Answered,
    /// It could not be reached, broke off before an answer, was too slow, or said that it is overloaded (502, 503, 504).
    Failed,
}

/// Whether the next one may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Go {
    /// Now.
    Now,
    /// Not before.
    At(Instant),
    /// When one of those at the upstream has ended.
    Full,
}

/// The pace of one door.
#[derive(Debug)]
pub(super) struct Pace {
    /// How many may be at the upstream at once.
    window: f64,
    /// How many are: those who were told to go and have not ended.
    out: usize,
    /// At least so long between two.
    gap: Option<Duration>,
    not_before: Option<Instant>,
    pause: Duration,
    /// Failures until then belong to the same trouble.
    troubled_until: Option<Instant>,
    first: Mean,
    lately: Mean,
}

/// Seconds, averaged over the last answers or so.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    seconds: f64,
    answers: u32,
}

impl Mean {
    fn take(&mut self, seconds: f64, over: u32) {
        self.answers = self.answers.saturating_add(1).min(over);
        self.seconds += (seconds - self.seconds) / f64::from(self.answers.max(1));
    }
}

impl Pace {
    /// Nobody is out.
    pub(super) fn new(release_rate: Option<u32>) -> Pace {
        Pace {
            window: small(LEAST),
            out: 0,
            gap: gap(release_rate),
            not_before: None,
            pause: FIRST_PAUSE,
            troubled_until: None,
            first: Mean::default(),
            lately: Mean::default(),
        }
    }

    /// At most so many a second from now on.
    pub(super) fn limit(&mut self, release_rate: Option<u32>) {
        self.gap = gap(release_rate);
    }

    /// A release begins, where so many ran at once before.
    pub(super) fn begin(&mut self, ran: u64) {
        let ran = usize::try_from(ran).unwrap_or(MOST);
        self.window = small(ran.clamp(LEAST, MOST));
        self.not_before = None;
        self.pause = FIRST_PAUSE;
        self.troubled_until = None;
        self.first = Mean::default();
        self.lately = Mean::default();
    }

    /// When the next one may go though nobody comes back, if it is only a matter of time.
    pub(super) fn due(&self) -> Option<Instant> {
        self.not_before.filter(|_| self.has_room())
    }

    fn has_room(&self) -> bool {
        small(self.out) + 1.0 <= self.window
    }

    /// Whether the next one may go.
    pub(super) fn may_go(&self, now: Instant) -> Go {
        match self.not_before {
            _ if !self.has_room() => Go::Full,
            Some(at) if at > now => Go::At(at),
            Some(_) | None => Go::Now,
        }
    }

    /// One was told to go.
    pub(super) fn went(&mut self, now: Instant) {
        self.out += 1;
        if let Some(gap) = self.gap {
            // From when it was due, so that a late tick does not slow the rate; but nothing is made up for.
            let due =
                self.not_before.map_or(now, |due| due.max(now.checked_sub(gap).unwrap_or(now)));
            self.not_before = Some(due + gap);
        }
    }

    /// So many of those who went have ended, or did not go after all.
    pub(super) fn came_back(&mut self, many: usize) {
        self.out = self.out.saturating_sub(many);
    }

    /// One that went was answered after `took`.
    pub(super) fn answered(&mut self, outcome: Outcome, took: Duration, now: Instant) {
        match outcome {
            Outcome::Answered => self.good(took),
            Outcome::Failed => self.failed(now),
        }
    }

    fn good(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        if self.first.answers < FIRST_ANSWERS {
            self.first.take(seconds, FIRST_ANSWERS);
        }
        self.lately.take(seconds, 16);
        self.pause = FIRST_PAUSE;
        if self.lately.seconds <= self.first.seconds * SLOWER + JITTER {
            self.window = (self.window + 1.0 / self.window).min(small(MOST));
        }
    }

    fn failed(&mut self, now: Instant) {
        if self.troubled_until.is_some_and(|until| now < until) {
            return;
        }
        self.window = (self.window / 2.0).max(1.0);
        let until = now + self.pause;
        self.troubled_until = Some(until);
        self.not_before = Some(self.not_before.map_or(until, |due| due.max(until)));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

fn gap(release_rate: Option<u32>) -> Option<Duration> {
    release_rate.map(|rate| Duration::from_secs(1) / rate.max(1))
}

/// Exact: nothing here goes beyond `MOST` or the places of a room.
fn small(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
