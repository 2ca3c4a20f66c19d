//! A request's body on its way to an upstream. It is read no faster than the upstream takes it, and where the client asked
//! with `Expect: 100-continue`, not before the upstream wants it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::super::{BodyError, Upload};

/// A request's body. One without any costs nothing.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Sending {
    upload: Upload,
    flow: Option<Arc<Flow>>,
}

/// How an upload goes, for whoever waits for the answer meanwhile.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Flow {
    /// The upstream has not asked for it yet, and wants to be waited for.
    held: AtomicBool,
    /// Who is to be told when it asks.
    asked: Mutex<Option<Waker>>,
    /// The client's part broke.
    broken: AtomicBool,
    /// There is no more of it.
    done: AtomicBool,
    /// Nothing to send at the moment: it is the client that is slow.
    starved: AtomicBool,
    pieces: AtomicU64,
}

impl Flow {
    /// Lets the upload go.
    pub(in crate::gateway) fn let_go(&self) {
        self.held.store(false, Ordering::Release);
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(asked) = asked {
            asked.wake();
        }
    }

    pub(in crate::gateway) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Whether some of it was not read yet.
    pub(in crate::gateway) fn is_unread(&self) -> bool {
        !self.done.load(Ordering::Relaxed)
    }

    pub(in crate::gateway) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Whether the upstream has all of it, or is at least not to be blamed that it has not.
    pub(in crate::gateway) fn moves(&self, seen: &mut u64) -> bool {
        let pieces = self.pieces.load(Ordering::Relaxed);
        let moved = pieces != std::mem::replace(seen, pieces);
        let open = !self.done.load(Ordering::Relaxed);
        moved || (open && self.starved.load(Ordering::Relaxed))
    }
}

impl Sending {
    /// `held` where the upstream is to be asked first.
    pub(in crate::gateway) fn new(upload: Upload, wish: Wish) -> Sending {
        if upload.is_end_stream() {
            return Sending::default();
        }
        let flow = Flow { held: AtomicBool::new(wish == Wish::AskFirst), ..Flow::default() };
        Sending { upload, flow: Some(Arc::new(flow)) }
    }

    /// How it goes; `None` where there is nothing to send.
    pub(in crate::gateway) fn flow(&self) -> Option<Arc<Flow>> {
        self.flow.clone()
    }
}

/// What a client wants done before its upload is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Wish {
    /// Nothing.
    AtOnce,
    /// `Expect: 100-continue`: the upstream's consent.
    AskFirst,
}

impl Body for Sending {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let sending = self.get_mut();
        let Some(flow) = &sending.flow else { return Poll::Ready(None) };
        if flow.is_held() {
            let mut asked = flow.asked.lock().unwrap_or_else(PoisonError::into_inner);
            *asked = Some(cx.waker().clone());
            drop(asked);
            if flow.is_held() {
                return Poll::Pending;
            }
        }
        let piece = Pin::new(&mut sending.upload).poll_frame(cx);
        flow.starved.store(piece.is_pending(), Ordering::Relaxed);
        match &piece {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) => {
                flow.pieces.fetch_add(1, Ordering::Relaxed);
                // Trailers are the last: nobody asks what follows them.
                if frame.is_trailers() {
                    flow.done.store(true, Ordering::Relaxed);
                }
            }
            Poll::Ready(Some(Err(_))) => flow.broken.store(true, Ordering::Release),
            Poll::Ready(None) => flow.done.store(true, Ordering::Relaxed),
        }
        if sending.upload.is_end_stream() {
            flow.done.store(true, Ordering::Relaxed);
        }
        piece
    }

    fn is_end_stream(&self) -> bool {
        self.upload.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.upload.size_hint()
    }
}
