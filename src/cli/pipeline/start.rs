//! `pipeline start`: the seed's own way, with proof. The pipeline is started with the variable, followed stage by stage, and the
//! record, or the listener where the boolean moves no name, is looked at afterwards. Whatever ends this command, the execution goes on.

use std::time::Duration;

use serde_json::json;

use super::super::args::{FollowArgs, StartArgs};
use super::super::confirm::{agree, confirm};
use super::super::context::{Context, Opened, USUAL, codepipeline};
use super::super::error::{Error, RunEnd};
use super::super::flip::interrupted;
use super::super::report::{Form, Waiting};
use super::configured;
use crate::agent;
use crate::clock;
use crate::lever::{Observation, Position, Progress as _};
use crate::pipeline::{CodePipeline, Ended, Told};
use crate::switch::{LeverName, Mode, OperationId};

/// How often it is looked at before it is said not to have moved, and how long between.
const LOOKS: u32 = 3;
const BETWEEN: Duration = Duration::from_secs(1);

/// An execution, and what it is to do.
struct Run<'a> {
    context: &'a Context,
    opened: Opened,
    pipeline: CodePipeline,
    variable: String,
}

impl<'a> Run<'a> {
    async fn of(context: &'a Context) -> Result<Run<'a>, Error> {
        let config = context.config()?;
        let site = config.site(context.common.site.as_deref())?;
        let configured = configured(site)?;
        let opened = Box::pin(context.open_site(&config, site)).await?;
        let pipeline = codepipeline(configured).await;
        let boolean = opened.resolved.variable.as_ref().map(|variable| variable.name.clone());
        let variable = configured.variable.clone().or(boolean).unwrap_or_else(|| USUAL.to_owned());
        Ok(Run { context, opened, pipeline, variable })
    }
}

pub(super) async fn run(context: &Context, args: &StartArgs) -> Result<u8, Error> {
    let run = Box::pin(Run::of(context)).await?;
    let asked = run.opened.asked;
    if let Some(holder) = &run.opened.locked_by {
        return Err(Error::StateLocked { holder: Box::new(holder.clone()) });
    }
    let declared = run.pipeline.declared(&run.variable).await;
    let expected = match (asked, declared) {
        (Some(value), Ok(_)) => Some(value),
        (Some(_), Err(error)) => return Err(agent::Error::from(error).into()),
        // Without a word it runs with what is there, whatever that is.
        (None, declared) => declared.ok().flatten().and_then(|value| value.parse().ok()),
    };
    if !args.yes {
        agreed(&run, asked)?;
    }
    let variables = asked.map(|value| (run.variable.clone(), value.to_string()));
    let token = OperationId::at(clock::now(), fastrand::u32(..)).to_string();
    let variables: Vec<_> = variables.into_iter().collect();
    let started = run.pipeline.start(&variables, &token).await;
    let id = started.map_err(agent::Error::from)?;
    context.report.words(&format!(
        "Started {id} of {}. It goes on whatever becomes of this command.",
        run.pipeline.name()
    ));
    to_its_end(&run, &id, expected, args.timeout).await
}

pub(super) async fn follow(context: &Context, args: &FollowArgs) -> Result<u8, Error> {
    let run = Box::pin(Run::of(context)).await?;
    let value = run.pipeline.value_of(&args.id, &run.variable).await;
    let value = value.map_err(agent::Error::from)?;
    let expected = run.opened.asked.or_else(|| value.and_then(|value| value.parse().ok()));
    to_its_end(&run, &args.id, expected, args.timeout).await
}

/// Asks as the mode's own verb does.
fn agreed(run: &Run<'_>, asked: Option<bool>) -> Result<(), Error> {
    let Run { context, opened, pipeline, .. } = run;
    match asked {
        Some(value) => {
            let to = opened.mode_of(value);
            confirm(context.report, (&opened.site.name, &opened.host), to, None)
        }
        None => agree(
            context.report,
            &format!("{} runs, with the defaults of its variables", pipeline.name()),
        ),
    }
}

async fn to_its_end(
    run: &Run<'_>,
    id: &str,
    expected: Option<bool>,
    timeout: Duration,
) -> Result<u8, Error> {
    let waiting = Waiting::new(run.context.report);
    let tell = |told| {
        match told {
        Told::Stage { name, status } => run.context.report.words(&format!("stage {name}: {status}")),
        Told::Waits { stage, reason } => run.context.report.words(&format!(
            "waits before stage {stage}, which is closed ({reason}); one passes with `roadworks pipeline pass`"
        )),
        Told::Runs { waited } => {
            waiting.waiting(LeverName::Pipeline, &format!("execution {id}"), waited);
        }
    }
    };
    let ended = tokio::select! {
        ended = tokio::time::timeout(timeout, run.pipeline.follow(id, tell)) => match ended {
            Ok(ended) => ended.map_err(|error| agent::Error::from(error).into()),
            Err(_) => Err(still_runs(id, RunEnd::StillRuns, &format!("after {} s", timeout.as_secs()))),
        },
        signal = interrupted() => Err(still_runs(id, RunEnd::Left(signal), "and is not followed any more")),
    };
    waiting.ended();
    proven(run, ended?, expected).await
}

fn still_runs(id: &str, end: RunEnd, how: &str) -> Error {
    Error::Run {
        end,
        message: format!("execution {id} still runs {how}"),
        hint: format!("follow it again: roadworks pipeline follow {id}"),
    }
}

/// What came of it, by what the record says, or the listener.
async fn proven(run: &Run<'_>, ended: Ended, expected: Option<bool>) -> Result<u8, Error> {
    let looked = looked(run, expected).await?;
    let is_there = looked.as_ref().is_some_and(|looked| looked.is_there);
    let stands = looked
        .as_ref()
        .map(|Looked { what, seen, .. }| format!("{what} is {}: {}", seen.position, seen.detail));
    let stands =
        stands.unwrap_or_else(|| "the record is not seen: the site has no name to move".to_owned());
    let why = ended.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let (id, status) = (&ended.id, &ended.status);
    if status != "Succeeded" {
        let end = match (is_there, status.as_str()) {
            (true, _) => RunEnd::FailedAfterMoving,
            (false, "Superseded") => RunEnd::Superseded,
            (false, _) => RunEnd::Failed,
        };
        return Err(Error::Run {
            end,
            message: format!("execution {id} ended as {status}{why}; {stands}"),
            hint: "see `roadworks pipeline status`; `roadworks status` says what visitors get"
                .to_owned(),
        });
    }
    if expected.is_some() && looked.is_some() && !is_there {
        return Err(Error::Run {
            end: RunEnd::Unmoved,
            message: format!("execution {id} succeeded, and yet {stands}"),
            hint: format!(
                "see whether {} reaches Terraform in it: #{{variables.{}}} as TF_VAR_..; `roadworks status` says what visitors get",
                run.variable, run.variable
            ),
        });
    }
    told(run, &ended, looked.map(|looked| looked.seen), (is_there, &stands))
}

/// What the execution was to move, as its own system has it now.
struct Looked {
    /// `the record`
    what: &'static str,
    seen: Observation,
    /// Whether it is where the variable says.
    is_there: bool,
}

/// Looks at the name, or at the listeners where the boolean moves none: once more where it is not yet where it should be.
async fn looked(run: &Run<'_>, expected: Option<bool>) -> Result<Option<Looked>, Error> {
    let find = |name| run.opened.site.levers.iter().find(move |lever| lever.name() == name);
    let of_rule = || find(LeverName::Balancer).filter(|_| run.opened.resolved.rule.is_some());
    let Some(lever) = find(LeverName::Dns).or_else(of_rule) else { return Ok(None) };
    let is_name = lever.name() == LeverName::Dns;
    let what = if is_name { "the record" } else { "the listener" };
    let mut looks = 1;
    loop {
        let seen = lever.observe().await.map_err(agent::Error::from)?;
        let is_so = match seen.position {
            Position::Maintenance if is_name => Some(true),
            Position::Live if is_name => Some(false),
            _ if is_name => None,
            // Ours may close it, too: Terraform's own is what would keep it closed.
            _ => Some(lever.refusal(&seen, Mode::Open).is_some()),
        };
        let is_there = expected.is_some() && is_so == expected;
        if looks == LOOKS || is_there || expected.is_none() {
            return Ok(Some(Looked { what, seen, is_there }));
        }
        looks += 1;
        tokio::time::sleep(BETWEEN).await;
    }
}

fn told(
    run: &Run<'_>,
    ended: &Ended,
    seen: Option<Observation>,
    (verified, stands): (bool, &str),
) -> Result<u8, Error> {
    let Run { context, opened, pipeline, .. } = run;
    if context.report.form() == Form::Json {
        let stages = ended.stages.iter();
        let stages = stages.map(|(name, status)| json!({ "name": name, "status": status }));
        context.report.object(&json!({
            "format": 1,
            "site": opened.site.name,
            "pipeline": pipeline.name(),
            "execution": ended.id,
            "status": ended.status,
            "stages": stages.collect::<Vec<_>>(),
            "position": seen.map(|seen| seen.position),
            "verified": verified,
        }))?;
        return Ok(0);
    }
    let site = &opened.site.name;
    let proof = if verified { "as asked" } else { "nothing was asked of it" };
    context
        .report
        .data(&format!("{site}  execution {} succeeded; {stands} ({proof})", ended.id))?;
    context.report.words("Next: roadworks status");
    Ok(0)
}
