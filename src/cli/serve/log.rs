//! What `serve` says on standard error. Written by a thread of its own: a reader that is slow, gone or out of room costs
//! lines, never a visitor's time and never the gateway.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use super::super::args::LogForm;
use crate::tasks::Tasks;

/// Lines that may wait to be written; one too many is lost.
const AHEAD: usize = 4096;
/// How long the last lines have at the end.
const ENDS: Duration = Duration::from_secs(1);

/// What the writer is sent.
enum Entry {
    Line(Vec<u8>),
    /// All before it is written.
    End(SyncSender<()>),
}

/// Says what happens from now on, until it is dropped.
#[must_use = "its last lines are written when it is dropped"]
pub(in crate::cli) struct Log(SyncSender<Entry>);

/// Where lines are written to by whoever has something to say.
#[derive(Clone)]
struct Lines(SyncSender<Entry>);

impl Log {
    /// `ROADWORKS_LOG` says how much.
    pub(in crate::cli) fn begin(form: LogForm) -> io::Result<Log> {
        let (sender, entries) = sync_channel(AHEAD);
        Tasks::new().start_thread("log", move || write(&entries, io::stderr()))?;
        let lines = Lines(sender.clone());
        let filter = tracing_subscriber::EnvFilter::try_from_env("ROADWORKS_LOG")
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
        let log = tracing_subscriber::fmt()
            .with_writer(move || lines.clone())
            .with_env_filter(filter)
            // It would say so on the very standard error that does not take it.
            .log_internal_errors(false);
        let begun = match form {
            LogForm::Text => log.with_ansi(false).with_target(false).try_init(),
            LogForm::Json => log.json().flatten_event(true).try_init(),
        };
        drop(begun);
        Ok(Log(sender))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let (ended, end) = sync_channel(1);
        if self.0.try_send(Entry::End(ended)).is_ok() {
            end.recv_timeout(ENDS).unwrap_or_default();
        }
    }
}

impl Write for Lines {
    /// A whole line at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        drop(self.0.try_send(Entry::Line(line.to_vec())));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(entries: &Receiver<Entry>, mut out: impl Write) {
    while let Ok(entry) = entries.recv() {
        match entry {
            // The next one is tried again: a disk may have room by then.
            Entry::Line(line) => out.write_all(&line).unwrap_or_default(),
            Entry::End(ended) => drop(ended.send(())),
        }
    }
}
