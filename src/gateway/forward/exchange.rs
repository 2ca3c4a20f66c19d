//! One request with one upstream, up to the head of the answer: connect, send, wait. A request is sent a second time only
//! where the first surely did nothing: no connection, a connection that took none of it, or a safe request on a kept
//! connection that ended without a word (RFC 9110 §9.2.2).

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Method, Request, Response, request};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::{Instant, Sleep};

use crate::clock;
use crate::config::UpstreamProtocol;

use super::super::Cut;
use super::super::upstream::{
    self, CONNECT, Endpoint, Flow, InFlight, Link, Pool, Sending, Upstreams, Waits, Wish,
};
use super::failure::Failure;
use super::headers;

/// So many addresses are tried for a connection.
const TRIES: usize = 3;

/// The head of an answer, and where its body comes from.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    /// `None` for a shared connection.
    pub(super) link: Option<Box<Link>>,
    pub(super) inside: InFlight,
}

/// A request on its way.
pub(super) struct Exchange<'a> {
    pub(super) pool: &'a Arc<Pool>,
    pub(super) upstreams: &'a Upstreams,
    pub(super) cut: &'a mut Cut,
    /// The same head again, for the one repetition that is allowed.
    spare: Option<request::Parts>,
    flow: Option<Arc<Flow>>,
    /// Addresses where there was no connection.
    tried: Vec<Arc<Endpoint>>,
    /// A kept connection was lost: only a new one will do now.
    lost: bool,
}

/// What came of sending a request.
enum Sent {
    Answer(Response<Incoming>),
    /// The connection took none of it.
    Untouched(Request<Sending>),
    /// It may have been taken.
    Lost(hyper::Error),
    Failed(Failure),
}

/// With the connection that the answer's body will come by; without a connection the request comes back.
type Tried = Result<(Sent, Option<Box<Link>>), (upstream::Error, Request<Sending>)>;

impl<'a> Exchange<'a> {
    pub(super) fn new(pool: &'a Arc<Pool>, upstreams: &'a Upstreams, cut: &'a mut Cut) -> Self {
        Exchange { pool, upstreams, cut, spare: None, flow: None, tried: Vec::new(), lost: false }
    }

    /// Brings the request to an upstream and waits for its answer. Cancel safe: dropping the future closes the connection,
    /// which ends the request.
    pub(super) async fn run(
        &mut self,
        mut request: Request<Sending>,
        wish: Wish,
    ) -> Result<Answered, Failure> {
        self.flow = request.body().flow();
        if let (Wish::AskFirst, Some(flow)) = (wish, self.flow.clone()) {
            hyper::ext::on_informational(&mut request, move |told| {
                if told.status() == http::StatusCode::CONTINUE {
                    flow.let_go();
                }
            });
        }
        loop {
            let Some(endpoint) = self.upstreams.choose(&self.tried) else {
                let nowhere = upstream::Error::Nowhere;
                return Err(Failure::Unreachable(Some(Box::new(nowhere))));
            };
            let inside = endpoint.enter();
            let sent = match inside.endpoint().place.url.protocol {
                UpstreamProtocol::H2c => self.by_shared(&inside, request).await,
                UpstreamProtocol::Http | UpstreamProtocol::Https => {
                    self.by_link(&inside, request).await
                }
            };
            match sent {
                Ok((Sent::Answer(response), link)) => {
                    inside.endpoint().answered();
                    return Ok(Answered { response, link, inside });
                }
                Ok((Sent::Untouched(again), _)) => request = again,
                Ok((Sent::Lost(error), _)) => request = self.repeat(&inside, error)?,
                Ok((Sent::Failed(failure), _)) => return Err(failure),
                Err((why, again)) => request = self.elsewhere(&inside, why, again)?,
            }
        }
    }

    /// Whether the upload has not been read to its end: its connection cannot be used on.
    pub(super) fn is_early(&self) -> bool {
        self.flow.as_ref().is_some_and(|flow| flow.is_unread())
    }

    /// There was no connection. The request has done nothing, so another address may have it.
    fn elsewhere(
        &mut self,
        inside: &InFlight,
        why: upstream::Error,
        request: Request<Sending>,
    ) -> Result<Request<Sending>, Failure> {
        let (upstream, hint) = (inside.endpoint().place.name(), why.hint());
        tracing::debug!(%upstream, %why, hint, "no connection to an upstream");
        inside.endpoint().struck(&why);
        self.tried.push(Arc::clone(inside.endpoint()));
        let more = self.tried.len() < TRIES && self.upstreams.choose(&self.tried).is_some();
        if more { Ok(request) } else { Err(Failure::unreachable(why)) }
    }

    /// A connection ended without an answer.
    fn repeat(
        &mut self,
        inside: &InFlight,
        error: hyper::Error,
    ) -> Result<Request<Sending>, Failure> {
        if self.flow.as_ref().is_some_and(|flow| flow.is_broken()) {
            return Err(Failure::Upload);
        }
        if let Some(head) = self.spare.take() {
            self.lost = true;
            return Ok(Request::from_parts(head, Sending::default()));
        }
        inside.endpoint().struck(&error);
        Err(Failure::Lost(Box::new(error)))
    }

