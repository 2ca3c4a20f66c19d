//! Somebody moves a record or a rule behind the switch's back: noticed within a minute, told once, and put back where the
//! configuration says so. Time is held in hand: a minute passes at once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use roadworks::agent::{
    Depth, Drift, Keeper, Opener, Order, Site, Then, Watched, carry_out, drifts, look,
};
use roadworks::audit::{self, Entry, Event};
use roadworks::checks::{Asked, Check, Failed, Guard};
use roadworks::clock;
use roadworks::config::OnDrift;
use roadworks::lever::{
    Answer, Error, Lever, Observation, Part, Position, Progress, Refusal, Silent, Started,
};
use roadworks::store::{Holder, Lease as _, MemoryStore, SiteStore};
use roadworks::switch::{End, LeverName, Mode, OperationId, Phase, Step, Switch};
use roadworks::tasks::Tasks;
use serde_json::{Value, json};

/// Within so long everything is noticed.
const NOTICED: Duration = Duration::from_mins(1);
const LIVE: &str = "live";
const AWAY: &str = "maintenance";

/// What happens to the name, once.
#[derive(Clone, Copy, PartialEq)]
enum Mishap {
    /// While it is looked at, somebody throws the switch and moves it.
    SwitchThrown,
    /// It cannot be read.
    Unreadable,
    /// Right before it is moved, somebody puts a third value there.
    ThirdValue,
    /// The move never ends.
    Hangs,
}

/// Everything around one site's agent.
#[derive(Clone)]
struct World {
    store: SiteStore<MemoryStore>,
    value: Rc<RefCell<String>>,
    looks: Rc<Cell<u32>>,
    mishap: Rc<Cell<Option<Mishap>>>,
    live: Rc<RefCell<String>>,
    on_drift: Rc<Cell<OnDrift>>,
    held_back: Rc<RefCell<Option<String>>>,
    edition: Rc<Cell<u64>>,
    /// Whether the site's check does not pass.
    unwell: Rc<Cell<bool>>,
}

impl Check for World {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn ask(&self) -> Asked<'_> {
        let failed = || Failed { why: "it is down".to_owned(), fix: "start it".to_owned() };
        let found = if self.unwell.get() { Err(failed()) } else { Ok("it is up".to_owned()) };
        Box::pin(async { found })
    }
}

struct Name(World);

impl Name {
    fn side(&self, mode: Mode) -> String {
        if mode == Mode::Detour { AWAY.to_owned() } else { self.0.live.borrow().clone() }
    }
}

impl Lever for Name {
    fn name(&self) -> LeverName {
        LeverName::Dns
    }

    fn kind(&self) -> &'static str {
        "fake"
    }

    fn observe(&self) -> Answer<'_, Observation> {
        Box::pin(async {
            self.0.looks.set(self.0.looks.get() + 1);
            if self.0.happens(Mishap::Unreadable) {
                let (message, hint) = ("nobody answers".to_owned(), String::new());
                return Err(Error::Failed { code: "unreachable", message, hint });
            }
            if self.0.happens(Mishap::SwitchThrown) {
                self.0.throws(Mode::Open).await;
            }
            let value = self.0.value.borrow().clone();
            let position = match value.as_str() {
                AWAY => Position::Maintenance,
                other if other == *self.0.live.borrow() => Position::Live,
                _ => Position::Foreign,
            };
            let parts = vec![Part { target: "shop A".to_owned(), value: json!(value) }];
            Ok(Observation { position, detail: String::new(), parts, warnings: Vec::new() })
        })
    }

    fn steps(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        let (before, after) = (seen.parts[0].value.clone(), json!(self.side(to)));
        let step = Step {
            lever: LeverName::Dns,
            kind: "fake".to_owned(),
            target: "shop A".to_owned(),
            before,
            after,
        };
        if step.before == step.after { Vec::new() } else { vec![step] }
    }

    fn again(&self, seen: &Observation, _to: Mode) -> Vec<Step> {
        let value = seen.parts[0].value.clone();
        let step = Step {
            lever: LeverName::Dns,
            kind: "fake".to_owned(),
            target: "shop A".to_owned(),
            before: value.clone(),
            after: value,
        };
        vec![step]
    }

    fn refusal(&self, seen: &Observation, _to: Mode) -> Option<Refusal> {
        (seen.position == Position::Foreign).then(|| Refusal {
            rule: "foreign-record",
            message: "it is foreign".to_owned(),
            hint: String::new(),
        })
    }

    fn start<'a>(&'a self, steps: &'a [Step], _operation: &'a OperationId) -> Answer<'a, Started> {
        Box::pin(async move {
            if self.0.happens(Mishap::ThirdValue) {
                self.0.moves("third");
            }
            if self.0.happens(Mishap::Hangs) {
                std::future::pending::<()>().await;
            }
            for step in steps {
                if step.before != json!(*self.0.value.borrow()) {
                    let (message, hint) = ("it was changed meanwhile".to_owned(), String::new());
                    return Err(Error::Refused { code: "record-moved", message, hint });
                }
                self.0.moves(step.after.as_str().unwrap());
            }
            Ok(Started { changes: Vec::new(), steps: steps.to_vec() })
        })
    }

    fn confirm<'a>(&'a self, _: &'a Started, _: &'a dyn Progress) -> Answer<'a, Observation> {
        self.observe()
    }

    fn settles_after(&self, _before: Option<&Observation>) -> Duration {
        NOTICED
    }
}

