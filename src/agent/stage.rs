//! A stage that is closed for a site, and those who wait before it: one is let pass, or all are let go once that is safe.
//!
//! Under the site's right, as everything that moves a lever: an `open` or a `detour` at the same time would mean another way in.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use super::Error;
use crate::audit::{self, Entry, Event};
use crate::clock;
use crate::lever::{self, Progress};
use crate::pipeline::{Freezer, Gate, Transition};
use crate::store::{Holder, Lease as _, SiteStore, Store};
use crate::switch::{LeverName, Mode, Seen};

/// How often it is looked who is in the stage.
const POLL: Duration = Duration::from_secs(1);
/// How often it is tried to close a stage again, and how long between, besides the patience of each try.
const TRIES: u32 = 5;
const BETWEEN: Duration = Duration::from_secs(2);

/// Why it is closed then, in AWS's few characters.
const CLOSED_AGAIN: &str = "closed again after one execution passed";

/// Who asks for what is done to a stage, and of which site.
#[derive(Debug, Clone, Copy)]
pub struct Asks<'a> {
    /// The site's name.
    pub site: &'a str,
    /// Who.
    pub by: &'a str,
    /// For how long a pass waits.
    pub timeout: Duration,
}

/// What became of the request that opens a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    Unsent,
    Sent,
    Answered,
    /// It failed, and may arrive all the same.
    Unknown,
}

/// Lets one of the executions that wait before a closed stage pass, and closes it again: also where `stop` comes, where nobody
/// came in time, and where something fails. Gives its id, or nothing where it was stopped.
///
/// Not cancel safe: dropped midway it leaves the stage open. Whoever may want to leave says so by `stop`.
pub async fn pass<S: Store>(
    store: &SiteStore<S>,
    freezer: &Freezer,
    asks: Asks<'_>,
    stop: impl Future<Output = ()>,
    progress: &dyn Progress,
) -> Result<Option<String>, Error> {
    let mut lease = store.lease(&Holder::command(asks.by)).await?;
    let opening = Cell::new(Opening::Unsent);
    let mut thaw = pin!(freezer.thaw());
    let mut stop = pin!(stop);
    let work = async {
        let before = tokio::select! {
            biased;
            before = before(freezer) => before?,
            () = &mut stop => return Ok(None),
        };
        opening.set(Opening::Sent);
        // What was sent to open it must not arrive after it was closed again: nothing cuts this short.
        let thawed = thaw.as_mut().await;
        opening.set(if thawed.is_ok() { Opening::Answered } else { Opening::Unknown });
        thawed?;
        tokio::select! {
            biased;
            passed = one_enters(freezer, asks, &before, progress) => passed.map(Some),
            () = &mut stop => Ok(None),
        }
    };
    let passed = lease.hold(Box::pin(work)).await.map_err(Error::Lost);
    if opening.get() == Opening::Sent {
        // The right was lost in the middle of it.
        let thawed = thaw.await;
        opening.set(if thawed.is_ok() { Opening::Answered } else { Opening::Unknown });
    }
    let closed = closed_again(freezer, opening.get()).await;
    lease.release().await;
    let passed = passed.and_then(|passed| passed);
    closed?;
    let passed = passed?;
    if let Some(id) = &passed {
        note(store, asks, Event::Passed, format!("execution {id} into {}", freezer.told())).await;
    }
    Ok(passed)
}

/// How the stage stands, where one may be let pass.
async fn before(freezer: &Freezer) -> Result<Gate, Error> {
    let before = freezer.gate().await?;
    is_ours(freezer, &before)?;
    if before.waiting.is_empty() {
        return Err(Error::Rule {
            rule: "nobody-waits",
            message: format!("no execution waits before {}", freezer.told()),
            hint: "start one with `roadworks pipeline start`, or see `roadworks pipeline status`"
                .to_owned(),
        });
    }
    Ok(before)
}

async fn one_enters(
    freezer: &Freezer,
    asks: Asks<'_>,
    before: &Gate,
    progress: &dyn Progress,
) -> Result<String, Error> {
    let began = clock::monotonic();
    let mut ticks = tokio::time::interval(POLL);
    loop {
        ticks.tick().await;
        let waited = clock::monotonic().duration_since(began);
        // One that cannot be read now can be in a moment; the stage is closed in the end whatever happens.
        if let Ok(Gate { inside: Some(inside), .. }) = freezer.gate().await
            && before.inside.as_ref() != Some(&inside)
        {
            return Ok(inside);
        }
        let what = format!("an execution to enter {}", freezer.told());
        if waited >= asks.timeout {
            return Err(Error::GaveUp { what: "passed", waited: asks.timeout, still: Some(what) });
        }
        progress.waiting(LeverName::Pipeline, &what, waited);
    }
}

