//! Lever: background writers. What makes jobs by the clock is made quiet first, then what works on them, while their broker is up;
//! then those that run are waited for. On the way back the other way round.
//!
//! All of a site's `workers` blocks are one lever: where one cannot be made quiet, none is. No job is ended by us; ECS ends those that take longer than
//! their container's `stopTimeout`.

mod block;
mod celery;
mod commands;
#[cfg(feature = "aws")]
mod ecs;
mod moving;
mod presets;
#[cfg(feature = "aws")]
mod rights;
mod rq;
mod run;
#[cfg(feature = "aws")]
mod schedule;
#[cfg(feature = "aws")]
mod told;
mod way;

use std::time::Duration;

use serde_json::{Value, json};

use crate::clock;
use crate::config::{WorkersConfig, WorkersWay};
use crate::lever::{Answer, Error, Lever, Observation, Part, Position, Progress, Refusal, Started};
use crate::switch::{LeverName, Mode, OperationId, Step};
use crate::tasks::all;
use block::{Block, QUIET, Standing, State, WORKING, jobs_of};
use celery::Celery;
use commands::Commands;
use presets::{Horizon, Sidekiq, Systemd};
use rq::Rq;
use run::Runner;
use way::{Jobs, Way};

#[cfg(feature = "aws")]
pub use rights::rights;

/// The rule by which workers that cannot be asked refuse a move.
const UNHEARD: &str = "workers-unheard";
/// The rule of jobs that run still when a site closes.
pub const STILL_WRITING: &str = "still-writing";
/// How often jobs that run are counted again.
const POLL: Duration = Duration::from_secs(1);

/// The background writers of a site.
#[derive(Debug)]
pub struct Workers {
    blocks: Vec<Block>,
}

impl Workers {
    /// None yet.
    pub fn new() -> Workers {
        Workers { blocks: Vec::new() }
    }

    /// With those that are moved by commands; `told` is the mode that the switch remembers, where that is certain.
    pub fn by_commands(&mut self, config: &WorkersConfig, told: Option<Mode>) {
        if let Some(way) = commanded(config) {
            self.blocks.push(Block::new(config.clone(), way, told));
        }
    }

    /// With those that are in AWS.
    #[cfg(feature = "aws")]
    pub fn in_aws(
        &mut self,
        config: &WorkersConfig,
        session: crate::aws::Session,
        told: Option<Mode>,
    ) {
        let way: Box<dyn Way> = match config.way.clone() {
            WorkersWay::Ecs { cluster, service, .. } => {
                Box::new(ecs::EcsCount { session, cluster, service })
            }
            WorkersWay::Schedule { name, group, .. } => {
                Box::new(schedule::Schedule { session, name, group })
            }
            _ => return self.by_commands(config, told),
        };
        self.blocks.push(Block::new(config.clone(), way, told));
    }
}

impl Default for Workers {
    fn default() -> Workers {
        Workers::new()
    }
}

/// What moves workers by commands, if they are moved so.
fn commanded(config: &WorkersConfig) -> Option<Box<dyn Way>> {
    let (folder, timeout) = (config.folder.clone(), config.timeout);
    let runner = Runner { folder, timeout, secret: None };
    Some(match config.way.clone() {
        WorkersWay::Commands(words) => Box::new(Commands { runner, words }),
        WorkersWay::Celery { run, queues, nodes } => {
            Box::new(Celery { runner, run, queues, nodes })
        }
        WorkersWay::Rq { run, url } => {
            let (url, lacking) = match url {
                Ok(url) => (url, None),
                Err(why) => (None, Some(why)),
            };
            // `rq` takes it from there, where nobody else reads it.
            let secret = url.map(|url| ("RQ_REDIS_URL", url));
            Box::new(Rq { runner: Runner { secret, ..runner }, run, lacking })
        }
        WorkersWay::Sidekiq { run, resume } => Box::new(Sidekiq { runner, run, resume }),
        WorkersWay::Horizon { run, busy } => Box::new(Horizon { runner, run, busy }),
        WorkersWay::Systemd { run, unit } => Box::new(Systemd { runner, run, unit }),
        WorkersWay::Ecs { .. } | WorkersWay::Schedule { .. } => return None,
    })
}

