//! Words on the command line -> what is asked. Touches nothing.

mod begin;
mod flip;
mod meanwhile;
mod notify;
mod page;
mod pipeline;
mod redis;
mod run;
mod schedule;
mod serve;
mod terraform;
mod values;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::switch::Mode;

pub(super) use begin::{DoctorArgs, InitArgs, TryArgs};
pub(super) use flip::{ApplyArgs, AtEnd, FlipArgs, PlanArgs, Wait};
pub(super) use meanwhile::{
    BypassArgs, ExtendArgs, ForgetArgs, GatewayArgs, GatewayVerb, LogArgs, StatusArgs, WaitArgs,
    WaitEnd,
};
pub(super) use notify::{NotifyArgs, NotifyVerb};
pub(super) use page::{
    MadeArgs, PageArgs, PageBuildArgs, PageInitArgs, PagePreviewArgs, PagePublishArgs, PageVerb,
    PageVerifyArgs,
};
pub(super) use pipeline::{AgreeArgs, FollowArgs, PassArgs, PipelineArgs, PipelineVerb, StartArgs};
pub(super) use redis::{RedisArgs, RedisRecoverArgs, RedisVerb};
pub(super) use run::{GateArgs, OnFailure, RunArgs, Unknown};
pub(super) use schedule::{AddArgs, ScheduleArgs, ScheduleVerb};
pub(super) use serve::{DigArgs, HealthcheckArgs, LogForm, Role, ServeArgs};
pub(super) use terraform::{variables, with_double_dashes};

const EXAMPLES: &str = "\
Examples:
  roadworks plan -var maintenance_mode=true   what would move, in the folder with your .tf files
  roadworks detour --reason 'new database'    move the name to the maintenance page, and prove it
  roadworks open                              and back
  roadworks status --json | jq .mode          what visitors get now
  roadworks doctor                            is everything in place for tonight?

Exit codes: 0 done, 1 error, 2 changes pending (only with -detailed-exitcode), 3 refused and nothing changed,
4 credentials, 5 gave up waiting, 6 partly moved, 130 interrupted.";

/// Puts a site into maintenance and back with one switch: proven to have happened, impossible to forget.
#[derive(Debug, Parser)]
#[command(name = "roadworks", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Common {
    /// The configuration
    #[arg(
        short = 'c',
        long = "config",
        value_name = "PATH",
        global = true,
        help = "A roadworks.hcl, a folder with one, or a folder of .tf files [default: ROADWORKS_CONFIG, else this folder]"
    )]
    pub(super) config: Option<PathBuf>,
    /// Which site, where the configuration has several
    #[arg(long, value_name = "NAME", global = true)]
    pub(super) site: Option<String>,
    /// One JSON object instead of words
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// No colours
    #[arg(long, global = true)]
    pub(super) no_color: bool,
    /// A Terraform variable: -var NAME=VALUE
    #[arg(long = "var", value_name = "NAME=VALUE", global = true, help_heading = "Terraform")]
    pub(super) var: Vec<String>,
    /// A file of Terraform variables
    #[arg(long = "var-file", value_name = "FILE", global = true, help_heading = "Terraform")]
    pub(super) var_file: Vec<PathBuf>,
    /// The Terraform state, where it is not where the .tf says
    #[arg(long, value_name = "FILE", global = true, help_heading = "Terraform")]
    pub(super) state: Option<PathBuf>,
    /// The boolean
    #[arg(
        long,
        value_name = "NAME",
        global = true,
        help_heading = "Terraform",
        help = "The boolean that is the switch, where it is not maintenance_mode"
    )]
    pub(super) variable: Option<String>,
    /// Two `terraform show -json` of plans instead of reading the .tf: the boolean false, the boolean true
    #[arg(long, value_names = ["LIVE.json", "MAINTENANCE.json"], num_args = 2, global = true, help_heading = "Terraform")]
    pub(super) from_plans: Option<Vec<PathBuf>>,
    /// Accepted for Terraform's sake; nothing is ever asked off a terminal
    #[arg(long, value_name = "BOOL", global = true, hide = true)]
    pub(super) input: Option<String>,
}

