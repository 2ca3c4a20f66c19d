//! Somebody asks: one file per verb. Everything that moves the switch ends in `agent::carry_out`.

mod apply;
mod args;
mod confirm;
mod context;
mod doctor;
mod error;
mod flip;
mod log;
mod plan;
mod report;
mod status;

use std::ffi::OsString;

use clap::Parser;
use clap::error::ErrorKind;

use args::{Args, Verb};
use context::{Context, Targets};
use error::Error;
use report::{Form, Report};

/// Runs the verb that `words` (with the program's name first) ask for, and gives the exit code.
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    let words = args::with_double_dashes(words);
    let args = match Args::try_parse_from(&words) {
        Ok(args) => args,
        Err(error) => return not_understood(&error, &words),
    };
    let report = Report::new(if args.common.json { Form::Json } else { Form::Words });
    if args.common.no_color {
        anstream::ColorChoice::Never.write_global();
    }
    let targets = match args.verb {
        Verb::Plan(_) => Targets::Fresh,
        _ => Targets::PinnedWillDo,
    };
    let context = Context::new(args.common, report, &words, targets);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report.failure(&Error::Output(error)),
    };
    match runtime.block_on(verb(&context, &args.verb)) {
        Ok(code) => code,
        Err(error) => report.failure(&error),
    }
}

async fn verb(context: &Context, verb: &Verb) -> Result<u8, Error> {
    match verb {
        Verb::Plan(args) => plan::run(context, args).await,
        Verb::Apply(args) => Box::pin(apply::run(context, args)).await,
        Verb::Open(args)
        | Verb::ReadOnly(args)
        | Verb::Hold(args)
        | Verb::Close(args)
        | Verb::Detour(args) => {
            let mode = verb.mode().unwrap_or(crate::switch::Mode::Open);
            flip::run(context, mode, args).await
        }
        Verb::Status(args) => status::run(context, args).await,
        Verb::Log(args) => log::run(context, args).await,
        Verb::Doctor(args) => doctor::run(context, args).await,
    }
}

/// Help and version are answers; everything else is a mistake in usage, which is 1, because 2 means "changes pending".
fn not_understood(error: &clap::Error, words: &[OsString]) -> u8 {
    let answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if answer || !words.iter().any(|word| word == "--json") {
        #[expect(clippy::let_underscore_must_use, reason = "nobody to tell if stderr is gone")]
        let _ = error.print();
        return u8::from(!answer);
    }
    let text = error.to_string();
    let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    Report::new(Form::Json).failure(&Error::Usage {
        message: message.to_owned(),
        hint: "see roadworks --help".to_owned(),
    })
}
