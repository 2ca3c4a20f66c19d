//! How it is with visitors while a command works, and how long they waited in the end: what their gateways tell.

use std::convert::Infallible;
use std::time::Duration;

use super::super::context::{Context, Opened};
use crate::agent::{Heartbeat, gateways};
use crate::clock;
use crate::gateway::Waited;
use crate::switch::{LeverName, Mode};

/// How often it is told how long it takes: first soon, then seldom.
const SOON: Duration = Duration::from_secs(5);
const SELDOM: Duration = Duration::from_secs(30);
/// How long it is looked whether all who waited are let in: they are let in one after the other.
const LETS_IN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// Tells how long it takes, and how it is with visitors: soon, then seldom, and at once when their patience is over.
pub(super) async fn told(context: &Context, opened: &Opened, mode: Mode) -> Infallible {
    let began = clock::monotonic();
    let pace = Duration::from_secs(u64::from(opened.site.store.pace().max(1)));
    let (mut due, mut spent) = (began + SOON, false);
    loop {
        tokio::time::sleep(pace).await;
        let now = clock::monotonic();
        // Where nobody waits, nobody's patience is over: what gateways tell is not read for it.
        let may_be = mode == Mode::Hold && !spent;
        let over = may_be && alive(opened).await.iter().any(|beat| beat.hold_spent);
        if over || now >= due {
            (spent, due) = (spent || over, now + SELDOM);
            context.report.words(&meanwhile(opened, now - began).await);
        }
    }
}

/// How it stands with visitors while the command works.
async fn meanwhile(opened: &Opened, took: Duration) -> String {
    let seconds = took.as_secs();
    let alive = alive(opened).await;
    let spent = alive.iter().any(|beat| beat.hold_spent);
    let holds = alive.iter().any(|beat| beat.mode == Some(Mode::Hold));
    let visitors = match (holds, spent) {
        (_, true) => ": patience is over, and visitors get 503 while it goes on".to_owned(),
        (true, false) => format!(": {}", held(&alive)),
        (false, false) => String::new(),
    };
    format!("it has taken {seconds} s{visitors}{}", late(opened).await)
}

/// That the time is over for which it was to last, if it is.
async fn late(opened: &Opened) -> String {
    let switch = opened.site.store.switch().await.ok().flatten().map(|(switch, _)| switch);
    let over = switch.filter(|switch| switch.is_overdue(clock::now()));
    match over.and_then(|switch| switch.until) {
        Some(until) => format!("; it was to be over at {until}: roadworks extend 15m"),
        None => String::new(),
    }
}

/// Who waited while the command worked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waits {
    /// Those who were let in.
    pub(super) let_in: Waited,
    /// How many wait yet.
    still: u64,
}

/// Who waited, once all are let in, or most.
pub(super) async fn waited(opened: &Opened) -> Waits {
    let began = clock::monotonic();
    loop {
        let alive = alive(opened).await;
        let still: u64 = alive.iter().map(|beat| beat.waiting).sum();
        if still == 0 || clock::monotonic().duration_since(began) > LETS_IN {
            let all = alive.iter().map(|beat| beat.waited);
            return Waits { let_in: all.fold(Waited::default(), Waited::and), still };
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Waits {
    /// `212 requests waited, the longest 2.3 s`, if any did.
    pub(super) fn in_words(self) -> Option<String> {
        let (Waited { requests, longest }, still) = (self.let_in, self.still);
        if requests + still == 0 {
            return None;
        }
        let noun = if requests == 1 { "request" } else { "requests" };
        let seconds = longest.as_secs_f64();
        let still = if still == 0 { String::new() } else { format!("; {still} still wait") };
        Some(format!("{requests} {noun} waited, the longest {seconds:.1} s{still}"))
    }
}

/// What the gateways tell that live.
async fn alive(opened: &Opened) -> Vec<Heartbeat> {
    let mut levers = opened.site.levers.iter();
    let seen = match levers.find(|lever| lever.name() == LeverName::Gateway) {
        Some(fleet) => fleet.observe().await.ok(),
        None => None,
    };
    let all = seen.iter().flat_map(gateways);
    all.filter(|(_, alive)| *alive).map(|(beat, _)| beat).collect()
}

/// `held 212, oldest 6 s of 20 s`
fn held(alive: &[Heartbeat]) -> String {
    let waiting: u64 = alive.iter().map(|beat| beat.waiting).sum();
    let oldest = alive.iter().filter_map(|beat| beat.oldest).max();
    // Where gateways differ, the first to lose patience says it.
    let patience = alive.iter().filter_map(|beat| beat.patience).min();
    let of = patience.map(|patience| format!(" of {patience} s")).unwrap_or_default();
    let oldest = oldest.map(|oldest| format!(", oldest {oldest} s{of}"));
    format!("held {waiting}{}", oldest.unwrap_or_default())
}
