//! rq, by `rq suspend` and `rq resume`.
//!
//! A worker that waits for a job looks at the suspension only once it has got one (rq 3.0, `Worker.work`): it would begin the first
//! job that comes. So each that waits is woken by a job that does nothing, and only then they are quiet.

use std::time::Duration;

use super::run::{Runner, with};
use super::way::{Doing, Effect, Failed, Jobs, Seen, Stand, Way};
use crate::clock;
use crate::tasks::all;

/// How often it is looked whether those that were woken have noticed.
const BETWEEN: Duration = Duration::from_millis(300);
/// So many are woken at once.
const AT_ONCE: usize = 8;
/// What does nothing: every worker can import it. One that nobody took is dropped after a minute.
const NOTHING: [&str; 6] = ["--quiet", "--result-ttl", "0", "--ttl", "60", "time.time"];

/// rq's workers at one Redis.
#[derive(Debug)]
pub(super) struct Rq {
    pub(super) runner: Runner,
    pub(super) run: Vec<String>,
    /// Why this machine does not know the Redis, if it does not.
    pub(super) lacking: Option<String>,
}

/// A worker, as `rq info --raw` tells of it.
#[derive(Debug, PartialEq, Eq)]
struct Worker<'a> {
    state: &'a str,
    /// The first of its queues.
    queue: &'a str,
}

impl Rq {
    async fn info(&self) -> Result<String, String> {
        match &self.lacking {
            Some(why) => Err(why.clone()),
            None => self.runner.says(&with(&self.run, ["info", "--raw"])).await,
        }
    }

    async fn seen(&self) -> Seen {
        let said = match self.info().await {
            Ok(said) => said,
            Err(why) => return Seen::unheard(why),
        };
        let workers = workers(&said);
        let are = |state: &str| workers.iter().filter(|worker| worker.state == state).count();
        let (busy, suspended) = (are("busy"), are("suspended"));
        let stand = match workers.len() - busy - suspended {
            // Of one that works on a job nobody can say what it does after it.
            0 if suspended == 0 => Stand::Unsaid,
            0 => Stand::Quiet,
            _ => Stand::Working,
        };
        Seen::of(stand, Jobs::Running(busy as u64))
    }

    async fn tell(&self, verb: &str) -> Result<(), Failed> {
        if let Some(why) = &self.lacking {
            let hint = "set it where roadworks runs, an agent included".to_owned();
            return Err(Failed { message: why.clone(), hint, effect: Effect::Nothing });
        }
        self.runner.does(&with(&self.run, [verb])).await
    }

    async fn suspend(&self) -> Result<(), Failed> {
        self.tell("suspend").await?;
        let until = clock::monotonic() + self.runner.timeout;
        let unnoticed = |message: String| Failed {
            message,
            hint: "see `rq info`: a worker that waits has to be suspended".to_owned(),
            effect: Effect::Unknown,
        };
        loop {
            let said = self.info().await.map_err(&unnoticed)?;
            let waiting: Vec<_> =
                workers(&said).into_iter().filter(|worker| worker.state == "idle").collect();
            if waiting.is_empty() {
                return Ok(());
            }
            if clock::monotonic() >= until {
                let message =
                    format!("{} of its workers did not notice `rq suspend`", waiting.len());
                return Err(unnoticed(message));
            }
            let woken = waiting.iter().take(AT_ONCE).map(|worker| {
                let words = with(&self.run, ["enqueue", "-q", worker.queue]);
                async move { self.runner.does(&with(&words, NOTHING)).await }
            });
            for woken in all(woken).await {
                woken.map_err(|failed| unnoticed(failed.message))?;
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }
}

/// The workers in what `rq info --raw` says: `worker NAME (HOST ADDRESS PID) STATE QUEUE, QUEUE. jobs: ..`, without what stands in
/// parentheses in older versions.
fn workers(said: &str) -> Vec<Worker<'_>> {
    said.lines().filter_map(|line| worker(line.trim())).collect()
}

fn worker(line: &str) -> Option<Worker<'_>> {
    let (_, rest) = line.strip_prefix("worker ")?.split_once(' ')?;
    let rest = rest.rsplit_once(") ").map_or(rest, |(_, rest)| rest);
    let (state, queues) = rest.split_once(' ')?;
    let queues = queues.split_once(". jobs:").map_or(queues, |(queues, _)| queues);
    let queue = queues.split(',').next().unwrap_or_default().trim();
    Some(Worker { state, queue })
}

impl Way for Rq {
    fn kind(&self) -> &'static str {
        "rq"
    }

    fn read(&self) -> Doing<'_, Seen> {
        Box::pin(self.seen())
    }

    fn quiet(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(self.suspend())
    }

    fn resume(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(self.tell("resume"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_read_with_their_state_and_their_first_queue() {
        let said = "queue default 2, 1 executing, 0 finished, 0 failed\nworker ba66 (vm 127.0.0.1:39450 30404) busy high, default. jobs: 0 finished, 0 failed\nworker c1 idle mail\n";
        assert_eq!(
            workers(said),
            [Worker { state: "busy", queue: "high" }, Worker { state: "idle", queue: "mail" }]
        );
    }
}
