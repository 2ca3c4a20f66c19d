//! Drains that take too long, and connections that are upgraded, on real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::ledger::{Heard, Ledger, Visitor, so, until};
use super::{ANY, posture, settings, site_of, start};
use crate::clock;
use crate::config::{DrainConfig, Upgrades};
use crate::gateway::{Drain, Gateway};
use crate::switch::Mode;
use crate::tasks::Tasks;

const MOMENT: Duration = Duration::from_millis(100);

fn draining(app: SocketAddr, upgrades: Upgrades) -> Gateway {
    let mut site = site_of(app);
    let deadline = Duration::from_millis(400);
    site.gateway.drain = DrainConfig { deadline, then: None, upgrades };
    let gateway = start(settings(vec![site]));
    gateway.set("shop", posture(Mode::Open));
    gateway
}

#[tokio::test]
async fn k10_n6_past_its_deadline_a_closed_site_cuts_with_504_and_without_a_promise() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = draining(ledger.address, Upgrades::Leave);
    let mut long = Visitor::asks(gateway.addresses()[0], "POST", "/gate").await;
    so(|| ledger.running() == 1).await;
    let closed = posture(Mode::Closed).unwrap();
    let until_then = Some(clock::now() + jiff::SignedDuration::from_mins(5));
    gateway.set("shop", Some(crate::switch::Posture { until: until_then, ..closed }));
    assert_eq!(gateway.report("shop", clock::now()).drain, Drain::Draining);
    let cut = long.hears().await;
    assert_eq!((cut.status, cut.header("retry-after")), (504, None), "{cut:?}");
    so(|| ledger.running() == 0).await;
    until(&gateway, |report| report.drain == Drain::Drained && report.cut == 1).await;
    let mut refused = Visitor::asks(gateway.addresses()[0], "POST", "/").await;
    assert!(refused.hears().await.header("retry-after").is_some(), "that one may be repeated");
}

#[tokio::test]
async fn k10_past_its_deadline_a_hold_says_so_and_cuts_nobody() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = draining(ledger.address, Upgrades::Leave);
    let mut long = Visitor::asks(gateway.addresses()[0], "POST", "/gate").await;
    so(|| ledger.running() == 1).await;
    gateway.set("shop", posture(Mode::Hold));
    until(&gateway, |report| report.drain == Drain::Expired && report.in_flight == 1).await;
    let mut held = Visitor::asks(gateway.addresses()[0], "POST", "/held").await;
    assert!(held.is_silent(MOMENT).await && long.is_silent(MOMENT).await);
    // Whoever asked takes it back.
    gateway.set("shop", posture(Mode::Open));
    assert_eq!(held.hears().await.status, 200);
    ledger.opens_the_gate();
    assert_eq!(long.hears().await.status, 200);
}

#[tokio::test]
async fn k10_a_drain_ends_when_the_last_request_of_before_does() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = draining(ledger.address, Upgrades::Leave);
    gateway.set("shop", posture(Mode::Hold));
    assert_eq!(gateway.report("shop", clock::now()).drain, Drain::Drained, "nothing ran");
    gateway.set("shop", posture(Mode::Open));
    let mut long = Visitor::asks(gateway.addresses()[0], "POST", "/gate").await;
    so(|| ledger.running() == 1).await;
    gateway.set("shop", posture(Mode::Closed));
    assert_eq!(gateway.report("shop", clock::now()).drain, Drain::Draining);
    ledger.opens_the_gate();
    let heard = long.hears().await;
    assert_eq!((heard.status, heard.body.as_str()), (200, "POST /gate"));
    until(&gateway, |report| report.drain == Drain::Drained && report.cut == 0).await;
}

/// An app that speaks only `WebSocket`: it gives back what it gets, and closes when it is asked to.
async fn chat() -> SocketAddr {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let (at, tasks) = (listener.local_addr().unwrap(), Tasks::new());
    tasks.clone().start(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tasks.start(async move {
                let mut piece = [0; 4096];
                let Ok(1..) = stream.read(&mut piece).await else { return };
                let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
                stream.write_all(head.as_bytes()).await.unwrap();
                while let Ok(read @ 1..) = stream.read(&mut piece).await {
                    if piece[0] == 0x88 {
                        return;
                    }
                    stream.write_all(&piece[..read]).await.unwrap();
                }
            });
        }
    });
    at
}

async fn upgraded(gateway: &Gateway) -> Visitor {
    let mut visitor = Visitor::to(gateway.addresses()[0]).await;
    visitor
        .say("GET /chat HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        .await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(visitor.0.read_u8().await.unwrap());
    }
    assert_eq!(Heard::of(&String::from_utf8(head).unwrap()).status, 101);
    until(gateway, |report| report.upgraded == 1).await;
    visitor
}

#[tokio::test]
async fn websockets_that_may_stay_stay_counted_and_keep_no_drain_waiting() {
    let gateway = draining(chat().await, Upgrades::Leave);
    let mut visitor = upgraded(&gateway).await;
    for mode in [Mode::Hold, Mode::Closed] {
        gateway.set("shop", posture(mode));
        until(&gateway, |report| report.drain == Drain::Drained && report.upgraded == 1).await;
        // Past the drain's deadline too.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut got = [0; 4];
        visitor.0.write_all(b"\x81\x02hi").await.unwrap();
        visitor.0.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"\x81\x02hi", "{mode}");
    }
}

#[tokio::test]
async fn websockets_that_are_to_close_hear_1012_and_are_gone_when_it_is_drained() {
    let gateway = draining(chat().await, Upgrades::Close);
    let mut visitor = upgraded(&gateway).await;
    gateway.set("shop", posture(Mode::Hold));
    let mut got = [0; 4];
    tokio::time::timeout(super::LONG, visitor.0.read_exact(&mut got)).await.unwrap().unwrap();
    assert_eq!((got[0], &got[2..]), (0x88, &1012_u16.to_be_bytes()[..]));
    drop(visitor);
    until(&gateway, |report| report.drain == Drain::Drained && report.upgraded == 0).await;
}

#[tokio::test]
async fn a_shutdown_says_1012_to_websockets_and_ends_when_they_have_closed() {
    let mut site = site_of(chat().await);
    site.gateway.drain =
        DrainConfig { deadline: Duration::from_millis(200), then: None, upgrades: Upgrades::Leave };
    let gateway = start(settings(vec![site]));
    gateway.set("shop", posture(Mode::Open));
    let mut visitor = upgraded(&gateway).await;
    let begun = clock::monotonic();
    let client = async {
        let mut got = [0; 4];
        visitor.0.read_exact(&mut got).await.unwrap();
        assert_eq!((got[0], &got[2..]), (0x88, &1012_u16.to_be_bytes()[..]));
        drop(visitor);
    };
    tokio::join!(gateway.shut_down(super::LONG), client);
    assert!(clock::monotonic() - begun < super::LONG / 4, "its time was not waited for");
}
