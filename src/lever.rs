//! What a lever is: a real thing that Roadworks moves, by compare-and-swap and with proof.
//!
//! A lever knows its own system only. It never reads the store, never decides what should be so, and never
//! knows another lever; `agent` joins them.

mod words;

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::switch::{LeverName, Mode, OperationId, Step};

pub use words::value_words;

/// What a lever's asynchronous work gives.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + 'a>>;

/// A thing that is moved.
pub trait Lever {
    /// The label of its block.
    fn name(&self) -> LeverName;

    /// Its kind: `route53`, `tfvars`.
    fn kind(&self) -> &'static str;

    /// Where it stands now, asked of its own system. Changes nothing; cancel safe.
    fn observe(&self) -> Answer<'_, Observation>;

    /// What has to change for `to`, seen from `seen`; empty where nothing has to.
    fn steps(&self, seen: &Observation, to: Mode) -> Vec<Step>;

    /// What of it stands elsewhere than it does in `to`, though nobody threw the switch since it was moved there: before is
    /// what it is, after what it should be.
    fn strays(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        self.steps(seen, to)
    }

    /// The steps of an operation that was cut short and left this lever where it belongs, perhaps without anybody
    /// having seen its system confirm it: the same value again.
    fn again(&self, seen: &Observation, to: Mode) -> Vec<Step>;

    /// Why it must not be moved to `to` from where it stands, unless the rule is overridden.
    fn refusal(&self, seen: &Observation, to: Mode) -> Option<Refusal>;

    /// Makes `steps`, each only if the thing still is what the step says it was before.
    ///
    /// Not cancel safe: dropped midway, whether it happened is only known by observing again.
    fn start<'a>(&'a self, steps: &'a [Step], operation: &'a OperationId) -> Answer<'a, Started>;

    /// Waits until the lever's own system has confirmed, reads back, and tells where it stands. Cancel safe.
    fn confirm<'a>(
        &'a self,
        started: &'a Started,
        progress: &'a dyn Progress,
    ) -> Answer<'a, Observation>;

    /// What somebody else must put back of `steps` towards `to` should whoever makes them die, and when at the latest; none where
    /// what was moved may stay.
    fn guarded(&self, _seen: &Observation, _steps: &[Step], _to: Mode) -> Option<Guarded> {
        None
    }

    /// For how long after a move from `before` a correct client may still have the old answer; the longest that it can
    /// be, where it is not known what was before.
    fn settles_after(&self, before: Option<&Observation>) -> Duration;

    /// The answers that others may keep, as they were when `seen` was seen; none where nobody keeps any.
    fn given(&self, _seen: &Observation) -> Vec<Given> {
        Vec::new()
    }
}

/// What must not stay as it is moved, whatever becomes of whoever moves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// How long it may stay at most.
    pub longest: Duration,
    /// What puts it back.
    pub undo: Vec<Step>,
    /// When nobody need look after it any more.
    pub lasts: Lasts,
}

/// Until when something has to be looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// Until the lever has confirmed.
    WhileItMoves,
    /// Until it is put back.
    UntilPutBack,
}

/// Where a lever stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Where, in a word.
    pub position: Position,
    /// What a person should know of it, in one line.
    pub detail: String,
    /// Its parts, in the order of the configuration.
    pub parts: Vec<Part>,
    /// What would make a move unwise.
    pub warnings: Vec<String>,
}

/// One part of a lever: one record, one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// `NAME TYPE [set_identifier]` for a record.
    pub target: String,
    /// What it says now; null where there is nothing.
    pub value: Value,
}

/// What a lever's system gives, and for how long whoever asked may keep it.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Which part, as in [`Part`].
    pub target: String,
    /// The answer itself; null where there is nothing.
    pub answer: Value,
    /// For how many seconds it may be kept.
    pub ttl: u32,
}

