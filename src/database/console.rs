//! A `PgBouncer`, by its admin console: paused, and let go again (its manual, "Admin console").
//!
//! `PAUSE` keeps clients waiting from the moment it is asked, not from its answer on, and an admin connection that is dropped
//! leaves it paused: whoever asks says `RESUME` on another connection where it takes too long.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Client;

use super::server::{Row, Server};
use super::{Doubt, Error, error};
use crate::clock;
use crate::config::PgbouncerConfig;

/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(3);
/// How long clients that waited may take to be served, before `RESUME` counts as having failed.
const SERVED: Duration = Duration::from_secs(5);
/// How long all of that may take.
const RESUMED: Duration = Duration::from_secs(30);
/// How soon it is looked again whether a login is over.
const SOON: Duration = Duration::from_millis(2);
/// How often it is looked whether they are.
const LOOK: Duration = Duration::from_millis(20);
/// So many new connections have to be let in.
const PROBES: u32 = 3;
/// The database that the console itself is.
const OWN: &str = "pgbouncer";
/// How many who keep it from being paused are named.
const MOST_NAMED: usize = 5;
const SETTING: &str = "server_login_retry";

/// One `PgBouncer` of a site.
#[derive(Debug)]
pub(super) struct Console {
    pub(super) config: PgbouncerConfig,
    number: usize,
    server: Result<Server, Error>,
    probe: Option<Result<Server, Error>>,
}

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stands {
    /// Each of the databases that are paused here.
    pub(super) databases: Vec<Pooled>,
    /// How long a client waits before it is sent away; `None` for as long as it likes.
    pub(super) patience: Option<Duration>,
    /// For how many seconds it sends clients away after one failed login of its own, as it is written there.
    pub(super) retry: String,
}

/// One database of a `PgBouncer`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of its console")]
pub(super) struct Pooled {
    pub(super) name: String,
    pub(super) paused: bool,
    /// Whether somebody disabled it: its clients are sent away.
    pub(super) disabled: bool,
    /// Whether a server connection belongs to one client until that leaves: `PAUSE` would wait for it.
    pub(super) by_session: bool,
}

impl Console {
    /// The `number`th of its site.
    pub(super) fn new(config: PgbouncerConfig, number: usize) -> Console {
        let server = error::known(&config.url, "roadworks");
        let probe = config.probe.as_ref().map(|url| error::known(url, "roadworks probe"));
        Console { config, number, server, probe }
    }

    /// `pool:6432`; `pgbouncer#1` where this machine does not have its URL.
    pub(super) fn address(&self) -> String {
        let unknown = |_| format!("pgbouncer#{}", self.number);
        self.server.as_ref().map_or_else(unknown, |server| server.address.clone())
    }

    /// Why nobody can see here whether it lets new connections in after `RESUME`, if nobody can.
    pub(super) fn lacks_probe(&self) -> Option<String> {
        let error = self.probe.as_ref()?.as_ref().err()?;
        Some(format!(
            "whether {} lets new connections in is not seen from here: {error}",
            self.address()
        ))
    }

    /// What would fail after `RESUME`, if it can be seen from here.
    pub(super) async fn tried(&self) -> Vec<Doubt> {
        let Some(Ok(probe)) = &self.probe else { return Vec::new() };
        let asked = probe.talk(ANSWER, async |client| probe.does(client, "SELECT 1").await).await;
        let doubt =
            |error: Error| Doubt { why: format!("its `probe`: {error}"), ..Doubt::of(&error) };
        asked.err().map(doubt).into_iter().collect()
    }

    /// The target of a step: `pool:6432 shop`.
    pub(super) fn target(&self, database: &str) -> String {
        format!("{} {database}", self.address())
    }

    /// How it stands. Changes nothing.
    pub(super) async fn look(&self) -> Result<Stands, Error> {
        let server = self.server.as_ref().map_err(Clone::clone)?;
        server.talk(ANSWER, async |client| self.seen(server, client).await).await
    }

