//! Why an operation did not go as asked.

use std::time::Duration;

use jiff::Timestamp;

use crate::checks::Outcome;
use crate::lever;
use crate::store;
use crate::switch::Mode;

/// What can go wrong between asking and moved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store said no.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A lever said no.
    #[error(transparent)]
    Lever(#[from] lever::Error),
    /// The site cannot be put into that mode.
    #[error("site {site} has no mode `{mode}`: it needs {missing}")]
    NotOffered {
        /// The site.
        site: String,
        /// What was asked for.
        mode: Mode,
        /// What would make it possible.
        missing: &'static str,
    },
    /// A rule forbids the move from where things stand.
    #[error("refused by rule \"{rule}\": {message}")]
    Rule {
        /// What `--override` takes.
        rule: &'static str,
        /// What is the matter.
        message: String,
        /// What to do.
        hint: String,
    },
    /// A site whose time is over may not open by itself.
    #[error("it does not open by itself: {why}")]
    Unchecked {
        /// Which check does not pass.
        why: String,
    },
    /// Visitors must not be let back: a check does not pass.
    #[error("refused: {}", unwell(outcomes))]
    Unwell {
        /// What became of every check that was asked.
        outcomes: Vec<Outcome>,
    },
    /// Visitors must not be let back: a command works.
    #[error("refused: {by} runs a command in this maintenance")]
    Runs {
        /// Who.
        by: String,
        /// When it was seen last.
        at: Timestamp,
    },
    /// There is no gateway of that id.
    #[error("no gateway of this site is called {id}{}", known_words(known))]
    NoSuchGateway {
        /// What was asked for.
        id: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The site's levers cannot be got at.
    #[error("the site cannot be moved: {why}")]
    Unopened {
        /// Why.
        why: String,
    },
    /// The world is not what the plan was made for.
    #[error("the plan no longer holds: {what}")]
    StalePlan {
        /// What is different.
        what: String,
    },
    /// Somebody else threw the switch meanwhile.
    #[error("{by} moved the switch to {mode} at {at}, while this operation was under way")]
    Superseded {
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
        /// To what.
        mode: Mode,
    },
    /// The deadline passed.
    #[error("asked for, but not {what} within {} s{}", waited.as_secs_f64(), still_words(still.as_deref()))]
    GaveUp {
        /// `confirmed` or `settled`.
        what: &'static str,
        /// How long it waited.
        waited: Duration,
        /// What it still waited for, where a lever said: the name server that lags, say.
        still: Option<String>,
    },
    /// The change was made; what became of it afterwards is not what it should be, or cannot be seen.
    #[error("the change was made, but it is not confirmed: {0}")]
    Unconfirmed(#[source] lever::Error),
    /// Somebody else has the right to move the site, or the store was away for too long to keep it.
    #[error(
        "the right to move the site was lost on the way, and how far it came is not known: {0}"
    )]
    Lost(#[source] store::Error),
    /// Something was moved, and then the store or a rule stopped the operation.
    #[error("a lever was moved, but the operation did not come to its end: {0}")]
    Unrecorded(#[source] Box<Error>),
    /// The change was not made, and what was made ahead of it could not be put back.
    #[error("{cause}; and what was made ahead of it could not be put back: {}", undo)]
    HalfDone {
        /// Why the change was not made.
        cause: Box<Error>,
        /// Why it could not be put back.
        #[source]
        undo: Box<Error>,
    },
}

fn known_words(known: &[String]) -> String {
    if known.is_empty() {
        ": none has told of itself".to_owned()
    } else {
        format!("; there are {}", known.join(", "))
    }
}

/// `check app does not pass: ..; check web does not pass: ..`
pub(super) fn unwell(outcomes: &[Outcome]) -> String {
    let failed = outcomes.iter().filter_map(|outcome| {
        let failed = outcome.found.as_ref().err()?;
        Some(format!("check {} does not pass: {failed}", outcome.name))
    });
    failed.collect::<Vec<_>>().join("; ")
}

fn still_words(still: Option<&str>) -> String {
    still.map(|still| format!(": still waiting for {still}")).unwrap_or_default()
}

impl Error {
    /// The same where something was moved before: nobody may read of it that nothing changed.
    pub(super) fn after_a_move(self) -> Error {
        match self {
            Error::Store(_)
            | Error::Rule { .. }
            | Error::Unchecked { .. }
            | Error::Unwell { .. }
            | Error::Runs { .. }
            | Error::Unopened { .. }
            | Error::StalePlan { .. } => Error::Unrecorded(Box::new(self)),
            Error::Lever(error) if error.nothing_changed() => {
                Error::Unrecorded(Box::new(Error::Lever(error)))
            }
            Error::Lever(_)
            | Error::NotOffered { .. }
            | Error::NoSuchGateway { .. }
            | Error::Superseded { .. }
            | Error::GaveUp { .. }
            | Error::Unconfirmed(_)
            | Error::Lost(_)
            | Error::Unrecorded(_)
            | Error::HalfDone { .. } => self,
        }
    }

    /// Whether something that was sent may still arrive.
    pub(super) fn may_happen_yet(&self) -> bool {
        match self {
            Error::Lever(error) | Error::Unconfirmed(error) => {
                matches!(error, lever::Error::Unknown { .. })
            }
            Error::Store(error) => matches!(error, store::Error::Unknown { .. }),
            Error::HalfDone { cause, undo } => cause.may_happen_yet() || undo.may_happen_yet(),
            Error::Unrecorded(error) => error.may_happen_yet(),
            _ => false,
        }
    }

    /// The next step for a person.
    pub fn hint(&self) -> String {
        match self {
            Error::Store(error) => error.hint(),
            Error::Lever(error) => error.hint().to_owned(),
            Error::NotOffered { .. } => {
                "add that lever to roadworks.hcl; `roadworks status` shows what the site has"
                    .to_owned()
            }
            Error::Rule { hint, .. } => hint.clone(),
            Error::Unwell { outcomes } => {
                let failed = outcomes.iter().filter_map(|outcome| {
                    Some((outcome.name.as_str(), outcome.found.as_ref().err()?))
                });
                let (names, fixes): (Vec<_>, Vec<_>) = failed.unzip();
                let fix = fixes.first().map_or("see what it says", |failed| failed.fix.as_str());
                format!(
                    "{fix}; `roadworks check` asks again; to open all the same: roadworks open --override={} --reason \"..\"",
                    names.join(" --override=")
                )
            }
            Error::Runs { at, .. } => format!(
                "it was alive at {at}: wait for its end, or have whoever runs it end it; where it was killed, for a few seconds; stricter modes are free to all"
            ),
            Error::NoSuchGateway { .. } => "`roadworks status` shows them".to_owned(),
            Error::Unchecked { .. } => "see that the app is well, then `roadworks open`".to_owned(),
            Error::Unopened { .. } => "run `roadworks doctor` where the agent runs".to_owned(),
            Error::StalePlan { .. } => "make the plan anew, read it, and apply that one".to_owned(),
            Error::Superseded { .. } => {
                "run `roadworks status` to see where it stands, then decide with them".to_owned()
            }
            Error::GaveUp { .. } => {
                "run the same command again to go on waiting, or `roadworks open` to go back"
                    .to_owned()
            }
            Error::Unconfirmed(error) => {
                format!(
                    "{}; then run the same command again, or `roadworks open` to go back",
                    error.hint()
                )
            }
            Error::Lost(_) => {
                "run `roadworks status` to see how things stand, then the same command again"
                    .to_owned()
            }
            Error::Unrecorded(error) => format!(
                "{}; then run the same command again, or `roadworks open` to go back",
                error.hint()
            ),
            Error::HalfDone { undo, .. } => {
                format!("{}; then `roadworks status`, and `roadworks open` to go back", undo.hint())
            }
        }
    }
}
