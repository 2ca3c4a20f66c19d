//! What is done before the first maintenance: `try`, `init`, `doctor`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::serve::Role;
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
#[command(
    after_help = "Examples:\n  roadworks doctor\n  roadworks doctor --exercise           a real round trip, on a record that nobody needs\n  roadworks doctor --policy > iam.json  the least rights that this site needs"
)]
pub(in crate::cli) struct DoctorArgs {
    /// Make, swap and remove a scratch TXT record in the zone, and report how long it took
    #[arg(long)]
    pub(in crate::cli) exercise: bool,
    /// Print the least policy for this site instead: which actions in AWS on which resources
    #[arg(long, conflicts_with = "exercise")]
    pub(in crate::cli) policy: bool,
    /// Of --policy: for a `serve` that does only a part of it
    #[arg(long, value_name = "ROLE", requires = "policy")]
    pub(in crate::cli) role: Option<Role>,
}
