//! The machines: gateways, agents and whoever throws the switch, each with a network and a clock of its own. A crash is a
//! future that is dropped, wherever it is.

use std::cell::Cell;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use jiff::SignedDuration;
use roadworks::agent::{
    Depth, Error, Extension, Follow, Keeper, Kept, Order, Teller, Watched, alive, carry_out,
    extend, forget, look, plan_window,
};
use roadworks::clock;
use roadworks::lever::Silent;
use roadworks::store::{Holder, SiteStore};
use roadworks::switch::window::Starts;
use roadworks::switch::{End, Mode, OnEnd, Window};
use roadworks::tasks::Tasks;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::{Instant, Sleep};

use super::levers::{Levers, SITE, Shown};
use super::store::SimulatedStore;
use super::world::{Node, World};

/// Where everything runs.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) world: Arc<World>,
    pub(super) local: Rc<LocalSet>,
    /// A folder with one for each machine.
    pub(super) state: PathBuf,
}

impl Ground {
    /// A number below `below`.
    pub(super) fn chance(&self, below: u64) -> u64 {
        self.world.inner().chance.u64(..below)
    }

    pub(super) fn one_in(&self, of: u64) -> bool {
        self.chance(of) == 0
    }

    pub(super) fn store(&self, node: Node) -> SiteStore<SimulatedStore> {
        SiteStore::new(SimulatedStore::of(&self.world, node))
    }

    fn levers(&self, node: Node) -> Levers {
        Levers { world: Arc::clone(&self.world), node, store: self.store(node) }
    }

    /// Runs `work` on a machine in this `state`, until it ends or its death comes.
    fn start(
        &self,
        (state, death): (&State, Death),
        work: impl Future<Output = ()> + 'static,
    ) -> JoinHandle<()> {
        let (world, state) = (Arc::clone(&self.world), state.clone());
        let work = Mortal { work: Some(Box::pin(work)), death, world, state, wakes: None };
        self.local.spawn_local(work)
    }
}

/// At which await a process dies by itself.
#[derive(Debug, Clone, Default)]
struct Death(Rc<Cell<Option<u64>>>);

/// What a machine's clock shows, and whether it stands still.
#[derive(Debug, Clone, Default)]
struct State {
    /// By how much it is wrong now.
    skew: Rc<Cell<SignedDuration>>,
    /// Until when it is suspended: nothing of it goes on, and its clock does.
    asleep: Rc<Cell<Option<Instant>>>,
}

/// Work that is dropped at one of its awaits.
struct Mortal<F> {
    work: Option<Pin<Box<F>>>,
    death: Death,
    world: Arc<World>,
    state: State,
    wakes: Option<Pin<Box<Sleep>>>,
}

