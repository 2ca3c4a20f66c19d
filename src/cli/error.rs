//! Why a verb did not do what it was asked, before an agent was even asked or after.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::hcl::{Diagnostic, Place};
use crate::page::away;
use crate::terraform::backend::{BackendError, LockHolder};
use crate::{agent, config, store};

/// What a verb can answer instead.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The words on the command line do not fit together.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: String,
    },
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error(transparent)]
    Unresolved(#[from] config::Unresolved),
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Agent(#[from] agent::Error),
    /// The command of `run` is not there, cannot be run, or did not end well.
    #[error("{message}")]
    Command {
        /// What became of it.
        message: String,
        /// The next step.
        hint: String,
        /// For programs.
        word: &'static str,
        /// The exit code: the command's own, or 126 and 127 as of `env`.
        code: u8,
    },
    /// The command of `run` ended well, and the way back failed.
    #[error("{program} ended well, and the site is not open again: {error}")]
    Kept {
        /// The command's name.
        program: String,
        /// Why.
        #[source]
        error: Box<Error>,
    },
    /// Somebody's `terraform` holds the state.
    #[error(
        "{holder} holds the lock of the Terraform state: an apply under way would put the record back"
    )]
    StateLocked {
        /// Who, and since when, as far as the lock says.
        holder: Box<LockHolder>,
    },
    /// Nobody is there to ask.
    #[error("this moves {site} to {to}, and nobody confirmed it")]
    NotConfirmed {
        /// The site.
        site: String,
        /// The mode.
        to: crate::switch::Mode,
        /// How to confirm.
        hint: String,
    },
    /// The end cannot be kept, or what is only asked for not be done.
    #[error("no agent lives on this store: nobody would keep an end, or do what is only asked for")]
    NobodyKeepsTheEnd,
    /// Health is to be waited for, and nobody could say how that is.
    #[error(
        "nothing could say that the app is healthy: the site has neither a check nor a gateway"
    )]
    NothingToAsk,
    /// What was to be waited for cannot be known here.
    #[error("{0}")]
    CannotWait(&'static str),
    /// A file of the caller's.
    #[error("{} cannot be {doing}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// `read` or `written`.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// `init` finds its work done.
    #[error("{} is there already, and stays as it is", path.display())]
    AlreadyThere {
        /// Which file.
        path: PathBuf,
    },
    /// `init` would hide a switch that is not open.
    #[error("{} is in {mode} by a switch that a roadworks.hcl would not see", folder.display())]
    UnderWay {
        /// The folder.
        folder: PathBuf,
        /// What visitors get.
        mode: crate::switch::Mode,
    },
    /// `init` finds nothing.
    #[error("{message}")]
    NothingToWrite {
        /// What was looked for.
        message: String,
        /// What to say instead.
        hint: String,
    },
    /// `try` wants two addresses.
    #[error(
        "127.0.0.2 is no address of this machine, and the page needs another one than the gateway"
    )]
    NoSecondAddress,
    /// A saved plan that is not one.
    #[error("{} is not a plan that this Roadworks wrote: {why}", path.display())]
    NotAPlan {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A precondition failed.
    #[error("{failed} of {all} preconditions failed")]
    Unwell {
        /// How many failed.
        failed: usize,
        /// Of how many.
        all: usize,
    },
    /// Somebody could not be told a test.
    #[error("{untold} of {all} could not be told")]
    Untold {
        /// How many could not.
        untold: usize,
        /// Of how many.
        all: usize,
    },
    /// A nameserver gave no answer.
    #[error("{message}")]
    Unasked {
        /// What is the matter.
        message: String,
    },
    /// The page did not get to its place, or not whole.
    #[error(transparent)]
    Published(#[from] away::Error),
    /// What is at the page's place is not the page.
    #[error("{wrong} of {all} answers of {url} are not the page")]
    NotThePage {
        /// What was asked.
        url: String,
        /// How many are not.
        wrong: usize,
        /// Of how many.
        all: usize,
    },
    /// Nobody is at the page's place.
    #[error("{url}: {why}")]
    Deserted {
        /// What was asked.
        url: String,
        /// What is the matter.
        why: String,
    },
    /// `healthcheck` says no.
    #[error("{url}: {why}")]
    Sick {
        /// What was asked.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// A running `serve` said no.
    #[error("{message}")]
    Answered {
        /// A kebab-case word.
        code: &'static str,
        /// What is the matter.
        message: String,
        /// What to do.
        hint: String,
        /// Where in the configuration, as it said.
        place: Option<Box<Place>>,
    },
    /// A running `serve` may not do it now.
    #[error("{message}")]
    Refused {
        /// A kebab-case word.
        code: &'static str,
        /// What is the matter.
        message: String,
        /// What to do.
        hint: String,
    },
    /// What the configuration has is nothing that could be served.
    #[error("{message}")]
    Unserved {
        /// What is the matter.
        message: String,
        /// What to do.
        hint: String,
        /// The same with its place in the file, where it has one.
        spot: Option<Box<Diagnostic>>,
    },
    /// Ctrl-C, or SIGTERM.
    #[error("{signal}: the switch stays as asked, and may be half way")]
    Interrupted {
        /// Which.
        signal: Interruption,
    },
    /// Something that is no mode was not confirmed.
    #[error("{what}: nobody confirmed it")]
    Unagreed {
        /// What would happen.
        what: String,
    },
    /// A run of the pipeline did not end as it was asked to, or is not over.
    #[error("{message}")]
    Run {
        /// How.
        end: RunEnd,
        /// What is the matter.
        message: String,
        /// What to do.
        hint: String,
    },
    /// A mistake of ours, or of a library.
    #[error("this is a mistake in Roadworks ({place}); what was under way was cut short")]
    Bug {
        /// Where in the source. Not what was found there: that may be a secret.
        place: String,
    },
    /// Nobody reads what we print.
    #[error("standard output cannot be written: {0}")]
    Output(io::Error),
    /// No thread, no socket, no signal.
    #[error("the system refuses what this needs: {0}")]
    System(#[from] io::Error),
}

/// How a run of the pipeline ended otherwise than it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunEnd {
    /// It failed or was stopped, and the record is not where it was to be.
    Failed,
    /// A newer run took its place, and the record is not where it was to be.
    Superseded,
    /// It failed, was stopped or replaced after it had moved the record.
    FailedAfterMoving,
    /// It succeeded, and the record is not where it was to be.
    Unmoved,
    /// It runs for longer than it was followed.
    StillRuns,
    /// Whoever followed it left.
    Left(Interruption),
}

/// What ends a verb that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interruption {
    /// SIGINT.
    CtrlC,
    /// SIGTERM, as a service manager or a job's deadline sends it.
    Term,
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Interruption::CtrlC => "interrupted",
            Interruption::Term => "terminated",
        })
    }
}

