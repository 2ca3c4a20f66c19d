//! Every sentence that a person reads, every JSON object that a program reads, and every exit code.
//!
//! Data goes to standard output, words to standard error. The only place that turns errors into text.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::doctor::{Finding, Outcome};
use super::error::Error;
use crate::agent::{self, Sight, Site};
use crate::audit::Entry;
use crate::config;
use crate::hcl::{Colour, Diagnostic, Place};
use crate::lever::{self, Progress};
use crate::store::{self, Store};
use crate::switch::{Plan, Seen, Step, Switch};

/// How to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// To a person.
    Words,
    /// To a program: one object on standard output, or one on standard error.
    Json,
}

/// Standard output and standard error, in one form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    form: Form,
}

impl Report {
    pub(super) fn new(form: Form) -> Report {
        Report { form }
    }

    pub(super) fn form(self) -> Form {
        self.form
    }

    /// Data: what was asked for.
    pub(super) fn data(self, text: &str) -> Result<(), Error> {
        let mut out = anstream::stdout().lock();
        writeln!(out, "{}", text.trim_end())?;
        Ok(out.flush()?)
    }

    /// One object of data.
    pub(super) fn object(self, object: &Value) -> Result<(), Error> {
        self.data(&format!("{object:#}"))
    }

    /// Words beside the data; a program does not want them.
    pub(super) fn words(self, text: &str) {
        if self.form == Form::Words {
            #[expect(clippy::let_underscore_must_use, reason = "nobody to tell if stderr is gone")]
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        }
    }

    /// Says why a verb failed, and gives the exit code.
    pub(super) fn failure(self, error: &Error) -> u8 {
        // Whoever closed the pipe has read enough.
        if matches!(error, Error::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe) {
            return 0;
        }
        let text = match self.form {
            Form::Json => error_object(error).to_string(),
            Form::Words => error_words(error),
        };
        #[expect(clippy::let_underscore_must_use, reason = "nobody to tell if stderr is gone")]
        let _ = writeln!(anstream::stderr().lock(), "{}", text.trim_end());
        exit_code(error)
    }
}

/// The exit codes of DESIGN §4 that are not 0 and 2.
pub(super) fn exit_code(error: &Error) -> u8 {
    const ERROR: u8 = 1;
    const REFUSED: u8 = 3;
    const CREDENTIALS: u8 = 4;
    const GAVE_UP: u8 = 5;
    const PARTLY: u8 = 6;
    const INTERRUPTED: u8 = 130;
    match error {
        Error::StateLocked { .. }
        | Error::NotConfirmed { .. }
        | Error::NobodyKeepsTheEnd
        | Error::CannotWait(_) => REFUSED,
        Error::Store(error) | Error::Agent(agent::Error::Store(error)) => match error {
            store::Error::Moved { .. } | store::Error::Leased { .. } => REFUSED,
            store::Error::Unavailable { .. } | store::Error::Unreadable { .. } => ERROR,
        },
        Error::Agent(agent::Error::Lever(error)) => match error {
            lever::Error::Refused { .. } => REFUSED,
            lever::Error::Credentials { .. } => CREDENTIALS,
            lever::Error::Failed { .. } => ERROR,
            lever::Error::Unknown { .. } => GAVE_UP,
            lever::Error::Partly { .. } => PARTLY,
        },
        Error::Agent(agent::Error::GaveUp { .. }) => GAVE_UP,
        Error::Agent(
            agent::Error::NotOffered { .. }
            | agent::Error::Rule { .. }
            | agent::Error::StalePlan { .. }
            | agent::Error::Superseded { .. },
        ) => REFUSED,
        Error::Unresolved(error) if error.is_about_credentials() => CREDENTIALS,
        Error::Interrupted => INTERRUPTED,
        Error::Usage { .. }
        | Error::Config(_)
        | Error::Unresolved(_)
        | Error::Backend(_)
        | Error::File { .. }
        | Error::NotAPlan { .. }
        | Error::Unwell { .. }
        | Error::Output(_) => ERROR,
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
            config::Error::NoSuchSite { .. } => "no-such-site",
            config::Error::WhichSite { .. } => "which-site",
        },
        Error::Unresolved(error) => error.code(),
        Error::Backend(_) => "bad-backend",
        Error::Store(error) | Error::Agent(agent::Error::Store(error)) => match error {
            store::Error::Moved { .. } => "switch-moved",
            store::Error::Leased { .. } => "already-moving",
            store::Error::Unavailable { .. } => "store-unavailable",
            store::Error::Unreadable { .. } => "store-unreadable",
        },
        Error::Agent(agent::Error::Lever(error)) => match error {
            lever::Error::Refused { code, .. } | lever::Error::Failed { code, .. } => code,
            lever::Error::Credentials { .. } => "credentials",
            lever::Error::Unknown { .. } => "outcome-unknown",
            lever::Error::Partly { .. } => "partly-moved",
        },
        Error::Agent(agent::Error::NotOffered { .. }) => "mode-not-available",
        Error::Agent(agent::Error::Rule { rule, .. }) => rule,
        Error::Agent(agent::Error::StalePlan { .. }) => "stale-plan",
        Error::Agent(agent::Error::Superseded { .. }) => "superseded",
        Error::Agent(agent::Error::GaveUp { .. }) => "gave-up",
        Error::StateLocked { .. } => "state-locked",
        Error::NotConfirmed { .. } => "not-confirmed",
        Error::NobodyKeepsTheEnd => "no-agent",
        Error::CannotWait(_) => "cannot-wait",
        Error::File { .. } => "unreadable",
        Error::NotAPlan { .. } => "not-a-plan",
        Error::Unwell { .. } => "unwell",
        Error::Interrupted => "interrupted",
        Error::Output(_) => "output",
    }
}