    async fn seen(&self, server: &Server, client: &Client) -> Result<Stands, Error> {
        let databases = show(server, client, "DATABASES").await?;
        let settings = show(server, client, "CONFIG").await?;
        let pools = show(server, client, "POOLS").await?;
        let setting = |key: &str| {
            let row = settings.iter().find(|row| of(row, "key") == key);
            row.map_or("", |row| of(row, "value"))
        };
        let usual = setting("pool_mode");
        let pooled = |row: &Row| {
            let name = of(row, "name");
            let mode = Some(of(row, "pool_mode")).filter(|mode| !mode.is_empty()).unwrap_or(usual);
            // A user may have a mode of its own.
            let mut own = pools.iter().filter(|pool| of(pool, "database") == name);
            let by_session =
                mode == "session" || own.any(|pool| of(pool, "pool_mode") == "session");
            let is = |column: &str| of(row, column) == "1";
            let (paused, disabled) = (is("paused"), is("disabled"));
            Pooled { name: name.to_owned(), paused, disabled, by_session }
        };
        let all: Vec<_> =
            databases.iter().filter(|row| of(row, "name") != OWN).map(pooled).collect();
        let wanted = &self.config.databases;
        if let Some(missing) = wanted.iter().find(|name| all.iter().all(|one| one.name != **name)) {
            let (place, database) = (server.place.clone(), missing.clone());
            return Err(Error::NoDatabase { place, database });
        }
        let meant = |one: &Pooled| wanted.is_empty() || wanted.contains(&one.name);
        let seconds: f64 = setting("query_wait_timeout").parse().unwrap_or_default();
        Ok(Stands {
            databases: all.into_iter().filter(meant).collect(),
            patience: Some(seconds).filter(|it| *it > 0.0).map(Duration::from_secs_f64),
            retry: setting(SETTING).to_owned(),
        })
    }

    /// Pauses `databases`, by `until` at the latest. Where that fails they may be paused or still be about to: to be let go.
    pub(super) async fn pause(&self, databases: &[String], until: Instant) -> Result<(), Error> {
        let server = self.server.as_ref().map_err(Clone::clone)?;
        let left = until.saturating_duration_since(clock::monotonic());
        let pauses = async |client: &Client| {
            // After a login of its own that a PAUSE cuts short it would send clients away for that long, and new ones even so
            // until the next login: none is to be under way.
            server.does(client, &format!("SET {SETTING} = 0")).await?;
            for database in databases {
                nobody_logs_in(server, client, (database, until)).await?;
                server.does(client, &format!("PAUSE {}", quoted(database))).await?;
                // After a WAIT_CLOSE of somebody's it is said to be paused while transactions still run.
                nobody_works(server, client, database).await?;
            }
            Ok(())
        };
        server.talk(left, pauses).await
    }

    /// Lets `databases` go, sees that clients are served, and puts `retry` back.
    pub(super) async fn resume(
        &self,
        databases: &[String],
        retry: Option<&str>,
    ) -> Result<(), Error> {
        let server = self.server.as_ref().map_err(Clone::clone)?;
        let resumes = async |client: &Client| {
            server.does(client, &format!("SET {SETTING} = 0")).await?;
            let mut wrong = None;
            for database in databases {
                match server.does(client, &format!("RESUME {}", quoted(database))).await {
                    Err(Error::Said { message, .. }) if runs_or_is_gone(&message) => {}
                    resumed => wrong = wrong.or(resumed.err()),
                }
            }
            // A pool that is too small for its clients keeps them waiting as before.
            if let Ok(served) =
                tokio::time::timeout(SERVED, served(server, client, databases)).await
            {
                served?;
            }
            let lets_in = self.lets_in(server, databases).await;
            if let Some(retry) = retry {
                // It is a number that PgBouncer told itself.
                let retry: String = retry.chars().filter(char::is_ascii_digit).collect();
                server.does(client, &format!("SET {SETTING} = {retry}")).await?;
            }
            wrong.map_or(lets_in, Err)
        };
        server.talk(RESUMED, resumes).await
    }

    /// Sees that new connections are let in; where they are not, has it make its own anew.
    async fn lets_in(&self, server: &Server, databases: &[String]) -> Result<(), Error> {
        let Some(Ok(probe)) = &self.probe else { return Ok(()) };
        let Err(first) = probed(probe).await else { return Ok(()) };
        tracing::warn!(place = server.place, error = %first, "new connections fail after RESUME: its own are made anew");
        let anew = async |client: &Client| {
            for database in databases {
                server.does(client, &format!("RECONNECT {}", quoted(database))).await?;
            }
            // No WAIT_CLOSE: after it PgBouncer 1.18 says of every PAUSE at once that it is done.
            while !are_anew(server, client, databases).await? {
                tokio::time::sleep(SOON).await;
            }
            Ok(())
        };
        let shut =
            |error: Error| Error::Shut { place: server.place.clone(), why: error.to_string() };
        server.talk(SERVED, anew).await.map_err(shut)?;
        probed(probe).await.map_err(shut)
    }

    /// Has it make its own connections to `databases` anew, each once its client needs it no longer.
    pub(super) async fn reconnect(&self, databases: &[String]) -> Result<(), Error> {
        let server = self.server.as_ref().map_err(Clone::clone)?;
        let anew = async |client: &Client| {
            for database in databases {
                server.does(client, &format!("RECONNECT {}", quoted(database))).await?;
            }
            Ok(())
        };
        server.talk(ANSWER, anew).await
    }

