//! The two orders of a move, over all pairs of modes, all sets of levers and a failure at each step: whoever comes gets the stricter
//! of the two modes for as long as anything moves, and a run again completes it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use roadworks::agent::{Depth, Error, Order, Site, carry_out, look};
use roadworks::checks::{Asked, Check, Failed, Guard};
use roadworks::config::OnDrift;
use roadworks::lever::{
    self, Answer, Lever, Observation, Part, Position, Progress, Refusal, Silent, Started,
};
use roadworks::store::{MemoryStore, SiteStore};
use roadworks::switch::{LeverName, Mode, OperationId, Step};
use serde_json::json;

/// From visitors inwards.
const INWARDS: [LeverName; 5] = [
    LeverName::Gateway,
    LeverName::Workers,
    LeverName::Database,
    LeverName::Variable,
    LeverName::Dns,
];
/// From the inside out.
const OUTWARDS: [LeverName; 5] = [
    LeverName::Database,
    LeverName::Workers,
    LeverName::Variable,
    LeverName::Dns,
    LeverName::Gateway,
];

/// How a lever fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fails {
    /// It says no, and nothing has changed.
    Refused,
    /// What was sent arrived, and nobody knows.
    Moved,
    /// What was sent is lost, and nobody knows.
    Lost,
    /// It was moved, and is never confirmed.
    Unconfirmed,
}

const FAILURES: [Fails; 4] = [Fails::Refused, Fails::Moved, Fails::Lost, Fails::Unconfirmed];

/// What all levers of a site share.
struct World {
    store: SiteStore<MemoryStore>,
    /// Where each stands, but for the gateway, which follows the switch.
    stands: RefCell<BTreeMap<LeverName, Mode>>,
    /// What was started, and what visitors got then.
    started: RefCell<Vec<(LeverName, Mode)>>,
    /// Which start fails, counted from here, and how.
    fails: RefCell<Option<(usize, Fails)>>,
}

impl World {
    async fn visitors(&self) -> Mode {
        let switch = self.store.switch().await.unwrap();
        switch.map_or(Mode::Open, |(switch, _)| switch.posture().mode)
    }

    async fn stands(&self, lever: LeverName) -> Mode {
        match lever {
            LeverName::Gateway => self.visitors().await,
            other => self.stands.borrow()[&other],
        }
    }

    /// How this start fails, if it does.
    fn failure(&self) -> Option<Fails> {
        let mut fails = self.fails.borrow_mut();
        match *fails {
            Some((0, how)) => {
                *fails = None;
                Some(how)
            }
            Some((left, how)) => {
                *fails = Some((left - 1, how));
                None
            }
            None => None,
        }
    }
}

struct Fake {
    name: LeverName,
    world: Rc<World>,
    unconfirmed: RefCell<bool>,
}

impl Fake {
    async fn seen(&self) -> Observation {
        let mode = self.world.stands(self.name).await;
        let position = match (self.name, mode) {
            (LeverName::Dns, Mode::Detour) => Position::Maintenance,
            (LeverName::Dns, _) => Position::Live,
            (_, mode) => Position::At(mode),
        };
        let part = Part { target: self.name.to_string(), value: json!(mode.word()) };
        Observation { position, detail: String::new(), parts: vec![part], warnings: Vec::new() }
    }

    /// The name knows two places, all others every mode.
    fn place(&self, mode: Mode) -> Mode {
        match (self.name, mode) {
            (LeverName::Dns, Mode::Detour) => Mode::Detour,
            (LeverName::Dns, _) => Mode::Open,
            (_, mode) => mode,
        }
    }

    fn step(&self, seen: &Observation, to: Mode) -> Step {
        Step {
            lever: self.name,
            kind: "fake".to_owned(),
            target: self.name.to_string(),
            before: seen.parts[0].value.clone(),
            after: json!(self.place(to).word()),
        }
    }
}

fn unknown() -> lever::Error {
    lever::Error::Unknown { message: "no answer".to_owned(), hint: String::new() }
}

impl Lever for Fake {
    fn name(&self) -> LeverName {
        self.name
    }

