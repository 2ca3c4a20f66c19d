//! A `gateway` block -> what stands in front of a site's app, and how it behaves in each mode.

pub(super) mod read;
mod share;
pub(super) mod words;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::secret::Secret;
use super::spot::Spots;
use crate::switch::Mode;

pub use share::Share;

/// The gateway of one site. `Default` is what an empty block says, without an address or an upstream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewayConfig {
    /// Where it listens, without TLS. Sites may share an address; the Host tells them apart.
    pub listen: Vec<SocketAddr>,
    /// Where it listens with TLS.
    pub tls: Option<TlsConfig>,
    /// The app, in one or several places.
    pub upstreams: Vec<UpstreamUrl>,
    /// Who may speak for others about the client's address.
    pub trusted_proxies: Vec<IpNet>,
    /// Its own health towards a load balancer, and its upstreams'.
    pub health: HealthConfig,
    /// Waiting.
    pub hold: HoldConfig,
    /// Letting running requests end.
    pub drain: DrainConfig,
    /// Letting visitors in one after the other who were all kept out; without it all come at once.
    pub open: Option<OpenConfig>,
    /// What a read is, where the method does not tell.
    pub read_only: ReadOnlyConfig,
    /// Paths that pass in some modes.
    pub allow: Vec<AllowConfig>,
    /// Testers.
    pub bypass: BypassConfig,
    /// The status of a refusal, where it is not 503.
    pub refuse_status: Option<u16>,
    /// Where it says so: `listen`, `certificate`, `key`.
    pub spots: Spots,
}

/// TLS at the gateway. The files are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// The certificate and its chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// Where an app answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpstreamUrl {
    /// How it is spoken to.
    pub protocol: UpstreamProtocol,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// As configured: `http://app:3000`.
impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.protocol.scheme();
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// How an app is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// `http://`: HTTP/1.1.
    Http,
    /// `https://`: HTTP/1.1 in TLS, its certificate checked against the system's roots.
    Https,
    /// `h2c://`: HTTP/2 by prior knowledge, for gRPC.
    H2c,
}

impl UpstreamProtocol {
    /// What stands before `://`.
    pub fn scheme(self) -> &'static str {
        match self {
            UpstreamProtocol::Http => "http",
            UpstreamProtocol::Https => "https",
            UpstreamProtocol::H2c => "h2c",
        }
    }
}

/// Health, both ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthConfig {
    /// The path at which a load balancer asks after the gateway. Nothing is answered by us where there is none.
    pub lb_path: Option<String>,
    /// The path at which upstreams are asked; without one, a connection is enough.
    pub upstream_path: Option<String>,
    /// The Host of that question; default: the site's first host.
    pub upstream_host: Option<String>,
    /// How often they are asked.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// So many good answers in a row make a sick one healthy.
    pub passes: u32,
    /// So many bad answers in a row make a healthy one sick.
    pub failures: u32,
}

impl Default for HealthConfig {
    fn default() -> Self {
        HealthConfig {
            lb_path: None,
            upstream_path: None,
            upstream_host: None,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
            passes: 2,
            failures: 2,
        }
    }
}

/// Waiting, for each gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldConfig {
    /// How long requests wait, from the operation's start; at most 300 s.
    pub patience: Duration,
    /// How many may wait.
    pub places: usize,
    /// How many are let go each second at most; by default only requests in flight set the pace.
    pub release_rate: Option<u32>,
}

impl Default for HoldConfig {
    fn default() -> Self {
        HoldConfig { patience: Duration::from_secs(20), places: 10_000, release_rate: None }
    }
}

/// Letting running requests end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainConfig {
    /// For how long.
    pub deadline: Duration,
    /// What happens then; by default `abort` in read-only and hold, `cut` in closed and detour.
    pub then: Option<DrainThen>,
    /// What happens to upgraded connections.
    pub upgrades: Upgrades,
}

impl Default for DrainConfig {
    fn default() -> Self {
        DrainConfig { deadline: Duration::from_secs(10), then: None, upgrades: Upgrades::Leave }
    }
}

/// Letting visitors in one after the other, after `closed` and `detour`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenConfig {
    /// How long it takes until all are in, where nothing goes wrong.
    pub ramp: Duration,
    /// How many are let in at first.
    pub first: Share,
    /// At so many errors among the answers nobody is let in any more.
    pub limit: Share,
}

impl OpenConfig {
    /// How many are let in at first, where nothing else is said.
    pub const FIRST: Share = Share::percent(5);
    /// At how many errors nobody is let in any more, where nothing else is said.
    pub const LIMIT: Share = Share::percent(50);
}

/// What happens when requests still run at the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainThen {
    /// Back to the mode before.
    Abort,
    /// They are cut.
    Cut,
}

/// What happens to `WebSocket`s and other upgraded connections when requests may pass no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrades {
    /// They stay, counted.
    Leave,
    /// They are closed with 1012, spread over five seconds.
    Close,
}

/// What a read is, where the method does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOnlyConfig {
    /// Paths where a POST, or a WebSocket, only reads.
    pub reads: Vec<PathPattern>,
    /// Paths where even a GET writes.
    pub writes: Vec<PathPattern>,
    /// Paths of GraphQL, whose queries are reads.
    pub graphql: Vec<PathPattern>,
}

/// A path that ends in `*` for everything that begins so, or an exact one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// This path.
    Exact(String),
    /// All paths that begin so.
    Prefix(String),
}

/// Paths that pass in some modes, counted and shown by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowConfig {
    /// Its label.
    pub name: String,
    /// Which paths.
    pub paths: Vec<PathPattern>,
    /// In which modes besides `open`.
    pub modes: Vec<Mode>,
}

/// Testers, who pass in every mode.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BypassConfig {
    /// What links and headers are signed with; without it only addresses pass.
    pub key: Option<Secret>,
    /// The clients' addresses that pass.
    pub from: Vec<IpNet>,
}
