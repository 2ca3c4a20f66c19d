//! Being told that a file of a folder changed, by the system where it can, by looking each second where it cannot.
//!
//! Never says what changed: who is told reads again, and what is read decides.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::MetadataExt as _;
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
    /// Device and number of the folder that is watched.
    seen: Option<(u64, u64)>,
    /// When it looks, told or not. Kept between calls: whoever asks again before that, for a reason of its own, must not
    /// put it off.
    look: Instant,
}

impl FileNotice {
    /// Watches from now on. Must be called where a runtime runs.
    pub(super) fn of(folder: PathBuf) -> FileNotice {
        let look = clock::monotonic() + POLL;
        let mut notice = FileNotice { folder, watch: None, seen: None, look };
        notice.watch();
        notice
    }

    fn watch(&mut self) {
        self.seen = identity(&self.folder);
        self.watch = watched(&self.folder).ok();
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
            tokio::time::sleep_until(self.look).await;
        } else {
            // Out of time: look all the same, in case the system told nobody (a network's file system).
            drop(tokio::time::timeout_at(self.look, self.event()).await);
        }
        // Another folder may have taken its place: nobody says so for as long as a file of the first one is open.
        if self.watch.is_none() || self.seen != identity(&self.folder) {
            self.watch();
        }
        self.look = clock::monotonic() + POLL;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    Document,
    Gone,
}

fn identity(folder: &Path) -> Option<(u64, u64)> {
    let told = std::fs::metadata(folder).ok()?;
    Some((told.dev(), told.ino()))
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
