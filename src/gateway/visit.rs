//! The life of a request at its site: what kind it is; counted, shown the door; passed, kept waiting or refused.
//!
//! This file puts the steps in order and does none of them itself. What must never happen here: an answer of an upstream
//! without a ticket, or an answer made of two snapshots.

use std::pin::Pin;
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
use super::counters::Fate;
use super::door::{Refused, Verdict};
use super::forward::{Asker, Route, forward};
use super::inside::{Admitted, Ticket};
use super::record::{Of, Record};
use super::refusal::{self, Afterwards, DRAIN_LIMIT, Refusal, Unread};
use super::rules::{BODY_LIMIT, Kind, Nature};
use super::service::Answering;
use super::site::Site;
use super::snapshot::{Snapshot, Why};
use super::waiting::Waiting;
use super::wellknown;
use crate::clock;
use crate::net::wire::{Busy, Wire};
use crate::switch::Mode;

/// A small body that nobody wants has so long to come.
const DRAIN_FOR: Duration = Duration::from_secs(2);

/// An answer, and what is to be written down of it at its end.
type Done = (Response<Body>, Box<Record>);

/// The rest of a request's life, in a box.
type BoxFuture = Pin<Box<dyn Future<Output = Done> + Send>>;

/// How much of a body was read to learn what a request is.
enum Seen {
    /// All; it is kept.
    Whole,
    /// None: it is too long.
    Nothing,
    /// Some, which is gone.
    Part,
}

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
            return self.answer_now(answer, Fate::Answered, busy);
        }
        let kind = self.site.rules.kind(&self.parts);
        if self.hides_its_nature(kind) {
            let record = self.record();
            return Answering::later(self.read_first(kind, record), busy);
        }
        if let Some(answer) = self.stands_in(kind) {
            self.site.home.door.visited();
            return self.answer_now(answer, Fate::Answered, busy);
        }
        match self.look(kind) {
            Verdict::Pass(admitted) if self.is_one_too_many(kind) => {
                drop(admitted);
                let refused = Refused { why: Why::Crowded, snapshot: self.snapshot() };
                self.refuse_now(&refused, busy)
            }
            Verdict::Pass(admitted) => {
                let record = self.record();
                Answering::later(self.pass(kind, (admitted, Fate::Passed), record), busy)
            }
            Verdict::Wait(waiting) => {
                let record = self.record();
                Answering::later(self.wait(kind, waiting, record), busy)
            }
            Verdict::Refuse(refused) => self.refuse_now(&refused, busy),
        }
    }

    /// Whether the app has as many as it may have now. Whoever works on it passes.
    fn is_one_too_many(&self, kind: Kind) -> bool {
        kind != Kind::Bypass && self.site.home.is_over_limit() && !self.is_testers(&self.snapshot())
    }

    fn refuse_now(self, refused: &Refused, busy: Busy) -> Answering {
        let answer = self.refusal(refused.why, &refused.snapshot);
        if answer.upload == Unread::Drain {
            let record = self.record();
            return Answering::later(self.drain(answer.response, refused.why, record), busy);
        }
        if answer.upload == Unread::Leave {
            self.wire.leaves_unread();
        }
        self.answer_now(answer.response, Fate::Refused(refused.why), busy)
    }

    /// An answer that is there already. Only the access log wants more of it than a number.
    fn answer_now(self, answer: Response<Body>, fate: Fate, busy: Busy) -> Answering {
        if self.core.shared.access_log.is_none() {
            let tally = self.site.home.tallies.on(self.core.index);
            tally.count(fate);
            tally.took(Duration::ZERO);
            return Answering::now(answer, None, busy);
        }
        let mut record = self.record();
        record.answered(fate, answer.status().as_u16());
        Answering::now(answer, Some(record), busy)
    }

    #[expect(clippy::unnecessary_box_returns, reason = "it lives in the futures of those who wait")]
    fn record(&self) -> Box<Record> {
        let of = Of { parts: &self.parts, client: self.client, id: &self.id };
        Box::new(Record::begin(&self.core, &self.site, &of))
    }

    // ## What never reaches the door

    fn answered_by_us(&self) -> Option<Response<Body>> {
        if self.parts.uri.path() == wellknown::PATH {
            let snapshot = self.snapshot();
            return Some(wellknown::answer(&self.parts.method, snapshot.towards(self.client.ip)));
        }
        // Only a link is answered by a redirect; a header or a cookie is looked at by the door.
        let linked = self.parts.uri.query().is_some_and(|query| query.contains(bypass::PARAMETER));
        if !linked {
            return None;
        }
        let (snapshot, testers) = (self.snapshot(), &self.site.testers);
        testers.redirect(&self.parts, self.client, snapshot.of_testers(), clock::now())
    }

    /// A copy of `/robots.txt`, or 404 for it or for a challenge where no app lives to answer.
    fn stands_in(&self, kind: Kind) -> Option<Response<Body>> {
        let mode = match kind {
            Kind::Acme | Kind::Robots => self.snapshot().towards(self.client.ip)?.mode,
            Kind::Plain(_) | Kind::Allow(..) | Kind::Bypass => return None,
        };
        if mode >= Mode::Hold && self.is_testers(&self.snapshot()) {
            return None;
        }
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
        ticket.look_as(&self.site.home.door, Some(self.client.ip), |snapshot| {
            self.is_testers(snapshot).then(|| Arc::clone(self.site.lane(Kind::Bypass)))
        })
    }

    fn is_testers(&self, snapshot: &Snapshot) -> bool {
        let (posture, testers) = (snapshot.of_testers(), &self.site.testers);
        testers.know(&self.parts, self.client, posture, clock::now())
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

    async fn read_first(mut self, kind: Kind, record: Box<Record>) -> Done {
        let snapshot = self.snapshot();
        let is_http1 = self.parts.version < Version::HTTP_2;
        let kind = match self.read_body().await {
            Seen::Whole => match &self.upload {
                Upload::Whole(body) => self.site.rules.read_body(kind, &self.parts, body),
                Upload::Empty | Upload::Incoming(_) => {
                    self.site.rules.read_body(kind, &self.parts, b"")
                }
            },
            Seen::Nothing => kind,
            // It is a write then, and part of it is gone: whatever the mode is by now, it may only be refused.
            Seen::Part => {
                let mut done = self.refuse(&Refused { why: Why::Mode, snapshot }, record).await;
                if is_http1 {
                    let close = HeaderValue::from_static("close");
                    done.0.headers_mut().insert(header::CONNECTION, close);
                }
                return done;
            }
        };
        match self.look(kind) {
            Verdict::Pass(admitted) => self.pass(kind, (admitted, Fate::Passed), record).await,
            Verdict::Wait(waiting) => self.wait(kind, waiting, record).await,
            Verdict::Refuse(refused) => self.refuse(&refused, record).await,
        }
    }

    /// Reads a body of at most [`BODY_LIMIT`]; of a longer one not even the beginning, where it says its length.
    async fn read_body(&mut self) -> Seen {
        if self.upload.size_hint().lower() > BODY_LIMIT as u64 {
            return Seen::Nothing;
        }
        let limited = http_body_util::Limited::new(std::mem::take(&mut self.upload), BODY_LIMIT);
        if let Ok(body) = limited.collect().await {
            self.upload = Upload::whole(body.to_bytes());
            return Seen::Whole;
        }
        self.wire.leaves_unread();
        Seen::Part
    }

    // ## Passed

    async fn pass(
        self,
        kind: Kind,
        (admitted, fate): (Admitted, Fate),
        mut record: Box<Record>,
    ) -> Done {
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
        let closed = || {
            let snapshot = site.home.door.snapshot();
            snapshot.towards(client.ip).is_some_and(|posture| posture.mode >= Mode::Closed)
        };
        let response = match kind {
            // A 5xx there stops all crawling.
            Kind::Robots | Kind::Acme if forwarded.failure.is_some() && closed() => {
                refusal::not_found(&id)
            }
            Kind::Robots => site.robots().watch(&method, forwarded.response),
            Kind::Plain(_) | Kind::Acme | Kind::Allow(..) | Kind::Bypass => forwarded.response,
        };
        record.answered(fate, response.status().as_u16());
        (response, record)
    }

    // ## Kept waiting

    async fn wait(self, kind: Kind, waiting: Waiting, record: Box<Record>) -> Done {
        let verdict = waiting.await;
        record.waited();
        match verdict {
            // They left since the lookout looked last: it drops this, with what is written down of it.
            Ok(admitted) if self.wire.hung_up() => {
                drop(admitted);
                std::future::pending().await
            }
            // Their own boxes: whoever waits keeps no room for what comes then.
            Ok(admitted) => Box::pin(self.pass(kind, (admitted, Fate::Released), record)).await,
            // Nothing of it was read while it waited, and a query may pass here.
            Err(refused) if refused.why == Why::Mode && self.hides_its_nature(kind) => {
                self.read_after_all(kind, record).await
            }
            Err(refused) => Box::pin(self.refuse(&refused, record)).await,
        }
    }

    /// Ends the circle of types: what is read first may have to wait again.
    fn read_after_all(self, kind: Kind, record: Box<Record>) -> BoxFuture {
        Box::pin(self.read_first(kind, record))
    }

    // ## Refused

    async fn refuse(self, refused: &Refused, mut record: Box<Record>) -> Done {
        let answer = self.refusal(refused.why, &refused.snapshot);
        match answer.upload {
            Unread::Drain => return self.drain(answer.response, refused.why, record).await,
            Unread::Nothing => {}
            Unread::Leave => self.wire.leaves_unread(),
        }
        record.answered(Fate::Refused(refused.why), answer.response.status().as_u16());
        (answer.response, record)
    }

    fn refusal(&self, why: Why, snapshot: &Snapshot) -> refusal::Answer {
        let (posture, forms) = match &snapshot.gently {
            Some(gently) => (Some(&gently.shut.posture), &gently.shut.forms),
            None => (snapshot.posture.as_ref(), &snapshot.forms),
        };
        let refusal =
            Refusal { why, posture, forms, status: self.site.refuse_status, request_id: &self.id };
        let mut answer = refusal::answer(&refusal, &self.parts, clock::now());
        if self.parts.version == Version::HTTP_2 && matches!(self.upload, Upload::Empty) {
            answer.upload = Unread::Nothing;
        }
        if answer.connection == Afterwards::Close && self.parts.version == Version::HTTP_2 {
            self.wire.parts_soon();
        }
        answer
    }

    /// Reads a small body and throws it away, so that its connection can be used on.
    async fn drain(self, mut answer: Response<Body>, why: Why, mut record: Box<Record>) -> Done {
        let limit = usize::try_from(DRAIN_LIMIT).unwrap_or(usize::MAX);
        let waste = http_body_util::Limited::new(self.upload, limit).collect();
        let drained = matches!(tokio::time::timeout(DRAIN_FOR, waste).await, Ok(Ok(_)));
        if !drained && self.parts.version < Version::HTTP_2 {
            self.wire.leaves_unread();
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        record.answered(Fate::Refused(why), answer.status().as_u16());
        (answer, record)
    }
}
