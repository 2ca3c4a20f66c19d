//! What workers are moved by: how they stand, and what became of a command to them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// What the asynchronous work of a way gives.
pub(super) type Doing<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// By what workers are made quiet and resumed. Each move is safe to be made twice.
pub(super) trait Way: fmt::Debug {
    /// `celery`
    fn kind(&self) -> &'static str;

    /// How they stand. Changes nothing; cancel safe.
    fn read(&self) -> Doing<'_, Seen>;

    /// No job begins from now on. Not cancel safe.
    fn quiet(&self) -> Doing<'_, Result<(), Failed>>;

    /// Jobs begin again. Not cancel safe.
    fn resume(&self) -> Doing<'_, Result<(), Failed>>;
}

/// How workers stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) stand: Stand,
    pub(super) jobs: Jobs,
    /// What a person should know besides.
    pub(super) notes: Vec<String>,
}

impl Seen {
    pub(super) fn of(stand: Stand, jobs: Jobs) -> Seen {
        Seen { stand, jobs, notes: Vec::new() }
    }

    /// They cannot be asked.
    pub(super) fn unheard(why: impl Into<String>) -> Seen {
        let why = why.into();
        Seen::of(Stand::Unheard(why.clone()), Jobs::Unheard(why))
    }
}

/// Whether jobs begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stand {
    Working,
    Quiet,
    /// Nothing works, and it is not we who stopped it.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only AWS tells the two apart"))]
    Theirs(String),
    /// Nothing says it: what they were told last is so.
    Unsaid,
    /// They cannot be asked, and why.
    Unheard(String),
}

/// How many jobs run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Jobs {
    Running(u64),
    /// Nobody counts them.
    Uncounted,
    /// They cannot be counted, and why.
    Unheard(String),
}

/// A move that was not made, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) message: String,
    pub(super) hint: String,
    pub(super) effect: Effect,
}

/// What a move that failed left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Nothing,
    /// It may have happened, all or in part.
    Unknown,
}
