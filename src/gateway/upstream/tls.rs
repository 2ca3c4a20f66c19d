//! TLS towards an upstream: its certificate is checked against the system's roots, or those that `SSL_CERT_FILE` names.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// How an upstream is spoken to by `https://`.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    /// Whose certificate is wanted.
    pub(super) name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls({:?})", self.name)
    }
}

impl Tls {
    /// Towards `host`, a name or an address; `None` where it is neither.
    pub(super) fn to(host: &str, roots: Arc<ClientConfig>) -> Option<Tls> {
        let name = ServerName::try_from(host.to_owned()).ok()?;
        Some(Tls { connector: TlsConnector::from(roots), name })
    }
}

/// The system's roots, read when the first `https://` upstream wants them: it takes 20 ms.
pub(super) fn system() -> Arc<ClientConfig> {
    static SYSTEM: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let read = || {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in found.errors {
            tracing::warn!(%error, "a certificate authority of the system cannot be read");
        }
        roots.add_parsable_certificates(found.certs);
        trusting(roots)
    };
    Arc::clone(SYSTEM.get_or_init(read))
}

pub(super) fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the suites of TLS 1.2 and 1.3");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}
