//! Name servers of one's own: one signed update that requires exactly what was read, deletes first and adds last.
//!
//! Two values alternate, so a late update could match by accident: none is sent again without reading first, and what
//! is read decides. A name server that says NOERROR is not believed: the name is read back from every one.

mod key;
mod reading;
mod scratch;
mod told;
mod update;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use serde_json::Value;

use key::{Again, Verdict};
use reading::{Said, Stand, side_in_words, wanted};
use told::{moved_meanwhile, not_made, outcome_unknown, plain, refused};

pub use scratch::exercise;

use super::exchange;
use crate::clock;
use crate::config::{Answers, MOVED, Rfc2136Config};
use crate::lever::{
    Answer, Error, Given, Lever, Observation, Part, Position, Progress, Refusal, Started,
};
use crate::switch::{LeverName, Mode, OperationId, Step};
use crate::tasks::all;

const POLL: Duration = Duration::from_millis(500);
/// How often an update is sent before the lever gives up.
const ATTEMPTS: u32 = 3;
/// How long resolvers may keep that there is no such record, where no name server has said.
const NEGATIVE_TTL: u32 = 900;

/// One name on name servers that take updates.
#[derive(Debug)]
pub struct Rfc2136 {
    config: Rfc2136Config,
    /// What the name servers said last of how long resolvers keep that there is no such record.
    negative_ttl: AtomicU32,
    /// The longest TTL that any name server gave when they were all read last: one may lag behind.
    longest_ttl: AtomicU32,
}

impl Rfc2136 {
    /// The lever that moves the name of `config`.
    pub fn new(config: Rfc2136Config) -> Rfc2136 {
        let (negative_ttl, longest_ttl) = (AtomicU32::new(NEGATIVE_TTL), AtomicU32::new(0));
        Rfc2136 { config, negative_ttl, longest_ttl }
    }

    /// What each name server says, in words, and where that is. Cancel safe.
    pub async fn survey(&self) -> Vec<(SocketAddr, Result<(Position, String), Error>)> {
        let said = self.read_all().await.into_iter().map(|(server, said)| {
            (server, said.map(|said| (said.position(&self.config), said.in_words())))
        });
        said.collect()
    }

    /// Whether the primary takes updates of the name that are signed with the key: asks it to delete what nobody has.
    ///
    /// Cancel safe: it changes nothing.
    pub async fn may_update(&self) -> Result<(), Error> {
        let Rfc2136Config { primary, key, .. } = &self.config;
        match key::update(*primary, key, update::nothing(&self.config), Again::First).await {
            // What it requires is nothing, so nothing can be not so.
            Verdict::Made | Verdict::NotSo => Ok(()),
            Verdict::Refused(refusal) => Err(refused(&self.config, &refusal)),
            Verdict::Unknown(why) => Err(not_made(*primary, &why)),
        }
    }

    /// What the primary says.
    async fn read(&self) -> Result<Said, Error> {
        let said = Said::of(self.config.primary, &self.config.name).await?;
        if let Some(ttl) = said.negative_ttl {
            self.negative_ttl.store(ttl, Ordering::Relaxed);
        }
        Ok(said)
    }

    /// What every name server says; the primary first where it is not one of `servers`.
    async fn read_all(&self) -> Vec<(SocketAddr, Result<Said, Error>)> {
        let Rfc2136Config { servers, primary, name, .. } = &self.config;
        let hidden = (!servers.contains(primary)).then_some(primary);
        let asked: Vec<_> = hidden.into_iter().chain(servers).copied().collect();
        let said = all(asked.iter().map(|server| Said::of(*server, name))).await;
        asked.into_iter().zip(said).collect()
    }

    fn target(&self, kind: RecordType) -> String {
        format!("{} {kind}", plain(&self.config.name))
    }

