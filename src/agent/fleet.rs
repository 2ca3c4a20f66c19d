//! Lever: a site's gateways, all of them. They follow the switch by themselves; this tells from their heartbeats where
//! they stand, and waits until every one of them has confirmed an operation and drained.
//!
//! Never counts a gateway's silence as a yes, and never takes an old heartbeat for what is so.

mod wanted;

use std::cell::RefCell;
use std::time::Duration;

use serde_json::{Value, json};

use super::heartbeat::{self, FOLDER, Heartbeat};
use super::pulse::{Pulse, Pulses};
use crate::clock;
use crate::config::OpenConfig;
use crate::gateway::RampReport;
use crate::lever::{Answer, Error, Lever, Observation, Part, Position, Progress, Refusal, Started};
use crate::store::{self, Notice, SiteStore, Store};
use crate::switch::{LeverName, Mode, OperationId, Step};
use wanted::{Stand, Wanted, unheard};

/// How long a gateway that is silent may still come back before a wait ends without it.
const GRACE: Duration = Duration::from_secs(5);
/// How often gateways are looked at while somebody waits for them.
const LOOK: Duration = Duration::from_millis(250);
/// How long a gateway that has just started may need to hear from its upstreams, and to tell.
const FIRST_WORD: Duration = Duration::from_secs(3);
/// How long gateways are watched at most whose clocks are wrong, or ours is, before they are told of.
const UNSURE: Duration = Duration::from_secs(30);
/// The rule that lets an operation go on without a gateway that is silent.
pub(super) const SILENT: &str = "silent-gateway";
/// Nobody behind any gateway is well.
pub(super) const UNHEALTHY: &str = "upstreams";

/// The gateways of one site.
#[derive(Debug)]
pub struct Fleet<S> {
    store: SiteStore<S>,
    /// The site's hosts, or its name.
    target: String,
    /// How visitors are let in again, where they are not all at once.
    gently: Option<OpenConfig>,
    /// What was seen of them since.
    pulses: RefCell<Pulses>,
}

/// A gateway as it told of itself last, and whether it lives.
type Beat = (Heartbeat, Pulse);

impl<S: Store> Fleet<S> {
    /// The gateways that tell of themselves in `store`, in front of `hosts`, or of `site` where it has none.
    pub fn new(store: SiteStore<S>, site: &str, hosts: &[String]) -> Fleet<S> {
        let target = if hosts.is_empty() { site.to_owned() } else { hosts.join(", ") };
        let pulses = RefCell::new(Pulses::new(store.clocks()));
        Fleet { store, target, gently: None, pulses }
    }

    /// Gateways that let visitors in again as this says.
    #[must_use]
    pub fn opening(self, gently: Option<OpenConfig>) -> Fleet<S> {
        Fleet { gently, ..self }
    }

    fn step(&self, from: Option<Mode>, to: Mode) -> Step {
        let kept_out = to == Mode::Open && from >= Some(Mode::Closed);
        let after = match self.gently.as_ref().filter(|_| kept_out) {
            Some(OpenConfig { ramp, first, .. }) => {
                let visitors = format!("from {first} to all in {ramp:?}");
                json!({ "mode": to, "visitors": visitors })
            }
            None => json!({ "mode": to }),
        };
        Step {
            lever: self.name(),
            kind: self.kind().to_owned(),
            target: self.target.clone(),
            before: from.map_or(Value::Null, |mode| json!({ "mode": mode })),
            after,
        }
    }

    async fn beats(&self) -> Result<(Vec<Beat>, Vec<store::Error>), Error> {
        let (beats, torn) = heartbeat::all(&self.store).await.map_err(|error| unread(&error))?;
        let mut pulses = self.pulses.borrow_mut();
        let mut felt = |beat: Heartbeat| {
            let pulse = pulses.feel(&beat.id, beat.at, beat.every);
            (beat, pulse)
        };
        Ok((beats.into_iter().map(&mut felt).collect(), torn))
    }

    /// Gateways that have just started, and wait for the first word from their upstreams, get a moment for it; so do those of
    /// which only time tells whether they live.
    async fn seen(&self) -> Result<Observation, Error> {
        let began = clock::monotonic();
        let mut notice = self.store.watch(FOLDER).await;
        loop {
            let (beats, torn) = self.beats().await?;
            let waited = clock::monotonic().duration_since(began);
            let unsure = beats.iter().any(|(_, pulse)| *pulse == Pulse::Unsure);
            if (ask_still(&beats) && waited < FIRST_WORD) || (unsure && waited < UNSURE) {
                notice.changed().await;
                continue;
            }
            let mut observation = observation(&beats);
            observation.warnings.extend(torn.iter().map(ToString::to_string));
            return Ok(observation);
        }
    }

