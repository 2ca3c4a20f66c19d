//! A check of a `PostgreSQL`: it answers, takes writes, and says yes to a question of the operator's.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::{Asked, Check, Failed};
use crate::config::{PostgresCheckConfig, Writes};
use crate::database::{self, Server};

/// What it is asked where the operator asks nothing.
const ALIVE: &str = "SELECT true";
/// Whether it takes writes: neither a standby nor read-only by default (`PostgreSQL`, `default_transaction_read_only`).
const TAKES_WRITES: &str =
    "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'";

/// One `PostgreSQL`, or a pool before it.
#[derive(Debug)]
pub struct PostgresCheck(PostgresCheckConfig);

impl PostgresCheck {
    /// What the `check` block says.
    pub fn new(config: PostgresCheckConfig) -> PostgresCheck {
        PostgresCheck(config)
    }

    async fn asked(&self) -> Result<String, Failed> {
        let PostgresCheckConfig { url, timeout, .. } = &self.0;
        let server = Server::new(url, "roadworks check").ok_or_else(|| Failed {
            why: "its url is none".to_owned(),
            fix: "postgres://USER:PASSWORD@db:5432/shop".to_owned(),
        })?;
        let found = server.talk(*timeout, async |client| Ok(self.all(client, &server).await));
        found.await.map_err(failed)?
    }

    async fn all(&self, client: &Client, server: &Server) -> Result<String, Failed> {
        let PostgresCheckConfig { query, wants, .. } = &self.0;
        let place = &server.place;
        if *wants == Writes::Taken && !is_true(client, TAKES_WRITES, server).await?.0 {
            return Err(Failed {
                why: format!("{place} takes no writes: it is a standby, or read-only"),
                fix: "let it be promoted, or say writable = false".to_owned(),
            });
        }
        let (yes, said) = is_true(client, query.as_deref().unwrap_or(ALIVE), server).await?;
        if !yes {
            return Err(Failed {
                why: format!("{place} answers {said} to the query"),
                fix: "look at what the query asks for".to_owned(),
            });
        }
        Ok(match (query, wants) {
            (Some(_), _) => format!("{place} answers {said} to the query"),
            (None, Writes::Taken) => format!("{place} answers, and takes writes"),
            (None, Writes::NotAsked) => format!("{place} answers"),
        })
    }
}

impl Check for PostgresCheck {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn ask(&self) -> Asked<'_> {
        Box::pin(self.asked())
    }
}

/// Whether the first value of the first row is neither false nor null, and what it is.
async fn is_true(client: &Client, query: &str, server: &Server) -> Result<(bool, String), Failed> {
    let told = client.simple_query(query).await;
    let rows = told.map_err(|error| failed(server.error(&error)))?;
    let first = rows.iter().find_map(|row| match row {
        SimpleQueryMessage::Row(row) => Some(row.try_get(0).ok().flatten().map(str::to_owned)),
        _ => None,
    });
    Ok(match first {
        None => (false, "no row".to_owned()),
        Some(None) => (false, "null".to_owned()),
        Some(Some(value)) => {
            let shown: String = value.chars().filter(|one| !one.is_control()).take(80).collect();
            (!matches!(value.as_str(), "f" | "false"), shown)
        }
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn failed(error: database::Error) -> Failed {
    Failed { why: error.to_string(), fix: error.hint() }
}