    /// The steps of this name, each with its type.
    fn of_name<'a>(&self, steps: &'a [Step]) -> Vec<(RecordType, &'a Step)> {
        let find = |kind| steps.iter().find(|step| step.target == self.target(kind));
        MOVED.into_iter().filter_map(|kind| Some((kind, find(kind)?))).collect()
    }

    /// The side that the whole name is on once `steps` are made; `None` where it is neither.
    fn side(&self, said: &Said, steps: &[(RecordType, &Step)]) -> Option<&Answers> {
        let step = |kind| steps.iter().find(|(of, _)| *of == kind).map(|(_, step)| *step);
        let outcome = |kind| step(kind).map_or_else(|| said.value(kind), |step| step.after.clone());
        let sides = [&self.config.live, &self.config.maintenance];
        sides
            .into_iter()
            .find(|side| MOVED.iter().all(|kind| outcome(*kind) == wanted(side, *kind)))
    }

    async fn swap(&self, steps: &[Step]) -> Result<(), Error> {
        let Rfc2136Config { primary, key, name, .. } = &self.config;
        let of_name = self.of_name(steps);
        let mut lost: Option<String> = None;
        let mut why = String::new();
        for _ in 0..ATTEMPTS {
            let said = match (self.read().await, &lost) {
                (Ok(said), _) => said,
                (Err(error), None) => return Err(error),
                (Err(_), Some(lost)) => return Err(outcome_unknown(*primary, lost)),
            };
            // Somebody, or our own update whose answer was lost, has been there already.
            if said.stand(&of_name) != Stand::Before {
                let there = said.stand(&of_name) == Stand::After;
                return if there { Ok(()) } else { Err(moved_meanwhile(name, &said.in_words())) };
            }
            if steps.iter().all(|step| step.before == step.after) {
                return Ok(());
            }
            let Some(side) = self.side(&said, &of_name) else {
                return Err(moved_meanwhile(name, &said.in_words()));
            };
            let again = if lost.is_some() { Again::Repeated } else { Again::First };
            match key::update(*primary, key, update::swap(&self.config, &said, side), again).await {
                Verdict::Made => return Ok(()),
                Verdict::Refused(refusal) => return Err(refused(&self.config, &refusal)),
                // What it is now is for the next reading to say.
                Verdict::NotSo => {
                    "it says that the name is not what it answers (NXRRSET or YXRRSET)"
                        .clone_into(&mut why);
                }
                Verdict::Unknown(silence) => {
                    why.clone_from(&silence);
                    lost = Some(silence);
                    tokio::time::sleep(POLL).await;
                }
            }
        }
        // A last look: it may have been made by the last attempt, or somebody was quicker.
        match self.read().await.map(|said| (said.stand(&of_name), said)) {
            Ok((Stand::After, _)) => Ok(()),
            Ok((Stand::Before, _)) => Err(not_made(*primary, &why)),
            Ok((Stand::Elsewhere, said)) => Err(moved_meanwhile(name, &said.in_words())),
            Err(_) => Err(outcome_unknown(*primary, &why)),
        }
    }

    /// Reads until every name server gives the new answer.
    async fn wait_for_all(
        &self,
        started: &Started,
        progress: &dyn Progress,
    ) -> Result<Observation, Error> {
        let of_name = self.of_name(&started.steps);
        let began = clock::monotonic();
        loop {
            let read = self.read_all().await;
            let mut behind = Vec::new();
            for (server, said) in &read {
                match said {
                    Ok(said) if said.is_after(&of_name) => {}
                    Ok(said)
                        if *server == self.config.primary
                            && said.stand(&of_name) == Stand::Elsewhere =>
                    {
                        return Err(moved_meanwhile(&self.config.name, &said.in_words()));
                    }
                    Ok(_) => behind.push(format!("{server} to give the new answer")),
                    Err(error) => behind.push(format!("{server} ({error})")),
                }
            }
            if behind.is_empty() {
                return self.observation(read);
            }
            let waited = clock::monotonic().duration_since(began);
            progress.waiting(LeverName::Dns, &behind.join(", "), waited);
            tokio::time::sleep(POLL).await;
        }
    }

    fn observation(
        &self,
        read: Vec<(SocketAddr, Result<Said, Error>)>,
    ) -> Result<Observation, Error> {
        let primary = self.config.primary;
        let answers = read.iter().filter_map(|(_, said)| said.as_ref().ok());
        let longest = answers.filter_map(Said::longest_ttl).max().unwrap_or_default();
        self.longest_ttl.store(longest, Ordering::Relaxed);
        let (of_primary, others): (Vec<_>, Vec<_>) =
            read.into_iter().partition(|(server, _)| *server == primary);
        let said = match of_primary.into_iter().next() {
            Some((_, said)) => said?,
            None => return Err(not_made(primary, "it was not asked")),
        };
        if let Some(ttl) = said.negative_ttl {
            self.negative_ttl.store(ttl, Ordering::Relaxed);
        }
        let (mut warnings, mut detail) = (Vec::new(), said.in_words());
        for (server, other) in others {
            match other {
                Ok(other) if MOVED.iter().all(|kind| other.value(*kind) == said.value(*kind)) => {}
                Ok(other) => {
                    let other = other.in_words();
                    detail = format!("{detail}; {server} says otherwise: {other}");
                    warnings.push(format!("the name servers disagree: {server} says {other}"));
                }
                Err(error) => {
                    detail = format!("{detail}; {server} does not answer");
                    warnings.push(error.to_string());
                }
            }
        }
        let position = said.position(&self.config);
        if position == Position::Absent {
            let name = plain(&self.config.name);
            warnings.push(format!("{name} does not exist yet on {primary}: it will be created"));
        }
        let sides = [&self.config.live, &self.config.maintenance];
        let has_part = |kind: &RecordType| {
            said.set(*kind).is_some() || sides.iter().any(|side| side.of(*kind).next().is_some())
        };
        let parts = MOVED
            .into_iter()
            .filter(has_part)
            .map(|kind| Part { target: self.target(kind), value: said.value(kind) });
        let parts = parts.collect();
        Ok(Observation { position, detail, parts, warnings })
    }

    fn step(&self, part: &Part, after: Value) -> Step {
        Step {
            lever: self.name(),
            kind: self.kind().to_owned(),
            target: part.target.clone(),
            before: part.value.clone(),
            after,
        }
    }
}

