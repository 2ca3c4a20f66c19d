//! Telling, as long as a process lives that leads the site: at once where it can be heard of, and again where it failed.

use std::convert::Infallible;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{Notices, Round};
use crate::agent::keeper::Opener;
use crate::audit::NOTICES;
use crate::clock;
use crate::config::{NotifyConfig, NotifyWay, Occasion};
use crate::notify::{self, Event};
use crate::store::{Clocks, Error, Listeners, Notice as _, SiteStore, Store};
use crate::switch::Mode;

/// How often is looked where nobody tells of a document: listing a bucket costs money.
const EVERY: Duration = Duration::from_secs(5);
/// How often is looked whether a silence has to last longer.
const RENEWS: Duration = Duration::from_mins(10);

/// Tells of what happens to `site` until it is dropped.
pub(in crate::agent) async fn keep<S: Store, O: Opener<S>>(
    store: &SiteStore<S>,
    site: &str,
    opener: &O,
) -> Infallible {
    let notices = Notices::new(store);
    let mut notice = store.watch(NOTICES).await;
    let mut renewed = clock::monotonic();
    loop {
        let whom = opener.told();
        // A configuration that was reloaded counts for what is written from now on.
        store.set_listeners(if whom.is_empty() { Listeners::None } else { Listeners::Some });
        let next = match Box::pin(notices.round(&whom)).await {
            Ok(round) => {
                say(site, &round);
                round.next
            }
            Err(error) => {
                tracing::debug!(site, %error, "notices cannot be read");
                None
            }
        };
        if clock::monotonic().duration_since(renewed) >= RENEWS {
            renewed = clock::monotonic();
            Box::pin(renew(store, site, &whom)).await;
        }
        let due = next.map_or_else(|| clock::monotonic() + RENEWS, due);
        tokio::select! {
            () = heard(store, &mut notice) => {}
            () = tokio::time::sleep_until(due) => {}
        }
    }
}

async fn heard<S: Store>(store: &SiteStore<S>, notice: &mut S::Notice) {
    match store.clocks() {
        Clocks::One => notice.changed().await,
        Clocks::Many => tokio::time::sleep(EVERY).await,
    }
}

fn due(at: Timestamp) -> Instant {
    let left = at.duration_since(clock::now()).max(SignedDuration::ZERO);
    clock::monotonic() + left.unsigned_abs()
}

fn say(site: &str, round: &Round) {
    for one in &round.failed {
        let (event, why, hint) = (one.event.word(), &one.why, &one.hint);
        if one.given_up {
            tracing::error!(
                site,
                name = one.name,
                event,
                tries = one.tries,
                why,
                hint,
                "not told, and given up"
            );
        } else if one.tries == 1 {
            tracing::error!(site, name = one.name, event, why, hint, "not told yet");
        } else {
            tracing::debug!(site, name = one.name, event, tries = one.tries, why, "not told yet");
        }
    }
}

/// Alerts stay silent while a site without an end is not open.
async fn renew<S: Store>(store: &SiteStore<S>, site: &str, whom: &[NotifyConfig]) {
    let silences = whom.iter().filter_map(|one| match &one.way {
        NotifyWay::Alertmanager { to, matchers } => Some((one, to, matchers)),
        NotifyWay::Webhook { .. }
        | NotifyWay::Slack { .. }
        | NotifyWay::Exec { .. }
        | NotifyWay::Lacking { .. } => None,
    });
    let silences: Vec<_> = silences.collect();
    if silences.is_empty() {
        return;
    }
    let switch = match store.switch().await {
        Ok(Some((switch, _))) if switch.mode != Mode::Open && switch.until.is_none() => switch,
        Ok(_) | Err(Error::Unavailable { .. }) => return,
        Err(error) => return tracing::debug!(site, %error, "the switch cannot be read"),
    };
    let event = Event {
        id: switch.operation.to_string(),
        occasion: Occasion::ModeChanged,
        at: switch.since,
        site: site.to_owned(),
        operation: switch.operation.to_string(),
        from: switch.mode,
        mode: switch.mode,
        by: switch.by,
        reason: switch.reason,
        starts: None,
        until: None,
        detail: None,
    };
    for (one, to, matchers) in silences {
        if let Err(error) = notify::renewed(to, matchers, &event, clock::now()).await {
            tracing::error!(site, name = one.name, %error, hint = error.hint(), "the silence does not last longer");
        }
    }
}
