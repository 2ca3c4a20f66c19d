//! The simulated world: what is in the bucket, what the name says, what each gateway gives its visitors, and whether all of
//! that is as it must be. Every rule is checked at the moment at which something takes effect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use roadworks::clock;
use roadworks::store::Right;
use roadworks::switch::{Mode, OperationId, Phase, Posture, Switch};
use tokio::time::Instant;

/// A machine or a process of its own: it has its own network, and its own clock.
pub(super) type Node = usize;

/// Clocks are wrong by up to so many seconds, either way, where they are.
const SKEW: u64 = 300;
/// So often somebody else moves the name at most: an agent does not fight.
const MEDDLING: usize = 3;
/// Who opens a site has heard that its check passes no longer ago than this.
const FRESH: Duration = Duration::from_mins(1);
/// A gateway that has not told for so long may be taken for silent.
const QUIET: Duration = Duration::from_secs(5);

/// What is wrong with a bucket on purpose, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// Conditional writes of leases are not checked.
    Fencing,
    /// Whoever reads a heartbeat is told that it follows the newest operation.
    OperationId,
    /// Conditional writes of the switch are not checked.
    VersionCheck,
}

/// One write of the switch.
struct Thrown {
    at: Instant,
    switch: Switch,
}

/// When one gateway has told of itself.
#[derive(Clone, Copy)]
struct Told {
    first: Instant,
    last: Instant,
    /// When it told again after it had been quiet.
    again: Option<Instant>,
}

/// What one gateway has given visitors, through all of its restarts.
#[derive(Default)]
struct Gave {
    /// The newest write of the switch that it followed; 0 where it followed none.
    followed: usize,
    /// The operations for which it gave what was asked and drained.
    confirmed: BTreeSet<String>,
    /// What it gives now.
    now: Gives,
}

/// What visitors of a gateway meet.
#[derive(Debug, Default)]
enum Gives {
    /// Nobody: it does not run.
    #[default]
    Nothing,
    /// 503: it knows nothing.
    Unknown,
    /// This.
    Posture(Posture),
}

/// What was asked of the bucket: requests, and the bytes of documents and listings that went there or came back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) requests: u32,
    pub(super) bytes: u32,
}

impl Traffic {
    pub(super) fn counts(&mut self, requests: usize, bytes: usize) {
        self.requests += u32::try_from(requests).unwrap();
        self.bytes += u32::try_from(bytes).unwrap();
    }
}

/// Everything that is shared.
pub(super) struct World {
    inner: Mutex<Inner>,
    base: Timestamp,
    began: Instant,
    /// By how many milliseconds all clocks were put ahead at once: time passed in which nothing happened.
    leaped: AtomicI64,
}

/// The content of the world.
pub(super) struct Inner {
    pub(super) chance: fastrand::Rng,
    pub(super) broken: Option<Broken>,
    pub(super) documents: BTreeMap<String, (Vec<u8>, u64)>,
    pub(super) writes: u64,
    pub(super) traffic: Traffic,
    /// One of so many requests is lost, and of so many answers; none where there is no number.
    pub(super) storm: Option<u32>,
    /// By how many seconds a clock is wrong at most, either way.
    pub(super) skew: u64,
    pub(super) parted: BTreeMap<Node, Instant>,
    pub(super) throttled: Option<Instant>,
    /// Who is suspended, and until when: they do nothing, whatever they were about to do.
    pub(super) asleep: BTreeMap<Node, Instant>,
    /// Where the name leads.
    pub(super) name: &'static str,
    /// Whether the app's check passes.
    pub(super) well: bool,
    /// When each machine has heard last that it does.
    passed: BTreeMap<Node, Instant>,
    /// The operation by which each window has begun, for each of its ends.
    begun: BTreeMap<(String, Option<Timestamp>), OperationId>,
    /// How often somebody else has moved it.
    pub(super) meddled: usize,
    thrown: Vec<Thrown>,
    /// The gateways that have told of themselves.
    told: BTreeMap<String, Told>,
    gave: BTreeMap<String, Gave>,
    /// The commands that go on without gateways that are silent.
    overriding: BTreeSet<Node>,
    at_work: BTreeMap<&'static str, Vec<Node>>,
    winners: BTreeMap<String, Vec<u8>>,
    found: Vec<String>,
    log: Vec<String>,
}

