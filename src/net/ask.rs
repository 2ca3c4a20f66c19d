//! One HTTP/1.1 question to a server, and its answer: by the server's own address, under whatever name it is asked.
//!
//! Bounded in time and in size; sends nothing twice, follows nothing.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HOST, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls::provider;

/// So much of a body is read.
const LARGEST: usize = 1 << 20;

/// Where to ask: `https://d111.cloudfront.net`, and under which name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    tls: bool,
    address: String,
    /// The name in `Host` and, with TLS, in the client's hello: whose certificate is wanted.
    pub name: String,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// `GET`
    pub method: Method,
    /// With its query.
    pub path: String,
    /// Besides `Host`.
    pub headers: Vec<(&'static str, String)>,
    /// Sent with its length.
    pub body: Bytes,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 503
    pub status: u16,
    /// All of them.
    pub headers: HeaderMap,
    /// At most 1 MiB of it.
    pub body: Bytes,
    /// The certificate that was shown, as DER; none without TLS.
    pub certificate: Option<Bytes>,
}

impl Answer {
    /// A header's text, if it is there and is text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens there, or the name leads nowhere.
    #[error("{address} cannot be reached: {source}")]
    Unreachable {
        /// Where.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// No certificate for the name that is trusted here, or no TLS at all.
    #[error("{address} gives no TLS for {name}: {source}")]
    Untrusted {
        /// Where.
        address: String,
        /// For whom.
        name: String,
        /// What is wrong.
        source: std::io::Error,
    },
    /// It broke off, or what it says is not HTTP.
    #[error("{0}")]
    Broken(String),
    /// It takes too long.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
}

impl Server {
    /// The server of a URL such as `https://d111.cloudfront.net` or `http://127.0.0.1:8080`, asked under `name`, else under
    /// its own. `None` where the URL is none, or has a password in it.
    pub fn at(url: &str, name: Option<&str>) -> Option<Server> {
        let url: Uri = url.parse().ok()?;
        let tls = match url.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return None,
        };
        let authority = url.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let host = authority.host();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let own = || authority.as_str().to_owned();
        let name = name.map_or_else(own, str::to_owned);
        HeaderValue::from_str(&name).ok()?;
        (!host.is_empty()).then(|| Server { tls, address: format!("{host}:{port}"), name })
    }

    /// Asks. Cancel safe in that nothing is kept; what was sent may have been carried out.
    pub async fn ask(&self, question: &Question, within: Duration) -> Result<Answer, Error> {
        let asked = Box::pin(self.asked(question));
        tokio::time::timeout(within, asked).await.unwrap_or(Err(Error::Late(within)))
    }

    async fn asked(&self, question: &Question) -> Result<Answer, Error> {
        let Server { address, .. } = self;
        let stream = TcpStream::connect(address)
            .await
            .map_err(|source| Error::Unreachable { address: address.clone(), source })?;
        if !self.tls {
            return self.over(stream, question).await;
        }
        // A port belongs to the Host, not to the certificate.
        let bare = self.name.rsplit_once(':').map_or(self.name.as_str(), |(name, port)| {
            if port.bytes().all(|one| one.is_ascii_digit()) { name } else { &self.name }
        });
        let untrusted =
            |source| Error::Untrusted { address: address.clone(), name: self.name.clone(), source };
        let stream = secured(stream, bare, &[b"http/1.1"]).await.map_err(untrusted)?;
        let shown = stream.get_ref().1.peer_certificates();
        let certificate = shown.and_then(|all| all.first()).map(|one| Bytes::copy_from_slice(one));
        let answer = self.over(stream, question).await?;
        Ok(Answer { certificate, ..answer })
    }

    async fn over<S>(&self, stream: S, question: &Question) -> Result<Answer, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let broken = |error: hyper::Error| Error::Broken(error.to_string());
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let request = self.request(question)?;
        let answered = async {
            let answer = sender.send_request(request).await.map_err(broken)?;
            let (head, mut body) = answer.into_parts();
            let mut read = BytesMut::new();
            while let Some(frame) = body.frame().await {
                let Ok(part) = frame.map_err(broken)?.into_data() else { continue };
                let room = LARGEST.saturating_sub(read.len());
                read.extend_from_slice(part.get(..room).unwrap_or(&part));
                if read.len() >= LARGEST {
                    break;
                }
            }
            let (status, body) = (head.status.as_u16(), read.freeze());
            Ok(Answer { status, headers: head.headers, body, certificate: None })
        };
        // The connection works while the answer is waited for, and ends with it.
        let mut connection = std::pin::pin!(connection);
        let mut answered = std::pin::pin!(answered);
        tokio::select! {
            biased;
            answer = &mut answered => answer,
            // However it ended, what came before is an answer.
            _ = &mut connection => answered.await,
        }
    }

    fn request(&self, question: &Question) -> Result<Request<Full<Bytes>>, Error> {
        let unmade = |error: &dyn std::fmt::Display| Error::Broken(error.to_string());
        let path: PathAndQuery = question.path.parse().map_err(|error| unmade(&error))?;
        let mut request = Request::builder()
            .method(question.method.clone())
            .uri(Uri::from(path))
            .header(HOST, &self.name)
            .header(CONNECTION, "close");
        for (name, value) in &question.headers {
            request = request.header(*name, value);
        }
        request.body(Full::new(question.body.clone())).map_err(|error| unmade(&error))
    }
}

/// `stream` by TLS, where whoever answers has a certificate for `name` that is trusted here. Cancel safe.
pub async fn secured(
    stream: TcpStream,
    name: &str,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned());
    let name = name.map_err(std::io::Error::other)?;
    TlsConnector::from(Arc::new(trusting(protocols))).connect(name, stream).await
}

/// Trusts whom this machine does, its own roots or those that `SSL_CERT_FILE` names, and offers `protocols`.
pub fn trusting(protocols: &[&[u8]]) -> ClientConfig {
    static SYSTEM: OnceLock<ClientConfig> = OnceLock::new();
    let mut config = SYSTEM.get_or_init(system).clone();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

fn system() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::clone(provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has the suites of TLS 1.2 and 1.3");
    config.with_root_certificates(roots).with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_under_its_own_name_unless_another_is_given() {
        let at = |url: &str, name: Option<&str>| Server::at(url, name);
        let named = at("https://d1.cloudfront.net/x", Some("shop.example.com")).unwrap();
        assert_eq!(
            (named.address.as_str(), named.name.as_str()),
            ("d1.cloudfront.net:443", "shop.example.com")
        );
        let own = at("http://[::1]:81", None).unwrap();
        assert_eq!(
            (own.address.as_str(), own.name.as_str(), own.tls),
            ("[::1]:81", "[::1]:81", false)
        );
        for wrong in ["d1.cloudfront.net", "ftp://a/", "https://ana:pass@a/", "https://", ""] {
            assert_eq!(at(wrong, None), None, "{wrong}");
        }
        assert_eq!(at("http://a/", Some("a\r\nb")), None);
    }
}
