//! A gentle opening: which visitors are let in who were all kept out, from a first share of them up to all. Pure: time comes
//! in, and what the answers were.
//!
//! The share rises with the time, stands while answers fail or become slower, and falls to nothing where too many fail; then it
//! begins anew after a pause. It never lets in anybody whom the switch does not: it only makes `open` less than that.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::report::Stands;
use crate::config::{OpenConfig, Share};
use crate::switch::OperationId;

/// How often the share moves, and answers are looked at.
const TICK: Duration = Duration::from_millis(250);
/// Answers of so long count, and older ones only until there are [`ENOUGH`].
const LATELY: Duration = Duration::from_secs(5);
const LONG_AGO: Duration = Duration::from_mins(1);
/// So many answers are needed to fall back, or to say how fast the app is.
const ENOUGH: u64 = 20;
/// So many are needed to stand still.
const FEW: u64 = 5;
/// At so many errors the share stands.
const TROUBLE: Share = Share::percent(10);
/// Answers that take so much longer than at first, and at least [`SLOWER_BY`], make it stand.
const SLOWER: u32 = 2;
const SLOWER_BY: Duration = Duration::from_millis(50);
/// Answers that have been slow for so long, and fail no more than before, are how fast the app is.
const GROWS_USED: Duration = Duration::from_secs(30);
/// The first pause after it fell back, or as long as the ramp where that is less, and the longest.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// What `after` is hashed for, so that nothing else has the same result.
const PURPOSE: &[u8] = b"roadworks ramp 1";

/// Where a client stands among all: in thousandths, those before a share are let in. A matter of its address (its network,
/// in IPv6, where clients change the rest by themselves) and of the mode that ended by `after`, so that it is the same at every
/// gateway, and who is in stays in as long as the share does not fall.
pub(super) fn place(client: IpAddr, after: &OperationId) -> u16 {
    let mut hash = Sha256::new();
    hash.update(PURPOSE);
    hash.update(after.to_string());
    match client.to_canonical() {
        IpAddr::V4(ip) => hash.update(ip.octets()),
        IpAddr::V6(ip) => hash.update((ip.to_bits() >> 64).to_be_bytes()),
    }
    let number =
        hash.finalize().iter().take(7).fold(0, |all: u64, byte| all << 8 | u64::from(*byte));
    u16::try_from(number % u64::from(Share::ALL.in_thousandths())).unwrap_or(0)
}

/// What visitors of one place were answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) answers: u64,
    pub(super) errors: u64,
    /// Until the answers began, all of them together.
    pub(super) took: Duration,
}

impl Tally {
    fn add(&mut self, more: &Tally) {
        self.answers += more.answers;
        self.errors += more.errors;
        self.took += more.took;
    }
}

/// What happened since it was looked at last, by [`place`].
pub(super) type Fresh = Vec<(u16, Tally)>;

/// The course of one opening.
#[derive(Debug, Clone)]
pub(super) struct Ramp {
    config: OpenConfig,
    course: Course,
    /// For how long the share has risen, and until when that counts.
    risen: Duration,
    at: Instant,
    lately: VecDeque<(Instant, Fresh)>,
    /// How long answers took at first.
    first: Option<Duration>,
    pause: Duration,
}

/// What the share does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It rises with the time.
    Rises,
    /// It stays as it is, for this reason, since then.
    Stands(Stands, Instant),
    /// Nobody is let in until then: of the answers so many failed.
    FellBack { errors: Share, at: Instant, again: Instant },
    /// All are in.
    Done,
}

/// What answers were lately.
struct Seen {
    answers: u64,
    /// The share of errors, the same for each visitor however often they ask: nobody alone keeps others out.
    errors: Share,
    /// How long the visitor in the middle waits for answers.
    took: Duration,
}

impl Ramp {
    /// Begins, or goes on where one that began `gone` ago would be if nothing went wrong.
    pub(super) fn begin(config: OpenConfig, gone: Duration, now: Instant) -> Ramp {
        let pause = FIRST_PAUSE.min(config.ramp);
        let mut ramp = Ramp {
            config,
            course: Course::Rises,
            risen: gone,
            at: now,
            lately: VecDeque::new(),
            first: None,
            pause,
        };
        ramp.rise(Duration::ZERO);
        ramp
    }

    /// Another configuration: what has risen stays.
    pub(super) fn reload(&mut self, config: OpenConfig) {
        let part = self.risen.as_secs_f64() / self.config.ramp.as_secs_f64();
        self.risen = config.ramp.mul_f64(part.clamp(0.0, 1.0));
        self.pause = self.pause.max(FIRST_PAUSE.min(config.ramp));
        self.config = config;
    }

