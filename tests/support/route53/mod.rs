//! A strict Route 53 on loopback, with STS and as much `CloudFront` as is asked of it, for what no emulator does:
//! an exact DELETE, PENDING for a while, and faults on the wire, each on the request that a test chooses.
//!
//! It never forgives: what the real one refuses is refused here, in the same words, and every request is kept.

mod answers;
pub(crate) mod record;
pub(crate) mod xml;
mod zone;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use roadworks::clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use record::RecordSet;
use zone::Zone;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// What a request is about; faults are set by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    List,
    Change,
    GetChange,
    Identity,
    Other,
}

/// Whether a request that is not answered well took effect all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Lost,
    Taken,
}

type Meddling = Box<dyn FnOnce(&mut Cloud) + Send>;

/// What goes wrong.
pub(crate) enum Fault {
    Throttling,
    PriorRequestNotComplete,
    ExpiredToken,
    AccessDenied,
    /// A 500, before or after the request did its work.
    Breaks(Effect),
    /// The request was read whole and the connection is closed without an answer.
    Cut(Effect),
    /// Somebody else is quicker.
    Meddle(Meddling),
}

impl Fault {
    pub(crate) fn meddle(with: impl FnOnce(&mut Cloud) + Send + 'static) -> Fault {
        Fault::Meddle(Box::new(with))
    }
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    pub(crate) verb: Verb,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: String,
}

impl Request {
    /// The actions of a batch, in order.
    pub(crate) fn actions(&self) -> Vec<String> {
        let batch = xml::Element::parse(&self.body).unwrap();
        batch.all("Action").into_iter().map(|action| action.text.clone()).collect()
    }
}

struct Change {
    polls_left: u32,
}

struct Planned {
    verb: Verb,
    skip: usize,
    fault: Fault,
}

/// What the server holds.
#[derive(Default)]
pub(crate) struct Cloud {
    zones: BTreeMap<String, Zone>,
    changes: BTreeMap<String, Change>,
    polls: u32,
    made: u32,
    planned: Vec<Planned>,
    slow: Vec<(Verb, Duration)>,
    requests: Vec<Request>,
}

impl Cloud {
    /// Puts a record as somebody else would, past every check.
    pub(crate) fn put(&mut self, zone_id: &str, set: RecordSet) {
        let zone = self.zones.get_mut(zone_id).expect("the zone was made");
        zone.sets.retain(|other| other.key() != set.key());
        zone.sets.push(set);
    }

    /// Takes a record away as somebody else would.
    pub(crate) fn take(&mut self, zone_id: &str, key: (&str, &str, Option<&str>)) {
        let zone = self.zones.get_mut(zone_id).expect("the zone was made");
        zone.sets.retain(|set| set.key() != key);
    }

    fn pause(&self, verb: Verb) -> Duration {
        self.slow.iter().filter(|(slow, _)| *slow == verb).map(|(_, by)| *by).sum()
    }

    fn fault(&mut self, verb: Verb) -> Option<Fault> {
        let mut hit = None;
        for (place, planned) in self.planned.iter_mut().enumerate() {
            if planned.verb != verb {
                continue;
            }
            if planned.skip == 0 && hit.is_none() {
                hit = Some(place);
            }
            planned.skip = planned.skip.saturating_sub(1);
        }
        hit.map(|place| self.planned.remove(place).fault)
    }

    /// The answer, or `None` for a connection that is cut.
    fn answer(&mut self, request: &Request) -> Option<(u16, String)> {
        self.requests.push(request.clone());
        match self.fault(request.verb) {
            None => Some(self.served(request)),
            Some(Fault::Throttling) => Some(answers::error(400, "Throttling", "Rate exceeded")),
            Some(Fault::PriorRequestNotComplete) => Some(answers::error(
                400,
                "PriorRequestNotComplete",
                "The request was rejected because Route 53 was still processing a prior request.",
            )),
            Some(Fault::ExpiredToken) => Some(answers::error(
                403,
                "ExpiredToken",
                "The security token included in the request is expired",
            )),
            Some(Fault::AccessDenied) => Some(answers::not_allowed(request.verb)),
            Some(Fault::Breaks(effect)) => {
                self.effect(request, effect);
                Some(answers::error(500, "InternalFailure", "We encountered an internal error."))
            }
            Some(Fault::Cut(effect)) => {
                self.effect(request, effect);
                None
            }
            Some(Fault::Meddle(meddle)) => {
                meddle(self);
                Some(self.served(request))
            }
        }
    }

    fn effect(&mut self, request: &Request, effect: Effect) {
        if effect == Effect::Taken {
            self.served(request);
        }
    }
}

