//! What a gateway tells of itself under `gateways/<id>.json`: at once when something changes, and each second.
//!
//! A heartbeat is news of a moment ago: whoever reads it asks how old it is first.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gateway::{Drain, RampReport, Report, UpstreamReport, Waited};
use crate::store::{Error, SiteStore, Store};
use crate::switch::{FORMAT, Mode, OperationId};

/// The folder of the heartbeats.
pub const FOLDER: &str = "gateways/";
/// More gateways than one site has.
const MOST: usize = 10_000;

/// How far a gateway has come with the operation that it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Applied {
    /// It knows no mode yet.
    Moving,
    /// New requests get the mode; some of before still run.
    Moved,
    /// No request runs that the mode would not have let in.
    Settled,
}

/// One gateway of one site, as it told of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Its format.
    pub format: u32,
    /// Which gateway, the same after a restart.
    pub id: String,
    /// The site's name.
    pub site: String,
    /// When it told.
    pub at: Timestamp,
    /// The next one comes within so many seconds.
    pub every: u32,
    /// When the process started.
    pub started: Timestamp,
    /// Whose move it follows.
    pub operation: Option<OperationId>,
    /// What it gives visitors; `None` where it knows nothing and answers 503.
    pub mode: Option<Mode>,
    /// How far it has come.
    pub phase: Applied,
    /// Whether requests of the mode before still run.
    #[serde(default)]
    pub drain: Drain,
    /// Patience is over: requests get 503 though the mode is hold.
    #[serde(default)]
    pub hold_spent: bool,
    /// A gentle opening that is under way: visitors are let in one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp: Option<Box<RampReport>>,
    /// The mode that somebody set on its machine.
    #[serde(default)]
    pub local: Option<Mode>,
    /// Requests that wait.
    #[serde(default)]
    pub waiting: u64,
    /// How many seconds the one of them has waited that came first.
    #[serde(default)]
    pub oldest: Option<u32>,
    /// In hold, how many seconds they wait at most, from the operation's start.
    #[serde(default)]
    pub patience: Option<u32>,
    /// Those that waited and were let in since it held last, or does.
    #[serde(default)]
    pub waited: Waited,
    /// Requests at the upstream that this mode would not have let in.
    #[serde(default)]
    pub in_flight: u64,
    /// Requests at the upstream that this mode lets in, by what let them.
    #[serde(default)]
    pub exempt: Vec<(String, u64)>,
    /// Upgraded connections.
    #[serde(default)]
    pub upgraded: u64,
    /// Requests that were cut at the drain's deadline.
    #[serde(default)]
    pub cut: u64,
    /// Its upstreams.
    #[serde(default)]
    pub upstreams: Vec<UpstreamReport>,
    /// When a request was refused last.
    #[serde(default)]
    pub last_refused: Option<Timestamp>,
    /// When a visitor came last while the name leads away: neither a tester nor a probe.
    #[serde(default)]
    pub last_request: Option<Timestamp>,
    /// The newest format of the switch that it reads.
    pub reads_format: u32,
    /// What an operator should know: the store cannot be read, the disk is full.
    #[serde(default)]
    pub trouble: Vec<String>,
}

/// Which gateway tells, and since when it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Teller {
    /// The same after a restart.
    pub id: String,
    /// When the process started.
    pub started: Timestamp,
}

impl Heartbeat {
    /// What `report` says, told at `now`.
    pub fn of(
        teller: &Teller,
        (site, every): (&str, u32),
        report: Report,
        now: Timestamp,
    ) -> Heartbeat {
        let phase = match (report.mode, report.drain) {
            (None, _) => Applied::Moving,
            (Some(_), Drain::Draining | Drain::Expired) => Applied::Moved,
            (Some(_), Drain::Drained) => Applied::Settled,
        };
        Heartbeat {
            format: 1,
            id: teller.id.clone(),
            site: site.to_owned(),
            at: now,
            every,
            started: teller.started,
            operation: report.operation,
            mode: report.mode,
            phase,
            drain: report.drain,
            hold_spent: report.hold_spent,
            ramp: report.ramp,
            local: None,
            waiting: report.waiting,
            oldest: report.oldest,
            patience: report.patience,
            waited: report.waited,
            in_flight: report.in_flight,
            exempt: report.exempt,
            upgraded: report.upgraded,
            cut: report.cut,
            upstreams: report.upstreams,
            last_refused: report.last_refused,
            last_request: report.last_request,
            reads_format: FORMAT,
            trouble: Vec::new(),
        }
    }

    /// Whether nobody who waits for it would care for the difference: only numbers moved.
    pub(super) fn says_the_same(&self, other: &Heartbeat) -> bool {
        let healthy = |beat: &Heartbeat| {
            beat.upstreams.iter().map(|upstream| upstream.healthy).collect::<Vec<_>>()
        };
        // The share moves all the time.
        let ramp = |beat: &Heartbeat| {
            beat.ramp.as_ref().map(|ramp| (ramp.stopped, ramp.fell_back.is_some()))
        };
        self.operation == other.operation
            && self.mode == other.mode
            && self.drain == other.drain
            && self.hold_spent == other.hold_spent
            && ramp(self) == ramp(other)
            && self.local == other.local
            && self.trouble == other.trouble
            && healthy(self) == healthy(other)
    }

    /// Whether no upstream has answered yet, well or not: the gateway has just started.
    pub(super) fn asks_still(&self) -> bool {
        !self.upstreams.is_empty() && self.upstreams.iter().all(UpstreamReport::is_unasked)
    }

    /// Tells the store.
    pub(super) async fn tell<S: Store>(&self, store: &SiteStore<S>) -> Result<(), Error> {
        store.renew(&key(&self.id), self).await
    }
}

/// Takes a gateway's heartbeat away: it stopped, and nobody need wait for it.
pub(super) async fn goodbye<S: Store>(store: &SiteStore<S>, id: &str) -> Result<(), Error> {
    store.remove(&key(id)).await
}

/// All heartbeats, sorted by id, and what cannot be read. Cancel safe.
pub(super) async fn all<S: Store>(
    store: &SiteStore<S>,
) -> Result<(Vec<Heartbeat>, Vec<Error>), Error> {
    store.documents(FOLDER, MOST).await
}

fn key(id: &str) -> String {
    format!("{FOLDER}{id}.json")
}
