//! What moves the switch: `plan`, `apply`, and a verb for each mode.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};

use super::values::{lasting, passes, time};
use crate::config::duration;

/// `plan`
#[derive(Debug, ClapArgs)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(
    after_help = "Examples:\n  roadworks plan detour\n  roadworks plan -var maintenance_mode=true -out tonight.plan && roadworks apply tonight.plan\n  roadworks plan detour --as-aws-cli"
)]
pub(in crate::cli) struct PlanArgs {
    /// open, read-only, hold, close or detour [default: what the variable or the switch asks]
    pub(in crate::cli) mode: Option<String>,
    /// Write the plan to a file, for `roadworks apply FILE`
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Option<PathBuf>,
    /// Exit with 2 where something would change
    #[arg(long)]
    pub(in crate::cli) detailed_exitcode: bool,
    /// Print the commands of AWS's own command line that do it and undo it
    #[arg(long)]
    pub(in crate::cli) as_aws_cli: bool,
    /// Set a rule aside, by the name that the refusal gave
    #[arg(long = "override", value_name = "RULE")]
    pub(in crate::cli) overrides: Vec<String>,
    /// Give other rules of a load balancer's listeners higher numbers, where they leave no room
    #[arg(long)]
    pub(in crate::cli) renumber: bool,
}

/// `apply`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks apply tonight.plan\n  roadworks apply -var maintenance_mode=true -auto-approve"
)]
pub(in crate::cli) struct ApplyArgs {
    /// A plan that `roadworks plan -out FILE` wrote: the file is the approval
    pub(in crate::cli) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) flip: FlipArgs,
}

/// Every verb that moves the switch.
#[derive(Debug, Clone, ClapArgs)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(
    after_help = "Examples:\n  roadworks hold --for 5m --yes\n  roadworks close --until 03:00 --on-end stay --yes\n  roadworks close --until-healthy --for 20m --yes\n  roadworks detour --reason 'new database' --yes\n  roadworks open --wait settled\n  roadworks close --local --yes"
)]
pub(in crate::cli) struct FlipArgs {
    /// Do not ask
    #[arg(long, alias = "auto-approve")]
    pub(in crate::cli) yes: bool,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// How far to wait [default: gateways until they have drained, names until their system confirms]
    #[arg(long, value_name = "FOR")]
    pub(in crate::cli) wait: Option<Wait>,
    /// How long to wait, e.g. 90s or 15m
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration)]
    pub(in crate::cli) timeout: Duration,
    /// End by itself after so long, 1s or more (needs an agent, or --stay)
    #[arg(long = "for", value_name = "DURATION", value_parser = lasting, conflicts_with = "until")]
    pub(in crate::cli) r#for: Option<Duration>,
    /// End by itself at that time, RFC 3339 or the next local HH:MM (needs an agent, or --stay)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::cli) until: Option<String>,
    /// End by itself once every check passes so many times in a row [default: 3]; --for and --until say when it is overdue then
    #[arg(long, value_name = "TIMES", num_args = 0..=1, require_equals = true, default_missing_value = "3", value_parser = passes(), conflicts_with = "on_end")]
    pub(in crate::cli) until_healthy: Option<u32>,
    /// At that end: reopen where every check passes, or stay and tell
    #[arg(long, value_name = "WHAT", default_value = "reopen")]
    pub(in crate::cli) on_end: AtEnd,
    /// Keep that end here, in the foreground, instead of an agent
    #[arg(long)]
    pub(in crate::cli) stay: bool,
    /// Only the gateway of this machine, whatever became of the store; `open --local` clears it
    #[arg(long, conflicts_with_all = ["for", "until", "until_healthy", "wait", "stay"])]
    pub(in crate::cli) local: bool,
    /// Set a rule aside, by the name that the refusal gave; needs --reason
    #[arg(long = "override", value_name = "RULE", requires = "reason")]
    pub(in crate::cli) overrides: Vec<String>,
    /// Give other rules of a load balancer's listeners higher numbers, where they leave no room
    #[arg(long, conflicts_with = "local")]
    pub(in crate::cli) renumber: bool,
    /// Where a transaction keeps a pool from being paused: end the sessions that do nothing in theirs
    #[arg(long, conflicts_with = "local")]
    pub(in crate::cli) terminate_idle: bool,
}

/// What happens when an operation's time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum AtEnd {
    /// Open, if there is at least one check and all pass; else stay
    Reopen,
    /// Stay as it is, overdue, and tell
    Stay,
}

/// How far a verb waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Wait {
    /// Return when the switch is written
    None,
    /// Until every lever's own system confirms
    Moved,
    /// Until no correct client can still have the old answer, counting down
    Settled,
    /// Until nobody has come to the old target for two minutes: a detour with a gateway
    Quiet,
}
