//! `apply`: a saved plan, exactly as it was shown, or towards `-var maintenance_mode=..`.

use serde_json::Value;

use super::args::ApplyArgs;
use super::context::{Context, Opened};
use super::error::Error;
use super::flip::{Agreed, carry_out_agreed, move_to, promised, who};
use super::plan::{SavedPlan, default_mode, keys, saved};
use crate::agent::{self, Sight};
use crate::lever::value_words;
use crate::switch::Step;

pub(super) async fn run(context: &Context, args: &ApplyArgs) -> Result<u8, Error> {
    let plan = args.plan.as_deref().map(saved).transpose()?;
    let mut opened = context
        .renumbering(args.flip.renumber)
        .ending_idle(args.flip.terminate_idle)
        .open()
        .await?;
    let Some(saved) = plan else {
        let to = match opened.asked {
            Some(value) => opened.mode_of(value),
            None => default_mode(&opened).await?,
        };
        return Box::pin(move_to(context, &mut opened, to, &args.flip)).await;
    };
    if opened.asked.is_some() {
        return Err(Error::Usage {
            message: "a saved plan and -var of the switch ask for two things".to_owned(),
            hint: "give one of them".to_owned(),
        });
    }
    let sight = agent::look(&opened.site).await?;
    still_holds(&opened, &saved, &sight)?;
    promised(&opened, &args.flip).await?;
    let agreed = Agreed { to: saved.plan.to, sight, by: who(&opened).await };
    carry_out_agreed(context, &opened, agreed, &args.flip).await
}

/// What a part says now.
fn now(sight: &Sight, target: &str) -> String {
    let mut parts = sight.levers.iter().flat_map(|seen| &seen.parts);
    match parts.find(|part| part.target == *target) {
        Some(part) => match part.value.get("now").unwrap_or(&part.value) {
            Value::Null => "there is none now".to_owned(),
            value => format!("it is now {}", value_words(value)),
        },
        None => "there is none now".to_owned(),
    }
}

/// Refuses a plan that was made for another site, from other files, or from another world than what is seen now.
fn still_holds(opened: &Opened, saved: &SavedPlan, sight: &Sight) -> Result<(), Error> {
    let stale = |what: String| Err(agent::Error::StalePlan { what }.into());
    if saved.plan.site != opened.site.name {
        return stale(format!("it is for {}, not for {}", saved.plan.site, opened.site.name));
    }
    let version = sight.switch.as_ref().map_or(0, |(switch, _)| switch.version);
    if version != saved.switch_version {
        let by = sight.switch.as_ref().map_or("somebody", |(switch, _)| &switch.by);
        return stale(format!("{by} moved the switch since it was made"));
    }
    if saved.digest != opened.resolved.digest {
        return stale("the .tf or .tfvars files changed since".to_owned());
    }
    if saved.records != keys(opened) {
        return stale("it is for other records, or for the same names in another zone".to_owned());
    }
    let steps = sight.plan(&opened.site, saved.plan.to).steps;
    let differs = |steps: &[Step], others: &[Step]| {
        steps.iter().find(|step| !others.contains(step)).map(|step| step.target.clone())
    };
    match differs(&steps, &saved.plan.steps).or_else(|| differs(&saved.plan.steps, &steps)) {
        Some(target) => stale(format!("{target} is not what it was: {}", now(sight, &target))),
        None => Ok(()),
    }
}
