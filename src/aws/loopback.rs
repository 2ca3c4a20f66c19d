//! A server on loopback that answers every request the same, for the tests of this folder.

use std::cell::RefCell;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::Session;

/// What the server does with a request it has read.
pub(super) enum Then {
    Answer(u16, String),
    /// This to whoever says these words, and 200 to all others.
    Refuse(&'static str, u16, String),
    /// An answer that says how long it is, and does not come.
    Sized(u64),
    HangUp,
    Silence,
}

pub(super) struct Fake {
    listener: TcpListener,
    then: Then,
    /// The heads of the requests, as they came.
    pub(super) heard: RefCell<Vec<String>>,
}

impl Fake {
    pub(super) async fn new(then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, then, heard: RefCell::default() }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// Serves as long as `work` runs.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let serve = async {
            loop {
                let (stream, _) = self.listener.accept().await.unwrap();
                self.one(stream).await;
            }
        };
        tokio::select! {
            done = work => done,
            () = serve => unreachable!(),
        }
    }

    async fn one(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let mut chunk = [0_u8; 4096];
        while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            }
            // A TLS client begins with a handshake record (RFC 8446 section 5.1); no request will follow.
            if bytes.first() == Some(&0x16) {
                return stream.write_all(b"HTTP/1.1 400 X\r\n\r\n").await.unwrap();
            }
        }
        let request = String::from_utf8_lossy(&bytes).into_owned();
        let (status, body) = match &self.then {
            Then::Answer(status, body) => (*status, body.as_str()),
            Then::Refuse(words, status, body) if request.contains(words) => {
                (*status, body.as_str())
            }
            Then::Refuse(..) | Then::HangUp | Then::Sized(_) | Then::Silence => (200, ""),
        };
        self.heard.borrow_mut().push(request);
        match &self.then {
            Then::HangUp => {}
            Then::Sized(size) => {
                let head = format!(
                    "HTTP/1.1 200 X\r\nContent-Length: {size}\r\nLast-Modified: Mon, 23 Nov 2026 20:00:00 GMT\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).await.unwrap();
            }
            Then::Silence => tokio::time::sleep(Duration::from_secs(3)).await,
            Then::Answer(..) | Then::Refuse(..) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nETag: \"e1\"\r\nx-amzn-RequestId: r-1\r\nLast-Modified: Mon, 23 Nov 2026 20:00:00 GMT\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.shutdown().await.ok();
            }
        }
    }
}

/// A session with made-up keys whose every client goes to `endpoint`.
pub(super) fn session(endpoint: &str) -> Session {
    let keys = Credentials::new("AKIAAAAAAAAAAAAAAAAA", "not-a-secret", None, None, "test");
    session_with(endpoint, SharedCredentialsProvider::new(keys))
}

pub(super) fn session_with(endpoint: &str, keys: SharedCredentialsProvider) -> Session {
    let times = TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(500))
        .operation_attempt_timeout(Duration::from_millis(500))
        .build();
    Session::of(
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(endpoint)
            .timeout_config(times)
            .credentials_provider(keys)
            .build(),
    )
}
