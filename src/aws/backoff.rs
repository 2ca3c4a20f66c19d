//! How long to wait before asking AWS again: doubling, with jitter, and not for ever.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(400);
const LONGEST: Duration = Duration::from_secs(8);

/// The waits between the attempts at one thing.
#[derive(Debug)]
pub struct Backoff {
    wait: Duration,
    left: u32,
}

impl Backoff {
    /// Gives up after `attempts` waits.
    pub fn new(attempts: u32) -> Backoff {
        Backoff { wait: FIRST, left: attempts }
    }

    /// The next wait, between half and all of a doubling time, or `None` when it is time to give up.
    pub fn next_wait(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let wait = self.wait;
        self.wait = (wait * 2).min(LONGEST);
        Some(wait.mul_f64(fastrand::f64().mul_add(0.5, 0.5)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_end() {
        let mut backoff = Backoff::new(8);
        let waits: Vec<_> = std::iter::from_fn(|| backoff.next_wait()).collect();
        assert_eq!(waits.len(), 8);
        for (index, wait) in waits.iter().enumerate() {
            let whole = (FIRST * 2u32.pow(u32::try_from(index).unwrap())).min(LONGEST);
            assert!(whole / 2 <= *wait && *wait <= whole, "{wait:?} of {whole:?}");
        }
    }
}
