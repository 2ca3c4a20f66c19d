//! One request after the other, mode by mode.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::ledger::{Ledger, Visitor, until};
use super::{ANY, answer, app, posture, said, settings, site_of, start, status};
use crate::clock;
use crate::config::{PathPattern, Secret};
use crate::gateway::bypass::Key;
use crate::switch::Mode;

const GET: &str = "GET /a?b=c;d HTTP/1.1\r\nHost: shop.example\r\n\r\n";
const POST: &str = "POST /a HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn each_mode_gives_what_it_says_from_the_next_request_on() {
    let gateway = start(settings(vec![site_of(app().await)]));
    let at = gateway.addresses()[0];
    let health = "GET /up HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n";
    assert_eq!(status(&said(at, GET).await), "503", "it knows nothing");
    assert_eq!(status(&said(at, health).await), "503", "and no balancer may send anybody");
    until(&gateway, |report| report.upstreams[0].healthy).await;
    for (mode, get, post) in [
        (Mode::Open, "200", "200"),
        (Mode::ReadOnly, "200", "503"),
        (Mode::Closed, "503", "503"),
        (Mode::Detour, "503", "503"),
    ] {
        assert!(gateway.set("shop", posture(mode)));
        let got = said(at, GET).await;
        assert_eq!(status(&got), get, "{mode}: {got}");
        assert_eq!(got.ends_with("app GET /a?b=c;d HTTP/1.1"), get == "200", "{got}");
        assert_eq!(status(&said(at, POST).await), post, "{mode}");
        assert_eq!(status(&said(at, health).await), "200", "{mode}");
        let closes = got.to_lowercase().contains("connection: close");
        assert_eq!(closes, mode >= Mode::Closed, "{mode}: {got}");
    }
}

#[tokio::test]
async fn a_reload_never_takes_back_a_move_that_was_made_meanwhile() {
    let settings = settings(vec![site_of(app().await)]);
    let gateway = start(settings.clone());
    for round in 0..60 {
        let mode = if round % 2 == 0 { Mode::Closed } else { Mode::Open };
        std::thread::scope(|scope| {
            let reload = scope.spawn(|| gateway.reload(&settings, &BTreeMap::new()));
            std::thread::sleep(Duration::from_micros(round * 200));
            gateway.set("shop", posture(mode));
            reload.join().unwrap().unwrap();
        });
        assert_eq!(gateway.report("shop", clock::now()).mode, Some(mode), "round {round}");
    }
}

#[tokio::test]
async fn a_crawler_gets_404_where_the_app_of_a_closed_site_dies_before_it_is_probed_again() {
    let app = TcpListener::bind(ANY).await.unwrap();
    let gateway = start(settings(vec![site_of(app.local_addr().unwrap())]));
    until(&gateway, |report| report.upstreams[0].healthy).await;
    gateway.set("shop", posture(Mode::Closed));
    drop(app);
    let got =
        said(gateway.addresses()[0], "GET /robots.txt HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            .await;
    assert_eq!(status(&got), "404", "{got}");
}

#[tokio::test]
async fn a_tester_gets_the_apps_own_robots_txt_and_all_others_the_copy() {
    let secret = || Secret::new("a key of thirty-two bytes, or so");
    let mut site = site_of(app().await);
    site.gateway.bypass.key = Some(secret());
    let gateway = start(settings(vec![site]));
    until(&gateway, |report| report.upstreams[0].healthy).await;
    gateway.set("shop", posture(Mode::Open));
    let ask = |more: &str| format!("GET /robots.txt HTTP/1.1\r\nHost: shop.example\r\n{more}\r\n");
    let at = gateway.addresses()[0];
    said(at, &ask("")).await;
    let closed = posture(Mode::Closed).unwrap();
    let (now, operation) = (clock::now(), closed.operation.clone().unwrap());
    let token = Key::new(secret(), "shop").token(&operation, now + Duration::from_mins(1), now);
    gateway.set("shop", Some(closed));
    let token = String::from_utf8_lossy(token.bytes()).into_owned();
    let is_copy = |got: &str| got.to_lowercase().contains("cache-control: no-store");
    let got = said(at, &ask("")).await;
    assert!(status(&got) == "200" && is_copy(&got), "{got}");
    let got = said(at, &ask(&format!("Roadworks-Bypass: {token}\r\n"))).await;
    assert!(status(&got) == "200" && !is_copy(&got), "{got}");
}

#[tokio::test]
async fn a_held_request_is_answered_when_the_site_opens() {
    let gateway = start(settings(vec![site_of(app().await)]));
    let at = gateway.addresses()[0];
    gateway.set("shop", posture(Mode::Hold));
    let mut held = TcpStream::connect(at).await.unwrap();
    held.write_all(POST.as_bytes()).await.unwrap();
    let mut changed = gateway.changed();
    while gateway.report("shop", clock::now()).waiting == 0 {
        tokio::time::timeout(super::POLL, changed.changed()).await.ok();
    }
    gateway.set("shop", posture(Mode::Open));
    assert!(answer(&mut held).await.ends_with("app POST /a HTTP/1.1"));
    assert_eq!(gateway.report("shop", clock::now()).waiting, 0);
}

#[tokio::test]
async fn k5_the_health_path_is_answered_in_every_mode_and_no_other_path_is() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = start(settings(vec![site_of(ledger.address)]));
    let at = gateway.addresses()[0];
    until(&gateway, |report| report.upstreams[0].healthy).await;
    for mode in Mode::LADDER {
        gateway.set("shop", posture(mode));
        for line in ["GET /up", "HEAD /up", "GET /up?probe=1"] {
            let asked = format!("{line} HTTP/1.1\r\nHost: 10.0.0.1\r\nConnection: close\r\n\r\n");
            assert_eq!(status(&said(at, &asked).await), "200", "{mode}: {line}");
        }
        assert_eq!(ledger.asked().len(), 0, "{mode}");
    }
    for (mode, get) in [(Mode::Closed, 503), (Mode::Open, 200)] {
        gateway.set("shop", posture(mode));
        for line in ["/up/", "/up/other", "/UP"] {
            let heard = Visitor::asks(at, "GET", line).await.hears().await;
            assert_eq!(heard.status, get, "{mode}: {line}");
        }
        assert_eq!(Visitor::asks(at, "POST", "/up").await.hears().await.status, get, "{mode}");
    }
}

