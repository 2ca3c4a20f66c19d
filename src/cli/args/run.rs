//! `run`: a command, while visitors are kept out. `gate`: one, only while they are not.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};

use super::flip::AtEnd;
use super::values::{lasting, passes, time};
use crate::config::duration;
use crate::switch::Mode;

/// `run`
#[derive(Debug, ClapArgs)]
#[command(
    override_usage = "roadworks run [OPTIONS] MODE -- COMMAND ..",
    after_help = "Examples:\n  roadworks run hold --yes -- ./migrate.sh\n  roadworks run close --for 30m --reason 'bigger disks' -- ansible-playbook disks.yml\n  roadworks run hold --on-failure=open --yes -- sh -c 'systemctl restart app && curl -f localhost:3000/up'\n\nExit codes: the command's own, 128 and the number of the signal that ended it, 126 where it cannot be run and 127 where it is\nnot found, both before anything moves; else as of every verb, where the mode or the way back is refused or fails."
)]
pub(in crate::cli) struct RunArgs {
    /// read-only, hold, close or detour
    #[arg(value_name = "MODE")]
    pub(in crate::cli) mode: String,
    /// Where the command fails: stay in the mode and say so, or open if every check passes
    #[arg(long, value_name = "WHAT", default_value = "stay")]
    pub(in crate::cli) on_failure: OnFailure,
    /// Do not ask
    #[arg(long, alias = "auto-approve")]
    pub(in crate::cli) yes: bool,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// How long each move may take, e.g. 90s or 15m
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration)]
    pub(in crate::cli) timeout: Duration,
    /// What visitors are told: it takes so long. The command is never cut short
    #[arg(long = "for", value_name = "DURATION", value_parser = lasting, conflicts_with = "until")]
    pub(in crate::cli) r#for: Option<Duration>,
    /// The same, as a time: RFC 3339 or the next local HH:MM
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::cli) until: Option<String>,
    /// Where whoever runs the command is dead: open once every check passes so many times in a row [default: 3]
    #[arg(long, value_name = "TIMES", num_args = 0..=1, require_equals = true, default_missing_value = "3", value_parser = passes(), conflicts_with = "on_end")]
    pub(in crate::cli) until_healthy: Option<u32>,
    /// At that end, where whoever runs the command is dead: reopen where every check passes, or stay and tell
    #[arg(long, value_name = "WHAT", default_value = "reopen")]
    pub(in crate::cli) on_end: AtEnd,
    /// Set a rule aside, by the name that the refusal gave; needs --reason
    #[arg(long = "override", value_name = "RULE", requires = "reason")]
    pub(in crate::cli) overrides: Vec<String>,
    /// Where a transaction keeps a pool from being paused: end the sessions that do nothing in theirs
    #[arg(long)]
    pub(in crate::cli) terminate_idle: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(in crate::cli) command: Vec<OsString>,
}

/// What happens where the command fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum OnFailure {
    /// The mode stays
    Stay,
    /// It opens, if every check passes
    Open,
}

/// `gate`
#[derive(Debug, ClapArgs)]
#[command(
    override_usage = "roadworks gate [OPTIONS] -- COMMAND ..",
    after_help = "Examples:\n  */5 * * * *  roadworks -c /etc/roadworks gate -- /opt/shop/send-invoices\n  roadworks gate --up-to read-only -- ./report.sh\n  roadworks gate --else-code 75 -- ./import.sh     for a scheduler that tries again\n\nExit codes: the command's own; 0, or --else-code, where it is left out; 126 and 127 as of `env`."
)]
pub(in crate::cli) struct GateArgs {
    /// The strictest mode in which it is run still
    #[arg(long, value_name = "MODE", default_value = "open")]
    pub(in crate::cli) up_to: Mode,
    /// The exit code where it is left out
    #[arg(long, value_name = "CODE", default_value = "0")]
    pub(in crate::cli) else_code: u8,
    /// Where the mode cannot be read: leave it out with an error, or run it
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    pub(in crate::cli) unknown: Unknown,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(in crate::cli) command: Vec<OsString>,
}

/// What happens where the mode cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Unknown {
    /// It is not run
    Refuse,
    /// It is run
    Run,
}
