//! Every limit, reached on real sockets: how it is answered, that it is counted, and that others are served meanwhile.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::frames::frame;
use super::ledger::{Heard, Ledger, Visitor, metric, so};
use super::{LONG, POLL, posture, said, settings, site_of, start, status};
use crate::clock;
use crate::config::Limits;
use crate::gateway::Gateway;
use crate::switch::Mode;

const GET: &str = "GET /well HTTP/1.1\r\nHost: shop.example\r\n\r\n";
const SHORT: Duration = Duration::from_millis(500);

/// An open site with these limits.
async fn limited(limits: Limits) -> (Ledger, Gateway) {
    let ledger = Ledger::open(Duration::ZERO).await;
    let mut settings = settings(vec![site_of(ledger.address)]);
    settings.serve.limits = limits;
    let gateway = start(settings);
    gateway.set("shop", posture(Mode::Open));
    (ledger, gateway)
}

fn reached(gateway: &Gateway, limit: &str) -> u64 {
    metric(gateway, &format!("roadworks_limits_total{{limit=\"{limit}\"}}"))
}

async fn others_are_served(gateway: &Gateway) {
    assert_eq!(status(&said(gateway.addresses()[0], GET).await), "200");
}

#[tokio::test]
async fn a_head_that_is_too_large_or_has_too_many_lines_gets_431_and_is_closed() {
    let (ledger, gateway) = limited(Limits::default()).await;
    let at = gateway.addresses()[0];
    let head = |lines: String| format!("GET /head HTTP/1.1\r\nHost: shop.example\r\n{lines}\r\n");
    let long = |bytes: usize| head(format!("A: {}\r\n", "x".repeat(bytes)));
    let many = |lines: usize| {
        let lines: Vec<_> = (1..lines).map(|number| format!("A-{number}: x\r\n")).collect();
        head(lines.concat())
    };
    for (fits, request) in
        [(true, long(31 << 10)), (false, long(33 << 10)), (true, many(100)), (false, many(101))]
    {
        let answer = Heard::of(&said(at, &request).await);
        assert_eq!(answer.status, if fits { 200 } else { 431 }, "{} bytes", request.len());
        assert_eq!(answer.closes(), !fits, "{answer:?}");
    }
    so(|| reached(&gateway, "header_size") == 2).await;
    assert_eq!(ledger.asked().len(), 2);
    others_are_served(&gateway).await;
}

#[tokio::test]
async fn a_head_that_drips_gets_408_in_time_though_bytes_keep_coming() {
    let (ledger, gateway) = limited(Limits { header_timeout: SHORT, ..Limits::default() }).await;
    let at = gateway.addresses()[0];
    let begun = clock::monotonic();
    let mut loris = Visitor::asks(at, "GET", "/first").await;
    assert_eq!(loris.hears().await.status, 200, "its first request is fast");
    loris.say("GET / HTTP/1.1\r\nHost: shop.example\r\nA: ").await;
    let heard = loop {
        tokio::select! {
            heard = loris.0.readable() => { heard.unwrap(); break loris.until_end().await; }
            () = tokio::time::sleep(POLL * 4) => {}
        }
        loris.say("x").await;
    };
    assert_eq!(status(&heard), "408", "{heard}");
    assert!(clock::monotonic() - begun < SHORT * 6, "in time");
    assert_eq!((reached(&gateway, "header_timeout"), ledger.asked().len()), (1, 1));
    others_are_served(&gateway).await;
}

#[tokio::test]
async fn a_connection_that_is_idle_is_closed_and_one_that_asks_now_and_then_is_not() {
    let (ledger, gateway) = limited(Limits { idle_timeout: SHORT, ..Limits::default() }).await;
    let at = gateway.addresses()[0];
    let (mut silent, mut idle) = (Visitor::to(at).await, Visitor::asks(at, "GET", "/idle").await);
    let mut busy = Visitor::to(at).await;
    assert_eq!(idle.hears().await.status, 200);
    for _ in 0..8 {
        tokio::time::sleep(SHORT / 4).await;
        busy.ask("GET", "/busy").await;
        assert_eq!(busy.hears().await.status, 200);
    }
    assert_eq!((silent.until_end().await, idle.until_end().await), (String::new(), String::new()));
    so(|| reached(&gateway, "idle_timeout") == 2).await;
    assert_eq!(ledger.asked().len(), 9);
}

