//! Moving a site's databases: all or none.

use std::time::Duration;

use super::console::Console;
use super::values::{Seen, Stand, known_retry};
use super::writes::{Takes, Writes};
use super::{Databases, Error, Idle};
use crate::clock;
use crate::lever::{self, Observation, Started};
use crate::switch::Step;
use crate::tasks::all;

/// What of one pool is paused or let go, and what it says of its own logins while it is not.
struct Paused<'a> {
    pool: &'a Console,
    names: Vec<String>,
    retry: Option<String>,
}

impl Databases {
    /// Makes `steps`. Where a part cannot be paused, every pool is let go again, and nothing has changed.
    pub(super) async fn moves(&self, steps: &[Step]) -> Result<(), lever::Error> {
        let to_pause = self.pools_of(steps, Stand::is_paused);
        let to_release =
            self.pools_of(steps, |stand| matches!(stand, Stand::Pool { paused: false, .. }));
        let changes = self.changes(steps);
        if !to_pause.is_empty() {
            released(&to_release).await?;
            self.pause(&to_pause).await?;
            return self.changed_or_released(&changes, &to_pause).await;
        }
        if !changes.is_empty() {
            self.change_briefly(&changes).await?;
        }
        released(&to_release).await
    }

    /// Makes `changes` while every pool is paused, so that nobody goes on in a session of before.
    async fn change_briefly(&self, changes: &[(&Writes, Takes)]) -> Result<(), lever::Error> {
        let pools = match self.running().await {
            // A pool that is gone keeps nobody from writing again.
            Err(_) if only_back(changes) => return self.changed(changes).await,
            pools => pools?,
        };
        let paused = self.pause(&pools).await;
        // Nobody is kept from writing again by a transaction that does not end.
        if let (Err(lever::Error::Refused { .. }), true) = (&paused, only_back(changes)) {
            self.changed(changes).await?;
            let anew = pools.iter().map(|one| one.pool.reconnect(&one.names));
            let done = all(anew).await.into_iter().find_map(Result::err);
            return done.map_or(Ok(()), |error| Err(failed(&error)));
        }
        paused?;
        self.changed_or_released(changes, &pools).await?;
        released(&pools).await
    }

    /// Waits for nothing: what was asked was answered. Where it stands now.
    pub(super) async fn confirmed(&self, started: &Started) -> Result<Observation, lever::Error> {
        let seen = self.seen().await;
        for step in &started.steps {
            let part = seen.parts.iter().find(|part| part.target == step.target);
            let stands = part.and_then(Seen::of);
            let as_asked = match (Stand::of(&step.after), &stands) {
                (Some(Stand::Pool { paused, .. }), Some(Seen::Pool(now))) => now.paused == paused,
                (Some(Stand::Server { read_only }), Some(Seen::Server { read_only: now })) => {
                    *now == read_only
                }
                _ => false,
            };
            if !as_asked {
                let now = stands.as_ref().map_or("gone", Seen::words);
                return Err(lever::Error::Unknown {
                    message: format!("{} is not as it was asked for: {now}", step.target),
                    hint: "see `roadworks status`; somebody else may have moved it".to_owned(),
                });
            }
        }
        Ok(seen)
    }

