//! What runs, and what is asked of it: `serve`, `healthcheck`, `dig`.

use clap::{Args as ClapArgs, ValueEnum};

/// `serve`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks serve\n  roadworks serve --role gateway --log json\n\nSignals: TERM and INT end it gracefully, the second at once; HUP has it read its configuration again."
)]
pub(in crate::cli) struct ServeArgs {
    /// Only a part of it [default: both]
    #[arg(long, value_name = "ROLE")]
    pub(in crate::cli) role: Option<Role>,
    /// How its log is written to standard error
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(in crate::cli) log: LogForm,
}

/// A part of `serve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Role {
    /// Stand in front of the app; needs no right on anything else
    Gateway,
    /// Keep ends, and finish what was cut short
    Agent,
}

/// How a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LogForm {
    /// Lines for people
    Text,
    /// An object a line
    Json,
}

/// `healthcheck`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  HEALTHCHECK CMD [\"/roadworks\", \"healthcheck\"]\n  roadworks healthcheck http://127.0.0.1:8080/healthz"
)]
pub(in crate::cli) struct HealthcheckArgs {
    /// What to ask [default: /livez of the admin listener, else the gateway's `lb_path`]
    pub(in crate::cli) url: Option<String>,
}

/// `dig`
#[derive(Debug, ClapArgs)]
#[command(
    override_usage = "roadworks dig [OPTIONS] [@IP:PORT] NAME [TYPE]",
    after_help = "Examples:\n  roadworks dig shop.example.test\n  roadworks dig @127.0.0.1:5300 shop.example.test TXT --tcp\n\nWithout @IP:PORT the nameserver of the configuration is asked, else the system's resolver."
)]
pub(in crate::cli) struct DigArgs {
    /// Whom to ask, for what name, and which type [default: A]
    #[arg(value_name = "WORD", required = true)]
    pub(in crate::cli) words: Vec<String>,
    /// By TCP; `+tcp` does the same
    #[arg(long)]
    pub(in crate::cli) tcp: bool,
}
