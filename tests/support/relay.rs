//! A way to a server that can be cut, and mended.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use roadworks::tasks::Tasks;

/// A way to a server.
pub(crate) struct Relay {
    pub(crate) endpoint: String,
    way: Arc<Mutex<Way>>,
    resets: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Way {
    is_cut: bool,
    open: Vec<TcpStream>,
}

impl Relay {
    /// The way to this endpoint, `http://IP:PORT`.
    pub(crate) fn to(endpoint: &str) -> Relay {
        let server = endpoint.strip_prefix("http://").unwrap().replace("localhost", "127.0.0.1");
        let server: SocketAddr = server.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let way = Arc::<Mutex<Way>>::default();
        let resets = Arc::<AtomicUsize>::default();
        let (accepting, reset) = (Arc::clone(&way), Arc::clone(&resets));
        let accept = move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut way = accepting.lock().unwrap();
                if !way.is_cut
                    && let Ok(server) = TcpStream::connect(server)
                {
                    join(&client, &server, &reset);
                    way.open.extend([client, server]);
                }
            }
        };
        Tasks::new().start_thread("relay", accept).unwrap();
        Relay { endpoint, way, resets }
    }

    /// Its port on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.endpoint.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap()
    }

    /// How many connections were reset by who came.
    pub(crate) fn resets(&self) -> usize {
        self.resets.load(Ordering::SeqCst)
    }

    /// Nothing goes through any more, in either direction.
    pub(crate) fn cut(&self) {
        self.way.lock().unwrap().is_cut = true;
        self.lets_go();
    }

    /// The connections that there are end, and others may come.
    pub(crate) fn lets_go(&self) {
        let mut way = self.way.lock().unwrap();
        for stream in way.open.drain(..) {
            // It may have ended by itself.
            stream.shutdown(Shutdown::Both).unwrap_or_default();
        }
    }

    /// New connections go through again.
    pub(crate) fn mend(&self) {
        self.way.lock().unwrap().is_cut = false;
    }
}

fn join(client: &TcpStream, server: &TcpStream, resets: &Arc<AtomicUsize>) {
    for (from, to) in [(client, server), (server, client)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let resets = Arc::clone(resets);
        let copy = move || {
            let copied = io::copy(&mut from, &mut to);
            if copied.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset) {
                resets.fetch_add(1, Ordering::SeqCst);
            }
            to.shutdown(Shutdown::Write).unwrap_or_default();
        };
        Tasks::new().start_thread("relay", copy).unwrap();
    }
}
