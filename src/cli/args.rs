//! Words on the command line -> what is asked. Touches nothing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Time;

use crate::config::{self, duration};
use crate::switch::Mode;
use crate::terraform::VariableInput;

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
    /// What happened, by whom
    Log(LogArgs),
    /// The whole system on this machine alone: example app, gateway, page, name server; nothing to install
    Try(TryArgs),
    /// Write a first roadworks.hcl from what the folder has: Terraform, a compose file, a listening port
    Init(InitArgs),
    /// Try every precondition now, each with a fix
    Doctor(DoctorArgs),
    /// See the maintenance page, or build it as files for a CDN
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
    /// Have the running `serve` of this machine read its configuration again
    Reload,
}

/// `plan`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks plan detour\n  roadworks plan -var maintenance_mode=true -out tonight.plan && roadworks apply tonight.plan\n  roadworks plan detour --as-aws-cli"
)]
pub(super) struct PlanArgs {
    /// open, read-only, hold, close or detour [default: what the variable or the switch asks]
    pub(super) mode: Option<String>,
    /// Write the plan to a file, for `roadworks apply FILE`
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Exit with 2 where something would change
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
    /// Print the commands of AWS's own command line that do it and undo it
    #[arg(long)]
    pub(super) as_aws_cli: bool,
    /// Set a rule aside, by the name that the refusal gave
    #[arg(long = "override", value_name = "RULE")]
    pub(super) overrides: Vec<String>,
}

/// `apply`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks apply tonight.plan\n  roadworks apply -var maintenance_mode=true -auto-approve"
)]
pub(super) struct ApplyArgs {
    /// A plan that `roadworks plan -out FILE` wrote: the file is the approval
    pub(super) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(super) flip: FlipArgs,
}

/// Every verb that moves the switch.
#[derive(Debug, Clone, ClapArgs)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(
    after_help = "Examples:\n  roadworks hold --for 5m --yes\n  roadworks close --until 03:00 --on-end stay --yes\n  roadworks detour --reason 'new database' --yes\n  roadworks open --wait settled\n  roadworks close --local --yes"
)]
pub(super) struct FlipArgs {
    /// Do not ask
    #[arg(long, alias = "auto-approve")]
    pub(super) yes: bool,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// How far to wait [default: gateways until they have drained, names until their system confirms]
    #[arg(long, value_name = "FOR")]
    pub(super) wait: Option<Wait>,
    /// How long to wait, e.g. 90s or 15m
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration)]
    pub(super) timeout: Duration,
    /// End by itself after so long (needs an agent, or --stay)
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, conflicts_with = "until")]
    pub(super) r#for: Option<Duration>,
    /// End by itself at that time, RFC 3339 or the next local HH:MM (needs an agent, or --stay)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) until: Option<String>,
    /// At that end: reopen where every check passes, or stay and tell
    #[arg(long, value_name = "WHAT", default_value = "reopen")]
    pub(super) on_end: AtEnd,
    /// Keep that end here, in the foreground, instead of an agent
    #[arg(long)]
    pub(super) stay: bool,
    /// Only the gateway of this machine, whatever became of the store; `open --local` clears it
    #[arg(long, conflicts_with_all = ["for", "until", "wait", "stay"])]
    pub(super) local: bool,
    /// Set a rule aside, by the name that the refusal gave; needs --reason
    #[arg(long = "override", value_name = "RULE", requires = "reason")]
    pub(super) overrides: Vec<String>,
}

/// What happens when an operation's time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum AtEnd {
    /// Open, if there is at least one check and all pass; else stay
    Reopen,
    /// Stay as it is, overdue, and tell
    Stay,
}

/// How far a verb waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Wait {
    /// Return when the switch is written
    None,
    /// Until every lever's own system confirms
    Moved,
    /// Until no correct client can still have the old answer, counting down
    Settled,
    /// Until nobody has come to the old target for two minutes: a detour with a gateway
    Quiet,
}

/// How far `wait` waits, whoever moved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum WaitEnd {
    /// Until every lever's own system confirms
    Moved,
    /// Until no correct client can still have the old answer, counting down
    Settled,
    /// Until nobody has come to the old target for two minutes: a detour with a gateway
    Quiet,
}

/// `status`
#[derive(Debug, ClapArgs)]
pub(super) struct StatusArgs {
    /// Exit with 2 where the site is not open
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
    /// Again on each change, until interrupted; with --json a line each
    #[arg(long)]
    pub(super) watch: bool,
}

