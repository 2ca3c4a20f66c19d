//! The nameserver as it runs: a thread that answers, and one that makes the changes.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use hickory_proto::rr::TSigner;
use tokio::sync::mpsc;

use super::desk::{Clerk, Desk};
use super::done::Done;
use super::error::Error;
use super::sockets::{Pair, Queued, Window, listen, open, seconds};
use super::zone::Zone;
use super::{disk, first, limits, tsig};
use crate::config::NameserverConfig;
use crate::tasks::Tasks;

/// A zone that is answered for until its tasks are told to stop.
pub struct Nameserver {
    addresses: Vec<SocketAddr>,
    tasks: Tasks,
}

impl Nameserver {
    /// Answers for the zone of `config`, whose file is in the folder `state`, as work of `tasks`. The file counts where
    /// there is one; else the zone begins with the records of the configuration.
    pub fn start(
        config: &NameserverConfig,
        state: &Path,
        tasks: &Tasks,
    ) -> Result<Nameserver, Error> {
        let tasks = tasks.child();
        let keys = config.keys.iter().map(tsig::signer).collect::<Result<Vec<TSigner>, _>>()?;
        let listen = |address: &SocketAddr| {
            listen(*address).map_err(|source| Error::Listen { address: *address, source })
        };
        let pairs = config.listen.iter().map(listen).collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<_> = pairs.iter().map(|pair| pair.address).collect();
        let name = config.zone.to_ascii();
        let path = state.join(format!("{}.json", name.trim_end_matches('.')));
        let zone = match disk::read(&path, &config.zone)? {
            Some(zone) => zone,
            None => begun(config, &addresses, &path)?,
        };
        tracing::info!(zone = %zone.origin(), serial = zone.soa().serial, path = %path.display(), "zone read");
        let desk = Arc::new(Desk::new(zone, keys));
        let mut clerk = Clerk { desk: Arc::clone(&desk), path, done: Done::default() };
        let (changes, queue) = mpsc::channel(limits::UPDATES);
        let window = Window { desk, changes, tasks: tasks.clone() };
        // Neither thread is waited for by its handle: both are work of `tasks`.
        drop(tasks.start_thread("zone", move || write(&mut clerk, queue)).map_err(Error::Start)?);
        answer(window, pairs, &tasks).map_err(Error::Start)?;
        Ok(Nameserver { addresses, tasks })
    }

    /// Where it listens, by UDP and TCP; port 0 has become a port.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Answers nobody any more; an update that has begun is made. Says whether that came to an end in time.
    pub async fn end(&self) -> bool {
        self.tasks.stop();
        self.tasks.ended(limits::ENDS).await
    }
}

/// The zone of a first start, on disk before anybody is answered. Its serial is the time: should the file be lost, the
/// zone made anew is still later than what anybody has seen.
fn begun(config: &NameserverConfig, at: &[SocketAddr], path: &Path) -> Result<Zone, Error> {
    let serial = u32::try_from(seconds()).unwrap_or(1);
    let zone = first::zone(config, at, serial)?;
    let file = |source| Error::File { path: path.to_owned(), doing: "written", source };
    disk::write(path, &zone).map_err(file)?;
    Ok(zone)
}

/// One change after another, until nobody can ask for one.
fn write(clerk: &mut Clerk, mut queue: mpsc::Receiver<Queued>) {
    while let Some((change, reply)) = queue.blocking_recv() {
        // Whoever left is not told; the change stands.
        drop(reply.send(clerk.change(&change, seconds())));
    }
}

/// Starts the thread that answers.
fn answer(window: Window, pairs: Vec<Pair>, tasks: &Tasks) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    {
        let _entered = runtime.enter();
        pairs.into_iter().try_for_each(|pair| open(&window, pair))?;
    }
    let stopping = tasks.stopping();
    drop(window);
    drop(tasks.start_thread("nameserver", move || runtime.block_on(stopping))?);
    Ok(())
}
