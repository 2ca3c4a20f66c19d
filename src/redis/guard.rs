//! The guards as they run: their sockets, and a thread for each core.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use prometheus_client::collector::Collector;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};

use super::breaker::{Order, Others, Posture};
use super::connection::Connection;
use super::cores::{Accepted, Core};
use super::error::Error;
use super::gate::Gate;
use super::journal::Journal;
use super::marker::{Known, Memory};
use super::markers::Markers;
use super::orders::{ByHand, Orders};
use super::recover::{Patient, Recover, RecoverRefused, Recovered};
use super::report::{self, GuardReport};
use super::scrape::Scrape;
use super::upstream::Stream;
use super::{keeper, markers, probe};
use crate::clock;
use crate::config::{Afterwards, RedisConfig, RedisListen};
use crate::net::bind::{Inherited, bind};
use crate::store::{AnyStore, SiteStore};
use crate::switch::Mode;
use crate::tasks::Tasks;

/// As many clients may come to one guard at a time as a Redis takes by default.
const CLIENTS: usize = 10_000;
const CROWDED: &[u8] = b"-ERR max number of clients reached\r\n";
/// Where the system has no more files it is asked again after this.
const BREATHER: Duration = Duration::from_millis(100);
/// How long the first look at the store is waited for.
const LOOKS: Duration = Duration::from_secs(1);
/// How long connections have to end.
const ENDS: Duration = Duration::from_secs(1);
/// How long whoever orders something waits for Redis to be back, or left alone.
const BACK: Duration = Duration::from_secs(3);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(5);

/// A guard that is to run.
#[derive(Debug)]
pub struct Guarded {
    /// Whose it is.
    pub site: String,
    /// What it guards.
    pub config: RedisConfig,
    /// Where its site's guards tell each other what they have yet to remove.
    pub store: SiteStore<AnyStore>,
}

/// All guards of a process.
pub struct Guards {
    /// They end with their connections, whoever may still ask.
    gates: Vec<Weak<Gate>>,
    addresses: Vec<String>,
    sockets: Vec<PathBuf>,
    patients: Vec<Patient>,
    tasks: Tasks,
    /// Locked as long as they run: what a process of this name has yet to remove, no other one of its name says.
    _only: File,
}

/// One guard and its sockets, before a thread has them.
struct Door {
    gate: Arc<Gate>,
    places: Arc<Semaphore>,
    tcp: Vec<Vec<TcpListener>>,
    unix: Vec<UnixListener>,
    /// Whether a thread looks after its Redis.
    is_watched: bool,
}

impl Guards {
    /// Listens for each of `all`, on `cores` threads, as work of `tasks`, in the process `id`, whose folder is `state`. What cannot be
    /// listened on is said before anybody is answered; and each looks at what others have yet to remove, for a second at most.
    pub async fn start(
        all: &[Guarded],
        (id, state): (&str, &Path),
        cores: usize,
        tasks: &Tasks,
    ) -> Result<Guards, Error> {
        let tasks = tasks.child();
        let (addresses, sockets, patients) = (Vec::new(), Vec::new(), Vec::new());
        let only = only(state)?;
        let mut guards =
            Guards { gates: Vec::new(), addresses, sockets, patients, tasks, _only: only };
        let mut doors = Vec::new();
        for guarded in all {
            let door = guards.door(guarded, id, cores).await?;
            guards.gates.push(Arc::downgrade(&door.gate));
            doors.push(door);
        }
        let runtime = |_| Builder::new_current_thread().enable_all().build();
        let runtimes: io::Result<Vec<_>> = (0..cores).map(runtime).collect();
        let runtimes = runtimes.map_err(Error::Start)?;
        let cores: Arc<[Core]> = runtimes.iter().map(|one| Core::of(one.handle())).collect();
        for (core, runtime) in runtimes.into_iter().enumerate() {
            for door in &mut doors {
                door.open(&runtime, &cores, &guards.tasks).map_err(Error::Start)?;
            }
            let stopping = guards.tasks.stopping();
            let work = move || runtime.block_on(stopping);
            drop(guards.tasks.start_thread(&format!("redis-{core}"), work).map_err(Error::Start)?);
        }
        Ok(guards)
    }

