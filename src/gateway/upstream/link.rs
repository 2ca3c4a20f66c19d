//! One HTTP/1.1 connection to an upstream. It has no task of its own: whoever has a request on it drives it, with the
//! answer's head and then with its body, and parked it sleeps (measured: a task each costs a tenth more per request).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::client::TlsStream;

use super::endpoint::Endpoint;
use super::error::Error;
use super::sending::Sending;

/// How long a connection may take, TLS included.
pub(in crate::gateway) const CONNECT: Duration = Duration::from_secs(5);

/// A connection, idle or with one request on it.
pub(in crate::gateway) struct Link {
    sender: http1::SendRequest<Sending>,
    /// `None` after it was hung up.
    connection: Option<http1::Connection<TokioIo<Io>, Sending>>,
    wire: Arc<Wire>,
    endpoint: Arc<Endpoint>,
    /// It has ended, and must not be driven again.
    over: bool,
    /// Armed once and moved only when it rings: a timer for each request would cost more than the rest of it.
    timer: Option<Pin<Box<Sleep>>>,
    /// It has carried a request before.
    pub(super) used: bool,
    /// Until when it may be parked.
    pub(super) fresh_until: Option<Instant>,
}

/// What was seen on the wire.
#[derive(Debug, Default)]
struct Wire {
    /// A byte came, since the request began.
    answered: AtomicBool,
    /// The upstream takes no more bytes.
    deaf: AtomicBool,
}

/// The bytes of a connection.
pub(in crate::gateway) struct Io {
    stream: Stream,
    wire: Arc<Wire>,
}

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Opens what `endpoint` is spoken to by. Cancel safe: dropping the future closes it.
pub(super) async fn connect(endpoint: &Endpoint, limit: Duration) -> Result<Stream, Error> {
    let opening = async {
        let tcp = TcpStream::connect(endpoint.address).await.map_err(Error::Connect)?;
        tcp.set_nodelay(true).map_err(Error::Connect)?;
        let Some(tls) = &endpoint.place.tls else { return Ok(Stream::Plain(tcp)) };
        let secured = tls.connector.connect(tls.name.clone(), tcp).await.map_err(Error::Tls)?;
        Ok(Stream::Tls(Box::new(secured)))
    };
    tokio::time::timeout(limit, opening).await.unwrap_or(Err(Error::Slow(limit)))
}

impl Link {
    /// Opens one. Cancel safe: dropping the future closes it.
    pub(in crate::gateway) async fn open(
        endpoint: Arc<Endpoint>,
        limit: Duration,
    ) -> Result<Box<Link>, Error> {
        let stream = connect(&endpoint, limit).await?;
        let wire = Arc::<Wire>::default();
        let io = TokioIo::new(Io { stream, wire: Arc::clone(&wire) });
        let (sender, connection) = http1::handshake(io).await.map_err(Error::Protocol)?;
        Ok(Box::new(Link {
            sender,
            connection: Some(connection),
            wire,
            endpoint,
            over: false,
            timer: None,
            used: false,
            fresh_until: None,
        }))
    }

    pub(in crate::gateway) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Hands it a request. The answer comes only while the link is driven.
    pub(in crate::gateway) fn send(
        &mut self,
        request: Request<Sending>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Sending>>>> + use<>
    {
        self.wire.answered.store(false, Ordering::Relaxed);
        self.sender.try_send_request(request)
    }

    /// Reads and writes as far as it goes. Whatever waits for a part of the answer is to be polled afterwards, and needs no
    /// waker of its own: nothing happens to it but here.
    pub(in crate::gateway) fn drive(&mut self, cx: &mut Context<'_>) {
        if let (false, Some(connection)) = (self.over, &mut self.connection) {
            // The answer, or its body, carries the error to whoever waits for it.
            self.over = connection.poll_without_shutdown(cx).is_ready();
        }
    }

    /// Closes it, which gives a request back that it did not take.
    pub(in crate::gateway) fn hang_up(&mut self) {
        self.over = true;
        self.connection = None;
    }

    /// Whether it has ended.
    pub(in crate::gateway) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether it has carried a request before this one.
    pub(in crate::gateway) fn is_used(&self) -> bool {
        self.used
    }

    /// Whether a byte of the answer came.
    pub(in crate::gateway) fn is_answered(&self) -> bool {
        self.wire.answered.load(Ordering::Relaxed)
    }

    /// Whether it can carry the next request. It is driven for nobody's sake once more, so that no waker of a request
    /// that has ended stays behind in it.
    pub(super) fn rests(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        !self.over && self.sender.is_ready() && !self.wire.deaf.load(Ordering::Relaxed)
    }

    /// Whether `deadline` has passed; else the caller is woken then, or earlier.
    pub(in crate::gateway) fn is_late(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= deadline {
                return true;
            }
            timer.as_mut().reset(deadline);
        }
        false
    }

    /// The bare connection after a 101, and what was read beyond it; `None` where it ended instead. Cancel safe: dropping
    /// the future closes it.
    pub(in crate::gateway) async fn into_switched(mut self: Box<Link>) -> Option<(Io, Bytes)> {
        let switched = std::future::poll_fn(|cx| {
            self.drive(cx);
            if self.over { Poll::Ready(()) } else { Poll::Pending }
        });
        tokio::time::timeout(CONNECT, switched).await.ok()?;
        let parts = self.connection?.into_parts();
        Some((parts.io.into_inner(), parts.read_buf))
    }
}

impl Io {
    pub(super) fn of(stream: Stream) -> Io {
        Io { stream, wire: Arc::default() }
    }

    /// Goes on as if `result` had worked: the answer that the upstream gave before it closed may still be to be read,
    /// and an end or an error comes with the next reading.
    fn or_deaf(&self, result: Poll<io::Result<usize>>, wanted: usize) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Err(_)) => {
                self.wire.deaf.store(true, Ordering::Relaxed);
                Poll::Ready(Ok(wanted))
            }
            other => other,
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let io = self.get_mut();
        let before = buffer.filled().len();
        let read = match &mut io.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        if buffer.filled().len() > before {
            io.wire.answered.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let io = self.get_mut();
        let written = match &mut io.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        io.or_deaf(written, bytes.len())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let io = self.get_mut();
        let flushed = match &mut io.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        io.or_deaf(flushed.map_ok(|()| 0), 0).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let io = self.get_mut();
        let written = match &mut io.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        };
        io.or_deaf(written, pieces.iter().map(|piece| piece.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self.stream, Stream::Plain(_))
    }
}
