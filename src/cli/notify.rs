//! `notify test`: is everybody told who is to be? Sends one event to each, and leaves switch and log alone.

use serde_json::{Value, json};

use super::args::{NotifyArgs, NotifyVerb};
use super::context::Context;
use super::error::Error;
use super::flip::user;
use super::report::Form;
use crate::clock;
use crate::config::{NotifyConfig, NotifyWay, Occasion};
use crate::notify::{self, Event};
use crate::switch::{Mode, OperationId};
use crate::tasks::all;

pub(super) async fn run(context: &Context, args: &NotifyArgs) -> Result<u8, Error> {
    let NotifyVerb::Test = args.verb;
    let config = context.config()?;
    let site = config.site(context.common.site.as_deref())?;
    let name = site.name.clone().unwrap_or_else(|| "site".to_owned());
    if site.notify.is_empty() {
        return Err(Error::Usage {
            message: format!("nobody is told of {name}: it has no `notify` block"),
            hint: "docs/notify.md has one to copy".to_owned(),
        });
    }
    let event = test(&name);
    let told = all(site.notify.iter().map(|one| notify::tell(one, &event, clock::now()))).await;
    let told: Vec<_> = site.notify.iter().zip(told).collect();
    if context.report.form() == Form::Json {
        let targets: Vec<_> = told.iter().map(|(one, told)| object(one, told)).collect();
        context.report.object(&json!({ "format": 1, "site": name, "targets": targets }))?;
    } else {
        let lines: Vec<_> = told.iter().map(|(one, told)| line(one, told)).collect();
        context.report.data(&lines.join("\n"))?;
    }
    match told.iter().filter(|(_, told)| told.is_err()).count() {
        0 => Ok(0),
        untold => Err(Error::Untold { untold, all: told.len() }),
    }
}

fn test(site: &str) -> Event {
    let now = clock::now();
    let operation = OperationId::at(now, fastrand::u32(..)).to_string();
    Event {
        id: format!("test-{operation}"),
        occasion: Occasion::Test,
        at: now,
        site: site.to_owned(),
        operation,
        from: Mode::Open,
        mode: Mode::Open,
        by: user(),
        reason: None,
        starts: None,
        until: None,
        detail: None,
    }
}

fn object(one: &NotifyConfig, told: &Result<(), notify::Error>) -> Value {
    let error = told.as_ref().err();
    json!({
        "name": one.name,
        "kind": one.kind(),
        "told": told.is_ok(),
        "why": error.map(ToString::to_string),
        "hint": error.map(notify::Error::hint),
    })
}

fn line(one: &NotifyConfig, told: &Result<(), notify::Error>) -> String {
    let who = named(one);
    match told {
        Ok(()) => format!("ok    {who}: told"),
        Err(error) => format!("fail  {who}: {error}\n      {}", error.hint()),
    }
}

/// `slack "ops"`, and where it is as far as that is nobody's secret.
pub(super) fn named(one: &NotifyConfig) -> String {
    let kind = one.kind();
    let name = if one.name == kind { kind.to_owned() } else { format!("{kind} \"{}\"", one.name) };
    match &one.way {
        NotifyWay::Webhook { to, .. }
        | NotifyWay::Slack { to }
        | NotifyWay::Alertmanager { to, .. } => format!("{name} at {}", to.origin),
        NotifyWay::Exec { command, .. } => {
            format!("{name} `{}`", command.first().map_or("", String::as_str))
        }
        NotifyWay::Lacking { .. } => name,
    }
}