    /// Who keeps it from being paused: clients that are in the middle of a transaction.
    pub(super) async fn blockers(&self, databases: &[String]) -> Vec<String> {
        let Ok(server) = &self.server else { return Vec::new() };
        let looks = async |client: &Client| {
            let clients = show(server, client, "CLIENTS").await?;
            let servers = show(server, client, "SERVERS").await?;
            let inside = |row: &&Row| {
                databases.iter().any(|name| name == of(row, "database"))
                    && !of(row, "link").is_empty()
            };
            let named = |row: &Row| {
                let at_work = servers.iter().find(|other| of(other, "ptr") == of(row, "link"));
                let process = at_work.map_or("?", |other| of(other, "remote_pid"));
                let program = Some(of(row, "application_name")).filter(|it| !it.is_empty());
                format!(
                    "{} of {} at {}:{} (PostgreSQL's process {process}), its last request at {}",
                    program.unwrap_or("a client"),
                    of(row, "user"),
                    of(row, "addr"),
                    of(row, "port"),
                    of(row, "request_time"),
                )
            };
            Ok(clients.iter().filter(inside).take(MOST_NAMED).map(named).collect())
        };
        server.talk(ANSWER, looks).await.unwrap_or_default()
    }
}

/// What `SHOW` gives; what answers something else is no console.
async fn show(server: &Server, client: &Client, what: &str) -> Result<Vec<Row>, Error> {
    match server.rows(client, &format!("SHOW {what}")).await {
        Err(Error::Said { place, code, message }) if code != "08P01" => {
            Err(Error::NoConsole { place, why: format!("SHOW {what}: {message}") })
        }
        rows => rows,
    }
}

/// Comes back once no connection of its own to `database` is being made, or half of the time until then is over: a database
/// that lets nobody in is paused all the same.
async fn nobody_logs_in(
    server: &Server,
    client: &Client,
    (database, until): (&str, Instant),
) -> Result<(), Error> {
    let half = until.saturating_duration_since(clock::monotonic()) / 2;
    let enough = clock::monotonic() + half;
    while clock::monotonic() < enough {
        let pools = show(server, client, "POOLS").await?;
        let mut own = pools.iter().filter(|row| of(row, "database") == database);
        if own.all(|row| of(row, "sv_login") == "0") {
            return Ok(());
        }
        tokio::time::sleep(SOON).await;
    }
    Ok(())
}

/// Comes back once no connection of its own to `database` works for a client.
async fn nobody_works(server: &Server, client: &Client, database: &str) -> Result<(), Error> {
    // Newer versions have more columns; one that is not there has nobody.
    const AT_WORK: [&str; 4] = ["sv_active", "sv_active_cancel", "sv_being_canceled", "sv_tested"];
    loop {
        let pools = show(server, client, "POOLS").await?;
        let mut own = pools.iter().filter(|row| of(row, "database") == database);
        if own.all(|row| AT_WORK.iter().all(|column| matches!(of(row, column), "" | "0"))) {
            return Ok(());
        }
        tokio::time::sleep(SOON).await;
    }
}

/// Whether no connection of its own to `databases` is left that is to be closed.
async fn are_anew(server: &Server, client: &Client, databases: &[String]) -> Result<bool, Error> {
    let servers = show(server, client, "SERVERS").await?;
    let meant = |row: &&Row| databases.iter().any(|name| name == of(row, "database"));
    Ok(servers.iter().filter(meant).all(|row| of(row, "close_needed") != "1"))
}

/// Comes back once nobody waits who waited before.
async fn served(server: &Server, client: &Client, databases: &[String]) -> Result<(), Error> {
    loop {
        let pools = show(server, client, "POOLS").await?;
        let meant = |row: &&Row| databases.iter().any(|name| name == of(row, "database"));
        // In whole seconds: what a busy pool makes its clients wait is less.
        if pools.iter().filter(meant).all(|row| of(row, "maxwait") == "0") {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What `RESUME` says of a database that is not paused, or that is not there any more.
fn runs_or_is_gone(message: &str) -> bool {
    message.contains("not paused") || message.contains("no such database")
}

async fn probed(probe: &Server) -> Result<(), Error> {
    for _ in 0..PROBES {
        probe.talk(ANSWER, async |client| probe.does(client, "SELECT 1").await).await?;
    }
    Ok(())
}

fn of<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).and_then(Option::as_deref).unwrap_or_default()
}

/// A name as the console takes it: any, in quotes.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
