//! The threads on which clients are served: each client goes to the one that has the fewest. The system's own choice among the sockets
//! of an address is a sum of its ports, and leaves one of two threads a third more of fifty clients.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Handle;

use super::gate::Counted;
use super::upstream::{Plain, Stream};

/// One thread.
#[derive(Debug)]
pub(super) struct Core {
    runtime: Handle,
    clients: Arc<AtomicUsize>,
}

/// A client's connection, wherever it was accepted.
pub(super) enum Accepted {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Core {
    pub(super) fn of(runtime: &Handle) -> Core {
        Core { runtime: runtime.clone(), clients: Arc::default() }
    }

    /// The one with the fewest clients.
    pub(super) fn idlest(cores: &[Core]) -> Option<&Core> {
        cores.iter().min_by_key(|core| core.clients.load(Relaxed))
    }

    /// Has `serve` start its work on this thread; the client counts as long as the `Counted` lives.
    pub(super) fn give(
        &self,
        client: Accepted,
        serve: impl FnOnce(Stream, Counted),
    ) -> io::Result<()> {
        let _entered = self.runtime.enter();
        let stream = match client {
            Accepted::Tcp(stream) => Plain::Left(TcpStream::from_std(stream)?),
            Accepted::Unix(stream) => Plain::Right(UnixStream::from_std(stream)?),
        };
        serve(Stream::Left(stream), Counted::one(&self.clients));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream as Pair;

    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn each_client_goes_to_the_thread_with_the_fewest() {
        let runtimes =
            [(); 3].map(|()| Builder::new_current_thread().enable_all().build().unwrap());
        let cores = runtimes.each_ref().map(|runtime| Core::of(runtime.handle()));
        let counts = || cores.each_ref().map(|core| core.clients.load(Relaxed));
        let mut here = Vec::new();
        for _ in 0..9 {
            let (client, _other) = Pair::pair().unwrap();
            client.set_nonblocking(true).unwrap();
            let core = Core::idlest(&cores).unwrap();
            core.give(Accepted::Unix(client), |_, counted| here.push(counted)).unwrap();
        }
        assert_eq!(counts(), [3, 3, 3]);
        here.truncate(4);
        assert_eq!(counts().iter().sum::<usize>(), 4);
        let before = counts();
        let (client, _other) = Pair::pair().unwrap();
        client.set_nonblocking(true).unwrap();
        let core = Core::idlest(&cores).unwrap();
        core.give(Accepted::Unix(client), |_, counted| here.push(counted)).unwrap();
        let fewest = before.iter().position(|count| count == before.iter().min().unwrap()).unwrap();
        assert_eq!(counts()[fewest], before[fewest] + 1);
    }
}
