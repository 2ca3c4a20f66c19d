//! Being told that a file of a folder changed, by the system where it can, by looking each second where it cannot.
//!
//! Never says what changed: who is told reads again, and what is read decides.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use futures_core::Stream;
use inotify::{Event, EventMask, EventStream, Inotify, WatchMask};
use tokio::time::Instant;

use super::{Notice, POLL};
use crate::clock;

/// Room for some dozens of events; a name has 255 bytes at most.
const BUFFER: usize = 8 << 10;

/// The documents of one folder, which need not exist yet.
pub struct FileNotice {
    folder: PathBuf,
    watch: Option<EventStream<Vec<u8>>>,
    /// When to look whatever was told. Outlives a wait that was given up, or whoever is busy would never look.
    due: Instant,
}

impl FileNotice {
    /// Watches from now on. Must be called where a runtime runs.
    pub(super) fn of(folder: PathBuf) -> FileNotice {
        let watch = watched(&folder).ok();
        FileNotice { folder, watch, due: clock::monotonic() + POLL }
    }

    /// Waits for an event that concerns a document.
    async fn event(&mut self) {
        let Some(watch) = &mut self.watch else { return std::future::pending().await };
        loop {
            let event = std::future::poll_fn(|context| Pin::new(&mut *watch).poll_next(context));
            match event.await {
                Some(Ok(event)) => match heard(&event) {
                    Heard::Nothing => {}
                    Heard::Document => return,
                    Heard::Gone => break,
                },
                None | Some(Err(_)) => break,
            }
        }
        // The folder is gone: another one may take its place.
        self.watch = None;
    }
}

impl Notice for FileNotice {
    async fn changed(&mut self) {
        if self.watch.is_none() {
            tokio::time::sleep_until(self.due).await;
            self.watch = watched(&self.folder).ok();
        } else {
            // Out of time: look all the same, in case the system told nobody (a network's file system).
            drop(tokio::time::timeout_at(self.due, self.event()).await);
        }
        self.due = clock::monotonic() + POLL;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    Document,
    Gone,
}

fn watched(folder: &Path) -> io::Result<EventStream<Vec<u8>>> {
    let inotify = Inotify::init()?;
    let events = WatchMask::CLOSE_WRITE
        | WatchMask::CREATE
        | WatchMask::DELETE
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE
        | WatchMask::MOVE_SELF
        | WatchMask::ONLYDIR;
    inotify.watches().add(folder, events)?;
    inotify.into_event_stream(vec![0; BUFFER])
}

fn heard(event: &Event<std::ffi::OsString>) -> Heard {
    let gone = EventMask::DELETE_SELF | EventMask::MOVE_SELF | EventMask::IGNORED;
    if event.mask.intersects(gone | EventMask::UNMOUNT) {
        return Heard::Gone;
    }
    let document = event.name.as_deref().is_some_and(is_document);
    if document || event.mask.contains(EventMask::Q_OVERFLOW) {
        Heard::Document
    } else {
        Heard::Nothing
    }
}

/// Temporary files and locks are nobody's news.
fn is_document(name: &OsStr) -> bool {
    let hidden = name.as_encoded_bytes().starts_with(b".");
    !hidden && Path::new(name).extension().is_some_and(|kind| kind == "json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_is_called_away_before_each_second_is_over_looks_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        for watched in [folder.path().to_owned(), folder.path().join("not there")] {
            let mut notice = FileNotice::of(watched.clone());
            let mut looked = false;
            for _ in 0..4 {
                looked |= tokio::time::timeout(POLL / 2, notice.changed()).await.is_ok();
            }
            assert!(looked, "{}", watched.display());
        }
    }
}
