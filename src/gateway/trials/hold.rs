//! Waiting, on real sockets: who leaves, who is too late, who is one too many, and in which order the rest goes on.

use std::net::SocketAddr;
use std::time::Duration;

use super::ledger::{Ledger, Visitor, metric, so, until};
use super::{posture, settings, site_of, start};
use crate::clock;
use crate::config::HoldConfig;
use crate::gateway::{Drain, Gateway};
use crate::switch::{Mode, Posture};

const MOMENT: Duration = Duration::from_millis(100);
/// As many as are let go at once where nothing ran before the hold.
const FIRST: usize = 16;

fn holding(app: SocketAddr, hold: HoldConfig) -> Gateway {
    let mut site = site_of(app);
    site.gateway.hold = hold;
    let gateway = start(settings(vec![site]));
    gateway.set("shop", posture(Mode::Hold));
    gateway
}

/// So many visitors who wait, one after the other; each of them asks for `PATH/NUMBER`.
async fn line(gateway: &Gateway, path: &str, length: usize) -> Vec<Visitor> {
    let (at, before) = (gateway.addresses()[0], gateway.report("shop", clock::now()).waiting);
    let mut visitors = Vec::new();
    for number in 0..length {
        visitors.push(Visitor::asks(at, "POST", &format!("{path}/{number}")).await);
        let waiting = before + visitors.len() as u64;
        until(gateway, |report| report.waiting == waiting).await;
    }
    visitors
}

#[tokio::test]
async fn n1_of_a_resume_and_a_pause_at_once_nobody_slips_through_once_it_is_drained() {
    let ledger = Ledger::open(Duration::from_millis(1)).await;
    let gateway = holding(ledger.address, HoldConfig::default());
    let at = gateway.addresses()[0];
    for round in 1..=20_u64 {
        let mut visitors = Vec::new();
        for number in 0..60 {
            visitors.push(Visitor::asks(at, "POST", &format!("/{round}/{number}")).await);
        }
        until(&gateway, |report| report.waiting == 60).await;
        gateway.set("shop", posture(Mode::Open));
        gateway.set("shop", posture(Mode::Hold));
        let waiting = gateway.report("shop", clock::now()).waiting;
        until(&gateway, |report| report.drain == Drain::Drained).await;
        let went = ledger.asked().len() as u64;
        assert_eq!(went + waiting, round * 60, "who waited when it was held again waits on");
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(ledger.asked().len() as u64, went, "somebody slipped through");
        gateway.set("shop", posture(Mode::Open));
        for visitor in &mut visitors {
            assert_eq!(visitor.hears().await.status, 200);
        }
        assert_eq!(ledger.asked().len() as u64, round * 60);
        gateway.set("shop", posture(Mode::Hold));
    }
}

#[tokio::test]
async fn i1_who_timed_out_waiting_is_told_so_and_never_reaches_the_app() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let patience = Duration::from_millis(600);
    let gateway = holding(ledger.address, HoldConfig { patience, ..HoldConfig::default() });
    let mut visitors = line(&gateway, "/late", 5).await;
    let begun = clock::monotonic();
    for visitor in &mut visitors {
        let heard = visitor.hears().await;
        assert_eq!((heard.status, heard.header("roadworks-mode")), (503, Some("hold")));
    }
    assert!(clock::monotonic() - begun < Duration::from_secs(5), "not at once after patience");
    let mut late = Visitor::asks(gateway.addresses()[0], "POST", "/later").await;
    assert_eq!(late.hears().await.status, 503, "the hold is spent");
    gateway.set("shop", posture(Mode::Open));
    visitors[0].ask("POST", "/again").await;
    assert_eq!(visitors[0].hears().await.status, 200, "its connection is kept");
    assert_eq!(ledger.asked(), ["POST /again"]);
    let timed_out = "roadworks_requests_total{site=\"shop\",decision=\"refused_timed_out\"}";
    assert_eq!(metric(&gateway, timed_out), 5);
}

#[tokio::test]
async fn a_longer_patience_set_later_helps_those_who_wait() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = holding(ledger.address, HoldConfig::default());
    let short = Posture { patience: Some(Duration::from_secs(1)), ..posture(Mode::Hold).unwrap() };
    gateway.set("shop", Some(short.clone()));
    let mut visitors = line(&gateway, "/a", 3).await;
    let longer = Posture { patience: Some(Duration::from_mins(1)), ..short };
    gateway.set("shop", Some(longer));
    assert!(visitors[0].is_silent(Duration::from_millis(1500)).await, "it still waits");
    assert_eq!(gateway.report("shop", clock::now()).waiting, 3);
    gateway.set("shop", posture(Mode::Open));
    for visitor in &mut visitors {
        assert_eq!(visitor.hears().await.status, 200);
    }
}

#[tokio::test]
async fn one_more_than_there_are_places_is_refused_at_once_and_the_next_place_is_taken() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = holding(ledger.address, HoldConfig { places: 5, ..HoldConfig::default() });
    let at = gateway.addresses()[0];
    let mut visitors = line(&gateway, "/a", 5).await;
    let mut crowded = Visitor::asks(at, "GET", "/crowded").await;
    let begun = clock::monotonic();
    let refused = crowded.hears().await;
    assert_eq!(refused.status, 503);
    let said = refused.body;
    assert!(said.contains("could not wait until it is over"), "nobody waited: {said}");
    assert!(clock::monotonic() - begun < Duration::from_secs(2), "at once");
    let line = "roadworks_requests_total{site=\"shop\",decision=\"refused_crowded\"}";
    assert_eq!(metric(&gateway, line), 1);
    assert_eq!(super::status(&super::said(at, HEALTH).await), "200", "others are served");
    drop(visitors.pop());
    until(&gateway, |report| report.waiting == 4).await;
    visitors.push(Visitor::asks(at, "GET", "/next").await);
    until(&gateway, |report| report.waiting == 5).await;
    gateway.set("shop", posture(Mode::Open));
    for visitor in &mut visitors {
        assert_eq!(visitor.hears().await.status, 200);
    }
    assert!(!ledger.asked().iter().any(|line| line.ends_with("/crowded") || line.ends_with("/4")));
}

