//! `wait`: until the last move is moved, settled or quiet, or until that is so of a mode; whoever asks for it.

use super::args::{WaitArgs, WaitEnd};
use super::context::{Context, Opened};
use super::error::Error;
use super::flip::interrupted;
use super::report::{Form, Waiting, status_object, status_words};
use super::settle::{self, Countdown};
use crate::agent::{self, Sight, look};
use crate::clock;
use crate::dns::settle::Sample;
use crate::store::Notice;
use crate::switch::{Mode, Seen};

pub(super) async fn run(context: &Context, args: &WaitArgs) -> Result<u8, Error> {
    let wanted = args.for_mode.as_deref().map(str::parse::<Mode>).transpose();
    let wanted = wanted.map_err(|error| Error::Usage {
        message: error.to_string(),
        hint: "for example: roadworks wait --for-mode hold".to_owned(),
    })?;
    let goal = match args.end {
        WaitEnd::Moved => Seen::Moved,
        WaitEnd::Settled => Seen::Settled,
        WaitEnd::Quiet => Seen::Quiet,
    };
    let opened = context.open().await?;
    let waiting = Waiting::new(context.report);
    let countdown = Countdown::new(context.report, &opened, &waiting);
    let come = tokio::select! {
        come = tokio::time::timeout(args.timeout, until(&opened, wanted, goal, countdown)) => come,
        signal = interrupted() => return Err(Error::Interrupted { signal }),
    };
    waiting.ended();
    let sight = match come {
        Ok(come) => come?,
        Err(_) => return Err(gave_up(&opened, wanted, goal, args.timeout).await),
    };
    let questions = settle::questions_after(&opened, &sight);
    let (samples, warnings) = if goal == Seen::Moved {
        (Vec::new(), Vec::new())
    } else {
        settle::sampled(&opened, &questions).await
    };
    say(context, &opened, &sight, (&samples, &warnings))
}

/// Says what it still waited for, where that is somebody to ask.
async fn gave_up(
    opened: &Opened,
    wanted: Option<Mode>,
    goal: Seen,
    timeout: std::time::Duration,
) -> Error {
    let switch = opened.site.store.switch().await.ok().flatten();
    let desired = switch.map_or(Mode::Open, |(switch, _)| switch.mode);
    let unasked = wanted.filter(|mode| *mode != desired);
    let still = unasked.map(|mode| format!("somebody to ask for {mode}"));
    agent::Error::GaveUp { what: goal.word(), waited: timeout, still }.into()
}

/// Looks until the last move, or one to `wanted`, has come as far as `goal`.
async fn until(
    opened: &Opened,
    wanted: Option<Mode>,
    goal: Seen,
    mut countdown: Countdown<'_>,
) -> Result<Sight, Error> {
    let site = &opened.site;
    let mut notice = site.store.watch_switch().await;
    let mut sight = look(site).await?;
    let mut counted = None;
    loop {
        let mode = wanted.unwrap_or(sight.desired());
        // What nobody counts never comes; the switch may have been moved on meanwhile.
        if goal == Seen::Quiet && counted != Some(mode) {
            sight.counts(site, mode).map_err(Error::CannotWait)?;
            counted = Some(mode);
        }
        let now = clock::now();
        let proof = sight.proof(site, now);
        if sight.desired() != mode {
            countdown.tell_of(&format!("somebody to ask for {mode}"));
        } else if proof.seen < goal {
            countdown.tell(&proof, now);
        } else {
            return Ok(look(site).await?);
        }
        tokio::select! {
            () = notice.changed() => {}
            () = tokio::time::sleep(settle::POLL) => {}
        }
        sight.again(site).await?;
    }
}

fn say(
    context: &Context,
    opened: &Opened,
    sight: &Sight,
    (samples, warnings): (&[Sample], &[String]),
) -> Result<u8, Error> {
    let now = clock::now();
    if context.report.form() == Form::Json {
        let mut object = status_object(&opened.site, sight, now);
        settle::add(&mut object, samples, warnings);
        context.report.object(&object)?;
        return Ok(0);
    }
    for warning in warnings {
        context.report.words(&format!("warning: {warning}"));
    }
    context.report.data(&status_words(&opened.site, sight, now))?;
    Ok(0)
}
