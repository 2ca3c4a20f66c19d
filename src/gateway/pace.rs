//! The pace of a release: how many that waited may be at the upstream at once. Pure: time comes in.
//!
//! The window opens with as many as ran before and grows by one for each window of good answers, or for each four where
//! answers come slower than at first. When too many fail it halves, and nobody goes for a moment. It never lets all go at
//! once, and it never stops growing: a window that is too small for who comes anew would never let the line end.

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
/// Answers that take so much longer than the first ones mean that more at once are hardly faster.
const SLOWER: f64 = 1.5;
const JITTER: f64 = 0.001;
/// What the window grows then for each of its answers.
const SLOWLY: f64 = 0.25;
/// How much the last answer counts in the share of failures, and the share that is trouble: an app that always answers
/// one in twenty with 503 is left alone, two failures in a row are not.
const LAST: f64 = 1.0 / 16.0;
const TROUBLE: f64 = 0.1;

/// How an upstream took a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, whatever it said.
    Answered,
    /// It answered that something is wrong with it, which is no matter of how many come.
    Erred,
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
    /// The share of failures, lately.
    failing: f64,
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
            failing: 0.0,
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
        self.failing = 0.0;
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
            Outcome::Answered | Outcome::Erred => self.good(took),
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
        self.failing -= self.failing * LAST;
        let slower = self.lately.seconds > self.first.seconds * SLOWER + JITTER;
        let step = if slower { SLOWLY } else { 1.0 };
        self.window = (self.window + step / self.window).min(small(MOST));
    }

    fn failed(&mut self, now: Instant) {
        self.failing += (1.0 - self.failing) * LAST;
        let known = self.troubled_until.is_some_and(|until| now < until);
        if known || self.failing < TROUBLE {
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::{BTreeMap, VecDeque};

    use super::*;
    use crate::clock;

    const MS: Duration = Duration::from_millis(1);

    /// An app with so many workers that need `work` each, and a pace in front of it.
    struct App {
        pace: Pace,
        start: Instant,
        workers: usize,
        work: Duration,
        busy: usize,
        backlog: VecDeque<Instant>,
        deepest: usize,
    }

    impl App {
        fn new(pace: Pace, workers: usize, work: Duration) -> App {
            let start = clock::monotonic();
            App { pace, start, workers, work, busy: 0, backlog: VecDeque::new(), deepest: 0 }
        }

        /// Lets `many` go, and says how long that took. `outcome` is what each answer is worth.
        fn release(&mut self, many: usize, outcome: impl Fn(Duration) -> Outcome) -> Duration {
            let (mut now, mut left, mut done) = (self.start, many, 0);
            let mut ends: BTreeMap<(Instant, usize), Instant> = BTreeMap::new();
            while done < many {
                let wait = loop {
                    match self.pace.may_go(now) {
                        Go::Now if left > 0 => left -= 1,
                        Go::At(at) if left > 0 => break Some(at),
                        Go::Now | Go::Full | Go::At(_) => break None,
                    }
                    self.pace.went(now);
                    self.backlog.push_back(now);
                };
                while self.busy < self.workers
                    && let Some(since) = self.backlog.pop_front()
                {
                    self.busy += 1;
                    ends.insert((now + self.work, done + ends.len()), since);
                }
                self.deepest = self.deepest.max(self.backlog.len());
                let end = ends.first_entry();
                let next = end.as_ref().map(|end| end.key().0);
                if let Some(at) = wait
                    && next.is_none_or(|next| at < next)
                {
                    now = at;
                    continue;
                }
                let ((at, _), since) = end.expect("somebody is at work").remove_entry();
                now = at;
                (self.busy, done) = (self.busy - 1, done + 1);
                self.pace.answered(outcome(now - self.start), now - since, now);
                self.pace.came_back(1);
            }
            now - self.start
        }
    }

    #[test]
    fn a_thousand_on_four_workers_take_as_long_as_the_work_and_never_fill_the_backlog() {
        let mut app = App::new(Pace::new(None), 4, 5 * MS);
        app.pace.begin(3);
        let took = app.release(1_000, |_| Outcome::Answered);
        assert_eq!(took, 1_250 * MS, "the workers are never idle");
        assert!(app.deepest < 64, "{}", app.deepest);
    }

    #[test]
    fn an_app_that_can_do_more_is_given_more() {
        let mut app = App::new(Pace::new(None), 500, 20 * MS);
        app.pace.begin(10);
        let took = app.release(10_000, |_| Outcome::Answered);
        // Sixteen at a time would take 12.5 s.
        assert!(took < 4_000 * MS, "{took:?}");
    }

    #[test]
    fn a_release_begins_with_as_many_as_ran_before() {
        let mut app = App::new(Pace::new(None), 200, 20 * MS);
        app.pace.begin(200);
        assert!(app.release(1_000, |_| Outcome::Answered) <= 100 * MS);
    }

    #[test]
    fn while_answers_fail_few_go_and_then_more_again() {
        let mut app = App::new(Pace::new(None), 64, 10 * MS);
        app.pace.begin(64);
        let failed = Cell::new(0);
        app.release(2_000, |at| {
            let fails = at < 2_000 * MS;
            failed.set(failed.get() + u32::from(fails));
            if fails { Outcome::Failed } else { Outcome::Answered }
        });
        let failed = failed.get();
        assert!((64..160).contains(&failed), "{failed} of 2,000 went into two seconds of trouble");
        assert!(app.pace.window > 8.0, "{}", app.pace.window);
    }

    #[test]
    fn a_failure_here_and_there_slows_nobody() {
        let mut app = App::new(Pace::new(None), 16, 10 * MS);
        app.pace.begin(16);
        let answers = Cell::new(0_u32);
        let took = app.release(1_600, |_| {
            answers.set(answers.get() + 1);
            if answers.get().is_multiple_of(25) { Outcome::Failed } else { Outcome::Answered }
        });
        assert_eq!(took, 1_000 * MS);
    }

    #[test]
    fn slow_answers_after_fast_first_ones_do_not_keep_the_line_for_ever() {
        let mut pace = Pace::new(None);
        let now = clock::monotonic();
        for _ in 0..FIRST_ANSWERS {
            pace.answered(Outcome::Answered, MS, now);
        }
        for _ in 0..10_000 {
            pace.answered(Outcome::Answered, 50 * MS, now);
        }
        assert!(pace.window > 64.0, "{}", pace.window);
    }

    #[test]
    fn the_rate_is_never_above_what_is_allowed() {
        let mut app = App::new(Pace::new(Some(100)), 64, MS);
        app.pace.begin(0);
        let took = app.release(101, |_| Outcome::Answered);
        assert!(took >= 1_000 * MS && took < 1_020 * MS, "{took:?}");
    }
}
