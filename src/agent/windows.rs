//! The windows of a site: planned operations, kept in the store, and begun by the agent that leads.
//!
//! A start begins once. It never lets more through than somebody asked for, and never opens what somebody else wants otherwise.

mod announce;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::Instant;

use announce::{Said, announce};

use super::ends::TIMEOUT;
use super::keeper::Opener;
use super::lead::{Depth, Order, carry_out};
use super::{Error, look};
use crate::audit::{self, Entry, Event};
use crate::clock;
use crate::lever::Silent;
use crate::store::{self, Expect, Holder, SiteStore, Store, Version};
use crate::switch::window::{Begins, Occurrence, Outcome};
use crate::switch::{End, Mode, OnEnd, Switch, Window};

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
/// How long one is not looked after again that could not begin, or has; and where somebody else was at it.
const AGAIN: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(2);
/// How long the gateways of a process that has just started may need to tell of themselves.
const STARTS: Duration = Duration::from_secs(10);

/// A window and the version of its document.
pub type Planned = (Window, Version);

/// All windows of a site, by their ids, and those that cannot be read: one that is torn must not hide the others. Cancel safe.
pub async fn windows<S: Store>(
    store: &SiteStore<S>,
) -> Result<(Vec<Planned>, Vec<store::Error>), store::Error> {
    let (mut all, mut torn) = (Vec::new(), Vec::new());
    for key in store.keys(FOLDER).await?.into_iter().take(MOST) {
        match store.document::<Window>(&key).await {
            Ok(Some((window, version))) if window.format <= FORMAT => all.push((window, version)),
            Ok(Some((window, _))) => torn.push(store::Error::Unreadable {
                why: format!("its format is {}", window.format),
                place: store.describe(),
                key,
            }),
            // Cancelled between the list and this.
            Ok(None) => {}
            Err(error @ store::Error::Unreadable { .. }) => torn.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok((all, torn))
}

/// Plans a new window.
pub async fn plan_window<S: Store>(
    store: &SiteStore<S>,
    window: &Window,
) -> Result<(), store::Error> {
    store.write(&key(&window.id), window, Expect::Absent).await.map(drop)
}

/// Takes a window away for whoever is `by`, also one that cannot be read, and says so in the log; whether there was one. What it
/// began goes on.
pub async fn cancel_window<S: Store>(
    store: &SiteStore<S>,
    site: &str,
    (id, by): (&str, &str),
) -> Result<bool, store::Error> {
    if !store.keys(FOLDER).await?.contains(&key(id)) {
        return Ok(false);
    }
    // Told first: run again after an error it is still there to be cancelled.
    audit::append(store, &cancelled(store, site, (id, by)).await?, (0, fastrand::u32(..))).await?;
    forget_window(store, id).await?;
    Ok(true)
}

/// Takes a window away of which nobody need hear: its time is over.
pub async fn forget_window<S: Store>(store: &SiteStore<S>, id: &str) -> Result<(), store::Error> {
    store.remove(&key(id)).await
}

/// What the log says of a window that is taken away: its time to come only where somebody was told of it.
async fn cancelled<S: Store>(
    store: &SiteStore<S>,
    site: &str,
    (id, by): (&str, &str),
) -> Result<Entry, store::Error> {
    let window = match store.document::<Window>(&key(id)).await {
        Ok(found) => found.map(|(window, _)| window),
        Err(store::Error::Unreadable { .. }) => None,
        Err(error) => return Err(error),
    };
    let mut entry = Entry::beside(None, site, Event::Cancelled, by);
    let now = entry.at;
    if let Some(window) = window {
        entry.to = window.mode;
        entry.window = zone_of(&window).and_then(|zone| window.told(&zone, now));
        entry.reason = window.reason;
    }
    entry.detail = Some(format!("window {id}"));
    Ok(entry)
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

/// Whether an operation that stands is left alone by `window`, which would let more through, end it sooner, or end what is to
/// stay.
pub fn is_left_alone(switch: &Switch, window: &Window, found: &Occurrence, now: Timestamp) -> bool {
    let longer = switch.until.is_none_or(|until| until >= found.end);
    let stays = switch.on_end == Some(OnEnd::Stay) || switch.is_overdue(now);
    switch.mode > window.mode
        || (switch.mode == window.mode && longer)
        || (switch.mode != Mode::Open && stays)
}

/// What happens at the end of `window`: where a gentler operation stands that outlives it, nobody knows what is to be so then, and
/// the site stays.
fn at_its_end(switch: Option<&Switch>, window: &Window, found: &Occurrence) -> Option<OnEnd> {
    let outlives = switch.is_some_and(|switch| {
        switch.mode != Mode::Open && switch.until.is_none_or(|until| until > found.end)
    });
    if outlives { Some(OnEnd::Stay) } else { window.on_end }
}

/// Begins each window of a site whose time has come, until it is dropped. Crash safe: whoever leads next goes on.
pub(super) async fn begin<S: Store, O: Opener<S>>(
    site: &str,
    store: &SiteStore<S>,
    (opener, holder): (&O, &Holder),
) -> Infallible {
    let mut known: Vec<Planned> = Vec::new();
    let mut read: Option<Instant> = None;
    let (mut waits, mut said) = (BTreeMap::<String, Instant>::new(), BTreeSet::new());
    let mut announced = Said::new();
    let leads_since = clock::monotonic();
    loop {
        let now = clock::monotonic();
        let pause = Duration::from_secs(u64::from(SELDOM * store.pace()));
        if read.is_none_or(|read| now.duration_since(read) >= pause) {
            match windows(store).await {
                Ok((found, torn)) => {
                    for error in torn.iter().filter(|error| said.insert(error.to_string())) {
                        tracing::error!(site, %error, "a window cannot be read, and will not begin");
                    }
                    (known, read) = (found, Some(now));
                }
                Err(error) => tracing::debug!(site, %error, "the windows cannot be read"),
            }
        }
        if Box::pin(announce(site, store, &known, &mut announced)).await {
            // Their documents are others now.
            read = None;
        }
        waits.retain(|_, until| *until > now);
        if let Some((window, version, found)) = due(&known, &waits) {
            read = None;
            let id = window.id.clone();
            let mut turn = Turn { site, store, window, version, found, leads_since };
            let again = turn.take(opener, holder).await;
            waits.insert(id, now + again);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The first window whose time has come, and that does not wait.
fn due(
    known: &[Planned],
    waits: &BTreeMap<String, Instant>,
) -> Option<(Window, Version, Occurrence)> {
    let now = clock::now();
    let mut ready = known.iter().filter(|(window, _)| !waits.contains_key(&window.id));
    ready.find_map(|(window, version)| {
        let found = window.due(&zone_of(window)?, now)?;
        Some((window.clone(), version.clone(), found))
    })
}

/// A window whose time has come.
struct Turn<'a, S> {
    site: &'a str,
    store: &'a SiteStore<S>,
    window: Window,
    version: Version,
    found: Occurrence,
    leads_since: Instant,
}

impl<S: Store> Turn<'_, S> {
    /// Begins it, and says after how long it is to be looked after again.
    async fn take<O: Opener<S>>(&mut self, opener: &O, holder: &Holder) -> Duration {
        match Box::pin(self.begun(opener, holder)).await {
            Ok(again) => again,
            // Somebody is at it, or just was.
            Err(
                Error::Store(store::Error::Leased { .. } | store::Error::Moved { .. })
                | Error::StalePlan { .. }
                | Error::Superseded { .. },
            ) => SOON,
            // Its gateways start with their agent, and have not told of themselves yet.
            Err(Error::Rule { rule: "no-gateway", .. })
                if clock::monotonic().duration_since(self.leads_since) < STARTS =>
            {
                SOON
            }
            Err(error) => {
                tracing::error!(site = self.site, window = self.window.id, %error, hint = error.hint(), "a window could not begin");
                self.notes(Outcome::Failed, &error.to_string(), None).await;
                AGAIN
            }
        }
    }

    async fn begun<O: Opener<S>>(
        &mut self,
        opener: &O,
        holder: &Holder,
    ) -> Result<Duration, Error> {
        let (window, found) = (self.window.clone(), self.found);
        let site = opener.open().await.map_err(|why| Error::Unopened { why })?;
        let sight = look(&site).await?;
        let switch = sight.switch.as_ref().map(|(switch, _)| switch);
        // Begun, and killed before that was written, or opened by hand before it had drained.
        let ours = |switch: &Switch| switch.by == by_window(&window) && switch.since >= found.start;
        if switch.is_some_and(ours) || window.was_thrown(&found, switch) {
            self.writes(Outcome::Begun, None).await?;
            return Ok(SOON);
        }
        if let Some(switch) =
            switch.filter(|switch| is_left_alone(switch, &window, &found, clock::now()))
        {
            let why = format!("{} has asked for {}", switch.by, switch.mode);
            self.notes(Outcome::LeftAlone, &why, Some(switch)).await;
            return Ok(AGAIN);
        }
        tracing::info!(site = self.site, window = window.id, mode = window.mode.word(), until = %found.end, by = holder.name, "a window begins");
        let order = order(switch, &window, &found);
        let begins = Begins::at(&found, switch);
        self.begins(Some(begins)).await?;
        match carry_out(&site, sight, &order, &Silent).await {
            Ok(_) => self.writes(Outcome::Begun, None).await?,
            Err(error) => {
                if is_not_thrown(&error) {
                    self.begins(None).await?;
                }
                return Err(error);
            }
        }
        Ok(SOON)
    }

    /// Writes down that it is about to begin, or that it did not.
    async fn begins(&mut self, begins: Option<Begins>) -> Result<(), store::Error> {
        if self.window.begins == begins {
            return Ok(());
        }
        self.put(Window { begins, ..self.window.clone() }).await
    }

    /// Writes what came of it: once for each thing that does.
    async fn notes(&mut self, outcome: Outcome, why: &str, switch: Option<&Switch>) {
        let known = self.window.seen(&self.found);
        if known.is_some_and(|seen| seen.outcome == outcome && seen.why.as_deref() == Some(why)) {
            return;
        }
        tracing::warn!(
            site = self.site,
            window = self.window.id,
            why,
            "a window has come and does not begin"
        );
        let written = async {
            self.writes(outcome, Some(why.to_owned())).await?;
            let words = format!("window {}: {why}", self.window.id);
            told(self.store, self.site, switch, (&self.window, outcome, &words)).await
        };
        if let Err(error) = written.await {
            tracing::warn!(site = self.site, window = self.window.id, %error, "what came of a window cannot be written");
        }
    }

    async fn writes(&mut self, outcome: Outcome, why: Option<String>) -> Result<(), store::Error> {
        self.put(self.window.with(&self.found, outcome, why)).await
    }

    async fn put(&mut self, window: Window) -> Result<(), store::Error> {
        let expect = Expect::At(self.version.clone());
        self.version = self.store.write(&key(&window.id), &window, expect).await?;
        self.window = window;
        Ok(())
    }
}

/// What is asked for when `window` begins where `switch` stands.
fn order(switch: Option<&Switch>, window: &Window, found: &Occurrence) -> Order {
    Order {
        to: window.mode,
        by: by_window(window),
        reason: window.reason.clone(),
        overrides: Vec::new(),
        timeout: TIMEOUT,
        end: Some(End::At { until: found.end, then: at_its_end(switch, window, found) }),
        depth: Depth::Moved,
        run: None,
    }
}

/// Whether the switch was certainly not thrown, or is as it was before: it may begin yet.
fn is_not_thrown(error: &Error) -> bool {
    match error {
        Error::Store(store::Error::Leased { .. } | store::Error::Moved { .. })
        | Error::NotOffered { .. }
        | Error::Rule { .. }
        | Error::Unchecked { .. }
        | Error::Unwell { .. }
        | Error::Runs { .. }
        | Error::NoSuchGateway { .. }
        | Error::Unopened { .. }
        | Error::StalePlan { .. } => true,
        Error::Lever(error) => error.nothing_changed(),
        Error::Store(_)
        | Error::Superseded { .. }
        | Error::GaveUp { .. }
        | Error::Unconfirmed(_)
        | Error::Lost(_)
        | Error::Unrecorded(_)
        | Error::HalfDone { .. } => false,
    }
}

/// Tells the log that a window has come and changed nothing.
async fn told<S: Store>(
    store: &SiteStore<S>,
    site: &str,
    switch: Option<&Switch>,
    (window, outcome, words): (&Window, Outcome, &str),
) -> Result<(), store::Error> {
    let event = match outcome {
        Outcome::Failed => Event::WindowFailed,
        Outcome::LeftAlone | Outcome::Begun => Event::LeftAlone,
    };
    let entry = Entry {
        to: window.mode,
        reason: window.reason.clone(),
        detail: Some(words.to_owned()),
        ..Entry::beside(switch, site, event, &by_window(window))
    };
    audit::append(store, &entry, (switch.map_or(0, |switch| switch.version), 0)).await
}