impl Opener<MemoryStore> for World {
    async fn open(&self) -> Result<Site<MemoryStore>, String> {
        Ok(self.site())
    }

    fn edition(&self) -> u64 {
        self.edition.get()
    }
}

impl World {
    fn new(on_drift: OnDrift) -> World {
        World {
            store: SiteStore::new(MemoryStore::default()),
            value: Rc::new(RefCell::new(LIVE.to_owned())),
            looks: Rc::default(),
            mishap: Rc::default(),
            live: Rc::new(RefCell::new(LIVE.to_owned())),
            on_drift: Rc::new(Cell::new(on_drift)),
            held_back: Rc::default(),
            edition: Rc::default(),
            unwell: Rc::default(),
        }
    }

    fn site(&self) -> Site<MemoryStore> {
        Site {
            name: "shop".to_owned(),
            store: self.store.clone(),
            levers: vec![Box::new(Name(self.clone()))],
            checks: vec![Guard {
                name: "app".to_owned(),
                check: Box::new(self.clone()),
                passes: 1,
                interval: Duration::from_secs(1),
                deadline: Duration::from_secs(10),
            }],
            warnings: Vec::new(),
            quiet: Duration::from_mins(2),
            on_drift: self.on_drift.get(),
            held_back: self.held_back.borrow().clone(),
        }
    }

    fn happens(&self, mishap: Mishap) -> bool {
        let now = self.mishap.get() == Some(mishap);
        if now {
            self.mishap.set(None);
        }
        now
    }

    /// Somebody else moves the name.
    fn moves(&self, to: &str) {
        to.clone_into(&mut self.value.borrow_mut());
    }

    fn value(&self) -> String {
        self.value.borrow().clone()
    }

    /// Somebody asks for a mode, with an end.
    async fn throws(&self, to: Mode) {
        let site = self.site();
        let sight = look(&site).await.unwrap();
        let until = Timestamp::from_second(2_000_000_000).unwrap();
        let order = Order {
            to,
            by: "ana".to_owned(),
            reason: Some("new database".to_owned()),
            overrides: vec!["foreign-record".to_owned()],
            timeout: NOTICED,
            end: (to != Mode::Open).then_some(End::At { until, then: None }),
            depth: Depth::Moved,
            run: None,
        };
        Box::pin(carry_out(&site, sight, &order, &Silent)).await.unwrap();
    }

    async fn switch(&self) -> Switch {
        self.store.switch().await.unwrap().unwrap().0
    }

    async fn drifts(&self) -> Vec<Drift> {
        drifts(&self.store).await.unwrap()
    }

    /// What happened so far, in order.
    async fn log(&self) -> Vec<Entry> {
        audit::log(&self.store, 1000).await.unwrap().0
    }

    async fn count(&self, event: Event) -> usize {
        self.log().await.iter().filter(|entry| entry.event == event).count()
    }

