//! TLS: the certificate of the site that a client names, and HTTP/2 for whoever prefers it.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::frames::Client;
use super::ledger::Ledger;
use super::{ANY, posture, settings, site, site_of, start};
use crate::config::TlsConfig;
use crate::gateway::upstream::tests::until;
use crate::gateway::{Gateway, SiteSettings};
use crate::net::tls;
use crate::switch::Mode;

/// A site that speaks only TLS, with a certificate of its own for `host`.
fn secure(folder: &TempDir, name: &str, host: &str) -> (SiteSettings, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
    let (certificate, key) =
        (folder.path().join(format!("{name}.pem")), folder.path().join(format!("{name}.key")));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut site = site(name, &[host]);
    site.gateway.listen = Vec::new();
    site.gateway.tls = Some(TlsConfig { listen: vec![ANY], certificate, key });
    (site, made.cert.der().clone())
}

/// A connection that trusts this certificate alone, and speaks what is in `protocols`.
async fn connect(
    gateway: &Gateway,
    (host, trusted): (&str, &CertificateDer<'static>),
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::clone(tls::provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(gateway.addresses()[0]).await.unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn each_site_shows_its_own_certificate_to_whoever_names_it() {
    let (folder, ledger) = (TempDir::new().unwrap(), Ledger::open(Duration::ZERO).await);
    let (mut shop, of_shop) = secure(&folder, "shop", "shop.example");
    shop.gateway.upstreams = site_of(ledger.address).gateway.upstreams;
    let (blog, of_blog) = secure(&folder, "blog", "*.blog.example");
    // The first is for whoever names none of them.
    let (other, _) = secure(&folder, "other", "other.example");
    let gateway = start(settings(vec![other, shop, blog]));
    gateway.set("shop", posture(Mode::Open));
    for (host, certificate, wrong) in
        [("shop.example", &of_shop, &of_blog), ("a.blog.example", &of_blog, &of_shop)]
    {
        let stream = connect(&gateway, (host, certificate), &[]).await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap();
        assert_eq!(&shown[0], certificate, "{host}");
        assert!(connect(&gateway, (host, wrong), &[]).await.is_err(), "{host}");
    }
    let failed =
        || super::ledger::metric(&gateway, "roadworks_limits_total{limit=\"tls_handshake\"}");
    // A client has hung up before the gateway has read its alert.
    until("told by both who did not trust it", || failed() >= 2).await;
    assert_eq!(failed(), 2);
}

#[tokio::test]
async fn whoever_prefers_http2_gets_it_over_tls_and_others_http1() {
    let (folder, ledger) = (TempDir::new().unwrap(), Ledger::open(Duration::ZERO).await);
    let (mut shop, trusted) = secure(&folder, "shop", "shop.example");
    shop.gateway.upstreams = site_of(ledger.address).gateway.upstreams;
    let gateway = start(settings(vec![shop]));
    gateway.set("shop", posture(Mode::Open));
    let name = ("shop.example", &trusted);
    let stream = connect(&gateway, name, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (status, body) = Client::over(stream).await.hears("https://shop.example/two").await;
    assert_eq!((status.as_u16(), &body[..]), (200, &b"GET /two"[..]));
    for protocols in [&[&b"http/1.1"[..]][..], &[]] {
        let mut stream = connect(&gateway, name, protocols).await.unwrap();
        let request = "GET /one HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut got = String::new();
        stream.read_to_string(&mut got).await.unwrap();
        assert!(got.starts_with("HTTP/1.1 200") && got.ends_with("GET /one"), "{got}");
    }
    assert_eq!(ledger.asked(), ["GET /two", "GET /one", "GET /one"]);
}
