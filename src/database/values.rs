//! What is told of a database, and what a step makes of it, as JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Error;
use super::console;
use crate::lever;

/// What was seen of one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Seen {
    /// One database of a pool.
    Pool(Pool),
    /// A database itself.
    Server {
        /// Whether new sessions may only read.
        read_only: bool,
    },
    /// It cannot be asked.
    Silent {
        /// Why.
        unreachable: String,
        /// What to do.
        hint: String,
    },
}

/// One database of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pool {
    pub(super) paused: bool,
    /// As it is written there, in seconds.
    pub(super) server_login_retry: String,
    /// Whether it pools by session.
    pub(super) session: bool,
    /// For how many seconds its clients wait, where that has an end.
    pub(super) patience: Option<u64>,
}

/// What one part is before or after a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Stand {
    /// A pool.
    Pool {
        /// Whether its clients wait.
        paused: bool,
        /// What it says of its own logins while they do not; none where that is not known: 0 is what a pause leaves there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server_login_retry: Option<String>,
    },
    /// A database.
    Server {
        /// Whether new sessions may only read.
        read_only: bool,
    },
}

impl Seen {
    pub(super) fn silent(error: &Error) -> Seen {
        Seen::Silent { unreachable: error.to_string(), hint: error.hint() }
    }

    pub(super) fn pool(stands: &console::Stands, one: &console::Pooled) -> Seen {
        Seen::Pool(Pool {
            paused: one.paused,
            server_login_retry: stands.retry.clone(),
            session: one.by_session,
            patience: stands.patience.map(|patience| patience.as_secs()),
        })
    }

    /// What `part` says.
    pub(super) fn of(part: &lever::Part) -> Option<Seen> {
        serde_json::from_value(part.value.clone()).ok()
    }

    /// As a part of the lever.
    pub(super) fn at(self, target: String) -> lever::Part {
        lever::Part { target, value: json!(self) }
    }

    /// In a word or a sentence.
    pub(super) fn words(&self) -> &str {
        match self {
            Seen::Pool(Pool { paused: true, .. }) => "paused",
            Seen::Pool(Pool { paused: false, .. }) => "running",
            Seen::Server { read_only: true } => "read-only",
            Seen::Server { read_only: false } => "takes writes",
            Seen::Silent { unreachable, .. } => unreachable,
        }
    }
}

impl Pool {
    /// As a step begins or ends with it.
    #[expect(clippy::fn_params_excessive_bools, reason = "it is a column of its console")]
    pub(super) fn stand(&self, paused: bool) -> Stand {
        Stand::Pool { paused, server_login_retry: known_retry(&self.server_login_retry) }
    }

    pub(super) fn patience(&self) -> Option<Duration> {
        self.patience.map(Duration::from_secs)
    }
}

/// What a pool says of its own logins, where that is not what a pause leaves there.
pub(super) fn known_retry(said: &str) -> Option<String> {
    Some(said.to_owned()).filter(|said| said != "0")
}

impl Stand {
    /// What a step says.
    pub(super) fn of(value: &Value) -> Option<Stand> {
        serde_json::from_value(value.clone()).ok()
    }

    pub(super) fn is_paused(&self) -> bool {
        matches!(self, Stand::Pool { paused: true, .. })
    }
}
