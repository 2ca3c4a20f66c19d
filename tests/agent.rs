//! The agent with levers and a store in memory: what no real server can be made to do at the right moment.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use roadworks::agent::{self, Depth, Done, Order, Site, carry_out, look};
use roadworks::audit::{self, Entry, Event};
use roadworks::config::OnDrift;
use roadworks::lever::{
    Answer, Error, Lever, Observation, Part, Position, Progress, Refusal, Silent, Started,
};
use roadworks::store::{self, Holder, MemoryStore, SiteStore};
use roadworks::switch::{Ask, LeverName, Mode, OperationId, Phase, Step, Switch};
use serde_json::{Value, json};

/// What happens to a lever of the tests.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// The lever's system refuses the change.
    Refuses,
    /// It never confirms.
    NeverConfirms,
    /// Somebody throws the switch to `open` while the lever moves.
    SwitchThrown,
    /// It made the change, and then does not let us see it.
    ConfirmsToNobody,
    /// It moves once, and never again.
    MovesOnce,
    /// One of its parts is silent.
    Silent,
}

/// A lever with one value: `"live"`, `"maintenance"`, or anything else.
struct Fake {
    name: LeverName,
    value: Rc<RefCell<Value>>,
    fault: Cell<Option<Fault>>,
    store: SiteStore<MemoryStore>,
    log: Rc<RefCell<Vec<String>>>,
}

fn wanted(to: Mode) -> Value {
    json!(if to == Mode::Open { "live" } else { "maintenance" })
}

impl Lever for Fake {
    fn name(&self) -> LeverName {
        self.name
    }

    fn kind(&self) -> &'static str {
        "fake"
    }

    fn observe(&self) -> Answer<'_, Observation> {
        let value = self.value.borrow().clone();
        let position = match value.as_str() {
            Some("live") => Position::Live,
            Some("maintenance") => Position::Maintenance,
            _ => Position::Foreign,
        };
        let parts = vec![Part { target: "it".to_owned(), value }];
        Box::pin(async move {
            Ok(Observation { position, detail: String::new(), parts, warnings: Vec::new() })
        })
    }

    fn steps(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        let [part] = seen.parts.as_slice() else { panic!("one part") };
        let step = Step {
            lever: self.name,
            kind: "fake".to_owned(),
            target: part.target.clone(),
            before: part.value.clone(),
            after: wanted(to),
        };
        if step.before == step.after { Vec::new() } else { vec![step] }
    }

    fn again(&self, seen: &Observation, _to: Mode) -> Vec<Step> {
        let step = |part: &Part| Step {
            lever: self.name,
            kind: "fake".to_owned(),
            target: part.target.clone(),
            before: part.value.clone(),
            after: part.value.clone(),
        };
        let of_name = seen.parts.iter().filter(|_| self.name == LeverName::Dns);
        of_name.map(step).collect()
    }

    fn refusal(&self, seen: &Observation, _to: Mode) -> Option<Refusal> {
        (seen.position == Position::Foreign).then(|| Refusal {
            rule: "foreign-record",
            message: "it is foreign".to_owned(),
            hint: String::new(),
        })
    }

    fn start<'a>(&'a self, steps: &'a [Step], operation: &'a OperationId) -> Answer<'a, Started> {
        Box::pin(async move {
            if self.fault.get() == Some(Fault::MovesOnce) {
                self.fault.set(Some(Fault::Refuses));
            } else if self.fault.get() == Some(Fault::Refuses) {
                let (message, hint) = ("no".to_owned(), String::new());
                return Err(Error::Failed { code: "no", message, hint });
            }
            for step in steps {
                assert_eq!(step.before, *self.value.borrow(), "a compare-and-swap");
                self.log
                    .borrow_mut()
                    .push(format!("{} {} -> {}", self.name, step.before, step.after));
                *self.value.borrow_mut() = step.after.clone();
            }
            Ok(Started { changes: vec![operation.to_string()], steps: steps.to_vec() })
        })
    }

    fn confirm<'a>(&'a self, _: &'a Started, _: &'a dyn Progress) -> Answer<'a, Observation> {
        Box::pin(async {
            match self.fault.take() {
                Some(Fault::NeverConfirms) => std::future::pending().await,
                Some(Fault::SwitchThrown) => throw(&self.store, Mode::Open, "ben").await,
                Some(Fault::ConfirmsToNobody) => {
                    let (message, hint) = ("expired".to_owned(), String::new());
                    return Err(Error::Credentials { message, hint });
                }
                Some(Fault::Silent) => {
                    let (message, hint) = ("i-0ab is silent".to_owned(), String::new());
                    return Err(Error::Silent { message, hint });
                }
                kept @ Some(Fault::Refuses | Fault::MovesOnce) => self.fault.set(kept),
                None => {}
            }
            self.observe().await
        })
    }

    fn settles_after(&self, _: Option<&Observation>) -> Duration {
        Duration::from_secs(61)
    }
}

