//! Which site answers, and what is answered before any site.

use super::{said, settings, site, start, status};

#[tokio::test]
async fn an_unknown_host_is_misdirected_and_the_health_path_has_no_host() {
    let gateway = start(settings(vec![site("shop", &["shop.example"])]));
    let at = gateway.addresses()[0];
    let get = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert_eq!(status(&said(at, &get("/", "other.example")).await), "421");
    assert_eq!(status(&said(at, &get("/", "shop.example:99")).await), "503");
    assert_eq!(status(&said(at, &get("/up?x=1", "10.0.0.1")).await), "503", "it knows no mode");
    assert_eq!(status(&said(at, &get("/up/other", "10.0.0.1")).await), "421", "the path is exact");
}

#[tokio::test]
async fn what_is_no_request_is_answered_with_400_and_closed() {
    let gateway = start(settings(vec![site("shop", &["shop.example"])]));
    let at = gateway.addresses()[0];
    for broken in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.example\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.example\r\nA: b\0c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.example\r\nA: b\rc\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let answer = said(at, broken).await;
        assert_eq!(status(&answer), "400", "{broken:?}");
        assert!(answer.to_lowercase().contains("connection: close"), "{broken:?}: {answer}");
    }
    for method in ["TRACE / HTTP/1.1", "CONNECT shop.example:443 HTTP/1.1"] {
        let answer = said(at, &format!("{method}\r\nHost: shop.example\r\n\r\n")).await;
        assert_eq!(status(&answer), "405", "{method}");
    }
}
