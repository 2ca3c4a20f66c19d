//! The command of `run`: found before anything moves, given what it may want to know, told the signals that we are told, and its
//! end in words.

use std::convert::Infallible;
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as Heard, SignalKind, signal};

use super::super::context::{Context, Opened};
use super::super::error::Error;
use super::super::report::Form;
use super::leftover::{Leftover, MARK, in_words, left};
use crate::agent::Sight;
use crate::clock;
use crate::database::options;

/// As `env` and the shells have it.
const CANNOT_BE_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;
const BY_A_SIGNAL: u8 = 128;
/// The word for a command that never ran, for programs.
pub(super) const NO_COMMAND: &str = "no-command";

/// A command that is there, and may be run.
#[derive(Debug)]
pub(in crate::cli) struct Program {
    path: PathBuf,
    words: Vec<OsString>,
}

/// A command that ended.
#[derive(Debug)]
pub(super) struct Ended {
    status: ExitStatus,
    /// From its start.
    pub(super) took: Duration,
    left: Vec<Leftover>,
    /// Why what was paused for it ran again before it had ended, if it did.
    pub(super) let_go: Option<String>,
}

impl Program {
    /// Looks for it as `execvp` does, so that nothing moves for a name that is misspelt.
    pub(in crate::cli) fn find(words: &[OsString]) -> Result<Program, Error> {
        let name = words.first().cloned().unwrap_or_default();
        let shown = name.to_string_lossy().into_owned();
        let candidates: Vec<PathBuf> = if shown.contains('/') {
            vec![PathBuf::from(&name)]
        } else {
            let path = env::var_os("PATH").unwrap_or_default();
            env::split_paths(&path).map(|folder| folder.join(&name)).collect()
        };
        if let Some(path) = candidates.iter().find(|path| may_be_run(path)) {
            return Ok(Program { path: path.clone(), words: words.to_vec() });
        }
        let there = candidates.iter().any(|path| path.exists());
        let (message, hint, code) = if there {
            (format!("`{shown}` cannot be run"), "make it executable: chmod +x", CANNOT_BE_RUN)
        } else {
            (format!("there is no command `{shown}`"), "look at its name, and at PATH", NOT_FOUND)
        };
        let hint = format!("nothing was done; {hint}");
        Err(Error::Command { message, hint, word: NO_COMMAND, code })
    }

    /// As it was written.
    pub(in crate::cli) fn name(&self) -> String {
        self.words.first().map(|name| format!("`{}`", name.display())).unwrap_or_default()
    }

    /// The system does not start it, though it is there.
    pub(in crate::cli) fn not_started(&self, error: &std::io::Error) -> Error {
        Error::Command {
            message: format!("{} cannot be run: {error}", self.name()),
            hint: String::new(),
            word: NO_COMMAND,
            code: CANNOT_BE_RUN,
        }
    }

    /// Runs it to its end, whatever happens to the site meanwhile, with `beside` polled for as long. Not cancel safe: dropped midway,
    /// it goes on by itself.
    pub(super) async fn run(
        &self,
        context: &Context,
        opened: &Opened,
        sight: &Sight,
        beside: impl Future<Output = Infallible>,
    ) -> Result<Ended, Error> {
        let began = clock::monotonic();
        // Heard from before it starts: none is lost in between.
        let started = Signals::heard().and_then(|signals| {
            let child = self.start(context, opened, sight)?;
            Ok((signals, child))
        });
        let (mut signals, mut child) = started.map_err(|error| self.not_started(&error))?;
        let status = tokio::select! {
            status = waited(&mut child, &mut signals) => status,
            never = beside => match never {},
        };
        let status = status.map_err(|error| Error::Command {
            message: format!("what became of {} cannot be told: {error}", self.name()),
            hint: String::new(),
            word: "command-failed",
            code: CANNOT_BE_RUN - 1,
        })?;
        let took = clock::monotonic() - began;
        let operation = sight.switch.as_ref().map(|(switch, _)| switch.operation.to_string());
        let left = match operation {
            Some(operation) => left(&operation).await,
            None => Vec::new(),
        };
        Ok(Ended { status, took, left, let_go: None })
    }

    fn start(&self, context: &Context, opened: &Opened, sight: &Sight) -> std::io::Result<Child> {
        match self.prepared(By::Itself, context, opened, sight)?.spawn() {
            Err(error) if is_for_the_shell(&error) => {
                self.prepared(By::TheShell, context, opened, sight)?.spawn()
            }
            started => started,
        }
    }

