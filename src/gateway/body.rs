//! The bodies of requests and answers on their way through. Never buffers: a body is one piece, or streamed as it comes.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

use crate::net::wire::{Wanted, Wire};

/// Why a body ends before its end; whoever reads it must not take it for whole.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body that comes piece by piece.
pub type Streamed = Pin<Box<dyn hyper::body::Body<Data = Bytes, Error = BodyError> + Send>>;

/// The body of an answer.
#[derive(Default)]
pub enum Body {
    /// None, or no more of it.
    #[default]
    Empty,
    /// All of it.
    Whole(Bytes),
    /// Nothing but trailers, as gRPC's refusals have them.
    Trailers(Box<HeaderMap>),
    /// From an upstream. Dropping it means that the client is gone, or has it all.
    Streamed(Streamed),
}

impl Body {
    /// All of it, or none where it is empty.
    pub fn whole(bytes: impl Into<Bytes>) -> Body {
        let bytes = bytes.into();
        if bytes.is_empty() { Body::Empty } else { Body::Whole(bytes) }
    }

    /// Piece by piece.
    pub fn streamed<B>(body: B) -> Body
    where
        B: hyper::body::Body<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        Body::Streamed(Box::pin(body))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Body::Empty => "Empty",
            Body::Whole(_) => "Whole(..)",
            Body::Trailers(_) => "Trailers(..)",
            Body::Streamed(_) => "Streamed(..)",
        })
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = self.get_mut();
        if let Body::Streamed(stream) = body {
            return stream.as_mut().poll_frame(cx);
        }
        Poll::Ready(match std::mem::take(body) {
            Body::Whole(bytes) => Some(Ok(Frame::data(bytes))),
            Body::Trailers(trailers) => Some(Ok(Frame::trailers(*trailers))),
            Body::Empty | Body::Streamed(_) => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Whole(_) | Body::Trailers(_) => false,
            Body::Streamed(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Trailers(_) => SizeHint::new(),
            Body::Streamed(stream) => stream.size_hint(),
        }
    }
}

/// The body of a request.
#[derive(Debug, Default)]
pub enum Upload {
    /// None, or no more of it.
    #[default]
    Empty,
    /// Read already, because the rules wanted to see it.
    Whole(Bytes),
    /// From the client, read as the upstream takes it.
    Incoming(Metered),
}

/// A body that has to come at the rate of the limits while somebody waits for it.
#[derive(Debug)]
pub struct Metered {
    incoming: Incoming,
    wanted: Option<Wanted>,
}

impl Upload {
    /// All of it, or none where it is empty.
    pub fn whole(bytes: impl Into<Bytes>) -> Upload {
        let bytes = bytes.into();
        if bytes.is_empty() { Upload::Empty } else { Upload::Whole(bytes) }
    }

    /// What comes on a connection, whose client may not dawdle; `None` for one that may be silent for as long as it likes.
    pub fn from_client(incoming: Incoming, wire: Option<&Arc<Wire>>) -> Upload {
        if incoming.is_end_stream() {
            return Upload::Empty;
        }
        Upload::Incoming(Metered { incoming, wanted: wire.map(Wanted::on) })
    }
}

impl Metered {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if let Some(wanted) = &mut self.wanted {
            match &polled {
                Poll::Pending => wanted.waits(),
                Poll::Ready(Some(Ok(frame))) => {
                    wanted.came(frame.data_ref().map_or(0, Bytes::len));
                }
                Poll::Ready(None | Some(Err(_))) => wanted.came(0),
            }
        }
        polled.map_err(Into::into)
    }
}

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let upload = self.get_mut();
        if let Upload::Incoming(metered) = upload {
            return metered.poll_frame(cx);
        }
        Poll::Ready(match std::mem::take(upload) {
            Upload::Whole(bytes) => Some(Ok(Frame::data(bytes))),
            Upload::Empty | Upload::Incoming(_) => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Upload::Empty => true,
            Upload::Whole(_) => false,
            Upload::Incoming(metered) => metered.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Upload::Empty => SizeHint::with_exact(0),
            Upload::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Upload::Incoming(metered) => metered.incoming.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_whole_body_is_one_piece_and_trailers_come_alone() {
        assert!(Body::whole("").is_end_stream() && Upload::whole("").is_end_stream());
        let body = Body::whole("page");
        assert_eq!(body.size_hint().exact(), Some(4));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "page");
        assert_eq!(Upload::whole("form").collect().await.unwrap().to_bytes(), "form");
        let trailers =
            HeaderMap::from_iter([("grpc-status".parse().unwrap(), "14".parse().unwrap())]);
        let sent = Body::Trailers(Box::new(trailers)).collect().await.unwrap();
        assert_eq!(sent.trailers().unwrap()["grpc-status"], "14");
    }
}