    /// By a connection of its own: a kept one, else a new one.
    async fn by_link(&mut self, inside: &InFlight, request: Request<Sending>) -> Tried {
        let now = clock::monotonic();
        let kept = if self.lost { None } else { self.pool.take(inside.endpoint(), now) };
        let mut link = if let Some(link) = kept {
            link
        } else {
            let opening = Link::open(Arc::clone(inside.endpoint()), CONNECT);
            tokio::select! {
                biased;
                link = opening => match link {
                    Ok(link) => link,
                    Err(why) => return Err((why, request)),
                },
                () = &mut *self.cut => return Ok((Sent::Failed(Failure::Cut), None)),
            }
        };
        if link.is_used() {
            self.keep_spare(&request);
        }
        let sent = self.talk(&mut link, request, now + self.pool.waits().head).await;
        match sent {
            Sent::Answer(_) => Ok((sent, Some(link))),
            Sent::Untouched(request) if !link.is_used() => Err((hung_up(), request)),
            Sent::Untouched(_) => {
                // Whatever else was kept is likely to be as stale.
                self.lost = true;
                Ok((sent, None))
            }
            Sent::Lost(_) => {
                if link.is_answered() || !link.is_used() {
                    self.spare = None;
                }
                Ok((sent, None))
            }
            Sent::Failed(_) => Ok((sent, None)),
        }
    }

    fn keep_spare(&mut self, request: &Request<Sending>) {
        let safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
        if !safe || self.flow.is_some() || self.lost {
            return;
        }
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = request.method().clone();
        head.uri = request.uri().clone();
        head.version = request.version();
        head.headers = request.headers().clone();
        self.spare = Some(head);
    }

    /// Sends, and drives the connection until the head is there.
    async fn talk(
        &mut self,
        link: &mut Link,
        request: Request<Sending>,
        mut deadline: Instant,
    ) -> Sent {
        let mut answer = pin!(link.send(request));
        let Waits { head, consent } = self.pool.waits();
        let (mut seen, mut consent) = (0, Consent::of(self.flow.as_ref(), consent));
        poll_fn(|cx| {
            link.drive(cx);
            // Nothing happens to the answer but by driving the link, so that it needs no waker.
            let mut nobody = Context::from_waker(Waker::noop());
            let mut told = answer.as_mut().poll(&mut nobody);
            if told.is_pending() && link.is_over() {
                // A connection that has ended says nothing of a request that it did not take, until it is dropped.
                link.hang_up();
                told = answer.as_mut().poll(&mut nobody);
            }
            if let Poll::Ready(answer) = told {
                return Poll::Ready(Sent::of(answer));
            }
            if Pin::new(&mut *self.cut).poll(cx).is_ready() {
                return Poll::Ready(Sent::Failed(Failure::Cut));
            }
            consent.poll(cx);
            while link.is_late(deadline, cx) {
                if !self.flow.as_ref().is_some_and(|flow| flow.moves(&mut seen)) {
                    return Poll::Ready(Sent::Failed(Failure::Late));
                }
                deadline += head;
            }
            Poll::Pending
        })
        .await
    }

    /// By the connection that all requests of this core share.
    async fn by_shared(&mut self, inside: &InFlight, request: Request<Sending>) -> Tried {
        let connected = tokio::select! {
            biased;
            connected = self.pool.shared(inside.endpoint()) => connected,
            () = &mut *self.cut => return Ok((Sent::Failed(Failure::Cut), None)),
        };
        let mut shared = match connected {
            Ok(shared) => shared,
            Err(why) => return Err((why, request)),
        };
        let (mut head, body) = request.into_parts();
        headers::for_http2(&mut head);
        let (waits, answer) =
            (self.pool.waits(), shared.try_send_request(Request::from_parts(head, body)));
        let mut late = pin!(tokio::time::sleep(waits.head));
        let (mut answer, mut seen) = (pin!(answer), 0);
        let mut consent = Consent::of(self.flow.as_ref(), waits.consent);
        let sent = poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(Sent::of(answer));
            }
            if Pin::new(&mut *self.cut).poll(cx).is_ready() {
                return Poll::Ready(Sent::Failed(Failure::Cut));
            }
            consent.poll(cx);
            while late.as_mut().poll(cx).is_ready() {
                if !self.flow.as_ref().is_some_and(|flow| flow.moves(&mut seen)) {
                    return Poll::Ready(Sent::Failed(Failure::Late));
                }
                late.as_mut().reset(clock::monotonic() + waits.head);
            }
            Poll::Pending
        });
        match sent.await {
            // It took none of it though it was just opened, or asked a second time.
            Sent::Untouched(request) if self.lost => Err((hung_up(), request)),
            sent => {
                self.lost |= matches!(sent, Sent::Untouched(_));
                Ok((sent, None))
            }
        }
    }
}

fn hung_up() -> upstream::Error {
    upstream::Error::Connect(std::io::ErrorKind::ConnectionReset.into())
}

impl Sent {
    fn of(answer: Result<Response<Incoming>, TrySendError<Request<Sending>>>) -> Sent {
        match answer {
            Ok(response) => Sent::Answer(response),
            Err(mut error) => match error.take_message() {
                Some(request) => Sent::Untouched(request),
                None => Sent::Lost(error.into_error()),
            },
        }
    }
}

/// Waits for an upstream's consent to an upload, for so long as is decent.
struct Consent<'a>(Option<(&'a Flow, Pin<Box<Sleep>>)>);

impl<'a> Consent<'a> {
    fn of(flow: Option<&'a Arc<Flow>>, wait: Duration) -> Consent<'a> {
        let held = flow.filter(|flow| flow.is_held());
        Consent(held.map(|flow| (&**flow, Box::pin(tokio::time::sleep(wait)))))
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some((flow, patience)) = &mut self.0
            && patience.as_mut().poll(cx).is_ready()
        {
            flow.let_go();
            self.0 = None;
        }
    }
}
