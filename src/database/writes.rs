//! A `PostgreSQL` that takes no writes: `default_transaction_read_only`, for the database and not for its migrators (its manual,
//! "Client Connection Defaults" and `ALTER ROLE .. IN DATABASE`).
//!
//! It is a default and no wall: a session may set it otherwise. Sessions of before keep what they began with, so pools before it
//! are paused while it changes: a pool that is let go connects anew.

use std::time::Duration;

use tokio_postgres::Client;

use super::server::{Row, Server};
use super::{Doubt, Error, error};
use crate::config::PostgresConfig;

/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(5);
const SETTING: &str = "default_transaction_read_only";
/// What the database says for everybody, and the transaction that is open longest.
const STANDS: &str = "SELECT \
    coalesce((SELECT option FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, \
      unnest(s.setconfig) AS option WHERE s.setrole = 0 AND d.datname = current_database() \
      AND option LIKE 'default\\_transaction\\_read\\_only=%' LIMIT 1), '') AS setting, \
    (SELECT extract(epoch FROM now() - min(xact_start))::bigint FROM pg_stat_activity \
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend') AS longest";
const IDLE: &str = "datname = current_database() AND pid <> pg_backend_pid() \
    AND state IN ('idle in transaction', 'idle in transaction (aborted)')";

/// One `PostgreSQL` of a site.
#[derive(Debug)]
pub(super) struct Writes {
    pub(super) config: PostgresConfig,
    number: usize,
    server: Result<Server, Error>,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Writes.
    Writes,
    /// Reads only.
    Reads,
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stands {
    pub(super) takes: Takes,
    /// For how long the oldest transaction has been open.
    pub(super) longest: Option<Duration>,
}

impl Writes {
    /// The `number`th of its site.
    pub(super) fn new(config: PostgresConfig, number: usize) -> Writes {
        let server = error::known(&config.url, "roadworks");
        Writes { config, number, server }
    }

    /// The target of a step: `db:5432/shop`; `postgres#1` where this machine does not have its URL.
    pub(super) fn target(&self) -> String {
        let unknown = |_| format!("postgres#{}", self.number);
        self.server.as_ref().map_or_else(unknown, |server| server.place.clone())
    }

    /// How it stands. Changes nothing.
    pub(super) async fn look(&self) -> Result<Stands, Error> {
        let server = self.server.as_ref().map_err(Clone::clone)?;
        let rows = server.talk(ANSWER, async |client| server.rows(client, STANDS).await).await?;
        let told = |column: &str| rows.first().and_then(|row| row.get(column)?.as_deref());
        let setting = told("setting").unwrap_or_default();
        let on = setting.split_once('=').is_some_and(|(_, value)| is_true(value));
        let longest = told("longest").and_then(|seconds| seconds.parse().ok());
        let takes = if on { Takes::Reads } else { Takes::Writes };
        Ok(Stands { takes, longest: longest.map(Duration::from_secs) })
    }

    /// What would fail where it is made read-only: who does it may alter the database, and there are such roles.
    pub(super) async fn tried(&self) -> Vec<Doubt> {
        let Ok(server) = &self.server else { return Vec::new() };
        let migrators: Vec<_> = self.config.migrators.iter().map(|role| literal(role)).collect();
        let rights = format!(
            "SELECT pg_has_role(current_user, d.datdba, 'USAGE') AS owns, \
             (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) AS alters, \
             (SELECT string_agg(role, ', ') FROM unnest(ARRAY[{}]::text[]) role \
               WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = role)) AS missing \
             FROM pg_database d WHERE d.datname = current_database()",
            migrators.join(", ")
        );
        // Who cannot be asked is told of where it is looked at.
        let Ok(rows) = server.talk(ANSWER, async |client| server.rows(client, &rights).await).await
        else {
            return Vec::new();
        };
        let Some(row) = rows.first() else { return Vec::new() };
        let told = |column: &str| row.get(column).and_then(Option::as_deref);
        let doubt = |why: String, fix: &str| Doubt { why, fix: fix.to_owned() };
        let mut doubts = Vec::new();
        if told("owns") == Some("f") {
            let why = format!("the user of {} may not alter this database", server.place);
            doubts.push(doubt(why, "use a `url` whose user owns the database"));
        }
        if told("alters") == Some("f") && !migrators.is_empty() {
            let why =
                format!("the user of {} may not alter roles, as `migrators` needs", server.place);
            doubts.push(doubt(
                why,
                "use a `url` whose user has CREATEROLE, or leave out `migrators`",
            ));
        }
        if let Some(missing) = told("missing") {
            let why = format!("{} has no role {missing}", server.place);
            doubts.push(doubt(why, "look at `migrators`"));
        }
        doubts
    }

    /// From now on new sessions may do this, but for migrators, who may write.
    pub(super) async fn set(&self, takes: Takes) -> Result<(), Error> {
        let server = self.server.as_ref().map_err(Clone::clone)?;
        let why = || "its url names no database".to_owned();
        let name = server.database().ok_or_else(|| Error::Lacking { why: why() })?;
        let database = quoted(name);
        let mut commands = vec![match takes {
            Takes::Reads => format!("ALTER DATABASE {database} SET {SETTING} = on"),
            Takes::Writes => format!("ALTER DATABASE {database} RESET {SETTING}"),
        }];
        commands.extend(self.config.migrators.iter().map(|role| {
            let role = format!("ALTER ROLE {} IN DATABASE {database}", quoted(role));
            match takes {
                Takes::Reads => format!("{role} SET {SETTING} = off"),
                Takes::Writes => format!("{role} RESET {SETTING}"),
            }
        }));
        let sets = async |client: &Client| {
            // What it is told for others counts for itself as well.
            server.does(client, &format!("SET {SETTING} = off")).await?;
            // All of it or nothing: statements of one query are one transaction.
            server.does(client, &commands.join("; ")).await
        };
        server.talk(ANSWER, sets).await
    }

    /// Ends the sessions that have a transaction open and do nothing in it; who they were.
    pub(super) async fn end_idle(&self) -> Result<Vec<String>, Error> {
        let ends = format!(
            "SELECT pid, usename, application_name, {SINCE}, pg_terminate_backend(pid) FROM pg_stat_activity WHERE {IDLE}"
        );
        Ok(self.sessions(&ends).await?.iter().map(named).collect())
    }

    /// The sessions that have a transaction open and do nothing in it.
    pub(super) async fn idle(&self) -> Vec<String> {
        let query = format!(
            "SELECT pid, usename, application_name, {SINCE} FROM pg_stat_activity WHERE {IDLE} ORDER BY xact_start LIMIT 5"
        );
        let found = self.sessions(&query).await.unwrap_or_default();
        found.iter().map(named).collect()
    }

    async fn sessions(&self, query: &str) -> Result<Vec<Row>, Error> {
        let server = self.server.as_ref().map_err(Clone::clone)?;
        server.talk(ANSWER, async |client| server.rows(client, query).await).await
    }
}

const SINCE: &str = "extract(epoch FROM now() - xact_start)::bigint AS seconds";

fn named(row: &Row) -> String {
    let of = |column: &str| row.get(column).and_then(Option::as_deref).unwrap_or_default();
    let program = Some(of("application_name")).filter(|it| !it.is_empty()).unwrap_or("a client");
    format!(
        "process {} of {} ({program}), idle in a transaction that has been open for {} s",
        of("pid"),
        of("usename"),
        of("seconds")
    )
}

/// As `PostgreSQL` reads a boolean.
fn is_true(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    matches!(text.as_str(), "on" | "true" | "yes" | "1" | "t" | "y")
}

/// A text as SQL has it.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