/// The running server. Dropped, it ends.
pub(crate) struct Route53 {
    address: SocketAddr,
    cloud: Arc<Mutex<Cloud>>,
    heard: Arc<Condvar>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Route53 {
    /// Starts one on a port of its own.
    pub(crate) fn start() -> Route53 {
        let cloud = Arc::new(Mutex::new(Cloud { polls: 1, ..Cloud::default() }));
        let (stop, stopped) = oneshot::channel();
        let (told, tells) = mpsc::channel();
        let heard = Arc::new(Condvar::new());
        let served = Served { cloud: Arc::clone(&cloud), heard: Arc::clone(&heard) };
        let thread = thread::Builder::new().name("route53".to_owned()).spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(serve(served, told, stopped));
        });
        let address = tells.recv_timeout(LONG).expect("the server starts");
        Route53 { address, cloud, heard, stop: Some(stop), thread: thread.ok() }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn cloud<T>(&self, with: impl FnOnce(&mut Cloud) -> T) -> T {
        with(&mut self.cloud.lock().unwrap())
    }

    /// Every later change is PENDING for so many questions.
    pub(crate) fn pending_for(&self, polls: u32) {
        self.cloud(|cloud| cloud.polls = polls);
    }

    /// The `nth` request of that verb from now on, the first being 1, meets `fault`.
    pub(crate) fn fault(&self, verb: Verb, nth: usize, fault: Fault) {
        self.cloud(|cloud| cloud.planned.push(Planned { verb, skip: nth - 1, fault }));
    }

    /// The faults that no request has met yet.
    pub(crate) fn unmet(&self) -> usize {
        self.cloud(|cloud| cloud.planned.len())
    }

    /// Every later request of that verb is answered so much later.
    pub(crate) fn slow(&self, verb: Verb, by: Duration) {
        self.cloud(|cloud| cloud.slow.push((verb, by)));
    }

    pub(crate) fn put(&self, zone_id: &str, set: RecordSet) {
        self.cloud(|cloud| cloud.put(zone_id, set));
    }

    pub(crate) fn remove(&self, zone_id: &str, key: (&str, &str, Option<&str>)) {
        self.cloud(|cloud| cloud.take(zone_id, key));
    }

    pub(crate) fn record(&self, zone_id: &str, name: &str, kind: &str) -> Option<RecordSet> {
        let name = record::normal(name);
        self.cloud(|cloud| cloud.zones.get(zone_id)?.find((&name, kind, None)).cloned())
    }

    /// Waits until a request of that verb has come since [`Route53::forget`].
    pub(crate) fn hears(&self, verb: Verb) {
        let cloud = self.cloud.lock().unwrap();
        let silent = |cloud: &mut Cloud| cloud.requests.iter().all(|request| request.verb != verb);
        let heard = self.heard.wait_timeout_while(cloud, LONG, silent).unwrap();
        assert!(!heard.1.timed_out(), "no {verb:?} came within {LONG:?}");
    }

    /// Forgets what was asked until now.
    pub(crate) fn forget(&self) {
        self.cloud(|cloud| cloud.requests.clear());
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.cloud(|cloud| cloud.requests.clone())
    }

    /// The batches sent since [`Route53::forget`].
    pub(crate) fn batches(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.verb == Verb::Change);
        requests
    }
}

impl Drop for Route53 {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends without a panic");
        }
    }
}

/// What each connection needs.
#[derive(Clone)]
struct Served {
    cloud: Arc<Mutex<Cloud>>,
    heard: Arc<Condvar>,
}

async fn serve(served: Served, told: mpsc::Sender<SocketAddr>, mut stopped: oneshot::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    told.send(listener.local_addr().unwrap()).unwrap();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                connections.spawn(connection(stream, served.clone()));
            }
            _ = connections.join_next(), if !connections.is_empty() => {}
            _ = &mut stopped => return,
        }
    }
}

async fn connection(stream: TcpStream, served: Served) {
    let service = service_fn(|request| answer(request, &served));
    // An error here is a connection that a test cut, or a client that was killed.
    let _ended = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct Cut;

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Cut {
        match never {}
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    served: &Served,
) -> Result<hyper::Response<Full<Bytes>>, Cut> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let path = head.uri.path().to_owned();
    let request = Request {
        at: clock::monotonic(),
        verb: answers::verb(head.method.as_str(), &path),
        method: head.method.to_string(),
        path,
        query: head.uri.query().unwrap_or_default().to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let pause = served.cloud.lock().unwrap().pause(request.verb);
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    let answered = served.cloud.lock().unwrap().answer(&request);
    served.heard.notify_all();
    let (status, xml) = answered.ok_or(Cut)?;
    let mut answer = hyper::Response::new(Full::new(Bytes::from(xml)));
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
    answer
        .headers_mut()
        .insert("content-type", hyper::header::HeaderValue::from_static("text/xml"));
    Ok(answer)
}