    /// The pools whose steps end like that.
    fn pools_of<'a>(&'a self, steps: &'a [Step], ends: fn(&Stand) -> bool) -> Vec<Paused<'a>> {
        let of_pool = |pool: &'a Console| {
            let prefix = format!("{} ", pool.address());
            let own: Vec<_> = steps
                .iter()
                .filter_map(|step| {
                    let after = Stand::of(&step.after).filter(ends)?;
                    Some((step.target.strip_prefix(&prefix)?.to_owned(), after))
                })
                .collect();
            let retry = own.iter().find_map(|(_, after)| match after {
                Stand::Pool { server_login_retry, .. } => server_login_retry.clone(),
                Stand::Server { .. } => None,
            });
            let names: Vec<_> = own.into_iter().map(|(name, _)| name).collect();
            (!names.is_empty()).then_some(Paused { pool, names, retry })
        };
        self.pools.iter().filter_map(of_pool).collect()
    }

    fn changes(&self, steps: &[Step]) -> Vec<(&Writes, Takes)> {
        let of = |step: &Step| {
            let takes = match Stand::of(&step.after)? {
                Stand::Server { read_only: true } => Takes::Reads,
                Stand::Server { read_only: false } => Takes::Writes,
                Stand::Pool { .. } => return None,
            };
            let server = self.servers.iter().find(|server| server.target() == step.target)?;
            Some((server, takes))
        };
        steps.iter().filter_map(of).collect()
    }

    /// The pools that are not paused, each with its databases and what it says of its own logins.
    async fn running(&self) -> Result<Vec<Paused<'_>>, lever::Error> {
        let mut running = Vec::new();
        for pool in &self.pools {
            let stands = pool.look().await.map_err(|error| failed(&error))?;
            let open = stands.databases.into_iter().filter(|one| !one.paused);
            let names: Vec<_> = open.map(|one| one.name).collect();
            if !names.is_empty() {
                running.push(Paused { pool, names, retry: known_retry(&stands.retry) });
            }
        }
        Ok(running)
    }

    /// Pauses all of `pools` at once, or lets all of them go.
    async fn pause(&self, pools: &[Paused<'_>]) -> Result<(), lever::Error> {
        let began = clock::monotonic();
        let deadline = pools.iter().map(|one| one.pool.config.deadline).min();
        let deadline = deadline.unwrap_or_default();
        let until = began + deadline;
        let asked = all(pools.iter().map(|one| one.pool.pause(&one.names, until)));
        let mut asked = std::pin::pin!(asked);
        let paused = tokio::select! {
            biased;
            paused = &mut asked => paused,
            () = self.idle_end(deadline / 2) => asked.await,
        };
        let Some(error) = paused.into_iter().find_map(Result::err) else { return Ok(()) };
        let blockers = match &error {
            Error::Late { .. } => self.blockers(pools).await,
            _ => Vec::new(),
        };
        released(pools).await?;
        Err(match error {
            Error::Late { .. } => blocked(deadline, &blockers),
            error => failed(&error),
        })
    }

    /// Comes back once the sessions that do nothing in their transactions were told to end; never where that was not asked for.
    async fn idle_end(&self, after: Duration) {
        if self.idle == Idle::Named {
            return std::future::pending().await;
        }
        tokio::time::sleep(after).await;
        for ended in all(self.servers.iter().map(Writes::end_idle)).await {
            match ended {
                Ok(sessions) => {
                    for session in sessions {
                        tracing::warn!(session, "ended");
                    }
                }
                Err(error) => tracing::warn!(%error, "idle sessions could not be ended"),
            }
        }
    }

    /// Who keeps it from being paused.
    async fn blockers(&self, pools: &[Paused<'_>]) -> Vec<String> {
        let mut named: Vec<String> = Vec::new();
        for sessions in all(self.servers.iter().map(Writes::idle)).await {
            named.extend(sessions);
        }
        for clients in all(pools.iter().map(|one| one.pool.blockers(&one.names))).await {
            named.extend(clients);
        }
        named
    }

    async fn changed_or_released(
        &self,
        changes: &[(&Writes, Takes)],
        pools: &[Paused<'_>],
    ) -> Result<(), lever::Error> {
        let Err(error) = self.changed(changes).await else { return Ok(()) };
        released(pools).await?;
        Err(error)
    }

    /// Makes all of `changes`, or takes back those that were made, or may have been.
    async fn changed(&self, changes: &[(&Writes, Takes)]) -> Result<(), lever::Error> {
        for (index, (server, takes)) in changes.iter().enumerate() {
            let Err(error) = server.set(*takes).await else { continue };
            let made = match &error {
                Error::Late { .. } | Error::Unasked { .. } => index + 1,
                _ => index,
            };
            for (server, takes) in changes.iter().take(made) {
                let before = match takes {
                    Takes::Reads => Takes::Writes,
                    Takes::Writes => Takes::Reads,
                };
                server.set(before).await.map_err(|error| lever::Error::Partly {
                    message: format!("whether a database takes writes is not known: {error}"),
                    hint: format!("{}; then try again", error.hint()),
                })?;
            }
            return Err(failed(&error));
        }
        Ok(())
    }
}

/// Whether databases take writes again, and nothing else.
fn only_back(changes: &[(&Writes, Takes)]) -> bool {
    changes.iter().all(|(_, takes)| *takes == Takes::Writes)
}

/// Lets all of `pools` go, whichever of them fails.
async fn released(pools: &[Paused<'_>]) -> Result<(), lever::Error> {
    let done = all(pools.iter().map(|one| one.pool.resume(&one.names, one.retry.as_deref()))).await;
    match done.into_iter().find_map(Result::err) {
        Some(error) => Err(half(&error)),
        None => Ok(()),
    }
}

fn failed(error: &Error) -> lever::Error {
    lever::Error::Failed { code: "database", message: error.to_string(), hint: error.hint() }
}

fn half(error: &Error) -> lever::Error {
    let (message, hint) = match error {
        Error::Shut { .. } => {
            (error.to_string(), format!("{}; then `roadworks open`", error.hint()))
        }
        error => (
            format!("a pool may still be paused: {error}"),
            format!("{}; then `roadworks open`, or RESUME on its console", error.hint()),
        ),
    };
    lever::Error::Partly { message, hint }
}

fn blocked(deadline: Duration, blockers: &[String]) -> lever::Error {
    let seconds = deadline.as_secs_f64();
    let named = match blockers {
        [] => String::new(),
        named => format!(": {}", named.join("; ")),
    };
    lever::Error::Refused {
        code: "pause-blocked",
        message: format!(
            "a transaction did not end within {seconds} s, so the pool could not be paused, and was let go{named}"
        ),
        hint: "let it end and try again, or end sessions that are idle in a transaction: --terminate-idle (with a `database \"postgres\"` block)".to_owned(),
    }
}
