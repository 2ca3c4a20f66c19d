//! Lever: a site's databases. Pools are paused, all or none, and databases are made read-only.
//!
//! Never speaks for a client, never pools, never replicates. Whatever it begins and cannot finish it lets go at once; what it
//! paused is let go by somebody else, too, should whoever paused it die ([`Guarded`]): `PgBouncer` does not resume by itself.

mod console;
mod error;
mod moving;
mod server;
mod tried;
mod values;
mod writes;

use std::time::Duration;

use serde_json::json;

use crate::config::{DatabaseConfig, PostgresConfig};
use crate::lever::{
    Answer, Guarded, Lasts, Lever, Observation, Part, Position, Progress, Refusal, Started,
};
use crate::switch::{LeverName, Mode, OperationId, Step};
use crate::tasks::all;
use console::Console;
use values::{Pool, Seen, Stand};
use writes::{Takes, Writes};

pub use error::Error;
pub use server::Server;
pub use tried::Doubt;

/// So much earlier than `PgBouncer` sends its clients away they are let go.
const MARGIN: Duration = Duration::from_secs(10);
/// How long a pool stays paused at most while a database behind it is made read-only.
const BRIEFLY: Duration = Duration::from_secs(30);

/// What is done with sessions that have a transaction open and do nothing in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// They are named.
    Named,
    /// They are ended.
    Ended,
}

/// All databases of one site.
#[derive(Debug)]
pub struct Databases {
    pools: Vec<Console>,
    servers: Vec<Writes>,
    /// How long visitors are kept waiting.
    patience: Duration,
    idle: Idle,
}

impl Databases {
    /// What the `database` blocks say, for a site whose visitors wait for at most `patience`; none where there is no block.
    pub fn new(blocks: &[DatabaseConfig], patience: Duration) -> Option<Databases> {
        if blocks.is_empty() {
            return None;
        }
        let mut databases =
            Databases { pools: Vec::new(), servers: Vec::new(), patience, idle: Idle::Named };
        for (index, block) in blocks.iter().cloned().enumerate() {
            match block {
                DatabaseConfig::Pgbouncer(pool) => {
                    databases.pools.push(Console::new(pool, index + 1));
                }
                DatabaseConfig::Postgres(server) => {
                    databases.servers.push(Writes::new(server, index + 1));
                }
            }
        }
        Some(databases)
    }

    /// The same, where something else is done with idle sessions.
    #[must_use]
    pub fn with_idle(self, idle: Idle) -> Databases {
        Databases { idle, ..self }
    }

    async fn seen(&self) -> Observation {
        let pools = all(self.pools.iter().map(Console::look)).await;
        let servers = all(self.servers.iter().map(Writes::look)).await;
        let (mut parts, mut warnings) = (Vec::new(), Vec::new());
        for (pool, stands) in self.pools.iter().zip(pools) {
            match stands {
                Err(error) => parts.push(Seen::silent(&error).at(pool.address())),
                Ok(stands) => {
                    let disabled = stands.databases.iter().filter(|one| one.disabled);
                    warnings.extend(disabled.map(|one| {
                        let target = pool.target(&one.name);
                        format!("{target} is disabled: its clients are sent away until somebody says ENABLE")
                    }));
                    let databases = stands.databases.iter();
                    let part = |one| Seen::pool(&stands, one);
                    parts.extend(databases.map(|one| part(one).at(pool.target(&one.name))));
                }
            }
        }
        for (server, stands) in self.servers.iter().zip(servers) {
            match stands {
                Err(error) => parts.push(Seen::silent(&error).at(server.target())),
                Ok(stands) => {
                    warnings.extend(self.is_long(server, stands.longest));
                    let read_only = stands.takes == Takes::Reads;
                    parts.push(Seen::Server { read_only }.at(server.target()));
                }
            }
        }
        warnings.extend(self.pools.iter().filter_map(Console::lacks_probe));
        if self.pools.is_empty() {
            warnings.push("no pool stands before the database: sessions that are open go on writing after it was made read-only, until they connect anew".to_owned());
        }
        Observation { position: position(&parts), detail: detail(&parts), parts, warnings }
    }

    /// A transaction that has been open for longer than `PAUSE` would wait.
    fn is_long(&self, server: &Writes, longest: Option<Duration>) -> Option<String> {
        let deadline = self.pools.iter().map(|pool| pool.config.deadline).min()?;
        let longest = longest.filter(|longest| *longest > deadline)?;
        Some(format!(
            "a transaction of {} has been open for {} s, and PAUSE waits for it for {} s at most",
            server.target(),
            longest.as_secs(),
            deadline.as_secs_f64()
        ))
    }

