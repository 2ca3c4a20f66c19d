//! The `serve` block -> how the long-running process runs on its machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// How `roadworks serve` runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServeConfig {
    /// Its state folder: the last switch of each site and `control.sock`. By default `$STATE_DIRECTORY`, else `.roadworks/local/`.
    pub state: Option<PathBuf>,
    /// Where metrics and its own health are.
    pub admin: Admin,
    /// How many cores; by default all.
    pub cores: Option<usize>,
    /// Whether each request is logged, as one JSON object a line.
    pub access_log: bool,
    /// Its limits.
    pub limits: Limits,
}

/// Where metrics and its own health are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Admin {
    /// [`Admin::ADDRESS`] where it is free; else a warning.
    #[default]
    Default,
    /// Here, or `serve` does not start.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

impl Admin {
    /// Loopback: metrics are nobody else's business.
    pub const ADDRESS: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);
}

/// What one visitor, and all of them together, may take. Reached, each is answered or closed, and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// Headers of a request.
    pub header_count: usize,
    /// How long a client may take to send a head.
    pub header_timeout: Duration,
    /// How long a connection may be idle between requests.
    pub idle_timeout: Duration,
    /// Open connections.
    pub connections: usize,
    /// Streams of one HTTP/2 connection at a time.
    pub streams: u32,
    /// Bytes a second that a body must come at, or be taken at, after ten seconds of grace.
    pub body_rate: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            header_bytes: 32 << 10,
            header_count: 100,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            connections: 100_000,
            streams: 128,
            body_rate: 240,
        }
    }
}
