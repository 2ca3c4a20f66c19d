//! The right to move a site: who has it is waited for, or named.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;

use super::Order;
use crate::agent::{Error, Sight, Site};
use crate::clock;
use crate::lever::Progress;
use crate::store::{self, Awaited, Holder, Store};

/// So long somebody is waited for who moves the site now, in case that is about to end, and how often that is looked at.
const ABOUT_TO_END: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(20);

/// The right to move the site. An agent that opens at an end is about to be done: it is waited for, and nobody else who lives.
/// Whoever is silent is waited for until they count as dead, and `progress` hears of that.
pub(super) async fn leased<S: Store>(
    site: &Site<S>,
    order: &Order,
    sight: &Sight,
    progress: &dyn Progress,
) -> Result<S::Lease, Error> {
    let until = clock::monotonic() + ABOUT_TO_END;
    let holder = Holder::command(&order.by);
    let mut awaited = holder.awaited();
    loop {
        let lease = tokio::select! {
            biased;
            lease = site.store.lease(&holder) => lease,
            never = told(&mut awaited, progress) => match never {},
        };
        match lease {
            Err(store::Error::Leased { .. }) if ends(sight) && clock::monotonic() < until => {
                tokio::time::sleep(AGAIN).await;
            }
            done => return Ok(done?),
        }
    }
}

/// Passes on whom the right is waited for.
async fn told(
    awaited: &mut watch::Receiver<Option<Awaited>>,
    progress: &dyn Progress,
) -> Infallible {
    while awaited.changed().await.is_ok() {
        let now = awaited.borrow_and_update().clone();
        if let Some(Awaited { holder, left }) = now {
            progress.held_up(&holder, left);
        }
    }
    pending().await
}

/// Whether an agent opens the site, at an end, or has just done so.
pub(super) fn ends(sight: &Sight) -> bool {
    sight.switch.as_ref().is_some_and(|(switch, _)| switch.is_opened_at_end(clock::now()))
}
