//! The body of an answer while it is being sent. What has to happen at its end is dropped with it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};

use super::body::{Body, BodyError};
use super::record::Record;
use crate::net::wire::{Busy, Offered};

/// A body, for as long as it is being sent.
pub(super) struct Sent {
    body: Body,
    record: Option<Box<Record>>,
    offered: Option<Offered>,
    _busy: Busy,
}

impl Sent {
    /// Its connection is busy with it, and somebody may write it down.
    pub(super) fn new(body: Body, record: Option<Box<Record>>, busy: Busy) -> Sent {
        let offered = (!body.is_end_stream()).then(|| Offered::by(&busy)).flatten();
        Sent { body, record, offered, _busy: busy }
    }
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.offered.iter_mut().for_each(Offered::asked);
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.offered.iter_mut().for_each(Offered::gave);
        }
        if let (Poll::Ready(Some(Ok(frame))), Some(record)) = (&polled, &mut self.record) {
            record.sent(frame.data_ref().map_or(0, Bytes::len));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
