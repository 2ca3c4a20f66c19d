//! `open`, `detour` and their like: plan, confirm, carry out, wait, say what is so.

use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::args::{FlipArgs, Wait};
use super::confirm::confirm;
use super::context::{Context, Opened};
use super::end;
use super::error::{Error, Interruption};
use super::local;
use super::pipeline::{self, Kept};
use super::plan::{asked_twice, of_the_page, plan_of};
use super::report::{Form, Waiting, asked_words, plan_words, status_object, status_words};
use super::settle;
use super::watchdog;
use crate::agent::{Depth, Done, Order, Sight, carry_out_until, let_through, look};
use crate::clock;
use crate::dns::settle::Sample;
use crate::switch::{End, Mode};

pub(super) async fn run(context: &Context, to: Mode, args: &FlipArgs) -> Result<u8, Error> {
    if args.local {
        return local::run(context, to, args).await;
    }
    let mut opened =
        context.renumbering(args.renumber).ending_idle(args.terminate_idle).open().await?;
    if opened.asked.is_some() {
        return Err(asked_twice());
    }
    Box::pin(move_to(context, &mut opened, to, args)).await
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
    opened.site.warnings.extend(end.and_then(|end| end::stays(opened, end)));
    let sight = look(&opened.site).await?;
    let by = who(opened).await;
    let_through(&opened.site, &sight, (to, &by), &overrides(args)).await?;
    if args.wait == Some(Wait::Quiet) {
        sight.counts(&opened.site, to).map_err(Error::CannotWait)?;
    }
    promised(opened, args).await?;
    context.pin(opened, &sight).await;
    Box::pin(settle::before(opened, &sight, to)).await;
    if sight.is_at(&opened.site, to) && end.is_none() {
        let mut done = Done { changed: false, sight, warnings: Vec::new(), took: Duration::ZERO };
        let questions = settle::questions_after(opened, &done.sight);
        let samples = Box::pin(settle::wait(context, opened, &mut done, &questions, args)).await?;
        let kept = pipeline::after_open(context, opened, &done, args).await?;
        return say(context, opened, (&done, Depth::Moved), (&samples, &kept));
    }
    let plan = sight.plan(&opened.site, to);
    if plan.changes() {
        let mut shown = plan_of(opened, &sight, to);
        if !args.yes {
            // Somebody is there to read it, and to think twice.
            shown.warnings.extend(of_the_page(opened, &shown).await);
        }
        context.report.words(&plan_words(&shown));
        if let Some(end @ End::Healthy { .. }) = end {
            context.report.words(&format!("By itself {}.", end.in_words()));
        }
        if !args.yes {
            let others = sight.switch.as_ref().map(|(switch, _)| switch);
            let others = others.filter(|switch| switch.mode != Mode::Open && switch.by != by);
            confirm(context.report, (&opened.site.name, &opened.host), to, others)?;
        }
    }
    carry_out_agreed(context, opened, Agreed { to, sight, by }, args).await
}