    /// An agent runs for so long, and is killed.
    async fn runs(&self, time: Duration) {
        let keeper = Keeper {
            site: "shop".to_owned(),
            store: self.store.clone(),
            opener: self.clone(),
            holder: Holder::agent("ops@host", "a1"),
            watched: Watched::default(),
        };
        let tasks = Tasks::new();
        // A crash gives back what it held, as the operating system does.
        drop(tokio::time::timeout(time, Box::pin(keeper.run(&tasks))).await);
    }
}

/// Plays a scene on a machine of its own, where time is held in hand.
fn play(scene: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        clock::at_node(now, scene).await;
    });
}

#[test]
fn a_move_behind_the_switchs_back_is_told_once_and_so_is_its_end() {
    play(async {
        let world = World::new(OnDrift::Report);
        world.throws(Mode::Detour).await;
        world.runs(NOTICED).await;
        assert_eq!(world.drifts().await, []);
        world.moves(LIVE);
        world.runs(NOTICED).await;
        let [drift] = world.drifts().await.try_into().unwrap();
        assert_eq!((drift.was.clone(), drift.is.clone()), (json!(AWAY), json!(LIVE)));
        assert_eq!((drift.then, drift.why), (Then::Reported, None));
        world.runs(NOTICED * 10).await;
        world.runs(NOTICED * 10).await;
        assert_eq!(world.count(Event::Drifted).await, 1, "over restarts, too");
        assert_eq!(world.value(), LIVE, "nobody asked for more");
        world.moves("other");
        world.runs(NOTICED * 2).await;
        assert_eq!(world.count(Event::Drifted).await, 2, "it is something else now");
        world.moves(AWAY);
        world.runs(NOTICED * 2).await;
        assert_eq!((world.count(Event::DriftOver).await, world.drifts().await), (1, vec![]));
        let log = world.log().await;
        let told = log.iter().find(|entry| entry.event == Event::Drifted).unwrap();
        let detail = told.detail.as_deref().unwrap();
        assert!(detail.contains("dns shop A was \"maintenance\", is \"live\""), "{detail}");
        assert_eq!((told.to, &told.operation), (Mode::Detour, &world.switch().await.operation));
    });
}

#[test]
fn a_move_is_noticed_within_a_minute_though_one_look_fails() {
    play(async {
        let world = World::new(OnDrift::Report);
        world.throws(Mode::Detour).await;
        let agent = world.runs(NOTICED * 20);
        let scene = async {
            tokio::time::sleep(Duration::from_secs(95)).await;
            // Whenever between two looks it is.
            for at in 0..10 {
                tokio::time::sleep(Duration::from_secs(33 + at * 13 % 31)).await;
                world.moves(if at % 2 == 0 { LIVE } else { AWAY });
                if at == 3 {
                    world.mishap.set(Some(Mishap::Unreadable));
                }
                tokio::time::sleep(NOTICED).await;
                let told = usize::from(at % 2 == 0);
                assert_eq!(world.drifts().await.len(), told, "the {at}th");
            }
        };
        tokio::select! { () = scene => {}, () = agent => {} }
        let looks = world.looks.get();
        assert!(looks < 70, "{looks} in twenty minutes");
    });
}

#[test]
fn where_the_switch_is_thrown_while_it_is_looked_nothing_is_told() {
    play(async {
        let world = World::new(OnDrift::PutBack);
        world.throws(Mode::Detour).await;
        // What it gives is of afterwards, and stands elsewhere than the switch of before asks for.
        world.mishap.set(Some(Mishap::SwitchThrown));
        world.runs(NOTICED * 3).await;
        assert_eq!((world.value(), world.drifts().await), (LIVE.to_owned(), vec![]));
        assert_eq!(world.count(Event::Drifted).await, 0);
    });
}

