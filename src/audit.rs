//! What happened to a site, by whom: one entry an event, appended and never changed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::store::{Error, Expect, Listeners, SiteStore, Store};
use crate::switch::window::Occurrence;
use crate::switch::{Mode, OperationId, Switch};

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Somebody threw the switch.
    Asked,
    /// The same operation went on after an interruption.
    Resumed,
    /// The variable that Terraform reads was made truthful.
    VariableWritten,
    /// The change was sent to the lever's system.
    Started,
    /// Every lever's own system confirmed.
    Moved,
    /// It could not be done, and nothing had changed.
    Failed,
    /// It could not be finished.
    Unfinished,
    /// A rule was set aside by `--override`.
    Overridden,
    /// Somebody else moved the switch meanwhile.
    Superseded,
    /// Its time is over, and it stays.
    Overdue,
    /// Its end, or how long requests may wait, was moved.
    Extended,
    /// A gateway that is gone was taken out of the fleet by hand.
    Forgotten,
    /// An execution of a pipeline was let into a stage that is closed.
    Passed,
    /// Those who waited before a closed stage of a pipeline were let go.
    Released,
    /// Somebody else moved a record or a rule behind the switch's back.
    Drifted,
    /// It stands where the switch asks again.
    DriftOver,
    /// The agent puts back what somebody else moved.
    PutBack,
    /// What was paused runs again though nobody asked: its time was over, or whoever paused it is gone.
    LetGo,
    /// A window has come, and somebody has asked for as much or more.
    LeftAlone,
    /// A window has come, and could not begin.
    WindowFailed,
    /// A window comes soon.
    Announced,
    /// One that was announced starts in some minutes.
    Reminded,
    /// A window was taken away.
    Cancelled,
    /// The site was to be let back, and a check does not pass.
    CheckFailed,
    /// Every check passes, after one did not.
    CheckPassed,
    /// Something that a newer Roadworks wrote.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// Whether somebody may want to be told: not of each step on the way.
    fn is_news(self) -> bool {
        match self {
            Event::Resumed
            | Event::VariableWritten
            | Event::Started
            | Event::Superseded
            | Event::LeftAlone
            | Event::Unknown => false,
            Event::Asked
            | Event::Moved
            | Event::Failed
            | Event::Unfinished
            | Event::Overridden
            | Event::Overdue
            | Event::Extended
            | Event::Forgotten
            | Event::Passed
            | Event::Released
            | Event::Drifted
            | Event::DriftOver
            | Event::PutBack
            | Event::LetGo
            | Event::WindowFailed
            | Event::Announced
            | Event::Reminded
            | Event::Cancelled
            | Event::CheckFailed
            | Event::CheckPassed => true,
        }
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// The operation it belongs to.
    pub operation: OperationId,
    /// The site's name.
    pub site: String,
    /// What happened.
    pub event: Event,
    /// The mode before the operation.
    pub from: Mode,
    /// The mode asked for.
    pub to: Mode,
    /// Who asked.
    pub by: String,
    /// Why, in the asker's words.
    pub reason: Option<String>,
    /// What exactly, for a person.
    pub detail: Option<String>,
    /// The time of a window that is announced, or was and does not come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Occurrence>,
}

impl Entry {
    /// What `by` did now at `site` while it stays in the mode that `switch` asks for; without one it is open, and nobody's operation.
    pub fn beside(switch: Option<&Switch>, site: &str, event: Event, by: &str) -> Entry {
        let at = clock::now();
        let nobodys = || OperationId::at(at, fastrand::u32(..));
        let mode = switch.map_or(Mode::Open, |switch| switch.mode);
        Entry {
            at,
            operation: switch.map_or_else(nobodys, |switch| switch.operation.clone()),
            site: site.to_owned(),
            event,
            from: mode,
            to: mode,
            by: by.to_owned(),
            reason: None,
            detail: None,
            window: None,
        }
    }
}

/// Appends `entry`. Within one millisecond entries are told apart, and ordered, by the `version` of the switch that they
/// speak of and by their `number` among its entries.
pub async fn append<S: Store>(
    store: &SiteStore<S>,
    entry: &Entry,
    (version, number): (u64, u32),
) -> Result<(), Error> {
    append_as(store, entry, &id_of(entry, (version, number))).await
}

/// Appends `entry`, of which there is one alone whoever appends it and how often: what was begun before is finished.
pub async fn append_once<S: Store>(
    store: &SiteStore<S>,
    entry: &Entry,
    number: (u64, u32),
) -> Result<(), Error> {
    let id = id_of(entry, number);
    if store.has_entry(&id).await? {
        return Ok(());
    }
    match append_as(store, entry, &id).await {
        // Somebody else has, at the same time.
        Err(Error::Moved { .. }) => Ok(()),
        done => done,
    }
}

fn id_of(entry: &Entry, (version, number): (u64, u32)) -> String {
    let at = entry.at.as_millisecond();
    format!("{at:013}-{version:08}-{number:03}-{}", entry.operation)
}

async fn append_as<S: Store>(store: &SiteStore<S>, entry: &Entry, id: &str) -> Result<(), Error> {
    if store.listeners() != Listeners::None && entry.event.is_news() {
        // Beside the entry, so that whoever delivers it, and whenever, it is delivered once; before it, so that nothing is in the log
        // of which nobody is ever told.
        let notice = Notice::new(id, entry);
        match Box::pin(store.write(&notice.key(), &notice, Expect::Absent)).await {
            Ok(_) | Err(Error::Moved { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    store.append(id, entry).await
}

/// The newest `limit` entries, oldest first, and why others cannot be read.
pub async fn log<S: Store>(
    store: &SiteStore<S>,
    limit: usize,
) -> Result<(Vec<Entry>, Vec<Error>), Error> {
    store.log(limit).await
}

/// The folder of the notices.
pub const NOTICES: &str = "notices/";
/// The newest form of a notice that this program reads.
const FORMAT: u32 = 1;

/// An entry of the log of which not everybody was told yet who is to be. Whoever tells the last of them takes it away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its form.
    pub format: u32,
    /// That of the entry.
    pub id: String,
    /// What happened.
    pub entry: Entry,
    /// When the operation was to end, once somebody began to tell of it: each time the same is told.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Who tells it now.
    #[serde(default)]
    pub claim: Option<Claim>,
    /// How often it was tried in vain.
    #[serde(default)]
    pub tries: u32,
    /// It is not tried again before.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// The names of those who were told.
    #[serde(default)]
    pub told: Vec<String>,
}

/// Who tells of an entry, so that no two do at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// A word of its own for each process.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
}

impl Notice {
    fn new(id: &str, entry: &Entry) -> Notice {
        Notice {
            format: FORMAT,
            id: id.to_owned(),
            entry: entry.clone(),
            until: None,
            claim: None,
            tries: 0,
            not_before: None,
            told: Vec::new(),
        }
    }

    /// Where it is in the store.
    pub fn key(&self) -> String {
        format!("{NOTICES}{}.json", self.id)
    }

    /// Whether this program understands it.
    pub fn is_readable(&self) -> bool {
        self.format <= FORMAT
    }
}
