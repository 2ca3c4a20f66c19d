//! One connection, from its first byte to its last: TLS or not, HTTP/1.1 or HTTP/2, and what it is told meanwhile.

use std::future::ready;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;

use super::core::Core;
use super::limits::{LINGER, LINGER_FOR};
use super::listener::{Listener, Tls};
use super::service::Service;
use crate::net::wire::{Order, Socket, Watched, Wire};
use crate::tasks::Tasks;

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection that has said nothing yet when the gateway shuts down has so long to begin.
const PARTING: Duration = Duration::from_millis(250);

const LATE: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Serves it until one side has had enough.
pub(super) async fn serve(core: Arc<Core>, listener: Arc<Listener>, watched: Watched) {
    let wire = Arc::clone(watched.wire());
    let conduct = core.shared.conduct.load_full();
    // TLS and HTTP/2 are rare beside HTTP/1.1 in the clear, and large: its connections must not pay for them.
    if let Some(tls) = &listener.tls {
        Box::pin(secure(&core, &listener, tls, &wire)).await;
    } else {
        let Some(first) = begin(&wire, &core).await else { return };
        let io = Begun { first, inner: Socket(Arc::clone(&wire)) };
        if io.first.is_preface() {
            Box::pin(http2(&core, &listener, &wire, io)).await;
        } else {
            http1(&conduct.http1, Service::new(&core, &listener, &wire), &wire, io).await;
        }
    }
    drop(watched);
}

/// The first bytes, as far as they are needed to tell what is spoken.
async fn begin(wire: &Arc<Wire>, core: &Core) -> Option<First> {
    let mut socket = Socket(Arc::clone(wire));
    let mut first = First { bytes: [0; PREFACE.len()], filled: 0, given: 0 };
    let read = async {
        loop {
            let room = first.bytes.get_mut(first.filled..).unwrap_or_default();
            match socket.read(room).await {
                Ok(0) | Err(_) => break,
                Ok(read) => first.filled += read,
            }
            if first.is_preface() || !PREFACE.starts_with(first.bytes()) {
                break;
            }
        }
    };
    let mut read = pin!(read);
    tokio::select! {
        biased;
        () = read.as_mut() => {}
        order = wire.told() => {
            // It was accepted, so it is answered, if it says something soon.
            let quit = order == Order::Quit;
            if !quit {
                told_early(wire, core, order);
            }
            if !quit || tokio::time::timeout(PARTING, read.as_mut()).await.is_err() {
                return None;
            }
        }
    }
    (first.filled > 0).then_some(first)
}

/// Nothing was asked yet, so nothing is owed but a reason.
fn told_early(wire: &Wire, core: &Core, order: Order) {
    count(core, order);
    if order == Order::Late {
        wire.last_word(LATE);
    }
}

fn count(core: &Core, order: Order) {
    let limits = &core.shared.counters.limits;
    match order {
        Order::Idle => limits.idle.fetch_add(1, Relaxed),
        Order::Late => limits.header_timeout.fetch_add(1, Relaxed),
        Order::Slow => limits.body_rate.fetch_add(1, Relaxed),
        Order::Quit | Order::Gone => 0,
    };
}

async fn secure(core: &Arc<Core>, listener: &Arc<Listener>, tls: &Tls, wire: &Arc<Wire>) {
    let acceptor = TlsAcceptor::from(Arc::clone(&tls.server));
    let stream = tokio::select! {
        stream = acceptor.accept(Socket(Arc::clone(wire))) => stream,
        order = wire.told() => {
            count(core, order);
            return;
        }
    };
    let Ok(stream) = stream else {
        core.shared.counters.limits.handshakes.fetch_add(1, Relaxed);
        return;
    };
    // The handshake's bytes were no head.
    wire.is_quiet();
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        http2(core, listener, wire, stream).await;
    } else {
        let conduct = core.shared.conduct.load_full();
        http1(&conduct.http1_in_tls, Service::new(core, listener, wire), wire, stream).await;
    }
}