impl World {
    pub(super) fn new(seed: u64, broken: Option<Broken>) -> Arc<World> {
        Arc::new(World {
            inner: Mutex::new(Inner {
                chance: fastrand::Rng::with_seed(seed),
                broken,
                documents: BTreeMap::new(),
                writes: 0,
                traffic: Traffic::default(),
                skew: if seed.is_multiple_of(2) { SKEW } else { 0 },
                storm: Some([60, 150, 400][usize::try_from(seed % 3).unwrap()]),
                parted: BTreeMap::new(),
                throttled: None,
                asleep: BTreeMap::new(),
                name: "live",
                well: true,
                passed: BTreeMap::new(),
                begun: BTreeMap::new(),
                meddled: 0,
                thrown: Vec::new(),
                told: BTreeMap::new(),
                gave: BTreeMap::new(),
                overriding: BTreeSet::new(),
                at_work: BTreeMap::new(),
                winners: BTreeMap::new(),
                found: Vec::new(),
                log: Vec::new(),
            }),
            base: Timestamp::from_second(1_800_000_000).unwrap(),
            began: clock::monotonic(),
            leaped: AtomicI64::new(0),
        })
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// What a clock shows that is wrong by `skew`.
    pub(super) fn wall(&self, skew: SignedDuration) -> Timestamp {
        let passed = clock::monotonic().duration_since(self.began);
        let leaped = SignedDuration::from_millis(self.leaped.load(Ordering::Relaxed));
        self.base + SignedDuration::try_from(passed).unwrap() + leaped + skew
    }

    /// It is `wall` now, by every clock that is right.
    pub(super) fn leaps_to(&self, wall: Timestamp) {
        let ahead = wall.duration_since(self.wall(SignedDuration::ZERO));
        self.leaped.fetch_add(i64::try_from(ahead.as_millis()).unwrap(), Ordering::Relaxed);
        self.note(|| format!("it is {wall}"));
    }

    /// How many operations have asked for `mode`.
    pub(super) fn operations(&self, mode: Mode) -> usize {
        let inner = self.inner();
        let asked = inner.thrown.iter().filter(|thrown| thrown.switch.mode == mode);
        asked.map(|thrown| thrown.switch.operation.to_string()).collect::<BTreeSet<_>>().len()
    }

    /// Remembers `what`, for whoever reads how a rule was broken.
    pub(super) fn note(&self, what: impl FnOnce() -> String) {
        let passed = clock::monotonic().duration_since(self.began);
        self.inner().log.push(format!("{:8.3} {}", passed.as_secs_f64(), what()));
    }

    /// The rules that were broken, and how it came to that.
    pub(super) fn found(&self) -> Result<(), String> {
        let inner = self.inner();
        match inner.found.first() {
            Some(first) => Err(format!("{first}\n{}", tail(&inner.log))),
            None => Ok(()),
        }
    }

    pub(super) fn history(&self) -> String {
        tail(&self.inner().log)
    }

    /// Somebody holds `right` and begins to work.
    pub(super) fn begins(self: &Arc<World>, right: Right, node: Node) -> AtWork {
        let right = word(right);
        self.note(|| format!("{node} works with the right {right}"));
        let mut inner = self.inner();
        let (now, asleep) = (clock::monotonic(), inner.asleep.clone());
        let awake = |node: &Node| asleep.get(node).is_none_or(|until| *until <= now);
        let workers = inner.at_work.entry(right).or_default();
        let others: Vec<_> = workers.iter().copied().filter(awake).collect();
        workers.push(node);
        let found = (!others.is_empty())
            .then(|| format!("{node} and {others:?} work at once with the right {right}"));
        inner.found.extend(found);
        AtWork { world: Arc::clone(self), right, node }
    }

    /// A machine asks whether the app is well.
    pub(super) fn is_well(&self, node: Node) -> bool {
        let mut inner = self.inner();
        let now = clock::monotonic();
        let is_parted = inner.parted.get(&node).is_some_and(|until| now < *until);
        let well = inner.well && !is_parted;
        if well {
            inner.passed.insert(node, now);
        }
        well
    }

    /// The app is well from now on.
    pub(super) fn recovers(&self) {
        self.note(|| "the app is well".to_owned());
        self.inner().well = true;
    }

    /// The app is not well any more.
    pub(super) fn sickens(&self) {
        self.note(|| "the app is unwell".to_owned());
        self.inner().well = false;
    }

    /// A command goes on without gateways that are silent.
    pub(super) fn overrides(&self, node: Node) {
        self.inner().overriding.insert(node);
    }

    /// Somebody was told that they wrote `content` where the document was as `expected`.
    pub(super) fn won(&self, document: &str, expected: &str, content: &[u8]) {
        let mut inner = self.inner();
        let before = inner.winners.insert(expected.to_owned(), content.to_vec());
        if before.is_some_and(|before| before != content) {
            inner.found.push(format!("two writers of {document} have won the version {expected}"));
        }
    }

    /// A gateway gives visitors something else from now on; `None` where it knows nothing.
    pub(super) fn gives(&self, id: &str, posture: Option<&Posture>) {
        let mode = posture.map(|posture| posture.mode);
        self.note(|| format!("{id} gives {mode:?} {:?}", posture.and_then(operation)));
        let mut inner = self.inner();
        let followed = inner.gave.entry(id.to_owned()).or_default().followed;
        let found = match posture {
            None if followed > 0 => Some(format!("{id} has forgotten what was asked for")),
            None => None,
            Some(posture) => match inner.asked(posture, followed) {
                Some(index) => {
                    inner.gave.entry(id.to_owned()).or_default().followed = index;
                    None
                }
                None => Some(format!(
                    "{id} gives {} for {:?}, which nobody asks for any more (it followed write {followed})",
                    posture.mode,
                    operation(posture)
                )),
            },
        };
        inner.found.extend(found);
        inner.gave.entry(id.to_owned()).or_default().now =
            posture.cloned().map_or(Gives::Unknown, Gives::Posture);
    }

    /// No request of before runs any more at a gateway that gives `posture`.
    pub(super) fn drained(&self, id: &str, posture: &Posture) {
        let Some(operation) = operation(posture) else { return };
        let told = confirmation(&operation, posture.mode);
        self.inner().gave.entry(id.to_owned()).or_default().confirmed.insert(told);
    }

    /// A gateway's process is gone.
    pub(super) fn gone(&self, id: &str) {
        self.note(|| format!("{id} is gone"));
        self.inner().gave.entry(id.to_owned()).or_default().now = Gives::Nothing;
    }

    /// Somebody who knows nothing of the switch leads the name back to the app, as a run of a pipeline does: where it leads away
    /// and nobody moves the site, and no more often than an agent puts it back.
    pub(super) fn meddle(&self) {
        let mut inner = self.inner();
        let away = inner.thrown.last().is_some_and(|thrown| {
            thrown.switch.mode == Mode::Detour && thrown.switch.phase != Phase::Moving
        });
        let busy = inner.at_work.get(word(Right::Move)).is_some_and(|nodes| !nodes.is_empty());
        if away && !busy && inner.name == leads(Mode::Detour) && inner.meddled < MEDDLING {
            inner.meddled += 1;
            inner.name = leads(Mode::Open);
            drop(inner);
            self.note(|| "somebody else leads the name back to the app".to_owned());
        }
    }

    /// What is asked for.
    pub(super) fn asked(&self) -> Option<Mode> {
        self.inner().thrown.last().map(|thrown| thrown.switch.mode)
    }

    /// What was asked for before the last operation.
    pub(super) fn before(&self) -> Option<Mode> {
        let inner = self.inner();
        let newest = inner.newest()?;
        let mut thrown = inner.thrown.iter().rev().map(|thrown| &thrown.switch);
        Some(
            thrown
                .find(|switch| switch.operation != newest)
                .map_or(Mode::Open, |switch| switch.mode),
        )
    }

    /// Why not everything is as it was asked for last, if it is not.
    pub(super) fn differs(&self) -> Result<(), String> {
        let inner = self.inner();
        let Some(Thrown { switch, .. }) = inner.thrown.last() else { return Ok(()) };
        if switch.phase == Phase::Moving || switch.gateway.is_some() {
            return Err(format!("{} to {} still moves", switch.operation, switch.mode));
        }
        if inner.name != leads(switch.mode) {
            return Err(format!("the name is {} in {}", inner.name, switch.mode));
        }
        for (id, gave) in &inner.gave {
            match &gave.now {
                Gives::Posture(posture) if posture.mode == switch.mode => {}
                Gives::Nothing if !inner.told.contains_key(id) => {}
                other => return Err(format!("{id} gives {other:?}, not {}", switch.mode)),
            }
        }
        Ok(())
    }
}

impl Inner {
    /// A request has come to the bucket and has written a document.
    pub(super) fn wrote(&mut self, node: Node, key: &str, content: &[u8]) {
        let now = clock::monotonic();
        if let Some(id) = gateway(key) {
            let told = Told { first: now, last: now, again: None };
            let told = self.told.entry(id.to_owned()).or_insert(told);
            if now.duration_since(told.last) >= QUIET {
                told.again = Some(now);
            }
            told.last = now;
        }
        if key == "switch.json" {
            let switch: Switch = serde_json::from_slice(content).unwrap();
            self.log.push(format!(
                "         {node} writes {} {:?} to {} of {} (gateways {:?}), by {}",
                switch.version,
                switch.phase,
                switch.mode,
                switch.operation,
                switch.gateway,
                switch.by
            ));
            self.threw(node, switch, now);
        }
    }

