//! A connection after 101: bytes both ways until one end closes, or until it is told to. A WebSocket is closed with 1012,
//! at the end of a frame, in both directions. Holds at most one small buffer for each direction.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::Upgraded;
use super::super::upstream::{InFlight, Io};
use super::frames::{Frames, farewell_to_client, farewell_to_upstream};
use crate::tasks::Tasks;

/// How many bytes are read ahead in each direction.
const BUFFER: usize = 8 << 10;

/// How long a client may take to read its 101.
const SWITCH: Duration = Duration::from_secs(10);

/// How long the frame of now may take to end, and the other side to close, before it is closed all the same.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long the other direction may go on when one has ended.
const HALF: Duration = Duration::from_mins(1);

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    /// Frames.
    WebSocket,
    /// We do not know.
    Other,
}

impl Spoken {
    pub(super) fn of(protocol: Option<&HeaderValue>) -> Spoken {
        let websocket =
            protocol.is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
        if websocket { Spoken::WebSocket } else { Spoken::Other }
    }
}

/// An upgraded connection, before the client's end is there.
pub(super) struct Tunnel {
    upstream: (Io, Bytes),
    spoken: Spoken,
    /// Counted by the upstream and by the door, until both ends are closed.
    counted: (InFlight, Upgraded),
}

impl Tunnel {
    pub(super) fn new(
        upstream: (Io, Bytes),
        spoken: Spoken,
        counted: (InFlight, Upgraded),
    ) -> Tunnel {
        Tunnel { upstream, spoken, counted }
    }

    /// Carries bytes until an end closes, `tasks` stop, or the mode wants it closed.
    pub(super) async fn run(self, switch: OnUpgrade, tasks: Tasks) {
        let Tunnel { upstream: (upstream, early), spoken, counted } = self;
        let Ok(Ok(client)) = tokio::time::timeout(SWITCH, switch).await else { return };
        let mut ends = Ends {
            client: TokioIo::new(client),
            upstream,
            down: Pipe::new(spoken, &early),
            up: Pipe::new(spoken, &[]),
        };
        let told = async {
            let wait = counted.1.farewell().await;
            tokio::time::sleep(wait).await;
        };
        tokio::select! {
            () = ends.carry() => {}
            () = told => ends.part(spoken).await,
            () = tasks.stopping() => ends.part(spoken).await,
        }
        drop(ends);
        drop(counted);
    }
}