fn mistakes(error: &Error) -> Vec<&Diagnostic> {
    match error {
        Error::Config(config::Error::Wrong(mistakes)) => mistakes.iter().collect(),
        Error::Unresolved(error) => error.diagnostic().into_iter().collect(),
        _ => Vec::new(),
    }
}

fn place(error: &Error) -> Option<&Place> {
    match error {
        Error::Unresolved(error) => error.place(),
        _ => mistakes(error).first().and_then(|mistake| mistake.place.as_ref()),
    }
}

/// The message with what caused it.
pub(super) fn message(error: &Error) -> String {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        let text = source.to_string();
        if !message.contains(&text) {
            #[expect(clippy::let_underscore_must_use, reason = "writing to a String cannot fail")]
            let _ = write!(message, ": {text}");
        }
        cause = source.source();
    }
    message
}

fn error_object(error: &Error) -> Value {
    let place = place(error);
    json!({ "error": {
        "code": code(error),
        "message": message(error),
        "hint": error.hint(),
        "file": place.map(|place| place.file.display().to_string()),
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
    } })
}

fn error_words(error: &Error) -> String {
    let mistakes = mistakes(error);
    if !mistakes.is_empty() {
        let colour = if io::stderr().is_terminal() { Colour::Always } else { Colour::Never };
        let rendered: Vec<_> = mistakes.iter().map(|mistake| mistake.render(colour)).collect();
        return rendered.join("\n\n");
    }
    let mut text = format!("error: {}", message(error));
    if let Some(place) = place(error) {
        text = format!("{text}\n  --> {place}");
    }
    match error.hint() {
        Some(hint) => format!("{text}\nhint: {hint}"),
        None => text,
    }
}

/// The object of `plan --json`.
pub(super) fn plan_object(plan: &Plan) -> Value {
    json!({
        "format": 1,
        "site": plan.site,
        "from": plan.from,
        "to": plan.to,
        "changes": plan.changes(),
        "steps": plan.steps,
        "warnings": plan.warnings,
    })
}

/// A plan for a person.
pub(super) fn plan_words(plan: &Plan) -> String {
    let mut text = String::new();
    if plan.changes() {
        text.push_str(&format!("{}: from {} to {}\n\n", plan.site, plan.from, plan.to));
        for step in &plan.steps {
            text.push_str(&step_words(step));
        }
        text.push('\n');
    } else {
        text.push_str(&format!("{}: no changes, it is {} already\n", plan.site, plan.to));
    }
    text.push_str(&warnings_words(&plan.warnings));
    text
}

pub(super) fn warnings_words(warnings: &[String]) -> String {
    warnings.iter().map(|warning| format!("warning: {warning}\n")).collect()
}

fn step_words(step: &Step) -> String {
    let sign = match (&step.before, &step.after) {
        (Value::Null, _) => '+',
        (_, Value::Null) => '-',
        _ => '~',
    };
    let mut text = format!("  {sign} {:<9}{:<9} {}\n", step.lever, step.kind, step.target);
    for (sign, value) in [('-', &step.before), ('+', &step.after)] {
        if !value.is_null() {
            text.push_str(&format!("      {sign} {}\n", value_words(value)));
        }
    }
    text
}

/// What a lever's part says, in one line.
fn value_words(value: &Value) -> String {
    let Some(fields) = value.as_object() else { return value.to_string() };
    let mut words = Vec::new();
    for (name, field) in fields {
        let word = match (name.as_str(), field) {
            ("alias", Value::Object(alias)) => {
                let of = |key: &str| alias.get(key).and_then(Value::as_str).unwrap_or_default();
                let health = alias.get("evaluate_target_health") == Some(&Value::Bool(true));
                let health = if health { ", follows its health" } else { "" };
                format!("alias {} (zone {}{health})", of("name"), of("zone_id"))
            }
            ("records", Value::Array(records)) => {
                let records: Vec<_> = records.iter().filter_map(Value::as_str).collect();
                records.join(", ")
            }
            ("ttl", ttl) => format!("ttl {ttl}"),
            (name, Value::String(text)) => format!("{name} {text}"),
            (name, other) => format!("{name} {other}"),
        };
        words.push(word);
    }
    words.join("  ")
}

