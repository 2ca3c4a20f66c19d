//! What stands around the real code: a front that remembers what it gives visitors, and a name that moves by compare-and-swap
//! over the same bad network.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use roadworks::agent::{Fleet, Front, Opener, Site};
use roadworks::checks::{Asked, Check, Failed, Guard};
use roadworks::clock;
use roadworks::config::OnDrift;
use roadworks::gateway::{Around, Drain, Report, UpstreamReport};
use roadworks::lever::{
    Answer, Error, Lever, Observation, Part, Position, Progress, Refusal, Started,
};
use roadworks::store::SiteStore;
use roadworks::switch::{LeverName, Mode, OperationId, Posture, Step};
use roadworks::tasks::Tasks;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::store::SimulatedStore;
use super::world::{Node, World, leads};

pub(super) const SITE: &str = "shop";

/// What one gateway gives its visitors.
pub(super) struct Shown {
    id: String,
    world: Arc<World>,
    now: Arc<Mutex<(Option<Posture>, Instant)>>,
    changed: watch::Sender<u64>,
}

impl Shown {
    /// A gateway that has just started, and gives what it knows.
    pub(super) fn new(id: &str, world: &Arc<World>, posture: Option<Posture>) -> Shown {
        let now = Arc::new(Mutex::new((None, clock::monotonic())));
        let shown = Shown {
            id: id.to_owned(),
            world: Arc::clone(world),
            now,
            changed: watch::Sender::new(0),
        };
        shown.give(posture, Duration::ZERO);
        shown
    }

    fn give(&self, posture: Option<Posture>, drain: Duration) {
        self.world.gives(&self.id, posture.as_ref());
        let drained = clock::monotonic() + drain;
        *self.now.lock().unwrap() = (posture.clone(), drained);
        let (now, id) = (Arc::clone(&self.now), self.id.clone());
        let (world, changed) = (Arc::clone(&self.world), self.changed.clone());
        let ended = move || {
            let given = now.lock().unwrap().0.clone();
            if let (Some(posture), true) = (&posture, given == posture) {
                world.drained(&id, posture);
            }
            changed.send_modify(|count| *count += 1);
        };
        if drain.is_zero() {
            return ended();
        }
        drop(Tasks::new().start(async move {
            tokio::time::sleep_until(drained).await;
            ended();
        }));
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.world.gone(&self.id);
    }
}

impl Front for Shown {
    fn set(&self, _site: &str, posture: Option<Posture>) {
        let before = self.now.lock().unwrap().0.as_ref().map(|posture| posture.mode);
        let drains = posture.as_ref().map(|posture| posture.mode) > before;
        let drain = if drains { self.world.inner().chance.u64(0..2500) } else { 0 };
        self.give(posture, Duration::from_millis(drain));
    }

    fn around(&self, _site: &str, _around: Around) {}

    fn report(&self, _site: &str, _now: Timestamp) -> Report {
        let (posture, drained) = self.now.lock().unwrap().clone();
        let drain = if clock::monotonic() < drained { Drain::Draining } else { Drain::Drained };
        Report {
            mode: posture.as_ref().map(|posture| posture.mode),
            operation: posture.and_then(|posture| posture.operation),
            drain,
            upstreams: vec![UpstreamReport {
                url: "http://app".to_owned(),
                healthy: true,
                in_flight: 0,
                last_error: None,
            }],
            ..Report::default()
        }
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

/// The name, at a provider that is reached over the same network.
struct Name {
    world: Arc<World>,
}

impl Name {
    /// A question that finds its answer, or not.
    async fn travels(&self) -> Result<(), Error> {
        let (stormy, wait, lost) = {
            let mut inner = self.world.inner();
            let wait = Duration::from_millis(inner.chance.u64(1..200));
            (inner.storm.is_some(), wait, inner.chance.u32(..30) == 0)
        };
        tokio::time::sleep(wait).await;
        if stormy && lost { Err(lost_answer()) } else { Ok(()) }
    }
}

fn step(before: &Value, after: &Value) -> Step {
    Step {
        lever: LeverName::Dns,
        kind: "simulated".to_owned(),
        target: "shop A".to_owned(),
        before: before.clone(),
        after: after.clone(),
    }
}

fn lost_answer() -> Error {
    Error::Unknown { message: "no answer".to_owned(), hint: String::new() }
}

fn part(seen: &Observation) -> &Value {
    &seen.parts.first().unwrap().value
}

/// Moves the name from one to the other, if it is there.
fn swap(world: &World, before: &Value, after: &Value) -> Result<(), Error> {
    let after = if *after == json!("live") { "live" } else { "maintenance" };
    world.note(|| format!("the name: {before} -> {after}"));
    let mut inner = world.inner();
    if *before != json!(inner.name) {
        let message = format!("it is {} now", inner.name);
        return Err(Error::Refused { code: "changed", message, hint: String::new() });
    }
    inner.name = after;
    Ok(())
}

impl Lever for Name {
    fn name(&self) -> LeverName {
        LeverName::Dns
    }

    fn kind(&self) -> &'static str {
        "simulated"
    }

    fn observe(&self) -> Answer<'_, Observation> {
        Box::pin(async {
            self.travels().await?;
            let name = self.world.inner().name;
            let position = if name == "live" { Position::Live } else { Position::Maintenance };
            let parts = vec![Part { target: "shop A".to_owned(), value: json!(name) }];
            Ok(Observation { position, detail: String::new(), parts, warnings: Vec::new() })
        })
    }

