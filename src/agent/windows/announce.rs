//! A window to come is announced, and those who were told are told again when it starts soon: one entry of the log for each of its
//! starts, with one id, where somebody is to be told.
//!
//! The window's document says first that it is, and when; whoever leads next finishes what was cut short with the same id.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Planned, by_window, key, zone_of};
use crate::audit::{self, Entry, Event};
use crate::clock;
use crate::store::{self, Expect, Listeners, SiteStore, Store};
use crate::switch::window::{Announced, Occurrence};
use crate::switch::{Mode, OperationId, Window};

/// How long one is not tried again that could not be announced.
const AGAIN: Duration = Duration::from_secs(30);

/// Those that this process has told of, or has tried to: of which, of which start, and which of the times.
pub(super) type Said = BTreeMap<(String, Timestamp, Telling), Tried>;

/// Which of the times that somebody is told of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Telling {
    /// It comes.
    Announced,
    /// It comes soon.
    Reminded,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// It is in the log.
    Told,
    /// It could not be written; it is tried again then.
    Failed(Instant),
}

/// Announces each of `known` whose start is near; whether a document of theirs was written.
pub(super) async fn announce<S: Store>(
    site: &str,
    store: &SiteStore<S>,
    known: &[Planned],
    said: &mut Said,
) -> bool {
    if store.listeners() == Listeners::None {
        return false;
    }
    let (now, mut wrote) = (clock::now(), false);
    said.retain(|(_, start, _), _| *start > now);
    for (window, version) in known {
        let near = zone_of(window).and_then(|zone| window.near(&zone, now));
        let Some(found) = near else { continue };
        let soon = window.reminds(&found, now);
        let telling = if soon { Telling::Reminded } else { Telling::Announced };
        let which = (window.id.clone(), found.start, telling);
        let tried = said.get(&which).copied();
        match tried {
            Some(Tried::Told) => continue,
            Some(Tried::Failed(until)) if clock::monotonic() < until => continue,
            Some(Tried::Failed(_)) | None => {}
        }
        wrote |= telling.mark(window, &found).is_none();
        match told(site, store, (window, version, &found), telling).await {
            Ok(()) => drop(said.insert(which, Tried::Told)),
            // It is read anew, and tried again: at once where somebody else has written it.
            Err(store::Error::Moved { .. }) if tried.is_none() => {
                wrote = true;
                said.insert(which, Tried::Failed(clock::monotonic()));
            }
            Err(error) => {
                wrote = true;
                if tried.is_none() {
                    tracing::warn!(site, window = window.id, %error, "a window cannot be announced yet");
                }
                said.insert(which, Tried::Failed(clock::monotonic() + AGAIN));
            }
        }
    }
    wrote
}

async fn told<S: Store>(
    site: &str,
    store: &SiteStore<S>,
    (window, version, found): (&Window, &store::Version, &Occurrence),
    telling: Telling,
) -> Result<(), store::Error> {
    let known = telling.mark(window, found);
    let mark = known.unwrap_or_else(|| Announced { start: found.start, at: clock::now() });
    if known.is_none() {
        let window = telling.marked(window, mark);
        store.write(&key(&window.id), &window, Expect::At(version.clone())).await?;
    }
    let entry = Entry {
        at: mark.at,
        // Of no operation yet: its own id, the same for whoever writes it.
        operation: OperationId::at(found.start, number(&window.id)),
        site: site.to_owned(),
        event: telling.event(),
        from: Mode::Open,
        to: window.mode,
        by: by_window(window),
        reason: window.reason.clone(),
        detail: Some(format!("from {} to {}", found.start, found.end)),
        window: Some(*found),
    };
    audit::append_once(store, &entry, (0, 0)).await
}

impl Telling {
    /// That somebody was told of `found`, if it is written.
    fn mark(self, window: &Window, found: &Occurrence) -> Option<Announced> {
        let mark = match self {
            Telling::Announced => window.announced,
            Telling::Reminded => window.reminded,
        };
        mark.filter(|mark| mark.start == found.start)
    }

    fn marked(self, window: &Window, mark: Announced) -> Window {
        match self {
            Telling::Announced => Window { announced: Some(mark), ..window.clone() },
            Telling::Reminded => Window { reminded: Some(mark), ..window.clone() },
        }
    }

    fn event(self) -> Event {
        match self {
            Telling::Announced => Event::Announced,
            Telling::Reminded => Event::Reminded,
        }
    }
}

/// A number for an id (FNV-1a).
fn number(id: &str) -> u32 {
    id.bytes().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
