//! Errors: their exit codes, their words for programs, their sentences for people.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::error::{Error, Interruption, RunEnd};
use super::{plain, plain_in_place};
use crate::hcl::{Colour, Diagnostic, Place};
use crate::page::away;
use crate::{agent, config, lever, store};

/// The exit code of what was interrupted.
pub(in crate::cli) const INTERRUPTED: u8 = 130;
const TERMINATED: u8 = 143;
const ERROR: u8 = 1;
const REFUSED: u8 = 3;
const CREDENTIALS: u8 = 4;
const GAVE_UP: u8 = 5;
const PARTLY: u8 = 6;

/// Exit code and word where the page is not in its place.
fn published(error: &away::Error) -> (u8, &'static str) {
    match error {
        error if error.is_about_credentials() => (CREDENTIALS, "credentials"),
        away::Error::PublicWrite { .. } => (REFUSED, "public-write"),
        error if error.is_open_ended() => (GAVE_UP, "unconfirmed"),
        away::Error::Aws { .. } | away::Error::Packed(_) | away::Error::Unfinished { .. } => {
            (ERROR, "not-published")
        }
    }
}

/// The exit codes of DESIGN §4 that are not 0 and 2.
pub(super) fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Store(error) => exit_code_of_store(error),
        Error::Agent(error) => exit_code_of_agent(error),
        Error::Published(error) => published(error).0,
        Error::NotThePage { .. }
        | Error::StateLocked { .. }
        | Error::NotConfirmed { .. }
        | Error::Unagreed { .. }
        | Error::NobodyKeepsTheEnd
        | Error::NothingToAsk
        | Error::CannotWait(_)
        | Error::Refused { .. }
        | Error::AlreadyThere { .. }
        | Error::UnderWay { .. } => REFUSED,
        Error::Unresolved(error) if error.is_about_credentials() => CREDENTIALS,
        Error::Interrupted { signal } => ended_by(*signal),
        Error::Run { end, .. } => of_run(*end).0,
        Error::Command { code, .. } => *code,
        Error::Kept { error, .. } => exit_code(error),
        Error::Usage { .. }
        | Error::Answered { .. }
        | Error::Unserved { .. }
        | Error::Config(_)
        | Error::Unresolved(_)
        | Error::Backend(_)
        | Error::File { .. }
        | Error::NotAPlan { .. }
        | Error::NoSecondAddress
        | Error::NothingToWrite { .. }
        | Error::Untold { .. }
        | Error::Unwell { .. }
        | Error::Sick { .. }
        | Error::Deserted { .. }
        | Error::Unasked { .. }
        | Error::System(_)
        | Error::Output(_)
        | Error::Bug { .. } => ERROR,
    }
}

fn exit_code_of_agent(error: &agent::Error) -> u8 {
    match error {
        agent::Error::Store(error) => exit_code_of_store(error),
        agent::Error::Lever(error) => match error {
            lever::Error::Refused { .. } => REFUSED,
            lever::Error::Credentials { .. } => CREDENTIALS,
            lever::Error::Failed { .. } => ERROR,
            lever::Error::Unknown { .. } | lever::Error::Silent { .. } => GAVE_UP,
            lever::Error::Partly { .. } => PARTLY,
        },
        agent::Error::GaveUp { .. }
        | agent::Error::Unconfirmed(_)
        | agent::Error::Lost(_)
        | agent::Error::Unrecorded(_) => GAVE_UP,
        agent::Error::HalfDone { .. } => PARTLY,
        agent::Error::NotOffered { .. }
        | agent::Error::Rule { .. }
        | agent::Error::Unchecked { .. }
        | agent::Error::Unwell { .. }
        | agent::Error::Runs { .. }
        | agent::Error::StalePlan { .. }
        | agent::Error::Superseded { .. } => REFUSED,
        agent::Error::Unopened { .. } | agent::Error::NoSuchGateway { .. } => ERROR,
    }
}

