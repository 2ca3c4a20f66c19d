//! The maintenance page: `page preview`, `page build`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use jiff::Timestamp;

use super::values::later;
use crate::config::duration;

/// `page`
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct PageArgs {
    #[command(subcommand)]
    pub(in crate::cli) verb: PageVerb,
}

/// What `page` does.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PageVerb {
    /// Print the page as a visitor would get it
    Preview(PagePreviewArgs),
    /// Write the page as files, with Brotli and gzip beside, for any server or CDN
    Build(PageBuildArgs),
}

/// `page preview`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks page preview --lang ar --out page.html\n  roadworks page preview --for 15m --at +20m     as it reads when the end has passed"
)]
pub(in crate::cli) struct PagePreviewArgs {
    /// read-only, hold, closed or detour
    #[arg(long, default_value = "closed")]
    pub(in crate::cli) mode: String,
    /// en, de, fr, es, pt, it, nl, pl, ja, zh, ar or he
    #[arg(long, value_name = "TAG", default_value = "en")]
    pub(in crate::cli) lang: String,
    /// The end, from the start
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, default_value = "15m")]
    pub(in crate::cli) r#for: Duration,
    /// How long after the start it is looked at
    #[arg(long, value_name = "DURATION", value_parser = later, default_value = "0s")]
    pub(in crate::cli) at: Duration,
    /// As it reads for whoever sent something
    #[arg(long)]
    pub(in crate::cli) sent: bool,
    /// Write it to a file
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Option<PathBuf>,
}

/// `page build`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks page build public\n  roadworks page build public --until 2026-11-24T03:00:00Z"
)]
pub(in crate::cli) struct PageBuildArgs {
    /// The folder; files of other names in it stay
    pub(in crate::cli) dir: PathBuf,
    /// read-only, hold, closed or detour
    #[arg(long, default_value = "detour")]
    pub(in crate::cli) mode: String,
    /// The end, RFC 3339; without it the page says that it is not known
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) until: Option<Timestamp>,
}
