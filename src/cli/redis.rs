//! `redis`: what the guards of this machine do, and what somebody orders of them before Redis is worked on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::args::{RedisArgs, RedisRecoverArgs, RedisVerb};
use super::confirm::agree;
use super::context::Context;
use super::error::Error;
use super::flip::user;
use super::guards::guarded;
use super::local::unheard;
use super::report::Form;
use crate::agent::{GuardOrder, GuardRequest, ask};
use crate::config::Config;
use crate::hcl::nearest;
use crate::redis::{GuardReport, JournalReport, Observation as Observed, Recovered, State};
use crate::store::encoded;

pub(super) async fn run(context: &Context, args: &RedisArgs) -> Result<u8, Error> {
    let config = context.config()?;
    if context.common.site.is_some() {
        // One that there is.
        config.site(context.common.site.as_deref())?;
    }
    let state = Context::state(&config);
    let (order, name, lasts) = match &args.verb {
        RedisVerb::Status(args) => {
            return status(context, &config, state, args.name.as_deref()).await;
        }
        RedisVerb::Open(args) => (GuardOrder::Open, &args.guard.name, args.r#for),
        RedisVerb::Hold(args) => (GuardOrder::Hold, &args.guard.name, args.r#for),
        RedisVerb::Close(args) => (GuardOrder::Close, &args.name, Duration::ZERO),
        RedisVerb::Recover(args) => return recover(context, &config, &state, args).await,
    };
    let site = site_of(context, &config, name)?;
    let answer = asked(&state, (&site, name), order, lasts).await?;
    let guard: GuardReport = answered(&answer, "guard")?;
    if context.report.form() == Form::Json {
        context.report.object(&json!({ "format": 1, "guard": guard }))?;
        return Ok(0);
    }
    context.report.data(&line(&guard))?;
    next(context, order, name, &guard);
    Ok(0)
}

async fn asked(
    state: &Path,
    (site, name): (&str, &str),
    order: GuardOrder,
    lasts: Duration,
) -> Result<(StatusCode, Value), Error> {
    let path = format!("/redis/{}/{}", encoded(site), encoded(name));
    let request = json!(GuardRequest { order, lasts: lasts.as_secs(), by: user() });
    ask(state, (Method::POST, &path), Some(&request)).await.map_err(unheard)
}

async fn recover(
    context: &Context,
    config: &Config,
    state: &Path,
    args: &RedisRecoverArgs,
) -> Result<u8, Error> {
    let name = &args.guard.name;
    let site = site_of(context, config, name)?;
    let (order, what) = if args.flush {
        (
            GuardOrder::Flush,
            format!(
                "this empties each database of the Redis of {name} in which something was dropped, and every one where that is not known: others' keys, too"
            ),
        )
    } else {
        (
            GuardOrder::AcceptStale,
            format!(
                "what was written or deleted while the Redis of {name} was away may then be read as it was before"
            ),
        )
    };
    if !args.yes {
        agree(context.report, &what)?;
    }
    let answer = asked(state, (&site, name), order, Duration::ZERO).await?;
    let Recovered { databases, given_up, guards } = answered(&answer, "recovered")?;
    if context.report.form() == Form::Json {
        let done = json!({ "databases": databases, "given_up": given_up, "guards": guards });
        context.report.object(&json!({ "format": 1, "recovered": done }))?;
        return Ok(0);
    }
    let flushed: Vec<_> = databases.iter().map(ToString::to_string).collect();
    let mut done = if flushed.is_empty() {
        format!("{name}  nothing is flushed, {given_up} keys are given up")
    } else {
        format!("{name}  flushed: database {}", flushed.join(", "))
    };
    if !guards.is_empty() {
        done = format!("{done}; forgotten what was dropped by {}", guards.join(", "));
    }
    context.report.data(&done)?;
    context
        .report
        .words(&format!("Redis is asked again once it is well: roadworks redis status {name}"));
    Ok(0)
}

/// The next step, or what is not as it was asked.
fn next(context: &Context, order: GuardOrder, name: &str, guard: &GuardReport) {
    let left = guard.connections;
    let of_site = context.common.site.as_ref().map(|site| format!(" --site {site}"));
    let of_site = of_site.unwrap_or_default();
    if let (GuardOrder::Close, Some(left)) = (order, &guard.ordered) {
        return context.report.words(&format!("Redis is left alone by {} still.", left.by));
    }
    context.report.words(&match order {
        GuardOrder::Close if matches!(guard.state, State::Closed | State::Reads | State::Writes) => format!("Redis is asked again for {name}."),
        GuardOrder::Close => format!(
            "Redis is not found to be well yet; it is asked again once it is: roadworks redis status {name}{of_site}"
        ),
        GuardOrder::Open | GuardOrder::Hold if left > 0 => format!(
            "{left} connections to Redis are left: look again with roadworks redis status {name}{of_site}"
        ),
        GuardOrder::Open | GuardOrder::Hold => {
            format!("Redis is left alone. Afterwards: roadworks redis close {name}{of_site}")
        }
        GuardOrder::Flush | GuardOrder::AcceptStale => {
            format!("Redis is asked again once it is well: roadworks redis status {name}{of_site}")
        }
    });
}

async fn status(
    context: &Context,
    config: &Config,
    state: PathBuf,
    name: Option<&str>,
) -> Result<u8, Error> {
    let wanted = match name {
        Some(name) => Some((site_of(context, config, name)?, name)),
        None => None,
    };
    let (_, answer) = ask(&state, (Method::GET, "/redis"), None).await.map_err(unheard)?;
    let mut guards: Vec<GuardReport> = read(&answer, "guards")?;
    if let Some(site) = &context.common.site {
        guards.retain(|guard| guard.site == *site);
    }
    if let Some((site, name)) = &wanted {
        guards.retain(|guard| guard.site == *site && guard.name == *name);
        if guards.is_empty() {
            return Err(no_such(&format!("the running `roadworks serve` has no guard \"{name}\"")));
        }
    }
    if context.report.form() == Form::Json {
        context.report.object(&json!({ "format": 1, "guards": guards }))?;
    } else if guards.is_empty() {
        context.report.data("the running `roadworks serve` guards no Redis")?;
    } else {
        let lines: Vec<_> = guards.iter().map(whole).collect();
        context.report.data(&lines.join("\n"))?;
    }
    Ok(0)
}

/// The site that has a guard of this name.
fn site_of(context: &Context, config: &Config, name: &str) -> Result<String, Error> {
    let wanted = context.common.site.as_deref();
    let all = guarded(config);
    let of_site = || all.iter().filter(|(site, _)| wanted.is_none_or(|wanted| site == wanted));
    let mut found = of_site().filter(|(_, redis)| redis.name == name);
    match (found.next(), found.next()) {
        (Some((site, _)), None) => Ok(site.clone()),
        (Some((one, _)), Some((other, _))) => Err(Error::Usage {
            message: format!("\"{name}\" is a guard of {one} and of {other}"),
            hint: format!("say which with --site {one}"),
        }),
        (None, _) => {
            let names: Vec<_> = of_site().map(|(_, redis)| redis.name.as_str()).collect();
            let hint = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None if names.is_empty() => {
                    "add a `redis` block: docs/redis.md has an example".to_owned()
                }
                None => format!("known: {}", names.join(", ")),
            };
            Err(Error::Usage { message: format!("there is no `redis` block \"{name}\""), hint })
        }
    }
}

fn answered<T: DeserializeOwned>(
    (status, answer): &(StatusCode, Value),
    part: &str,
) -> Result<T, Error> {
    if *status == StatusCode::OK {
        return read(answer, part);
    }
    let hint = answer.pointer("/error/hint").and_then(Value::as_str);
    let message = answer.pointer("/error/message").and_then(Value::as_str);
    let message = message.unwrap_or("it was refused");
    Err(match *status {
        StatusCode::CONFLICT if hint.is_some() => Error::Refused {
            code: "not-recovered",
            message: message.to_owned(),
            hint: hint.unwrap_or_default().to_owned(),
        },
        StatusCode::FORBIDDEN => Error::Refused {
            code: "observes",
            message: message.to_owned(),
            hint: "take `mode = \"observe\"` out of its block, and restart `roadworks serve`"
                .to_owned(),
        },
        StatusCode::CONFLICT => Error::Refused {
            code: "left-alone",
            message: message.to_owned(),
            hint: "it is asked again once the site is opened: roadworks open".to_owned(),
        },
        _ => no_such(message),
    })
}

/// A part of what the process said; one of another version may say it otherwise.
fn read<T: DeserializeOwned>(answer: &Value, key: &str) -> Result<T, Error> {
    let part = answer.get(key).cloned().unwrap_or_default();
    serde_json::from_value(part).map_err(|error| Error::Answered {
        code: "not-understood",
        message: format!("what `roadworks serve` says of its guards is not understood: {error}"),
        hint: "restart it, so that it is of this version".to_owned(),
        place: None,
    })
}

fn no_such(message: &str) -> Error {
    Error::Answered {
        code: "no-such-guard",
        message: message.to_owned(),
        hint: "`redis` blocks change at a restart of `roadworks serve`; with `--role agent` it runs none".to_owned(),
        place: None,
    }
}

/// One guard, in a line.
fn line(guard: &GuardReport) -> String {
    let mut line = format!("{}  {}  {}", guard.name, guard.state.word(), meaning(guard.state));
    if let Some(since) = guard.since {
        line = format!("{line} since {}", time(since));
    }
    if let Some(why) = &guard.why {
        line = format!("{line}: {why}");
    }
    if let Some(until) = guard.ordered.as_ref().and_then(|ordered| ordered.until) {
        line = format!("{line}, until {}", time(until));
    }
    line
}

/// One guard, with what it has.
fn whole(guard: &GuardReport) -> String {
    let mut lines = vec![line(guard)];
    if let Some(unfit) = &guard.unfit {
        lines.push(format!("  this upstream cannot be guarded: {unfit}"));
    }
    let GuardReport { name, upstream, site, role, clients, connections, .. } = guard;
    lines.push(format!(
        "  {upstream} of {site}, role {role}; {clients} clients, {connections} connections to it"
    ));
    match &guard.journal {
        Some(JournalReport { broken: Some(why), .. }) => {
            lines.push(format!(
                "  the journal is of no use: {why}; decide by roadworks redis recover {name}"
            ));
        }
        Some(JournalReport { keys, .. }) if *keys > 0 => {
            lines.push(format!("  {keys} keys to remove before it is read"));
        }
        Some(_) | None => {}
    }
    if guard.state == State::Writes {
        lines.push(format!(
            "  where that guard is gone for good, nobody knows what: decide by roadworks redis recover {name}"
        ));
    }
    if let Some(Observed { rules, .. }) = &guard.observed {
        lines.push("  it only observes. What its keys seem to be for:".to_owned());
        lines.extend(rules.lines().map(|rule| format!("    {rule}")));
    }
    let said = guard.answers.iter().filter(|(_, count)| **count > 0);
    let said: Vec<_> = said.map(|(reason, count)| format!("{count} {reason}")).collect();
    if !said.is_empty() {
        lines.push(format!("  answered since its start: {}", said.join(", ")));
    }
    lines.join("\n")
}

fn meaning(state: State) -> &'static str {
    match state {
        State::Closed => "redis is asked",
        State::Reads => "redis is read, and what it does not take is dropped",
        State::Writes => "reads miss: a guard has yet to remove what it dropped",
        State::Hold => "clients wait",
        State::Open => "answered without redis",
        State::Refuse => "what concerns keys is refused",
        State::Drop => "connections are closed",
    }
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
