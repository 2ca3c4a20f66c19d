//! Somebody asks: one file per verb. Everything that moves the switch ends in `agent::carry_out`.

mod apply;
mod args;
mod bypass;
mod check;
mod confirm;
mod context;
mod dig;
mod doctor;
mod end;
mod error;
mod extend;
mod flip;
mod gate;
mod gateway;
mod guards;
mod healthcheck;
mod init;
mod local;
mod log;
mod notify;
mod page;
mod pipeline;
mod plan;
mod redis;
mod reload;
mod report;
mod run;
mod schedule;
mod serve;
mod settle;
mod status;
mod tell;
mod r#try;
mod unserved;
mod wait;
mod watchdog;
mod zone;

use std::ffi::OsString;
use std::io::Write as _;
use std::panic;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Parser;
use clap::error::ErrorKind;

use crate::hcl::without_passwords;
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
        Err(error) => return report.failure(&Error::System(error)),
    };
    match caught(|| {
        runtime.block_on(tell::while_(&context, &args.verb, verb(&context, &args.verb)))
    }) {
        Ok(code) => code,
        Err(error) => report.failure(&error),
    }
}

/// The last resort: a panic, in our code or in a library, still ends in one error and an exit code that is documented.
fn caught(work: impl FnOnce() -> Result<u8, Error>) -> Result<u8, Error> {
    let place = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&place);
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        let at = panicked.location().map(ToString::to_string);
        *told.lock().unwrap_or_else(PoisonError::into_inner) = at.unwrap_or_default();
    }));
    let done = panic::catch_unwind(panic::AssertUnwindSafe(work));
    panic::set_hook(before);
    done.unwrap_or_else(|_| {
        let place = place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Err(Error::Bug { place })
    })
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
        Verb::Check => check::run(context).await,
        Verb::Log(args) => log::run(context, args).await,
        Verb::Notify(args) => notify::run(context, args).await,
        Verb::Doctor(args) => Box::pin(doctor::run(context, args)).await,
        Verb::Init(args) => init::run(context, args).await,
        Verb::Page(args) => Box::pin(page::run(context, args)).await,
        Verb::Healthcheck(args) => healthcheck::run(context, args).await,
        Verb::Extend(args) => Box::pin(extend::run(context, args)).await,
        Verb::Wait(args) => wait::run(context, args).await,
        Verb::Bypass(args) => bypass::run(context, args).await,
        Verb::Serve(args) => Box::pin(serve::run(context, args)).await,
        Verb::Try(args) => Box::pin(r#try::run(context, args)).await,
        Verb::Dig(args) => dig::run(context, args).await,
        Verb::Gateway(args) => gateway::run(context, args).await,
        Verb::Pipeline(args) => Box::pin(pipeline::run(context, args)).await,
        Verb::Run(args) => Box::pin(run::run(context, args)).await,
        Verb::Gate(args) => gate::run(context, args).await,
        Verb::Schedule(args) => Box::pin(schedule::run(context, args)).await,
        Verb::Redis(args) => redis::run(context, args).await,
        Verb::Reload => reload::run(context).await,
        Verb::Watchdog => Box::pin(watchdog::run(context)).await,
    }
}

/// Help and version are answers; everything else is a mistake in usage, which is 1, because 2 means "changes pending".
fn not_understood(error: &clap::Error, words: &[OsString]) -> u8 {
    let answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if answer || !words.iter().any(|word| word == "--json") {
        let text = error.render().ansi().to_string();
        #[expect(clippy::let_underscore_must_use, reason = "nobody to tell if stderr is gone")]
        let _ = if answer {
            error.print()
        } else {
            write!(anstream::stderr().lock(), "{}", without_passwords(&text))
        };
        return u8::from(!answer);
    }
    let text = without_passwords(&error.to_string());
    // The first paragraph: the mistake, and what it is about where that stands on lines of its own.
    let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let message = lines.collect::<Vec<_>>().join(" ");
    Report::new(Form::Json).failure(&Error::Usage {
        message: message.trim_start_matches("error: ").to_owned(),
        hint: "see roadworks --help".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_names_its_place_and_nothing_else() {
        let values: Vec<u8> = Vec::new();
        let error = caught(|| Ok(*values.first().expect("hush"))).unwrap_err();
        let told = error.to_string();
        assert!(told.contains("src/cli/mod.rs:") && !told.contains("hush"), "{told}");
        assert_eq!(caught(|| Ok(7)).unwrap(), 7);
    }
}