async fn http1<S>(http1: &http1::Builder, service: Service, wire: &Arc<Wire>, io: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (core, listener) = (Arc::clone(service.core()), Arc::clone(service.listener()));
    let connection = http1.serve_connection(TokioIo::new(io), service).with_upgrades();
    let mut connection = pin!(connection);
    // Told before there was anybody to tell: the first request is read and answered all the same.
    let mut quits = wire.is_told();
    let ended = loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => break ended,
            () = ready(()), if quits => {
                quits = false;
                connection.as_mut().graceful_shutdown();
            }
            order = wire.told() => match order {
                Order::Quit => connection.as_mut().graceful_shutdown(),
                order => {
                    count(&core, order);
                    // In TLS nobody can write past the connection.
                    if order == Order::Late && listener.tls.is_none() {
                        wire.last_word(LATE);
                    }
                    return;
                }
            },
        }
    };
    let malformed = ended.is_err_and(|error| told_broken(&core, &error));
    if malformed || wire.left_unread() {
        // Its buffer is no part of connections that do not linger.
        Box::pin(linger(wire)).await;
    }
}

/// Whether it was broken by what the client sent, which was answered then.
fn told_broken(core: &Core, error: &hyper::Error) -> bool {
    let limits = &core.shared.counters.limits;
    if error.is_parse_too_large() {
        limits.head.fetch_add(1, Relaxed);
    } else if error.is_parse() {
        limits.malformed.fetch_add(1, Relaxed);
    }
    error.is_parse()
}

async fn linger(wire: &Wire) {
    #[expect(clippy::let_underscore_must_use, reason = "however it ends, the connection does")]
    let _ = tokio::time::timeout(LINGER_FOR, wire.linger(LINGER)).await;
}

async fn http2<S>(core: &Arc<Core>, listener: &Arc<Listener>, wire: &Arc<Wire>, io: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    wire.is_frames();
    let service = Service::new(core, listener, wire);
    let http2 = core.shared.conduct.load().http2(Spawn(core.tasks.clone()));
    let mut connection = pin!(http2.serve_connection(TokioIo::new(io), service));
    let mut idle = false;
    loop {
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            order = wire.told() => match order {
                Order::Quit => connection.as_mut().graceful_shutdown(),
                Order::Idle => {
                    count(core, order);
                    connection.as_mut().graceful_shutdown();
                    idle = true;
                }
                order => {
                    count(core, order);
                    return;
                }
            },
            // What is left are pieces that the client does not take.
            () = tokio::time::sleep(LINGER_FOR), if idle => if !wire.is_busy() { return },
        }
    }
}

/// Streams of HTTP/2 are tasks of the core's.
#[derive(Debug, Clone)]
pub(super) struct Spawn(Tasks);

impl<F> Executor<F> for Spawn
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.start(stream);
    }
}

/// The bytes that told what is spoken.
#[derive(Debug)]
struct First {
    bytes: [u8; PREFACE.len()],
    filled: usize,
    given: usize,
}

impl First {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    fn is_preface(&self) -> bool {
        self.bytes() == PREFACE
    }

    /// Whether there may be more where they came from.
    fn is_full(&self) -> bool {
        self.filled == self.bytes.len()
    }
}

/// A connection whose first bytes were looked at.
#[derive(Debug)]
struct Begun<S> {
    first: First,
    inner: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let first = &mut self.first;
        let left = first.bytes().get(first.given..).unwrap_or_default();
        if left.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let taken = left.len().min(buf.remaining());
        buf.put_slice(left.get(..taken).unwrap_or_default());
        first.given += taken;
        // All that has come, in one go: for a head that comes in two parts hyper doubles its buffer.
        if buf.remaining() > 0 && self.first.is_full() {
            #[expect(
                clippy::let_underscore_must_use,
                reason = "what goes wrong does so again at the next read"
            )]
            let _ = Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
