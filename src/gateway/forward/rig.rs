//! What the tests of forwarding stand on: a gateway of one site with nothing around it, an upstream that does byte for byte
//! what a test says, and a client that does too.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::super::upstream::{Executor, Waits, tests::until};
use super::super::{Door, Lane, Modes, Ticket, UpstreamReport, Verdict};
use super::*;
use crate::clock;
use crate::config::{
    DrainConfig, DrainThen, GatewayConfig, HealthConfig, Upgrades, UpstreamProtocol, UpstreamUrl,
};
use crate::net::{
    self,
    wire::{Lookout, Socket},
};
use crate::page::{Page, Told};
use crate::switch::{Mode, OperationId, Posture};
use crate::tasks::Tasks;

/// Short, since tests wait for them.
pub(super) const WAITS: Waits =
    Waits { head: Duration::from_millis(800), consent: Duration::from_millis(300) };

pub(super) struct Rig {
    pub(super) address: SocketAddr,
    pub(super) door: Arc<Door>,
    pub(super) tasks: Tasks,
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) pool: Arc<Pool>,
    pub(super) upstreams: Upstreams,
    pub(super) failures: Mutex<Vec<&'static str>>,
    door: Arc<Door>,
    lane: Arc<Lane>,
    trusted: bool,
}

/// Which HTTP its clients speak.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    Http1,
    /// From a trusted proxy.
    Http1Trusted,
    Http2,
}

pub(super) async fn rig(upstreams: &[SocketAddr]) -> Rig {
    rig_of(UpstreamProtocol::Http, upstreams, Front::Http1).await
}

pub(super) async fn rig_of(
    protocol: UpstreamProtocol,
    upstreams: &[SocketAddr],
    front: Front,
) -> Rig {
    let urls = upstreams.iter().map(|at| {
        let host = at.ip().to_string();
        UpstreamUrl { protocol, host, port: at.port() }
    });
    let health = HealthConfig { interval: Duration::from_hours(1), ..HealthConfig::default() };
    let config = GatewayConfig { upstreams: urls.collect(), health, ..GatewayConfig::default() };
    let tasks = Tasks::new();
    rig_with(Upstreams::start(&config, None, &tasks, None), tasks, front).await
}

pub(super) async fn rig_with(upstreams: Upstreams, tasks: Tasks, front: Front) -> Rig {
    until("asked once", || !upstreams.report().iter().any(UpstreamReport::is_unasked)).await;
    let drain = DrainConfig {
        deadline: Duration::ZERO,
        then: Some(DrainThen::Cut),
        upgrades: Upgrades::Close,
    };
    let told = Told { host: None, posture: None, now: clock::now() };
    let forms = Arc::new(Page::default().render(&told));
    let door = Door::new(forms, crate::config::HoldConfig::default(), drain, watch::Sender::new(0));
    let keeper = Arc::clone(&door);
    let stop = tasks.stopping();
    tasks.start(async move {
        tokio::select! { () = keeper.keep() => {}, () = stop => {} }
    });
    let lane = door.inside().lane("reads", Modes::OPEN);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let inner = Arc::new(Inner {
        pool: Pool::with_waits(&tasks, WAITS),
        upstreams,
        failures: Mutex::default(),
        door: Arc::clone(&door),
        lane,
        trusted: front == Front::Http1Trusted,
    });
    let rig = Rig { address, door, tasks: tasks.clone(), inner: Arc::clone(&inner) };
    rig.set(Mode::Open);
    let own = tasks.clone();
    tasks.start(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            own.start(serve(Arc::clone(&inner), (stream, peer), front, own.clone()));
        }
    });
    rig
}

async fn serve(
    inner: Arc<Inner>,
    (stream, peer): (TcpStream, SocketAddr),
    front: Front,
    tasks: Tasks,
) {
    let watched = Arc::<Lookout>::default().watch(stream, peer).unwrap();
    let wire = Arc::clone(watched.wire());
    let io = TokioIo::new(Socket(Arc::clone(&wire)));
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (inner, wire) = (Arc::clone(&inner), Arc::clone(&wire));
        async move { Ok::<_, Infallible>(inner.answer(request, &wire).await) }
    });
    if front == Front::Http2 {
        let served = http2::Builder::new(Executor(tasks)).serve_connection(io, service);
        drop(served.await);
    } else {
        let mut builder = http1::Builder::new();
        let served = builder.timer(TokioTimer::new()).serve_connection(io, service);
        drop(served.with_upgrades().await);
    }
}

