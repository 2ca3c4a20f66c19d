//! What is asked while a site is under maintenance: `status`, `log`, `extend`, `wait`, `bypass`, `gateway`.

use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::values::{lasting, some, time};
use crate::config::duration;

/// `status`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct StatusArgs {
    /// Exit with 2 where the site is not open
    #[arg(long)]
    pub(in crate::cli) detailed_exitcode: bool,
    /// Again on each change, until interrupted; with --json a line each
    #[arg(long)]
    pub(in crate::cli) watch: bool,
}

/// `log`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct LogArgs {
    /// The newest so many entries
    #[arg(long, value_name = "NUMBER", default_value = "200", value_parser = some)]
    pub(in crate::cli) limit: usize,
}

/// `extend`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks extend 15m\n  roadworks extend --until 04:30\n  roadworks extend --patience 60s"
)]
pub(in crate::cli) struct ExtendArgs {
    /// So much later than its end, 1s or more
    #[arg(value_name = "DURATION", value_parser = lasting, conflicts_with = "until")]
    pub(in crate::cli) by: Option<Duration>,
    /// End at that time, RFC 3339 or the next local HH:MM
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::cli) until: Option<String>,
    /// Requests may wait for so long in hold, counted from its start
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with_all = ["by", "until"])]
    pub(in crate::cli) patience: Option<Duration>,
}

/// `gateway`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct GatewayArgs {
    #[command(subcommand)]
    pub(in crate::cli) verb: GatewayVerb,
}

/// What can be said of a gateway.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum GatewayVerb {
    /// Wait no longer for one that is gone for good: a silent one may still let visitors pass
    Forget(ForgetArgs),
}

/// `gateway forget`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks gateway forget i-0ab --reason 'its machine was taken away'"
)]
pub(in crate::cli) struct ForgetArgs {
    /// Its id, as `status` shows it
    #[arg(value_name = "ID")]
    pub(in crate::cli) id: String,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
}

/// How far `wait` waits, whoever moved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum WaitEnd {
    /// Until every lever's own system confirms
    Moved,
    /// Until no correct client can still have the old answer, counting down
    Settled,
    /// Until nobody has come to the old target for two minutes: a detour with a gateway
    Quiet,
}

/// `wait`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks wait\n  roadworks wait quiet --for-mode detour --timeout 90m\n  roadworks wait --for-mode hold --timeout 30s && ./migrate"
)]
pub(in crate::cli) struct WaitArgs {
    /// How far, as `--wait` of the verbs that move it
    #[arg(value_name = "FOR", default_value = "settled")]
    pub(in crate::cli) end: WaitEnd,
    /// Until the site is in this mode, whoever asks for it
    #[arg(long, value_name = "MODE")]
    pub(in crate::cli) for_mode: Option<String>,
    /// How long to wait, e.g. 90s or 15m
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration)]
    pub(in crate::cli) timeout: Duration,
}

/// `bypass`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  roadworks bypass --for 2h")]
pub(in crate::cli) struct BypassArgs {
    /// For how long, 1s to 12h
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = lasting)]
    pub(in crate::cli) r#for: Duration,
}
