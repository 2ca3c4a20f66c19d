//! Tests of upgraded connections, of HTTP/2 on either side, and of TLS to the upstream.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::upstream::{Executor, Upstreams, tests::until};
use super::rig::{Front, Rig, Stage, Wire, rig, rig_of, rig_with};
use crate::config::UpstreamProtocol;
use crate::switch::Mode;
use crate::tasks::Tasks;

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A client and an upstream that speak over an upgraded connection.
async fn upgraded() -> (Rig, Wire, Wire) {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client.say(UPGRADE).await;
    let (mut upstream, head) = stage.begin().await;
    assert!(
        head.contains("connection: upgrade\r\n") && head.contains("upgrade: WebSocket"),
        "{head}"
    );
    assert!(head.contains("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="), "{head}");
    // The first frame may come with the head.
    upstream.say(format!("{SWITCHED}\u{1}\u{2}hi")).await;
    let head = client.head().await;
    client.hear("\u{1}\u{2}hi").await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("upgrade: websocket"), "{head}");
    assert!(
        head.contains("connection: upgrade") && head.contains("sec-websocket-accept"),
        "{head}"
    );
    (rig, client, upstream)
}

fn counted(rig: &Rig) -> u64 {
    rig.door.report(crate::clock::now()).upgraded
}

#[tokio::test]
async fn k11_a_websocket_carries_bytes_both_ways_and_is_counted_until_it_ends() {
    let (rig, mut client, mut upstream) = upgraded().await;
    until("counted", || counted(&rig) == 1).await;
    assert_eq!(rig.in_flight(), 1);
    client.say("ping").await;
    upstream.hear("ping").await;
    upstream.say("pong").await;
    client.hear("pong").await;
    drop(upstream);
    assert_eq!(client.until_end().await, "");
    drop(client);
    until("counted out", || counted(&rig) == 0 && rig.in_flight() == 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_its_websocket_is_seen_by_the_upstream() {
    let (rig, client, mut upstream) = upgraded().await;
    drop(client);
    assert_eq!(upstream.until_end().await, "");
    drop(upstream);
    until("counted out", || counted(&rig) == 0).await;
}

#[tokio::test]
async fn much_passes_through_a_small_buffer_unchanged() {
    let (_rig, mut client, mut upstream) = upgraded().await;
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let copy = sent.clone();
    let (mut heard, write) = (Vec::new(), async { upstream.0.write_all(&copy).await });
    let read = async {
        let mut space = vec![0; 65_536];
        while heard.len() < sent.len() {
            let length = client.0.read(&mut space).await.unwrap();
            heard.extend_from_slice(&space[..length]);
        }
    };
    let (written, ()) = tokio::join!(write, read);
    written.unwrap();
    assert!(heard == sent);
}

#[tokio::test]
async fn a_websocket_is_closed_with_1012_at_the_end_of_a_frame_never_within() {
    let (rig, mut client, mut upstream) = upgraded().await;
    // The head of a frame of ten bytes, and four of them.
    upstream.say(b"\x01\x0aabcd").await;
    client.hear("abcd").await;
    rig.set(Mode::Closed);
    // The other direction stands between two frames, and hears it at once, masked.
    let mut farewell = [0; 8];
    upstream.0.read_exact(&mut farewell).await.unwrap();
    let [0x88, 0x82, a, b, _, _, high, low] = farewell else { panic!("{farewell:?}") };
    assert_eq!(u16::from_be_bytes([high ^ a, low ^ b]), 1012);
    assert!(client.is_silent().await, "the frame has not ended");
    upstream.say(b"efghij\x81\x05later").await;
    let mut rest = [0; 10];
    client.0.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"efghij\x88\x02\x03\xf4", "the rest of the frame, and then the farewell");
    drop(upstream);
    assert_eq!(client.until_end().await, "");
    drop(client);
    until("counted out", || counted(&rig) == 0).await;
}

#[tokio::test]
async fn a_gateway_that_stops_says_so_to_its_websockets() {
    let (rig, mut client, _upstream) = upgraded().await;
    rig.tasks.stop();
    let mut farewell = [0; 4];
    client.0.read_exact(&mut farewell).await.unwrap();
    assert_eq!(farewell, [0x88, 2, 0x03, 0xf4]);
}

#[tokio::test]
async fn an_upgrade_that_is_refused_by_the_app_is_an_answer_like_any_other() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client.say(UPGRADE).await;
    let (mut upstream, _) = stage.begin().await;
    upstream.say("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
    assert!(client.hear("no").await.starts_with("HTTP/1.1 403 "));
    assert_eq!(counted(&rig), 0);
}

#[tokio::test]
async fn an_upgrade_to_h2c_is_not_carried_and_a_switch_that_nobody_asked_for_is_a_502() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client
        .say("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
        .await;
    let (mut upstream, head) = stage.begin().await;
    assert!(!head.contains("upgrade") && !head.contains("http2-settings"), "{head}");
    upstream
        .say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
    assert_eq!((rig.failures(), counted(&rig)), (vec!["switched"], 0));
}

/// An app that speaks HTTP/2 only, and answers with what it was asked and trailers.
async fn h2c_app(tasks: &Tasks) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let own = tasks.clone();
    let answer = |request: Request<Incoming>| async move {
        let asked = format!(
            "{} {} te={:?} hop={} host={}",
            request.method(),
            request.uri(),
            request.headers().get("te"),
            request.headers().contains_key("connection"),
            request.headers().contains_key("host"),
        );
        let sent = request.into_body().collect().await?;
        let sum = sent.trailers().map_or("none", |all| all["x-sum"].to_str().unwrap()).to_owned();
        let text = format!("{asked} {:?} {sum}", sent.to_bytes());
        let trailers =
            HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
        let body = Full::new(Bytes::from(text)).with_trailers(async { Some(Ok(trailers)) });
        Ok::<_, hyper::Error>(Response::new(body))
    };
    tasks.start(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let builder = http2::Builder::new(Executor(own.clone()));
            let served = builder.serve_connection(TokioIo::new(stream), service_fn(answer));
            own.start(async move { drop(served.await) });
        }
    });
    address
}