#[tokio::test]
async fn one_connection_too_many_gets_503_and_the_next_is_served_when_one_has_gone() {
    let (ledger, gateway) = limited(Limits { connections: 4, ..Limits::default() }).await;
    let at = gateway.addresses()[0];
    let mut visitors = Vec::new();
    for _ in 0..4 {
        let mut visitor = Visitor::asks(at, "GET", "/in").await;
        assert_eq!(visitor.hears().await.status, 200);
        visitors.push(visitor);
    }
    let mut crowded = Visitor::to(at).await;
    let heard = Heard::of(&crowded.until_end().await);
    assert_eq!((heard.status, heard.closes()), (503, true));
    assert_eq!(
        (heard.header("cache-control"), heard.header("retry-after")),
        (Some("no-store"), None)
    );
    assert_eq!(
        (reached(&gateway, "connections"), metric(&gateway, "roadworks_connections")),
        (1, 4)
    );
    visitors[0].ask("GET", "/in").await;
    assert_eq!(visitors[0].hears().await.status, 200, "who is in is served");
    drop(visitors.pop());
    so(|| metric(&gateway, "roadworks_connections") == 3).await;
    others_are_served(&gateway).await;
    assert_eq!(ledger.asked().len(), 6);
}

/// Takes as long as the floor's grace, ten seconds, and what the buffers of two sockets are worth.
#[tokio::test]
async fn who_sends_or_takes_a_body_too_slowly_is_shed_and_who_is_fast_enough_is_not() {
    let (_ledger, gateway) = limited(Limits { body_rate: 1 << 20, ..Limits::default() }).await;
    let at = gateway.addresses()[0];
    let (piece, seconds) = ("x".repeat(2 << 20), 15);
    let length = piece.len() * seconds;
    let post = format!("HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {length}\r\n\r\n");
    let (mut slow, mut fair) = (Visitor::to(at).await, Visitor::to(at).await);
    slow.say(&format!("POST /slow {post}")).await;
    fair.say(&format!("POST /fair {post}")).await;
    let mut greedy = Visitor::asks(at, "GET", "/large").await;
    for second in 0..seconds {
        // Writing fails once it is shed, which is what is waited for.
        drop(slow.0.try_write(b"x"));
        fair.say(&piece).await;
        if second == 5 {
            others_are_served(&gateway).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    so(|| reached(&gateway, "body_rate") == 2).await;
    assert_eq!(fair.hears().await.status, 200);
    let got = slow.until_end().await;
    assert!(!got.starts_with("HTTP/1.1 200"), "{got}");
    let mut taken = 0;
    let mut piece = vec![0; 1 << 16];
    while let Ok(read @ 1..) = greedy.0.read(&mut piece).await {
        taken += read;
    }
    assert!(taken < 16 << 20, "the answer was not whole: {taken}");
    others_are_served(&gateway).await;
}

/// A window that never opens, instead of a socket that is full.
#[tokio::test]
async fn a_stream_that_nobody_reads_is_closed_and_so_is_what_was_left_of_an_answer() {
    let limits = Limits { idle_timeout: SHORT * 2, body_rate: 1 << 20, ..Limits::default() };
    let (ledger, gateway) = limited(limits).await;
    let mut stuck = Vec::new();
    // Of the second one byte is taken: its only piece is given, and what is left of it stays with the connection.
    for (path, window) in [("/large", 0), ("/small", 1)] {
        let mut stream = TcpStream::connect(gateway.addresses()[0]).await.unwrap();
        let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // SETTINGS_INITIAL_WINDOW_SIZE.
        said.extend(frame(4, 0, 0, &[0, 4, 0, 0, 0, window]));
        let name = [&[0x82, 0x86, 0x01, 12][..], b"shop.example", &[0x04, 6], path.as_bytes()];
        said.extend(frame(1, 5, 1, &name.concat()));
        stream.write_all(&said).await.unwrap();
        stuck.push(stream);
    }
    so(|| ledger.asked().len() == 2).await;
    so(|| (reached(&gateway, "body_rate"), reached(&gateway, "idle_timeout")) == (1, 1)).await;
    for mut stream in stuck {
        let mut all = Vec::new();
        tokio::time::timeout(LONG, stream.read_to_end(&mut all)).await.unwrap().unwrap();
    }
    others_are_served(&gateway).await;
}