/// Both ends, and what is between them.
struct Ends<C> {
    client: C,
    upstream: Io,
    /// From the upstream to the client.
    down: Pipe,
    up: Pipe,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Ends<C> {
    /// Until both directions have ended, or one has and the other is silent. Cancel safe: what was read stays in the pipes.
    async fn carry(&mut self) {
        let either = poll_fn(|cx| {
            let (down, up) = self.poll(cx);
            if down.is_ready() || up.is_ready() { Poll::Ready((down, up)) } else { Poll::Pending }
        });
        let (Poll::Ready(Ok(())) | Poll::Pending, Poll::Ready(Ok(())) | Poll::Pending) =
            either.await
        else {
            return;
        };
        loop {
            let moved = self.down.moved + self.up.moved;
            let both = poll_fn(|cx| {
                let (down, up) = self.poll(cx);
                let broken =
                    matches!(down, Poll::Ready(Err(_))) || matches!(up, Poll::Ready(Err(_)));
                if broken || (down.is_ready() && up.is_ready()) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            });
            let ended = tokio::time::timeout(HALF, both).await.is_ok();
            if ended || moved == self.down.moved + self.up.moved {
                return;
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> (Poll<io::Result<()>>, Poll<io::Result<()>>) {
        (
            self.down.poll(&mut self.upstream, &mut self.client, cx),
            self.up.poll(&mut self.client, &mut self.upstream, cx),
        )
    }

    /// Ends it decently where that is possible.
    async fn part(&mut self, spoken: Spoken) {
        if spoken == Spoken::Other {
            return;
        }
        self.down.end_with(&farewell_to_client());
        self.up.end_with(&farewell_to_upstream(fastrand::u32(..).to_be_bytes()));
        // Whoever does not read it is closed without.
        tokio::time::timeout(FAREWELL, self.say()).await.unwrap_or_default();
    }

    /// Sends the last frames, closes for writing, and reads until the others have closed too: a socket that is closed with
    /// bytes unread takes the last frame with it.
    async fn say(&mut self) {
        let said = poll_fn(|cx| {
            let (down, up) = self.poll(cx);
            if down.is_ready() && up.is_ready() { Poll::Ready(()) } else { Poll::Pending }
        });
        said.await;
        poll_fn(|cx| {
            let client = drained(&mut self.client, cx);
            let upstream = drained(&mut self.upstream, cx);
            if client.is_ready() && upstream.is_ready() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Reads and forgets, until there is no more.
fn drained<R: AsyncRead + Unpin>(from: &mut R, cx: &mut Context<'_>) -> Poll<()> {
    let mut space = [0; 1024];
    loop {
        let mut read = ReadBuf::new(&mut space);
        let result = ready!(Pin::new(&mut *from).poll_read(cx, &mut read));
        if result.is_err() || read.filled().is_empty() {
            return Poll::Ready(());
        }
    }
}

/// One direction.
struct Pipe {
    buffer: Box<[u8]>,
    /// What of the buffer was read and not yet written.
    held: std::ops::Range<usize>,
    frames: Option<Frames>,
    /// The last bytes, when it is told to end.
    last: Option<Vec<u8>>,
    state: State,
    moved: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing more is read; what is held is written, and then it is closed.
    Ending,
    Over,
}

impl Pipe {
    fn new(spoken: Spoken, early: &[u8]) -> Pipe {
        let mut buffer = vec![0; BUFFER.max(early.len())].into_boxed_slice();
        if let Some(start) = buffer.get_mut(..early.len()) {
            start.copy_from_slice(early);
        }
        let frames = (spoken == Spoken::WebSocket).then(Frames::default);
        let held = 0..early.len();
        Pipe { buffer, held, frames, last: None, state: State::Open, moved: 0 }
    }

    /// These are the last bytes, as soon as the frame of now is out.
    fn end_with(&mut self, last: &[u8]) {
        if self.state == State::Open {
            self.last = Some(last.to_vec());
        }
    }

    fn poll<R, W>(&mut self, from: &mut R, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            self.take_the_last();
            if !self.held.is_empty() {
                ready!(self.write(to, cx))?;
                continue;
            }
            match self.state {
                State::Over => return Poll::Ready(Ok(())),
                State::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.state = State::Over;
                }
                State::Open => {
                    let mut space = ReadBuf::new(&mut self.buffer);
                    let read = Pin::new(&mut *from).poll_read(cx, &mut space)?;
                    if read.is_pending() {
                        // Whether it is flushed at once or later: nothing else is to be done here.
                        let flushed = Pin::new(&mut *to).poll_flush(cx)?;
                        return if flushed.is_ready() { Poll::Pending } else { flushed.map(Ok) };
                    }
                    self.held = 0..space.filled().len();
                    if self.held.is_empty() {
                        self.state = State::Ending;
                    }
                }
            }
        }
    }

    /// Puts the last bytes in the place of what is held, once no frame is broken by it.
    fn take_the_last(&mut self) {
        let between = self.frames.as_ref().is_none_or(Frames::at_boundary);
        if self.state == State::Open
            && between
            && let Some(last) = self.last.take()
        {
            self.buffer = last.into_boxed_slice();
            self.held = 0..self.buffer.len();
            self.state = State::Ending;
            self.frames = None;
        }
    }

    fn write<W: AsyncWrite + Unpin>(
        &mut self,
        to: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let held = self.buffer.get(self.held.clone()).unwrap_or_default();
        // On the way out no byte of the next frame goes.
        let held = match (&self.last, &self.frames) {
            (Some(_), Some(frames)) => held.get(..frames.rest(held)).unwrap_or(held),
            _ => held,
        };
        let written = ready!(Pin::new(to).poll_write(cx, held))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        if let Some(frames) = &mut self.frames {
            frames.pass(held.get(..written).unwrap_or_default());
        }
        self.held.start += written;
        self.moved += written as u64;
        Poll::Ready(Ok(()))
    }
}
