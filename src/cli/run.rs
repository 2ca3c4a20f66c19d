//! `run`: the mode, the command, the checks, and open again. Whoever runs it has the right to for as long, so that nobody opens
//! meanwhile; a process that is killed loses it, and the site stays in its mode until somebody, or its end, opens it.

mod command;
mod leftover;
mod paused;
mod visitors;

use std::convert::Infallible;
use std::future::pending;

use serde_json::json;

use super::args::{FlipArgs, OnFailure, RunArgs, Wait};
use super::confirm::confirm;
use super::context::{Context, Opened};
use super::end;
use super::error::Error;
use super::flip::{interrupted, who};
use super::plan::{asked_twice, of_the_page, plan_of};
use super::report::{Form, Waiting, plan_words, status_object, status_words};
use super::settle;
use super::watchdog::{self, OneSite};
use crate::agent::{self, Depth, Done, Extension, Order, Sight, carry_out_until, extend, look};
use crate::audit::{self, Entry, Event};
use crate::clock;
use crate::lever::Progress;
use crate::store::{self, AnyLease, Holder, Lease as _};
use crate::switch::{LeverName, Mode, OperationId};
pub(super) use command::Program;
use command::{Ended, NO_COMMAND};
use paused::Paused;
use visitors::Waits;

pub(super) async fn run(context: &Context, args: &RunArgs) -> Result<u8, Error> {
    let to = mode(&args.mode)?;
    let program = Program::find(&args.command)?;
    let mut opened = context.ending_idle(args.terminate_idle).open().await?;
    if opened.asked.is_some() {
        return Err(asked_twice());
    }
    opened.site.offers(to)?;
    let flip = as_flip(args, &opened, to);
    end::wanted(&flip, to, clock::now())?;
    end::askable(&opened, flip.until_healthy)?;
    let sight = look(&opened.site).await?;
    not_looser(&sight, to)?;
    let by = who(&opened).await;
    nobody_elses(&sight, &by, &args.overrides)?;
    sight.refusal(&opened.site, to, &args.overrides)?;
    context.pin(&mut opened, &sight).await;
    agreed(context, &opened, &sight, (to, &by, args)).await?;
    if let Some(holder) = opened.lock_holder().await {
        return Err(Error::StateLocked { holder: Box::new(holder) });
    }
    let _watchdog = watchdog::stands_by(context, &opened, (&sight, to)).await?;
    let holder = Holder::command(by);
    let lease = opened.site.store.run(&holder).await;
    let mut lease = lease.map_err(|error| match error {
        store::Error::Leased { holder } => {
            agent::Error::Runs { by: holder, at: clock::now() }.into()
        }
        error => Error::from(error),
    })?;
    let whole = Box::pin(worked(context, &opened, sight, (to, &flip, args), (&program, &holder)));
    let done = tokio::select! {
        biased;
        done = whole => done,
        never = kept_up(context, &mut lease) => match never {},
    };
    lease.release().await;
    done
}

fn mode(word: &str) -> Result<Mode, Error> {
    let usage = |message: String| Error::Usage {
        message,
        hint: "for example: roadworks run hold -- ./migrate.sh".to_owned(),
    };
    match word.parse::<Mode>() {
        Ok(Mode::Open) => Err(usage("a site is open without a command".to_owned())),
        Ok(mode) => Ok(mode),
        Err(error) => Err(usage(error.to_string())),
    }
}

/// As its mode's verb would be asked. A name that moves alone is waited for until nobody correct can have the old answer.
fn as_flip(args: &RunArgs, opened: &Opened, to: Mode) -> FlipArgs {
    let has = |name| opened.site.levers.iter().any(|lever| lever.name() == name);
    let only_the_name = !has(LeverName::Gateway) && !has(LeverName::Balancer);
    FlipArgs {
        yes: args.yes,
        reason: args.reason.clone(),
        wait: (to == Mode::Detour && only_the_name).then_some(Wait::Settled),
        timeout: args.timeout,
        r#for: args.r#for,
        until: args.until.clone(),
        until_healthy: args.until_healthy,
        on_end: args.on_end,
        stay: false,
        local: false,
        overrides: args.overrides.clone(),
        renumber: false,
        terminate_idle: args.terminate_idle,
    }
}

/// Refuses to let visitors back for a command's sake.
fn not_looser(sight: &Sight, to: Mode) -> Result<(), Error> {
    let stands = sight.desired();
    if stands <= to {
        return Ok(());
    }
    let by = sight.switch.as_ref().map_or("somebody", |(switch, _)| switch.by.as_str());
    Err(agent::Error::Rule {
        rule: "stricter-mode",
        message: format!("{by} has put the site into {stands}, and {to} lets more through"),
        hint: format!("roadworks run {stands} -- .., or `roadworks open` first"),
    }
    .into())
}

