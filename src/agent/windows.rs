//! The windows of a site: planned operations, kept in the store, and begun by the agent that leads.
//!
//! A start is seen to once. It never lets more through than somebody asked for, and it never ends what somebody else began.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::Instant;

use super::ends::TIMEOUT;
use super::keeper::Opener;
use super::lead::{Depth, Order, carry_out};
use super::{Error, look};
use crate::audit::{self, Entry, Event};
use crate::clock;
use crate::lever::Silent;
use crate::store::{self, Expect, Holder, SiteStore, Store, Version};
use crate::switch::window::Occurrence;
use crate::switch::{End, Mode, OperationId, Switch, Window};

/// The folder of the windows.
const FOLDER: &str = "windows/";
/// More than anybody plans.
pub const MOST: usize = 200;
/// The newest format that is read.
const FORMAT: u32 = 1;
/// So many times as seldom as it says that it lives, whoever leads looks whether somebody planned another one: a list costs money
/// in a bucket.
const SELDOM: u32 = 3;
/// How often it is looked whether one has come.
const LOOK: Duration = Duration::from_secs(1);
/// How long one that could not begin is left alone.
const AGAIN: Duration = Duration::from_secs(30);

/// A window and the version of its document.
pub type Planned = (Window, Version);

/// All windows of a site, by their ids. Cancel safe.
pub async fn windows<S: Store>(store: &SiteStore<S>) -> Result<Vec<Planned>, store::Error> {
    let mut all = Vec::new();
    for key in store.keys(FOLDER).await?.into_iter().take(MOST) {
        // One that was cancelled between the list and this is none.
        if let Some((window, version)) = store.document::<Window>(&key).await?
            && window.format <= FORMAT
        {
            all.push((window, version));
        }
    }
    Ok(all)
}

/// Plans a new window.
pub async fn plan_window<S: Store>(
    store: &SiteStore<S>,
    window: &Window,
) -> Result<(), store::Error> {
    store.write(&key(&window.id), window, Expect::Absent).await.map(drop)
}

/// Takes a window away. What it began goes on.
pub async fn cancel_window<S: Store>(store: &SiteStore<S>, id: &str) -> Result<(), store::Error> {
    store.remove(&key(id)).await
}

fn key(id: &str) -> String {
    format!("{FOLDER}{id}.json")
}

/// The zone of a window, if this machine knows it.
pub fn zone_of(window: &Window) -> Option<TimeZone> {
    TimeZone::get(&window.zone).ok()
}

/// Who asked for what a window began.
pub fn by_window(window: &Window) -> String {
    format!("{} (window {})", window.by, window.id)
}

/// Whether an operation that stands is left alone by `window`, which would let more through or end it sooner.
pub fn is_left_alone(switch: &Switch, window: &Window, found: &Occurrence) -> bool {
    let longer = switch.until.is_none_or(|until| until >= found.end);
    switch.mode > window.mode || (switch.mode == window.mode && longer)
}

/// Begins each window of a site whose time has come, until it is dropped. Crash safe: whoever leads next goes on.
pub(super) async fn begin<S: Store, O: Opener<S>>(
    site: &str,
    store: &SiteStore<S>,
    (opener, holder): (&O, &Holder),
) -> Infallible {
    let mut known: Vec<Planned> = Vec::new();
    let (mut read, mut not_before): (Option<Instant>, Option<Instant>) = (None, None);
    loop {
        let now = clock::monotonic();
        let pause = Duration::from_secs(u64::from(SELDOM * store.pace()));
        if read.is_none_or(|read| now.duration_since(read) >= pause) {
            match windows(store).await {
                Ok(found) => (known, read) = (found, Some(now)),
                Err(error) => tracing::debug!(site, %error, "the windows cannot be read"),
            }
        }
        if not_before.is_none_or(|at| now >= at)
            && let Some((window, version, found)) = due(store, &known).await
        {
            read = None;
            let planned = (&window, &version);
            if let Err(error) = begin_one(site, store, (opener, holder), planned, &found).await {
                tracing::error!(site, window = window.id, %error, hint = error.hint(), "a window could not begin");
                not_before = Some(now + AGAIN);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The first window whose time has come.
async fn due<S: Store>(
    store: &SiteStore<S>,
    known: &[Planned],
) -> Option<(Window, Version, Occurrence)> {
    let now = clock::now();
    let come = |moved: Option<Timestamp>| {
        known.iter().find_map(|(window, version)| {
            let found = window.due(&zone_of(window)?, now, moved)?;
            Some((window.clone(), version.clone(), found))
        })
    };
    // The switch is read only where one may have come.
    come(None)?;
    let switch = store.switch().await.ok()?;
    come(switch.map(|(switch, _)| switch.since))
}

async fn begin_one<S: Store, O: Opener<S>>(
    name: &str,
    store: &SiteStore<S>,
    (opener, holder): (&O, &Holder),
    (window, version): (&Window, &Version),
    found: &Occurrence,
) -> Result<(), Error> {
    // Written first, by compare-and-swap: of two agents one goes on, and one that was cancelled is not there.
    let begun = window.beginning(found);
    if begun.begun != window.begun {
        store.write(&key(&window.id), &begun, Expect::At(version.clone())).await?;
    }
    let site = opener.open().await.map_err(|why| Error::Unopened { why })?;
    let sight = look(&site).await?;
    let switch = sight.switch.as_ref().map(|(switch, _)| switch);
    if let Some(switch) = switch.filter(|switch| is_left_alone(switch, window, found)) {
        let why = format!("{} has asked for {}", switch.by, switch.mode);
        tracing::warn!(site = name, window = window.id, why, "a window has come and is left alone");
        let words = format!("window {}: {why}", window.id);
        return Ok(told(store, name, Some(switch), (window, &words)).await?);
    }
    tracing::info!(site = name, window = window.id, mode = window.mode.word(), until = %found.end, by = holder.name, "a window begins");
    let order = Order {
        to: window.mode,
        by: by_window(window),
        reason: window.reason.clone(),
        overrides: Vec::new(),
        timeout: TIMEOUT,
        end: Some(End { until: found.end, then: window.on_end }),
        depth: Depth::Moved,
        run: None,
    };
    carry_out(&site, sight, &order, &Silent).await.map(drop)
}

/// Tells the log that a window has come and changed nothing.
async fn told<S: Store>(
    store: &SiteStore<S>,
    site: &str,
    switch: Option<&Switch>,
    (window, words): (&Window, &str),
) -> Result<(), store::Error> {
    let now = clock::now();
    let mode = switch.map_or(Mode::Open, |switch| switch.mode);
    let none = || OperationId::at(now, fastrand::u32(..));
    let entry = Entry {
        at: now,
        operation: switch.map_or_else(none, |switch| switch.operation.clone()),
        site: site.to_owned(),
        event: Event::LeftAlone,
        from: mode,
        to: window.mode,
        by: by_window(window),
        reason: window.reason.clone(),
        detail: Some(words.to_owned()),
    };
    audit::append(store, &entry, (switch.map_or(0, |switch| switch.version), 0)).await
}