    /// Who is let in.
    pub(super) fn share(&self) -> Share {
        match self.course {
            Course::FellBack { .. } => Share::NONE,
            Course::Done => Share::ALL,
            Course::Rises | Course::Stands(..) => {
                let (first, all) = (f64::from(self.config.first), f64::from(Share::ALL));
                let part = self.risen.as_secs_f64() / self.config.ramp.as_secs_f64();
                Share::of(first + (all - first) * part)
            }
        }
    }

    /// What it does.
    pub(super) fn course(&self) -> Course {
        self.course
    }

    /// When it is to be looked at again.
    pub(super) fn due(&self) -> Instant {
        self.at + TICK
    }

    /// Goes on until `now`, with what the answers were since the last step.
    pub(super) fn step(&mut self, fresh: Fresh, now: Instant) {
        let went = now.saturating_duration_since(self.at);
        self.at = now;
        match self.course {
            Course::Done => return,
            // ## FellBack -> Rises, from the first share, when the pause is over. What was under way when it fell counts no more.
            Course::FellBack { again, .. } => {
                if again <= now {
                    (self.course, self.risen) = (Course::Rises, Duration::ZERO);
                    (self.lately, self.first) = (VecDeque::new(), None);
                }
                return;
            }
            Course::Rises | Course::Stands(..) => {}
        }
        if !fresh.is_empty() {
            self.lately.push_back((now, fresh));
        }
        let seen = self.seen(now);
        let enough = seen.answers >= ENOUGH;
        if enough && self.first.is_none() {
            self.first = Some(seen.took);
        }
        // ## -> FellBack
        if enough && seen.errors >= self.config.limit {
            let (errors, again) = (seen.errors, now + self.pause);
            self.course = Course::FellBack { errors, at: now, again };
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            return;
        }
        self.course = match (self.trouble(&seen), self.course) {
            // ## -> Stands, since when it did for whatever reason
            (Some(Stands::Errors), Course::Stands(_, since)) => {
                Course::Stands(Stands::Errors, since)
            }
            (Some(Stands::Slow), Course::Stands(Stands::Slow, since))
                if now.saturating_duration_since(since) >= GROWS_USED =>
            {
                self.first = Some(seen.took);
                Course::Rises
            }
            (Some(Stands::Slow), Course::Stands(Stands::Slow, since)) => {
                Course::Stands(Stands::Slow, since)
            }
            (Some(why), _) => Course::Stands(why, now),
            // ## -> Rises
            (None, _) => Course::Rises,
        };
        if self.course == Course::Rises {
            self.rise(went);
        }
    }

    /// Rises for so long; ## Rises -> Done at its end.
    fn rise(&mut self, went: Duration) {
        self.risen = self.risen.saturating_add(went).min(self.config.ramp);
        if self.risen == self.config.ramp {
            self.course = Course::Done;
        }
    }

    /// Why it must not rise, if it must not.
    fn trouble(&self, seen: &Seen) -> Option<Stands> {
        let fails = seen.answers >= FEW && seen.errors >= TROUBLE.min(self.config.limit);
        let slow = |first: Duration| seen.took > (first * SLOWER).max(first + SLOWER_BY);
        let is_slow = seen.answers >= ENOUGH && self.first.is_some_and(slow);
        fails.then_some(Stands::Errors).or(is_slow.then_some(Stands::Slow))
    }

    /// What was answered lately, and nothing of what is too old to tell.
    fn seen(&mut self, now: Instant) -> Seen {
        let mut places: BTreeMap<u16, Tally> = BTreeMap::new();
        let (mut answers, mut needed) = (0, 0);
        for (at, fresh) in self.lately.iter().rev() {
            let age = now.saturating_duration_since(*at);
            if age >= LONG_AGO || (age >= LATELY && answers >= ENOUGH) {
                break;
            }
            needed += 1;
            for (place, tally) in fresh {
                answers += tally.answers;
                places.entry(*place).or_default().add(tally);
            }
        }
        self.lately.drain(..self.lately.len() - needed);
        let of_each = || places.values().filter(|tally| tally.answers > 0);
        let visitors = u32::try_from(of_each().count()).unwrap_or(u32::MAX);
        let failing: f64 = of_each().map(|tally| part(tally.errors, tally.answers)).sum();
        let mean =
            |tally: &Tally| tally.took / u32::try_from(tally.answers).unwrap_or(u32::MAX).max(1);
        let mut waits: Vec<Duration> = of_each().map(mean).collect();
        waits.sort_unstable();
        Seen {
            answers,
            errors: Share::of(failing / f64::from(visitors.max(1))),
            took: waits.get(waits.len() / 2).copied().unwrap_or_default(),
        }
    }
}

/// So many of all.
fn part(some: u64, all: u64) -> f64 {
    let exact = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    exact(some) / exact(all).max(1.0)
}

#[cfg(test)]
mod trials;
