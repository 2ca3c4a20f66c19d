//! Signals, and what each asks for.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::error::Error;

/// What SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Hangup {
    /// Read the configuration again: daemons do.
    Reloads,
    /// The terminal is closed, so nobody is there any more.
    Ends,
}

/// The signals that end a process, heard instead.
pub(in crate::cli) struct Signals {
    hangup: Hangup,
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    pub(in crate::cli) fn new(hangup: Hangup) -> Result<Signals, Error> {
        Ok(Signals {
            hangup,
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one. Cancel safe.
    pub(in crate::cli) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.term.recv() => Asked::End,
            _ = self.int.recv() => Asked::End,
            _ = self.hup.recv() => match self.hangup {
                Hangup::Reloads => Asked::Reload,
                Hangup::Ends => Asked::End,
            },
        }
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Asked {
    End,
    Reload,
}