    fn kind(&self) -> &'static str {
        "fake"
    }

    fn observe(&self) -> Answer<'_, Observation> {
        Box::pin(async { Ok(self.seen().await) })
    }

    fn steps(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        let step = self.step(seen, to);
        if step.before == step.after { Vec::new() } else { vec![step] }
    }

    fn again(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        vec![self.step(seen, to)]
    }

    fn refusal(&self, _seen: &Observation, _to: Mode) -> Option<Refusal> {
        None
    }

    fn start<'a>(&'a self, steps: &'a [Step], _operation: &'a OperationId) -> Answer<'a, Started> {
        Box::pin(async move {
            let visitors = self.world.visitors().await;
            self.world.started.borrow_mut().push((self.name, visitors));
            let failure = self.world.failure();
            if failure == Some(Fails::Refused) {
                let (message, hint) = ("it says no".to_owned(), String::new());
                return Err(lever::Error::Refused { code: "no", message, hint });
            }
            if failure == Some(Fails::Lost) {
                return Err(unknown());
            }
            for step in steps.iter().filter(|_| self.name != LeverName::Gateway) {
                let to = step.after.as_str().unwrap().parse().unwrap();
                self.world.stands.borrow_mut().insert(self.name, to);
            }
            if failure == Some(Fails::Moved) {
                return Err(unknown());
            }
            self.unconfirmed.replace(failure == Some(Fails::Unconfirmed));
            Ok(Started { changes: Vec::new(), steps: steps.to_vec() })
        })
    }

    fn confirm<'a>(
        &'a self,
        _started: &'a Started,
        _progress: &'a dyn Progress,
    ) -> Answer<'a, Observation> {
        Box::pin(async {
            if self.unconfirmed.replace(false) {
                return Err(unknown());
            }
            Ok(self.seen().await)
        })
    }

    fn settles_after(&self, _before: Option<&Observation>) -> Duration {
        Duration::ZERO
    }
}

fn site(world: &Rc<World>, levers: &[LeverName]) -> Site<MemoryStore> {
    let lever = |name: &LeverName| -> Box<dyn Lever> {
        let (world, unconfirmed) = (Rc::clone(world), RefCell::new(false));
        Box::new(Fake { name: *name, world, unconfirmed })
    };
    Site {
        name: "shop".to_owned(),
        store: world.store.clone(),
        levers: levers.iter().map(lever).collect(),
        checks: Vec::new(),
        warnings: Vec::new(),
        quiet: Duration::ZERO,
        on_drift: OnDrift::Report,
        held_back: None,
    }
}

fn order(to: Mode) -> Order {
    Order {
        to,
        by: "ana".to_owned(),
        reason: None,
        overrides: Vec::new(),
        timeout: Duration::from_mins(1),
        end: None,
        depth: Depth::Moved,
        run: None,
    }
}

async fn moves(site: &Site<MemoryStore>, to: Mode) -> Result<(), Error> {
    let sight = look(site).await.unwrap();
    carry_out(site, sight, &order(to), &Silent).await.map(drop)
}

/// A site that stands in `from` with all of its levers.
async fn standing(levers: &[LeverName], from: Mode) -> (Rc<World>, Site<MemoryStore>) {
    let world = Rc::new(World {
        store: SiteStore::new(MemoryStore::default()),
        stands: RefCell::new(levers.iter().map(|lever| (*lever, Mode::Open)).collect()),
        started: RefCell::default(),
        fails: RefCell::default(),
    });
    let site = site(&world, levers);
    if from != Mode::Open {
        moves(&site, from).await.unwrap();
    }
    world.started.borrow_mut().clear();
    (world, site)
}

/// Every set of levers that visitors meet one of, with the modes that it offers.
fn sets() -> impl Iterator<Item = Vec<LeverName>> {
    let all = (0_u32..1 << INWARDS.len()).map(|bits| {
        let chosen = INWARDS.iter().enumerate().filter(move |(at, _)| bits & (1 << at) != 0);
        chosen.map(|(_, lever)| *lever).collect::<Vec<_>>()
    });
    all.filter(|set| set.contains(&LeverName::Gateway) || set.contains(&LeverName::Dns))
}

/// What was started is in this order, each once.
fn is_in_order(started: &[(LeverName, Mode)], order: &[LeverName]) -> bool {
    let ranks: Vec<_> =
        started.iter().map(|(lever, _)| order.iter().position(|other| other == lever)).collect();
    ranks.is_sorted_by(|one, next| one < next)
}

