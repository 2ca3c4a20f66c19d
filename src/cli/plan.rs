//! `plan`: what would change, lever by lever. Writes nothing but the pinned targets and the file of `-out`.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::args::PlanArgs;
use super::context::{Context, Opened};
use super::doctor;
use super::error::Error;
use super::report::{Form, commands_object, commands_words, plan_object, plan_words, verb};
use super::settle;
use crate::agent::{Sight, look};
use crate::balancer::Commands;
use crate::config::RecordKey;
use crate::dns::Route53;
use crate::files;
use crate::switch::{Mode, Plan};

/// The exit code of `-detailed-exitcode` where something would change.
const CHANGES: u8 = 2;
/// How long a plan waits to hear about the distribution.
const PREFLIGHT: Duration = Duration::from_secs(5);
/// A plan is a few kilobytes.
const LARGEST: usize = 8 << 20;

/// A plan as a file: the approval of exactly these steps.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedPlan {
    format: u32,
    /// What was planned.
    #[serde(flatten)]
    pub(super) plan: Plan,
    /// The version of the switch that it was planned from; 0 where there was none.
    pub(super) switch_version: u64,
    /// SHA-256 of Terraform's files.
    pub(super) digest: Option<String>,
    /// Which records it is about: a step names no zone, and two zones may have the same name.
    pub(super) records: Vec<RecordKey>,
}

pub(super) async fn run(context: &Context, args: &PlanArgs) -> Result<u8, Error> {
    let wanted = args.mode.as_deref().map(mode_word).transpose()?;
    let mut opened = context.renumbering(args.renumber).open().await?;
    let to = match (wanted, opened.asked) {
        (Some(_), Some(_)) => return Err(asked_twice()),
        (Some(mode), None) => mode,
        (None, Some(value)) => opened.mode_of(value),
        (None, None) => default_mode(&opened).await?,
    };
    opened.site.offers(to)?;
    let sight = look(&opened.site).await?;
    sight.refusal(&opened.site, to, &args.overrides)?;
    context.pin(&mut opened, &sight).await;
    settle::before(&mut opened, &sight, to).await;
    let mut plan = plan_of(&opened, &sight, to);
    plan.warnings.extend(of_the_page(&opened, &plan).await);
    if let Some(path) = &args.out {
        save(path, &plan, &sight, &opened)?;
    }
    if args.as_aws_cli {
        let context = context.renumbering(args.renumber);
        let (make, undo) = Box::pin(as_aws_cli(&context, &opened, &plan)).await?;
        if context.report.form() == Form::Json {
            context.report.object(&commands_object(&plan, &make, &undo))?;
        } else {
            context.report.data(&commands_words(&plan, &make, &undo))?;
        }
    } else if context.report.form() == Form::Json {
        context.report.object(&plan_object(&plan))?;
    } else {
        context.report.data(&plan_words(&plan))?;
        context.report.words(&next_step(&plan, args));
    }
    Ok(if args.detailed_exitcode && plan.changes() { CHANGES } else { 0 })
}

/// The plan with everything that a person should know before saying yes.
pub(super) fn plan_of(opened: &Opened, sight: &Sight, to: Mode) -> Plan {
    let mut plan = sight.plan(&opened.site, to);
    if let Some(holder) = &opened.locked_by {
        plan.warnings.push(format!(
            "{holder} holds the lock of the Terraform state: a flip is refused until it is free"
        ));
    }
    if plan.steps.iter().any(|step| step.kind == "tfvars") {
        plan.warnings.push(
            "the variables file makes `terraform apply` agree in this folder only: a pipeline that runs elsewhere still has its own value".to_owned(),
        );
    }
    plan
}

/// What is wrong with the distribution that a move would lead visitors to, and what keeps them with the app all the same. What
/// cannot be looked at in time is `doctor`'s to say.
pub(super) async fn of_the_page(opened: &Opened, plan: &Plan) -> Vec<String> {
    let leads_there = plan.to == Mode::Detour && plan.changes();
    let Some(session) = opened.session.as_ref().filter(|_| leads_there) else { return Vec::new() };
    let defects = Box::pin(doctor::defects(session, &opened.resolved.records));
    let in_front = Box::pin(doctor::defects_in_front(session, opened));
    let both = async { tokio::join!(within(defects), within(in_front)) };
    let (found, kept) = both.await;
    let words = found.into_iter().chain(kept).map(|finding| {
        let fix = finding.fix.map(|fix| format!("; {fix}")).unwrap_or_default();
        format!("{}{fix}", finding.reason)
    });
    words.collect()
}

