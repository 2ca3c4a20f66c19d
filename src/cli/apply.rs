//! `apply`: a saved plan, exactly as it was shown, or towards `-var maintenance_mode=..`.

use super::args::ApplyArgs;
use super::context::{Context, Opened};
use super::error::Error;
use super::flip::{Agreed, carry_out_plan, move_to, possible, who};
use super::plan::{SavedPlan, default_mode, saved};
use crate::agent;

pub(super) async fn run(context: &Context, args: &ApplyArgs) -> Result<u8, Error> {
    possible(&args.flip)?;
    let plan = args.plan.as_deref().map(saved).transpose()?;
    let mut opened = context.open().await?;
    let Some(saved) = plan else {
        let to = match opened.asked {
            Some(value) => opened.mode_of(value),
            None => default_mode(&opened).await?,
        };
        return move_to(context, &mut opened, to, &args.flip).await;
    };
    if opened.asked.is_some() {
        return Err(Error::Usage {
            message: "a saved plan and -var of the switch ask for two things".to_owned(),
            hint: "give one of them".to_owned(),
        });
    }
    still_holds(&opened, &saved)?;
    let by = who(&opened).await;
    let agreed = Agreed { plan: saved.plan, seen_version: saved.switch_version, by };
    carry_out_plan(context, &opened, agreed, &args.flip).await
}

/// What `carry_out` cannot see: another site, or other files than the plan was made from.
fn still_holds(opened: &Opened, saved: &SavedPlan) -> Result<(), Error> {
    let stale = |what: String| Err(agent::Error::StalePlan { what }.into());
    if saved.plan.site != opened.site.name {
        return stale(format!("it is for {}, not for {}", saved.plan.site, opened.site.name));
    }
    if saved.digest != opened.resolved.digest {
        return stale("the .tf or .tfvars files changed since".to_owned());
    }
    Ok(())
}