/// `extend`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks extend 15m\n  roadworks extend --until 04:30\n  roadworks extend --patience 60s"
)]
pub(super) struct ExtendArgs {
    /// So much later than its end
    #[arg(value_name = "DURATION", value_parser = duration, conflicts_with = "until")]
    pub(super) by: Option<Duration>,
    /// End at that time, RFC 3339 or the next local HH:MM
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) until: Option<String>,
    /// Requests may wait for so long in hold, counted from its start
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with_all = ["by", "until"])]
    pub(super) patience: Option<Duration>,
}

/// `wait`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks wait\n  roadworks wait quiet --for-mode detour --timeout 90m\n  roadworks wait --for-mode hold --timeout 30s && ./migrate"
)]
pub(super) struct WaitArgs {
    /// How far, as `--wait` of the verbs that move it
    #[arg(value_name = "FOR", default_value = "settled")]
    pub(super) end: WaitEnd,
    /// Until the site is in this mode, whoever asks for it
    #[arg(long, value_name = "MODE")]
    pub(super) for_mode: Option<String>,
    /// How long to wait, e.g. 90s or 15m
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration)]
    pub(super) timeout: Duration,
}

/// `bypass`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  roadworks bypass --for 2h")]
pub(super) struct BypassArgs {
    /// For how long, at most 12h
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub(super) r#for: Duration,
}

/// `serve`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks serve\n  roadworks serve --role gateway --log json\n\nSignals: TERM and INT end it gracefully, the second at once; HUP has it read its configuration again."
)]
pub(super) struct ServeArgs {
    /// Only a part of it [default: both]
    #[arg(long, value_name = "ROLE")]
    pub(super) role: Option<Role>,
    /// How its log is written to standard error
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(super) log: LogForm,
}

/// `dig`
#[derive(Debug, ClapArgs)]
#[command(
    override_usage = "roadworks dig [OPTIONS] [@IP:PORT] NAME [TYPE]",
    after_help = "Examples:\n  roadworks dig shop.example.test\n  roadworks dig @127.0.0.1:5300 shop.example.test TXT --tcp\n\nWithout @IP:PORT the nameserver of the configuration is asked, else the system's resolver."
)]
pub(super) struct DigArgs {
    /// Whom to ask, for what name, and which type [default: A]
    #[arg(value_name = "WORD", required = true)]
    pub(super) words: Vec<String>,
    /// By TCP; `+tcp` does the same
    #[arg(long)]
    pub(super) tcp: bool,
}

/// A part of `serve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Role {
    /// Stand in front of the app; needs no right on anything else
    Gateway,
    /// Keep ends, and finish what was cut short
    Agent,
}

/// How a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogForm {
    /// Lines for people
    Text,
    /// An object a line
    Json,
}

/// `log`
#[derive(Debug, ClapArgs)]
pub(super) struct LogArgs {
    /// The newest so many entries
    #[arg(long, value_name = "NUMBER", default_value = "200")]
    pub(super) limit: usize,
}

/// `doctor`
#[derive(Debug, ClapArgs)]
pub(super) struct DoctorArgs {
    /// Make, swap and remove a scratch TXT record in the zone, and report how long it took
    #[arg(long)]
    pub(super) exercise: bool,
}

/// `page`
#[derive(Debug, ClapArgs)]
pub(super) struct PageArgs {
    #[command(subcommand)]
    pub(super) verb: PageVerb,
}

/// What `page` does.
#[derive(Debug, Subcommand)]
pub(super) enum PageVerb {
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
pub(super) struct PagePreviewArgs {
    /// read-only, hold, closed or detour
    #[arg(long, default_value = "closed")]
    pub(super) mode: String,
    /// en, de, fr, es, pt, it, nl, pl, ja, zh, ar or he
    #[arg(long, value_name = "TAG", default_value = "en")]
    pub(super) lang: String,
    /// The end, from the start
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, default_value = "15m")]
    pub(super) r#for: Duration,
    /// How long after the start it is looked at
    #[arg(long, value_name = "DURATION", value_parser = later, default_value = "0s")]
    pub(super) at: Duration,
    /// As it reads for whoever sent something
    #[arg(long)]
    pub(super) sent: bool,
    /// Write it to a file
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// `page build`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks page build public\n  roadworks page build public --until 2026-11-24T03:00:00Z"
)]
pub(super) struct PageBuildArgs {
    /// The folder; files of other names in it stay
    pub(super) dir: PathBuf,
    /// read-only, hold, closed or detour
    #[arg(long, default_value = "detour")]
    pub(super) mode: String,
    /// The end, RFC 3339; without it the page says that it is not known
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<Timestamp>,
}