impl Lever for Rfc2136 {
    fn name(&self) -> LeverName {
        LeverName::Dns
    }

    fn kind(&self) -> &'static str {
        "rfc2136"
    }

    fn observe(&self) -> Answer<'_, Observation> {
        Box::pin(async { self.observation(self.read_all().await) })
    }

    fn steps(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        let side = if to == Mode::Detour { &self.config.maintenance } else { &self.config.live };
        let after = |part: &Part| {
            let kind = MOVED.into_iter().find(|kind| self.target(*kind) == part.target);
            kind.map_or(Value::Null, |kind| wanted(side, kind))
        };
        let moves = seen.parts.iter().map(|part| self.step(part, after(part)));
        moves.filter(|step| step.before != step.after).collect()
    }

    fn again(&self, seen: &Observation, _to: Mode) -> Vec<Step> {
        seen.parts.iter().map(|part| self.step(part, part.value.clone())).collect()
    }

    fn refusal(&self, seen: &Observation, to: Mode) -> Option<Refusal> {
        let key = &self.config.key;
        if key.secret.is_none() && !self.steps(seen, to).is_empty() {
            return Some(Refusal {
                rule: "no-secret",
                message: format!("the secret of the key \"{}\" is not on this machine", plain(&key.name)),
                hint: "run it where the secret is; or with `--wait none`: the agent of `roadworks serve` moves the name then".to_owned(),
            });
        }
        (seen.position == Position::Foreign).then(|| Refusal {
            rule: "foreign-record",
            message: format!(
                "{} is neither target: it is {}, live would be {}, maintenance {}",
                plain(&self.config.name),
                seen.detail,
                side_in_words(&self.config.live),
                side_in_words(&self.config.maintenance)
            ),
            hint: "find out who put it there; to replace it all the same: --override=foreign-record --reason \"..\"".to_owned(),
        })
    }

    fn start<'a>(&'a self, steps: &'a [Step], _operation: &'a OperationId) -> Answer<'a, Started> {
        Box::pin(async {
            self.swap(steps).await?;
            Ok(Started { changes: Vec::new(), steps: steps.to_vec() })
        })
    }

    fn confirm<'a>(
        &'a self,
        started: &'a Started,
        progress: &'a dyn Progress,
    ) -> Answer<'a, Observation> {
        Box::pin(self.wait_for_all(started, progress))
    }

    fn settles_after(&self, before: Option<&Observation>) -> Duration {
        let negative = u64::from(self.negative_ttl.load(Ordering::Relaxed));
        let longest = if let Some(seen) = before {
            self.given(seen).iter().map(|given| u64::from(given.ttl)).max()
        } else {
            let sides = [&self.config.live, &self.config.maintenance];
            let has = |side: &Answers, kind| side.of(kind).next().is_some();
            let appears = MOVED.iter().any(|kind| has(sides[0], *kind) != has(sides[1], *kind));
            let ttl = sides.iter().map(|side| u64::from(side.ttl)).max();
            ttl.max(appears.then_some(negative))
        };
        Duration::from_secs(longest.unwrap_or(negative) + 1)
    }

    fn given(&self, seen: &Observation) -> Vec<Given> {
        let (negative, longest) =
            (self.negative_ttl.load(Ordering::Relaxed), self.longest_ttl.load(Ordering::Relaxed));
        let given = |part: &Part| {
            let ttl = part.value.get("ttl").and_then(Value::as_u64);
            let ttl = ttl.map_or(negative, |ttl| u32::try_from(ttl).unwrap_or(u32::MAX));
            let answer = part.value.get("records").cloned().unwrap_or_default();
            Given { target: part.target.clone(), answer, ttl: ttl.max(longest) }
        };
        seen.parts.iter().map(given).collect()
    }
}
