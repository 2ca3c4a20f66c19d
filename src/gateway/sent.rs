//! The body of an answer while it is being sent. What has to happen at its end is dropped with it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::body::{Body, BodyError};
use crate::net::wire::Busy;

/// A body, for as long as it is being sent.
#[derive(Debug)]
pub(super) struct Sent {
    body: Body,
    _busy: Busy,
}

impl Sent {
    /// Its connection is busy with it.
    pub(super) fn new(body: Body, busy: Busy) -> Sent {
        Sent { body, _busy: busy }
    }
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