/// `try`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks try\n  roadworks try --record shop     keep its roadworks.hcl as a start"
)]
pub(super) struct TryArgs {
    /// Keep the configuration in this folder, as a start for a real one
    #[arg(long, value_name = "DIR")]
    pub(super) record: Option<PathBuf>,
}

/// `init`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  roadworks init\n  roadworks init --host shop.example.com --upstream http://127.0.0.1:3000"
)]
pub(super) struct InitArgs {
    /// A host name that visitors use; may be given several times
    #[arg(long, value_name = "NAME", value_parser = config::host)]
    pub(super) host: Vec<String>,
    /// Where the app answers, instead of what compose publishes or who listens here
    #[arg(long, value_name = "URL", value_parser = upstream)]
    pub(super) upstream: Option<String>,
}

/// `healthcheck`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  HEALTHCHECK CMD [\"/roadworks\", \"healthcheck\"]\n  roadworks healthcheck http://127.0.0.1:8080/healthz"
)]
pub(super) struct HealthcheckArgs {
    /// What to ask [default: /livez of the admin listener, else the gateway's `lb_path`]
    pub(super) url: Option<String>,
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
            | Verb::Log(_)
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
            | Verb::Reload => None,
        }
    }
}

/// Terraform's long options with one dash, which clap would read as a row of short ones.
const SINGLE_DASH: [&str; 11] = [
    "var",
    "var-file",
    "state",
    "variable",
    "out",
    "json",
    "auto-approve",
    "detailed-exitcode",
    "no-color",
    "from-plans",
    "input",
];

/// Rewrites Terraform's single-dash options to double dashes, and nothing else.
pub(super) fn with_double_dashes(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut plain = false;
    let rewrite = |word: OsString| {
        plain = plain || word == "--";
        let Some(text) = word.to_str().filter(|_| !plain) else { return word };
        let name = text.strip_prefix('-').map(|rest| rest.split('=').next().unwrap_or(rest));
        match name {
            Some(name) if SINGLE_DASH.contains(&name) => format!("-{text}").into(),
            _ => word,
        }
    };
    words.into_iter().map(rewrite).collect()
}

/// `-var` and `-var-file` in the order of the command line, which decides which one wins.
pub(super) fn variables(words: &[OsString]) -> Vec<VariableInput> {
    let mut found = Vec::new();
    let mut words = words.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--");
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word.into_owned(), None),
        };
        let mut value = || value.clone().or_else(|| words.next().map(std::borrow::Cow::into_owned));
        match name.as_str() {
            "--var" => found.extend(value().map(VariableInput::Value)),
            "--var-file" => found.extend(value().map(|file| VariableInput::File(file.into()))),
            _ => {}
        }
    }
    found
}

/// An upstream such as `http://127.0.0.1:3000`, as it is written in roadworks.hcl.
fn upstream(text: &str) -> Result<String, String> {
    config::upstream(text).map(|upstream| upstream.to_string())
}

/// A duration from the start, with or without a plus.
fn later(text: &str) -> Result<Duration, String> {
    duration(text.strip_prefix('+').unwrap_or(text))
}

/// A time such as `2026-11-24T03:00:00Z` or `03:00`.
fn time(text: &str) -> Result<String, String> {
    let known = text.parse::<Timestamp>().is_ok() || text.parse::<Time>().is_ok();
    let wrong = || format!("`{text}` is not a time: 2026-11-24T03:00:00Z, or 03:00");
    if known { Ok(text.to_owned()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_arguments_are_put_together_well() {
        Args::command().debug_assert();
    }

    #[test]
    fn terraforms_single_dashes_are_read_and_others_left_alone() {
        let line = "roadworks plan -var a=-json -detailed-exitcode -out=x -c dir -- -json";
        let rewritten = with_double_dashes(words(line));
        assert_eq!(
            rewritten,
            words("roadworks plan --var a=-json --detailed-exitcode --out=x -c dir -- -json")
        );
    }

    #[test]
    fn variables_keep_the_order_of_the_command_line() {
        let line = words("roadworks plan --var a=1=2 --var-file=x.tfvars --var=b=3");
        assert_eq!(
            variables(&line),
            [
                VariableInput::Value("a=1=2".to_owned()),
                VariableInput::File("x.tfvars".into()),
                VariableInput::Value("b=3".to_owned()),
            ]
        );
    }

    #[test]
    fn a_time_is_one_of_the_clock_or_of_the_calendar() {
        assert!(time("03:00").is_ok() && time("2026-11-24T03:00:00Z").is_ok());
        assert!(time("banana").is_err());
    }
}
