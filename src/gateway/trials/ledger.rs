//! An app that writes down what reaches it, in order, and a client that says byte for byte what a test wants.
//!
//! `/gate..` is answered when the test opens the gate, `/large` with more than fits between two sockets; everything else after
//! the time that the app thinks.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{ANY, LONG, POLL, answer};
use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::Report;
use crate::tasks::Tasks;

/// More than the buffers of two sockets hold.
const LARGE: usize = 16 << 20;

/// The app. Its tasks end with the test's runtime.
pub(super) struct Ledger {
    pub(super) address: SocketAddr,
    book: Arc<Book>,
    gate: watch::Sender<bool>,
}

#[derive(Default)]
struct Book {
    thinks: Duration,
    asked: Mutex<Vec<String>>,
    running: AtomicUsize,
    most: AtomicUsize,
}

/// Counts a request while it runs, cut or not.
struct Running(Arc<Book>);

impl Running {
    fn begin(book: &Arc<Book>) -> Running {
        let running = book.running.fetch_add(1, SeqCst) + 1;
        book.most.fetch_max(running, SeqCst);
        Running(Arc::clone(book))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

impl Ledger {
    /// One that thinks for so long about each request.
    pub(super) async fn open(thinks: Duration) -> Ledger {
        let listener = TcpListener::bind(ANY).await.unwrap();
        let address = listener.local_addr().unwrap();
        let book = Arc::new(Book { thinks, ..Book::default() });
        let (gate, tasks) = (watch::Sender::new(false), Tasks::new());
        let (own, opened) = (Arc::clone(&book), gate.subscribe());
        tasks.clone().start(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (book, opened) = (Arc::clone(&own), opened.clone());
                let answering =
                    service_fn(move |request| enter(request, Arc::clone(&book), opened.clone()));
                tasks.start(async move {
                    let mut http1 = http1::Builder::new();
                    // The gateway adds some to what it lets in.
                    http1.max_headers(200);
                    let served = http1.serve_connection(TokioIo::new(stream), answering);
                    // A gateway that hangs up is what some tests are about.
                    drop(served.await);
                });
            }
        });
        Ledger { address, book, gate }
    }

    /// Whoever waits at the gate is answered, and whoever comes.
    pub(super) fn opens_the_gate(&self) {
        self.gate.send_replace(true);
    }

    /// `METHOD PATH` of all that came, in order; probes apart.
    pub(super) fn asked(&self) -> Vec<String> {
        self.book.asked.lock().unwrap().clone()
    }

    /// How many run now.
    pub(super) fn running(&self) -> usize {
        self.book.running.load(SeqCst)
    }

    /// How many ran at once, at most.
    pub(super) fn most(&self) -> usize {
        self.book.most.load(SeqCst)
    }
}

async fn enter(
    request: Request<Incoming>,
    book: Arc<Book>,
    mut opened: watch::Receiver<bool>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let line = format!("{} {}", request.method(), request.uri());
    book.asked.lock().unwrap().push(line.clone());
    let _running = Running::begin(&book);
    drop(request.into_body().collect().await);
    tokio::time::sleep(book.thinks).await;
    if line.contains(" /gate") {
        drop(opened.wait_for(|open| *open).await);
    }
    let body = if line.ends_with(" /large") { vec![b'.'; LARGE].into() } else { line.into() };
    Ok(Response::new(Full::new(body)))
}

/// A visitor of `shop.example`, on a kept connection.
pub(super) struct Visitor(pub(super) TcpStream);

impl Visitor {
    pub(super) async fn to(address: SocketAddr) -> Visitor {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Visitor(stream)
    }

    /// One that has asked already.
    pub(super) async fn asks(address: SocketAddr, method: &str, path: &str) -> Visitor {
        let mut visitor = Visitor::to(address).await;
        visitor.ask(method, path).await;
        visitor
    }

    /// Sends a request; a POST has a body of two bytes.
    pub(super) async fn ask(&mut self, method: &str, path: &str) {
        let body = if method == "POST" { "Content-Length: 2\r\n\r\nhi" } else { "\r\n" };
        self.say(&format!("{method} {path} HTTP/1.1\r\nHost: shop.example\r\n{body}")).await;
    }

    pub(super) async fn say(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    pub(super) async fn hears(&mut self) -> Heard {
        Heard::of(&answer(&mut self.0).await)
    }

    /// Whether nothing comes for so long.
    pub(super) async fn is_silent(&self, moment: Duration) -> bool {
        tokio::time::timeout(moment, self.0.peek(&mut [0])).await.is_err()
    }

    /// All that comes until the connection is closed, decently or not.
    pub(super) async fn until_end(&mut self) -> String {
        let mut got = Vec::new();
        let read = async {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = self.0.read(&mut piece).await {
                got.extend_from_slice(&piece[..read]);
            }
        };
        tokio::time::timeout(LONG, read).await.expect("an end");
        String::from_utf8_lossy(&got).into_owned()
    }
}

/// One answer.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) status: u16,
    /// In lower case.
    head: String,
    pub(super) body: String,
}

impl Heard {
    pub(super) fn of(answer: &str) -> Heard {
        let (head, body) =
            answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        Heard { status: status.unwrap(), head: head.to_lowercase(), body: body.to_owned() }
    }

    /// A header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(has, _)| *has == name).map(|(_, value)| value)
    }

    pub(super) fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

/// Looks at the site again and again, until it is as wanted; fails the test when that takes too long.
#[track_caller]
pub(super) fn until(
    gateway: &Gateway,
    wanted: impl Fn(&Report) -> bool,
) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let begun = clock::monotonic();
        while !wanted(&gateway.report("shop", clock::now())) {
            let took = clock::monotonic() - begun;
            assert!(took < LONG, "{place}: {:?}", gateway.report("shop", clock::now()));
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Waits until something is so; fails the test when that takes too long.
#[track_caller]
pub(super) fn so(wanted: impl Fn() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let begun = clock::monotonic();
        while !wanted() {
            assert!(clock::monotonic() - begun < LONG, "{place}: it takes too long");
            tokio::time::sleep(POLL).await;
        }
    }
}

/// What a metric says, by the whole of its name and labels.
pub(super) fn metric(gateway: &Gateway, line: &str) -> u64 {
    let text = gateway.metrics().text();
    let found = text.lines().find_map(|has| has.strip_prefix(line)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("{line} in\n{text}")).parse().unwrap()
}