/// Somebody throws the switch without waiting for anything.
async fn throw(store: &SiteStore<MemoryStore>, mode: Mode, by: &str) {
    let (current, version) = store.switch().await.unwrap().unzip();
    let ask = Ask {
        operation: OperationId::at(jiff::Timestamp::UNIX_EPOCH, 7),
        mode,
        by: by.to_owned(),
        reason: None,
        before: BTreeMap::new(),
        end: None,
        gateway: None,
        run: None,
    };
    let switch = Switch::asked(current.as_ref(), ask, jiff::Timestamp::UNIX_EPOCH);
    store.write_switch(&switch, version.as_ref()).await.unwrap();
}

struct World {
    site: Site<MemoryStore>,
    variable: Rc<RefCell<Value>>,
    name: Rc<RefCell<Value>>,
    log: Rc<RefCell<Vec<String>>>,
}

impl World {
    /// A site whose name's lever has `fault`.
    fn with(fault: Option<Fault>) -> World {
        World::of(fault, None)
    }

    /// A site whose levers have faults: the name's, the variable's.
    fn of(fault: Option<Fault>, of_variable: Option<Fault>) -> World {
        let store = SiteStore::new(MemoryStore::default());
        let log = Rc::default();
        let live = || Rc::new(RefCell::new(json!("live")));
        let (variable, name) = (live(), live());
        let lever = |lever: LeverName, value: &Rc<RefCell<Value>>, fault| {
            Box::new(Fake {
                name: lever,
                value: Rc::clone(value),
                fault: Cell::new(fault),
                store: store.clone(),
                log: Rc::clone(&log),
            })
        };
        let levers: Vec<Box<dyn Lever>> = vec![
            lever(LeverName::Dns, &name, fault),
            lever(LeverName::Variable, &variable, of_variable),
        ];
        let site = Site {
            name: "shop".to_owned(),
            store: store.clone(),
            levers,
            warnings: Vec::new(),
            checks: Vec::new(),
            quiet: Duration::from_mins(2),
            on_drift: OnDrift::Report,
            held_back: None,
        };
        World { site, variable, name, log }
    }

    fn order(to: Mode) -> Order {
        Order {
            to,
            by: "ana".to_owned(),
            reason: None,
            overrides: Vec::new(),
            timeout: Duration::from_millis(50),
            end: None,
            depth: Depth::Moved,
            run: None,
        }
    }

    async fn moved_to(&self, to: Mode) -> Result<Done, agent::Error> {
        carry_out(&self.site, look(&self.site).await.unwrap(), &World::order(to), &Silent).await
    }

    async fn switch(&self) -> Switch {
        self.site.store.switch().await.unwrap().unwrap().0
    }

    async fn events(&self) -> Vec<Event> {
        let (entries, torn): (Vec<Entry>, _) = audit::log(&self.site.store, 100).await.unwrap();
        assert!(torn.is_empty(), "{torn:?}");
        entries.iter().map(|entry| entry.event).collect()
    }

    fn stands(&self) -> (Value, Value) {
        (self.variable.borrow().clone(), self.name.borrow().clone())
    }
}

fn at(value: &str) -> (Value, Value) {
    (json!(value), json!(value))
}

#[tokio::test]
async fn the_variable_moves_before_the_name_and_the_log_tells_all_of_it() {
    let world = World::with(None);
    let done = world.moved_to(Mode::Detour).await.unwrap();
    assert!(done.changed);
    let expected = ["variable \"live\" -> \"maintenance\"", "dns \"live\" -> \"maintenance\""];
    assert_eq!(*world.log.borrow(), expected);
    assert!(matches!(world.switch().await.phase, Phase::Moved { settles_after: 61, .. }));
    let events = [Event::Asked, Event::VariableWritten, Event::Started, Event::Moved];
    assert_eq!(world.events().await, events);
    let again = world.moved_to(Mode::Detour).await.unwrap();
    assert!(!again.changed);
    assert_eq!(world.events().await.len(), events.len());
}

#[tokio::test]
async fn where_the_name_does_not_move_everything_is_put_back_and_the_switch_with_it() {
    let world = World::with(Some(Fault::Refuses));
    let error = world.moved_to(Mode::Detour).await.unwrap_err();
    assert!(matches!(error, agent::Error::Lever(Error::Failed { .. })), "{error:?}");
    assert_eq!(world.stands(), at("live"));
    let switch = world.switch().await;
    assert_eq!((switch.mode, switch.phase == Phase::Moving), (Mode::Open, false));
    assert_eq!(world.events().await.last(), Some(&Event::Failed));
}

#[tokio::test]
async fn an_operation_that_is_not_confirmed_stays_asked_for_and_the_same_command_finishes_it() {
    let world = World::with(Some(Fault::NeverConfirms));
    let error = world.moved_to(Mode::Detour).await.unwrap_err();
    assert!(matches!(error, agent::Error::GaveUp { .. }), "{error:?}");
    let left = world.switch().await;
    assert_eq!((left.mode, left.phase), (Mode::Detour, Phase::Moving));
    let done = world.moved_to(Mode::Detour).await.unwrap();
    assert_eq!(done.sight.switch.unwrap().0.operation, left.operation);
    assert_eq!(world.log.borrow().last().unwrap(), "dns \"maintenance\" -> \"maintenance\"");
    let events = world.events().await;
    let after = events.iter().skip_while(|event| **event != Event::Unfinished).copied();
    let finished = [Event::Unfinished, Event::Resumed, Event::Started, Event::Moved];
    assert_eq!(after.collect::<Vec<_>>(), finished);
}