    fn steps(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        let (before, after) = (part(seen), json!(leads(to)));
        if *before == after { Vec::new() } else { vec![step(before, &after)] }
    }

    fn again(&self, seen: &Observation, _to: Mode) -> Vec<Step> {
        vec![step(part(seen), part(seen))]
    }

    fn refusal(&self, _seen: &Observation, _to: Mode) -> Option<Refusal> {
        None
    }

    fn start<'a>(&'a self, steps: &'a [Step], operation: &'a OperationId) -> Answer<'a, Started> {
        Box::pin(async move {
            for step in steps {
                let (world, step) = (Arc::clone(&self.world), step.clone());
                let (stormy, there, lost) = {
                    let mut inner = world.inner();
                    let stormy = inner.storm.is_some();
                    let longest = if stormy { 1500 } else { 100 };
                    let there = Duration::from_millis(inner.chance.u64(1..longest));
                    (stormy, there, inner.chance.u32(..20))
                };
                let (answer, answered) = tokio::sync::oneshot::channel();
                // It goes its way whether anybody waits for it or not.
                drop(Tasks::new().start(async move {
                    tokio::time::sleep(there).await;
                    let done = swap(&world, &step.before, &step.after);
                    if !stormy || lost != 0 {
                        drop(answer.send(done));
                    }
                }));
                answered.await.unwrap_or_else(|_| Err(lost_answer()))?;
            }
            Ok(Started { changes: vec![operation.to_string()], steps: steps.to_vec() })
        })
    }

    fn confirm<'a>(
        &'a self,
        started: &'a Started,
        _progress: &'a dyn Progress,
    ) -> Answer<'a, Observation> {
        Box::pin(async move {
            let seen = self.observe().await?;
            match started.steps.last() {
                Some(step) if step.after != *part(&seen) => Err(Error::Partly {
                    message: "it is elsewhere again".to_owned(),
                    hint: String::new(),
                }),
                Some(_) | None => Ok(seen),
            }
        })
    }

    fn settles_after(&self, _before: Option<&Observation>) -> Duration {
        Duration::from_mins(1)
    }
}

/// Whether the app is well, asked over the same network.
struct App {
    world: Arc<World>,
    node: Node,
}

impl Check for App {
    fn kind(&self) -> &'static str {
        "simulated"
    }

    fn ask(&self) -> Asked<'_> {
        Box::pin(async {
            let wait = Duration::from_millis(self.world.inner().chance.u64(1..200));
            tokio::time::sleep(wait).await;
            if self.world.is_well(self.node) {
                return Ok("it is up".to_owned());
            }
            Err(Failed { why: "it is down".to_owned(), fix: String::new() })
        })
    }
}

/// The site as one machine opens it.
pub(super) struct Levers {
    pub(super) world: Arc<World>,
    pub(super) node: Node,
    pub(super) store: SiteStore<SimulatedStore>,
}

impl Levers {
    pub(super) fn site(&self) -> Site<SimulatedStore> {
        Site {
            name: SITE.to_owned(),
            store: self.store.clone(),
            levers: vec![
                Box::new(Fleet::new(self.store.clone(), SITE, &[])),
                Box::new(Name { world: Arc::clone(&self.world) }),
            ],
            warnings: Vec::new(),
            checks: vec![Guard {
                name: "app".to_owned(),
                check: Box::new(App { world: Arc::clone(&self.world), node: self.node }),
                passes: 1,
                interval: Duration::from_secs(1),
                deadline: Duration::from_secs(5),
            }],
            quiet: Duration::from_mins(2),
            on_drift: OnDrift::PutBack,
            held_back: None,
        }
    }
}

impl Opener<SimulatedStore> for Levers {
    async fn open(&self) -> Result<Site<SimulatedStore>, String> {
        Ok(self.site())
    }
}
