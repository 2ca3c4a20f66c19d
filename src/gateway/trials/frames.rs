//! HTTP/2 by prior knowledge: streams that wait, that leave, that are one too many; GOAWAY; sites by their names.

use std::net::{Shutdown, SocketAddr, TcpStream as Socket};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::ledger::{Ledger, metric, until};
use super::{LONG, posture, settings, site, site_of, start};
use crate::clock;
use crate::config::Limits;
use crate::gateway::upstream::Executor;
use crate::switch::Mode;
use crate::tasks::Tasks;

/// A client of HTTP/2, with the end of its connection.
pub(super) struct Client {
    sender: SendRequest<Empty<Bytes>>,
    ended: JoinHandle<hyper::Result<()>>,
    tasks: Tasks,
}

impl Client {
    async fn to(address: SocketAddr) -> Client {
        Client::over(TcpStream::connect(address).await.unwrap()).await
    }

    /// One that can be hung up by its socket.
    async fn with_socket(address: SocketAddr) -> (Client, Socket) {
        let socket = Socket::connect(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        let stream = TcpStream::from_std(socket.try_clone().unwrap()).unwrap();
        (Client::over(stream).await, socket)
    }

    pub(super) async fn over<S>(stream: S) -> Client
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let tasks = Tasks::new();
        let shaken = http2::handshake(Executor(tasks.clone()), TokioIo::new(stream)).await;
        let (sender, connection) = shaken.unwrap();
        let ended = tasks.start(connection);
        Client { sender, ended, tasks }
    }

    /// A stream, whose answer comes later. Aborting it resets it.
    fn asks(&mut self, method: &str, url: &str) -> JoinHandle<hyper::Result<Response<Incoming>>> {
        let request = Request::builder().method(method).uri(url).body(Empty::new()).unwrap();
        self.tasks.start(self.sender.send_request(request))
    }

    /// The status and the body of one answer.
    pub(super) async fn hears(&mut self, url: &str) -> (StatusCode, Bytes) {
        let answer = self.asks("GET", url).await.unwrap().unwrap();
        let (parts, body) = answer.into_parts();
        (parts.status, body.collect().await.unwrap().to_bytes())
    }
}

const URL: &str = "http://shop.example/a";

#[tokio::test]
async fn held_streams_of_one_connection_wait_each_for_itself_and_one_that_is_reset_frees_its_place()
{
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = start(settings(vec![site_of(ledger.address)]));
    gateway.set("shop", posture(Mode::Hold));
    let mut client = Client::to(gateway.addresses()[0]).await;
    let mut streams: Vec<_> = (0..20)
        .map(|number| client.asks("POST", &format!("http://shop.example/{number}")))
        .collect();
    until(&gateway, |report| report.waiting == 20).await;
    streams.remove(7).abort();
    let left = clock::monotonic();
    until(&gateway, |report| report.waiting == 19).await;
    assert!(clock::monotonic() - left < Duration::from_secs(1));
    gateway.set("shop", posture(Mode::Open));
    for stream in streams {
        assert_eq!(stream.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert!(ledger.asked().len() == 19 && !ledger.asked().contains(&"POST /7".to_owned()));
}

#[tokio::test]
async fn a_client_of_http2_that_hangs_up_frees_the_places_of_all_its_streams() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = start(settings(vec![site_of(ledger.address)]));
    gateway.set("shop", posture(Mode::Hold));
    let (mut client, socket) = Client::with_socket(gateway.addresses()[0]).await;
    let streams: Vec<_> = (0..20).map(|_| client.asks("POST", URL)).collect();
    until(&gateway, |report| report.waiting == 20).await;
    socket.shutdown(Shutdown::Both).unwrap();
    let left = clock::monotonic();
    until(&gateway, |report| report.waiting == 0).await;
    assert!(clock::monotonic() - left < Duration::from_secs(1));
    drop(streams);
    gateway.set("shop", posture(Mode::Open));
    assert_eq!(Client::to(gateway.addresses()[0]).await.hears(URL).await.0, StatusCode::OK);
    assert_eq!(ledger.asked(), ["GET /a"]);
}

#[tokio::test]
async fn a_closed_site_refuses_without_a_connection_header_and_then_says_goaway() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = start(settings(vec![site_of(ledger.address)]));
    gateway.set("shop", posture(Mode::Open));
    let mut client = Client::to(gateway.addresses()[0]).await;
    assert_eq!(client.hears(URL).await.0, StatusCode::OK);
    gateway.set("shop", posture(Mode::ReadOnly));
    let refused = client.asks("POST", URL).await.unwrap().unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(client.hears(URL).await.0, StatusCode::OK, "the connection is kept");
    gateway.set("shop", posture(Mode::Closed));
    let refused = client.asks("GET", URL).await.unwrap().unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["roadworks-mode"], "closed");
    assert!(!refused.headers().contains_key("connection"));
    drop(refused);
    let ended = tokio::time::timeout(LONG, client.ended).await.expect("it is closed").unwrap();
    assert!(ended.is_ok(), "decently: {ended:?}");
}

