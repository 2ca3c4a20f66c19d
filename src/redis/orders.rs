//! What is ordered of a guard, by hand or by the site's mode. Pure: whoever asks brings the time.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::breaker::Order;
use crate::switch::Mode;

/// Everything that is ordered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Orders {
    /// By somebody, until a time.
    pub(super) by_hand: Option<ByHand>,
    /// By the switch: a mode that the guard's `when` has.
    pub(super) mode: Option<Mode>,
}

/// What somebody ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ByHand {
    pub(super) order: Order,
    pub(super) by: String,
    /// Its end, by two clocks: one that counts, and one for people.
    pub(super) until: (Instant, Timestamp),
}

impl ByHand {
    pub(super) fn lasting(
        (order, by): (Order, String),
        lasts: Duration,
        now: (Instant, Timestamp),
    ) -> ByHand {
        ByHand { order, by, until: (now.0 + lasts, now.1 + lasts) }
    }
}

impl Orders {
    /// What counts: a person before a mode.
    pub(super) fn counts(&self) -> Option<Order> {
        let by_hand = self.by_hand.as_ref().map(|one| one.order);
        by_hand.or(self.mode.map(|_| Order::Away))
    }

    /// When what somebody ordered is over.
    pub(super) fn until(&self) -> Option<Instant> {
        self.by_hand.as_ref().map(|one| one.until.0)
    }

    /// Forgets what is over at `now`.
    pub(super) fn expire(&mut self, now: Instant) {
        self.by_hand.take_if(|one| one.until.0 <= now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_person_counts_before_the_mode_and_ends() {
        let (now, at) = (clock::monotonic(), clock::now());
        let mut orders = Orders { by_hand: None, mode: Some(Mode::Closed) };
        assert_eq!(orders.counts(), Some(Order::Away));
        let hand = (Order::Hold, "ann".to_owned());
        orders.by_hand = Some(ByHand::lasting(hand, Duration::from_mins(1), (now, at)));
        assert_eq!(orders.counts(), Some(Order::Hold));
        let end = orders.until().unwrap();
        orders.expire(end - Duration::from_millis(1));
        assert_eq!(orders.counts(), Some(Order::Hold));
        orders.expire(end);
        assert_eq!((orders.counts(), orders.until()), (Some(Order::Away), None));
        orders.mode = None;
        assert_eq!(orders.counts(), None);
    }
}
