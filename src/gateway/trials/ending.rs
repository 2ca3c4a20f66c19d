//! How it ends: a connection that the system took is answered.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{answer, posture, settings, site_of, slow_app, start, status};
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
