//! What keeps a database from being asked or told.

use std::time::Duration;

use super::Server;
use crate::config::Secret;

/// In the words of the person who can act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not answer.
    #[error("{place} does not answer within {} s", within.as_secs_f64())]
    Late {
        /// Which.
        place: String,
        /// How long it was waited for.
        within: Duration,
    },
    /// It cannot be reached, or hangs up.
    #[error("{place} cannot be asked: {why}")]
    Unasked {
        /// Which.
        place: String,
        /// What the system, or its protocol, says.
        why: String,
    },
    /// It says no.
    #[error("{place} says {code}: {message}")]
    Said {
        /// Which.
        place: String,
        /// The SQLSTATE.
        code: String,
        /// In its own words.
        message: String,
    },
    /// What answers there is no admin console.
    #[error("{place} is no admin console of a PgBouncer: {why}")]
    NoConsole {
        /// Which.
        place: String,
        /// What shows it.
        why: String,
    },
    /// It does not have such a database.
    #[error("{place} has no database \"{database}\"")]
    NoDatabase {
        /// Which.
        place: String,
        /// The name that was asked for.
        database: String,
    },
    /// It runs, and lets nobody in.
    #[error("{place} runs again, and lets no new connection in: {why}")]
    Shut {
        /// Which.
        place: String,
        /// What it says to who tries.
        why: String,
    },
    /// This machine does not have what it needs.
    #[error("it cannot be asked from here: {why}")]
    Lacking {
        /// What is lacking.
        why: String,
    },
}

impl Error {
    /// The next step for a person.
    pub fn hint(&self) -> String {
        match self {
            Error::Late { .. } => "see that it runs, and that it can be reached from here",
            Error::Unasked { .. } => {
                "see that it runs, and that it can be reached from here; without TLS, sslmode=disable"
            }
            Error::Said { .. } => {
                "look at the user, the database and their rights, and at PostgreSQL's log"
            }
            Error::NoConsole { .. } => {
                "the URL of the console ends in /pgbouncer, and its user is one of admin_users: postgres://ops:PASSWORD@pool:6432/pgbouncer"
            }
            Error::NoDatabase { .. } => "look at its [databases], and at `databases` here",
            Error::Shut { .. } => {
                "look at PgBouncer's log, and whether it reaches its PostgreSQL"
            }
            Error::Lacking { .. } => "set it here, or ask from a machine that has it",
        }
        .to_owned()
    }
}

/// The server of `url`, or why it cannot be asked.
pub(super) fn known(url: &Result<Secret, String>, application: &str) -> Result<Server, Error> {
    let lacking = |why: &str| Error::Lacking { why: why.to_owned() };
    let url = url.as_ref().map_err(|why| lacking(why))?;
    Server::new(url, application).ok_or_else(|| lacking("its url is none"))
}