/// One file in this folder each.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show what would change, lever by lever; changes nothing
    Plan(PlanArgs),
    /// Carry out a saved plan, or move towards what -var of the boolean asks
    Apply(ApplyArgs),
    /// Let visitors back in
    Open(FlipArgs),
    /// Refuse writes, let reads pass (needs a gateway)
    ReadOnly(FlipArgs),
    /// Let requests wait (needs a gateway)
    Hold(FlipArgs),
    /// Show the maintenance page (needs a gateway)
    Close(FlipArgs),
    /// Lead the name itself to the maintenance page
    Detour(FlipArgs),
    /// What visitors get, what was asked for, and how far it is
    Status(StatusArgs),
    /// Is it safe to reopen? Asks every check of the site
    Check,
    /// What happened, by whom
    Log(LogArgs),
    /// Whoever is told of what happens: try whether they are
    Notify(NotifyArgs),
    /// The whole system on this machine alone: example app, gateway, page, name server; nothing to install
    Try(TryArgs),
    /// Write a first roadworks.hcl from what the folder has: Terraform, a compose file, a listening port
    Init(InitArgs),
    /// Try every precondition now, each with a fix
    Doctor(DoctorArgs),
    /// See the maintenance page, build it, give it a place of its own in AWS, publish it there, and see that it answers
    Page(PageArgs),
    /// Is the process on this machine alive: exit code 0 or 1, for container images
    Healthcheck(HealthcheckArgs),
    /// Give the running operation more time, or waiting requests more patience
    Extend(ExtendArgs),
    /// Wait until what was asked for is settled, or quiet
    Wait(WaitArgs),
    /// A link, a header and a command by which a tester passes
    Bypass(BypassArgs),
    /// Run the gateways and the agent that the configuration has, until told to stop
    Serve(ServeArgs),
    /// Ask a nameserver, and print what it answers
    Dig(DigArgs),
    /// Of the gateways: take one out of the fleet whose machine is gone
    Gateway(GatewayArgs),
    /// The pipeline that runs Terraform: start it with proof, and keep it out of a maintenance
    Pipeline(PipelineArgs),
    /// Run a command while visitors are kept waiting or out, then open again
    Run(RunArgs),
    /// Run a command only while the site is open: for crontabs and timers
    Gate(GateArgs),
    /// Windows: operations planned ahead, which an agent begins and ends
    Schedule(ScheduleArgs),
    /// The guards of Redis on this machine: what they do, and what they are to do
    Redis(RedisArgs),
    /// Have the running `serve` of this machine read its configuration again
    Reload,
    /// Let go what is paused here should whoever paused it die; started by them
    #[command(hide = true)]
    Watchdog,
}

impl Verb {
    /// The mode that a mode verb asks for.
    pub(super) fn mode(&self) -> Option<Mode> {
        match self {
            Verb::Open(_) => Some(Mode::Open),
            Verb::ReadOnly(_) => Some(Mode::ReadOnly),
            Verb::Hold(_) => Some(Mode::Hold),
            Verb::Close(_) => Some(Mode::Closed),
            Verb::Detour(_) => Some(Mode::Detour),
            Verb::Plan(_)
            | Verb::Apply(_)
            | Verb::Status(_)
            | Verb::Check
            | Verb::Log(_)
            | Verb::Notify(_)
            | Verb::Try(_)
            | Verb::Init(_)
            | Verb::Doctor(_)
            | Verb::Page(_)
            | Verb::Healthcheck(_)
            | Verb::Extend(_)
            | Verb::Wait(_)
            | Verb::Bypass(_)
            | Verb::Serve(_)
            | Verb::Dig(_)
            | Verb::Gateway(_)
            | Verb::Pipeline(_)
            | Verb::Run(_)
            | Verb::Gate(_)
            | Verb::Schedule(_)
            | Verb::Redis(_)
            | Verb::Watchdog
            | Verb::Reload => None,
        }
    }
}

impl Verb {
    /// Whether it may write what somebody is told of.
    pub(super) fn is_told_of(&self) -> bool {
        match self {
            Verb::Apply(_)
            | Verb::Open(_)
            | Verb::ReadOnly(_)
            | Verb::Hold(_)
            | Verb::Close(_)
            | Verb::Detour(_)
            | Verb::Extend(_)
            | Verb::Gateway(_)
            | Verb::Pipeline(_)
            | Verb::Run(_) => true,
            Verb::Plan(_)
            | Verb::Status(_)
            | Verb::Check
            | Verb::Log(_)
            | Verb::Notify(_)
            | Verb::Gate(_)
            | Verb::Schedule(_)
            | Verb::Try(_)
            | Verb::Init(_)
            | Verb::Doctor(_)
            | Verb::Page(_)
            | Verb::Healthcheck(_)
            | Verb::Wait(_)
            | Verb::Bypass(_)
            | Verb::Serve(_)
            | Verb::Dig(_)
            | Verb::Redis(_)
            | Verb::Reload
            | Verb::Watchdog => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_put_together_well() {
        Args::command().debug_assert();
    }
}
