//! `schedule`: windows planned, listed, explained, taken away. An agent begins and ends them.

mod when;

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::args::{AddArgs, AtEnd, ScheduleArgs, ScheduleVerb};
use super::confirm::agree;
use super::context::{Context, Opened};
use super::error::Error;
use super::flip::{user, who};
use super::report::Form;
use crate::agent::{
    MOST_WINDOWS, Planned, alive, by_window, cancel_window, forget_window, is_left_alone,
    plan_window, windows, zone_of,
};
use crate::clock;
use crate::store::{AnyStore, SiteStore};
use crate::switch::window::{Occurrence, Outcome, Seen, Starts};
use crate::switch::{Mode, OnEnd, Switch, Window};

const FORMAT: u32 = 1;

pub(super) async fn run(context: &Context, args: &ScheduleArgs) -> Result<u8, Error> {
    let config = context.config()?;
    let site = config.site(context.common.site.as_deref())?;
    let store = Context::store(&config, site).await?;
    let name = site.name.clone().unwrap_or_else(|| "site".to_owned());
    match &args.verb {
        ScheduleVerb::Add(args) => {
            // Whoever cannot reach the levers plans all the same: the agent tells where a window cannot begin.
            let opened = Box::pin(context.open_site(&config, site)).await.ok();
            add(context, (&name, opened.as_ref()), &store, args).await
        }
        ScheduleVerb::List => list(context, &name, &store).await,
        ScheduleVerb::Cancel(args) => {
            let opened = Box::pin(context.open_site(&config, site)).await.ok();
            let by = by(opened.as_ref()).await;
            if !cancel_window(&store, &name, (&args.id, &by)).await? {
                return Err(no_window(&args.id));
            }
            if context.report.form() == Form::Json {
                let object = json!({ "format": FORMAT, "site": name, "cancelled": args.id });
                context.report.object(&object)?;
            } else {
                context.report.data(&format!("{} is cancelled", args.id))?;
                goes_on(context, &store, &args.id).await?;
            }
            Ok(0)
        }
        ScheduleVerb::Explain(args) => explain(context, &name, &store, args.id.as_deref()).await,
    }
}

async fn add(
    context: &Context,
    (name, opened): (&str, Option<&Opened>),
    store: &SiteStore<AnyStore>,
    args: &AddArgs,
) -> Result<u8, Error> {
    let mode = mode_of(&args.mode)?;
    if let Some(opened) = opened {
        opened.site.offers(mode)?;
    }
    let (zone_name, zone) = when::zone(args.timezone.as_deref())?;
    let now = clock::now();
    let starts = when::starts(&args.when, &zone, now)?;
    let lasts = when::lasts(args, &starts, &zone)?;
    let known = read(context, store).await?;
    let (over, known): (Vec<_>, Vec<_>) =
        known.into_iter().partition(|(window, _)| is_over(window, now));
    let window = Window {
        format: FORMAT,
        id: id(known.iter().chain(&over), now),
        mode,
        starts,
        zone: zone_name,
        lasts,
        on_end: (args.on_end == AtEnd::Stay).then_some(OnEnd::Stay),
        reason: args.reason.clone(),
        by: by(opened).await,
        from: now,
        last: None,
        begins: None,
        ahead: args.announce.map(seconds),
        announced: None,
        remind: args.remind.map(seconds),
        reminded: None,
    };
    let window = agreed(context, window, &zone, now, args)?;
    room(&known, &window, &zone, now)?;
    for (window, _) in over {
        forget_window(store, &window.id).await?;
    }
    plan_window(store, &window).await?;
    let next = window.current(&zone, now).or_else(|| window.next(&zone, now));
    if alive(store).await?.is_none() {
        context.report.words(
            "warning: no agent leads this site, so nobody would begin it: run `roadworks serve`",
        );
    }
    if context.report.form() == Form::Json {
        let object = json!({ "format": FORMAT, "site": name, "window": object(&window, next) });
        context.report.object(&object)?;
        return Ok(0);
    }
    let times = next.map(|next| times(&next, &zone)).unwrap_or_default();
    context.report.data(&format!("{}  {}: {times}", window.id, planned(&window)))?;
    context.report.words("Next: roadworks schedule list");
    Ok(0)
}

/// What the window `id` began goes on: that is said where somebody might take it for over.
async fn goes_on(context: &Context, store: &SiteStore<AnyStore>, id: &str) -> Result<(), Error> {
    let by = format!("(window {id})");
    let began = |switch: &Switch| switch.mode != Mode::Open && switch.by.ends_with(&by);
    let Some((switch, _)) = store.switch().await?.filter(|(switch, _)| began(switch)) else {
        return Ok(());
    };
    let until = switch.until.map(|until| format!(", until {until}")).unwrap_or_default();
    context.report.words(&format!(
        "What it began goes on: the site is asked to be {}{until}. Next: roadworks open",
        switch.mode
    ));
    Ok(())
}