/// Refuses what only an agent could do where none would.
pub(super) async fn promised(opened: &Opened, args: &FlipArgs) -> Result<(), Error> {
    if args.renumber && args.wait == Some(Wait::None) {
        return Err(Error::Usage {
            message: "an agent moves no rules of others by itself: --renumber and --wait none do not go together".to_owned(),
            hint: "leave out --wait none".to_owned(),
        });
    }
    end::askable(opened, args.until_healthy)?;
    let ends = args.r#for.is_some() || args.until.is_some() || args.until_healthy.is_some();
    if (ends && !args.stay) || args.wait == Some(Wait::None) {
        end::kept(&opened.site.store).await?;
    }
    Ok(())
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
    if args.wait == Some(Wait::Quiet) {
        agreed.sight.counts(&opened.site, agreed.to).map_err(Error::CannotWait)?;
    }
    let _watchdog = match args.wait {
        Some(Wait::None) => None,
        _ => watchdog::stands_by(context, opened, (&agreed.sight, agreed.to)).await?,
    };
    let questions = settle::questions(opened, &agreed.sight, agreed.to);
    let order = Order {
        to: agreed.to,
        by: agreed.by,
        reason: args.reason.clone(),
        overrides: overrides(args),
        timeout: args.timeout,
        end: end::wanted(args, agreed.to, clock::now())?,
        depth: if args.wait == Some(Wait::None) { Depth::Asked } else { Depth::Moved },
        run: None,
    };
    let waiting = Waiting::new(context.report);
    let moved = carry_out_until(&opened.site, agreed.sight, &order, &waiting, interrupted()).await;
    let done = match moved {
        Ok(done) => done.map_err(Error::from),
        Err(signal) => Err(Error::Interrupted { signal }),
    };
    waiting.ended();
    let mut done = done?;
    let samples = Box::pin(settle::wait(context, opened, &mut done, &questions, args)).await?;
    let kept = pipeline::after_open(context, opened, &done, args).await?;
    let told = say(context, opened, (&done, order.depth), (&samples, &kept))?;
    if args.stay {
        tokio::select! {
            kept = end::keep(context.report, opened) => kept?,
            signal = interrupted() => return Err(Error::Interrupted { signal }),
        }
    }
    Ok(told)
}

/// The rules set aside. Whoever waits for nothing wants the switch written: gateways or none, and the name is an agent's to move.
fn overrides(args: &FlipArgs) -> Vec<String> {
    let not_theirs: &[&str] =
        if args.wait == Some(Wait::None) { &["no-gateway", "no-secret"] } else { &[] };
    args.overrides.iter().cloned().chain(not_theirs.iter().map(|&rule| rule.to_owned())).collect()
}

fn say(
    context: &Context,
    opened: &Opened,
    (done, depth): (&Done, Depth),
    (samples, kept): (&[Sample], &Kept),
) -> Result<u8, Error> {
    let now = clock::now();
    if context.report.form() == Form::Json {
        let mut object = status_object(&opened.site, &done.sight, now);
        if let Some(fields) = object.as_object_mut() {
            fields.insert("took".to_owned(), json!(done.took.as_secs_f64()));
        }
        settle::add(&mut object, samples, &done.warnings);
        kept.add(&mut object);
        context.report.object(&object)?;
        return Ok(0);
    }
    for warning in &done.warnings {
        context.report.words(&format!("warning: {warning}"));
    }
    if let (true, Depth::Asked, Some((switch, _))) = (done.changed, depth, &done.sight.switch) {
        context.report.words("Asked for: the agent carries it out, and `roadworks status` or `wait` tells how far it is.");
        context.report.data(&asked_words(&opened.site.name, switch, now))?;
        return Ok(0);
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

/// Until somebody ends this by hand, or the system does. Cancel safe.
pub(super) async fn interrupted() -> Interruption {
    // Without a handler the signal still ends the process, which a later run mends like any crash.
    let heard = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending::<()>().await,
        }
    };
    tokio::select! {
        () = heard(SignalKind::interrupt()) => Interruption::CtrlC,
        () = heard(SignalKind::terminate()) => Interruption::Term,
    }
}

/// Who really asks: the AWS caller identity where AWS has a part in the site, else the user on this machine.
pub(super) async fn who(opened: &Opened) -> String {
    let Some(session) = &opened.caller else { return user() };
    match session.caller().await {
        Ok(identity) => identity.arn,
        Err(_) => user(),
    }
}

/// `user@host`
pub(super) fn user() -> String {
    let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = of("USER").or_else(|| of("LOGNAME")).or_else(own_name);
    let user = user.unwrap_or_else(|| "unknown".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = of("HOSTNAME").unwrap_or_else(|| host.trim().to_owned());
    format!("{user}@{host}")
}

/// The name that goes with the user this runs as, or the number: a service and a container have no `USER`.
fn own_name() -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let own = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, uid) = (fields.next()?, fields.next()?, fields.next()?);
        (uid == own && !name.is_empty()).then(|| name.to_owned())
    });
    Some(named.unwrap_or(own))
}
