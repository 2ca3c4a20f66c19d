//! `pipeline ..`: the pipeline that runs Terraform is started, followed, and kept out of a maintenance.

mod stage;
mod start;
mod status;

use serde_json::{Value, json};

use super::args::{FlipArgs, PipelineArgs, PipelineVerb, Wait};
use super::context::{Context, Opened, codepipeline};
use super::error::Error;
use super::report::Form;
use crate::agent::{Done, may_release};
use crate::config::{Freeze, PipelineConfig, SiteConfig};
use crate::pipeline::{CodePipeline, Freezer, waiting};
use crate::store::{AnyStore, SiteStore};
use crate::switch::{LeverName, Mode};

pub(super) async fn run(context: &Context, args: &PipelineArgs) -> Result<u8, Error> {
    match &args.verb {
        PipelineVerb::Start(args) => Box::pin(start::run(context, args)).await,
        PipelineVerb::Follow(args) => Box::pin(start::follow(context, args)).await,
        PipelineVerb::Status => Box::pin(status::run(context)).await,
        PipelineVerb::Pass(args) => Box::pin(stage::pass(context, args)).await,
        PipelineVerb::Release(args) => Box::pin(stage::release(context, args)).await,
    }
}

/// A site's pipeline with what is needed to speak of it. Terraform is not read.
struct Known {
    site: String,
    pipeline: CodePipeline,
    /// The stage that is closed during maintenance, if one is.
    freezer: Option<Freezer>,
    store: SiteStore<AnyStore>,
}

impl Known {
    async fn of(context: &Context) -> Result<Known, Error> {
        let config = context.config()?;
        let site = config.site(context.common.site.as_deref())?;
        let configured = configured(site)?;
        let name = site.name.clone().unwrap_or_else(|| "site".to_owned());
        let pipeline = codepipeline(configured).await;
        let stage =
            configured.stage.as_deref().filter(|_| configured.freeze == Freeze::WhileNotOpen);
        let freezer = stage.map(|stage| Freezer::new(pipeline.clone(), stage, &name));
        let store = Context::store(&config, site).await?;
        Ok(Known { site: name, pipeline, freezer, store })
    }

    fn freezer(&self) -> Result<&Freezer, Error> {
        self.freezer.as_ref().ok_or_else(|| Error::Usage {
            message: format!("site {} keeps no stage of its pipeline closed", self.site),
            hint: "say stage = \"..\" and freeze = true in its pipeline block".to_owned(),
        })
    }
}

fn configured(site: &SiteConfig) -> Result<&PipelineConfig, Error> {
    site.pipeline.as_ref().ok_or_else(|| Error::Usage {
        message: format!("site {} has no pipeline", site.name.as_deref().unwrap_or("of a bare folder")),
        hint: "add one to its site block in roadworks.hcl: pipeline \"codepipeline\" { name = \"..\" }; docs/pipeline.md".to_owned(),
    })
}

/// What `open` says of those who wait before a closed stage, and lets them go where it was waited until that is safe and
/// somebody agrees.
pub(super) async fn after_open(
    context: &Context,
    opened: &Opened,
    done: &Done,
    args: &FlipArgs,
) -> Result<Kept, Error> {
    let seen = opened.site.levers.iter().zip(&done.sight.levers);
    let mut seen = seen.filter(|(lever, _)| lever.name() == LeverName::Pipeline);
    let waiting = seen.next().map(|(_, seen)| waiting(seen)).unwrap_or_default();
    if done.sight.desired() != Mode::Open || waiting.is_empty() || opened.freezer.is_none() {
        return Ok(Kept::default());
    }
    context.report.words(&format!(
        "{} before the closed stage of the pipeline: {}",
        stage::waits(waiting.len()),
        waiting.join(", ")
    ));
    let waited = matches!(args.wait, Some(Wait::Settled | Wait::Quiet));
    let agreed = waited
        && may_release(&opened.site.store).await.is_ok()
        && (args.yes || context.report.form() == Form::Words)
        && stage::agreed(context, args.yes, &stage::question(waiting.len())).is_ok();
    if agreed && let Some(freezer) = &opened.freezer {
        let name = &opened.site.name;
        stage::let_go(&opened.site.store, freezer, name).await?;
        context.report.words("They go on now.");
        return Ok(Kept::default());
    }
    context.report.words("They are kept until settled and confirmed: roadworks pipeline release");
    Ok(Kept(waiting))
}

/// The executions that are kept.
#[derive(Debug, Default)]
pub(super) struct Kept(Vec<String>);

impl Kept {
    /// Adds them to the object of `status`, where there are any.
    pub(super) fn add(&self, object: &mut Value) {
        if let (false, Some(fields)) = (self.0.is_empty(), object.as_object_mut()) {
            fields.insert("kept".to_owned(), json!(self.0));
        }
    }
}
