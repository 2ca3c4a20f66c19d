//! What happened to a site, by whom: one entry an event, appended and never changed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::{Error, SiteStore, Store};
use crate::switch::{Mode, OperationId};

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
    /// A window has come, and somebody has asked for as much or more.
    LeftAlone,
    /// A window has come, and could not begin.
    WindowFailed,
    /// Something that a newer Roadworks wrote.
    #[serde(other)]
    Unknown,
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
}

/// Appends `entry`. Within one millisecond entries are told apart, and ordered, by the `version` of the switch that they
/// speak of and by their `number` among its entries.
pub async fn append<S: Store>(
    store: &SiteStore<S>,
    entry: &Entry,
    (version, number): (u64, u32),
) -> Result<(), Error> {
    let at = entry.at.as_millisecond();
    let id = format!("{at:013}-{version:08}-{number:03}-{}", entry.operation);
    store.append(&id, entry).await
}

/// The newest `limit` entries, oldest first, and why others cannot be read.
pub async fn log<S: Store>(
    store: &SiteStore<S>,
    limit: usize,
) -> Result<(Vec<Entry>, Vec<Error>), Error> {
    store.log(limit).await
}
