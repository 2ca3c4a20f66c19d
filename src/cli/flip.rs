//! `open`, `detour` and their like: plan, confirm, carry out, wait, say what is so.

use std::time::Duration;

use serde_json::json;

use super::args::{FlipArgs, Wait};
use super::confirm::confirm;
use super::context::{Context, Opened};
use super::end;
use super::error::Error;
use super::local;
use super::plan::{asked_twice, plan_of};
use super::report::{Form, Waiting, plan_words, status_object, status_words};
use crate::agent::{self, Depth, Done, Order, Sight, carry_out, look};
use crate::clock;
use crate::lever::Progress;
use crate::switch::{LeverName, Mode, Seen, Switch};

pub(super) async fn run(context: &Context, to: Mode, args: &FlipArgs) -> Result<u8, Error> {
    if args.local {
        return local::run(context, to, args).await;
    }
    possible(args)?;
    let mut opened = context.open().await?;
    if opened.asked.is_some() {
        return Err(asked_twice());
    }
    move_to(context, &mut opened, to, args).await
}

/// Moves an opened site to `to`, asking first as its mode's verb asks.
pub(super) async fn move_to(
    context: &Context,
    opened: &mut Opened,
    to: Mode,
    args: &FlipArgs,
) -> Result<u8, Error> {
    opened.site.offers(to)?;
    let end = end::wanted(args, to, clock::now())?;
    let sight = look(&opened.site).await?;
    sight.refusal(&opened.site, to, &overrides(args))?;
    if (end.is_some() && !args.stay) || args.wait == Some(Wait::None) {
        end::kept(&opened.site.store, clock::now()).await?;
    }
    context.pin(opened).await;
    let by = who(opened).await;
    if sight.is_at(&opened.site, to) && end.is_none() {
        let took = Duration::ZERO;
        return say(context, opened, &Done { changed: false, sight, warnings: Vec::new(), took });
    }
    let plan = sight.plan(&opened.site, to);
    if plan.changes() {
        context.report.words(&plan_words(&plan_of(opened, &sight, to)));
        if !args.yes {
            let others = sight.switch.as_ref().map(|(switch, _)| switch);
            let others = others.filter(|switch| switch.mode != Mode::Open && switch.by != by);
            confirm(context.report, (&opened.site.name, &opened.host), to, others)?;
        }
    }
    carry_out_agreed(context, opened, Agreed { to, sight, by }, args).await
}

/// What somebody said yes to.
pub(super) struct Agreed {
    /// The mode.
    pub(super) to: Mode,
    /// From what was seen.
    pub(super) sight: Sight,
    /// Who did.
    pub(super) by: String,
}

/// Carries out what was agreed to, waits as asked, and says what is so.
pub(super) async fn carry_out_agreed(
    context: &Context,
    opened: &Opened,
    agreed: Agreed,
    args: &FlipArgs,
) -> Result<u8, Error> {
    // Read again: somebody may have started an apply while a person was thinking.
    if let Some(holder) = opened.lock_holder().await {
        return Err(Error::StateLocked { holder: Box::new(holder) });
    }
    let order = Order {
        to: agreed.to,
        by: agreed.by,
        reason: args.reason.clone(),
        overrides: overrides(args),
        timeout: args.timeout,
        end: end::wanted(args, agreed.to, clock::now())?,
        depth: if args.wait == Some(Wait::None) { Depth::Asked } else { Depth::Moved },
    };
    let waiting = Waiting::new(context.report);
    let done = tokio::select! {
        done = carry_out(&opened.site, agreed.sight, &order, &waiting) => done.map_err(Error::from),
        () = interrupted() => Err(Error::Interrupted),
    };
    waiting.ended();
    let done = done?;
    if args.wait == Some(Wait::Settled)
        && let Some((switch, _)) = &done.sight.switch
    {
        settled(context, switch, args.timeout).await?;
    }
    let told = say(context, opened, &done)?;
    if args.stay {
        tokio::select! {
            kept = end::keep(context.report, opened) => kept?,
            () = interrupted() => return Err(Error::Interrupted),
        }
    }
    Ok(told)
}

/// The rules set aside. Whoever waits for nothing wants the switch written, gateways or none.
fn overrides(args: &FlipArgs) -> Vec<String> {
    let none = (args.wait == Some(Wait::None)).then(|| "no-gateway".to_owned());
    args.overrides.iter().cloned().chain(none).collect()
}

fn say(context: &Context, opened: &Opened, done: &Done) -> Result<u8, Error> {
    let now = clock::now();
    if context.report.form() == Form::Json {
        let mut object = status_object(&opened.site, &done.sight, now);
        if let Some(fields) = object.as_object_mut() {
            fields.insert("took".to_owned(), json!(done.took.as_secs_f64()));
        }
        context.report.object(&object)?;
        return Ok(0);
    }
    for warning in &done.warnings {
        context.report.words(&format!("warning: {warning}"));
    }
    let what = match (done.changed, done.took) {
        (false, _) => "No changes.".to_owned(),
        (true, took) if took < Duration::from_secs(1) => {
            format!("Moved in {:.3} s.", took.as_secs_f64())
        }
        (true, took) => format!("Moved in {:.1} s.", took.as_secs_f64()),
    };
    context.report.words(&what);
    context.report.data(&status_words(&opened.site, &done.sight, now))?;
    Ok(0)
}

/// Refuses what this verb could not keep, before anything is read.
pub(super) fn possible(args: &FlipArgs) -> Result<(), Error> {
    match args.wait {
        Some(Wait::Quiet) => Err(Error::CannotWait(
            "nothing here counts the requests at the old target, so quiet cannot be seen",
        )),
        Some(Wait::None | Wait::Moved | Wait::Settled) | None => Ok(()),
    }
}

async fn settled(context: &Context, switch: &Switch, timeout: Duration) -> Result<(), Error> {
    let waiting = Waiting::new(context.report);
    let began = clock::monotonic();
    let wait = async {
        while switch.seen(clock::now()) < Seen::Settled {
            waiting.waiting(
                LeverName::Dns,
                "old answers to expire",
                clock::monotonic().duration_since(began),
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let ended = tokio::select! {
        ended = tokio::time::timeout(timeout, wait) => {
            ended.map_err(|_| agent::Error::GaveUp { what: "settled", waited: timeout, still: None }.into())
        }
        () = interrupted() => Err(Error::Interrupted),
    };
    waiting.ended();
    ended
}

pub(super) async fn interrupted() {
    // Without a handler Ctrl-C still ends the process, which a later run mends like any crash.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Who really asks: the AWS caller identity where AWS has a part in the site, else the user on this machine.
pub(super) async fn who(opened: &Opened) -> String {
    let Some(session) = &opened.session else { return user() };
    match session.caller().await {
        Ok(identity) => identity.arn,
        Err(_) => user(),
    }
}

/// `user@host`
pub(super) fn user() -> String {
    let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = of("USER").or_else(|| of("LOGNAME")).unwrap_or_else(|| "unknown".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = of("HOSTNAME").unwrap_or_else(|| host.trim().to_owned());
    format!("{user}@{host}")
}
