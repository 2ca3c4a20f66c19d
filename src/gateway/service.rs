//! The requests of one connection: which site each is for, and what is answered before any site: the health path, a
//! Host that nobody has. The rest of a request's life is `visit`'s.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use super::asked::{self, Host};
use super::body::{Body, Upload};
use super::core::Core;
use super::listener::Listener;
use super::negotiate;
use super::record::Record;
use super::routes::Routes;
use super::sent::Sent;
use super::site::Site;
use super::visit::Visit;
use crate::net::wire::{Busy, Wire};

/// Answers the requests of one connection.
#[derive(Debug)]
pub(super) struct Service {
    core: Arc<Core>,
    listener: Arc<Listener>,
    wire: Arc<Wire>,
}

/// An answer, at once or later. Later is a box, so that connections that wait for nothing stay small.
pub(super) enum Answering {
    /// Taken when it is polled.
    Now(Option<Response<Sent>>),
    Later(Pin<Box<dyn Future<Output = Response<Sent>> + Send>>),
}

impl Answering {
    pub(super) fn now(
        answer: Response<Body>,
        record: Option<Box<Record>>,
        busy: Busy,
    ) -> Answering {
        Answering::Now(Some(answer.map(|body| Sent::new(body, record, busy))))
    }

    /// By a future that gives the record back with the answer: dropped before, it is a client that hung up.
    pub(super) fn later(
        answer: impl Future<Output = (Response<Body>, Box<Record>)> + Send + 'static,
        busy: Busy,
    ) -> Answering {
        Answering::Later(Box::pin(async move {
            let (answer, record) = answer.await;
            answer.map(|body| Sent::new(body, Some(record), busy))
        }))
    }
}

impl Future for Answering {
    type Output = Result<Response<Sent>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Answering::Now(answer) => {
                answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer)))
            }
            Answering::Later(later) => later.as_mut().poll(cx).map(Ok),
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Sent>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let busy = Busy::on(&self.wire);
        let (mut parts, incoming) = request.into_parts();
        if parts.version == Version::HTTP_2 {
            self.counts_streams(&busy);
        }
        let site = match self.find(&parts) {
            Ok(site) => site,
            Err(answer) => return Answering::now(answer, None, busy),
        };
        asked::settle_host(&mut parts);
        // A call that streams may have nothing to say for hours, on a connection that others use too.
        let hurried = (!negotiate::is_grpc(&parts.headers)).then_some(&self.wire);
        let upload = Upload::from_client(incoming, hurried);
        let visit =
            Visit::new(&self.core, (&self.wire, self.listener.tls.is_some()), site, parts, upload);
        visit.enter(busy)
    }
}

impl Service {
    pub(super) fn new(core: &Arc<Core>, listener: &Arc<Listener>, wire: &Arc<Wire>) -> Service {
        Service { core: Arc::clone(core), listener: Arc::clone(listener), wire: Arc::clone(wire) }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(super) fn listener(&self) -> &Arc<Listener> {
        &self.listener
    }

    /// A client that keeps to the limit waits when it is reached: this is the last that anybody hears of it.
    fn counts_streams(&self, busy: &Busy) {
        if busy.together() >= self.core.shared.conduct.load().limits.streams {
            self.core.shared.counters.limits.streams.fetch_add(1, Relaxed);
        }
    }

    /// Whether it has too many headers or, over HTTP/2, too large ones (RFC 9113 §6.5.2). HTTP/1.1's are the parser's to measure.
    fn is_too_large(&self, parts: &Parts) -> bool {
        let conduct = self.core.shared.conduct.load();
        if parts.headers.len() > conduct.limits.header_count {
            return true;
        }
        let size = || -> usize {
            let fields =
                parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32);
            fields.sum::<usize>() + parts.uri.path_and_query().map_or(0, |path| path.as_str().len())
        };
        parts.version == Version::HTTP_2 && size() > conduct.limits.header_bytes
    }

    /// The site of a request, or what is answered without one.
    #[expect(
        clippy::result_large_err,
        reason = "the answer goes straight on, and a box costs more"
    )]
    fn find(&self, parts: &Parts) -> Result<Arc<Site>, Response<Body>> {
        if self.is_too_large(parts) {
            self.core.shared.counters.limits.head.fetch_add(1, Relaxed);
            return Err(asked::closing(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        }
        if let Some(status) = asked::wrong(parts) {
            return Err(asked::closing(status));
        }
        let host = match asked::host(parts) {
            Host::Named(host) => Some(host),
            Host::Missing => None,
            Host::Wrong => return Err(asked::closing(StatusCode::BAD_REQUEST)),
        };
        let routes = self.listener.routes.load();
        if let Some(well) = self.health(&routes, parts, host) {
            let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            return Err(asked::bare(status));
        }
        let host = host.ok_or_else(|| asked::closing(StatusCode::BAD_REQUEST))?;
        let Some(site) = routes.site(host) else {
            self.core.shared.counters.misdirected.fetch_add(1, Relaxed);
            return Err(asked::bare(StatusCode::MISDIRECTED_REQUEST));
        };
        if matches!(parts.method, Method::TRACE | Method::CONNECT) {
            return Err(asked::not_allowed());
        }
        Ok(Arc::clone(site))
    }

    /// Whether the gateway is well, if that is asked: at the health path, whatever the Host. Where several sites have the
    /// path and none is named, one that is well is enough: a balancer asks after the gateway, not after one of its apps.
    fn health(&self, routes: &Routes<Site>, parts: &Parts, host: Option<&str>) -> Option<bool> {
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            return None;
        }
        let peer = self.wire.peer().ip();
        let asked = || {
            let sites = routes.health(parts.uri.path());
            sites.filter(|site| site.is_asked_for_health(parts, peer))
        };
        asked().next()?;
        let named = host.and_then(|host| routes.site(host));
        let named = named.filter(|named| asked().any(|site| Arc::ptr_eq(site, named)));
        Some(named.map_or_else(|| asked().any(|site| site.is_well()), |site| site.is_well()))
    }
}
