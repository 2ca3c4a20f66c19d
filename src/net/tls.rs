//! TLS for whoever listens: certificates by the name that a client asks for, read again when their files change.
//!
//! A broken file never replaces a good certificate.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none in the file, or it cannot be read.
    #[error("{} has no certificate", .0.display())]
    Certificate(PathBuf, #[source] rustls::pki_types::pem::Error),
    /// There is none in the file, or it cannot be read.
    #[error("{} has no private key", .0.display())]
    Key(PathBuf, #[source] rustls::pki_types::pem::Error),
    /// They do not belong together, or are of a kind that TLS does not know.
    #[error("{} and {} cannot be used together", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
    /// The TLS library cannot be set up.
    #[error("TLS cannot be set up")]
    Library(#[source] rustls::Error),
}

impl Error {
    /// The next step for a person.
    pub fn hint(&self) -> String {
        match self {
            Error::Certificate(..) => {
                "it has to be PEM, the site's own certificate first, then its chain".to_owned()
            }
            Error::Key(..) => "it has to be PEM, without a passphrase".to_owned(),
            Error::Pair { .. } => "take the key that the certificate was made for".to_owned(),
            Error::Library(_) => "report this".to_owned(),
        }
    }
}

/// A certificate and its key, in two files.
#[derive(Debug)]
pub struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    now: ArcSwap<(Stamp, Arc<CertifiedKey>)>,
}

/// What tells that a file is another one than it was.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Pair {
    /// Reads both files and sees that they belong together.
    pub fn read(certificate: &Path, key: &Path) -> Result<Pair, Error> {
        let stamp = [stamp(certificate), stamp(key)];
        let now = ArcSwap::from_pointee((stamp, Arc::new(certified(certificate, key)?)));
        Ok(Pair { certificate: certificate.to_owned(), key: key.to_owned(), now })
    }

    /// Reads them again if they have changed. What is wrong with them is said once for each change; the old ones stay.
    pub fn refresh(&self) -> Result<Refreshed, Error> {
        let stamp = [stamp(&self.certificate), stamp(&self.key)];
        let now = self.now.load();
        if now.0 == stamp {
            return Ok(Refreshed::Same);
        }
        let read = certified(&self.certificate, &self.key);
        let (key, said) = match read {
            Ok(key) => (Arc::new(key), Ok(Refreshed::Changed)),
            Err(error) => (Arc::clone(&now.1), Err(error)),
        };
        self.now.store(Arc::new((stamp, key)));
        said
    }

    /// The file of the certificate, to speak of it.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }
}

/// Whether a certificate is another one now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// It is.
    Changed,
    /// It is not.
    Same,
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let about = fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

fn certified(certificate: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    let no_certificate = |source| Error::Certificate(certificate.to_owned(), source);
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(no_certificate)?;
    if chain.is_empty() {
        return Err(no_certificate(rustls::pki_types::pem::Error::NoItemsFound));
    }
    let secret =
        PrivateKeyDer::from_pem_file(key).map_err(|source| Error::Key(key.to_owned(), source))?;
    CertifiedKey::from_der(chain, secret, provider()).map_err(|source| Error::Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    })
}

/// The one crypto provider.
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

/// Which certificate goes with which name at one address.
#[derive(Debug, Default)]
pub struct Names {
    exact: HashMap<String, Arc<Pair>>,
    /// By what follows `*.`
    wildcard: HashMap<String, Arc<Pair>>,
    other: Option<Arc<Pair>>,
}

impl Names {
    /// `name`, in lower case, may begin with `*.`; the first pair of all also serves whoever names nothing that is known.
    pub fn add(&mut self, name: &str, pair: &Arc<Pair>) {
        match name.strip_prefix("*.") {
            Some(parent) => self.wildcard.insert(parent.to_owned(), Arc::clone(pair)),
            None => self.exact.insert(name.to_owned(), Arc::clone(pair)),
        };
        self.or_else(pair);
    }

    /// For whoever names nothing that is known, unless there is one already.
    pub fn or_else(&mut self, pair: &Arc<Pair>) {
        self.other.get_or_insert_with(|| Arc::clone(pair));
    }

    fn pair(&self, name: Option<&str>) -> Option<&Arc<Pair>> {
        let known = name.and_then(|name| {
            let parent = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
            self.exact.get(name).or_else(parent)
        });
        known.or(self.other.as_ref())
    }
}

/// Answers a client's hello; swapped as a whole at a reload.
#[derive(Debug, Default)]
pub struct Certificates(ArcSwap<Names>);

impl Certificates {
    /// From the next hello on.
    pub fn set(&self, names: Names) {
        self.0.store(Arc::new(names));
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let names = self.0.load();
        let pair = names.pair(name.as_deref())?;
        Some(Arc::clone(&pair.now.load().1))
    }
}

/// A server that speaks HTTP/2 and HTTP/1.1, as the client prefers.
pub fn server(certificates: Arc<Certificates>) -> Result<Arc<ServerConfig>, Error> {
    let mut server = ServerConfig::builder_with_provider(Arc::clone(provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::Library)?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    server.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(Error::Library)?;
    Ok(Arc::new(server))
}
