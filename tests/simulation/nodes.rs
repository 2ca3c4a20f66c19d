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
    extend, forget, look,
};
use roadworks::clock;
use roadworks::lever::Silent;
use roadworks::store::{Holder, SiteStore};
use roadworks::switch::{End, Mode, OnEnd};
use roadworks::tasks::Tasks;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet};

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

    fn store(&self, node: Node) -> SiteStore<SimulatedStore> {
        SiteStore::new(SimulatedStore::of(&self.world, node))
    }

    fn levers(&self, node: Node) -> Levers {
        Levers { world: Arc::clone(&self.world), store: self.store(node) }
    }

    /// Runs `work` on a machine whose clock is wrong by `skew`, until it ends or its death comes.
    fn start(
        &self,
        skew: SignedDuration,
        death: Death,
        work: impl Future<Output = ()> + 'static,
    ) -> JoinHandle<()> {
        let work = Mortal { work: Some(Box::pin(work)), death };
        self.local.spawn_local(clock::at_node(self.world.wall(skew), work))
    }
}

/// At which await a process dies by itself.
#[derive(Debug, Clone, Default)]
struct Death(Rc<Cell<Option<u64>>>);

/// Work that is dropped at one of its awaits.
struct Mortal<F> {
    work: Option<Pin<Box<F>>>,
    death: Death,
}

impl<F: Future<Output = ()>> Future for Mortal<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(work) = &mut self.work else { return Poll::Ready(()) };
        if work.as_mut().poll(context).is_ready() {
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
    skew: SignedDuration,
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
        let skew = SignedDuration::from_secs(skew);
        Machine { node, role, skew, death: Death::default(), running: None }
    }

    /// From now on it dies at its await number `nth`.
    pub(super) fn dies_at(&self, nth: u64) {
        self.death.0.set(Some(nth));
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
            Role::Gateway => {
                ground.start(self.skew, death, gateway(ground.clone(), self.node, tasks.clone()))
            }
            Role::Agent => {
                ground.start(self.skew, death, agent(ground.clone(), self.node, tasks.clone()))
            }
            Role::Operator => return,
        };
        ground.world.note(|| format!("{} starts, {:?} s wrong", self.id(), self.skew.as_secs()));
        self.running = Some((task, tasks));
    }

    /// Has an operator do something.
    pub(super) fn command(&mut self, ground: &Ground, wish: Wish) {
        let by = self.id();
        ground.world.note(|| format!("{by} {wish:?}"));
        let work = command(ground.clone(), self.node, by, wish);
        let task = ground.start(self.skew, self.death.clone(), work);
        self.running = Some((task, Tasks::new()));
    }

    pub(super) fn crash(&mut self, ground: &Ground) {
        if let Some((task, _)) = self.running.take() {
            ground.world.note(|| format!("{} crashes", self.id()));
            task.abort();
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

/// What an operator wants.
#[derive(Debug, Clone)]
pub(super) enum Wish {
    /// Asks for the one, and changes their mind.
    Both {
        first: Mode,
        then: Mode,
    },
    Move {
        to: Mode,
        end: Option<(u64, Option<OnEnd>)>,
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
        let any = Mode::LADDER[usize::try_from(ground.chance(5)).unwrap()];
        let to = if ground.one_in(3) { ground.world.before().unwrap_or(any) } else { any };
        let then = [None, Some(OnEnd::Reopen), Some(OnEnd::Stay)];
        let then = then[usize::try_from(ground.chance(3)).unwrap()];
        let end = (to != Mode::Open && ground.one_in(4)).then(|| (1 + ground.chance(20), then));
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
                end: end.map(|(seconds, then)| End::At { until: until(seconds), then }),
                depth,
                run: None,
            };
            let site = ground.levers(node).site();
            let sight = look(&site).await?;
            let done = carry_out(&site, sight, &order, &Silent).await?;
            Ok(format!("{to} after {:?} (changed: {})", done.took, done.changed))
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