impl<F: Future<Output = ()>> Future for Mortal<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(until) = self.state.asleep.get().filter(|until| clock::monotonic() < *until) {
            let wakes = self.wakes.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
            wakes.as_mut().reset(until);
            if wakes.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        let wall = self.world.wall(self.state.skew.get());
        let Some(work) = &mut self.work else { return Poll::Ready(()) };
        let polled = {
            let once = std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context)));
            std::pin::pin!(clock::at_node(wall, once)).poll(context)
        };
        if polled.map(|polled| polled.is_ready()) == Poll::Ready(true) {
            return Poll::Ready(());
        }
        let death = self.death.0.get();
        self.death.0.set(death.and_then(|left| left.checked_sub(1)));
        if death == Some(0) {
            self.work = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// A machine whose process is started, killed and stopped.
pub(super) struct Machine {
    pub(super) node: Node,
    role: Role,
    state: State,
    death: Death,
    running: Option<(JoinHandle<()>, Tasks)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Gateway,
    Agent,
    Operator,
}

impl Machine {
    pub(super) fn new(ground: &Ground, node: Node, role: Role) -> Machine {
        let most = ground.world.inner().skew;
        let seconds = ground.chance(most * 2 + 1).cast_signed() - most.cast_signed();
        let skew = if ground.one_in(2) { 0 } else { seconds };
        let state = State::default();
        state.skew.set(SignedDuration::from_secs(skew));
        Machine { node, role, state, death: Death::default(), running: None }
    }

    /// From now on it dies at its await number `nth`.
    pub(super) fn dies_at(&self, nth: u64) {
        self.death.0.set(Some(nth));
    }

    /// Its clock is put ahead or back by so many seconds, while it runs.
    pub(super) fn jumps(&self, ground: &Ground, seconds: i64) {
        ground.world.note(|| format!("the clock of {} jumps by {seconds} s", self.id()));
        self.state.skew.set(self.state.skew.get() + SignedDuration::from_secs(seconds));
    }

    /// It is suspended for so long, as a laptop whose lid is closed.
    pub(super) fn sleeps(&self, ground: &Ground, lasts: Duration) {
        ground.world.note(|| format!("{} is suspended for {} s", self.id(), lasts.as_secs()));
        let until = clock::monotonic() + lasts;
        self.state.asleep.set(Some(until));
        ground.world.inner().asleep.insert(self.node, until);
    }

    /// Whether it has not died yet at the await at which it was to, and never will.
    pub(super) fn survives(&self) -> bool {
        self.death.0.take().is_some()
    }

    pub(super) fn id(&self) -> String {
        format!("n{}", self.node)
    }

    pub(super) fn runs(&self) -> bool {
        self.running.as_ref().is_some_and(|(task, _)| !task.is_finished())
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.running.as_ref().is_some_and(|(_, tasks)| tasks.is_stopping())
    }

    pub(super) fn start(&mut self, ground: &Ground) {
        let (tasks, death) = (Tasks::new(), self.death.clone());
        let task = match self.role {
            Role::Gateway => ground
                .start((&self.state, death), gateway(ground.clone(), self.node, tasks.clone())),
            Role::Agent => {
                ground.start((&self.state, death), agent(ground.clone(), self.node, tasks.clone()))
            }
            Role::Operator => return,
        };
        ground.world.note(|| {
            format!("{} starts, {:?} s wrong", self.id(), self.state.skew.get().as_secs())
        });
        self.running = Some((task, tasks));
    }

    /// Has an operator do something.
    pub(super) fn command(&mut self, ground: &Ground, wish: Wish) {
        let by = self.id();
        ground.world.note(|| format!("{by} {wish:?}"));
        let work = command(ground.clone(), self.node, by, wish);
        let task = ground.start((&self.state, self.death.clone()), work);
        self.running = Some((task, Tasks::new()));
    }

    pub(super) fn crash(&mut self, ground: &Ground) {
        if let Some((task, _)) = self.running.take() {
            ground.world.note(|| format!("{} crashes", self.id()));
            task.abort();
            self.state.asleep.set(None);
        }
    }

    /// Tells it to stop, and it takes the time that it takes.
    pub(super) fn stop(&mut self) {
        if let Some((_, tasks)) = &self.running {
            tasks.stop();
        }
    }
}

/// A whole gateway process, but for the sockets.
async fn gateway(ground: Ground, node: Node, tasks: Tasks) {
    let id = format!("n{node}");
    let kept = Kept::of(&folder(&ground.state, node), SITE);
    let follow = Follow::begin(SITE, ground.store(node), kept).await;
    let front = Shown::new(&id, &ground.world, follow.posture());
    let teller = Teller { id, started: clock::now() };
    let (_requests, receiver) = mpsc::channel(1);
    follow.run(&front, &teller, receiver, &tasks).await;
}

/// An agent process.
async fn agent(ground: Ground, node: Node, tasks: Tasks) {
    let id = format!("n{node}");
    let keeper = Keeper {
        site: SITE.to_owned(),
        store: ground.store(node),
        opener: ground.levers(node),
        holder: Holder::agent(id.clone(), id),
        watched: Watched::default(),
    };
    Box::pin(keeper.run(&tasks)).await;
}

fn folder(state: &Path, node: Node) -> PathBuf {
    state.join(node.to_string())
}

/// An end, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    After(u64, Option<OnEnd>),
    Healthy(u32),
}

/// What an operator wants.
#[derive(Debug, Clone)]
pub(super) enum Wish {
    /// Asks for the one, and changes their mind.
    Both {
        first: Mode,
        then: Mode,
    },
    /// Plans a window that starts in so many seconds.
    Plan {
        id: String,
        mode: Mode,
        ahead: i64,
        lasts: u32,
    },
    Move {
        to: Mode,
        end: Option<Ending>,
        overrides: bool,
        depth: Depth,
    },
    Extend {
        seconds: u64,
    },
    Forget {
        id: String,
    },
}

