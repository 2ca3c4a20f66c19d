//! Why an upstream could not be reached. Seen by operators only; what a visitor reads is `forward::failure`'s.

use std::io;
use std::time::Duration;

/// Why there is no connection to an upstream.
#[derive(Debug, thiserror::Error)]
pub(in crate::gateway) enum Error {
    /// No address.
    #[error("the name `{name}` leads to no address")]
    Name {
        /// What was asked for.
        name: String,
        /// What the resolver said.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Refused, unreachable, reset.
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    /// Nobody answered.
    #[error("no connection within {0:?}")]
    Slow(Duration),
    /// A certificate that is not trusted, or no TLS at all.
    #[error("no TLS: {0}")]
    Tls(#[source] io::Error),
    /// It does not speak as configured.
    #[error("no HTTP: {0}")]
    Protocol(#[source] hyper::Error),
    /// A probe's answer.
    #[error("answered {0}")]
    Status(http::StatusCode),
    /// A path or a Host that cannot be asked with.
    #[error("cannot be asked: {0}")]
    Question(#[source] http::Error),
    /// No upstream has an address.
    #[error("no upstream has an address")]
    Nowhere,
}

impl Error {
    /// What a person can do about it.
    pub(in crate::gateway) fn hint(&self) -> &'static str {
        match self {
            Error::Name { .. } | Error::Nowhere => {
                "check the names in `upstreams` and /etc/resolv.conf"
            }
            Error::Connect(_) | Error::Slow(_) => {
                "check that the app runs and listens where `upstreams` says"
            }
            Error::Tls(_) => {
                "check the app's certificate; SSL_CERT_FILE names other roots than the system's"
            }
            Error::Protocol(_) => "check whether the app speaks http, https or h2c",
            Error::Status(_) | Error::Question(_) => "check `upstream_path` and `upstream_host`",
        }
    }
}