#[tokio::test]
async fn no_more_streams_than_allowed_run_at_once_and_all_are_answered() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let mut settings = settings(vec![site_of(ledger.address)]);
    settings.serve.limits = Limits { streams: 4, ..Limits::default() };
    let gateway = start(settings);
    gateway.set("shop", posture(Mode::Open));
    let mut client = Client::to(gateway.addresses()[0]).await;
    // It knows the limit when it has heard anything.
    assert_eq!(client.hears(URL).await.0, StatusCode::OK);
    gateway.set("shop", posture(Mode::Hold));
    let streams: Vec<_> = (0..9).map(|_| client.asks("POST", URL)).collect();
    until(&gateway, |report| report.waiting == 4).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(gateway.report("shop", clock::now()).waiting, 4);
    assert_eq!(metric(&gateway, "roadworks_limits_total{limit=\"streams\"}"), 1);
    gateway.set("shop", posture(Mode::Open));
    for stream in streams {
        assert_eq!(stream.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(ledger.asked().len(), 10);
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Kind, stream and payload of the next frame.
async fn next_frame(stream: &mut TcpStream) -> (u8, u32, Vec<u8>) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    let [high, middle, low, kind, _, id @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
    stream.read_exact(&mut payload).await.unwrap();
    (kind, u32::from_be_bytes(id), payload)
}

/// The kind of frame that begins a stream and its answer.
const HEADERS: u8 = 1;

/// The next two streams that are answered, in the order of their numbers.
async fn answered(stream: &mut TcpStream) -> [u32; 2] {
    let mut answered = Vec::new();
    while answered.len() < 2 {
        let (kind, id, _) = next_frame(stream).await;
        if kind == HEADERS {
            answered.push(id);
        }
    }
    answered.sort_unstable();
    answered.try_into().unwrap()
}

#[tokio::test]
async fn a_client_that_heeds_no_limit_has_its_next_stream_refused_and_the_others_are_answered() {
    const RESET: u8 = 3;
    const REFUSED_STREAM: u32 = 7;
    /// Of the headers and of the stream.
    const END: u8 = 5;
    let ledger = Ledger::open(Duration::ZERO).await;
    let mut settings = settings(vec![site_of(ledger.address)]);
    settings.serve.limits = Limits { streams: 2, ..Limits::default() };
    let gateway = start(settings);
    gateway.set("shop", posture(Mode::Hold));
    let mut stream = TcpStream::connect(gateway.addresses()[0]).await.unwrap();
    // GET http / of the static table, and the name spelled out (RFC 7541).
    let request = [&[0x82, 0x86, 0x84, 0x01, 12][..], b"shop.example"].concat();
    let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    said.extend(frame(4, 0, 0, &[]));
    for id in [1, 3, 5] {
        said.extend(frame(HEADERS, END, id, &request));
    }
    stream.write_all(&said).await.unwrap();
    let refused = loop {
        let (kind, id, payload) = next_frame(&mut stream).await;
        assert_ne!(kind, HEADERS, "stream {id} is answered while all wait");
        if kind == RESET {
            break (id, payload);
        }
    };
    assert_eq!(refused, (5, REFUSED_STREAM.to_be_bytes().to_vec()));
    until(&gateway, |report| report.waiting == 2).await;
    gateway.set("shop", posture(Mode::Open));
    assert_eq!(answered(&mut stream).await, [1, 3]);
    assert_eq!(ledger.asked(), ["GET /", "GET /"]);
}

#[tokio::test]
async fn a_stream_with_too_many_headers_gets_431_and_is_counted_and_the_others_go_on() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = start(settings(vec![site_of(ledger.address)]));
    gateway.set("shop", posture(Mode::Open));
    let mut client = Client::to(gateway.addresses()[0]).await;
    for (headers, status) in [(99, 200), (101, 431)] {
        let mut request = Request::get(URL);
        for number in 0..headers {
            request = request.header(format!("a-{number}"), "x");
        }
        let asked = client.sender.send_request(request.body(Empty::new()).unwrap());
        assert_eq!(asked.await.unwrap().status().as_u16(), status, "{headers}");
    }
    assert_eq!(metric(&gateway, "roadworks_limits_total{limit=\"header_size\"}"), 1);
    assert_eq!(client.hears(URL).await.0, StatusCode::OK);
    assert_eq!(ledger.asked().len(), 2);
}

#[tokio::test]
async fn a_stream_whose_headers_are_too_large_gets_431_and_is_counted_and_the_others_go_on() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = start(settings(vec![site_of(ledger.address)]));
    gateway.set("shop", posture(Mode::Open));
    let mut client = Client::to(gateway.addresses()[0]).await;
    for (bytes, status) in [(31 << 10, 200), (33 << 10, 431), (50 << 10, 431)] {
        let request = Request::get(URL).header("a", "x".repeat(bytes));
        let asked = client.sender.send_request(request.body(Empty::new()).unwrap());
        assert_eq!(asked.await.unwrap().status().as_u16(), status, "{bytes}");
    }
    assert_eq!(metric(&gateway, "roadworks_limits_total{limit=\"header_size\"}"), 2);
    assert_eq!(client.hears(URL).await.0, StatusCode::OK);
    assert_eq!(ledger.asked().len(), 2);
}