#[tokio::test]
async fn http2_reaches_an_h2c_app_with_its_trailers_and_the_app_answers_with_its_own() {
    let tasks = Tasks::new();
    let at = h2c_app(&tasks).await;
    let rig = rig_of(UpstreamProtocol::H2c, &[at], Front::Http2).await;
    let stream = TcpStream::connect(rig.address).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(Executor(tasks.clone()), TokioIo::new(stream))
            .await
            .unwrap();
    tasks.start(async move { drop(connection.await) });
    for _ in 0..2 {
        let sum = HeaderMap::from_iter([("x-sum".parse().unwrap(), "9".parse().unwrap())]);
        let body = Full::new(Bytes::from("call")).with_trailers(async { Some(Ok(sum)) });
        let request = Request::post("http://grpc.example/pkg.Service/Call")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Box::pin(body))
            .unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let heard = answer.into_body().collect().await.unwrap();
        assert_eq!(heard.trailers().unwrap()["grpc-status"], "0");
        let text = String::from_utf8(heard.to_bytes().to_vec()).unwrap();
        let asked =
            "POST http://grpc.example/pkg.Service/Call te=Some(\"trailers\") hop=false host=false";
        assert_eq!(text, format!("{asked} b\"call\" 9"));
    }
    assert_eq!(rig.in_flight(), 0);
}

#[tokio::test]
async fn http2_reaches_an_http1_app_as_http1() {
    let (stage, at) = Stage::open().await;
    let rig = rig_of(UpstreamProtocol::Http, &[at], Front::Http2).await;
    let stream = TcpStream::connect(rig.address).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(Executor(rig.tasks.clone()), io).await.unwrap();
    rig.tasks.start(async move { drop(connection.await) });
    let request = Request::get("http://shop.example/a?b")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(Full::new(Bytes::new()))
        .unwrap();
    let answer = client.send_request(request);
    let play = async {
        let (mut upstream, head) = stage.begin().await;
        upstream.say("HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n").await;
        head
    };
    let (answer, head) = tokio::join!(answer, play);
    assert!(head.starts_with("GET /a?b HTTP/1.1\r\n"), "{head}");
    for line in ["host: shop.example\r\n", "cookie: a=1; b=2\r\n", "via: 2.0 roadworks\r\n"] {
        assert!(head.contains(line), "{line}: {head}");
    }
    let answer = answer.unwrap();
    assert!(!answer.headers().contains_key("transfer-encoding"));
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
}

#[tokio::test]
async fn an_https_app_is_reached_if_its_certificate_is_trusted_and_else_not() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (tasks, acceptor) = (Tasks::new(), tokio_rustls::TlsAcceptor::from(Arc::new(config)));
    tasks.start(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 2048];
            let Ok(1..) = stream.read(&mut head).await else { continue };
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsafe").await);
            drop(stream.shutdown().await);
        }
    });
    let ask = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let own = Tasks::new();
    let trusted = Upstreams::of_tls("localhost", at, roots, &own);
    let answer = rig_with(trusted, own, Front::Http1).await.ask(ask).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("safe"), "{answer}");
    let own = Tasks::new();
    let stranger = Upstreams::of_tls("localhost", at, rustls::RootCertStore::empty(), &own);
    let rig = rig_with(stranger, own, Front::Http1).await;
    let answer = rig.ask(ask).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    let why = rig.inner.upstreams.report().remove(0).last_error.unwrap();
    assert!(why.contains("no TLS: "), "{why}");
}
