//! Whoever is told: `notify test`.

use clap::{Args as ClapArgs, Subcommand};

/// `notify`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct NotifyArgs {
    #[command(subcommand)]
    pub(in crate::cli) verb: NotifyVerb,
}

/// What can be asked of whoever is told.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(in crate::cli) enum NotifyVerb {
    /// Tell each of them a test, and say what became of it: exit code 1 where one could not be told
    Test,
}