    /// Decides what nobody knows about the guard `name` of `site`. It may be asked on any runtime.
    pub async fn recover(
        &self,
        (site, name): (&str, &str),
        how: Recover,
    ) -> Result<Recovered, RecoverRefused> {
        let found = self.patients.iter().find(|patient| patient.is(site, name));
        match found {
            Some(patient) => patient.recover(how).await,
            None => Err(RecoverRefused::Unknown(name.to_owned())),
        }
    }

    async fn door(&mut self, guarded: &Guarded, id: &str, cores: usize) -> Result<Door, Error> {
        let config = &guarded.config;
        let wrong = |place: &RedisListen, source| Error::Listen {
            guard: config.name.clone(),
            place: place.to_string(),
            source,
        };
        let (mut tcp, mut unix) = (Vec::new(), Vec::new());
        for place in &config.listen {
            match place {
                RedisListen::Tcp(address) => {
                    let bound = bind(*address, cores, &Inherited::default());
                    let bound = bound.map_err(|error| wrong(place, error))?;
                    self.addresses.push(bound.address.to_string());
                    tcp.push(bound.sockets);
                }
                RedisListen::Unix(path) => {
                    unix.push(socket(path).map_err(|error| wrong(place, error))?);
                    self.addresses.push(place.to_string());
                    self.sockets.push(path.clone());
                }
            }
        }
        let places = Arc::new(Semaphore::new(CLIENTS));
        let (gate, markers) = self.gate(guarded, id).await?;
        let (site, name) = (guarded.site.clone(), config.name.clone());
        self.patients.push(Patient { site, name, gate: Arc::downgrade(&gate), markers });
        Ok(Door { gate, places, tcp, unix, is_watched: false })
    }

    /// What a guard's connections share; where something is left in its journal, Redis is not read before that is removed.
    async fn gate(
        &self,
        guarded: &Guarded,
        id: &str,
    ) -> Result<(Arc<Gate>, Option<Markers>), Error> {
        let Guarded { site, config, store } = guarded;
        let own = (site.clone(), config.clone());
        let Some(wanted) = &config.journal else {
            let gate = Arc::new(Gate::new(own, None));
            return Ok((gate, None));
        };
        let journal =
            match &wanted.path {
                Some(path) => Journal::open(path, wanted.most).map_err(|source| {
                    Error::Journal { guard: config.name.clone(), path: path.clone(), source }
                })?,
                None => Journal::in_memory(wanted.most),
            };
        let (keeper, asked) = keeper::queue();
        let redis = config.name.as_str();
        let gate = if journal.is_clean() {
            Gate::new(own, Some(keeper))
        } else {
            let keys = journal.len();
            if let Some(why) = journal.broken() {
                tracing::error!(
                    redis,
                    why,
                    "redis stays away until somebody runs `roadworks redis recover`"
                );
            } else {
                tracing::info!(redis, keys, "what was written before is removed first");
            }
            Gate::away(own, keeper)
        };
        let gate = Arc::new(gate);
        gate.others(Others::HaveDropped);
        let memory = if journal.is_new() { Memory::None } else { Memory::Sound };
        let known = Known::nothing(id, memory, journal.databases());
        let (markers, looked) =
            markers::start(&gate, store.clone(), known, id, &self.tasks).map_err(Error::Start)?;
        let both = (journal, markers.clone());
        keeper::start(&gate, both, asked, &self.tasks).map_err(Error::Start)?;
        // Whoever comes earlier misses.
        drop(tokio::time::timeout(LOOKS, looked).await);
        Ok((gate, Some(markers)))
    }

    /// Where they listen; port 0 has become a port.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    // ## What is so, and what is ordered

    fn gates(&self) -> impl Iterator<Item = Arc<Gate>> {
        self.gates.iter().filter_map(Weak::upgrade)
    }

    fn of_site(&self, site: &str) -> impl Iterator<Item = Arc<Gate>> {
        self.gates().filter(move |gate| gate.site == site)
    }