/// Where a lever stands, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Where it is in this mode: every lever but the name.
    At(Mode),
    /// The name, as in `open`.
    Live,
    /// The name, as in maintenance.
    Maintenance,
    /// The name, at something that is neither, put there by somebody else.
    Foreign,
    /// Nowhere: it does not exist yet.
    Absent,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Position::At(mode) => mode.word(),
            Position::Live => "live",
            Position::Maintenance => "maintenance",
            Position::Foreign => "foreign",
            Position::Absent => "absent",
        })
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A rule that forbids a move, and can be set aside by naming it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What `--override` takes: `foreign-record`.
    pub rule: &'static str,
    /// What is the matter.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// A move that was made and waits for its confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The ids by which the lever's system knows the change, empty where it confirmed at once.
    pub changes: Vec<String>,
    /// What was wanted, to be read back.
    pub steps: Vec<Step>,
}

/// Who is told while a lever waits.
pub trait Progress {
    /// `lever` has waited `waited` for `what`.
    fn waiting(&self, lever: LeverName, what: &str, waited: Duration);

    /// The check `name` has not passed for `waited`, and says `what`.
    fn checking(&self, _name: &str, _what: &str, _waited: Duration) {}

    /// No lever moves yet: `holder`, who has the right to move them, is silent, and counts as dead in `left`.
    fn held_up(&self, holder: &str, left: Duration);
}

/// Nobody is told.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn waiting(&self, _lever: LeverName, _what: &str, _waited: Duration) {}

    fn held_up(&self, _holder: &str, _left: Duration) {}
}

/// Passes on for what a lever waits, and remembers the last of it: for who gives up.
pub struct Remembering<'a> {
    told: &'a dyn Progress,
    last: RefCell<Option<String>>,
}

impl<'a> Remembering<'a> {
    /// Passes it on to `told`.
    pub fn new(told: &'a dyn Progress) -> Remembering<'a> {
        Remembering { told, last: RefCell::new(None) }
    }

    /// For what a lever waited last.
    pub fn last(&self) -> Option<String> {
        self.last.borrow().clone()
    }
}

impl Progress for Remembering<'_> {
    fn waiting(&self, lever: LeverName, what: &str, waited: Duration) {
        *self.last.borrow_mut() = Some(what.to_owned());
        self.told.waiting(lever, what, waited);
    }

    fn checking(&self, name: &str, what: &str, waited: Duration) {
        self.told.checking(name, what, waited);
    }

    fn held_up(&self, holder: &str, left: Duration) {
        self.told.held_up(holder, left);
    }
}

/// Why a lever could not do what was asked, in the words of the person who can act.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule forbids it, or the thing is not what it should be. Nothing was changed.
    #[error("{message}")]
    Refused {
        /// A kebab-case word.
        code: &'static str,
        /// What is the matter.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Its system does not let us in. Nothing was changed.
    #[error("{message}")]
    Credentials {
        /// What is the matter.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Its system said no, or could not be reached. Nothing was changed.
    #[error("{message}")]
    Failed {
        /// A kebab-case word.
        code: &'static str,
        /// What is the matter.
        message: String,
        /// What to do.
        hint: String,
    },
    /// A request was sent and its effect is not known.
    #[error("{message}")]
    Unknown {
        /// What is the matter.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Some parts do not answer, and may still do what they did.
    #[error("{message}")]
    Silent {
        /// Which, and since when.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Some parts moved and some did not.
    #[error("{message}")]
    Partly {
        /// What moved and what did not.
        message: String,
        /// What to do.
        hint: String,
    },
}

impl Error {
    /// The next step for a person.
    pub fn hint(&self) -> &str {
        match self {
            Error::Refused { hint, .. }
            | Error::Credentials { hint, .. }
            | Error::Failed { hint, .. }
            | Error::Unknown { hint, .. }
            | Error::Silent { hint, .. }
            | Error::Partly { hint, .. } => hint,
        }
    }

    /// Whether it is certain that the lever did not move.
    pub fn nothing_changed(&self) -> bool {
        match self {
            Error::Refused { .. } | Error::Credentials { .. } | Error::Failed { .. } => true,
            Error::Unknown { .. } | Error::Silent { .. } | Error::Partly { .. } => false,
        }
    }
}