    /// In which modes the block of a part moves it, by the part's target.
    fn when(&self, target: &str) -> &[Mode] {
        let pool = self.pools.iter().find(|pool| {
            let rest = target.strip_prefix(&pool.address());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        let server = || self.servers.iter().find(|server| server.target() == target);
        match pool {
            Some(pool) => &pool.config.when,
            None => server().map_or(&[], |server| &server.config.when),
        }
    }

    fn step(&self, target: &str, (before, after): (&Stand, &Stand)) -> Step {
        let kind = match after {
            Stand::Pool { .. } => "pgbouncer",
            Stand::Server { .. } => "postgres",
        };
        Step {
            lever: self.name(),
            kind: kind.to_owned(),
            target: target.to_owned(),
            before: json!(before),
            after: json!(after),
        }
    }

    /// What a part has to become for `to`, whether or not it is so.
    fn wanted(&self, part: &Part, to: Mode) -> Option<Step> {
        let moved = self.when(&part.target).contains(&to);
        let (before, after) = match Seen::of(part)? {
            Seen::Pool(pool) => (pool.stand(pool.paused), pool.stand(moved)),
            Seen::Server { read_only } => {
                (Stand::Server { read_only }, Stand::Server { read_only: moved })
            }
            Seen::Silent { .. } => return None,
        };
        Some(self.step(&part.target, (&before, &after)))
    }

    /// Why what is moved in `to` cannot be.
    fn unfit(&self, seen: &Observation, to: Mode) -> Option<Refusal> {
        let meant = |part: &&Part| self.when(&part.target).contains(&to);
        seen.parts.iter().filter(meant).find_map(|part| {
            let target = &part.target;
            match Seen::of(part)? {
                Seen::Silent { unreachable, hint } => Some(not_asked(unreachable, hint)),
                Seen::Server { .. } => None,
                Seen::Pool(pool) if pool.session => Some(Refusal {
                    rule: "session-pool",
                    message: format!("{target} pools by session: PAUSE would wait until its clients leave, and keep new ones waiting meanwhile"),
                    hint: "pool_mode = transaction, or leave the database out with `databases`".to_owned(),
                }),
                Seen::Pool(pool) => {
                    let patience = pool.patience().filter(|patience| *patience <= MARGIN)?;
                    Some(Refusal {
                        rule: "query-wait-timeout",
                        message: format!("clients of {target} wait for {} s only (query_wait_timeout): they would be sent away", patience.as_secs()),
                        hint: format!("make query_wait_timeout longer than {} s", MARGIN.as_secs()),
                    })
                }
            }
        })
    }

    /// How long what is paused in `to` may stay so.
    fn longest(&self, seen: &Observation, to: Mode) -> Duration {
        let patience = |part: &Part| match Seen::of(part)? {
            Seen::Pool(pool) => pool.patience(),
            Seen::Server { .. } | Seen::Silent { .. } => None,
        };
        let pools = seen.parts.iter().filter_map(patience);
        let least = pools.map(|patience| patience.saturating_sub(MARGIN)).min();
        let visitors = (to == Mode::Hold).then_some(self.patience);
        least.into_iter().chain(visitors).min().unwrap_or(self.patience)
    }
}

/// What a command is told in `mode` of how long its statements may wait for a lock, and take, as `PGOPTIONS`; none for a site
/// without a database. While a pool is paused they may take as long as visitors wait: it is let go then.
pub fn options(
    blocks: &[DatabaseConfig],
    mode: Mode,
    patience: Option<Duration>,
) -> Option<String> {
    let server = blocks.iter().find_map(|block| match block {
        DatabaseConfig::Postgres(server) => Some(server),
        DatabaseConfig::Pgbouncer(_) => None,
    });
    let pauses = |block: &DatabaseConfig| match block {
        DatabaseConfig::Pgbouncer(pool) => pool.when.contains(&mode),
        DatabaseConfig::Postgres(_) => false,
    };
    let waits = patience.filter(|_| blocks.iter().any(pauses));
    let lock = server.map_or(PostgresConfig::LOCK, |server| server.lock_timeout);
    let own = server.and_then(|server| server.statement_timeout);
    let statement = own.or(waits);
    let statement = statement.map(|it| format!(" -c statement_timeout={}", it.as_millis()));
    let statement = statement.unwrap_or_default();
    (!blocks.is_empty()).then(|| format!("-c lock_timeout={}{statement}", lock.as_millis()))
}

impl Lever for Databases {
    fn name(&self) -> LeverName {
        LeverName::Database
    }

    fn kind(&self) -> &'static str {
        if self.pools.is_empty() { "postgres" } else { "pgbouncer" }
    }

    fn observe(&self) -> Answer<'_, Observation> {
        Box::pin(async { Ok(self.seen().await) })
    }