#[test]
fn what_somebody_moved_is_put_back_by_the_operation_that_moved_it_there() {
    play(async {
        for elsewhere in [LIVE, "other"] {
            let world = World::new(OnDrift::PutBack);
            world.throws(Mode::Detour).await;
            let before = world.switch().await;
            world.runs(NOTICED).await;
            world.moves(elsewhere);
            world.runs(NOTICED).await;
            assert_eq!(world.value(), AWAY, "from {elsewhere}");
            let after = world.switch().await;
            assert_eq!(after.operation, before.operation);
            assert_eq!((after.until, &after.reason), (before.until, &before.reason));
            assert_eq!((&after.by, after.mode), (&before.by, Mode::Detour));
            let Phase::Moved { moved_at, .. } = after.phase else { panic!("{after:?}") };
            let Phase::Moved { moved_at: first, .. } = before.phase else { panic!("{before:?}") };
            assert!(moved_at > first, "whoever has an old answer has it from now on");
            let log = world.log().await;
            let events: Vec<_> = log.iter().skip(3).map(|entry| entry.event).collect();
            let mut wanted = vec![Event::Drifted, Event::PutBack];
            wanted.extend((elsewhere != LIVE).then_some(Event::Overridden));
            wanted.extend([Event::Started, Event::Moved, Event::DriftOver]);
            assert_eq!(events, wanted, "{log:#?}");
            assert_eq!(log[4].by, "ops@host (agent)");
        }
    });
}

#[test]
fn a_third_value_in_between_is_not_overwritten_but_told_anew() {
    play(async {
        let world = World::new(OnDrift::PutBack);
        world.throws(Mode::Detour).await;
        world.runs(NOTICED).await;
        let before = world.switch().await;
        world.moves("other");
        world.mishap.set(Some(Mishap::ThirdValue));
        world.runs(Duration::from_secs(3)).await;
        assert_eq!(world.value(), "third");
        let after = world.switch().await;
        assert_eq!((&after.operation, after.phase), (&before.operation, before.phase));
        world.runs(NOTICED).await;
        assert_eq!(world.value(), AWAY);
        let log = world.log().await;
        let told = log.iter().filter(|entry| entry.event == Event::Drifted);
        let told: Vec<_> = told.map(|entry| entry.detail.clone().unwrap()).collect();
        assert!(told[0].contains("is \"other\"") && told[1].contains("is \"third\""), "{told:?}");
        assert_eq!(told.len(), 2);
    });
}

#[test]
fn a_name_that_somebody_led_to_the_page_by_hand_is_not_led_back_to_visitors() {
    play(async {
        let world = World::new(OnDrift::PutBack);
        world.throws(Mode::Detour).await;
        world.throws(Mode::Open).await;
        world.runs(NOTICED).await;
        world.moves(AWAY);
        world.runs(NOTICED * 5).await;
        assert_eq!(world.value(), AWAY, "nobody asked for it to open");
        let [drift] = world.drifts().await.try_into().unwrap();
        assert_eq!(drift.then, Then::Stays);
        assert!(drift.why.unwrap().contains("let visitors in"));
        // What leads nowhere that is known goes back to where it was seen, where the app is well.
        world.moves("other");
        world.unwell.set(true);
        world.runs(NOTICED * 2).await;
        assert_eq!(world.value(), "other", "a check does not pass");
        world.unwell.set(false);
        world.runs(NOTICED * 11).await;
        assert_eq!(world.value(), LIVE);
    });
}

#[test]
fn whoever_wants_it_otherwise_gets_it_after_three_times() {
    play(async {
        let world = World::new(OnDrift::PutBack);
        world.throws(Mode::Detour).await;
        let agent = world.runs(NOTICED * 60);
        let scene = async {
            for round in 0..3 {
                tokio::time::sleep(NOTICED).await;
                world.moves(LIVE);
                tokio::time::sleep(NOTICED).await;
                assert_eq!(world.value(), AWAY, "round {round}");
            }
            world.moves(LIVE);
            tokio::time::sleep(NOTICED * 20).await;
            assert_eq!(world.value(), LIVE, "it does not fight");
            let [drift] = world.drifts().await.try_into().unwrap();
            assert_eq!(drift.then, Then::GaveUp);
            assert!(drift.why.unwrap().contains("3 times within 10 minutes"));
            assert_eq!(world.count(Event::PutBack).await, 3);
            // Once somebody has put it right, it is watched as before.
            world.moves(AWAY);
            tokio::time::sleep(NOTICED).await;
            world.moves(LIVE);
            tokio::time::sleep(NOTICED).await;
            assert_eq!(world.value(), AWAY);
        };
        tokio::select! { () = scene => {}, () = agent => panic!("it ended") }
    });
}

