//! `schedule`: operations planned ahead.

use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};

use super::flip::AtEnd;
use super::values::lasting;
use crate::config::duration;

/// `schedule`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct ScheduleArgs {
    #[command(subcommand)]
    pub(in crate::cli) verb: ScheduleVerb,
}

/// What can be asked of windows.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ScheduleVerb {
    /// Plan one
    Add(AddArgs),
    /// All of them, each with its next time
    List,
    /// Take one away; what it began goes on
    Cancel(CancelArgs),
    /// Why each is, or is not, active
    Explain(ExplainArgs),
}

/// `schedule add`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks schedule add 'sat 03:00' --for 30m --mode closed --timezone Europe/Berlin\n  roadworks schedule add 'every sun,wed 02:30' --for 15m --mode read-only --reason 'vacuum'\n  roadworks schedule add 2026-12-05T03:00:00Z --for 2h --mode detour\n\nWHEN: a day and a time (the next one), a time, a date and a time, RFC 3339; with `every` a day, days, or `day`, each week.\nA time that clocks skip is refused, and of an `every` it comes when they go on. An agent begins and ends a window: `roadworks serve`."
)]
pub(in crate::cli) struct AddArgs {
    /// When it starts
    #[arg(value_name = "WHEN")]
    pub(in crate::cli) when: String,
    /// For how long
    #[arg(long = "for", value_name = "DURATION", value_parser = lasting, required_unless_present = "until")]
    pub(in crate::cli) r#for: Option<Duration>,
    /// Until when, RFC 3339 or a date and a time; not with `every`
    #[arg(long, value_name = "TIME", conflicts_with = "for")]
    pub(in crate::cli) until: Option<String>,
    /// read-only, hold, close or detour
    #[arg(long, value_name = "MODE")]
    pub(in crate::cli) mode: String,
    /// By whose clocks [default: this machine's]
    #[arg(long, value_name = "ZONE")]
    pub(in crate::cli) timezone: Option<String>,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// At its end: reopen where every check passes, or stay and tell
    #[arg(long, value_name = "WHAT", default_value = "reopen")]
    pub(in crate::cli) on_end: AtEnd,
    /// How long before each start whoever is told of things hears of it; 0s for never [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) announce: Option<Duration>,
    /// How long before each start whoever heard of it hears of it again; 0s for never [default: 15m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) remind: Option<Duration>,
    /// Begin at once, where it would have started already
    #[arg(long)]
    pub(in crate::cli) yes: bool,
}

/// `schedule cancel`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct CancelArgs {
    /// As `schedule list` has it
    #[arg(value_name = "ID")]
    pub(in crate::cli) id: String,
}

/// `schedule explain`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct ExplainArgs {
    /// One of them [default: all]
    #[arg(value_name = "ID")]
    pub(in crate::cli) id: Option<String>,
}