async fn within(defects: impl Future<Output = Vec<doctor::Finding>>) -> Vec<doctor::Finding> {
    tokio::time::timeout(PREFLIGHT, defects).await.unwrap_or_default()
}

/// Towards what the variable asks, in a bare folder; else towards what the switch asks.
pub(super) async fn default_mode(opened: &Opened) -> Result<Mode, Error> {
    if let Some(variable) = opened.resolved.variable.as_ref().filter(|_| opened.bare) {
        return Ok(opened.mode_of(variable.value));
    }
    let switch = opened.site.store.switch().await?;
    Ok(switch.map_or(Mode::Open, |(switch, _)| switch.mode))
}

pub(super) fn asked_twice() -> Error {
    Error::Usage {
        message: "a mode and -var of the switch ask for two things".to_owned(),
        hint: "give one of them".to_owned(),
    }
}

fn mode_word(word: &str) -> Result<Mode, Error> {
    word.parse().map_err(|error: crate::switch::UnknownMode| Error::Usage {
        message: error.to_string(),
        hint: "for example: roadworks plan detour".to_owned(),
    })
}

fn next_step(plan: &Plan, args: &PlanArgs) -> String {
    let renumber = if args.renumber { " --renumber" } else { "" };
    match (plan.changes(), &args.out) {
        (false, _) => "Nothing to do.".to_owned(),
        (true, Some(path)) => format!("Next: roadworks apply {}{renumber}", path.display()),
        (true, None) => {
            format!("Next: roadworks {}{renumber}", verb(plan.to))
        }
    }
}

fn save(path: &Path, plan: &Plan, sight: &Sight, opened: &Opened) -> Result<(), Error> {
    let saved = SavedPlan {
        format: 1,
        plan: plan.clone(),
        switch_version: sight.switch.as_ref().map_or(0, |(switch, _)| switch.version),
        digest: opened.resolved.digest.clone(),
        records: keys(opened),
    };
    let failed = |source| Error::File { path: path.to_owned(), doing: "written", source };
    let text =
        serde_json::to_string_pretty(&saved).map_err(|error| failed(io::Error::other(error)))?;
    files::write_whole(path, text.as_bytes()).map_err(failed)
}

/// The records of a site.
pub(super) fn keys(opened: &Opened) -> Vec<RecordKey> {
    opened.resolved.records.iter().map(|record| record.key.clone()).collect()
}

/// A plan that `save` wrote.
pub(super) fn saved(path: &Path) -> Result<SavedPlan, Error> {
    let content = files::read_up_to(path, LARGEST)
        .and_then(|content| content.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(|source| Error::File { path: path.to_owned(), doing: "read", source })?;
    let not_one = |why: String| Error::NotAPlan { path: path.to_owned(), why };
    let plan: SavedPlan =
        serde_json::from_slice(&content).map_err(|error| not_one(error.to_string()))?;
    if plan.format != 1 {
        return Err(not_one(format!("its format is {}", plan.format)));
    }
    Ok(plan)
}

/// The commands of AWS's own command line that make the plan and undo it, in the order in which to run them.
async fn as_aws_cli(context: &Context, opened: &Opened, plan: &Plan) -> Result<Commands, Error> {
    let listeners = context.listeners(&opened.resolved).await?;
    if opened.session.is_none() && listeners.is_none() {
        return Err(Error::Usage {
            message: format!(
                "{} has no name to move in Route 53, and no listener",
                opened.site.name
            ),
            hint: "leave out --as-aws-cli".to_owned(),
        });
    }
    let mut of_name = Commands::default();
    if let Some(session) = opened.session.clone() {
        let name = Route53::new(session, opened.resolved.records.clone());
        let profile = opened.resolved.account.profile.as_deref();
        of_name = name.as_aws_cli(&plan.steps, profile).await.map_err(crate::agent::Error::from)?;
    }
    let mut of_listeners = Commands::default();
    if let Some((lever, profile)) = listeners {
        let commands = lever.as_aws_cli(&plan.steps, profile.as_deref()).await;
        of_listeners = commands.map_err(crate::agent::Error::from)?;
    }
    // Visitors are closed out first, and let in last.
    let (first, last) =
        if plan.is_opening() { (of_name, of_listeners) } else { (of_listeners, of_name) };
    Ok(([first.0, last.0].concat(), [last.1, first.1].concat()))
}
