//! Metrics, and the gateway's own health.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{ANY, LONG, POLL, app, posture, said, settings, site_of, start, status};
use crate::config::Admin;
use crate::gateway::{Error, Gateway};
use crate::net::bind::Inherited;
use crate::switch::Mode;
use crate::tasks::Tasks;

#[tokio::test]
async fn it_is_ready_in_every_mode_that_it_knows_and_not_while_it_shuts_down() {
    let gateway = start(settings(vec![site_of(app().await)]));
    let admin = gateway.admin().unwrap();
    let asked = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(status(&said(admin, &asked("/readyz")).await), "503", "it knows nothing");
    assert_eq!(status(&said(admin, &asked("/livez")).await), "200");
    for mode in Mode::LADDER {
        gateway.set("shop", posture(mode));
        assert_eq!(status(&said(admin, &asked("/readyz")).await), "200", "{mode}");
    }
    // Somebody in the middle of a request keeps it from ending at once.
    let mut slow = TcpStream::connect(gateway.addresses()[0]).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let ((), ready) = tokio::join!(gateway.shut_down(Duration::from_secs(1)), async {
        said(admin, &asked("/readyz")).await
    });
    assert_eq!(status(&ready), "503");
}

#[tokio::test]
async fn metrics_tell_what_became_of_requests_and_never_a_path() {
    let gateway = start(settings(vec![site_of(app().await)]));
    let at = gateway.addresses()[0];
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    gateway.set("shop", posture(Mode::Open));
    said(at, &get("/secret")).await;
    gateway.set("shop", posture(Mode::Closed));
    said(at, &get("/secret")).await;
    said(at, &get("/secret")).await;
    said(at, "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n").await;
    said(at, "nonsense\r\n\r\n").await;
    // A connection that is broken is counted when it has ended, and answered before.
    let counted = async {
        while !gateway.metrics().text().contains("limits_total{limit=\"malformed\"} 1") {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(LONG, counted).await.expect("it is counted");
    let metrics = gateway.metrics().text();
    for line in [
        "roadworks_mode{site=\"shop\",mode=\"closed\"} 1",
        "roadworks_mode{site=\"shop\",mode=\"open\"} 0",
        "roadworks_switch_duration_seconds_count{site=\"shop\"} 1",
        "roadworks_requests_total{site=\"shop\",decision=\"passed\"} 1",
        "roadworks_requests_total{site=\"shop\",decision=\"refused\"} 2",
        "roadworks_request_duration_seconds_count{site=\"shop\"} 3",
        "roadworks_held_requests{site=\"shop\"} 0",
        "roadworks_misdirected_requests_total 1",
        "roadworks_limits_total{limit=\"malformed\"} 1",
    ] {
        assert!(metrics.lines().any(|has| has == line), "{line}\n{metrics}");
    }
    for line in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let name = match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        };
        let documented = format!("| `{name}` | {kind} |");
        assert!(include_str!("../../../docs/metrics.md").contains(&documented), "{documented}");
    }
    let limit = |line: &str| {
        Some(line.strip_prefix("roadworks_limits_total{limit=\"")?.split_once('"')?.0.to_owned())
    };
    for limit in metrics.lines().filter_map(limit) {
        let documented = format!("| `{limit}` |");
        assert!(include_str!("../../../docs/metrics.md").contains(&documented), "{documented}");
    }
    assert!(!metrics.contains("secret") && metrics.ends_with("# EOF\n"));
    let scraped = said(gateway.admin().unwrap(), "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(scraped.contains("application/openmetrics-text") && scraped.ends_with("# EOF\n"));
}

#[tokio::test]
async fn an_admin_address_that_was_chosen_and_is_taken_is_refused() {
    let taken = TcpListener::bind(ANY).await.unwrap();
    let mut settings = settings(vec![site_of(ANY)]);
    settings.serve.admin = Admin::At(taken.local_addr().unwrap());
    let postures = std::collections::BTreeMap::new();
    let started = Gateway::start(&settings, Inherited::default(), &postures, &Tasks::new());
    let error = started.expect_err("the address is taken");
    assert!(matches!(error, Error::Listen { .. }) && error.hint().contains("ss -ltnp"));
}

#[tokio::test]
async fn who_is_silent_keeps_nobody_out_who_asks_for_its_health() {
    let gateway = start(settings(vec![site_of(ANY)]));
    let admin = gateway.admin().unwrap();
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(admin).await.unwrap());
    }
    let asked = said(admin, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
    let told = tokio::time::timeout(Duration::from_secs(2), asked).await.expect("at once");
    assert_eq!(status(&told), "200");
    let over = tokio::time::timeout(Duration::from_secs(2), silent[0].read(&mut [0])).await;
    assert_eq!(over.expect("the oldest is let go at once").unwrap(), 0);
}
