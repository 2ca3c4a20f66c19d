//! How fast we may ask: Route 53 takes five requests a second from the whole account, console and Terraform included,
//! so everything of ours together takes three at most.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock;

const A_SECOND: Duration = Duration::from_secs(1);
const REQUESTS_A_SECOND: usize = 3;

/// When the last requests went out.
#[derive(Debug, Default)]
pub(super) struct Pace {
    recent: Mutex<VecDeque<Instant>>,
}

impl Pace {
    /// Waits until one more request keeps within the limit. Cancel safe.
    pub(super) async fn turn(&self) {
        loop {
            let wait = {
                let now = clock::monotonic();
                let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
                while recent.front().is_some_and(|first| now.duration_since(*first) >= A_SECOND) {
                    recent.pop_front();
                }
                if recent.len() < REQUESTS_A_SECOND {
                    recent.push_back(now);
                    return;
                }
                recent
                    .front()
                    .map_or(A_SECOND, |first| A_SECOND.saturating_sub(now.duration_since(*first)))
            };
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_fourth_request_within_a_second_waits_for_its_turn() {
        let pace = Pace::default();
        let began = clock::monotonic();
        for _ in 0..3 {
            pace.turn().await;
        }
        assert!(clock::monotonic().duration_since(began) < A_SECOND);
        pace.turn().await;
        assert!(clock::monotonic().duration_since(began) >= A_SECOND);
    }
}
