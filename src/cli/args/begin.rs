//! What is done before the first maintenance: `try`, `init`, `doctor`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::values::upstream;
use crate::config;

/// `try`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks try\n  roadworks try --record shop     keep its roadworks.hcl as a start"
)]
pub(in crate::cli) struct TryArgs {
    /// Keep the configuration in this folder, as a start for a real one
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) record: Option<PathBuf>,
}

/// `init`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks init\n  roadworks init --host shop.example.com --upstream http://127.0.0.1:3000"
)]
pub(in crate::cli) struct InitArgs {
    /// A host name that visitors use; may be given several times
    #[arg(long, value_name = "NAME", value_parser = config::host)]
    pub(in crate::cli) host: Vec<String>,
    /// Where the app answers, instead of what compose publishes or who listens here
    #[arg(long, value_name = "URL", value_parser = upstream)]
    pub(in crate::cli) upstream: Option<String>,
}

/// `doctor`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct DoctorArgs {
    /// Make, swap and remove a scratch TXT record in the zone, and report how long it took
    #[arg(long)]
    pub(in crate::cli) exercise: bool,
}
