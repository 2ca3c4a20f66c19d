//! Upstreams against sockets on loopback: probes, names, choice, reload.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// Waits until `so`, which tests ask of what other tasks do.
pub(in crate::gateway) async fn until(what: &str, so: impl Fn() -> bool) {
    let waited = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), waited).await.is_ok(), "never: {what}");
}

fn config(urls: &[String], path: Option<&str>) -> GatewayConfig {
    let upstreams = urls.iter().map(|url| {
        let (host, port) = url.rsplit_once(':').unwrap();
        let port = port.parse().unwrap();
        UpstreamUrl { protocol: UpstreamProtocol::Http, host: host.to_owned(), port }
    });
    let health = HealthConfig {
        upstream_path: path.map(str::to_owned),
        interval: Duration::from_millis(10),
        timeout: Duration::from_millis(500),
        ..HealthConfig::default()
    };
    GatewayConfig { upstreams: upstreams.collect(), health, ..GatewayConfig::default() }
}

/// An app that answers probes with the status of now, and remembers the last head that it read.
struct App {
    port: u16,
    status: Arc<Mutex<&'static str>>,
    read: Arc<Mutex<String>>,
}

async fn app(tasks: &Tasks, address: &str) -> App {
    let listener = TcpListener::bind(address).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (status, read) = (Arc::new(Mutex::new("200 OK")), Arc::<Mutex<String>>::default());
    let (now, heard) = (Arc::clone(&status), Arc::clone(&read));
    tasks.start(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut question = vec![0; 4096];
            let length = stream.read(&mut question).await.unwrap_or(0);
            *heard.lock().unwrap() = String::from_utf8_lossy(&question[..length]).into_owned();
            let answer = format!("HTTP/1.1 {}\r\ncontent-length: 0\r\n\r\n", now.lock().unwrap());
            drop(stream.write_all(answer.as_bytes()).await);
        }
    });
    App { port, status, read }
}

#[tokio::test]
async fn a_probe_asks_the_path_with_the_sites_host_and_only_2xx_is_well() {
    let tasks = Tasks::new();
    let app = app(&tasks, "127.0.0.1:0").await;
    let config = config(&[format!("127.0.0.1:{}", app.port)], Some("/up?deep=1"));
    let upstreams = Upstreams::start(&config, Some("shop.example.com"), &tasks, None);
    assert!(!upstreams.is_healthy(), "nobody says that it is well before it was asked");
    assert_eq!(upstreams.report()[0].last_error.as_deref(), Some("not asked yet"));
    assert!(upstreams.choose(&[]).is_some(), "a gateway that has just started serves");
    until("healthy", || upstreams.is_healthy()).await;
    let read = app.read.lock().unwrap().clone();
    assert!(read.starts_with("GET /up?deep=1 HTTP/1.1\r\nhost: shop.example.com\r\n"), "{read}");
    *app.status.lock().unwrap() = "302 Found";
    until("sick", || !upstreams.is_healthy()).await;
    let report = upstreams.report().remove(0);
    let address = format!("127.0.0.1:{}", app.port);
    assert_eq!(report.last_error.unwrap(), format!("{address}: answered 302 Found"));
    *app.status.lock().unwrap() = "204 No Content";
    until("healthy again", || upstreams.is_healthy()).await;
}

#[tokio::test]
async fn an_app_that_accepts_and_says_nothing_is_sick() {
    let tasks = Tasks::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(&[listener.local_addr().unwrap().to_string()], Some("/up"));
    config.health.timeout = Duration::from_millis(20);
    let slow = Upstreams::start(&config, None, &tasks, None);
    until("sick", || slow.report()[0].last_error.as_ref().is_some_and(|e| e.contains("within")))
        .await;
    config.health.upstream_path = None;
    let open = Upstreams::start(&config, None, &tasks, None);
    until("a connection is enough without a path", || open.is_healthy()).await;
}

#[tokio::test]
async fn a_reload_keeps_what_is_unchanged_and_ends_what_is_gone() {
    let tasks = Tasks::new();
    let (one, two) = (app(&tasks, "127.0.0.1:0").await, app(&tasks, "127.0.0.1:0").await);
    let urls = [one.port, two.port].map(|port| format!("127.0.0.1:{port}"));
    let before = Upstreams::start(&config(&urls, Some("/up")), None, &tasks, None);
    until("healthy", || before.report().iter().all(|report| report.healthy)).await;
    let after = Upstreams::start(&config(&urls[..1], Some("/up")), None, &tasks, Some(&before));
    assert!(after.is_healthy(), "it knows already");
    let gone = before.each[1].watched.endpoints.load()[0].clone();
    drop(before);
    assert!(gone.is_retired() && !after.each[0].tasks.is_stopping());
    assert!(after.is_healthy() && !after.choose(&[]).unwrap().is_retired());
}

