//! `pipeline pass` and `pipeline release`: who waits before a closed stage goes on, one or all, once somebody agrees.

use std::time::Duration;

use serde_json::json;

use super::super::args::{AgreeArgs, PassArgs};
use super::super::confirm::agree;
use super::super::context::Context;
use super::super::error::{Error, Interruption};
use super::super::flip::{interrupted, user};
use super::super::report::{Form, Waiting};
use super::Known;
use crate::agent::{self, Asks, may_release};
use crate::pipeline::{Freezer, Transition};
use crate::store::{AnyStore, SiteStore};

pub(super) async fn pass(context: &Context, args: &PassArgs) -> Result<u8, Error> {
    let known = Known::of(context).await?;
    let freezer = known.freezer()?;
    let gate = freezer.gate().await.map_err(agent::Error::from)?;
    if gate.transition == Transition::Frozen && !gate.waiting.is_empty() {
        let list = gate.waiting.join(", ");
        context.report.words(&format!(
            "{} before {}: {list}",
            waits(gate.waiting.len()),
            freezer.told()
        ));
        agreed(
            context,
            args.yes,
            "one execution enters the closed stage, with the values that it began with",
        )?;
    }
    let mut ended_by: Option<Interruption> = None;
    let waiting = Waiting::new(context.report);
    let by = user();
    let asks = Asks { site: &known.site, by: &by, timeout: args.timeout };
    let stop = async { ended_by = Some(interrupted().await) };
    let passed = agent::pass(&known.store, freezer, asks, stop, &waiting).await;
    waiting.ended();
    let passed = passed?;
    if let (None, Some(signal)) = (&passed, ended_by) {
        return Err(Error::Interrupted { signal });
    }
    let id = passed.unwrap_or_default();
    if context.report.form() == Form::Json {
        context.report.object(&json!({ "format": 1, "site": known.site, "passed": id }))?;
    } else {
        context.report.data(&format!(
            "{}  execution {id} passed, and the stage is closed again",
            known.site
        ))?;
        context.report.words(&format!("Next: roadworks pipeline follow {id}"));
    }
    Ok(0)
}

pub(super) async fn release(context: &Context, args: &AgreeArgs) -> Result<u8, Error> {
    let known = Known::of(context).await?;
    let freezer = known.freezer()?;
    may_release(&known.store).await?;
    let gate = freezer.gate().await.map_err(agent::Error::from)?;
    if gate.transition == Transition::Frozen {
        for id in &gate.waiting {
            context.report.words(&format!("waits before {}: {id}", freezer.told()));
        }
        agreed(context, args.yes, &question(gate.waiting.len()))?;
    }
    let_go(&known.store, freezer, &known.site).await?;
    if context.report.form() == Form::Json {
        let object = json!({ "format": 1, "site": known.site, "released": gate.waiting });
        context.report.object(&object)?;
    } else {
        context.report.data(&format!("{}  {} is open again", known.site, freezer.told()))?;
    }
    Ok(0)
}

pub(super) async fn let_go(
    store: &SiteStore<AnyStore>,
    freezer: &Freezer,
    site: &str,
) -> Result<(), Error> {
    let by = user();
    let asks = Asks { site, by: &by, timeout: Duration::ZERO };
    Ok(agent::release(store, freezer, asks).await?)
}

/// Asks unless `yes` was said: what would happen, or that nobody confirmed it.
#[expect(clippy::fn_params_excessive_bools, reason = "it is the flag --yes")]
pub(super) fn agreed(context: &Context, yes: bool, what: &str) -> Result<(), Error> {
    if yes { Ok(()) } else { agree(context.report, what) }
}

pub(super) fn question(waiting: usize) -> String {
    format!("{} now go on, with the values that they began with", counted(waiting))
}

/// `1 execution waits`
pub(super) fn waits(waiting: usize) -> String {
    let verb = if waiting == 1 { "waits" } else { "wait" };
    format!("{} {verb}", counted(waiting))
}

fn counted(waiting: usize) -> String {
    let plural = if waiting == 1 { "" } else { "s" };
    format!("{waiting} execution{plural}")
}