    fn steps(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        let wanted = seen.parts.iter().filter_map(|part| self.wanted(part, to));
        wanted.filter(|step| step.before != step.after).collect()
    }

    fn again(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        // A database is as its catalog says; a pool may have been let go half.
        let pools = |part: &&Part| matches!(Seen::of(part), Some(Seen::Pool(_)));
        let pools = seen.parts.iter().filter(pools);
        pools.filter_map(|part| self.wanted(part, to)).collect()
    }

    fn refusal(&self, seen: &Observation, to: Mode) -> Option<Refusal> {
        if to != Mode::Open {
            return self.unfit(seen, to);
        }
        seen.parts.iter().find_map(|part| match Seen::of(part)? {
            Seen::Silent { unreachable, hint } => {
                let over = "to open all the same: roadworks open --override=database-unreachable --reason \"..\"";
                Some(not_asked(unreachable, format!("{hint}; {over}")))
            }
            Seen::Pool(_) | Seen::Server { .. } => None,
        })
    }

    fn start<'a>(&'a self, steps: &'a [Step], _operation: &'a OperationId) -> Answer<'a, Started> {
        Box::pin(async move {
            self.moves(steps).await?;
            Ok(Started { changes: Vec::new(), steps: steps.to_vec() })
        })
    }

    fn confirm<'a>(
        &'a self,
        started: &'a Started,
        _progress: &'a dyn Progress,
    ) -> Answer<'a, Observation> {
        Box::pin(self.confirmed(started))
    }

    fn guarded(&self, seen: &Observation, steps: &[Step], to: Mode) -> Option<Guarded> {
        let after = || steps.iter().filter_map(|step| Stand::of(&step.after));
        let changes = after().any(|stand| matches!(stand, Stand::Server { .. }));
        let (longest, lasts) = if after().any(|stand| stand.is_paused()) {
            (self.longest(seen, to), Lasts::UntilPutBack)
        } else if changes && !self.pools.is_empty() {
            (BRIEFLY, Lasts::WhileItMoves)
        } else {
            return None;
        };
        let pauses = |step: &Step| Stand::of(&step.after).is_some_and(|stand| stand.is_paused());
        let is_paused =
            |part: &Part| steps.iter().any(|step| step.target == part.target && pauses(step));
        let back = |part: &Part| match Seen::of(part)? {
            Seen::Pool(pool) if !pool.paused || is_paused(part) => {
                Some(self.step(&part.target, (&pool.stand(true), &pool.stand(false))))
            }
            Seen::Pool(_) | Seen::Server { .. } | Seen::Silent { .. } => None,
        };
        let undo: Vec<_> = seen.parts.iter().filter_map(back).collect();
        (!undo.is_empty()).then_some(Guarded { longest, undo, lasts })
    }

    fn settles_after(&self, _before: Option<&Observation>) -> Duration {
        Duration::ZERO
    }
}

fn not_asked(message: String, hint: String) -> Refusal {
    Refusal { rule: "database-unreachable", message, hint }
}

/// The strictest of its parts.
fn position(parts: &[Part]) -> Position {
    let all: Vec<_> = parts.iter().filter_map(Seen::of).collect();
    let is = |wanted: fn(&Seen) -> bool| all.iter().any(wanted);
    if is(|seen| matches!(seen, Seen::Pool(Pool { paused: true, .. }))) {
        Position::At(Mode::Hold)
    } else if is(|seen| matches!(seen, Seen::Server { read_only: true })) {
        Position::At(Mode::ReadOnly)
    } else if is(|seen| matches!(seen, Seen::Silent { .. })) {
        Position::Absent
    } else {
        Position::At(Mode::Open)
    }
}

fn detail(parts: &[Part]) -> String {
    let words = |part: &Part| match Seen::of(part)? {
        silent @ Seen::Silent { .. } => Some(silent.words().to_owned()),
        seen => Some(format!("{} {}", part.target, seen.words())),
    };
    parts.iter().filter_map(words).collect::<Vec<_>>().join(", ")
}
