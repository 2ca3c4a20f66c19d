//! What is counted: for each site what became of its requests, for the whole gateway which limits were reached. Each core
//! counts in cache lines of its own; whoever scrapes adds up.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::snapshot::Why;
use crate::metrics::{Histogram, Sum};

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Forwarded at once.
    Passed,
    /// Waited, then forwarded.
    Released,
    /// Refused, and why.
    Refused(Why),
    /// Answered by the gateway itself: its status, a copy of `robots.txt`, a tester's link.
    Answered,
    /// The client hung up before there was an answer.
    Gone,
}

impl Fate {
    const ALL: [Fate; 11] = [
        Fate::Passed,
        Fate::Released,
        Fate::Refused(Why::Mode),
        Fate::Refused(Why::NotYet),
        Fate::Refused(Why::Unknown),
        Fate::Refused(Why::Spent),
        Fate::Refused(Why::TimedOut),
        Fate::Refused(Why::Crowded),
        Fate::Refused(Why::Closing),
        Fate::Answered,
        Fate::Gone,
    ];

    /// As a metric's label, and in the access log.
    pub(super) fn word(self) -> &'static str {
        match self {
            Fate::Passed => "passed",
            Fate::Released => "released",
            Fate::Refused(Why::Mode) => "refused",
            Fate::Refused(Why::NotYet) => "refused_not_yet",
            Fate::Refused(Why::Unknown) => "refused_unknown_mode",
            Fate::Refused(Why::Spent) => "refused_hold_spent",
            Fate::Refused(Why::TimedOut) => "refused_timed_out",
            Fate::Refused(Why::Crowded) => "refused_crowded",
            Fate::Refused(Why::Closing) => "refused_shutting_down",
            Fate::Answered => "answered",
            Fate::Gone => "gone",
        }
    }

    fn place(self) -> usize {
        Fate::ALL.iter().position(|fate| *fate == self).unwrap_or(0)
    }
}

/// What one core counts of one site.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Tally {
    fates: [AtomicU64; Fate::ALL.len()],
    /// From the first byte of a request to the last byte of its answer.
    duration: Histogram<14>,
    /// In the waiting room.
    waited: Histogram<10>,
}

impl Tally {
    fn new() -> Tally {
        // OpenTelemetry's advice for `http.server.request.duration`.
        let duration =
            [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
        let waited = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0];
        Tally {
            fates: [const { AtomicU64::new(0) }; Fate::ALL.len()],
            duration: Histogram::new(duration),
            waited: Histogram::new(waited),
        }
    }

    pub(super) fn count(&self, fate: Fate) {
        if let Some(count) = self.fates.get(fate.place()) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn took(&self, duration: Duration) {
        self.duration.took(duration);
    }

    pub(super) fn waited(&self, duration: Duration) {
        self.waited.took(duration);
    }
}

/// What is counted of one site.
#[derive(Debug)]
pub(super) struct Tallies(Box<[Tally]>);

impl Tallies {
    pub(super) fn new(cores: usize) -> Tallies {
        Tallies((0..cores.max(1)).map(|_| Tally::new()).collect())
    }

    /// Of one core.
    pub(super) fn on(&self, core: usize) -> &Tally {
        self.0.get(core % self.0.len()).expect("there is one for each core, and at least one")
    }

    /// How many requests had which fate, by its word.
    pub(super) fn fates(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Fate::ALL.iter().map(|fate| {
            let counts = self.0.iter().filter_map(|tally| tally.fates.get(fate.place()));
            (fate.word(), counts.map(|count| count.load(Relaxed)).sum())
        })
    }

    pub(super) fn durations(&self) -> Sum {
        let mut sum = Sum::default();
        self.0.iter().for_each(|tally| tally.duration.add_to(&mut sum));
        sum
    }

    pub(super) fn waits(&self) -> Sum {
        let mut sum = Sum::default();
        self.0.iter().for_each(|tally| tally.waited.add_to(&mut sum));
        sum
    }
}

/// Counted since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) limits: Reached,
    /// Requests that no site's Host was named in.
    pub(super) misdirected: AtomicU64,
    /// Lines of the access log that nobody took in time.
    pub(super) unlogged: AtomicU64,
}

/// How often each limit was reached.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// The system had no more files.
    pub(super) files: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) header_timeout: AtomicU64,
    /// Too large or too many headers, or a target that is too long.
    pub(super) head: AtomicU64,
    pub(super) idle: AtomicU64,
    pub(super) body_rate: AtomicU64,
    /// Connections of HTTP/2 that had as many streams as they may.
    pub(super) streams: AtomicU64,
    /// What is no HTTP.
    pub(super) malformed: AtomicU64,
    /// TLS handshakes that failed.
    pub(super) handshakes: AtomicU64,
}

impl Reached {
    /// How often each was, by a word for it.
    pub(super) fn all(&self) -> [(&'static str, u64); 9] {
        [
            ("files", &self.files),
            ("connections", &self.connections),
            ("header_timeout", &self.header_timeout),
            ("header_size", &self.head),
            ("idle_timeout", &self.idle),
            ("body_rate", &self.body_rate),
            ("streams", &self.streams),
            ("malformed", &self.malformed),
            ("tls_handshake", &self.handshakes),
        ]
        .map(|(word, count)| (word, count.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fate_has_a_place_and_a_word_of_its_own_and_cores_add_up() {
        let tallies = Tallies::new(2);
        for (index, fate) in Fate::ALL.into_iter().enumerate() {
            assert_eq!(fate.place(), index);
            tallies.on(index).count(fate);
            tallies.on(index + 1).count(fate);
        }
        let mut words: Vec<_> = tallies.fates().collect();
        assert!(words.iter().all(|(_, count)| *count == 2), "{words:?}");
        words.dedup_by_key(|(word, _)| *word);
        assert_eq!(words.len(), Fate::ALL.len());
        tallies.on(0).waited(Duration::from_millis(400));
        tallies.on(1).waited(Duration::from_secs(99));
        let waits = tallies.waits();
        assert_eq!((waits.count(), waits.buckets[1], waits.buckets[10].1), (2, (0.5, 1), 1));
        assert!((waits.seconds - 99.4).abs() < 1e-6);
    }
}
