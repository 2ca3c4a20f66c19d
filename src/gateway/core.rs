//! One core: a thread with a runtime of its own, its listening sockets, and the lookout over its connections.
//!
//! What all cores share is read without a lock on the way of a request.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener as Socket;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime;
use tokio::sync::mpsc;

use super::access_log::AccessLog;
use super::counters::Counters;
use super::limits::Conduct;
use super::listener::{self, Listener};
use super::site::Site;
use super::upstream::Pool;
use crate::clock;
use crate::net::wire::{LOOK, Lookout, Order};
use crate::tasks::Tasks;

/// How long what is left at the end has to say so.
const LAST_WORD: Duration = Duration::from_millis(100);
/// More addresses than this are not begun at once.
const AHEAD: usize = 1024;

/// What all cores share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) conduct: ArcSwap<Conduct>,
    pub(super) counters: Counters,
    /// By name.
    pub(super) sites: ArcSwap<BTreeMap<String, Arc<Site>>>,
    pub(super) access_log: Option<AccessLog>,
    /// Whether it is on its way out.
    pub(super) closing: AtomicBool,
    /// Sockets that are listened on.
    accepting: AtomicUsize,
    lookouts: Vec<Arc<Lookout>>,
}

impl Shared {
    /// For so many cores.
    pub(super) fn new(conduct: Conduct, cores: usize, access_log: Option<AccessLog>) -> Shared {
        Shared {
            conduct: ArcSwap::from_pointee(conduct),
            counters: Counters::default(),
            sites: ArcSwap::default(),
            access_log,
            closing: AtomicBool::new(false),
            accepting: AtomicUsize::new(0),
            lookouts: (0..cores).map(|_| Arc::default()).collect(),
        }
    }

    /// The site of this name.
    pub(super) fn site(&self, name: &str) -> Option<Arc<Site>> {
        self.sites.load().get(name).cloned()
    }

    /// How many cores there are.
    pub(super) fn cores(&self) -> usize {
        self.lookouts.len()
    }

    /// Whether it gives every site's visitors what the switch says, whatever that is.
    pub(super) fn is_ready(&self) -> bool {
        let knows = |site: &Arc<Site>| site.home.door.snapshot().posture.is_some();
        !self.closing.load(Relaxed) && self.sites.load().values().all(knows)
    }

    /// Open connections.
    pub(super) fn open(&self) -> usize {
        self.lookouts.iter().map(|lookout| lookout.open()).sum()
    }

    /// Whether it listens nowhere any more and no connection is open: what waited in the queues of the system was taken in.
    pub(super) fn is_empty(&self) -> bool {
        // In this order: a socket is counted out after all that waited at it was counted in.
        self.accepting.load(Acquire) == 0 && self.open() == 0
    }

    /// Tells all connections.
    pub(super) fn tell_all(&self, order: Order) {
        self.lookouts.iter().for_each(|lookout| lookout.tell_all(order));
    }
}

/// A listening socket that is to be accepted from, counted until it is closed.
#[derive(Debug)]
pub(super) struct Entrance {
    pub(super) socket: Socket,
    shared: Arc<Shared>,
}

impl Entrance {
    fn new(socket: Socket, shared: &Arc<Shared>) -> Entrance {
        shared.accepting.fetch_add(1, Relaxed);
        Entrance { socket, shared: Arc::clone(shared) }
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.shared.accepting.fetch_sub(1, Release);
    }
}

/// One core, for what runs on it.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) index: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) lookout: Arc<Lookout>,
    /// Connections to upstreams that wait for their next request.
    pub(super) pool: Arc<Pool>,
    pub(super) tasks: Tasks,
}

/// One core, for whoever gives it addresses.
#[derive(Debug)]
pub(super) struct Begun {
    shared: Arc<Shared>,
    starts: mpsc::Sender<(Arc<Listener>, Entrance)>,
}

impl Begun {
    /// Has it accept connections there.
    pub(super) fn listen(&self, listener: &Arc<Listener>, socket: Socket) -> io::Result<()> {
        let entrance = Entrance::new(socket, &self.shared);
        let start = self.starts.try_send((Arc::clone(listener), entrance));
        start.map_err(|_| io::Error::other("the core takes no more addresses"))
    }
}

/// Starts a thread for each core of `shared`. They end when `tasks` is told to stop and their connections have ended.
pub(super) fn begin(shared: &Arc<Shared>, tasks: &Tasks) -> io::Result<Vec<Begun>> {
    let begin = |(index, lookout): (usize, &Arc<Lookout>)| {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (starts, begun) = mpsc::channel(AHEAD);
        let on_core = tasks.child();
        let (of, shared, lookout) = (Arc::clone(shared), Arc::clone(shared), Arc::clone(lookout));
        tasks.start_thread(&format!("core-{index}"), move || {
            runtime.block_on(async {
                let pool = Pool::start(&on_core);
                let core = Arc::new(Core { index, shared, lookout, pool, tasks: on_core });
                run(&core, begun).await;
            });
        })?;
        Ok(Begun { shared: of, starts })
    };
    shared.lookouts.iter().enumerate().map(begin).collect()
}

/// Begins what it is told to, and looks at its connections, until it is told to stop.
async fn run(core: &Arc<Core>, mut begun: mpsc::Receiver<(Arc<Listener>, Entrance)>) {
    let mut next = clock::monotonic();
    let mut stopping = pin!(core.tasks.stopping());
    loop {
        tokio::select! {
            Some((listener, entrance)) = begun.recv() => {
                core.tasks.start(listener::accept(Arc::clone(core), listener, entrance));
            }
            due = core.lookout.due(next) => {
                core.lookout.look(&core.shared.conduct.load().patience);
                // A core that was busy looks once, not often.
                next = clock::monotonic().max(due + LOOK);
            }
            () = stopping.as_mut() => break,
        }
    }
    // Whoever stops it has seen to it that its connections ended; what is left is dropped with the runtime. What was
    // upgraded says its last word.
    tokio::join!(core.tasks.ended(LAST_WORD), core.pool.tasks().ended(LAST_WORD));
}