    /// A request has come to the bucket and has taken a document away.
    pub(super) fn removed(&mut self, key: &str) {
        if let Some(id) = gateway(key) {
            self.told.remove(id);
        }
    }

    /// The operation that was asked for last.
    pub(super) fn newest(&self) -> Option<OperationId> {
        self.thrown.last().map(|thrown| thrown.switch.operation.clone())
    }

    fn threw(&mut self, node: Node, switch: Switch, at: Instant) {
        let count = self.thrown.len() as u64;
        if switch.version != count + 1 {
            self.found.push(format!("write {} of the switch says {}", count + 1, switch.version));
        }
        if let Some(before) = self.thrown.last().map(|thrown| &thrown.switch)
            && before.phase == Phase::Moving
            && (&before.operation, before.mode) == (&switch.operation, switch.mode)
            && switch.phase != Phase::Moving
        {
            self.confirmed(node, &switch, at);
        }
        self.began(node, &switch, at);
        self.thrown.push(Thrown { at, switch });
    }

    /// An operation begins, or the one before is put back: a site opens only where its check has passed since it was closed, and a
    /// window begins once.
    fn began(&mut self, node: Node, switch: &Switch, at: Instant) {
        let Some(before) = self.thrown.last().map(|thrown| thrown.switch.clone()) else {
            self.window(switch);
            return;
        };
        if before.operation == switch.operation {
            return;
        }
        let first = |of: &OperationId| {
            self.thrown.iter().find(|thrown| thrown.switch.operation == *of).map(|thrown| thrown.at)
        };
        if first(&switch.operation).is_some() {
            // It could not be made: whoever asked for it may do so again.
            self.begun.retain(|_, operation| *operation != before.operation);
            return;
        }
        let asked = first(&before.operation);
        let passed = self.passed.get(&node).copied();
        let fresh =
            passed > asked && passed.is_some_and(|passed| at.duration_since(passed) < FRESH);
        if switch.mode == Mode::Open && before.mode != Mode::Open && !fresh {
            self.found
                .push(format!("{node} opens the site, and its check has not passed: {passed:?}"));
        }
        self.window(switch);
    }