#[tokio::test]
async fn k7_a_reload_while_it_holds_changes_no_mode_and_loses_nobody() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let mut settings = settings(vec![site_of(ledger.address)]);
    let gateway = start(settings.clone());
    let at = gateway.addresses()[0];
    gateway.set("shop", posture(Mode::Hold));
    let (mut first, mut second) =
        (Visitor::asks(at, "POST", "/1").await, Visitor::asks(at, "POST", "/2").await);
    until(&gateway, |report| report.waiting == 2).await;
    settings.sites[0].gateway.hold.places = 2;
    gateway.reload(&settings, &BTreeMap::new()).unwrap();
    assert_eq!(gateway.addresses(), [at]);
    let mut third = Visitor::asks(at, "POST", "/3").await;
    assert_eq!(third.hears().await.status, 503, "the new settings hold");
    assert_eq!(gateway.report("shop", clock::now()).waiting, 2);
    gateway.set("shop", posture(Mode::Open));
    assert_eq!((first.hears().await.status, second.hears().await.status), (200, 200));
    assert_eq!(ledger.asked().len(), 2);
}

/// Part of such a body was read to see what it asks for, and is gone.
#[tokio::test]
async fn a_graphql_body_that_is_too_long_to_judge_is_refused_and_closed_even_if_the_site_opens_meanwhile()
 {
    let ledger = Ledger::open(Duration::ZERO).await;
    let mut site = site_of(ledger.address);
    site.gateway.read_only.graphql = vec![PathPattern::Exact("/graphql".to_owned())];
    let gateway = start(settings(vec![site]));
    let at = gateway.addresses()[0];
    let chunk = format!("a000\r\n{}\r\n", "x".repeat(0xa000));
    for opens in [false, true] {
        gateway.set("shop", posture(Mode::ReadOnly));
        let mut visitor = Visitor::to(at).await;
        // What says 100 has begun to read.
        let expect = if opens { "Expect: 100-continue\r\n" } else { "" };
        let begins = format!(
            "POST /graphql HTTP/1.1\r\nHost: shop.example\r\n{expect}Content-Type: application/json\r\n"
        );
        visitor.say(&format!("{begins}Transfer-Encoding: chunked\r\n\r\n")).await;
        if opens {
            let mut told = [0; 25];
            visitor.0.read_exact(&mut told).await.unwrap();
            assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
            gateway.set("shop", posture(Mode::Open));
        }
        visitor.say(&chunk).await;
        visitor.say(&chunk).await;
        let heard = visitor.hears().await;
        assert_eq!((heard.status, heard.closes()), (503, true), "{opens}: {heard:?}");
    }
    assert_eq!(ledger.asked().len(), 0);
}

/// Nothing of it is read while it waits; where the site opens for reading alone it is read then, and judged.
#[tokio::test]
async fn graphql_that_waited_in_hold_is_told_apart_when_the_site_becomes_read_only() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let mut site = site_of(ledger.address);
    site.gateway.read_only.graphql = vec![PathPattern::Exact("/graphql".to_owned())];
    let gateway = start(settings(vec![site]));
    let at = gateway.addresses()[0];
    gateway.set("shop", posture(Mode::Hold));
    let mut visitors = Vec::new();
    for (asks, status) in [("query{cart}", 200), ("mutation{buy}", 503)] {
        let body = format!("{{\"query\":\"{asks}\"}}");
        let head = "POST /graphql HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json";
        let mut visitor = Visitor::to(at).await;
        visitor.say(&format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        visitors.push((visitor, status));
    }
    until(&gateway, |report| report.waiting == 2).await;
    gateway.set("shop", posture(Mode::ReadOnly));
    for (mut visitor, status) in visitors {
        assert_eq!(visitor.hears().await.status, status);
    }
    assert_eq!(ledger.asked(), ["POST /graphql"]);
}
