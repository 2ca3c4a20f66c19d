//! Carries a request that was let in to an upstream, and the answer back, both as they come. It adds what an upstream must
//! know of the client, takes away what belongs to one connection only, and promises nothing about a request that may have
//! been executed. It must never send a request that is not counted, or one twice that may have had an effect.

mod answer;
mod exchange;
mod failure;
mod frames;
mod headers;
mod tunnel;

use std::sync::Arc;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;

use self::answer::By;
use self::exchange::{Answered, Exchange};
use self::failure::Form;
use self::headers::Wants;
use self::tunnel::{Spoken, Tunnel};
use super::upstream::{Endpoint, Keep, Pool, Sending, Upstreams};
use super::{Admitted, Body, Outcome, Upload};

pub use self::failure::Failure;
pub use self::headers::Asker;

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub struct Route<'a> {
    /// The connections of this core.
    pub pool: &'a Arc<Pool>,
    /// The site's upstreams.
    pub upstreams: &'a Upstreams,
    /// Who asks.
    pub asker: Asker<'a>,
}

/// What came of it, for the client and for the log.
#[derive(Debug)]
pub struct Forwarded {
    /// For the client. Its body keeps the request counted.
    pub response: Response<Body>,
    /// Why it is ours and not the upstream's.
    pub failure: Option<Failure>,
    endpoint: Option<Arc<Endpoint>>,
}

impl Forwarded {
    /// The upstream that answered.
    pub fn upstream(&self) -> Option<std::net::SocketAddr> {
        self.endpoint.as_ref().map(|endpoint| endpoint.address)
    }
}

/// Forwards `request`, which is counted by `admitted` until its answer has ended. For `WebSocket`s and other upgrades the
/// client's connection has to be served with upgrades.
///
/// Cancel safe: dropping the future, or the body that it gives, means that the client is gone; the request is ended at the
/// upstream.
pub async fn forward(route: Route<'_>, request: Request<Upload>, admitted: Admitted) -> Forwarded {
    let (mut head, upload) = request.into_parts();
    let form = Form::wanted(&head.headers);
    let by_http1 = head.version < Version::HTTP_2;
    let switch = head.extensions.remove::<OnUpgrade>();
    head.extensions.clear();
    let wants = headers::towards_upstream(&mut head, &route.asker);
    let request = Request::from_parts(head, Sending::new(upload, wants.wish));
    let mut cut = admitted.cut();
    let mut exchange = Exchange::new(route.pool, route.upstreams, &mut cut);
    let answered = exchange.run(request, wants.wish).await;
    let closes = by_http1 && exchange.is_early();
    let answered = match answered {
        Ok(answered) => answered,
        Err(failure) => {
            let forwarded = failed(failure, form, &route, &admitted);
            return if closes { forwarded.closing() } else { forwarded };
        }
    };
    let status = answered.response.status();
    let endpoint = Some(Arc::clone(answered.inside.endpoint()));
    if status == StatusCode::SWITCHING_PROTOCOLS {
        drop(cut);
        let carried = switched(answered, (switch, wants), route.pool, admitted);
        return match carried.await {
            Ok(response) => Forwarded { response, failure: None, endpoint },
            Err((failure, admitted)) => failed(failure, form, &route, &admitted),
        };
    }
    admitted.answered(outcome(status));
    let (mut head, incoming) = answered.response.into_parts();
    let keep = Keep::as_told(&head.headers);
    headers::towards_client(&mut head.headers);
    // An app that still speaks 1.0 does not take chunks and kept connections from our clients.
    head.version = Version::HTTP_11;
    let by = answered.link.map_or(By::Shared, |link| By::Link(link, keep));
    let body = answer::body(incoming, by, route.pool, ((answered.inside, admitted), cut));
    let forwarded =
        Forwarded { response: Response::from_parts(head, body), failure: None, endpoint };
    if closes { forwarded.closing() } else { forwarded }
}

impl Forwarded {
    /// Says that the connection closes: the rest of the upload is not read (RFC 9112 §9.6).
    fn closing(mut self) -> Forwarded {
        self.response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        self
    }
}

/// How a release, or a gentle opening, takes an answer: an app that says that it is overloaded is. What it says of a request
/// (501, 505) is the client's.
fn outcome(status: StatusCode) -> Outcome {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Outcome::Failed
        }
        StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => Outcome::Answered,
        status if status.is_server_error() => Outcome::Erred,
        _ => Outcome::Answered,
    }
}

/// Answers in the upstream's stead.
fn failed(failure: Failure, form: Form, route: &Route<'_>, admitted: &Admitted) -> Forwarded {
    if failure.is_upstreams() {
        admitted.answered(Outcome::Failed);
    }
    let response = failure.answer(form, route.asker.request_id);
    Forwarded { response, failure: Some(failure), endpoint: None }
}

/// Answers 101 to the client, and carries bytes both ways from then on.
async fn switched(
    answered: Answered,
    (switch, wants): (Option<OnUpgrade>, Wants),
    pool: &Arc<Pool>,
    admitted: Admitted,
) -> Result<Response<Body>, (Failure, Admitted)> {
    let Answered { response, link, inside } = answered;
    let (Some(switch), Some(_), Some(link)) = (switch, wants.upgrade, link) else {
        return Err((Failure::Switched, admitted));
    };
    let Some(upstream) = link.into_switched().await else {
        return Err((Failure::Switched, admitted));
    };
    admitted.answered(Outcome::Answered);
    let (mut head, _) = response.into_parts();
    let protocol = head.headers.get(UPGRADE).cloned();
    headers::towards_client(&mut head.headers);
    head.extensions.clear();
    head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    let spoken = Spoken::of(protocol.as_ref());
    if let Some(protocol) = protocol {
        head.headers.insert(UPGRADE, protocol);
    }
    let tunnel = Tunnel::new(upstream, spoken, (inside, admitted.upgrade()));
    let tasks = pool.tasks().clone();
    pool.tasks().start(tunnel.run(switch, tasks));
    Ok(Response::from_parts(head, Body::Empty))
}

#[cfg(test)]
mod rig;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upgrades;