    fn window(&mut self, switch: &Switch) {
        let named = switch.by.rsplit_once("(window ").map(|(_, rest)| rest);
        // Its end is by it, too: `ana (window w1) (end)`.
        let id = named.and_then(|rest| rest.strip_suffix(')')).filter(|id| !id.contains(')'));
        let Some(id) = id else { return };
        let time = (id.to_owned(), switch.until);
        if let Some(before) = self.begun.insert(time, switch.operation.clone()) {
            let again = &switch.operation;
            self.found.push(format!("window {id} has begun by {before}, and again by {again}"));
        }
    }

    /// The switch says that everybody has done what its operation asked for.
    fn confirmed(&mut self, node: Node, switch: &Switch, at: Instant) {
        if self.name != leads(switch.mode) {
            self.found.push(format!("moved to {}, and the name is {}", switch.mode, self.name));
        }
        let mut asked = self.thrown.iter();
        let asked = asked.find(|thrown| thrown.switch.operation == switch.operation);
        let Some(asked) = asked.map(|thrown| thrown.at) else { return };
        // Who gave it already and has drained need not do so again, where somebody asks once more because the name was moved away.
        let same = self.thrown.iter().rev().map(|thrown| &thrown.switch);
        let same = same.take_while(|before| before.mode == switch.mode);
        let told: Vec<_> =
            same.map(|asked| confirmation(&asked.operation.to_string(), asked.mode)).collect();
        for (id, seen) in &self.told {
            let quiet = at.duration_since(seen.last) >= QUIET;
            let quiet = quiet || seen.again.is_some_and(|again| again > asked);
            let set_aside = quiet && self.overriding.contains(&node);
            let has = self
                .gave
                .get(id)
                .is_some_and(|gave| told.iter().any(|told| gave.confirmed.contains(told)));
            if seen.first < asked && !has && !set_aside {
                self.found.push(format!(
                    "{} to {} is moved, and {id} has never confirmed it",
                    switch.operation, switch.mode
                ));
            }
        }
    }