/// The object of `status --json`, of every mode verb and of `apply`.
pub(super) fn status_object<S: Store>(site: &Site<S>, sight: &Sight, now: Timestamp) -> Value {
    let switch = sight.switch.as_ref().map(|(switch, _)| switch);
    let phase = switch.map_or(Seen::Settled, |switch| switch.seen(now)).word();
    let levers: Vec<_> = site
        .levers
        .iter()
        .zip(&sight.levers)
        .map(|(lever, seen)| {
            json!({
                "name": lever.name(),
                "kind": lever.kind(),
                "position": seen.position,
                "phase": phase,
                "detail": seen.detail,
            })
        })
        .collect();
    json!({
        "format": 1,
        "site": site.name,
        "mode": sight.mode(site),
        "desired": sight.desired(),
        "phase": phase,
        "hold_spent": false,
        "operation": switch.map(|switch| &switch.operation),
        "since": switch.map(|switch| switch.since),
        "until": switch.and_then(|switch| switch.until),
        "overdue": false,
        "by": switch.map(|switch| &switch.by),
        "reason": switch.and_then(|switch| switch.reason.as_ref()),
        "levers": levers,
        "gateways": [],
        "checks": [],
        "warnings": site.warnings,
    })
}

/// The status for a person.
pub(super) fn status_words<S: Store>(site: &Site<S>, sight: &Sight, now: Timestamp) -> String {
    let (mode, desired) = (sight.mode(site), sight.desired());
    let mut text = format!("{}  {}", site.name, mode.word().to_uppercase());
    if let Some((switch, _)) = &sight.switch {
        text.push_str(&switch_words(switch, now));
    }
    text.push('\n');
    for (lever, seen) in site.levers.iter().zip(&sight.levers) {
        let (name, kind, position) = (lever.name(), lever.kind(), seen.position.to_string());
        text.push_str(&format!("  {name:<9}{kind:<9} {position:<12} {}\n", seen.detail));
    }
    if mode != desired {
        text.push_str(&format!(
            "Visitors get {mode}, the switch asks for {desired}: somebody else moved a lever, or an operation was cut short.\n"
        ));
    }
    text.push_str(&warnings_words(&site.warnings));
    text.push_str(match mode {
        crate::switch::Mode::Open => "Next: roadworks plan detour",
        _ => "Next: roadworks open",
    });
    text
}

fn switch_words(switch: &Switch, now: Timestamp) -> String {
    let phase = switch.seen(now).word();
    let mut text =
        format!(" ({phase})  asked for {} at {} by {}", switch.mode, switch.since, switch.by);
    if let Some(reason) = &switch.reason {
        text.push_str(&format!("  \"{reason}\""));
    }
    if let (Seen::Moved, Some(at)) = (switch.seen(now), switch.settles_at()) {
        text.push_str(&format!(
            "\n  settled at {at}, when every correct client has the new answer"
        ));
    }
    text
}

/// The object of `doctor --json`.
pub(super) fn doctor_object(findings: &[Finding]) -> Value {
    json!({ "format": 1, "checks": findings })
}

/// The findings for a person, each with its fix.
pub(super) fn doctor_words(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let result = match finding.result {
            Outcome::Ok => "ok",
            Outcome::Warn => "warn",
            Outcome::Fail => "FAIL",
        };
        text.push_str(&format!("{result:<5} {:<18} {}\n", finding.id, finding.reason));
        if let Some(fix) = &finding.fix {
            text.push_str(&format!("      {:<18} fix: {fix}\n", ""));
        }
    }
    text
}

/// The object of `log --json`.
pub(super) fn log_object(entries: &[Entry]) -> Value {
    json!({ "format": 1, "entries": entries })
}

/// The log for a person, oldest first.
pub(super) fn log_words(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let event = json!(entry.event);
        text.push_str(&format!(
            "{}  {}  {:<16} {} -> {}  {}",
            entry.at,
            entry.operation,
            event.as_str().unwrap_or_default(),
            entry.from,
            entry.to,
            entry.by
        ));
        for words in [&entry.reason, &entry.detail].into_iter().flatten() {
            text.push_str(&format!("  {words}"));
        }
        text.push('\n');
    }
    if text.is_empty() { "nothing happened yet\n".to_owned() } else { text }
}

/// The progress of a wait on standard error: a line that moves on a terminal, a line each ten seconds elsewhere.
#[derive(Debug)]
pub(super) struct Waiting {
    bar: Option<indicatif::ProgressBar>,
    report: Report,
    told: std::cell::Cell<u64>,
}

impl Waiting {
    const EACH: u64 = 10;

    pub(super) fn new(report: Report) -> Waiting {
        let moving = report.form == Form::Words && io::stderr().is_terminal();
        let bar = moving.then(indicatif::ProgressBar::new_spinner);
        Waiting { bar, report, told: std::cell::Cell::new(0) }
    }

    pub(super) fn ended(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Waiting {
    fn waiting(&self, lever: &str, what: &str, waited: Duration) {
        let seconds = waited.as_secs();
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{lever}: waiting for {what}, {seconds} s"));
            bar.tick();
        } else if seconds >= self.told.get() + Self::EACH {
            self.told.set(seconds);
            self.report.words(&format!("{lever}: waiting for {what}, {seconds} s"));
        }
    }
}
