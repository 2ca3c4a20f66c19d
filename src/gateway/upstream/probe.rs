//! Asks one endpoint whether it is well, again and again: by a GET of `upstream_path`, else by a connection. A probe always
//! opens a connection of its own, since a full accept queue is what an idle one would never notice.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::{Request, Response, header};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;

use crate::config::UpstreamProtocol;
use crate::tasks::Tasks;

use super::endpoint::Endpoint;
use super::error::Error;
use super::link::{Io, Link, connect};
use super::pool::Executor;
use super::sending::Sending;

/// Asks until it is told to stop, or the endpoint's name no longer leads there.
pub(super) async fn watch(endpoint: Arc<Endpoint>, tasks: Tasks) {
    let health = &endpoint.place.health;
    loop {
        let asked = tokio::time::timeout(health.timeout, ask(&endpoint, &tasks));
        let result = tokio::select! {
            () = tasks.stopping() => return,
            result = asked => result.unwrap_or(Err(Error::Slow(health.timeout))),
        };
        match result {
            Ok(()) => endpoint.passed(health),
            Err(why) => endpoint.failed(health, why.to_string()),
        }
        // A little off the beat, so that many gateways do not ask in step.
        let pause = health.interval.mul_f64(0.9 + 0.2 * fastrand::f64());
        if tokio::time::timeout(pause, tasks.stopping()).await.is_ok() || endpoint.is_retired() {
            return;
        }
    }
}

async fn ask(endpoint: &Arc<Endpoint>, tasks: &Tasks) -> Result<(), Error> {
    let (place, limit) = (&endpoint.place, endpoint.place.health.timeout);
    let Some(path) = &place.health.upstream_path else {
        connect(endpoint, limit).await?;
        return Ok(());
    };
    let answer = match place.url.protocol {
        UpstreamProtocol::Http | UpstreamProtocol::Https => {
            let question = Request::get(path.as_str())
                .header(header::HOST, &place.probe_host)
                .header(header::USER_AGENT, AGENT)
                .header(header::CONNECTION, "close");
            let question = question.body(Sending::default()).map_err(Error::Question)?;
            by_http1(Link::open(Arc::clone(endpoint), limit).await?, question).await?
        }
        UpstreamProtocol::H2c => {
            let question = Request::get(format!("http://{}{path}", place.probe_host))
                .header(header::USER_AGENT, AGENT);
            let question = question.body(Sending::default()).map_err(Error::Question)?;
            let io = TokioIo::new(Io::of(connect(endpoint, limit).await?));
            let shaken = http2::handshake(Executor(tasks.clone()), io).await;
            let (mut sender, connection) = shaken.map_err(Error::Protocol)?;
            let asked = async { sender.send_request(question).await.map_err(Error::Protocol) };
            tokio::select! {
                answer = asked => answer?,
                over = connection => {
                    over.map_err(Error::Protocol)?;
                    return Err(Error::Connect(std::io::ErrorKind::ConnectionReset.into()));
                }
            }
        }
    };
    if answer.status().is_success() { Ok(()) } else { Err(Error::Status(answer.status())) }
}

const AGENT: &str = concat!("roadworks/", env!("CARGO_PKG_VERSION"), " (probe)");

async fn by_http1(
    mut link: Box<Link>,
    question: Request<Sending>,
) -> Result<Response<Incoming>, Error> {
    let mut answer = pin!(link.send(question));
    let answered = std::future::poll_fn(|cx| {
        link.drive(cx);
        if link.is_over() {
            link.hang_up();
        }
        match answer.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(answer) => {
                Poll::Ready(answer.map_err(hyper::client::conn::TrySendError::into_error))
            }
        }
    });
    answered.await.map_err(Error::Protocol)
}