/// Who plans, or cancels: whoever cannot reach the levers is known by their name on this machine.
async fn by(opened: Option<&Opened>) -> String {
    match opened {
        Some(opened) => who(opened).await,
        None => user(),
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn mode_of(word: &str) -> Result<Mode, Error> {
    match word.parse::<Mode>() {
        Ok(Mode::Open) => Err(when::usage("a site is open without a window".to_owned())),
        Ok(mode) => Ok(mode),
        Err(error) => Err(when::usage(error.to_string())),
    }
}

/// An id that is short enough to be typed.
fn id<'a>(known: impl Iterator<Item = &'a Planned>, now: Timestamp) -> String {
    let number = known.filter_map(|(window, _)| window.id.strip_prefix('w')?.parse::<u64>().ok());
    let next = number.max().unwrap_or(0) + 1;
    // Of two people who plan at once one is refused: the document is there.
    if next > 9_999 { format!("w{:x}", now.as_second()) } else { format!("w{next}") }
}

/// One that would have started already begins at once where somebody says so.
fn agreed(
    context: &Context,
    window: Window,
    zone: &TimeZone,
    now: Timestamp,
    args: &AddArgs,
) -> Result<Window, Error> {
    let Starts::Once { at } = window.starts else { return Ok(window) };
    if at >= now {
        return Ok(window);
    }
    if window.current(zone, now).is_none() {
        return Err(when::usage(format!("{} is over", times_of(&window, at, zone))));
    }
    if !args.yes {
        agree(context.report, &format!("it would have started at {at}, so it begins at once"))?;
    }
    Ok(Window { from: at, ..window })
}

/// Refuses a window that wants the site when another one does.
fn room(known: &[Planned], window: &Window, zone: &TimeZone, now: Timestamp) -> Result<(), Error> {
    if known.len() >= MOST_WINDOWS {
        return Err(Error::Usage {
            message: format!("a site has {MOST_WINDOWS} windows at most"),
            hint: "cancel some: roadworks schedule list".to_owned(),
        });
    }
    if let Some(at) = window.meets_itself(zone, now) {
        return Err(when::usage(format!("it is longer than the time to its next start, at {at}")));
    }
    for (other, _) in known {
        let Some(others) = zone_of(other) else { continue };
        if let Some(at) = window.meets(other, (zone, &others), now) {
            return Err(Error::Usage {
                message: format!("it overlaps window {} at {at}: {}", other.id, planned(other)),
                hint: format!(
                    "choose another time, or cancel that one: roadworks schedule cancel {}",
                    other.id
                ),
            });
        }
    }
    Ok(())
}

async fn list(context: &Context, name: &str, store: &SiteStore<AnyStore>) -> Result<u8, Error> {
    let (known, now) = (read(context, store).await?, clock::now());
    if context.report.form() == Form::Json {
        context.report.object(&json!({
            "format": FORMAT,
            "site": name,
            "windows": announced(&known, now),
        }))?;
        return Ok(0);
    }
    if known.is_empty() {
        context.report.words("There are no windows. Next: roadworks schedule add --help");
        return Ok(0);
    }
    let line = |(window, _): &Planned| {
        let zone = zone_of(window);
        let next = zone.as_ref().and_then(|zone| coming(window, zone, now));
        let times = match (&zone, next) {
            (Some(zone), Some(next)) => times(&next, zone),
            (Some(_), None) => "over".to_owned(),
            (None, _) => format!("this machine knows no time zone {}", window.zone),
        };
        format!("{:<5} {}: {times}", window.id, planned(window))
    };
    context.report.data(&known.iter().map(line).collect::<Vec<_>>().join("\n"))?;
    Ok(0)
}

async fn explain(
    context: &Context,
    name: &str,
    store: &SiteStore<AnyStore>,
    id: Option<&str>,
) -> Result<u8, Error> {
    let (mut known, now) = (read(context, store).await?, clock::now());
    if let Some(id) = id {
        known.retain(|(window, _)| window.id == id);
        if known.is_empty() {
            return Err(no_window(id));
        }
    }
    let switch = store.switch().await?.map(|(switch, _)| switch);
    let agent = alive(store).await?.is_some();
    let explained: Vec<_> = known
        .iter()
        .map(|(window, _)| (window, why(window, switch.as_ref(), now, agent)))
        .collect();
    if context.report.form() == Form::Json {
        let windows: Vec<_> = explained
            .iter()
            .map(|(window, (active, why))| {
                let next = zone_of(window).and_then(|zone| coming(window, &zone, now));
                let mut object = object(window, next);
                if let Some(fields) = object.as_object_mut() {
                    fields.insert("active".to_owned(), json!(active));
                    fields.insert("why".to_owned(), json!(why));
                }
                object
            })
            .collect();
        context.report.object(&json!({ "format": FORMAT, "site": name, "windows": windows }))?;
        return Ok(0);
    }
    let line = |(window, (_, why)): &(&Window, (bool, String))| {
        format!("{:<5} {}: {why}", window.id, planned(window))
    };
    context.report.data(&explained.iter().map(line).collect::<Vec<_>>().join("\n"))?;
    Ok(0)
}

/// Whether a window is active, and why.
#[expect(clippy::fn_params_excessive_bools, reason = "whether an agent lives is a question")]
fn why(window: &Window, switch: Option<&Switch>, now: Timestamp, agent: bool) -> (bool, String) {
    let Some(zone) = zone_of(window) else {
        let why = format!("not active: this machine knows no time zone {}", window.zone);
        return (false, why);
    };
    let Some(found) = window.current(&zone, now) else {
        let last = window.last.as_ref();
        let why = match (window.next(&zone, now), last.map(|last| (last.outcome, last))) {
            (Some(next), _) => {
                let left = SignedDuration::from_secs(next.start.as_second() - now.as_second());
                format!("not active: it starts in {left:#}, {}", times(&next, &zone))
            }
            (None, Some((Outcome::Begun, last))) => format!("over: it was begun at {}", last.start),
            (None, Some((_, last))) => {
                let why = last.why.as_deref().unwrap_or_default();
                format!("over, and it never began: {why}")
            }
            (None, None) => "over, and it never began: no agent led the site then".to_owned(),
        };
        return (false, why);
    };
    let until = found.end;
    let ours =
        switch.filter(|switch| switch.by == by_window(window) && switch.since >= found.start);
    if let Some(switch) = ours.filter(|switch| switch.mode != Mode::Open) {
        return (true, format!("active since {}, until {until}", switch.since));
    }
    if found.start < window.from {
        let why =
            format!("not active: this time had begun when it was planned, at {}", window.from);
        return (false, why);
    }
    match (window.seen(&found), switch) {
        (Some(Seen { outcome: Outcome::Begun, .. }), Some(switch)) => (
            false,
            format!(
                "not active any more: {} has asked for {} at {}",
                switch.by, switch.mode, switch.since
            ),
        ),
        (Some(seen), _) if seen.outcome != Outcome::Begun && agent => {
            let why = seen.why.as_deref().unwrap_or_default();
            (
                false,
                format!("not active: {why}; the agent looks after it again within half a minute"),
            )
        }
        (_, Some(switch)) if is_left_alone(switch, window, &found, now) => {
            (false, format!("not active: {} has asked for {} already", switch.by, switch.mode))
        }
        _ if !agent => {
            (false, "not active: its time has come, and no agent leads this site".to_owned())
        }
        _ => (false, "its time has come: the agent begins it within seconds".to_owned()),
    }
}

fn no_window(id: &str) -> Error {
    Error::Usage {
        message: format!("there is no window {id}"),
        hint: "see roadworks schedule list".to_owned(),
    }
}

/// The windows that can be read; of the others it is said.
async fn read(context: &Context, store: &SiteStore<AnyStore>) -> Result<Vec<Planned>, Error> {
    let (known, torn) = windows(store).await?;
    for error in torn {
        context.report.words(&format!("warning: a window will not begin: {error}"));
    }
    Ok(known)
}

fn is_over(window: &Window, now: Timestamp) -> bool {
    zone_of(window).is_some_and(|zone| coming(window, &zone, now).is_none())
}

/// The time that it is in, or the next one.
fn coming(window: &Window, zone: &TimeZone, now: Timestamp) -> Option<Occurrence> {
    let current = window.current(zone, now).filter(|found| found.start >= window.from);
    current.or_else(|| window.next(zone, now))
}

/// What `status` announces of windows to come.
pub(super) fn announced(known: &[Planned], now: Timestamp) -> Vec<Value> {
    let of = |(window, _): &Planned| {
        object(window, zone_of(window).and_then(|zone| coming(window, &zone, now)))
    };
    known.iter().map(of).collect()
}

fn object(window: &Window, next: Option<Occurrence>) -> Value {
    json!({
        "id": window.id,
        "mode": window.mode,
        "when": planned_when(window),
        "timezone": window.zone,
        "for": window.lasts,
        "next": next,
        "reason": window.reason,
        "by": window.by,
    })
}

/// `closed every sat 03:00 Europe/Berlin for 30 min`
fn planned(window: &Window) -> String {
    let lasts = SignedDuration::from_secs(i64::from(window.lasts));
    format!("{} {} {} for {lasts:#}", window.mode, planned_when(window), window.zone)
}

fn planned_when(window: &Window) -> String {
    match &window.starts {
        Starts::Once { at } => format!("once at {at}"),
        Starts::Weekly { days, time } => {
            let words: Vec<_> = days.iter().map(|day| day.word()).collect();
            let days = if days.len() == 7 { "day".to_owned() } else { words.join(",") };
            format!("every {days} {}", time.strftime("%H:%M"))
        }
    }
}

fn times(found: &Occurrence, zone: &TimeZone) -> String {
    let local = found.start.to_zoned_datetime(zone.clone());
    let skipped = if found.skipped { ", since clocks skip its time that day" } else { "" };
    format!("{} ({}){skipped}", found.start, local.strftime("%a %Y-%m-%d %H:%M %Z"))
}

fn times_of(window: &Window, at: Timestamp, zone: &TimeZone) -> String {
    let end = at.checked_add(SignedDuration::from_secs(i64::from(window.lasts)));
    let end = end.unwrap_or(Timestamp::MAX);
    times(&Occurrence { start: at, end, skipped: false }, zone)
}
