//! The admin listener: `/livez`, `/readyz`, `/metrics`. For machines on this machine; knows no site's traffic.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as Socket};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::body::Body;
use super::core::Shared;
use super::error::Error;
use crate::config::Admin;
use crate::metrics::{self, Metrics};
use crate::net::bind::{Inherited, bind};
use crate::tasks::Tasks;

/// A few scrapers and probes; one more takes the place of the oldest, or whoever is silent would keep out who asks.
const CONNECTIONS: usize = 64;
const HEAD: Duration = Duration::from_secs(5);
/// Where the system has no more files it is asked again after this.
const BREATHER: Duration = Duration::from_millis(100);

/// Listens where the configuration says. The default address may be somebody else's: then there is none, and a warning.
pub(super) fn listen(admin: Admin, inherited: &Inherited) -> Result<Option<Socket>, Error> {
    let (address, chosen) = match admin {
        Admin::Default => (Admin::ADDRESS, false),
        Admin::At(address) => (address, true),
        Admin::Off => return Ok(None),
    };
    match bind(address, 1, inherited) {
        Ok(bound) => Ok(bound.sockets.into_iter().next()),
        Err(error) if !chosen => {
            tracing::warn!(%address, %error, "no metrics: another process has the admin address");
            Ok(None)
        }
        Err(source) => Err(Error::Listen { address, source }),
    }
}

/// What the admin listener tells of.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: Arc<Metrics>,
}

/// Answers until `tasks` are told to stop, on the runtime of whoever calls. Says where.
pub(super) fn start(socket: Socket, told: Told, tasks: &Tasks) -> io::Result<SocketAddr> {
    let address = socket.local_addr()?;
    let listener = TcpListener::from_std(socket)?;
    let (own, told) = (tasks.clone(), Arc::new(told));
    tasks.start(async move {
        let mut stopping = pin!(own.stopping());
        let mut open = VecDeque::<AbortHandle>::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stopping.as_mut() => return,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(BREATHER).await;
                continue;
            };
            let (told, stopping) = (Arc::clone(&told), own.stopping());
            let serving = own.start(async move {
                tokio::select! {
                    () = serve(stream, told) => {}
                    () = stopping => {}
                }
            });
            open.retain(|connection| !connection.is_finished());
            open.push_back(serving.abort_handle());
            if open.len() > CONNECTIONS {
                open.pop_front().iter().for_each(AbortHandle::abort);
            }
        }
    });
    Ok(address)
}

async fn serve(stream: TcpStream, told: Arc<Told>) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let answer = told.answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut http1 = http1::Builder::new();
    http1.timer(TokioTimer::new()).header_read_timeout(HEAD);
    #[expect(clippy::let_underscore_must_use, reason = "a scraper that breaks off comes again")]
    let _ = http1.serve_connection(TokioIo::new(stream), answer).await;
}

impl Told {
    fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
        }
        match request.uri().path() {
            "/livez" => text(StatusCode::OK, "alive\n"),
            "/readyz" if self.shared.is_ready() => text(StatusCode::OK, "ready\n"),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            "/metrics" => {
                let mut answer = Response::new(Body::whole(self.metrics.text()));
                let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
                answer.headers_mut().insert(CONTENT_TYPE, kind);
                answer
            }
            _ => text(StatusCode::NOT_FOUND, "/livez, /readyz or /metrics\n"),
        }
    }
}

fn text(status: StatusCode, words: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::whole(words));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