#[tokio::test]
async fn sites_of_one_address_are_told_apart_by_exact_name_then_wildcard_and_health_comes_before() {
    let (exact, wild) = (Ledger::open(Duration::ZERO).await, Ledger::open(Duration::ZERO).await);
    let mut any = site("any", &["*.shop.example"]);
    any.gateway.upstreams = site_of(wild.address).gateway.upstreams;
    let mut one = site("shop", &["shop.example", "www.shop.example"]);
    one.gateway.upstreams = site_of(exact.address).gateway.upstreams;
    let gateway = start(settings(vec![any, one]));
    assert_eq!(gateway.addresses().len(), 1, "one address");
    gateway.set("shop", posture(Mode::Open));
    gateway.set("any", posture(Mode::ReadOnly));
    until(&gateway, |report| report.upstreams[0].healthy).await;
    let mut client = Client::to(gateway.addresses()[0]).await;
    for (host, status) in [
        ("shop.example", 200),
        ("www.shop.example:8443", 200),
        ("blog.shop.example", 200),
        ("a.blog.shop.example", 421),
        ("other.example", 421),
    ] {
        let (got, _) = client.hears(&format!("http://{host}/{host}")).await;
        assert_eq!(got.as_u16(), status, "{host}");
        assert_eq!(client.hears(&format!("http://{host}/up")).await.0, StatusCode::OK, "{host}");
    }
    assert_eq!(exact.asked(), ["GET /shop.example", "GET /www.shop.example:8443"]);
    assert_eq!(wild.asked(), ["GET /blog.shop.example"]);
    // Each has a mode of its own.
    for (host, status) in [("shop.example", 200), ("blog.shop.example", 503)] {
        let refused = client.asks("POST", &format!("http://{host}/")).await.unwrap().unwrap();
        assert_eq!(refused.status().as_u16(), status, "{host}");
    }
}

#[tokio::test]
async fn a_call_of_grpc_may_be_silent_for_longer_than_a_body_and_others_of_its_connection_go_on() {
    const DATA: u8 = 0;
    const END_HEADERS: u8 = 4;
    const END: u8 = 5;
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = start(settings(vec![site_of(ledger.address)]));
    gateway.set("shop", posture(Mode::Open));
    let mut stream = TcpStream::connect(gateway.addresses()[0]).await.unwrap();
    // POST and GET http / of the static table; the name and the type spelled out (RFC 7541).
    let of = |method: u8| [&[method, 0x86, 0x84, 0x01, 12][..], b"shop.example"].concat();
    let grpc = [&of(0x83)[..], &[0x0f, 0x10, 16], b"application/grpc"].concat();
    let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    said.extend(frame(4, 0, 0, &[]));
    said.extend(frame(HEADERS, END_HEADERS, 1, &grpc));
    said.extend(frame(DATA, 0, 1, &[0; 5]));
    stream.write_all(&said).await.unwrap();
    // A body of anything else that says nothing for so long is cut.
    tokio::time::sleep(Duration::from_secs(12)).await;
    said = frame(HEADERS, END, 3, &of(0x82));
    said.extend(frame(DATA, 1, 1, &[]));
    stream.write_all(&said).await.unwrap();
    assert_eq!(answered(&mut stream).await, [1, 3]);
}