impl Wish {
    pub(super) fn any(ground: &Ground) -> Wish {
        if ground.one_in(6) {
            return Wish::Extend { seconds: 1 + ground.chance(60) };
        }
        if ground.one_in(8) {
            let mode = Mode::LADDER[1 + usize::try_from(ground.chance(4)).unwrap()];
            let (ahead, lasts) = (ground.chance(30).cast_signed() - 5, ground.chance(60) + 5);
            let id = format!("w{}", ground.chance(1_000_000));
            return Wish::Plan { id, mode, ahead, lasts: u32::try_from(lasts).unwrap() };
        }
        let any = Mode::LADDER[usize::try_from(ground.chance(5)).unwrap()];
        let to = if ground.one_in(3) { ground.world.before().unwrap_or(any) } else { any };
        let then = [None, Some(OnEnd::Reopen), Some(OnEnd::Stay)];
        let then = then[usize::try_from(ground.chance(3)).unwrap()];
        let end = (to != Mode::Open && ground.one_in(3)).then(|| match ground.chance(3) {
            0 => Ending::Healthy(1 + u32::try_from(ground.chance(3)).unwrap()),
            _ => Ending::After(1 + ground.chance(20), then),
        });
        if ground.one_in(8) {
            let then = ground.world.asked().unwrap_or(Mode::Open);
            return Wish::Both { first: any, then };
        }
        let depth = if ground.one_in(6) { Depth::Asked } else { Depth::Moved };
        Wish::Move { to, end, overrides: ground.one_in(4), depth }
    }
}

async fn command(ground: Ground, node: Node, by: String, wish: Wish) {
    let done = carried_out(&ground, node, &by, wish).await;
    ground.world.note(|| format!("{by} is told: {done:?}"));
}

async fn carried_out(ground: &Ground, node: Node, by: &str, wish: Wish) -> Result<String, Error> {
    let store = ground.store(node);
    let moves = |to, depth| Wish::Move { to, end: None, overrides: false, depth };
    match wish {
        Wish::Both { first, then } => {
            Box::pin(carried_out(ground, node, by, moves(first, Depth::Asked))).await?;
            Box::pin(carried_out(ground, node, by, moves(then, Depth::Moved))).await
        }
        Wish::Move { to, end, overrides, depth } => {
            let promised = alive(&store).await?.is_some();
            if (end.is_some() || depth == Depth::Asked) && !promised {
                return Ok("nobody keeps the end".to_owned());
            }
            if overrides {
                ground.world.overrides(node);
            }
            let until =
                |seconds| clock::now() + SignedDuration::from_secs(i64::try_from(seconds).unwrap());
            let order = Order {
                to,
                by: by.to_owned(),
                reason: None,
                overrides: overrides.then(|| "silent-gateway".to_owned()).into_iter().collect(),
                timeout: Duration::from_secs(30),
                end: end.map(|end| match end {
                    Ending::After(seconds, then) => End::At { until: until(seconds), then },
                    Ending::Healthy(passes) => End::Healthy { passes, latest: None },
                }),
                depth,
                run: None,
            };
            let site = ground.levers(node).site();
            let sight = look(&site).await?;
            let done = carry_out(&site, sight, &order, &Silent).await?;
            Ok(format!("{to} after {:?} (changed: {})", done.took, done.changed))
        }
        Wish::Plan { id, mode, ahead, lasts } => {
            plan_window(&store, &window((id.clone(), by), mode, ahead, lasts)).await?;
            Ok(format!("{id} is planned"))
        }
        Wish::Extend { seconds } => {
            let Some((switch, version)) = store.switch().await? else {
                return Ok("nobody threw it".to_owned());
            };
            // Somebody thinks it over.
            tokio::time::sleep(Duration::from_millis(ground.chance(3000))).await;
            let until = clock::now() + SignedDuration::from_secs(i64::try_from(seconds).unwrap());
            let end = Extension::End(End::At { until, then: None });
            extend(&store, (&switch, &version), end).await?;
            Ok("extended".to_owned())
        }
        Wish::Forget { id } => {
            forget(&store, SITE, &id, (by, None)).await?;
            Ok(format!("{id} is forgotten"))
        }
    }
}

/// A window that `by` plans, whose start is so many seconds from now by their clock.
pub(super) fn window((id, by): (String, &str), mode: Mode, ahead: i64, lasts: u32) -> Window {
    let now = clock::now();
    Window {
        format: 1,
        id,
        mode,
        starts: Starts::Once { at: now + SignedDuration::from_secs(ahead) },
        zone: "UTC".to_owned(),
        lasts,
        on_end: None,
        reason: None,
        by: by.to_owned(),
        // Whoever leads may have a clock that is behind.
        from: now - SignedDuration::from_hours(1),
        last: None,
        begins: None,
        ahead: None,
        announced: None,
        remind: None,
        reminded: None,
    }
}
