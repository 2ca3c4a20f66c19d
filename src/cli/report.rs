//! Every sentence that a person reads, every JSON object that a program reads, and every exit code.
//!
//! Data goes to standard output, words to standard error. The only place that turns errors into text.

mod failure;
mod objects;
mod page;
mod waiting;
mod words;

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use super::error::Error;

pub(super) use failure::{INTERRUPTED, ended_by, error_object, message, place};
use failure::{error_words, exit_code};
pub(super) use objects::{
    check_object, checks_object, commands_object, doctor_object, log_object, own_gateway_object,
    plan_object, status_object,
};
pub(super) use page::{built_words, looks_words, published_words};
pub(super) use waiting::Waiting;
pub(super) use words::{
    asked_words, check_words, commands_words, doctor_words, log_words, own_gateway_words,
    plan_words, status_words, untold_words, verb, warnings_words,
};

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
    #[expect(clippy::unused_self, reason = "only who may report has one")]
    pub(super) fn data(self, text: &str) -> Result<(), Error> {
        let mut out = anstream::stdout().lock();
        let written = writeln!(out, "{}", plain(text.trim_end()));
        written.and_then(|()| out.flush()).map_err(Error::Output)
    }

    /// Data that takes the place of what was there before: on a terminal the screen begins anew, elsewhere a line
    /// stands between.
    pub(super) fn screen(self, text: &str) -> Result<(), Error> {
        let mut out = anstream::stdout().lock();
        if io::stdout().is_terminal() {
            write!(out, "\u{1b}[2J\u{1b}[H").map_err(Error::Output)?;
        }
        drop(out);
        self.data(text)?;
        if io::stdout().is_terminal() { Ok(()) } else { self.data("") }
    }

    /// One object of data.
    pub(super) fn object(self, object: &Value) -> Result<(), Error> {
        self.data(&escaped(&format!("{object:#}")))
    }

    /// Words beside the data; a program does not want them.
    pub(super) fn words(self, text: &str) {
        if self.form == Form::Words && !text.is_empty() {
            #[expect(clippy::let_underscore_must_use, reason = "nobody to tell if stderr is gone")]
            let _ = writeln!(anstream::stderr().lock(), "{}", plain(text));
        }
    }

    /// Says why a verb failed, and gives the exit code.
    pub(super) fn failure(self, error: &Error) -> u8 {
        // Whoever closed the pipe has read enough.
        if matches!(error, Error::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe) {
            return 0;
        }
        let text = match self.form {
            Form::Json => escaped(&error_object(error).to_string()),
            Form::Words => error_words(error),
        };
        #[expect(clippy::let_underscore_must_use, reason = "nobody to tell if stderr is gone")]
        let _ = writeln!(anstream::stderr().lock(), "{}", text.trim_end());
        exit_code(error)
    }
}

/// Text of somebody else's, made harmless for a terminal: names, reasons and answers come from all over, and a control
/// character in one of them would act on whoever reads it.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|one| if is_active(one) { '\u{fffd}' } else { one }).collect()
}

/// The same, each character by as many bytes as it had, so that places in the text stay right.
fn plain_in_place(text: &str) -> String {
    let harmless = |one: char| "?".repeat(one.len_utf8());
    text.chars().map(|one| if is_active(one) { harmless(one) } else { one.to_string() }).collect()
}

/// Text of somebody else's that has a line to itself, or a part of one: a line break in it would forge another.
fn one_line(text: &str) -> String {
    text.chars().map(|one| if one == '\n' || is_active(one) { '\u{fffd}' } else { one }).collect()
}

/// JSON with the same characters escaped; JSON's own writer leaves those above 0x7f as they are.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for one in json.chars() {
        if is_active(one) {
            text.extend(format!("\\u{:04x}", u32::from(one)).chars());
        } else {
            text.push(one);
        }
    }
    text
}

/// Whether a terminal acts on it: control characters but for newline and tab, and what turns the writing direction.
fn is_active(one: char) -> bool {
    let turns =
        matches!(one, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    turns || (one.is_control() && one != '\n' && one != '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_cannot_act_on_the_terminal_of_who_reads_it() {
        assert_eq!(
            plain("a\u{1b}]0;x\u{7}b\u{9b}\u{202e}c\n\td"),
            "a\u{fffd}]0;x\u{fffd}b\u{fffd}\u{fffd}c\n\td"
        );
        let object = serde_json::json!({ "reason": "\u{1b}\u{9b}\u{202e}" });
        let text = escaped(&object.to_string());
        assert!(!text.chars().any(is_active), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), object);
    }
}