    async fn confirmed(
        &self,
        started: &Started,
        progress: &dyn Progress,
    ) -> Result<Observation, Error> {
        let asked = Wanted::of(started)?;
        let began = clock::monotonic();
        let mut notice = self.store.watch(FOLDER).await;
        loop {
            let waited = clock::monotonic().duration_since(began);
            let (beats, torn) = match self.beats().await {
                Ok(read) => read,
                // A bucket that is busy for a moment is no answer of any gateway.
                Err(error) => {
                    progress.waiting(self.name(), &error.to_string(), waited);
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
            };
            let now = clock::now();
            match asked.seen(&beats, now) {
                Stand::Confirmed if !torn.is_empty() && waited >= GRACE => {
                    return Err(unheard(&torn));
                }
                Stand::Confirmed if !torn.is_empty() => {
                    progress.waiting(self.name(), &unheard(&torn).to_string(), waited);
                }
                Stand::Confirmed => return Ok(observation(&beats)),
                Stand::Expired(error) => return Err(error),
                Stand::Silent(error) if waited >= GRACE => return Err(error),
                Stand::Silent(_) | Stand::Waits => {
                    progress.waiting(self.name(), &asked.in_words(&beats, now), waited);
                }
            }
            // In a bucket nobody tells of a heartbeat, and this is worth asking for more often than all else.
            tokio::select! {
                biased;
                () = notice.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

impl<S: Store> Lever for Fleet<S> {
    fn name(&self) -> LeverName {
        LeverName::Gateway
    }

    fn kind(&self) -> &'static str {
        "http"
    }

    fn observe(&self) -> Answer<'_, Observation> {
        Box::pin(self.seen())
    }

    fn steps(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        // Whoever is silent may give visitors what it gave when it told last.
        let differs = gateways(seen).any(|(beat, _)| !beat.stands_at(to));
        if differs || keeps_closed(seen, to) {
            vec![self.step(mode_of(seen), to)]
        } else {
            Vec::new()
        }
    }

    fn again(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        let any = gateways(seen).next();
        any.map(|_| self.step(mode_of(seen), to)).into_iter().collect()
    }

    fn refusal(&self, seen: &Observation, to: Mode) -> Option<Refusal> {
        let mut alive = fresh(seen).peekable();
        let none = alive.peek().is_none();
        match to {
            Mode::ReadOnly | Mode::Hold | Mode::Closed if none => Some(Refusal {
                rule: "no-gateway",
                message: "no gateway of this site is alive, so visitors would not notice"
                    .to_owned(),
                hint: "start one: roadworks serve".to_owned(),
            }),
            Mode::Open if !none && mode_of(seen) != Some(Mode::Open) => unhealthy(seen),
            Mode::Open | Mode::ReadOnly | Mode::Hold | Mode::Closed | Mode::Detour => None,
        }
    }

    fn start<'a>(&'a self, steps: &'a [Step], operation: &'a OperationId) -> Answer<'a, Started> {
        // Writing the switch is what moves gateways, and that has happened.
        let started = Started { changes: vec![operation.to_string()], steps: steps.to_vec() };
        Box::pin(async move { Ok(started) })
    }

    fn confirm<'a>(
        &'a self,
        started: &'a Started,
        progress: &'a dyn Progress,
    ) -> Answer<'a, Observation> {
        Box::pin(self.confirmed(started, progress))
    }

    fn settles_after(&self, _before: Option<&Observation>) -> Duration {
        Duration::ZERO
    }
}

impl Heartbeat {
    /// Whether it gives visitors what `mode` says, or less because somebody said so on its machine.
    fn stands_at(&self, mode: Mode) -> bool {
        self.mode == Some(mode)
            || self.local.is_some_and(|local| local > mode && self.mode == Some(local))
    }

    /// A gateway that knows no mode answers 503 to everybody.
    fn gives(&self) -> Mode {
        self.mode.unwrap_or(Mode::Closed)
    }
}

/// The gateways that were alive when `seen` was seen.
pub(super) fn fresh(seen: &Observation) -> impl Iterator<Item = Heartbeat> {
    gateways(seen).filter(|(_, alive)| *alive).map(|(beat, _)| beat)
}

/// All gateways of `seen`, each with whether it was alive.
pub fn gateways(seen: &Observation) -> impl Iterator<Item = (Heartbeat, bool)> {
    seen.parts.iter().filter_map(|part| {
        let beat = serde_json::from_value(part.value.get("told")?.clone()).ok()?;
        Some((beat, part.value.get("alive")?.as_bool()?))
    })
}

/// Whether a gateway that is silent may keep visitors out of a site that is to be open.
fn keeps_closed(seen: &Observation, to: Mode) -> bool {
    to == Mode::Open && gateways(seen).any(|(_, alive)| !alive)
}

/// The loosest mode that a living gateway gives.
fn mode_of(seen: &Observation) -> Option<Mode> {
    fresh(seen).map(|beat| beat.gives()).min()
}