fn exit_code_of_store(error: &store::Error) -> u8 {
    match error {
        error if error.is_about_credentials() => CREDENTIALS,
        store::Error::Moved { .. } | store::Error::Leased { .. } => REFUSED,
        store::Error::Unknown { .. } => GAVE_UP,
        store::Error::Unavailable { .. } | store::Error::Unreadable { .. } => ERROR,
    }
}

/// A kebab-case word for the error, for programs.
fn code(error: &Error) -> &'static str {
    match error {
        Error::Usage { .. } => "usage",
        Error::Config(error) => match error {
            config::Error::Wrong(_) => "bad-config",
            config::Error::Nothing(_) => "nothing-to-switch",
            config::Error::Unreadable { .. } => "unreadable",
            config::Error::NoSuchSite { .. } | config::Error::NoSite => "no-such-site",
            config::Error::WhichSite { .. } => "which-site",
        },
        Error::Unresolved(error) => error.code(),
        Error::Backend(_) => "bad-backend",
        Error::Store(error) => code_of_store(error),
        Error::Agent(error) => code_of_agent(error),
        Error::StateLocked { .. } => "state-locked",
        Error::NotConfirmed { .. } | Error::Unagreed { .. } => "not-confirmed",
        Error::Run { end, .. } => of_run(*end).1,
        Error::Command { word, .. } => word,
        Error::Kept { error, .. } => code(error),
        Error::NobodyKeepsTheEnd => "no-agent",
        Error::NothingToAsk => "no-check",
        Error::Answered { code, .. } | Error::Refused { code, .. } => code,

        Error::Unserved { .. } => "cannot-serve",
        Error::CannotWait(_) => "cannot-wait",
        Error::File { .. } => "unreadable",
        Error::AlreadyThere { .. } => "already-there",
        Error::UnderWay { .. } => "under-way",
        Error::NoSecondAddress => "no-second-address",
        Error::NothingToWrite { .. } => "nothing-found",
        Error::NotAPlan { .. } => "not-a-plan",
        Error::Untold { .. } => "untold",
        Error::Unwell { .. } => "unwell",
        Error::Published(error) => published(error).1,
        Error::NotThePage { .. } => "not-the-page",
        Error::Sick { .. } => "sick",
        Error::Deserted { .. } | Error::Unasked { .. } => "no-answer",
        Error::Interrupted { .. } => "interrupted",
        Error::System(_) => "system",
        Error::Output(_) => "output",
        Error::Bug { .. } => "bug",
    }
}

fn code_of_agent(error: &agent::Error) -> &'static str {
    match error {
        agent::Error::Store(error) => code_of_store(error),
        agent::Error::Lever(error) => match error {
            lever::Error::Refused { code, .. } | lever::Error::Failed { code, .. } => code,
            lever::Error::Credentials { .. } => "credentials",
            lever::Error::Unknown { .. } => "outcome-unknown",
            lever::Error::Silent { .. } => "silent-gateway",
            lever::Error::Partly { .. } => "partly-moved",
        },
        agent::Error::NotOffered { .. } => "mode-not-available",
        agent::Error::Rule { rule, .. } => rule,
        agent::Error::Unchecked { .. } => "unchecked",
        agent::Error::Unwell { .. } => "check-failed",
        agent::Error::Runs { .. } => "command-runs",
        agent::Error::Unopened { .. } => "not-opened",
        agent::Error::NoSuchGateway { .. } => "no-such-gateway",
        agent::Error::StalePlan { .. } => "stale-plan",
        agent::Error::Superseded { .. } => "superseded",
        agent::Error::GaveUp { .. } => "gave-up",
        agent::Error::Unconfirmed(_) => "unconfirmed",
        agent::Error::Lost(_) => "lost-right",
        agent::Error::Unrecorded(_) => "unrecorded",
        agent::Error::HalfDone { .. } => "half-done",
    }
}

