//! The pipeline that runs Terraform: `pipeline start`, `follow`, `status`, `pass`, `release`.

use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};

use crate::config::duration;

/// `pipeline`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct PipelineArgs {
    #[command(subcommand)]
    pub(in crate::cli) verb: PipelineVerb,
}

/// What can be asked of a pipeline.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PipelineVerb {
    /// Start it, follow it to its end, and see whether the record really moved
    Start(StartArgs),
    /// Follow an execution that runs already, to the same end
    Follow(FollowArgs),
    /// Its stages, who waits before which, and its executions
    Status,
    /// Let one waiting execution into the closed stage, and close it again
    Pass(PassArgs),
    /// Let all that wait go, once the site is open and settled
    Release(AgreeArgs),
}

/// `pipeline start`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks pipeline start -var maintenance_mode=true\n  roadworks pipeline start -var maintenance_mode=false --timeout 30m --yes\n\nCtrl-C leaves the execution running: nothing ever stops or abandons one."
)]
pub(in crate::cli) struct StartArgs {
    /// Do not ask
    #[arg(long, alias = "auto-approve")]
    pub(in crate::cli) yes: bool,
    /// How long to follow it, e.g. 90s or 60m
    #[arg(long, value_name = "DURATION", default_value = "60m", value_parser = duration)]
    pub(in crate::cli) timeout: Duration,
}

/// `pipeline follow`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct FollowArgs {
    /// The execution, as `start` and `status` show it
    #[arg(value_name = "EXECUTION")]
    pub(in crate::cli) id: String,
    /// How long to follow it, e.g. 90s or 60m
    #[arg(long, value_name = "DURATION", default_value = "60m", value_parser = duration)]
    pub(in crate::cli) timeout: Duration,
}

/// `pipeline pass`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct PassArgs {
    /// Do not ask
    #[arg(long, alias = "auto-approve")]
    pub(in crate::cli) yes: bool,
    /// How long to wait until it is in, e.g. 90s or 10m
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(in crate::cli) timeout: Duration,
}

/// `pipeline release`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct AgreeArgs {
    /// Do not ask
    #[arg(long, alias = "auto-approve")]
    pub(in crate::cli) yes: bool,
}
