//! The sockets: messages in, answers out, within the limits.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::desk::{Change, Desk, Taken, Way};
use super::limits;
use crate::clock;
use crate::net::bind::{Inherited, bind};
use crate::tasks::Tasks;

/// As long as a message can be.
const LONGEST: usize = 65_535;
/// So often another port is tried where the one that UDP got is taken for TCP.
const TRIES: usize = 16;

/// One address, for UDP and TCP.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) address: SocketAddr,
    udp: UdpSocket,
    tcp: TcpListener,
}

/// Listens at `address`; port 0 becomes one that both have.
pub(super) fn listen(address: SocketAddr) -> io::Result<Pair> {
    let mut tries = 0;
    loop {
        tries += 1;
        match pair(address) {
            Err(error)
                if address.port() == 0
                    && error.kind() == io::ErrorKind::AddrInUse
                    && tries < TRIES => {}
            done => return done,
        }
    }
}

fn pair(address: SocketAddr) -> io::Result<Pair> {
    let udp = UdpSocket::bind(address)?;
    udp.set_nonblocking(true)?;
    let address = udp.local_addr()?;
    let bound = bind(address, 1, &Inherited::default())?;
    let tcp = bound.sockets.into_iter().next().ok_or(io::ErrorKind::NotFound)?;
    Ok(Pair { address, udp, tcp })
}

/// An update, and who waits for its answer.
pub(super) type Queued = (Box<Change>, oneshot::Sender<Vec<u8>>);

/// Whoever answers.
#[derive(Clone)]
pub(super) struct Window {
    pub(super) desk: Arc<Desk>,
    pub(super) changes: mpsc::Sender<Queued>,
    pub(super) tasks: Tasks,
}

/// Answers at `pair` until told to stop.
pub(super) fn open(window: &Window, pair: Pair) -> io::Result<()> {
    let udp = Arc::new(tokio::net::UdpSocket::from_std(pair.udp)?);
    let tcp = tokio::net::TcpListener::from_std(pair.tcp)?;
    let tasks = &window.tasks;
    let (datagrams, connections) = (window.clone(), window.clone());
    tasks.start(async move {
        tokio::select! {
            () = datagrams.datagrams(udp) => {}
            () = datagrams.tasks.stopping() => {}
        }
    });
    tasks.start(async move {
        tokio::select! {
            () = connections.connections(tcp) => {}
            () = connections.tasks.stopping() => {}
        }
    });
    Ok(())
}

impl Window {
    async fn datagrams(&self, socket: Arc<tokio::net::UdpSocket>) {
        let mut buffer = vec![0; LONGEST];
        loop {
            let (length, peer) = match socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                // Somebody before was not there for the answer.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => {
                    tracing::warn!(%error, "cannot take a datagram");
                    tokio::time::sleep(limits::BREATHER).await;
                    continue;
                }
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            match self.desk.take(bytes, Way::Udp, seconds()) {
                Taken::Nothing => {}
                Taken::Answer(bytes) => tell(&socket, peer, &bytes).await,
                Taken::Change(change) => {
                    let (window, socket) = (self.clone(), Arc::clone(&socket));
                    // As many as the queue has places: who finds none is answered at once.
                    self.tasks.start(async move {
                        let bytes = window.changed(change).await;
                        tell(&socket, peer, &bytes).await;
                    });
                }
            }
        }
    }

    async fn connections(&self, listener: tokio::net::TcpListener) {
        let places = Arc::new(Semaphore::new(limits::CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let window = self.clone();
                    self.tasks.start(async move {
                        let _place = place;
                        tokio::select! {
                            () = window.connection(stream) => {}
                            () = window.tasks.stopping() => {}
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(limits::BREATHER).await;
                }
            }
        }
    }

    /// Answers one message after another, until there is none for a while.
    async fn connection(&self, mut stream: TcpStream) {
        while let Ok(Ok(bytes)) = timeout(limits::IDLE, message(&mut stream)).await {
            let answer = match self.desk.take(&bytes, Way::Tcp, seconds()) {
                Taken::Nothing => return,
                Taken::Answer(bytes) => bytes,
                Taken::Change(change) => self.changed(change).await,
            };
            let Ok(length) = u16::try_from(answer.len()) else { return };
            if length == 0 {
                return;
            }
            let mut whole = length.to_be_bytes().to_vec();
            whole.extend(answer);
            match timeout(limits::IDLE, stream.write_all(&whole)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }

    /// The answer to `change`, once it was its turn.
    async fn changed(&self, change: Box<Change>) -> Vec<u8> {
        let (reply, answer) = oneshot::channel();
        match self.changes.try_send((change, reply)) {
            Ok(()) => answer.await.unwrap_or_default(),
            Err(refused) => refused.into_inner().0.crowded(seconds()),
        }
    }
}

/// One message of a connection, behind its length (RFC 1035 section 4.2.2).
async fn message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn tell(socket: &tokio::net::UdpSocket, peer: SocketAddr, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    if let Err(error) = socket.send_to(bytes, peer).await {
        tracing::debug!(%peer, %error, "an answer was not sent");
    }
}

/// Seconds since 1970.
pub(super) fn seconds() -> u64 {
    u64::try_from(clock::now().as_second()).unwrap_or(0)
}
