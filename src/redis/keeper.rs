//! The thread that has a guard's journal: it writes what is dropped before that is answered, and lets Redis be read again only once
//! nothing is left in it.

use std::io;
use std::sync::{Arc, Weak};

use tokio::sync::{mpsc, oneshot};

use super::breaker::Unwritable;
use super::gate::{self, Gate};
use super::journal::{Entry, Journal};
use crate::tasks::Tasks;

/// So many may wait to be written at a time; whoever comes then is refused.
const QUEUE: usize = 4_096;
/// So many are written at once, by one `fsync`.
const TOGETHER: usize = 256;

/// What the thread is asked.
#[derive(Debug)]
pub(super) enum Ask {
    /// To keep these, which are answered with whether it did.
    Keep(Vec<Entry>, oneshot::Sender<Kept>),
    /// What is to be removed, or why nothing is.
    Begin(oneshot::Sender<Result<Vec<Entry>, String>>),
    /// That is removed.
    Removed,
    /// It is not.
    Left,
    /// To let Redis be read again; whether it is.
    Finish(oneshot::Sender<bool>),
    /// To let it be read but for what cannot be removed, because it takes no writes.
    OpenPartly(Unwritable),
}

/// Whether something is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is, and will be removed before it is read.
    Safely,
    /// It is not: the disk does not take it.
    Not,
}

/// How the thread is reached.
#[derive(Debug, Clone)]
pub(super) struct Keeper(mpsc::Sender<Ask>);

/// A journal that has no thread yet.
pub(super) fn queue() -> (Keeper, mpsc::Receiver<Ask>) {
    let (sender, asked) = mpsc::channel(QUEUE);
    (Keeper(sender), asked)
}

impl Keeper {
    /// Asks for these to be kept; `None` where too many wait.
    pub(super) fn keep(&self, entries: Vec<Entry>) -> Option<oneshot::Receiver<Kept>> {
        let (reply, kept) = oneshot::channel();
        self.0.try_send(Ask::Keep(entries, reply)).ok().map(|()| kept)
    }

    /// What is to be removed now.
    pub(super) async fn begin(&self) -> Result<Vec<Entry>, String> {
        let (reply, entries) = oneshot::channel();
        let sent = self.0.send(Ask::Begin(reply)).await;
        let ended = || "the journal's thread has ended".to_owned();
        sent.map_err(|_| ended())?;
        entries.await.map_err(|_| ended())?
    }

    /// What was begun with is removed, or may be there still.
    pub(super) async fn removed<T>(&self, done: &Result<(), T>) {
        let told = if done.is_ok() { Ask::Removed } else { Ask::Left };
        // Whoever has ended lets nobody read.
        drop(self.0.send(told).await);
    }

    /// Lets Redis be read but for what is left.
    pub(super) async fn open_partly(&self, why: Unwritable) {
        // Whoever has ended lets nobody read.
        drop(self.0.send(Ask::OpenPartly(why)).await);
    }

    /// Lets Redis be read, where nothing is left; whether it is.
    pub(super) async fn finish(&self) -> bool {
        let (reply, done) = oneshot::channel();
        let sent = self.0.send(Ask::Finish(reply)).await.is_ok();
        sent && done.await.unwrap_or(false)
    }
}

/// Does what is asked, until nobody can ask.
pub(super) fn start(
    gate: &Arc<Gate>,
    journal: Journal,
    asked: mpsc::Receiver<Ask>,
    tasks: &Tasks,
) -> io::Result<()> {
    let (gate, stopping) = (Arc::downgrade(gate), tasks.clone());
    let work = move || serve(&gate, journal, asked, &stopping);
    drop(tasks.start_thread("journal", work)?);
    Ok(())
}

fn serve(gate: &Weak<Gate>, mut journal: Journal, mut asked: mpsc::Receiver<Ask>, tasks: &Tasks) {
    if let Some(gate) = gate.upgrade() {
        gate.keeps(kept(&journal));
    }
    while let Some(first) = asked.blocking_recv() {
        let Some(gate) = gate.upgrade().filter(|_| !tasks.is_stopping()) else { return };
        let mut keeps = Vec::new();
        let mut next = Some(first);
        // What is kept is written together; anything else in its turn.
        while let Some(Ask::Keep(entries, reply)) = next {
            keeps.push((entries, reply));
            next = if keeps.len() < TOGETHER { asked.try_recv().ok() } else { None };
        }
        keep(&gate, &mut journal, keeps);
        match next {
            Some(Ask::Begin(reply)) => drop(reply.send(begin(&mut journal))),
            Some(Ask::Removed) => journal.removed(),
            Some(Ask::Left) => journal.not_removed(),
            Some(Ask::Finish(reply)) => drop(reply.send(finish(&gate, &mut journal))),
            Some(Ask::OpenPartly(why)) => gate.open_partly(&journal.all(), why),
            Some(Ask::Keep(..)) | None => {}
        }
        gate.keeps(kept(&journal));
    }
}

fn kept(journal: &Journal) -> gate::Kept {
    gate::Kept { keys: journal.len(), broken: journal.broken().map(str::to_owned) }
}

fn keep(gate: &Gate, journal: &mut Journal, keeps: Vec<(Vec<Entry>, oneshot::Sender<Kept>)>) {
    if keeps.is_empty() {
        return;
    }
    let (entries, replies): (Vec<_>, Vec<_>) = keeps.into_iter().unzip();
    let (entries, was_broken) = (entries.concat(), journal.broken().is_some());
    let kept = match journal.keep(entries.clone()) {
        Ok(()) => Kept::Safely,
        Err(error) => {
            tracing::error!(redis = gate.config.name, %error, "the journal cannot be written: writes are refused");
            Kept::Not
        }
    };
    if let Some(why) = journal.broken() {
        if !was_broken {
            tracing::error!(
                redis = gate.config.name,
                why,
                "redis stays away: flush it and remove the journal"
            );
        }
        gate.lost(why);
    } else if kept == Kept::Safely {
        // Where Redis is there, nobody reads these before they are removed; and before that nobody is told that they are dropped.
        gate.dirtied(&entries);
    }
    for reply in replies {
        #[expect(
            clippy::let_underscore_must_use,
            reason = "whoever left is not told; what is written is removed all the same"
        )]
        let _ = reply.send(kept);
    }
}

fn begin(journal: &mut Journal) -> Result<Vec<Entry>, String> {
    match journal.broken() {
        Some(why) => Err(format!("the journal is of no use: {why}")),
        None => Ok(journal.begin()),
    }
}

/// In this order: whoever asks to keep something asks this thread, so nothing comes between looking and letting read.
fn finish(gate: &Gate, journal: &mut Journal) -> bool {
    if !journal.is_clean() {
        return false;
    }
    if let Err(error) = journal.empty() {
        tracing::error!(redis = gate.config.name, %error, "the journal cannot be emptied");
        return false;
    }
    gate.close();
    true
}
