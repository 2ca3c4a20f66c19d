//! How fast we may ask: Route 53 takes five requests a second from the whole account, console and Terraform included,
//! so everything of ours together takes three at most. Elastic Load Balancing has a bucket for each account and region,
//! whose size AWS does not tell: ten a second leave room for others.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock;

const A_SECOND: Duration = Duration::from_secs(1);
const OF_ROUTE53: usize = 3;
const OF_BALANCING: usize = 10;

/// When the last requests went out.
#[derive(Debug)]
pub(super) struct Pace {
    a_second: usize,
    recent: Mutex<VecDeque<Instant>>,
}

impl Pace {
    pub(super) fn of_route53() -> Pace {
        Pace { a_second: OF_ROUTE53, recent: Mutex::default() }
    }

    pub(super) fn of_balancing() -> Pace {
        Pace { a_second: OF_BALANCING, recent: Mutex::default() }
    }

    /// Waits until one more request keeps within the limit. Cancel safe.
    pub(super) async fn turn(&self) {
        loop {
            let wait = {
                let now = clock::monotonic();
                let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
                while recent.front().is_some_and(|first| now.duration_since(*first) >= A_SECOND) {
                    recent.pop_front();
                }
                if recent.len() < self.a_second {
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
        let pace = Pace::of_route53();
        let began = clock::monotonic();
        for _ in 0..3 {
            pace.turn().await;
        }
        assert!(clock::monotonic().duration_since(began) < A_SECOND);
        pace.turn().await;
        assert!(clock::monotonic().duration_since(began) >= A_SECOND);
    }
}