    fn prepared(
        &self,
        by: By,
        context: &Context,
        opened: &Opened,
        sight: &Sight,
    ) -> std::io::Result<Command> {
        let mut command = Command::from(self.command(by));
        command.env("ROADWORKS_SITE", &opened.site.name);
        if let Some((switch, _)) = &sight.switch {
            command.env("ROADWORKS_MODE", switch.mode.word());
            command.env(MARK, switch.operation.to_string());
            if let Some(until) = switch.until {
                command.env("ROADWORKS_UNTIL", until.to_string());
            }
        }
        let mode = sight.desired();
        if let Some(ours) = options(&opened.databases, mode, opened.patience) {
            // What somebody says by hand comes later, and counts.
            let theirs = env::var("PGOPTIONS").unwrap_or_default();
            command.env("PGOPTIONS", format!("{ours} {theirs}").trim_end());
        }
        if context.report.form() == Form::Json {
            // What is printed there is one object, and ours.
            command.stdout(Stdio::from(std::io::stderr().as_fd().try_clone_to_owned()?));
        }
        Ok(command)
    }

    fn command(&self, by: By) -> std::process::Command {
        let arguments = self.words.iter().skip(1);
        let mut command = match by {
            By::Itself => std::process::Command::new(&self.path),
            By::TheShell => {
                let mut shell = std::process::Command::new("/bin/sh");
                shell.arg(&self.path);
                shell
            }
        };
        command.args(arguments);
        command
    }

    /// Becomes the command; comes back only where that cannot be.
    pub(in crate::cli) fn exec(&self) -> Error {
        let mut error = self.command(By::Itself).exec();
        if is_for_the_shell(&error) {
            error = self.command(By::TheShell).exec();
        }
        self.not_started(&error)
    }
}

/// What a command is run by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The system.
    Itself,
    /// The shell: a script that does not say by what, as for `execvp`.
    TheShell,
}

fn is_for_the_shell(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error())
}

impl Ended {
    pub(super) fn is_well(&self) -> bool {
        self.status.success()
    }

    /// As a shell would give it.
    pub(super) fn code(&self) -> u8 {
        let code = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => u8::try_from(code).ok(),
            (None, Some(signal)) => u8::try_from(signal).ok().map(|signal| signal | BY_A_SIGNAL),
            (None, None) => None,
        };
        code.unwrap_or(1)
    }

    /// The processes that it has left behind.
    pub(super) fn left(&self) -> Vec<u32> {
        self.left.iter().map(|one| one.pid).collect()
    }

    /// Its end where it ended well, and what goes on after it, if there is anything to say.
    pub(super) fn said(&self, program: &Program) -> Option<String> {
        // What failed is said by the error.
        let mut words: Vec<_> = self.is_well().then(|| self.words(program)).into_iter().collect();
        words.extend(in_words(&self.left, &program.name()));
        words.extend(
            self.let_go
                .as_ref()
                .map(|why| format!("warning: {why}: that was before {} had ended", program.name())),
        );
        (!words.is_empty()).then(|| words.join("\n"))
    }

    pub(super) fn words(&self, program: &Program) -> String {
        let (name, took) = (program.name(), self.took.as_secs_f64());
        match (self.status.code(), self.status.signal()) {
            (Some(0), _) => format!("{name} ended well after {took:.1} s"),
            (Some(code), _) => format!("{name} ended with {code} after {took:.1} s"),
            (None, Some(signal)) => {
                format!("{name} was ended by signal {signal} after {took:.1} s")
            }
            (None, None) => format!("{name} ended after {took:.1} s"),
        }
    }
}

fn may_be_run(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

/// Those that are passed on.
struct Signals {
    interrupts: Heard,
    quits: Heard,
    terms: Heard,
    hangups: Heard,
}

impl Signals {
    fn heard() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupts: signal(SignalKind::interrupt())?,
            quits: signal(SignalKind::quit())?,
            terms: signal(SignalKind::terminate())?,
            hangups: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupts.recv() => Signal::INT,
            _ = self.quits.recv() => Signal::QUIT,
            _ = self.terms.recv() => Signal::TERM,
            _ = self.hangups.recv() => Signal::HUP,
        }
    }
}

/// Whether a terminal sends what is typed to us, and so to the command too, which is in our group. Its input may be another one.
fn are_in_its_foreground() -> bool {
    let foreground = File::open("/dev/tty").and_then(|terminal| Ok(tcgetpgrp(terminal)?));
    foreground.is_ok_and(|group| group == getpgrp())
}

/// Waits for its end, and passes on what we are told meanwhile. Ctrl-C on a terminal reaches it without us.
async fn waited(child: &mut Child, signals: &mut Signals) -> std::io::Result<ExitStatus> {
    loop {
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let heard = tokio::select! {
            status = child.wait() => return status,
            heard = signals.next() => heard,
        };
        let typed = matches!(heard, Signal::INT | Signal::QUIT);
        let reaches_it = typed && are_in_its_foreground();
        if let (Some(id), false) = (id, reaches_it) {
            #[expect(clippy::let_underscore_must_use, reason = "gone already is as good")]
            let _ = kill_process(id, heard);
        }
    }
}
