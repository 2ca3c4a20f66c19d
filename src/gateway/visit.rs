//! The life of a request at its site: what kind it is; counted, shown the door; passed, kept waiting or refused.
//!
//! This file puts the steps in order and does none of them itself. What must never happen here: an answer of an upstream
//! without a ticket, or an answer made of two snapshots.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Request, Response, Version, header};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use super::address::{self, Client};
use super::asked;
use super::body::{Body, Upload};
use super::bypass;
use super::core::Core;
use super::door::{Refused, Verdict};
use super::forward::{Asker, Route, forward};
use super::inside::{Admitted, Ticket};
use super::refusal::{self, Afterwards, DRAIN_LIMIT, Refusal, Unread};
use super::rules::{BODY_LIMIT, Kind, Nature};
use super::service::Answering;
use super::site::Site;
use super::snapshot::Snapshot;
use super::waiting::Waiting;
use super::wellknown;
use crate::clock;
use crate::net::wire::{Busy, Order, Wire};
use crate::switch::Mode;

/// A small body that nobody wants has so long to come.
const DRAIN_FOR: Duration = Duration::from_secs(2);

/// One request, with all that is known of it.
pub(super) struct Visit {
    core: Arc<Core>,
    wire: Arc<Wire>,
    site: Arc<Site>,
    client: Client,
    id: HeaderValue,
    parts: Parts,
    upload: Upload,
}

impl Visit {
    /// A request for `site` on this connection, with TLS or without.
    pub(super) fn new(
        core: &Arc<Core>,
        (wire, tls): (&Arc<Wire>, bool),
        site: Arc<Site>,
        parts: Parts,
        upload: Upload,
    ) -> Visit {
        let direct = Client { ip: wire.peer().ip(), https: tls };
        let trusted = &site.settings.gateway.trusted_proxies;
        let client = address::client(direct, &parts.headers, trusted);
        let id = asked::request_id(&parts.headers);
        Visit { core: Arc::clone(core), wire: Arc::clone(wire), site, client, id, parts, upload }
    }

    /// The whole of it.
    pub(super) fn enter(self, busy: Busy) -> Answering {
        if let Some(answer) = self.answered_by_us() {
            return Answering::now(answer, busy);
        }
        let kind = self.site.rules.kind(&self.parts);
        if self.hides_its_nature(kind) {
            return Answering::later(self.read_first(kind), busy);
        }
        if let Some(answer) = self.stands_in(kind) {
            return Answering::now(answer, busy);
        }
        match self.look(kind) {
            Verdict::Pass(admitted) => Answering::later(self.pass(kind, admitted), busy),
            Verdict::Wait(waiting) => Answering::later(self.wait(kind, waiting), busy),
            Verdict::Refuse(refused) => {
                let answer = self.refusal(&refused.snapshot);
                match answer.upload {
                    Unread::Drain => Answering::later(self.drain(answer.response), busy),
                    Unread::Nothing => Answering::now(answer.response, busy),
                    Unread::Leave => {
                        self.wire.leaves_unread();
                        Answering::now(answer.response, busy)
                    }
                }
            }
        }
    }

    // ## What never reaches the door

    fn answered_by_us(&self) -> Option<Response<Body>> {
        if self.parts.uri.path() == wellknown::PATH {
            let snapshot = self.snapshot();
            return Some(wellknown::answer(&self.parts.method, snapshot.posture.as_ref()));
        }
        // Only a link is answered by a redirect; a header or a cookie is looked at by the door.
        let linked = self.parts.uri.query().is_some_and(|query| query.contains(bypass::PARAMETER));
        if !linked {
            return None;
        }
        let (snapshot, testers) = (self.snapshot(), &self.site.testers);
        testers.redirect(&self.parts, self.client, snapshot.posture.as_ref(), clock::now())
    }

    /// A copy of `/robots.txt`, or 404 for it or for a challenge where no app lives to answer.
    fn stands_in(&self, kind: Kind) -> Option<Response<Body>> {
        let mode = match kind {
            Kind::Acme | Kind::Robots => self.snapshot().mode()?,
            Kind::Plain(_) | Kind::Allow(..) | Kind::Bypass => return None,
        };
        let copy = match kind {
            Kind::Robots if mode >= Mode::Hold => self.site.robots().answer(&self.parts.method),
            _ => None,
        };
        let dead = mode >= Mode::Closed && !self.site.upstreams.is_healthy();
        copy.or_else(|| dead.then(|| refusal::not_found(&self.id)))
    }

    // ## Counted, and shown the door

