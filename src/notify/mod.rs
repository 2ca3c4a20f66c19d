//! Who is told of what happens to a site: a webhook, Slack, a command, an Alertmanager whose alerts are silent meanwhile.
//!
//! Tells one event to one of them, once: who tells it again, and until when, is `agent`'s to decide. Bounded in time and size;
//! no secret is in any error.

mod alertmanager;
mod event;
mod exec;
mod post;
mod webhook;

use std::time::Duration;

use jiff::Timestamp;

pub use alertmanager::renewed;
pub use event::Event;

use crate::config::{NotifyConfig, NotifyWay};
use crate::net::ask;

/// How long whoever is told by HTTP may take to answer.
const WITHIN: Duration = Duration::from_secs(10);
/// Nobody is waited for longer, whatever they ask for.
const MOST_PATIENCE: Duration = Duration::from_mins(5);

/// Why somebody was not told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This machine cannot tell them.
    #[error("{0}")]
    Lacking(String),
    /// There is no answer.
    #[error(transparent)]
    Unanswered(#[from] ask::Error),
    /// Another answer than that it is well.
    #[error("{origin} answers {status}{said}")]
    Answered {
        /// Who, without what may be a key.
        origin: String,
        /// 500
        status: u16,
        /// `: ` and the beginning of what it said, if it said anything.
        said: String,
        /// When it may be asked again, where it says so.
        again: Option<Duration>,
    },
    /// An answer that cannot be understood.
    #[error("{origin} does not answer as an Alertmanager: {why}")]
    Strange {
        /// Who.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// The command did not end well.
    #[error("`{program}` {why}")]
    Command {
        /// The first of its words.
        program: String,
        /// What it did instead.
        why: String,
    },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Error::Lacking(_) => "set it where `roadworks serve` runs: its agent is who tells",
            Error::Unanswered(_) => {
                "see that it can be reached from here, and that `url` is right: roadworks notify test"
            }
            Error::Answered { status: 401 | 403 | 404 | 410, .. } => {
                "see that `url`, and `secret` where there is one, are those that it gave you"
            }
            Error::Answered { .. } => "see what it says of it in its own log",
            Error::Strange { .. } => "`url` is what its web page has, without /api/v2",
            Error::Command { .. } => "run it by hand: roadworks notify test",
        }
    }

    /// Whether nobody there wants to hear any more (410, Standard Webhooks).
    pub fn is_final(&self) -> bool {
        matches!(self, Error::Answered { status: 410, .. })
    }

    /// How long they want to be left alone.
    pub fn again(&self) -> Option<Duration> {
        match self {
            Error::Answered { again, .. } => again.map(|pause| pause.min(MOST_PATIENCE)),
            Error::Lacking(_)
            | Error::Unanswered(_)
            | Error::Strange { .. }
            | Error::Command { .. } => None,
        }
    }
}

/// Tells `event` to `whom`. Dropped midway, it may have been told.
pub async fn tell(whom: &NotifyConfig, event: &Event, now: Timestamp) -> Result<(), Error> {
    match &whom.way {
        NotifyWay::Webhook { to, secret } => webhook::tell(to, secret.as_ref(), event, now).await,
        NotifyWay::Slack { to } => post::json(to, &event.for_slack()).await,
        NotifyWay::Exec { command, folder, timeout } => {
            exec::tell(command, folder, *timeout, event).await
        }
        NotifyWay::Alertmanager { to, matchers } => {
            alertmanager::tell(to, matchers, event, now).await
        }
        NotifyWay::Lacking { why, .. } => Err(Error::Lacking(why.clone())),
    }
}