#[tokio::test]
async fn a_name_is_followed_at_its_ttl_and_its_last_good_addresses_are_kept() {
    let tasks = Tasks::new();
    let first = app(&tasks, "127.0.0.2:0").await;
    let second = TcpListener::bind(("127.0.0.3", first.port)).await.unwrap();
    let records = Arc::new(Mutex::new(vec![Ipv4Addr::new(127, 0, 0, 2)]));
    let names = names::tests::server(&tasks, Arc::clone(&records), 0).await;
    let config = config(&[format!("app.internal.:{}", first.port)], None);
    let upstreams = Upstreams::resolved_by(&names, &config, (None, &tasks), None);
    let has = |wanted: &[&str]| {
        let endpoints = upstreams.each[0].watched.endpoints.load();
        endpoints.iter().map(|e| e.address.ip().to_string()).eq(wanted.iter().copied())
    };
    until("the first address", || has(&["127.0.0.2"]) && upstreams.is_healthy()).await;
    let kept = upstreams.choose(&[]).unwrap();
    records.lock().unwrap().push(Ipv4Addr::new(127, 0, 0, 3));
    until("both addresses", || has(&["127.0.0.2", "127.0.0.3"])).await;
    assert!(!kept.is_retired(), "its health and connections stay");
    records.lock().unwrap().clear();
    until("said", || {
        upstreams.report()[0].last_error.as_ref().is_some_and(|e| e.contains("leads to no address"))
    })
    .await;
    assert!(has(&["127.0.0.2", "127.0.0.3"]) && upstreams.is_healthy());
    drop(second);
}

#[tokio::test]
async fn a_name_that_never_resolved_is_down_and_not_fatal() {
    let tasks = Tasks::new();
    let names = names::tests::server(&tasks, Arc::default(), 0).await;
    let config = config(&["app.internal.:80".to_owned()], None);
    let upstreams = Upstreams::resolved_by(&names, &config, (None, &tasks), None);
    assert!(upstreams.choose(&[]).is_none() && !upstreams.is_healthy());
    until("said", || {
        upstreams.report()[0].last_error.as_ref().is_some_and(|e| e.contains("leads"))
    })
    .await;
    let own = upstreams.each[0].tasks.clone();
    drop(upstreams);
    assert!(own.ended(Duration::from_secs(1)).await, "its tasks end with it");
}

/// Upstreams of three addresses that nobody asks, each with a standing and so many requests.
fn standing(each: &[(Standing, usize)]) -> (Upstreams, Vec<InFlight>) {
    let place = Arc::new(Place::sample("http", "127.0.0.1", 1));
    let (mut endpoints, mut running) = (Vec::new(), Vec::new());
    for (port, (standing, requests)) in (1..).zip(each) {
        let endpoint = Arc::new(Endpoint::new(([127, 0, 0, 1], port).into(), Arc::clone(&place)));
        match standing {
            Standing::Healthy => endpoint.passed(&place.health),
            Standing::Sick => endpoint.failed(&place.health, "sick".to_owned()),
            Standing::Unknown => {}
        }
        running.extend((0..*requests).map(|_| Arc::clone(&endpoint).enter()));
        endpoints.push(endpoint);
    }
    let watched = Watched {
        place,
        endpoints: ArcSwap::from_pointee(endpoints),
        nameless: Mutex::default(),
        names: Names::System,
    };
    let upstream = Upstream { watched: Arc::new(watched), tasks: Tasks::new() };
    (Upstreams { each: vec![Arc::new(upstream)] }, running)
}

#[test]
fn of_two_the_less_loaded_is_chosen_and_no_sick_one_while_another_is_well() {
    let (upstreams, _running) =
        standing(&[(Standing::Healthy, 3), (Standing::Sick, 0), (Standing::Healthy, 2)]);
    for _ in 0..100 {
        assert_eq!(upstreams.choose(&[]).unwrap().address.port(), 3);
    }
    let third = upstreams.choose(&[]).unwrap();
    assert_eq!(upstreams.choose(&[third]).unwrap().address.port(), 1);
}

#[test]
fn where_all_are_sick_one_is_tried_all_the_same() {
    let (upstreams, _running) = standing(&[(Standing::Sick, 1), (Standing::Sick, 0)]);
    assert_eq!(upstreams.choose(&[]).unwrap().address.port(), 2);
    assert!(!upstreams.is_healthy());
}

#[test]
fn of_equals_all_are_chosen_and_the_busiest_of_many_never() {
    let (upstreams, _running) = standing(&[
        (Standing::Healthy, 0),
        (Standing::Unknown, 0),
        (Standing::Healthy, 0),
        (Standing::Healthy, 9),
    ]);
    let mut chosen = [0; 5];
    for _ in 0..600 {
        chosen[usize::from(upstreams.choose(&[]).unwrap().address.port())] += 1;
    }
    assert!(chosen[1..4].iter().all(|times| *times > 100), "{chosen:?}");
    assert_eq!(chosen[4], 0, "{chosen:?}");
}

impl Upstreams {
    /// One at `address` whose certificate is to be `host`'s, by these roots and no others.
    pub(in crate::gateway) fn of_tls(
        host: &str,
        address: SocketAddr,
        roots: rustls::RootCertStore,
        tasks: &Tasks,
    ) -> Upstreams {
        let mut place = Place::sample("http", &address.ip().to_string(), address.port());
        place.url.protocol = UpstreamProtocol::Https;
        place.tls = Tls::to(host, tls::trusting(roots));
        place.health.interval = Duration::from_hours(1);
        Upstreams { each: vec![Arc::new(Upstream::start(place, &Names::System, tasks))] }
    }
}
