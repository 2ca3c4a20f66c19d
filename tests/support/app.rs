//! An app behind a gateway: it counts what reaches it, and is slow, silent or unwell as a test wants it.
//!
//! `/slow/MS` answers after so many milliseconds, `/gate` when the test opens it, `/up` as well as the app is. Everything else
//! is answered at once, with 500 where a test has it fail. Every answer's body is `METHOD PATH BYTES`, with the bytes of the body that came.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use roadworks::tasks::Tasks;

/// An app on a thread of its own. It ends with the test's handle of it.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    told: Arc<Told>,
    gate: watch::Sender<bool>,
    _ends: oneshot::Sender<()>,
}

#[derive(Default)]
struct Told {
    unwell: AtomicBool,
    failing: AtomicBool,
    looked_at: AtomicU64,
    /// How often each `METHOD PATH` came, with its query.
    asked: Mutex<BTreeMap<String, u64>>,
    answered: Mutex<BTreeMap<String, u64>>,
}

impl App {
    /// Anywhere on loopback.
    pub(crate) fn start() -> App {
        App::at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// At this address, as an app that comes back does.
    pub(crate) fn at(address: SocketAddr) -> App {
        let (told, gate) = (Arc::<Told>::default(), watch::Sender::new(false));
        let ((started, address_of), (ends, ended)) = (mpsc::channel(), oneshot::channel());
        let (telling, opened) = (Arc::clone(&told), gate.subscribe());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let work = move || {
            runtime.block_on(async {
                let listener = TcpListener::bind(address).await.unwrap();
                started.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = serve(listener, telling, opened) => {}
                    _ = ended => {}
                }
            });
        };
        Tasks::new().start_thread("app", work).unwrap();
        App { address: address_of.recv().expect("it listens"), told, gate, _ends: ends }
    }

    /// Where it is, as a URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether `/up` says that it is well.
    #[expect(clippy::fn_params_excessive_bools, reason = "it reads as a sentence")]
    pub(crate) fn is_well(&self, well: bool) {
        self.told.unwell.store(!well, SeqCst);
    }

    /// Has it turn unwell, at a moment that somebody else knows.
    pub(crate) fn turns_unwell(&self) -> impl FnOnce() + Send + 'static {
        let told = Arc::clone(&self.told);
        move || told.unwell.store(true, SeqCst)
    }

    /// Whether everything but `/up` is answered with 500.
    #[expect(clippy::fn_params_excessive_bools, reason = "it reads as a sentence")]
    pub(crate) fn fails(&self, failing: bool) {
        self.told.failing.store(failing, SeqCst);
    }

    /// How often somebody asked whether it is well.
    pub(crate) fn looked_at(&self) -> u64 {
        self.told.looked_at.load(SeqCst)
    }

    /// Whether `/gate` answers, those who wait there too.
    #[expect(clippy::fn_params_excessive_bools, reason = "it reads as a sentence")]
    pub(crate) fn opens_the_gate(&self, open: bool) {
        self.gate.send_replace(open);
    }

    /// How many requests `METHOD PATH` came, health checks apart: all whose line begins so.
    pub(crate) fn asked(&self, line: &str) -> u64 {
        of(&self.told.asked.lock().unwrap(), line)
    }

    /// How many of them were answered to their end, as far as the app can tell.
    pub(crate) fn answered(&self, line: &str) -> u64 {
        of(&self.told.answered.lock().unwrap(), line)
    }
}

fn of(counts: &BTreeMap<String, u64>, line: &str) -> u64 {
    counts.iter().filter(|(asked, _)| asked.starts_with(line)).map(|(_, count)| count).sum()
}

async fn serve(listener: TcpListener, told: Arc<Told>, opened: watch::Receiver<bool>) {
    let tasks = Tasks::new();
    while let Ok((stream, _)) = listener.accept().await {
        drop(stream.set_nodelay(true));
        let (told, opened) = (Arc::clone(&told), opened.clone());
        let answering =
            service_fn(move |request| answer(request, Arc::clone(&told), opened.clone()));
        tasks.start(async move {
            let connection =
                http1::Builder::new().serve_connection(TokioIo::new(stream), answering);
            // A gateway that hangs up is what some tests are about.
            drop(connection.await);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    told: Arc<Told>,
    mut opened: watch::Receiver<bool>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (method, path) = (request.method().clone(), request.uri().to_string());
    if path == "/up" {
        told.looked_at.fetch_add(1, SeqCst);
        let status = if told.unwell.load(SeqCst) { 503 } else { 200 };
        return Ok(Response::builder().status(status).body(Full::default()).unwrap());
    }
    let line = format!("{method} {path}");
    *told.asked.lock().unwrap().entry(line.clone()).or_default() += 1;
    let body = request.into_body().collect().await;
    let bytes = body.map(|body| body.to_bytes().len()).unwrap_or_default();
    if let Some(wait) = path.strip_prefix("/slow/") {
        tokio::time::sleep(Duration::from_millis(wait.parse().unwrap())).await;
    }
    if path == "/gate" {
        drop(opened.wait_for(|open| *open).await);
    }
    *told.answered.lock().unwrap().entry(line.clone()).or_default() += 1;
    if told.failing.load(SeqCst) {
        return Ok(Response::builder().status(500).body(Full::default()).unwrap());
    }
    Ok(Response::new(Full::from(format!("{line} {bytes}"))))
}