fn observation(beats: &[Beat]) -> Observation {
    let alive = || living(beats);
    let silent = beats.iter().filter(|(_, pulse)| *pulse != Pulse::Alive);
    let mut warnings: Vec<_> = silent
        .map(|(beat, _)| format!("gateway {} has been silent since {}", beat.id, beat.at))
        .collect();
    warnings.extend(alive().flat_map(|beat| {
        beat.trouble.iter().map(|trouble| format!("gateway {}: {trouble}", beat.id))
    }));
    let local = alive().filter_map(|beat| Some((beat, beat.local?)));
    warnings.extend(local.map(|(beat, mode)| {
        format!("gateway {} is kept at {mode} on its own machine, by --local", beat.id)
    }));
    let fell = alive().filter_map(|beat| Some((beat, beat.ramp.as_ref()?)));
    let fell = fell.filter(|(_, ramp)| ramp.fell_back.is_some());
    warnings.extend(fell.map(|(beat, ramp)| format!("gateway {} {}", beat.id, ramp.in_words())));
    let position = alive().map(Heartbeat::gives).min().map_or(Position::Absent, Position::At);
    let detail = detail(alive());
    let part = |(beat, pulse): &Beat| Part {
        target: beat.id.clone(),
        value: json!({ "alive": *pulse == Pulse::Alive, "told": beat }),
    };
    Observation { position, detail, parts: beats.iter().map(part).collect(), warnings }
}

fn living(beats: &[Beat]) -> impl Iterator<Item = &Heartbeat> {
    beats.iter().filter(|(_, pulse)| *pulse == Pulse::Alive).map(|(beat, _)| beat)
}

/// Those that are silent, as far as that is known.
fn silent(beats: &[Beat]) -> Vec<&Heartbeat> {
    beats.iter().filter(|(_, pulse)| *pulse == Pulse::Silent).map(|(beat, _)| beat).collect()
}

fn detail<'a>(alive: impl Iterator<Item = &'a Heartbeat>) -> String {
    let (mut count, mut in_flight, mut waiting, mut exempt, mut spent) = (0, 0, 0, 0, false);
    let mut ramp: Option<&RampReport> = None;
    for beat in alive {
        count += 1;
        waiting += beat.waiting;
        in_flight += beat.in_flight;
        let let_in = beat.exempt.iter().map(|(_, number)| number).sum::<u64>();
        // Where everything passes nobody is let in by leave of anything.
        *if beat.mode == Some(Mode::Open) { &mut in_flight } else { &mut exempt } += let_in;
        spent |= beat.hold_spent;
        // The gateway that lets in the fewest says it for all.
        if let Some(own) = beat.ramp.as_deref()
            && ramp.is_none_or(|least| own.share < least.share)
        {
            ramp = Some(own);
        }
    }
    let mut words = match count {
        0 => return "no gateway is alive".to_owned(),
        1 => vec!["1 gateway".to_owned()],
        more => vec![format!("{more} gateways")],
    };
    for (number, what) in [(waiting, "waiting"), (in_flight, "in flight"), (exempt, "let in")] {
        if number > 0 {
            words.push(format!("{number} {what}"));
        }
    }
    if spent {
        words.push("patience is over".to_owned());
    }
    words.extend(ramp.map(RampReport::in_words));
    words.join(", ")
}

/// Whether there are gateways, and none of them knows yet how its upstreams are.
fn ask_still(beats: &[Beat]) -> bool {
    let mut alive = living(beats).peekable();
    alive.peek().is_some() && alive.all(Heartbeat::asks_still)
}

/// Why a site must not open: nobody behind it is well.
fn unhealthy(seen: &Observation) -> Option<Refusal> {
    let upstreams: Vec<_> = fresh(seen).flat_map(|beat| beat.upstreams).collect();
    if upstreams.is_empty() || upstreams.iter().any(|upstream| upstream.healthy) {
        return None;
    }
    let told = upstreams.iter().find_map(|upstream| upstream.last_error.as_deref());
    Some(Refusal {
        rule: UNHEALTHY,
        message: format!(
            "no upstream of this site is healthy{}",
            told.map(|error| format!(": {error}")).unwrap_or_default()
        ),
        hint: "bring the app back first, or set the rule aside: roadworks open --override=upstreams --reason \"..\"".to_owned(),
    })
}

fn unread(error: &store::Error) -> Error {
    Error::Failed { code: "store-unavailable", message: error.to_string(), hint: error.hint() }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::gateway::{Drain, Report};
    use crate::store::MemoryStore;

    #[test]
    fn a_gateway_that_is_silent_is_waited_for_though_nobody_else_is_left() {
        let fleet = Fleet::new(SiteStore::new(MemoryStore::default()), "shop", &[]);
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let teller = heartbeat::Teller { id: "i-0aa".to_owned(), started: at };
        let report = Report { mode: Some(Mode::Open), drain: Drain::Drained, ..Report::default() };
        let told = Heartbeat::of(&teller, ("shop", 5), report, at);
        let seen = observation(&[(told, Pulse::Silent)]);
        for to in [Mode::Closed, Mode::Detour, Mode::Open] {
            assert_eq!(fleet.steps(&seen, to).len(), 1, "{to}");
            assert_eq!(fleet.again(&seen, to).len(), 1, "{to}");
        }
        let nobody = observation(&[]);
        assert!(fleet.steps(&nobody, Mode::Detour).is_empty());
        assert!(fleet.again(&nobody, Mode::Detour).is_empty());
    }
}
