//! `gate`: a command that is run only while the site is open, for crontabs and timers. Says why it is not, and is none the worse
//! for it: nobody is to be woken because a job was left out on purpose.

use super::args::{GateArgs, Unknown};
use super::context::Context;
use super::error::Error;
use super::run::Program;
use crate::switch::Mode;

pub(super) async fn run(context: &Context, args: &GateArgs) -> Result<u8, Error> {
    let program = Program::find(&args.command)?;
    let mode = match asked(context).await {
        Ok(mode) => mode,
        Err(error) if args.unknown == Unknown::Run => {
            let words = super::report::message(&error);
            context.report.words(&format!(
                "warning: the mode is not known, and it is run all the same: {words}"
            ));
            Mode::Open
        }
        Err(error) => return Err(error),
    };
    if mode > args.up_to {
        let name = program.name();
        context.report.words(&format!("{name} is left out: the site is asked to be {mode}"));
        return Ok(args.else_code);
    }
    // In our place: what runs it hears its signals and its end as if we were not there.
    Err(program.exec())
}

/// What somebody asked for.
async fn asked(context: &Context) -> Result<Mode, Error> {
    let config = context.config()?;
    let site = config.site(context.common.site.as_deref())?;
    let switch = Context::store(&config, site).await?.switch().await?;
    Ok(switch.map_or(Mode::Open, |(switch, _)| switch.mode))
}
