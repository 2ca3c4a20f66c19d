//! The guards of this machine: `redis`.

use std::time::Duration;

use clap::{ArgGroup, Args as ClapArgs, Subcommand};

use super::values::lasting;

/// Waiting longer is of no use to a client.
const LONGEST_HOLD: Duration = Duration::from_mins(5);
/// What is forgotten ends the next day at the latest.
const LONGEST_OPEN: Duration = Duration::from_hours(24);

/// `redis`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks redis status                    each guard of this machine: what it does, and why\n  roadworks redis open cache --for 10m      answer without Redis from now on; then work on it\n  roadworks redis hold jobs --for 30s       let clients wait while it restarts\n  roadworks redis close cache               ask Redis again, once it is found to be well\n  roadworks redis recover cache --flush     its journal was lost, and it stays away: empty it\n\nIt speaks to the running `roadworks serve` of this machine. A site's mode moves guards as well: `when` in docs/redis.md."
)]
pub(in crate::cli) struct RedisArgs {
    #[command(subcommand)]
    pub(in crate::cli) verb: RedisVerb,
}

/// What can be asked of guards.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RedisVerb {
    /// What each guard does now, and why
    Status(RedisStatusArgs),
    /// Let clients wait, before Redis is touched for a moment
    Hold(RedisHoldArgs),
    /// Answer what may be answered without Redis, before it is worked on
    Open(RedisOpenArgs),
    /// Ask Redis again, once it is found to be well
    Close(RedisNameArgs),
    /// Decide what nobody knows any more: a journal is full, damaged or lost, and Redis stays away
    Recover(RedisRecoverArgs),
}

/// `redis status`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct RedisStatusArgs {
    /// One of them [default: all]
    #[arg(value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,
}

/// `redis close`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct RedisNameArgs {
    /// The guard: the label of its `redis` block
    #[arg(value_name = "NAME")]
    pub(in crate::cli) name: String,
}

/// `redis hold`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct RedisHoldArgs {
    #[command(flatten)]
    pub(in crate::cli) guard: RedisNameArgs,
    /// For how long, at most 5m
    #[arg(long = "for", value_name = "DURATION", value_parser = held, default_value = "30s")]
    pub(in crate::cli) r#for: Duration,
}

/// `redis open`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct RedisOpenArgs {
    #[command(flatten)]
    pub(in crate::cli) guard: RedisNameArgs,
    /// For how long, at most 24h
    #[arg(long = "for", value_name = "DURATION", value_parser = opened, default_value = "10m")]
    pub(in crate::cli) r#for: Duration,
}

/// `redis recover`
#[derive(Debug, ClapArgs)]
#[command(
    group(ArgGroup::new("way").required(true).args(["flush", "accept_stale"])),
    after_help = "Examples:\n  roadworks redis recover cache --flush           empty it, so that nothing old can be read\n  roadworks redis recover cache --accept-stale    read it as it is: what was written or deleted meanwhile may be old"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word on the command line")]
pub(in crate::cli) struct RedisRecoverArgs {
    #[command(flatten)]
    pub(in crate::cli) guard: RedisNameArgs,
    /// Empty each database in which something was dropped, and every one where that is not known
    #[arg(long)]
    pub(in crate::cli) flush: bool,
    /// Read what is there, however old it is
    #[arg(long)]
    pub(in crate::cli) accept_stale: bool,
    /// Do not ask
    #[arg(long, alias = "auto-approve")]
    pub(in crate::cli) yes: bool,
}

fn held(text: &str) -> Result<Duration, String> {
    at_most(text, LONGEST_HOLD, "clients wait at most 5m: `redis open` answers them instead")
}

fn opened(text: &str) -> Result<Duration, String> {
    at_most(text, LONGEST_OPEN, "at most 24h: give it again the next day")
}

fn at_most(text: &str, longest: Duration, why: &str) -> Result<Duration, String> {
    match lasting(text)? {
        long if long > longest => Err(why.to_owned()),
        right => Ok(right),
    }
}
