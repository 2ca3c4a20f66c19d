//! One request after the other, mode by mode.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{answer, app, posture, said, settings, site_of, start, status};
use crate::clock;
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
