//! The maintenance page: `page preview`, `build`, `init`, `publish` and `verify`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use jiff::Timestamp;

use super::values::{host, lasting, later, part};
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
    /// Print a Terraform stack of its own for the page: bucket, distribution, certificate, status
    Init(PageInitArgs),
    /// Put the page into a bucket: only what differs, then have the distribution forget what was before
    Publish(PagePublishArgs),
    /// Ask a place as browsers and programs would: is every path and method answered with the page?
    Verify(PageVerifyArgs),
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

/// What is put into the files.
#[derive(Debug, Clone, ClapArgs)]
pub(in crate::cli) struct MadeArgs {
    /// read-only, hold, closed or detour
    #[arg(long, default_value = "detour")]
    pub(in crate::cli) mode: String,
    /// The end, RFC 3339; without it the page says that it is not known
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) until: Option<Timestamp>,
    /// What status.json tells the pages: the page's own mode, or `open` once the name leads back
    #[arg(long, value_name = "MODE")]
    pub(in crate::cli) status: Option<String>,
    /// The site's own robots.txt; without it crawlers are told that they may read everything
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) robots: Option<PathBuf>,
}

impl MadeArgs {
    /// Of that mode, and nothing else said.
    pub(in crate::cli) fn of(mode: &str) -> MadeArgs {
        MadeArgs { mode: mode.to_owned(), until: None, status: None, robots: None }
    }
}

/// `page build`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks page build public\n  roadworks page build public --until 2026-11-24T03:00:00Z"
)]
pub(in crate::cli) struct PageBuildArgs {
    /// The folder; files of other names in it stay
    pub(in crate::cli) dir: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) made: MadeArgs,
}

/// `page publish`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks page publish s3://shop-page --distribution E123 --profile page\n  roadworks page publish s3://shop-page --distribution E123 --status open     the name leads back\n  roadworks page publish public                                              a folder, as page build\n\nExit codes: 3 refused (anybody may write to the bucket), 4 credentials, 5 not known to be finished: run it again."
)]
pub(in crate::cli) struct PagePublishArgs {
    /// Where to
    #[arg(
        value_name = "PLACE",
        help = "s3://BUCKET or s3://BUCKET/FOLDER, or a folder here; what else is there stays"
    )]
    pub(in crate::cli) place: String,
    /// The CloudFront distribution in front of the bucket; may be given again
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) distribution: Vec<String>,
    /// A profile of ~/.aws/config, and nothing else: the page must not depend on what is maintained
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) profile: Option<String>,
    /// The bucket's region [default: the environment's, the profile's, us-east-1]
    #[arg(long, value_name = "REGION")]
    pub(in crate::cli) region: Option<String>,
    /// How long it may take until no edge keeps what was before
    #[arg(long, value_name = "DURATION", value_parser = lasting, default_value = "15m")]
    pub(in crate::cli) timeout: Duration,
    #[command(flatten)]
    pub(in crate::cli) made: MadeArgs,
}

/// `page verify`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks page verify https://d111111abcdef8.cloudfront.net --host shop.example.com\n  roadworks page verify http://127.0.0.1:8080 --host shop.example.com\n\nExit code 3: it is not so; each line says what to do."
)]
pub(in crate::cli) struct PageVerifyArgs {
    /// The place's own address, such as the distribution's: it is asked there, wherever the name leads
    #[arg(value_name = "URL")]
    pub(in crate::cli) url: String,
    /// The name under which visitors will come: in Host, in TLS, and on the certificate [default: the URL's own]
    #[arg(long, value_name = "NAME", value_parser = host)]
    pub(in crate::cli) host: Option<String>,
    /// Where the status is
    #[arg(
        long,
        value_name = "URL",
        help = "The URL of status.json on another host [default: the configuration's status_url, if there is one]"
    )]
    pub(in crate::cli) status: Option<String>,
}

/// `page init`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  mkdir page && roadworks page init > page/main.tf && terraform -chdir=page init\n  roadworks page init --domain shop.example.com --domain www.shop.example.com --name shop-page"
)]
pub(in crate::cli) struct PageInitArgs {
    /// A name that visitors come by; may be given again [default: the site's hosts]
    #[arg(long, value_name = "NAME", value_parser = host)]
    pub(in crate::cli) domain: Vec<String>,
    /// What its parts are called: lower case letters, digits and hyphens, at most 36 [default: made of the site's name]
    #[arg(long, value_name = "NAME", value_parser = part)]
    pub(in crate::cli) name: Option<String>,
}
