//! An upstream's answer on its way to the client. It drives the connection that it comes by, keeps the request counted until
//! the upstream has said all, and never ends as if it were whole when it is not.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

use super::super::upstream::{InFlight, Keep, Link, Pool};
use super::super::{Admitted, Body, BodyError, Cut};

/// The connection that an answer comes by.
pub(super) enum By {
    /// Nobody else's; it is parked or closed at the end.
    Link(Box<Link>, Keep),
    /// One for many, which has a task of its own.
    Shared,
}

/// Longer bodies never come with their head.
const PIECE: u64 = 64 << 10;

/// A body that is not whole yet. Dropping it ends the request at the upstream.
struct Answer {
    /// What was read already.
    first: Option<Frame<Bytes>>,
    incoming: Incoming,
    rest: Option<Rest>,
    /// It broke off, and that is not told yet.
    broken: Option<Broken>,
}

/// What is given back at the end.
struct Rest {
    // The connection first: a request that is counted out is over.
    by: By,
    pool: Arc<Pool>,
    cut: Cut,
    /// Counted by the upstream, and inside.
    counted: (InFlight, Admitted),
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the request was cut at the drain's deadline")]
    Cut,
    #[error("the upstream broke off in the middle of its answer")]
    Upstream(#[source] hyper::Error),
    #[error("the connection ended and said nothing")]
    Silent,
}

/// The body of an answer whose head is there.
pub(super) fn body(
    incoming: Incoming,
    by: By,
    pool: &Arc<Pool>,
    (counted, cut): ((InFlight, Admitted), Cut),
) -> Body {
    let rest = Rest { by, pool: Arc::clone(pool), cut, counted };
    let mut answer = Answer { first: None, incoming, rest: Some(rest), broken: None };
    if answer.incoming.is_end_stream() {
        answer.finish();
        return Body::Empty;
    }
    answer.look_ahead();
    match answer.first.take() {
        // Most answers are small, and came with their head: nothing has to be kept for them.
        Some(frame) if answer.rest.is_none() => {
            frame.into_data().map_or_else(|_| Body::Empty, Body::whole)
        }
        first => {
            answer.first = first;
            Body::streamed(answer)
        }
    }
}

impl Answer {
    /// Reads what came with the head.
    fn look_ahead(&mut self) {
        let short = self.incoming.size_hint().exact().is_some_and(|length| length <= PIECE);
        let alone = self.rest.as_ref().is_some_and(|rest| matches!(rest.by, By::Link(..)));
        if !short || !alone {
            return;
        }
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut self.incoming).poll_frame(&mut context)
        {
            self.first = Some(frame);
            if self.incoming.is_end_stream() {
                self.finish();
            }
        }
    }

    /// The upstream has said all: the request is over, and the connection free.
    fn finish(&mut self) {
        let Some(Rest { by, pool, cut, counted }) = self.rest.take() else { return };
        drop((cut, counted));
        if let By::Link(link, keep) = by {
            pool.park(link, keep);
        }
    }

    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let incoming = Pin::new(&mut self.incoming);
        let Some(Rest { by: By::Link(link, _), .. }) = &mut self.rest else {
            return incoming.poll_frame(cx).map_err(Broken::Upstream);
        };
        link.drive(cx);
        let piece = incoming.poll_frame(&mut Context::from_waker(Waker::noop()));
        if piece.is_pending() && link.is_over() {
            return Poll::Ready(Some(Err(Broken::Silent)));
        }
        piece.map_err(Broken::Upstream)
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let answer = self.get_mut();
        if let Some(first) = answer.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if let Some(broken) = answer.broken.take() {
            return Poll::Ready(Some(Err(broken.into())));
        }
        if answer.rest.is_none() {
            return Poll::Ready(None);
        }
        let mut piece = answer.poll_incoming(cx);
        if piece.is_pending()
            && let Some(rest) = &mut answer.rest
        {
            ready!(Pin::new(&mut rest.cut).poll(cx));
            piece = Poll::Ready(Some(Err(Broken::Cut)));
        }
        match piece {
            Poll::Ready(Some(Ok(_))) if !answer.incoming.is_end_stream() => {}
            Poll::Ready(Some(Ok(_)) | None) => answer.finish(),
            Poll::Ready(Some(Err(broken))) => {
                // What came before goes out first: a client that gets no byte of an answer may send its request again.
                (answer.rest, answer.broken) = (None, Some(broken));
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Pending => {}
        }
        piece.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_none() && self.broken.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.first.as_ref().and_then(|frame| frame.data_ref()).map_or(0, Bytes::len);
        let rest = self.incoming.size_hint();
        rest.exact().map_or(SizeHint::new(), |rest| SizeHint::with_exact(rest + ahead as u64))
    }
}