    /// The first write of the switch from number `from` on that asks gateways for `posture`; 0 for a switch that nobody had
    /// thrown.
    fn asked(&self, posture: &Posture, from: usize) -> Option<usize> {
        if posture.operation.is_none() {
            return (from == 0 && posture.mode == Mode::Open).then_some(0);
        }
        let same = |thrown: &Thrown| {
            let asked = thrown.switch.posture();
            (asked.mode, &asked.operation) == (posture.mode, &posture.operation)
        };
        (from.max(1)..=self.thrown.len()).find(|number| same(&self.thrown[number - 1]))
    }
}

/// Somebody works with a right, until this is dropped.
pub(super) struct AtWork {
    world: Arc<World>,
    right: &'static str,
    node: Node,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.world.note(|| format!("{} ends its work with the right {}", self.node, self.right));
        let mut inner = self.world.inner();
        let workers = inner.at_work.entry(self.right).or_default();
        if let Some(index) = workers.iter().position(|node| *node == self.node) {
            workers.remove(index);
        }
    }
}

/// Where the name leads in `mode`.
pub(super) fn leads(mode: Mode) -> &'static str {
    if mode == Mode::Detour { "maintenance" } else { "live" }
}

/// The id of the gateway whose heartbeat is under `key`.
pub(super) fn gateway(key: &str) -> Option<&str> {
    key.strip_prefix("gateways/")?.strip_suffix(".json")
}

fn operation(posture: &Posture) -> Option<String> {
    posture.operation.as_ref().map(ToString::to_string)
}

fn confirmation(operation: &str, mode: Mode) -> String {
    format!("{operation} {mode}")
}

fn word(right: Right) -> &'static str {
    match right {
        Right::Move => "to move",
        Right::Lead => "to lead",
        Right::Run => "to run a command",
    }
}

fn tail(log: &[String]) -> String {
    log.iter().skip(log.len().saturating_sub(60)).cloned().collect::<Vec<_>>().join("\n")
}