    /// What is so at each.
    pub fn reports(&self) -> Vec<GuardReport> {
        let now = (clock::monotonic(), clock::now());
        self.gates().map(|gate| report::of(&gate, now)).collect()
    }

    /// What is told to whoever scrapes.
    pub fn scrape(&self) -> impl Collector + 'static {
        Scrape(self.gates.clone())
    }

    /// The site has this mode from now on: the guards whose `when` has it leave Redis alone.
    pub fn follow(&self, site: &str, mode: Option<Mode>) {
        for gate in self.of_site(site).filter(|gate| !gate.only_observes()) {
            // What nobody knows changes nothing.
            let Some(mode) = mode else { continue };
            let mode = Some(mode).filter(|mode| gate.config.when.contains(mode));
            if gate.orders.borrow().mode != mode {
                gate.order(|orders| orders.mode = mode);
            }
        }
    }

    /// The sites of which a guard limits the gateway while its Redis is away, and what tells that one may be.
    pub fn limiting(&self) -> Vec<(String, watch::Receiver<Posture>)> {
        let limiting = self.gates().filter(|gate| gate.config.limit_gateway.is_some());
        limiting.map(|gate| (gate.site.clone(), gate.posture())).collect()
    }

    /// How many requests may be at the app of `site` at once: the fewest that a guard says whose Redis is away.
    pub fn limit(&self, site: &str) -> Option<usize> {
        let away = self.of_site(site).filter(|gate| gate.is_away());
        away.filter_map(|gate| gate.config.limit_gateway).min()
    }

    /// Whether Redis is still asked for a client of this site's, though its mode says that it is left alone.
    pub fn is_leaving(&self, site: &str) -> bool {
        self.of_site(site).any(|gate| {
            let is_ordered = gate.orders.borrow().mode.is_some();
            is_ordered && gate.links.load(Relaxed) > 0
        })
    }

    /// Orders something of a guard, and waits until no client's connection to Redis is left: what was asked is answered first, for
    /// as long as an answer may take. Cancel safe: what is ordered stays.
    pub async fn order(
        &self,
        (site, name): (&str, &str),
        ordered: Wanted,
        by: String,
    ) -> Result<GuardReport, NotOrdered> {
        let gate = self.of_site(site).find(|gate| gate.name() == name);
        let gate = gate.ok_or(NotOrdered::NoSuch)?;
        if gate.only_observes() {
            return Err(NotOrdered::Observes);
        }
        let now = (clock::monotonic(), clock::now());
        match ordered {
            Wanted::Close => {
                let Orders { by_hand, mode } = gate.orders.borrow().clone();
                if let (None, Some(mode)) = (by_hand, mode) {
                    return Err(NotOrdered::Mode(mode));
                }
                gate.order(|orders| orders.by_hand = None);
                if mode.is_none() {
                    until(BACK, || !gate.is_away()).await;
                }
            }
            Wanted::Open(lasts) | Wanted::Hold(lasts) => {
                let order = match ordered {
                    Wanted::Hold(_) => Order::Hold,
                    // Where nothing may be said without Redis, it is as in an outage.
                    _ if gate.config.on_outage.then != Afterwards::Open => Order::Away,
                    _ => Order::Open,
                };
                let by_hand = ByHand::lasting((order, by), lasts, now);
                gate.order(|orders| orders.by_hand = Some(by_hand));
                until(gate.config.budget * 3 + BACK, || gate.links.load(Relaxed) == 0).await;
            }
        }
        Ok(report::of(&gate, (clock::monotonic(), clock::now())))
    }

    /// Lets all clients go. Says whether that came to an end in time.
    pub async fn end(&self) -> bool {
        self.tasks.stop();
        let done = self.tasks.ended(ENDS).await;
        for path in &self.sockets {
            // Somebody may have taken it away already.
            drop(fs::remove_file(path));
        }
        done
    }
}

/// What is ordered by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// What may be said is said here for so long, and Redis is not asked.
    Open(Duration),
    /// Clients wait for so long.
    Hold(Duration),
    /// Redis is asked again, once it is found to be well.
    Close,
}