#[tokio::test]
async fn who_throws_the_switch_meanwhile_wins_and_the_levers_follow_them() {
    let world = World::with(Some(Fault::SwitchThrown));
    let error = world.moved_to(Mode::Detour).await.unwrap_err();
    match error {
        agent::Error::Superseded { by, mode, .. } => {
            assert_eq!((by.as_str(), mode), ("ben", Mode::Open));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.stands(), at("live"));
    assert!(matches!(world.switch().await.phase, Phase::Moved { .. }));
}

#[tokio::test]
async fn a_plan_of_yesterday_moves_nothing() {
    let world = World::with(None);
    let seen = look(&world.site).await.unwrap();
    throw(&world.site.store, Mode::Open, "ben").await;
    let order = World::order(Mode::Detour);
    let error = carry_out(&world.site, seen, &order, &Silent).await.unwrap_err();
    assert!(matches!(error, agent::Error::StalePlan { .. }), "{error:?}");
    assert!(error.to_string().contains("ben"), "{error}");
    assert_eq!(world.stands(), at("live"));
}

#[tokio::test]
async fn a_foreign_value_is_refused_until_its_rule_is_set_aside() {
    let world = World::with(None);
    *world.name.borrow_mut() = json!("elsewhere");
    let error = world.moved_to(Mode::Detour).await.unwrap_err();
    assert!(matches!(error, agent::Error::Rule { rule: "foreign-record", .. }), "{error:?}");
    assert!(world.site.store.switch().await.unwrap().is_none());
    let overrides = vec!["foreign-record".to_owned()];
    let order = Order { overrides, ..World::order(Mode::Detour) };
    let seen = look(&world.site).await.unwrap();
    carry_out(&world.site, seen, &order, &Silent).await.unwrap();
    assert_eq!(world.stands(), at("maintenance"));
    assert!(world.events().await.contains(&Event::Overridden));
}

#[tokio::test]
async fn while_somebody_moves_the_site_nobody_else_does() {
    let world = World::with(None);
    let _lease = world.site.store.lease(&Holder::command("ben")).await.unwrap();
    match world.moved_to(Mode::Detour).await.unwrap_err() {
        agent::Error::Store(store::Error::Leased { holder }) => assert_eq!(holder, "ben"),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.stands(), at("live"));
}

#[tokio::test]
async fn a_mode_without_its_lever_is_refused_with_the_lever_that_would_add_it() {
    let world = World::with(None);
    for mode in [Mode::ReadOnly, Mode::Hold, Mode::Closed] {
        let error = world.moved_to(mode).await.unwrap_err();
        assert!(error.to_string().contains("gateway"), "{error}");
    }
}

#[tokio::test]
async fn a_change_that_was_made_is_never_taken_back_for_want_of_a_confirmation() {
    let world = World::with(Some(Fault::ConfirmsToNobody));
    let error = world.moved_to(Mode::Detour).await.unwrap_err();
    assert!(matches!(error, agent::Error::Unconfirmed(_)), "{error:?}");
    assert_eq!(world.stands(), at("maintenance"));
    let switch = world.switch().await;
    assert_eq!((switch.mode, switch.phase), (Mode::Detour, Phase::Moving));
    assert_eq!(world.events().await.last(), Some(&Event::Unfinished));
    world.moved_to(Mode::Detour).await.unwrap();
}

/// Its machine is dead: that is why the name is to lead away, and not why it may not.
#[tokio::test]
async fn the_name_leads_away_from_a_gateway_that_is_silent_and_that_is_told() {
    let mut world = World::with(None);
    let gateway = Fake {
        name: LeverName::Gateway,
        value: Rc::new(RefCell::new(json!("live"))),
        fault: Cell::new(Some(Fault::Silent)),
        store: world.site.store.clone(),
        log: Rc::clone(&world.log),
    };
    world.site.levers.insert(0, Box::new(gateway));
    let error = world.moved_to(Mode::Detour).await.unwrap_err();
    assert!(matches!(&error, agent::Error::Unconfirmed(Error::Silent { .. })), "{error:?}");
    assert_eq!(world.stands(), at("maintenance"));
    assert_eq!(world.switch().await.phase, Phase::Moving);
}

#[tokio::test]
async fn what_cannot_be_put_back_is_said() {
    let world = World::of(Some(Fault::Refuses), Some(Fault::MovesOnce));
    let error = world.moved_to(Mode::Detour).await.unwrap_err();
    assert!(matches!(error, agent::Error::HalfDone { .. }), "{error:?}");
    assert_eq!(world.stands(), (json!("maintenance"), json!("live")));
    assert_eq!(world.switch().await.phase, Phase::Moving);
}
