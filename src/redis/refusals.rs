//! Refusals come the later the more there are: a worker that asks again at once makes no loop of it.

use std::time::Duration;

use tokio::time::Instant;

/// Those of one connection.
#[derive(Debug)]
pub(super) struct Refusals {
    since: Instant,
    count: u32,
}

impl Refusals {
    /// None yet.
    pub(super) fn since(now: Instant) -> Refusals {
        Refusals { since: now, count: 0 }
    }

    /// How long the next one waits.
    pub(super) fn next(&mut self, now: Instant) -> Duration {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            // Whoever was slowed down begins where it was, until it is quiet for as long as it was made to wait.
            let was = pause(self.count);
            let quiet = now.duration_since(self.since) >= Duration::from_secs(1) + was * 2;
            *self = Refusals { since: now, count: if quiet { 0 } else { self.count.min(28) } };
        }
        self.count = self.count.saturating_add(1);
        pause(self.count)
    }
}

/// How long the refusal after so many in one second waits: whoever asks again at once is slowed down.
fn pause(refusals: u32) -> Duration {
    const FREE: u32 = 20;
    let Some(over) = refusals.checked_sub(FREE + 1) else { return Duration::ZERO };
    Duration::from_millis(10).saturating_mul(1 << over.min(7)).min(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_free_at_first_and_then_up_to_a_second_apart() {
        assert_eq!(pause(20), Duration::ZERO);
        assert_eq!(pause(21), Duration::from_millis(10));
        assert_eq!(pause(22), Duration::from_millis(20));
        assert_eq!((pause(40), pause(u32::MAX)), (Duration::from_secs(1), Duration::from_secs(1)));
    }
}