impl Error {
    /// The next step for a person.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Error::Usage { hint, .. }
            | Error::NotConfirmed { hint, .. }
            | Error::Answered { hint, .. }
            | Error::Refused { hint, .. }
            | Error::Unserved { hint, .. }
            | Error::NothingToWrite { hint, .. }
            | Error::Run { hint, .. } => Some(hint.clone()),
            Error::Kept { program, error } => Some(kept(program, error)),
            Error::Command { hint, .. } => (!hint.is_empty()).then(|| hint.clone()),
            Error::Config(error) => Some(error.hint()),
            Error::Unresolved(error) => error.hint(),
            Error::Backend(error) => Some(error.hint()),
            Error::Store(error) => Some(error.hint()),
            Error::Agent(error) => Some(error.hint()),
            Error::Published(error) => Some(error.hint()),
            Error::StateLocked { holder } => Some(holder.hint()),
            Error::AlreadyThere { path } => Some(format!(
                "see it with `roadworks -c {} doctor`, or move it away first",
                path.display()
            )),
            other => other.usual_hint().map(str::to_owned),
        }
    }

    /// The same for what has one that is always the same.
    fn usual_hint(&self) -> Option<&'static str> {
        Some(match self {
            Error::Unagreed { .. } => "say --yes (or -auto-approve) where nobody is there to ask",
            Error::NobodyKeepsTheEnd => {
                "start one with `roadworks serve`; a verb that moves the site can keep the end itself with --stay, or go without the end or `--wait none`"
            }
            Error::NothingToAsk => {
                "add a `check` block (docs/checks.md), or give it an end by --for or --until"
            }
            Error::CannotWait(_) => "wait for moved or settled",
            Error::File { .. } => "check the path and your rights on it",
            Error::NoSecondAddress => "on macOS: sudo ifconfig lo0 alias 127.0.0.2",
            Error::UnderWay { .. } => "run `roadworks open` first",
            Error::NotAPlan { .. } => "make it anew: roadworks plan .. -out FILE",
            Error::Untold { .. } | Error::Unwell { .. } => {
                "each failed line above says how to put it right"
            }
            Error::Sick { .. } => "see what the process here logs; `roadworks serve` starts it",
            Error::NotThePage { .. } => "each line above that says FAIL says how to put it right",
            Error::Deserted { .. } => {
                "give the place's own address, such as https://d111111abcdef8.cloudfront.net, and the site's name with --host"
            }
            Error::Unasked { .. } => {
                "see whether it runs, and name another: roadworks dig @IP:PORT NAME"
            }
            Error::Interrupted { .. } => {
                "run the same command again to finish it, or `roadworks open` to go back"
            }
            Error::Bug { .. } => {
                "run `roadworks status` to see how things stand, and report the place in brackets"
            }
            Error::System(_) => "look at its limits (ulimit -a), its memory and your rights",
            _ => return None,
        })
    }
}

/// What to do where a command did its work and the site is not open again. Where nothing has moved, the next step is that of `open`; any
/// other hint may be to ask for the same again, which would run the command again.
fn kept(program: &str, error: &Error) -> String {
    let next = match error {
        Error::Agent(
            error @ (agent::Error::Rule { .. }
            | agent::Error::Unwell { .. }
            | agent::Error::Unchecked { .. }),
        ) => format!("; {}", error.hint()),
        _ => String::new(),
    };
    format!("what {program} did is done: do not run it again, but `roadworks open`{next}")
}