impl Workers {
    async fn standings(&self) -> Vec<Standing> {
        all(self.blocks.iter().map(Block::stands)).await
    }

    fn observation(&self, standings: &[Standing]) -> Observation {
        let each = || self.blocks.iter().zip(standings);
        let words = |(block, standing): (&Block, &Standing)| {
            format!("{} {}", block.name(), standing.words())
        };
        let part = |(block, standing): (&Block, &Standing)| Part {
            target: block.name().to_owned(),
            value: standing.value(),
        };
        Observation {
            position: Position::At(self.mode(standings)),
            detail: each().map(words).collect::<Vec<_>>().join("; "),
            parts: each().map(part).collect(),
            warnings: each().flat_map(|(block, standing)| standing.warnings(block)).collect(),
        }
    }

    /// The loosest mode that they stand as in; `open` where they stand as in none.
    fn mode(&self, standings: &[Standing]) -> Mode {
        let fits = |mode: &Mode| {
            self.blocks.iter().zip(standings).all(|(block, standing)| match standing.state {
                State::Quiet => block.is_quiet_in(*mode),
                State::Working => !block.is_quiet_in(*mode),
                State::Theirs(_) => true,
                State::Unknown | State::Unheard(_) => false,
            })
        };
        Mode::LADDER.into_iter().find(fits).unwrap_or(Mode::Open)
    }

    fn step(block: &Block, before: Value, after: &str) -> Step {
        Step {
            lever: LeverName::Workers,
            kind: block.kind().to_owned(),
            target: block.name().to_owned(),
            before,
            after: json!(after),
        }
    }

    /// Each block and what its part says, crons first.
    fn each<'a>(&'a self, seen: &'a Observation) -> Vec<(&'a Block, &'a Value)> {
        let part = |block: &'a Block| {
            let part = seen.parts.iter().find(|part| part.target == block.name())?;
            Some((block, &part.value))
        };
        let mut all: Vec<_> = self.blocks.iter().filter_map(part).collect();
        all.sort_by_key(|(block, _)| !block.is_cron());
        all
    }

    /// What those that were moved wait for still, and what is no longer to be waited for.
    fn unsettled(
        &self,
        steps: &[Step],
        standings: &[Standing],
        waited: Duration,
    ) -> Result<Option<String>, Error> {
        let mut waits = Vec::new();
        for (block, standing) in self.blocks.iter().zip(standings) {
            let Some(step) = steps.iter().find(|step| step.target == block.name()) else {
                continue;
            };
            let name = block.name();
            let what = match (step.after == QUIET, &standing.state, &standing.jobs) {
                (true, State::Working | State::Unheard(_), _) => {
                    format!("workers {name} to be quiet: {}", standing.words())
                }
                (true, _, Jobs::Running(jobs)) if *jobs > 0 => {
                    format!("still writing: {} of {name}", jobs_of(*jobs))
                }
                (true, _, Jobs::Unheard(why)) => {
                    format!("still writing, perhaps: the jobs of {name} cannot be counted: {why}")
                }
                (false, State::Quiet | State::Unheard(_), _) => {
                    format!("workers {name} to work again: {}", standing.words())
                }
                _ => continue,
            };
            if waited >= block.config.deadline {
                return Err(late(block, step, &what));
            }
            waits.push(what);
        }
        Ok((!waits.is_empty()).then(|| waits.join("; ")))
    }

    async fn confirmed(
        &self,
        steps: &[Step],
        progress: &dyn Progress,
    ) -> Result<Observation, Error> {
        let began = clock::monotonic();
        loop {
            let standings = self.standings().await;
            let waited = clock::monotonic().duration_since(began);
            let Some(what) = self.unsettled(steps, &standings, waited)? else {
                return Ok(self.observation(&standings));
            };
            progress.waiting(LeverName::Workers, &what, waited);
            tokio::time::sleep(POLL.min(self.soonest(steps))).await;
        }
    }

    /// The shortest deadline of those that were moved.
    fn soonest(&self, steps: &[Step]) -> Duration {
        let moved = |block: &&Block| steps.iter().any(|step| step.target == block.name());
        let deadlines = self.blocks.iter().filter(moved).map(|block| block.config.deadline);
        deadlines.min().unwrap_or(POLL)
    }
}