fn code_of_store(error: &store::Error) -> &'static str {
    match error {
        error if error.is_about_credentials() => "credentials",
        store::Error::Moved { .. } => "switch-moved",
        store::Error::Leased { .. } => "already-moving",
        store::Error::Unknown { .. } => "outcome-unknown",
        store::Error::Unavailable { .. } => "store-unavailable",
        store::Error::Unreadable { .. } => "store-unreadable",
    }
}

/// The exit code and the word for how a run of the pipeline ended.
fn of_run(end: RunEnd) -> (u8, &'static str) {
    match end {
        RunEnd::Failed => (ERROR, "run-failed"),
        RunEnd::Superseded => (ERROR, "run-superseded"),
        RunEnd::Unmoved => (ERROR, "record-not-moved"),
        RunEnd::FailedAfterMoving => (PARTLY, "run-failed-after-moving"),
        RunEnd::StillRuns => (GAVE_UP, "still-runs"),
        RunEnd::Left(signal) => (ended_by(signal), "interrupted"),
    }
}

/// As shells say it of a process that a signal ended.
pub(in crate::cli) fn ended_by(signal: Interruption) -> u8 {
    match signal {
        Interruption::CtrlC => INTERRUPTED,
        Interruption::Term => TERMINATED,
    }
}

fn mistakes(error: &Error) -> Vec<&Diagnostic> {
    match error {
        Error::Config(config::Error::Wrong(mistakes)) => mistakes.iter().collect(),
        Error::Unresolved(error) => error.diagnostic().into_iter().collect(),
        Error::Unserved { spot, .. } => spot.as_deref().into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The place in a file that it is about.
pub(in crate::cli) fn place(error: &Error) -> Option<&Place> {
    match error {
        Error::Unresolved(error) => error.place(),
        Error::Answered { place, .. } => place.as_deref(),
        _ => mistakes(error).first().and_then(|mistake| mistake.place.as_ref()),
    }
}

/// The message with what caused it.
pub(in crate::cli) fn message(error: &Error) -> String {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        let text = source.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = source.source();
    }
    message
}

pub(in crate::cli) fn error_object(error: &Error) -> Value {
    let place = place(error);
    let mut object = json!({ "error": {
        "code": code(error),
        "message": message(error),
        "hint": error.hint(),
        "file": place.map(|place| place.file.display().to_string()),
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
    } });
    // Whether the command of a `run` did its work, whatever came after it.
    let command = match error {
        Error::Command { word: "command-failed", code, .. } => Some(*code),
        Error::Kept { .. } => Some(0),
        _ => None,
    };
    if let (Some(code), Some(fields)) =
        (command, object.get_mut("error").and_then(Value::as_object_mut))
    {
        fields.insert("command".to_owned(), json!({ "code": code }));
    }
    object
}

pub(super) fn error_words(error: &Error) -> String {
    let mistakes = mistakes(error);
    if !mistakes.is_empty() {
        let colour = if io::stderr().is_terminal() { Colour::Always } else { Colour::Never };
        let harmless = |mistake: &Diagnostic| Diagnostic {
            message: plain(&mistake.message),
            hint: mistake.hint.as_deref().map(plain),
            text: mistake.text.as_deref().map(|text| plain_in_place(text).into()),
            place: mistake.place.clone().map(|place| {
                let file = plain(&place.file.display().to_string());
                Place { file: Arc::new(file.into()), ..place }
            }),
        };
        let rendered: Vec<_> =
            mistakes.iter().map(|mistake| harmless(mistake).render(colour)).collect();
        return rendered.join("\n\n");
    }
    let mut text = format!("error: {}", message(error));
    if let Some(place) = place(error) {
        text = format!("{text}\n  --> {place}");
    }
    let text = match error.hint() {
        Some(hint) => format!("{text}\nhint: {hint}"),
        None => text,
    };
    plain(&text)
}
