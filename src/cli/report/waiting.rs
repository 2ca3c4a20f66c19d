//! The progress of a wait.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::time::Duration;

use super::{Form, Report};
use crate::lever::Progress;
use crate::switch::LeverName;

/// The progress of a wait on standard error: a line that moves on a terminal, a line each ten seconds elsewhere.
#[derive(Debug)]
pub(in crate::cli) struct Waiting {
    bar: Option<indicatif::ProgressBar>,
    report: Report,
    told: Cell<u64>,
    held_up: Cell<bool>,
}

impl Waiting {
    const EACH: u64 = 10;

    pub(in crate::cli) fn new(report: Report) -> Waiting {
        let moving = report.form == Form::Words && io::stderr().is_terminal();
        let bar = moving.then(indicatif::ProgressBar::new_spinner);
        Waiting { bar, report, told: Cell::new(0), held_up: Cell::new(false) }
    }

    /// That `what` has taken `waited` so far.
    pub(in crate::cli) fn told(&self, what: &str, waited: Duration) {
        let seconds = waited.as_secs();
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{what}, {seconds} s"));
            bar.tick();
        } else if seconds >= self.told.get() + Self::EACH {
            self.told.set(seconds);
            self.report.words(&format!("{what}, {seconds} s"));
        }
    }

    pub(in crate::cli) fn ended(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Waiting {
    fn waiting(&self, lever: LeverName, what: &str, waited: Duration) {
        self.told(&format!("{lever}: waiting for {what}"), waited);
    }

    fn checking(&self, name: &str, what: &str, waited: Duration) {
        self.told(&format!("check {name}: {what}"), waited);
    }

    fn held_up(&self, holder: &str, left: Duration) {
        let seconds = left.as_secs_f64().ceil();
        let words = format!(
            "waiting for {holder}, who has moved this site and is silent, for {seconds} s more"
        );
        if let Some(bar) = &self.bar {
            bar.set_message(words);
            bar.tick();
        } else if !self.held_up.replace(true) {
            self.report.words(&words);
        }
    }
}