#[test]
fn while_somebody_moves_the_site_or_applies_terraform_nothing_is_put_back() {
    play(async {
        let world = World::new(OnDrift::PutBack);
        world.throws(Mode::Detour).await;
        let lease = world.store.lease(&Holder::command("ben")).await.unwrap();
        world.moves(LIVE);
        world.runs(NOTICED * 3).await;
        assert_eq!((world.value(), world.count(Event::Drifted).await), (LIVE.to_owned(), 1));
        lease.release().await;
        *world.held_back.borrow_mut() = Some("ann holds the lock".to_owned());
        let scene = async {
            tokio::time::sleep(NOTICED * 3).await;
            let [drift] = world.drifts().await.try_into().unwrap();
            let why = drift.why.as_deref();
            assert_eq!((drift.then, why), (Then::Waits, Some("ann holds the lock")));
            assert_eq!(world.value(), LIVE);
            *world.held_back.borrow_mut() = None;
            tokio::time::sleep(NOTICED).await;
            assert_eq!(world.value(), AWAY, "it is looked again whether she still does");
            assert_eq!(world.count(Event::Drifted).await, 1);
        };
        tokio::select! { () = scene => {}, () = world.runs(NOTICED * 60) => panic!("it ended") }
    });
}

#[test]
fn a_put_back_that_a_crash_cut_short_is_finished_and_a_value_that_came_since_is_refused() {
    play(async {
        for then in ["other", "third"] {
            let world = World::new(OnDrift::PutBack);
            world.throws(Mode::Detour).await;
            world.runs(NOTICED).await;
            world.moves("other");
            world.mishap.set(Some(Mishap::Hangs));
            world.runs(Duration::from_secs(10)).await;
            assert_eq!(
                (world.value(), world.switch().await.phase),
                ("other".to_owned(), Phase::Moving)
            );
            world.moves(then);
            world.runs(NOTICED).await;
            let ended = if then == "other" { AWAY } else { then };
            assert_eq!(world.value(), ended);
        }
    });
}

#[test]
fn another_target_in_the_configuration_is_no_drift_and_moves_nothing() {
    play(async {
        let world = World::new(OnDrift::PutBack);
        world.throws(Mode::Detour).await;
        world.throws(Mode::Open).await;
        world.runs(NOTICED).await;
        "another".clone_into(&mut world.live.borrow_mut());
        world.runs(NOTICED * 10).await;
        assert_eq!((world.value(), world.drifts().await), (LIVE.to_owned(), vec![]));
        // And what somebody moved away before is not moved on to it.
        world.moves("other");
        world.runs(NOTICED).await;
        let [drift] = world.drifts().await.try_into().unwrap();
        assert_eq!((drift.was, drift.then), (json!(LIVE), Then::Stays));
        assert_eq!(world.value(), "other");
    });
}

#[test]
fn a_configuration_that_was_read_again_counts_from_the_next_look_on() {
    play(async {
        let world = World::new(OnDrift::Report);
        world.throws(Mode::Detour).await;
        let scene = async {
            world.moves(LIVE);
            tokio::time::sleep(NOTICED).await;
            assert_eq!(world.value(), LIVE);
            world.on_drift.set(OnDrift::PutBack);
            world.edition.set(1);
            tokio::time::sleep(NOTICED).await;
            assert_eq!(world.value(), AWAY);
        };
        tokio::select! { () = scene => {}, () = world.runs(NOTICED * 60) => panic!("it ended") }
    });
}

#[test]
fn a_site_whose_switch_nobody_threw_is_watched_and_left_alone() {
    play(async {
        let world = World::new(OnDrift::PutBack);
        world.runs(NOTICED).await;
        world.moves("other");
        world.runs(NOTICED * 2).await;
        let [drift] = world.drifts().await.try_into().unwrap();
        assert_eq!((drift.was, drift.then), (Value::from(LIVE), Then::Stays));
        assert_eq!(world.value(), "other");
    });
}
