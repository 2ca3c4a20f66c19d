//! Every sentence that a person reads, every JSON object that a program reads, and every exit code.
//!
//! Data goes to standard output, words to standard error. The only place that turns errors into text.

mod failure;
mod objects;
mod waiting;
mod words;

use std::io::{self, Write};

use serde_json::Value;

use super::error::Error;

pub(super) use failure::message;
use failure::{error_object, error_words, exit_code};
pub(super) use objects::{doctor_object, log_object, plan_object, status_object};
pub(super) use waiting::Waiting;
pub(super) use words::{doctor_words, log_words, plan_words, status_words};

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