/// Why nothing is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOrdered {
    /// There is none of this name.
    #[error("this process has no such guard")]
    NoSuch,
    /// It answers nothing itself.
    #[error("it only observes: clients have what they would have without it")]
    Observes,
    /// The switch orders it.
    #[error("redis is left alone while the site's mode is {0}")]
    Mode(Mode),
}

/// Waits until something is so, and at most so long.
async fn until(at_most: Duration, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(LOOK).await;
        }
    };
    // Whether it is so by then, the report says.
    drop(tokio::time::timeout(at_most, waiting).await);
}

/// Listens at a path; a socket that nobody listens at any more is taken away, and nothing else is.
fn socket(path: &Path) -> io::Result<UnixListener> {
    let is_left = fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_socket())
        && UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if is_left {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Door {
    /// Gives the thread of this runtime its sockets; clients are served by all of `cores`.
    fn open(&mut self, runtime: &Runtime, cores: &Arc<[Core]>, tasks: &Tasks) -> io::Result<()> {
        let _entered = runtime.enter();
        if !std::mem::replace(&mut self.is_watched, true) {
            let (gate, watching) = (Arc::clone(&self.gate), tasks.clone());
            tasks.start(async move {
                tokio::select! {
                    () = probe::watch_over(Arc::clone(&gate)) => {}
                    () = probe::end_orders(gate) => {}
                    () = watching.stopping() => {}
                }
            });
        }
        let mut listeners = Vec::new();
        for socket in self.tcp.iter_mut().filter_map(Vec::pop) {
            listeners.push(Listener::Tcp(tokio::net::TcpListener::from_std(socket)?));
        }
        for socket in &self.unix {
            let socket = socket.try_clone()?;
            listeners.push(Listener::Unix(tokio::net::UnixListener::from_std(socket)?));
        }
        for listener in listeners {
            let (gate, places) = (Arc::clone(&self.gate), Arc::clone(&self.places));
            tasks.start(accept(listener, Arc::clone(cores), gate, places, tasks.clone()));
        }
        Ok(())
    }
}

/// The one process whose folder `state` is.
fn only(state: &Path) -> Result<File, Error> {
    let path = state.join("guards.lock");
    let opened = OpenOptions::new().create(true).append(true).open(&path);
    let taken = |source| Error::State { path: path.clone(), source };
    let file = opened.map_err(taken)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(taken(error)),
        Err(TryLockError::WouldBlock) => Err(taken(io::ErrorKind::WouldBlock.into())),
    }
}

enum Listener {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Listener {
    async fn next(&self) -> io::Result<Accepted> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Accepted::Tcp(stream.into_std()?))
            }
            Listener::Unix(listener) => Ok(Accepted::Unix(listener.accept().await?.0.into_std()?)),
        }
    }
}

/// Takes clients in until told to stop.
async fn accept(
    listener: Listener,
    cores: Arc<[Core]>,
    gate: Arc<Gate>,
    places: Arc<Semaphore>,
    tasks: Tasks,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = tasks.stopping() => return,
            accepted = listener.next() => accepted,
        };
        let begun = accepted.and_then(|client| {
            let Some(core) = Core::idlest(&cores) else { return Ok(()) };
            let place = Arc::clone(&places).try_acquire_owned();
            core.give(client, |stream, here| {
                let (gate, work) = (Arc::clone(&gate), tasks.clone());
                drop(tasks.start(async move {
                    let _here = here;
                    match place {
                        Ok(_place) => Connection::new(gate, stream, &work).run().await,
                        Err(_) => turn_away(stream).await,
                    }
                }));
            })
        });
        match begun {
            Ok(()) => {}
            Err(error) if is_of_client(&error) => {}
            Err(error) => {
                tracing::warn!(redis = gate.config.name, %error, "cannot accept a connection");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}

/// Tells one too many, who may hear it or not.
async fn turn_away(mut stream: Stream) {
    use tokio::io::AsyncWriteExt as _;
    drop(tokio::time::timeout(BREATHER, stream.write_all(CROWDED)).await);
}

/// A client that is gone already costs nothing.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, InvalidInput};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | InvalidInput)
}