/// Jobs that do not end keep a site from closing; workers that do not come back are for a person to see.
fn late(block: &Block, step: &Step, what: &str) -> Error {
    let message = format!("{what} after {} s", block.config.deadline.as_secs_f64());
    if step.after == QUIET {
        let hint = "wait until they are done, or give them more time: `deadline`; in an emergency, close while they run: --override=still-writing --reason \"..\"".to_owned();
        return Error::Refused { code: STILL_WRITING, message, hint };
    }
    let hint = "see their own log; then run the same command again".to_owned();
    Error::Failed { code: "workers-failed", message, hint }
}

impl Lever for Workers {
    fn name(&self) -> LeverName {
        LeverName::Workers
    }

    fn kind(&self) -> &'static str {
        let mut kinds = self.blocks.iter().map(Block::kind);
        let first = kinds.next().unwrap_or("commands");
        if kinds.all(|kind| kind == first) { first } else { "several" }
    }

    fn observe(&self) -> Answer<'_, Observation> {
        Box::pin(async { Ok(self.observation(&self.standings().await)) })
    }

    fn steps(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        let (mut quiet, mut resume) = (Vec::new(), Vec::new());
        for (block, value) in self.each(seen) {
            let wanted = block.is_quiet_in(to);
            // Somebody else made it quiet, or it was cut short: its jobs are waited for all the same.
            let writes = value["jobs"].as_u64() > Some(0) || !value["uncounted"].is_null();
            let writes = writes && value["told"] != true;
            let before = match value["state"].as_str() {
                Some(WORKING) if wanted => json!(WORKING),
                Some(QUIET) if !wanted || writes => json!(QUIET),
                Some("unknown") => Value::Null,
                _ => continue,
            };
            let (steps, after) = if wanted { (&mut quiet, QUIET) } else { (&mut resume, WORKING) };
            steps.push(Workers::step(block, before, after));
        }
        quiet.into_iter().chain(resume.into_iter().rev()).collect()
    }

    fn again(&self, _seen: &Observation, _to: Mode) -> Vec<Step> {
        // What was told is not certain then, and its jobs are waited for by that.
        Vec::new()
    }

    fn refusal(&self, seen: &Observation, to: Mode) -> Option<Refusal> {
        self.each(seen).into_iter().find_map(|(block, value)| {
            let wanted = block.is_quiet_in(to);
            let why = match value["state"].as_str() {
                // It is where it was told to be, as far as anybody knows.
                Some("unheard") if value["told"] != wanted => value["why"].as_str(),
                Some(WORKING | "unknown") if wanted => value["uncounted"].as_str(),
                _ => None,
            };
            let name = block.name();
            let told = if wanted { "quiet" } else { "working" };
            Some(Refusal {
                rule: UNHEARD,
                message: format!("workers {name} cannot be made {told}: {}", why?),
                hint: format!("bring their broker back first; to go on without them: --override={UNHEARD} --reason \"..\", and see to them by hand"),
            })
        })
    }

    fn start<'a>(&'a self, steps: &'a [Step], _operation: &'a OperationId) -> Answer<'a, Started> {
        Box::pin(async move {
            moving::moved(&self.blocks, steps).await?;
            Ok(Started { changes: Vec::new(), steps: steps.to_vec() })
        })
    }

    fn confirm<'a>(
        &'a self,
        started: &'a Started,
        progress: &'a dyn Progress,
    ) -> Answer<'a, Observation> {
        Box::pin(self.confirmed(&started.steps, progress))
    }

    fn settles_after(&self, _before: Option<&Observation>) -> Duration {
        Duration::ZERO
    }
}
