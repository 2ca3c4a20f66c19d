//! How it ends: a connection that the system took is answered.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::ledger::{Ledger, Visitor, until};
use super::{answer, posture, settings, site_of, slow_app, start, status};
use crate::clock;
use crate::switch::Mode;

#[tokio::test]
async fn who_was_taken_by_the_system_is_answered_though_it_shuts_down_at_once() {
    let app = slow_app(Duration::from_millis(400)).await;
    for _ in 0..5 {
        let gateway = start(settings(vec![site_of(app)]));
        gateway.set("shop", posture(Mode::Open));
        let mut visitor = TcpStream::connect(gateway.addresses()[0]).await.unwrap();
        visitor.write_all(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n").await.unwrap();
        gateway.shut_down(Duration::from_secs(10)).await;
        assert_eq!(status(&answer(&mut visitor).await), "200");
    }
}

#[tokio::test]
async fn a_shutdown_while_holding_answers_everyone_who_waits_and_sends_none_of_them_on() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = start(settings(vec![site_of(ledger.address)]));
    gateway.set("shop", posture(Mode::Hold));
    let mut visitors = Vec::new();
    for number in 0..50 {
        let at = gateway.addresses()[0];
        visitors.push(Visitor::asks(at, "POST", &format!("/{number}")).await);
    }
    until(&gateway, |report| report.waiting == 50).await;
    let begun = clock::monotonic();
    gateway.shut_down(Duration::from_secs(10)).await;
    assert!(clock::monotonic() - begun < Duration::from_secs(5), "nobody is waited for");
    for mut visitor in visitors {
        let heard = visitor.hears().await;
        assert_eq!((heard.status, heard.header("roadworks-mode")), (503, Some("hold")));
        assert_eq!(visitor.until_end().await, "", "and it is closed");
    }
    assert_eq!(ledger.asked().len(), 0);
}

#[tokio::test]
async fn whoever_is_still_in_line_when_its_time_is_over_is_refused_and_not_cut() {
    let ledger = Ledger::open(Duration::ZERO).await;
    let mut site = site_of(ledger.address);
    site.gateway.hold.release_rate = Some(1);
    let gateway = start(settings(vec![site]));
    gateway.set("shop", posture(Mode::Hold));
    let mut visitors = Vec::new();
    for number in 0..8 {
        let at = gateway.addresses()[0];
        visitors.push(Visitor::asks(at, "POST", &format!("/{number}")).await);
    }
    until(&gateway, |report| report.waiting == 8).await;
    gateway.set("shop", posture(Mode::Open));
    gateway.shut_down(Duration::from_secs(3)).await;
    let mut passed = 0;
    for mut visitor in visitors {
        let heard = visitor.hears().await;
        assert!([200, 503].contains(&heard.status), "{}", heard.status);
        passed += usize::from(heard.status == 200);
    }
    assert!((1..8).contains(&passed), "{passed} were let in, one a second");
    assert_eq!(ledger.asked().len(), passed);
}