impl Inner {
    async fn answer(
        &self,
        request: Request<hyper::body::Incoming>,
        wire: &Arc<net::wire::Wire>,
    ) -> Response<Body> {
        let Verdict::Pass(admitted) = Ticket::take(&self.lane).look(&self.door) else {
            return Response::builder().status(503).body(Body::Empty).unwrap();
        };
        let request_id = HeaderValue::from_static("id-1");
        let asker = Asker {
            peer: wire.peer().ip(),
            trusted: self.trusted,
            https: false,
            request_id: &request_id,
        };
        let request = request.map(|incoming| Upload::from_client(incoming, Some(wire)));
        let route = Route { pool: &self.pool, upstreams: &self.upstreams, asker };
        let forwarded = forward(route, request, admitted).await;
        self.failures.lock().unwrap().extend(forwarded.failure.as_ref().map(Failure::word));
        forwarded.response
    }
}

impl Rig {
    pub(super) fn set(&self, mode: Mode) {
        let now = clock::now();
        let posture = Posture {
            mode,
            operation: Some(OperationId::at(now, 1)),
            since: now,
            until: None,
            patience: None,
            reopened: None,
        };
        let told = Told { host: None, posture: Some(&posture), now };
        let forms = Arc::new(Page::default().render(&told));
        self.door.set(Some(posture), forms, now);
    }

    pub(super) async fn client(&self) -> Wire {
        Wire(TcpStream::connect(self.address).await.unwrap())
    }

    /// One request of its own connection, and all that comes back until it is closed.
    pub(super) async fn ask(&self, request: &str) -> String {
        let mut client = self.client().await;
        client.say(request).await;
        client.until_end().await
    }

    pub(super) fn failures(&self) -> Vec<&'static str> {
        self.inner.failures.lock().unwrap().clone()
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.inner.upstreams.report().iter().map(|one| one.in_flight).sum()
    }
}

/// A connection, spoken and listened to by hand.
pub(super) struct Wire(pub(super) TcpStream);

const PATIENCE: Duration = Duration::from_secs(10);

impl Wire {
    pub(super) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// What comes, up to and with `end`.
    pub(super) async fn hear(&mut self, end: &str) -> String {
        let mut heard = Vec::new();
        while !heard.ends_with(end.as_bytes()) {
            let byte = tokio::time::timeout(PATIENCE, self.0.read_u8()).await;
            match byte {
                Ok(Ok(byte)) => heard.push(byte),
                ended => panic!("{ended:?} after {:?}", String::from_utf8_lossy(&heard)),
            }
        }
        String::from_utf8(heard).unwrap()
    }

    pub(super) async fn head(&mut self) -> String {
        self.hear("\r\n\r\n").await
    }

    /// All that comes until it is closed, decently or not.
    pub(super) async fn until_end(&mut self) -> String {
        let mut heard = Vec::new();
        let mut space = [0; 4096];
        loop {
            match tokio::time::timeout(PATIENCE, self.0.read(&mut space)).await {
                Ok(Ok(0) | Err(_)) => return String::from_utf8_lossy(&heard).into_owned(),
                Ok(Ok(length)) => heard.extend_from_slice(&space[..length]),
                Err(tokio::time::error::Elapsed { .. }) => {
                    panic!("still open after {:?}", String::from_utf8_lossy(&heard))
                }
            }
        }
    }

    /// Whether nothing comes for a moment.
    pub(super) async fn is_silent(&mut self) -> bool {
        let mut space = [0; 1];
        tokio::time::timeout(Duration::from_millis(50), self.0.peek(&mut space)).await.is_err()
    }
}

/// An upstream that a test plays itself.
pub(super) struct Stage(TcpListener);

impl Stage {
    pub(super) async fn open() -> (Stage, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Stage(listener), address)
    }

    /// The next connection that says something; probes do not.
    pub(super) async fn enter(&self) -> Wire {
        loop {
            let accepted = tokio::time::timeout(PATIENCE, self.0.accept()).await;
            let (stream, _) = accepted.expect("nobody came").unwrap();
            if stream.peek(&mut [0; 1]).await.is_ok_and(|length| length > 0) {
                return Wire(stream);
            }
        }
    }

    /// The next connection, with the head that it begins with.
    pub(super) async fn begin(&self) -> (Wire, String) {
        let mut wire = self.enter().await;
        let head = wire.head().await;
        (wire, head)
    }
}

/// An address where nobody listens.
pub(super) fn nowhere() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}