async fn whole(levers: &[LeverName], from: Mode, to: Mode) -> Option<usize> {
    let offers = |mode| match mode {
        Mode::Open => true,
        Mode::Detour => levers.contains(&LeverName::Dns),
        Mode::ReadOnly | Mode::Hold | Mode::Closed => levers.contains(&LeverName::Gateway),
    };
    if !offers(to) || !offers(from) {
        return None;
    }
    let (world, site) = standing(levers, from).await;
    moves(&site, to).await.unwrap_or_else(|error| panic!("{levers:?} {from} to {to}: {error}"));
    let started = world.started.borrow().clone();
    let opening = to < from || to == Mode::Open;
    let order = if opening { &OUTWARDS } else { &INWARDS };
    assert!(is_in_order(&started, order), "{levers:?} {from} to {to}: {started:?}");
    if levers.contains(&LeverName::Gateway) {
        for (lever, visitors) in &started {
            let wanted = if *lever == LeverName::Gateway { to } else { from.max(to) };
            assert_eq!(*visitors, wanted, "{levers:?} {from} to {to}: {lever} in {started:?}");
        }
    }
    Some(started.len())
}

async fn with_failure(levers: &[LeverName], (from, to): (Mode, Mode), (at, how): (usize, Fails)) {
    let (world, site) = standing(levers, from).await;
    let what = format!("{levers:?} {from} to {to}, {how:?} at step {at}");
    *world.fails.borrow_mut() = Some((at, how));
    let error = moves(&site, to).await.expect_err(&what);
    let visitors = world.visitors().await;
    let sight = look(&site).await.unwrap();
    if sight.desired() == from && !sight.moving() {
        assert_eq!(how, Fails::Refused, "{what}: taken back though something may have moved");
        for lever in levers {
            let before = world.stands(*lever).await;
            let name =
                if *lever == LeverName::Dns && from != Mode::Detour { Mode::Open } else { from };
            assert_eq!(before, name, "{what}: {lever} is not back");
        }
    } else {
        let said_no = matches!(error, Error::Lever(lever::Error::Refused { .. }));
        assert!(!said_no, "{what}: said to have changed nothing: {error}");
        let stricter = from.max(to);
        let met = levers.contains(&LeverName::Gateway);
        // Only the gateway itself may have failed after it was told to let visitors in.
        let told =
            world.started.borrow().last().is_some_and(|(lever, _)| *lever == LeverName::Gateway);
        assert!(!met || visitors == stricter || (told && visitors == to), "{what}: {visitors}");
    }
    moves(&site, to).await.unwrap_or_else(|error| panic!("{what}, again: {error}"));
    let sight = look(&site).await.unwrap();
    assert!(sight.is_at(&site, to), "{what}: a run again does not complete it");
}

/// A check that never passes.
struct Broken;

impl Check for Broken {
    fn kind(&self) -> &'static str {
        "broken"
    }

    fn ask(&self) -> Asked<'_> {
        Box::pin(async { Err(Failed { why: "it is down".to_owned(), fix: String::new() }) })
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_levers_a_site_has_a_check_that_fails_keeps_it_as_it_was() {
    for levers in sets() {
        let strictest = if levers.contains(&LeverName::Dns) { Mode::Detour } else { Mode::Closed };
        let (world, mut site) = standing(&levers, strictest).await;
        site.checks.push(Guard {
            name: "app".to_owned(),
            check: Box::new(Broken),
            passes: 1,
            interval: Duration::from_secs(1),
            deadline: Duration::from_secs(2),
        });
        let error = moves(&site, Mode::Open).await.expect_err("it is down");
        let started = world.started.borrow().clone();
        let sight = look(&site).await.unwrap();
        let met = levers.contains(&LeverName::Gateway);
        assert!(!met || world.visitors().await == strictest, "{levers:?}: {error}");
        // Only what stands behind a gateway that is closed still may move before the checks are asked.
        let moved = |lever| started.iter().any(|(other, _)| *other == lever);
        assert!(met || started.is_empty(), "{levers:?}: {started:?}");
        if !moved(LeverName::Dns) && !moved(LeverName::Variable) {
            assert!(sight.desired() == strictest && !sight.moving(), "{levers:?}: {error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn strict_first_when_closing_and_last_when_opening_whatever_fails() {
    let pairs = || {
        let tos = |from| Mode::LADDER.into_iter().filter(move |to| *to != from);
        Mode::LADDER.into_iter().flat_map(move |from| tos(from).map(move |to| (from, to)))
    };
    let cases = sets().flat_map(|levers| pairs().map(move |pair| (levers.clone(), pair)));
    let (mut moved, mut failed) = (0, 0);
    for (levers, (from, to)) in cases {
        let Some(steps) = whole(&levers, from, to).await else { continue };
        moved += 1;
        let failures = (0..steps).flat_map(|at| FAILURES.map(|how| (at, how)));
        for failure in failures {
            with_failure(&levers, (from, to), failure).await;
            failed += 1;
        }
    }
    assert!(moved > 200 && failed > 2_000, "{moved} moves, {failed} failures");
}
