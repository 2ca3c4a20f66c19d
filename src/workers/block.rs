//! One `workers` block: what it was told last, and how it stands in a lever's words.

use std::cell::Cell;

use serde_json::{Value, json};

use super::way::{Failed, Jobs, Seen, Stand, Way};
use crate::config::{Turn, WorkersConfig};
use crate::switch::Mode;

pub(super) const WORKING: &str = "working";
pub(super) const QUIET: &str = "quiet";

/// One `workers` block.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) config: WorkersConfig,
    way: Box<dyn Way>,
    /// Whether it was told last to be quiet; `None` where an operation was cut short.
    told: Cell<Option<bool>>,
}

impl Block {
    /// `told` is the mode that the switch remembers, where that is certain.
    pub(super) fn new(config: WorkersConfig, way: Box<dyn Way>, told: Option<Mode>) -> Block {
        let told = told.map(|mode| config.when.contains(&mode));
        Block { config, way, told: Cell::new(told) }
    }

    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    pub(super) fn kind(&self) -> &'static str {
        self.way.kind()
    }

    pub(super) fn is_cron(&self) -> bool {
        self.config.turn == Turn::Cron
    }

    /// Whether it is quiet in `mode`.
    pub(super) fn is_quiet_in(&self, mode: Mode) -> bool {
        self.config.when.contains(&mode)
    }

    /// How it stands, as a lever says it. Cancel safe.
    pub(super) async fn stands(&self) -> Standing {
        let Seen { stand, jobs, notes } = self.way.read().await;
        let told = self.told.get();
        let state = match stand {
            Stand::Working => State::Working,
            Stand::Quiet => State::Quiet,
            Stand::Theirs(why) => State::Theirs(why),
            Stand::Unheard(why) => State::Unheard(why),
            Stand::Unsaid => match told {
                Some(true) => State::Quiet,
                Some(false) => State::Working,
                None => State::Unknown,
            },
        };
        Standing { state, jobs, notes, told }
    }

    /// Makes it quiet.
    ///
    /// Not cancel safe: dropped midway, what it was told last is not certain.
    pub(super) async fn quiet(&self) -> Result<(), Failed> {
        self.told.set(None);
        self.way.quiet().await?;
        self.told.set(Some(true));
        Ok(())
    }

    /// Lets it work again. As [`Block::quiet`].
    pub(super) async fn resume(&self) -> Result<(), Failed> {
        self.told.set(None);
        self.way.resume().await?;
        self.told.set(Some(false));
        Ok(())
    }
}

/// How a block stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) state: State,
    pub(super) jobs: Jobs,
    notes: Vec<String>,
    /// Whether it was told last to be quiet, where that is certain.
    told: Option<bool>,
}

/// Whether its jobs begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Working,
    Quiet,
    /// Nothing works, and it is not we who stopped it.
    Theirs(String),
    /// Nothing says it, and what it was told last is not certain.
    Unknown,
    /// It cannot be asked.
    Unheard(String),
}

impl Standing {
    /// As the value of a part.
    pub(super) fn value(&self) -> Value {
        let (state, why) = match &self.state {
            State::Working => (WORKING, None),
            State::Quiet => (QUIET, None),
            State::Theirs(why) => ("stopped", Some(why)),
            State::Unknown => ("unknown", None),
            State::Unheard(why) => ("unheard", Some(why)),
        };
        let (jobs, uncounted) = match &self.jobs {
            Jobs::Running(jobs) => (Some(jobs), None),
            Jobs::Uncounted => (None, None),
            Jobs::Unheard(why) => (None, Some(why)),
        };
        json!({ "state": state, "why": why, "jobs": jobs, "uncounted": uncounted, "told": self.told })
    }

    /// In a few words, after its name.
    pub(super) fn words(&self) -> String {
        let state = match &self.state {
            State::Working => WORKING.to_owned(),
            State::Quiet => QUIET.to_owned(),
            State::Theirs(why) => format!("stopped: {why}"),
            State::Unknown => "told something by an operation that is under way".to_owned(),
            State::Unheard(why) => return format!("not heard: {why}"),
        };
        match &self.jobs {
            Jobs::Running(0) | Jobs::Uncounted => state,
            Jobs::Running(jobs) if self.state == State::Working => {
                format!("{state} on {}", jobs_of(*jobs))
            }
            Jobs::Running(jobs) => format!("{state}, still writing: {}", jobs_of(*jobs)),
            Jobs::Unheard(why) => format!("{state}, not counted: {why}"),
        }
    }

    /// What a person should know of `block` before it is moved.
    pub(super) fn warnings(&self, block: &Block) -> Vec<String> {
        let name = block.name();
        let said = match (&self.state, &self.jobs) {
            (State::Unheard(why), _) => Some(format!("workers {name} cannot be asked: {why}")),
            (_, Jobs::Unheard(why)) => {
                Some(format!("the jobs of workers {name} cannot be counted: {why}"))
            }
            (_, Jobs::Uncounted) if !block.is_cron() => Some(format!(
                "nobody counts the jobs of workers {name}, so nobody waits for them: give it `busy`"
            )),
            (_, Jobs::Uncounted | Jobs::Running(_)) => None,
        };
        let notes = self.notes.iter().map(|note| format!("workers {name}: {note}"));
        said.into_iter().chain(notes).collect()
    }
}

/// `2 jobs`
pub(super) fn jobs_of(jobs: u64) -> String {
    if jobs == 1 { "1 job".to_owned() } else { format!("{jobs} jobs") }
}