const HEALTH: &str = "GET /up HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n";

#[tokio::test]
async fn resuming_during_a_drain_lets_everyone_through_though_one_of_before_still_runs() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = start(settings(vec![site_of(ledger.address)]));
    let at = gateway.addresses()[0];
    gateway.set("shop", posture(Mode::Open));
    let mut long = Visitor::asks(at, "GET", "/gate").await;
    so(|| ledger.running() == 1).await;
    gateway.set("shop", posture(Mode::Hold));
    // More than are let go at once.
    let mut visitors = line(&gateway, "/held", 100).await;
    assert_eq!(gateway.report("shop", clock::now()).drain, Drain::Draining);
    gateway.set("shop", posture(Mode::Open));
    visitors.push(Visitor::asks(at, "POST", "/new").await);
    for visitor in &mut visitors {
        assert_eq!(visitor.hears().await.status, 200, "while one of before still runs");
    }
    assert!(long.is_silent(MOMENT).await);
    ledger.opens_the_gate();
    assert_eq!(long.hears().await.status, 200);
}

#[tokio::test]
async fn i3_release_is_first_come_first_served_and_paced_by_the_requests_in_flight() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = holding(ledger.address, HoldConfig::default());
    let mut visitors = line(&gateway, "/gate", 50).await;
    gateway.set("shop", posture(Mode::Open));
    so(|| ledger.running() == FIRST).await;
    tokio::time::sleep(MOMENT).await;
    let mut first = ledger.asked();
    first.sort_unstable();
    let mut wanted: Vec<_> = (0..FIRST).map(|number| format!("POST /gate/{number}")).collect();
    wanted.sort_unstable();
    assert_eq!(first, wanted, "no more than these, and they came first");
    ledger.opens_the_gate();
    for visitor in &mut visitors {
        assert_eq!(visitor.hears().await.status, 200);
    }
    assert_eq!(ledger.asked().len(), 50);
}

#[tokio::test]
async fn a_release_rate_lets_them_go_one_by_one_in_their_order() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let hold = HoldConfig { release_rate: Some(50), ..HoldConfig::default() };
    let gateway = holding(ledger.address, hold);
    let mut visitors = line(&gateway, "/a", 30).await;
    let begun = clock::monotonic();
    gateway.set("shop", posture(Mode::Open));
    for visitor in &mut visitors {
        assert_eq!(visitor.hears().await.status, 200);
    }
    let took = clock::monotonic() - begun;
    assert!(took > Duration::from_millis(500), "30 at 50 a second, in {took:?}");
    let wanted: Vec<_> = (0..30).map(|number| format!("POST /a/{number}")).collect();
    assert_eq!(ledger.asked(), wanted);
    assert!(ledger.most() < FIRST, "{}", ledger.most());
}

#[tokio::test]
async fn n2_who_hangs_up_frees_the_place_within_a_second_and_is_never_sent_to_the_app() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = holding(ledger.address, HoldConfig::default());
    let (at, body) = (gateway.addresses()[0], "x".repeat(20 << 10));
    let long = "POST /gone HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 20480\r\n\r\n";
    let get = "GET /gone HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    let kinds = [get.to_owned(), format!("{long}{body}"), format!("{long}xxxxx"), get.repeat(2)];
    let mut gone = Vec::new();
    for _ in 0..50 {
        for kind in &kinds {
            let mut visitor = Visitor::to(at).await;
            visitor.say(kind).await;
            gone.push(visitor);
        }
    }
    until(&gateway, |report| report.waiting == 200).await;
    let mut stay = line(&gateway, "/stay", 10).await;
    drop(gone);
    let left = clock::monotonic();
    until(&gateway, |report| report.waiting == 10).await;
    let took = clock::monotonic() - left;
    assert!(took < Duration::from_secs(1), "{took:?}");
    gateway.set("shop", posture(Mode::Open));
    for visitor in &mut stay {
        assert_eq!(visitor.hears().await.status, 200);
    }
    assert!(ledger.asked().iter().all(|line| line.starts_with("POST /stay/")));
    assert_eq!(ledger.asked().len(), 10);
    let gone = "roadworks_requests_total{site=\"shop\",decision=\"gone\"}";
    assert_eq!(metric(&gateway, gone), 200);
}

#[tokio::test]
async fn k4_closing_a_hold_answers_those_who_wait_at_once() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = holding(ledger.address, HoldConfig::default());
    let mut visitors = line(&gateway, "/a", 5).await;
    gateway.set("shop", posture(Mode::Closed));
    for visitor in &mut visitors {
        let heard = visitor.hears().await;
        assert_eq!((heard.status, heard.header("roadworks-mode")), (503, Some("closed")));
        assert!(heard.closes());
    }
    assert_eq!(ledger.asked().len(), 0);
}