    fn look(&self, kind: Kind) -> Verdict {
        let ticket = Ticket::take(self.site.lane(kind));
        ticket.look_as(&self.site.home.door, |snapshot| {
            let (posture, testers) = (snapshot.posture.as_ref(), &self.site.testers);
            let tester = testers.know(&self.parts, self.client, posture, clock::now());
            tester.then(|| Arc::clone(self.site.lane(Kind::Bypass)))
        })
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.site.home.door.snapshot()
    }

    // ## A body that tells what kind of request this is

    /// Only where it makes a difference: in read-only.
    fn hides_its_nature(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Plain(Nature::Graphql) | Kind::Allow(_, Nature::Graphql))
            && self.snapshot().mode() == Some(Mode::ReadOnly)
    }

    async fn read_first(mut self, kind: Kind) -> Response<Body> {
        let kind = match self.read_body().await {
            Some(()) => match &self.upload {
                Upload::Whole(body) => self.site.rules.read_body(kind, &self.parts, body),
                Upload::Empty | Upload::Incoming(_) => {
                    self.site.rules.read_body(kind, &self.parts, b"")
                }
            },
            None => kind,
        };
        match self.look(kind) {
            Verdict::Pass(admitted) => self.pass(kind, admitted).await,
            Verdict::Wait(waiting) => self.wait(kind, waiting).await,
            Verdict::Refuse(refused) => self.refuse(&refused).await,
        }
    }

    /// Reads a body of at most [`BODY_LIMIT`]; of a longer one not even the beginning, where it says its length.
    async fn read_body(&mut self) -> Option<()> {
        if self.upload.size_hint().lower() > BODY_LIMIT as u64 {
            return None;
        }
        let limited = http_body_util::Limited::new(std::mem::take(&mut self.upload), BODY_LIMIT);
        match limited.collect().await {
            Ok(body) => {
                self.upload = Upload::whole(body.to_bytes());
                Some(())
            }
            Err(_) => {
                // It is a write then, and what was read of it is gone: it may only be refused.
                self.wire.leaves_unread();
                None
            }
        }
    }

    // ## Passed

    async fn pass(self, kind: Kind, admitted: Admitted) -> Response<Body> {
        let Visit { core, wire, site, client, id, mut parts, upload } = self;
        bypass::strip(&mut parts);
        let (peer, method) = (wire.peer().ip(), parts.method.clone());
        let trusted = address::is_trusted(peer, &site.settings.gateway.trusted_proxies);
        let asker = Asker { peer, trusted, https: client.https, request_id: &id };
        let route = Route { pool: &core.pool, upstreams: &site.upstreams, asker };
        let forwarded = forward(route, Request::from_parts(parts, upload), admitted).await;
        if let Some(failure) = &forwarded.failure {
            let (site, upstream) = (site.settings.name.as_str(), forwarded.upstream());
            tracing::debug!(site, ?upstream, %failure, "not forwarded");
        }
        match kind {
            Kind::Robots => site.robots().watch(&method, forwarded.response),
            Kind::Plain(_) | Kind::Acme | Kind::Allow(..) | Kind::Bypass => forwarded.response,
        }
    }

    // ## Kept waiting

    async fn wait(self, kind: Kind, waiting: Waiting) -> Response<Body> {
        match waiting.await {
            // Its own box: whoever waits keeps no room for what comes then.
            Ok(admitted) => Box::pin(self.pass(kind, admitted)).await,
            Err(refused) => self.refuse(&refused).await,
        }
    }

    // ## Refused

    async fn refuse(self, refused: &Refused) -> Response<Body> {
        let answer = self.refusal(&refused.snapshot);
        match answer.upload {
            Unread::Drain => self.drain(answer.response).await,
            Unread::Nothing => answer.response,
            Unread::Leave => {
                self.wire.leaves_unread();
                answer.response
            }
        }
    }

    fn refusal(&self, snapshot: &Snapshot) -> refusal::Answer {
        let refusal = Refusal {
            posture: snapshot.posture.as_ref(),
            forms: &snapshot.forms,
            status: self.site.refuse_status,
            request_id: &self.id,
        };
        let answer = refusal::answer(&refusal, &self.parts, clock::now());
        if answer.connection == Afterwards::Close && self.parts.version == Version::HTTP_2 {
            self.wire.tell(Order::Quit);
        }
        answer
    }

    /// Reads a small body and throws it away, so that its connection can be used on.
    async fn drain(self, mut answer: Response<Body>) -> Response<Body> {
        let limit = usize::try_from(DRAIN_LIMIT).unwrap_or(usize::MAX);
        let waste = http_body_util::Limited::new(self.upload, limit).collect();
        if !matches!(tokio::time::timeout(DRAIN_FOR, waste).await, Ok(Ok(_))) {
            self.wire.leaves_unread();
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        answer
    }
}
