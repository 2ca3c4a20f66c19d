//! What `serve` says on standard error. Written by a thread of its own: a reader that is slow, gone or out of room costs
//! lines, never a visitor's time and never the gateway.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use super::super::args::LogForm;
use crate::tasks::Tasks;

/// Lines that may wait to be written; one too many is lost, and counted.
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
struct Lines {
    sender: SyncSender<Entry>,
    /// Lines for which there was no room, and of which nothing was said yet.
    lost: Arc<AtomicU64>,
}

impl Log {
    /// `ROADWORKS_LOG` says how much.
    pub(in crate::cli) fn begin(form: LogForm) -> io::Result<Log> {
        let (sender, entries) = sync_channel(AHEAD);
        let lines = Lines { sender: sender.clone(), lost: Arc::default() };
        let lost = Arc::clone(&lines.lost);
        Tasks::new().start_thread("log", move || write(&entries, &lost, io::stderr()))?;
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
        if self.sender.try_send(Entry::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(entries: &Receiver<Entry>, lost: &AtomicU64, mut out: impl Write) {
    while let Some(entry) = next(entries, lost) {
        match entry {
            // The next one is tried again: a disk may have room by then.
            Entry::Line(line) => out.write_all(&line).unwrap_or_default(),
            Entry::End(ended) => drop(ended.send(())),
        }
    }
}

/// What is to be written next. Where nothing waits there is room again to say how much was lost.
fn next(entries: &Receiver<Entry>, lost: &AtomicU64) -> Option<Entry> {
    match entries.try_recv() {
        Ok(entry) => return Some(entry),
        Err(TryRecvError::Disconnected) => return None,
        Err(TryRecvError::Empty) => {}
    }
    let lines = lost.swap(0, Ordering::Relaxed);
    if lines > 0 {
        tracing::warn!(lines, "lines were lost here: standard error took them too slowly");
    }
    entries.recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_counted_and_told_when_there_is_room() {
        let (sender, entries) = sync_channel(1);
        let mut lines = Lines { sender, lost: Arc::default() };
        let lost = Arc::clone(&lines.lost);
        for line in ["first", "second", "third"] {
            lines.write_all(line.as_bytes()).unwrap();
        }
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone());
        let told = tracing::subscriber::with_default(subscriber.finish(), || {
            [(); 2].map(|()| match next(&entries, &lost) {
                Some(Entry::Line(line)) => String::from_utf8(line).unwrap(),
                Some(Entry::End(_)) | None => "the end".to_owned(),
            })
        });
        assert_eq!(told[0], "first");
        assert!(told[1].contains("lines were lost") && told[1].contains("lines=2"), "{told:?}");
        assert_eq!(lost.load(Ordering::Relaxed), 0, "it is told once");
    }

    /// Takes everything but `first`.
    #[derive(Default)]
    struct Full(Vec<u8>);

    impl Write for Full {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            if line == b"first" {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_is_not_taken_costs_no_other() {
        let (sender, entries) = sync_channel(2);
        for line in ["first", "second"] {
            sender.send(Entry::Line(line.into())).unwrap();
        }
        drop(sender);
        let mut out = Full::default();
        write(&entries, &AtomicU64::new(0), &mut out);
        assert_eq!(out.0, b"second");
    }
}