/// Refuses to end, after the command, what somebody else asked for.
fn nobody_elses(sight: &Sight, by: &str, overrides: &[String]) -> Result<(), Error> {
    const RULE: &str = "others-operation";
    let switch = sight.switch.as_ref().map(|(switch, _)| switch);
    let Some(switch) = switch.filter(|switch| switch.mode != Mode::Open && switch.by != by) else {
        return Ok(());
    };
    if overrides.iter().any(|rule| rule == RULE) {
        return Ok(());
    }
    Err(agent::Error::Rule {
        rule: RULE,
        message: format!(
            "{} asked for {} at {}, and the site would be open once the command has ended",
            switch.by, switch.mode, switch.since
        ),
        hint: format!("ask them, or take it over: --override={RULE} --reason \"..\""),
    }
    .into())
}

async fn agreed(
    context: &Context,
    opened: &Opened,
    sight: &Sight,
    (to, by, args): (Mode, &str, &RunArgs),
) -> Result<(), Error> {
    let mut shown = plan_of(opened, sight, to);
    if !shown.changes() {
        return Ok(());
    }
    if !args.yes {
        shown.warnings.extend(of_the_page(opened, &shown).await);
    }
    context.report.words(&plan_words(&shown));
    if args.yes {
        return Ok(());
    }
    let others = sight.switch.as_ref().map(|(switch, _)| switch);
    let others = others.filter(|switch| switch.mode != Mode::Open && switch.by != by);
    confirm(context.report, (&opened.site.name, &opened.host), to, others)
}

/// Says that it lives for as long as it is polled. A store that is away ends no command: somebody may open meanwhile, and that is
/// said.
async fn kept_up(context: &Context, lease: &mut AnyLease) -> Infallible {
    let Err(error) = lease.hold(pending::<Infallible>()).await;
    context.report.words(&format!(
        "warning: the command goes on, but nobody is kept from opening the site any more: {error}"
    ));
    pending().await
}

/// The mode, the command, and the way back.
async fn worked(
    context: &Context,
    opened: &Opened,
    sight: Sight,
    (to, flip, args): (Mode, &FlipArgs, &RunArgs),
    (program, holder): (&Program, &Holder),
) -> Result<u8, Error> {
    let end = end::wanted(flip, to, clock::now())?;
    let order = |to, end| Order {
        to,
        by: holder.name.clone(),
        reason: args.reason.clone(),
        overrides: args.overrides.clone(),
        timeout: args.timeout,
        end,
        depth: Depth::Moved,
        run: Some(holder.clone()),
    };
    let waiting = Waiting::new(context.report);
    let moved =
        carry_out_until(&opened.site, sight, &order(to, end), &waiting, interrupted()).await;
    waiting.ended();
    let mut done = moved.map_err(|signal| Error::Interrupted { signal })??;
    Box::pin(settle::wait(context, opened, &mut done, &[], flip)).await?;
    for warning in &done.warnings {
        context.report.words(&format!("warning: {warning}"));
    }
    context.report.words(&format!("{} is in {to}: running {}", opened.site.name, program.name()));
    let ended = Box::pin(works(context, opened, &done.sight, program)).await;
    let well = matches!(&ended, Ok(ended) if ended.is_well());
    // What was never started did no work: nothing is to be put right.
    let nothing_ran = matches!(&ended, Err(Error::Command { word: NO_COMMAND, .. }));
    if let Some(words) = ended.as_ref().ok().and_then(|ended| ended.said(program)) {
        context.report.words(&words);
    }
    let operation = done.sight.switch.as_ref().map(|(switch, _)| &switch.operation);
    if !well && !nothing_ran && args.on_failure == OnFailure::Stay {
        stays_at_its_end(context, opened, operation, holder).await;
        return Err(stays(ended, program, to));
    }
    let back = Waiting::new(context.report);
    let order = order(Mode::Open, None);
    let opens = Box::pin(opens(opened, operation, &order, &back)).await;
    back.ended();
    match (opens, ended) {
        (Ok(done), Ok(ended)) if well => say(context, opened, &done, (to, &ended)).await,
        (Ok(_), ended) => {
            context.report.words(&format!("{} is open again", opened.site.name));
            let hint = if nothing_ran { "nothing was run" } else { "--on-failure=open" };
            Err(failed(ended, program, &format!("the site is open again: {hint}")))
        }
        (Err(error), Ok(_)) if well => {
            Err(Error::Kept { program: program.name(), error: Box::new(error) })
        }
        (Err(error), ended) => {
            stays_at_its_end(context, opened, operation, holder).await;
            let words = super::report::message(&error);
            Err(failed(ended, program, &format!("the site stays in {to}: {words}")))
        }
    }
}

