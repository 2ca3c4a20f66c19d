//! One machine of a fleet dies, at each of its awaits in turn, while the switch is thrown, its end comes, and it is thrown again.

use std::time::Duration;

use roadworks::agent::Depth;
use roadworks::switch::{Mode, OnEnd};

use super::nodes::{Ending, Machine, Wish};
use super::{Course, STEP, Size, staged};

const SIZE: Size = Size { gateways: 2, agents: 2, operators: 1, steps: 0 };
/// How soon who died is started again.
const BACK: u32 = 3;
/// When the end of the first move comes, in seconds.
const END: u64 = 8;
/// More awaits than any machine has in a scene: the test would never end.
const MOST: u64 = 5000;

/// Who dies.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// Whoever throws the switch.
    Operator,
    Agent,
    Gateway,
}

impl Course {
    fn victim(&mut self, victim: Victim) -> &mut Machine {
        match victim {
            Victim::Operator => &mut self.operators[0],
            Victim::Agent => &mut self.machines[SIZE.gateways],
            Victim::Gateway => &mut self.machines[0],
        }
    }

    /// Plays the scene: whether `victim` had no await with this number.
    async fn with_death(&mut self, victim: Victim, nth: u64) -> Result<bool, String> {
        let ground = self.ground.clone();
        ground.world.inner().storm = None;
        self.victim(victim).dies_at(nth);
        // The first agent is the one that leads.
        self.victim(victim).start(&ground);
        self.passes(1).await;
        self.passes(3).await;
        let moves = |to, end| Wish::Move { to, end, overrides: false, depth: Depth::Moved };
        let ends = Some(Ending::After(END, Some(OnEnd::Reopen)));
        let wishes =
            [moves(Mode::Closed, ends), moves(Mode::Detour, None), moves(Mode::Open, None)];
        for wish in wishes {
            self.operators[0].command(&ground, wish);
            self.passes(u32::try_from(END).unwrap() + BACK).await;
            ground.world.found()?;
        }
        self.passes(BACK).await;
        // Nobody starts it again who dies from now on.
        let survives = self.victim(victim).survives();
        self.converges().await?;
        Ok(survives)
    }

    /// So many seconds pass; who died is started again.
    async fn passes(&mut self, seconds: u32) {
        let ground = self.ground.clone();
        for _ in 0..seconds {
            tokio::time::sleep(STEP).await;
            for machine in self.machines.iter_mut().filter(|machine| !machine.runs()) {
                tokio::time::sleep(Duration::from_millis(ground.chance(2000))).await;
                machine.start(&ground);
            }
        }
    }
}

impl Course {
    /// A window begins, its agent dies, and somebody opens the site before it is back: whether it had no await with this number.
    async fn with_a_window(&mut self, nth: u64) -> Result<bool, String> {
        let ground = self.ground.clone();
        ground.world.inner().storm = None;
        let moves = |to, overrides| Wish::Move { to, end: None, overrides, depth: Depth::Moved };
        self.passes(5).await;
        let (id, mode) = ("w1".to_owned(), Mode::Closed);
        // By every clock, however wrong, its time has come.
        self.operators[0].command(&ground, Wish::Plan { id, mode, ahead: -700, lasts: 3600 });
        self.victim(Victim::Agent).dies_at(nth);
        // It looks for new windows every few seconds, and waits until gateways have drained.
        tokio::time::sleep(STEP * 25).await;
        let survives = self.victim(Victim::Agent).survives();
        self.operators[0].command(&ground, moves(Mode::Open, true));
        tokio::time::sleep(STEP * 25).await;
        self.passes(60).await;
        ground.world.found()?;
        let opened = ground.world.asked();
        match (survives, opened) {
            (true, Some(Mode::Open)) | (false, _) => Ok(survives),
            (true, other) => Err(format!("nobody died, and it is {other:?}")),
        }
    }
}

/// The awaits at which `victim` died.
fn all_deaths_of(victim: Victim) -> u64 {
    for nth in 0..MOST {
        let (ended, history) =
            staged(nth, Some(SIZE), None, async |course, _| course.with_death(victim, nth).await);
        match ended {
            Ok(true) => return nth,
            Ok(false) => {}
            Err(found) => panic!("{victim:?} dies at its await {nth}: {found}\n{history}"),
        }
    }
    panic!("{victim:?} is never done");
}

#[test]
fn whoever_throws_the_switch_may_die_at_any_await() {
    let deaths = all_deaths_of(Victim::Operator);
    assert!(deaths > 100, "{deaths}");
}

#[test]
fn whoever_leads_may_die_at_any_await() {
    let deaths = all_deaths_of(Victim::Agent);
    assert!(deaths > 100, "{deaths}");
}

#[test]
fn whoever_begins_a_window_may_die_at_any_await_and_it_begins_once() {
    let size = Size { agents: 1, ..SIZE };
    let deaths = (0..MOST).find(|&nth| {
        let scene =
            staged(nth, Some(size), None, async |course, _| course.with_a_window(nth).await);
        match scene {
            (Ok(done), _) => done,
            (Err(found), history) => {
                panic!("the agent dies at its await {nth}: {found}\n{history}")
            }
        }
    });
    assert!(deaths > Some(100), "{deaths:?}");
}

#[test]
fn a_gateway_may_die_at_any_await() {
    let deaths = all_deaths_of(Victim::Gateway);
    assert!(deaths > 100, "{deaths}");
}
