//! The guards as they run: their sockets, and a thread for each core.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use super::connection::Connection;
use super::error::Error;
use super::gate::Gate;
use super::journal::Journal;
use super::upstream::Stream;
use super::{keeper, probe};
use crate::config::{RedisConfig, RedisListen};
use crate::net::bind::{Inherited, bind};
use crate::tasks::Tasks;

/// As many clients may come to one guard at a time as a Redis takes by default.
const CLIENTS: usize = 10_000;
const CROWDED: &[u8] = b"-ERR max number of clients reached\r\n";
/// Where the system has no more files it is asked again after this.
const BREATHER: Duration = Duration::from_millis(100);
/// How long connections have to end.
const ENDS: Duration = Duration::from_secs(1);

/// All guards of a process.
pub struct Guards {
    addresses: Vec<String>,
    sockets: Vec<PathBuf>,
    tasks: Tasks,
}

/// One guard and its sockets, before a thread has them.
struct Door {
    gate: Arc<Gate>,
    places: Arc<Semaphore>,
    tcp: Vec<Vec<TcpListener>>,
    unix: Vec<UnixListener>,
}

impl Guards {
    /// Listens for each of `configs`, on `cores` threads, as work of `tasks`. What cannot be listened on is said before anybody is
    /// answered.
    pub fn start(configs: &[RedisConfig], cores: usize, tasks: &Tasks) -> Result<Guards, Error> {
        let tasks = tasks.child();
        let mut guards = Guards { addresses: Vec::new(), sockets: Vec::new(), tasks };
        let mut doors = Vec::new();
        for config in configs {
            doors.push(guards.door(config, cores)?);
        }
        for core in 0..cores {
            let runtime =
                Builder::new_current_thread().enable_all().build().map_err(Error::Start)?;
            for door in &mut doors {
                door.open(&runtime, core, &guards.tasks).map_err(Error::Start)?;
            }
            let stopping = guards.tasks.stopping();
            let work = move || runtime.block_on(stopping);
            drop(guards.tasks.start_thread(&format!("redis-{core}"), work).map_err(Error::Start)?);
        }
        Ok(guards)
    }

    fn door(&mut self, config: &RedisConfig, cores: usize) -> Result<Door, Error> {
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
        Ok(Door { gate: self.gate(config)?, places, tcp, unix })
    }

    /// What a guard's connections share; where something is left in its journal, Redis is not read before that is removed.
    fn gate(&self, config: &RedisConfig) -> Result<Arc<Gate>, Error> {
        let Some(wanted) = &config.journal else {
            return Ok(Arc::new(Gate::new(config.clone(), None)));
        };
        let journal = Journal::open(&wanted.path, wanted.most).map_err(|source| {
            Error::Journal { guard: config.name.clone(), path: wanted.path.clone(), source }
        })?;
        let (keeper, asked) = keeper::queue();
        let gate = if journal.is_clean() {
            Gate::new(config.clone(), Some(keeper))
        } else {
            let keys = journal.len();
            if let Some(why) = journal.broken() {
                let redis = config.name.as_str();
                tracing::error!(redis, why, "redis stays away: flush it and remove the journal");
            } else {
                tracing::info!(
                    redis = config.name,
                    keys,
                    "what was written before is removed first"
                );
            }
            Gate::away(config.clone(), keeper)
        };
        let gate = Arc::new(gate);
        keeper::start(&gate, journal, asked, &self.tasks).map_err(Error::Start)?;
        Ok(gate)
    }

    /// Where they listen; port 0 has become a port.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
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
    /// Gives the thread of this core its sockets.
    fn open(&mut self, runtime: &Runtime, core: usize, tasks: &Tasks) -> io::Result<()> {
        let _entered = runtime.enter();
        if core == 0 {
            let (gate, watching) = (Arc::clone(&self.gate), tasks.clone());
            tasks.start(async move {
                tokio::select! {
                    () = probe::watch_over(gate) => {}
                    () = watching.stopping() => {}
                }
            });
        }
        for sockets in &mut self.tcp {
            let Some(socket) = sockets.pop() else { continue };
            let listener = Listener::Tcp(tokio::net::TcpListener::from_std(socket)?);
            tasks.start(accept(
                listener,
                Arc::clone(&self.gate),
                Arc::clone(&self.places),
                tasks.clone(),
            ));
        }
        for socket in &self.unix {
            let listener = Listener::Unix(tokio::net::UnixListener::from_std(socket.try_clone()?)?);
            tasks.start(accept(
                listener,
                Arc::clone(&self.gate),
                Arc::clone(&self.places),
                tasks.clone(),
            ));
        }
        Ok(())
    }
}

enum Listener {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Listener {
    async fn next(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Listener::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

/// Takes clients in until told to stop.
async fn accept(listener: Listener, gate: Arc<Gate>, places: Arc<Semaphore>, tasks: Tasks) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.next() => accepted,
            () = tasks.stopping() => return,
        };
        match (accepted, Arc::clone(&places).try_acquire_owned()) {
            (Ok(stream), Ok(place)) => {
                let (gate, work) = (Arc::clone(&gate), tasks.clone());
                tasks.start(async move {
                    let _place = place;
                    Connection::new(gate, stream).run(&work).await;
                });
            }
            (Ok(mut stream), Err(_)) => {
                use tokio::io::AsyncWriteExt as _;
                #[expect(
                    clippy::let_underscore_must_use,
                    reason = "one too many: whether it hears so or not"
                )]
                let _ = tokio::time::timeout(BREATHER, stream.write_all(CROWDED)).await;
            }
            (Err(error), _) if is_of_client(&error) => {}
            (Err(error), _) => {
                tracing::warn!(redis = gate.config.name, %error, "cannot accept a connection");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}

/// A client that is gone already costs nothing.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, InvalidInput};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | InvalidInput)
}