/// Runs the command. What is to be known meanwhile of visitors, and of what is paused for it, is said beside it.
async fn works(
    context: &Context,
    opened: &Opened,
    sight: &Sight,
    program: &Program,
) -> Result<Ended, Error> {
    let sites = OneSite::of(context);
    let paused = Paused::of(context, opened, &sites);
    let beside = async {
        tokio::select! {
            biased;
            never = visitors::told(context, opened, sight.desired()) => never,
            never = paused.kept() => never,
        }
    };
    let mut ended = Box::pin(program.run(context, opened, sight, beside)).await?;
    ended.let_go = paused.let_go(sight).await;
    Ok(ended)
}

/// What failed is not opened by an agent because its time is over: somebody has to put it right first.
async fn stays_at_its_end(
    context: &Context,
    opened: &Opened,
    operation: Option<&OperationId>,
    holder: &Holder,
) {
    let site = &opened.site;
    let stays = async {
        let Some((switch, version)) = site.store.switch().await? else { return Ok(()) };
        if switch.end().is_none() || Some(&switch.operation) != operation {
            return Ok(());
        }
        let switch = extend(&site.store, (&switch, &version), Extension::Stays).await?;
        let entry = Entry {
            reason: switch.reason.clone(),
            detail: Some("its command failed: it stays at its end".to_owned()),
            ..Entry::beside(Some(&switch), &site.name, Event::Extended, &holder.name)
        };
        audit::append(&site.store, &entry, (switch.version, 0)).await?;
        Ok::<_, agent::Error>(())
    };
    if let Err(error) = stays.await {
        context.report.words(&format!(
            "warning: an agent may open the site at its end, though the command failed: {error}"
        ));
    }
}

/// Opens the site, if it is still in the operation in which the command began: what somebody else asked for meanwhile is theirs to
/// end.
async fn opens(
    opened: &Opened,
    operation: Option<&OperationId>,
    order: &Order,
    progress: &dyn Progress,
) -> Result<Done, Error> {
    let sight = look(&opened.site).await?;
    if let Some((switch, _)) = &sight.switch
        && operation.is_some_and(|ours| switch.operation != *ours)
    {
        let (by, at, mode) = (switch.by.clone(), switch.since, switch.mode);
        return Err(agent::Error::Superseded { by, at, mode }.into());
    }
    let moved = carry_out_until(&opened.site, sight, order, progress, interrupted()).await;
    Ok(moved.map_err(|signal| Error::Interrupted { signal })??)
}

/// The command did not end well, and nothing was opened.
fn stays(ended: Result<Ended, Error>, program: &Program, to: Mode) -> Error {
    failed(ended, program, &format!("the site stays in {to}: put it right, then `roadworks open`"))
}

fn failed(ended: Result<Ended, Error>, program: &Program, hint: &str) -> Error {
    match ended {
        Ok(ended) => Error::Command {
            message: ended.words(program),
            hint: hint.to_owned(),
            word: "command-failed",
            code: ended.code(),
        },
        Err(Error::Command { message, word, code, .. }) => {
            Error::Command { message, hint: hint.to_owned(), word, code }
        }
        Err(error) => error,
    }
}

async fn say(
    context: &Context,
    opened: &Opened,
    done: &Done,
    (to, ended): (Mode, &Ended),
) -> Result<u8, Error> {
    let waited = match to {
        Mode::Hold => visitors::waited(opened).await,
        Mode::Open | Mode::ReadOnly | Mode::Closed | Mode::Detour => Waits::default(),
    };
    let now = clock::now();
    if context.report.form() == Form::Json {
        let mut object = status_object(&opened.site, &done.sight, now);
        if let Some(fields) = object.as_object_mut() {
            let (took, left) = (ended.took.as_secs_f64(), ended.left());
            let let_go = &ended.let_go;
            let command =
                json!({ "code": ended.code(), "took": took, "left": left, "let_go": let_go });
            fields.insert("command".to_owned(), command);
            fields.insert("waited".to_owned(), json!(waited.let_in));
        }
        context.report.object(&object)?;
        return Ok(0);
    }
    for warning in &done.warnings {
        context.report.words(&format!("warning: {warning}"));
    }
    if let Some(words) = waited.in_words() {
        context.report.words(&words);
    }
    context.report.words(&status_words(&opened.site, &done.sight, now));
    Ok(0)
}
