//! `check`: is it safe to reopen? Asks every check of the site until it passes or its time is over, as `open` does.

use std::time::Duration;

use super::context::{Context, guards};
use super::error::Error;
use super::report::{Form, Waiting, check_object, check_words};
use super::settle;
use crate::checks::passed;

/// The exit code where a check does not pass.
const REFUSED: u8 = 3;

pub(super) async fn run(context: &Context) -> Result<u8, Error> {
    let config = context.config()?;
    let site = config.site(context.common.site.as_deref())?;
    let store = Context::store(&config, site).await?;
    let guards = guards(site, &store, &settle::resolvers(&site.settle)?).await;
    let waiting = Waiting::new(context.report);
    let hears = |name: &str, what: &str, waited| {
        waiting.told(&format!("check {name}: {what}"), waited);
    };
    let outcomes = passed(guards.iter(), Duration::MAX, &hears).await;
    waiting.ended();
    if context.report.form() == Form::Json {
        context.report.object(&check_object(site.name.as_deref(), &outcomes))?;
    } else {
        context.report.data(&check_words(&outcomes))?;
    }
    let failed = outcomes.iter().any(|outcome| outcome.found.is_err());
    Ok(if failed { REFUSED } else { 0 })
}
