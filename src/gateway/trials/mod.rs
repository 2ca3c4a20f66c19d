//! The gateway on real sockets, inside the tests' process: listeners, limits, routing, hang-ups, its end.

mod admin;
mod drain;
mod ending;
mod frames;
mod hold;
mod ledger;
mod limits;
mod modes;
mod routing;
mod tls;
mod traffic;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Gateway, Settings, SiteSettings};
use crate::clock;
use crate::config::{
    Admin, GatewayConfig, HealthConfig, ServeConfig, UpstreamProtocol, UpstreamUrl,
};
use crate::net::bind::Inherited;
use crate::switch::{Mode, OperationId, Posture};
use crate::tasks::Tasks;

pub(super) const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// How often something that tells nobody is looked at.
pub(super) const POLL: Duration = Duration::from_millis(5);
/// Longer than anything takes that goes well.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// A site that listens anywhere on loopback.
pub(super) fn site(name: &str, hosts: &[&str]) -> SiteSettings {
    let health = HealthConfig { lb_path: Some("/up".to_owned()), ..HealthConfig::default() };
    SiteSettings {
        name: name.to_owned(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        gateway: GatewayConfig { listen: vec![ANY], health, ..GatewayConfig::default() },
        ..SiteSettings::default()
    }
}

/// A site in front of this app.
pub(super) fn site_of(app: SocketAddr) -> SiteSettings {
    let mut site = site("shop", &["shop.example"]);
    let url = UpstreamUrl {
        protocol: UpstreamProtocol::Http,
        host: app.ip().to_string(),
        port: app.port(),
    };
    site.gateway.upstreams = vec![url];
    site
}

/// An app that answers every request with `app` and its first line, and keeps connections.
pub(super) async fn app() -> SocketAddr {
    slow_app(Duration::ZERO).await
}

/// An app that thinks for so long about each request.
pub(super) async fn slow_app(thinks: Duration) -> SocketAddr {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::new();
    tasks.clone().start(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tasks.start(answer_all(stream, thinks));
        }
    });
    address
}

async fn answer_all(mut stream: TcpStream, thinks: Duration) {
    let (mut got, mut piece) = (Vec::new(), vec![0; 65536]);
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        got.extend_from_slice(&piece[..read]);
        if !got.windows(4).any(|end| end == b"\r\n\r\n") {
            continue;
        }
        tokio::time::sleep(thinks).await;
        let text = String::from_utf8_lossy(&got);
        let body = format!("app {}", text.lines().next().unwrap());
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        got.clear();
    }
}

/// What the switch says.
#[expect(clippy::unnecessary_wraps, reason = "as `Gateway::set` takes it")]
pub(super) fn posture(mode: Mode) -> Option<Posture> {
    let now = clock::now();
    let operation = Some(OperationId::at(now, fastrand::u32(..)));
    Some(Posture { mode, operation, ..Posture::never_asked(now) })
}

/// These sites on two cores.
pub(super) fn settings(sites: Vec<SiteSettings>) -> Settings {
    let admin = Admin::At(ANY);
    let serve = ServeConfig { cores: Some(2), admin, ..ServeConfig::default() };
    Settings { sites, serve }
}

/// A gateway with these settings.
#[expect(clippy::needless_pass_by_value, reason = "made for this gateway")]
pub(super) fn start(settings: Settings) -> Gateway {
    let postures = BTreeMap::new();
    Gateway::start(&settings, Inherited::default(), &postures, &Tasks::new()).unwrap()
}

/// What comes back for `bytes`, until the gateway closes or says nothing more for a moment.
pub(super) async fn said(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    answer(&mut stream).await
}

/// One answer with a length, or all until the end.
pub(super) async fn answer(stream: &mut TcpStream) -> String {
    let mut got = Vec::new();
    let read = async {
        let mut piece = [0; 4096];
        while !is_whole(&got) {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(read) => got.extend_from_slice(&piece[..read]),
            }
        }
    };
    tokio::time::timeout(LONG, read).await.expect("an answer");
    String::from_utf8(got).unwrap()
}

fn is_whole(got: &[u8]) -> bool {
    let text = String::from_utf8_lossy(got).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.trim().parse().unwrap())
}

/// The status of an answer.
pub(super) fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}
