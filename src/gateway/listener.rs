//! One address: who is accepted there, and which sites it has. Each core has a socket of its own.
//!
//! When it closes, what waits in its queue is still accepted: a connection that the system took is answered.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::connection;
use super::core::{Core, Entrance};
use super::routes::Routes;
use super::site::Site;
use crate::net::tls::Certificates;

/// Where the system has no more files it is asked again after this.
const BREATHER: Duration = Duration::from_millis(100);

const CROWDED: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\ncache-control: no-store\r\nconnection: close\r\n\r\n";

/// One address, for all cores.
#[derive(Debug)]
pub(super) struct Listener {
    /// As configured; the port may be 0.
    pub(super) wanted: SocketAddr,
    /// Where it really is.
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Tls>,
    pub(super) routes: ArcSwap<Routes<Site>>,
    pub(super) closing: CancellationToken,
}

/// How an address speaks TLS.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) server: Arc<ServerConfig>,
    pub(super) certificates: Arc<Certificates>,
}

/// Accepts connections until the listener closes.
pub(super) async fn accept(core: Arc<Core>, listener: Arc<Listener>, entrance: Entrance) {
    let socket = match entrance.socket.try_clone().and_then(TcpListener::from_std) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(address = %listener.address, %error, "cannot listen");
            return;
        }
    };
    let mut closing = pin!(listener.closing.cancelled());
    loop {
        tokio::select! {
            biased;
            accepted = socket.accept() => match accepted {
                Ok((tcp, peer)) => take_in(&core, &listener, tcp, peer),
                Err(error) => breathe(&core, &error).await,
            },
            () = &mut closing => break,
        }
    }
    // Past tokio, which learns late what waits, and takes a break after a hundred.
    while let Ok((tcp, peer)) = entrance.socket.accept() {
        if tcp.set_nonblocking(true).is_ok()
            && let Ok(tcp) = TcpStream::from_std(tcp)
        {
            take_in(&core, &listener, tcp, peer);
        }
    }
}

/// A client that is gone already costs nothing; a machine without files must not be asked in a loop.
async fn breathe(core: &Core, error: &io::Error) {
    let client = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    );
    if !client {
        core.shared.counters.limits.files.fetch_add(1, Relaxed);
        tracing::warn!(%error, "cannot accept a connection");
        tokio::time::sleep(BREATHER).await;
    }
}

fn take_in(core: &Arc<Core>, listener: &Arc<Listener>, tcp: TcpStream, peer: SocketAddr) {
    let conduct = core.shared.conduct.load();
    if core.shared.open() >= conduct.limits.connections {
        core.shared.counters.limits.connections.fetch_add(1, Relaxed);
        if listener.tls.is_none() {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "one too many: whether it hears so or not"
            )]
            let _ = tcp.try_write(CROWDED);
        }
        return;
    }
    #[expect(
        clippy::let_underscore_must_use,
        reason = "a socket that is gone already fails soon enough"
    )]
    let _ = tcp.set_nodelay(true);
    let Ok(watched) = core.lookout.watch(tcp, peer) else { return };
    core.tasks.start(connection::serve(Arc::clone(core), Arc::clone(listener), watched));
}
