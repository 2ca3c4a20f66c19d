//! How bytes pass: what is read is looked at and written on at once, in one turn of the task.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::time::Instant;

use super::super::frame::GATHERED;
use super::super::upstream::Stream;
use super::seldom::Happened;
use super::{AHEAD, Connection, Link, Refusal, Stage};
use crate::clock;

/// So much is read at once.
const PIECE: usize = 16 << 10;
/// Of so many turns the time of one is taken: an odd number, since commands and answers alternate.
const SAMPLED: u32 = 61;

impl Connection {
    /// Until the client leaves, or must. Dropping it ends both connections.
    pub(in super::super) async fn run(mut self) {
        poll_fn(|context| {
            self.moment = clock::monotonic();
            self.has_passed = false;
            let began = self.moment;
            let turned = self.turn(context);
            self.count(began);
            turned
        })
        .await;
    }

    /// Counts what was told, and how long one in so many turns took.
    fn count(&mut self, began: Instant) {
        self.gate.counters.add(&mut self.passed);
        if self.has_passed {
            self.turns = self.turns.wrapping_add(1);
            if self.turns.is_multiple_of(SAMPLED) {
                self.gate.added.took(clock::monotonic().duration_since(began));
            }
        }
    }

    /// One turn of the task: until nothing comes any more, or the connection is over. Each of its parts says whether that may have
    /// made something possible.
    fn turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.seldom.is_of(context.waker());
        loop {
            let happened = self.woken();
            self.look();
            // Whatever has come of Redis is read first: it is not late.
            let heard = self.read_redis(context);
            self.time(happened);
            let wanted = self.wants_bytes();
            let read = self.read_client(context);
            // What has come is asked as Redis may be asked now, not as it was before that was written.
            self.look();
            self.line.say(&mut self.outbox);
            self.take_in();
            self.line.say(&mut self.outbox);
            if happened == Happened::Ends || self.is_over() {
                return Poll::Ready(());
            }
            let told = self.write_client(context);
            let asked = self.write_redis(context);
            let wants = !wanted && self.wants_bytes();
            if heard || read || told || asked || wants {
                self.moment = clock::monotonic();
                continue;
            }
            if self.is_over() {
                return Poll::Ready(());
            }
            if let Some(time) = self.wakes_at() {
                self.seldom.wake_at(time);
            }
            if !self.seldom.is_woken() {
                return Poll::Pending;
            }
        }
    }

    fn is_over(&self) -> bool {
        let has_ended = self.stage == Stage::Ends && self.line.is_empty() && self.outbox.is_empty();
        let is_late = self.ends.is_some_and(|ends| ends <= self.moment);
        self.stage == Stage::Over || has_ended || is_late
    }

    /// Looks at what seldom happens, where it woke the task.
    fn woken(&mut self) -> Happened {
        if !self.seldom.take_woken() {
            return Happened::Nothing;
        }
        let waker = self.seldom.waker();
        let mut context = Context::from_waker(&waker);
        if let Link::Opening(opening) | Link::Suspected { opening, .. } = &mut self.link
            && let Poll::Ready(opened) = opening.as_mut().poll(&mut context)
        {
            self.opened(opened);
        }
        while let Poll::Ready(kept) = self.poll_kept(&mut context) {
            self.kept(kept);
        }
        self.seldom.happened(&mut context)
    }

    // ## Redis

    pub(super) fn may_hear(&self) -> bool {
        let has_room = self.keeping.is_empty() || self.behind.len() < AHEAD;
        self.outbox.len() < AHEAD && has_room
    }

    fn read_redis(&mut self, context: &mut Context<'_>) -> bool {
        if !self.may_hear() {
            return false;
        }
        let Link::Open(stream) = &mut self.link else { return false };
        let mut piece = [const { MaybeUninit::uninit() }; PIECE];
        let mut piece = ReadBuf::uninit(&mut piece);
        let Poll::Ready(read) = Pin::new(stream).poll_read(context, &mut piece) else {
            // Whatever it had to say has come, or it takes too long.
            let (is_all, moment) = (self.line.owed() == 0, self.moment);
            let refusal = self.refusal.take_if(|refusal| is_all || refusal.until <= moment);
            if let Some(Refusal { why, .. }) = &refusal {
                self.gone(why);
            }
            return refusal.is_some();
        };
        match read {
            Ok(()) if piece.filled().is_empty() => self.hung_up("it hung up"),
            Ok(()) => self.hear(piece.filled()),
            Err(error) => self.hung_up(&error.to_string()),
        }
        true
    }

    fn write_redis(&mut self, context: &mut Context<'_>) -> bool {
        let Link::Open(stream) = &mut self.link else { return false };
        let was_full = self.leaving.len() >= AHEAD;
        self.has_passed |= !self.leaving.is_empty();
        match write_all(stream, &mut self.leaving, context) {
            Ok(()) => was_full && self.leaving.len() < AHEAD,
            Err(error) => {
                self.hung_up(&error.to_string());
                true
            }
        }
    }

    // ## The client

    /// Whether more of the client's bytes can be used; some are always read, so that one that leaves is noticed.
    fn wants_bytes(&self) -> bool {
        let room = if self.takes_in() { AHEAD } else { GATHERED };
        self.stage != Stage::Ends && self.inbox.len() < room && self.leaving.len() < AHEAD
    }

    fn read_client(&mut self, context: &mut Context<'_>) -> bool {
        if !self.wants_bytes() {
            return false;
        }
        let mut piece = [const { MaybeUninit::uninit() }; PIECE];
        let mut piece = ReadBuf::uninit(&mut piece);
        let Poll::Ready(read) = Pin::new(&mut self.client).poll_read(context, &mut piece) else {
            return false;
        };
        if read.is_err() || piece.filled().is_empty() {
            // Who has only stopped to write is told what has come.
            self.write_client(context);
            self.stage = Stage::Over;
        }
        self.inbox.extend_from_slice(piece.filled());
        true
    }

    fn write_client(&mut self, context: &mut Context<'_>) -> bool {
        let was_full = self.outbox.len() >= AHEAD;
        self.has_passed |= !self.outbox.is_empty();
        if write_all(&mut self.client, &mut self.outbox, context).is_err() {
            self.stage = Stage::Over;
            return true;
        }
        was_full && self.outbox.len() < AHEAD
    }

    /// Whether it idles and holds more than it needs.
    pub(super) fn has_to_give_back(&self) -> bool {
        let buffers = [&self.inbox, &self.outbox, &self.arrived, &self.leaving];
        let is_kept = |buffer: &&BytesMut| buffer.is_empty() && buffer.capacity() > 0;
        self.line.is_quiet() && buffers.iter().any(is_kept)
    }

    /// A connection that idles holds no more than it needs.
    pub(super) fn give_back(&mut self) {
        let buffers = [&mut self.inbox, &mut self.outbox, &mut self.arrived, &mut self.leaving];
        for buffer in buffers.into_iter().filter(|buffer| buffer.is_empty()) {
            *buffer = BytesMut::new();
        }
        self.line.give_back();
    }
}

/// Writes what can be written now.
fn write_all(to: &mut Stream, from: &mut BytesMut, context: &mut Context<'_>) -> io::Result<()> {
    while !from.is_empty() {
        match Pin::new(&mut *to).poll_write(context, from) {
            Poll::Pending => return Ok(()),
            Poll::Ready(wrote) => match wrote? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                wrote => from.advance(wrote),
            },
        }
    }
    // What cannot leave yet wakes the task when it can.
    if let Poll::Ready(flushed) = Pin::new(to).poll_flush(context) {
        return flushed;
    }
    Ok(())
}