/// Closes it again, whatever happened to what was sent to open it.
async fn closed_again(freezer: &Freezer, opening: Opening) -> Result<(), Error> {
    if opening == Opening::Unsent {
        return Ok(());
    }
    let mut closed = freezer.freeze_anyway(CLOSED_AGAIN).await;
    for _ in 1..TRIES {
        match &closed {
            Ok(_) | Err(lever::Error::Credentials { .. } | lever::Error::Refused { .. }) => break,
            Err(_) => tokio::time::sleep(BETWEEN).await,
        }
        closed = freezer.freeze_anyway(CLOSED_AGAIN).await;
    }
    if opening == Opening::Unknown && closed.is_ok() {
        tokio::time::sleep(BETWEEN).await;
        closed = freezer.freeze(CLOSED_AGAIN).await;
    }
    let still_open = |why: String| lever::Error::Partly {
        message: format!("{} may be open: it could not be closed again: {why}", freezer.told()),
        hint: "see `roadworks pipeline status`, and run `roadworks detour` again: it closes it"
            .to_owned(),
    };
    match closed {
        Ok(Gate { transition: Transition::Enabled, .. }) => {
            Err(still_open("it is not seen to be so".to_owned()).into())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(still_open(error.to_string()).into()),
    }
}

fn is_ours(freezer: &Freezer, gate: &Gate) -> Result<(), Error> {
    let (rule, message, hint) = match &gate.transition {
        Transition::Frozen => return Ok(()),
        Transition::Enabled => (
            "not-frozen",
            format!("{} is open: nobody is kept out of it", freezer.told()),
            "see `roadworks pipeline status`",
        ),
        Transition::Theirs { by, reason } => (
            "not-ours",
            format!("{} was disabled by {by}: {reason}", freezer.told()),
            "whoever closed it opens it: Roadworks touches no transition that somebody else disabled",
        ),
    };
    Err(Error::Rule { rule, message, hint: hint.to_owned() })
}

/// Lets go whoever waits before a closed stage, once the site is open and nobody can have an old answer.
pub async fn release<S: Store>(
    store: &SiteStore<S>,
    freezer: &Freezer,
    asks: Asks<'_>,
) -> Result<(), Error> {
    may_release(store).await?;
    let mut lease = store.lease(&Holder::command(asks.by)).await?;
    let work = async {
        // Somebody may have thrown the switch while the right was waited for.
        may_release(store).await?;
        let gate = freezer.gate().await?;
        is_ours(freezer, &gate)?;
        freezer.thaw().await?;
        Ok::<_, Error>(gate.waiting)
    };
    let released = lease.hold(Box::pin(work)).await;
    lease.release().await;
    let who = released.map_err(Error::Lost)??.join(", ");
    note(store, asks, Event::Released, format!("{} {who}", freezer.told())).await;
    Ok(())
}

/// Refuses as long as a run could meet visitors with an old answer, or undo what is still meant.
pub async fn may_release<S: Store>(store: &SiteStore<S>) -> Result<(), Error> {
    let Some((switch, _)) = store.switch().await? else { return Ok(()) };
    let refused = |rule, message: String, hint: &str| {
        Err(Error::Rule { rule, message, hint: hint.to_owned() })
    };
    if switch.mode != Mode::Open {
        let message = format!("the site is in {}: a run now could undo that", switch.mode);
        return refused(
            "not-open",
            message,
            "run `roadworks open` first; one run alone passes with `roadworks pipeline pass`",
        );
    }
    match switch.seen(clock::now()) {
        Seen::Settled | Seen::Quiet => Ok(()),
        Seen::Moving => {
            let message = "the site is still being opened".to_owned();
            refused("not-settled", message, "wait for it: roadworks wait settled")
        }
        Seen::Moved => {
            let at = switch.settles_at().map(|at| format!(" before {at}")).unwrap_or_default();
            let message = format!("visitors may have an old answer{at}");
            refused("not-settled", message, "wait for it: roadworks wait settled")
        }
    }
}

/// Writes it down. What is done is done, whether or not the log can be written.
async fn note<S: Store>(store: &SiteStore<S>, asks: Asks<'_>, event: Event, detail: String) {
    let switch = store.switch().await.ok().flatten().map(|(switch, _)| switch);
    let version = switch.as_ref().map_or(0, |switch| switch.version);
    let entry =
        Entry { detail: Some(detail), ..Entry::beside(switch.as_ref(), asks.site, event, asks.by) };
    if let Err(error) = audit::append(store, &entry, (version, fastrand::u32(..))).await {
        tracing::warn!(site = asks.site, %error, "the log could not be written");
    }
}
