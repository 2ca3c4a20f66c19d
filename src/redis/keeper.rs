//! The thread that has a guard's journal: it writes what is dropped before that is answered, and lets Redis be read again only once
//! nothing is left in it.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::answer::Dirty;

use super::breaker::Unwritable;
use super::gate::{self, Gate};
use super::journal::{Entry, Journal};
use super::markers::Markers;
use super::recover::Mended;
use crate::tasks::Tasks;

/// So many may wait to be written at a time; whoever comes then is refused.
const QUEUE: usize = 100_000;
/// How long the store may take to tell others; while it does not, nobody waits for it.
const STORE: Duration = Duration::from_secs(1);
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
    /// To be whole again, with this to be removed; what that is.
    Mend(Mend, oneshot::Sender<Result<Mended, String>>),
    /// To let it be read but for what is not removed yet, because it takes no writes, if so.
    OpenPartly(Option<Unwritable>),
}

/// What a person has decided.
#[derive(Debug)]
pub(super) enum Mend {
    /// Those that are named are flushed; all of them, where what is in the journal is not known.
    Flush { named: BTreeSet<u32>, all: BTreeSet<u32> },
    /// Nothing is removed any more.
    Accept,
}

/// Whether something is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is, and will be removed before it is read.
    Safely,
    /// It is not: the disk does not take it, or others cannot be told.
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

    /// Has the journal be whole again.
    pub(super) async fn mend(&self, mend: Mend) -> Result<Mended, String> {
        let (reply, mended) = oneshot::channel();
        let ended = || "the journal's thread has ended".to_owned();
        self.0.send(Ask::Mend(mend, reply)).await.map_err(|_| ended())?;
        mended.await.map_err(|_| ended())?
    }

    /// Lets Redis be read but for what is left.
    pub(super) async fn open_partly(&self, why: Option<Unwritable>) {
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
    (journal, markers): (Journal, Markers),
    asked: mpsc::Receiver<Ask>,
    tasks: &Tasks,
) -> io::Result<()> {
    let (gate, stopping) = (Arc::downgrade(gate), tasks.clone());
    let marking = Marking { markers, is_slow: false };
    let work = move || serve(&gate, (journal, marking), asked, &stopping);
    drop(tasks.start_thread("journal", work)?);
    Ok(())
}

/// How others are told.
struct Marking {
    markers: Markers,
    /// Whether the store did not take a marker the last time: then nobody waits for it.
    is_slow: bool,
}

impl Marking {
    /// Whether others know that something is dropped in these databases.
    fn is_done(&mut self, databases: &BTreeSet<u32>) -> bool {
        let within = if self.is_slow { Duration::ZERO } else { STORE };
        self.is_slow = !self.markers.cover(databases, within);
        !self.is_slow
    }
}

fn serve(
    gate: &Weak<Gate>,
    (mut journal, mut marking): (Journal, Marking),
    mut asked: mpsc::Receiver<Ask>,
    tasks: &Tasks,
) {
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
        keep(&gate, (&mut journal, &mut marking), keeps);
        match next {
            Some(Ask::Begin(reply)) => drop(reply.send(begin(&mut journal))),
            Some(Ask::Removed) => journal.removed(),
            Some(Ask::Left) => journal.not_removed(),
            Some(Ask::Finish(reply)) => drop(reply.send(finish(&gate, &mut journal, &marking))),
            Some(Ask::Mend(how, reply)) => {
                let mended = mend(&gate, (&mut journal, &mut marking), how);
                drop(reply.send(mended));
            }
            Some(Ask::OpenPartly(why)) if journal.broken().is_none() => {
                gate.open_partly(&journal.all(), why);
            }
            Some(Ask::OpenPartly(_) | Ask::Keep(..)) | None => {}
        }
        gate.keeps(kept(&journal));
    }
}

fn kept(journal: &Journal) -> gate::Kept {
    gate::Kept { keys: journal.len(), broken: journal.broken().map(str::to_owned) }
}

fn keep(
    gate: &Gate,
    (journal, marking): (&mut Journal, &mut Marking),
    keeps: Vec<(Vec<Entry>, oneshot::Sender<Kept>)>,
) {
    if keeps.is_empty() {
        return;
    }
    let (entries, replies): (Vec<_>, Vec<_>) = keeps.into_iter().unzip();
    let (entries, was_broken) = (entries.concat(), journal.broken().is_some());
    let databases = entries.iter().map(|entry| entry.database).collect();
    let kept = if !marking.is_done(&databases) {
        if journal.is_clean() && !gate.is_away() {
            // It may be set yet, for nothing.
            marking.markers.clear(Duration::ZERO);
        }
        Kept::Not
    } else if let Err(error) = journal.keep(entries.clone()) {
        tracing::error!(redis = gate.config.name, %error, "the journal cannot be written: writes are refused");
        Kept::Not
    } else {
        Kept::Safely
    };
    if let Some(why) = journal.broken() {
        if !was_broken {
            tracing::error!(
                redis = gate.config.name,
                why,
                "redis stays away until somebody runs `roadworks redis recover`"
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
fn finish(gate: &Gate, journal: &mut Journal, marking: &Marking) -> bool {
    if !journal.is_clean() {
        return false;
    }
    if let Err(error) = journal.empty() {
        tracing::error!(redis = gate.config.name, %error, "the journal cannot be emptied");
        return false;
    }
    // While it refuses writes something is dropped every moment.
    if !gate.is_refusing() && (gate.is_away() || marking.markers.has_any()) {
        marking.markers.clear(STORE * 2);
    }
    gate.close();
    true
}

fn mend(
    gate: &Gate,
    (journal, marking): (&mut Journal, &mut Marking),
    how: Mend,
) -> Result<Mended, String> {
    let given_up = journal.len();
    let databases: BTreeSet<_> = match how {
        Mend::Accept => BTreeSet::new(),
        Mend::Flush { named, all } => {
            let all = if journal.broken().is_some() { all } else { BTreeSet::new() };
            journal.databases().into_iter().chain(named).chain(all).collect()
        }
    };
    let entry = |&database: &u32| Entry { database, dirty: Dirty::Database };
    let entries: Vec<_> = databases.iter().map(entry).collect();
    if !databases.is_empty() && !marking.markers.cover(&databases, STORE) {
        return Err("the store does not take this guard's marker".to_owned());
    }
    journal.mend(entries.clone()).map_err(|error| error.to_string())?;
    if !entries.is_empty() {
        gate.dirtied(&entries);
    } else if gate.is_away() {
        // Here, so that nothing is kept between.
        marking.markers.clear(STORE);
    } else {
        finish(gate, journal, marking);
    }
    Ok(Mended { databases: databases.into_iter().collect(), given_up })
}
