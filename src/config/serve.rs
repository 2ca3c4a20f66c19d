//! The `serve` block -> how the long-running process runs on its machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use hcl_edit::structure::{Block, Body};

use super::gateway::words;
use super::read::Reader;
use super::spot::Spots;

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
    /// Where its address stands in the file.
    pub spots: Spots,
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
    /// Bytes a second that a body must come at, or be taken at, after ten seconds of grace; 0 for no floor.
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

const HOUR: Duration = Duration::from_hours(1);
const SECOND: Duration = Duration::from_secs(1);

/// Reads the `serve` block of a whole file, if there is one.
pub(super) fn read<'a>(reader: &mut Reader<'a>, body: &'a Body) -> ServeConfig {
    let Some(block) = body.get_blocks("serve").next() else { return ServeConfig::default() };
    reader.labels(block, &[]);
    let body = &block.body;
    reader.only(body, &["state", "admin", "cores", "access_log"], &["limits"], &[]);
    let cores = reader.count(body, "cores", 1..=1_024);
    let limits = body.get_blocks("limits").next();
    let mut spots = Spots::default();
    if let Some(given) = body.get_attribute("admin") {
        spots.note("admin", reader.spot(&given.value));
    }
    ServeConfig {
        state: reader.text(body, "state").map(|path| reader.folder().join(path)),
        admin: admin(reader, body),
        cores: cores.and_then(|cores| usize::try_from(cores).ok()),
        access_log: reader.boolean(body, "access_log").unwrap_or(false),
        limits: limits.map(|block| of_limits(reader, block)).unwrap_or_default(),
        spots,
    }
}

fn admin(reader: &mut Reader<'_>, body: &Body) -> Admin {
    let read = |text: &str| match text {
        "off" => Ok(Admin::Off),
        text => words::socket(text)
            .map(Admin::At)
            .map_err(|_| format!("`{text}` is not an address, as \"127.0.0.1:9180\", nor \"off\"")),
    };
    let admin = reader.parsed(body, "admin", read).unwrap_or_default();
    if let (Admin::At(address), Some(given)) = (admin, body.get_attribute("admin"))
        && !address.ip().is_loopback()
    {
        reader.warn(
            &given.value,
            format!(
                "metrics at {address} are for whoever reaches it: nothing asks for a password there"
            ),
        );
    }
    admin
}

fn of_limits<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Limits {
    const KEYS: [&str; 7] = [
        "header_bytes",
        "header_count",
        "header_timeout",
        "idle_timeout",
        "connections",
        "streams",
        "body_rate",
    ];
    reader.labels(block, &[]);
    let body = &block.body;
    reader.only(body, &KEYS, &[], &[]);
    let default = Limits::default();
    let whole = |number: u64| usize::try_from(number).ok();
    let header_bytes = reader.size(body, "header_bytes", 8_192..=1 << 20);
    let header_count = reader.count(body, "header_count", 10..=10_000);
    let connections = reader.count(body, "connections", 1..=10_000_000);
    let streams = reader.count(body, "streams", 1..=10_000);
    let times = SECOND..=HOUR;
    Limits {
        header_bytes: header_bytes.and_then(whole).unwrap_or(default.header_bytes),
        header_count: header_count.and_then(whole).unwrap_or(default.header_count),
        header_timeout: reader
            .duration(body, "header_timeout", times.clone())
            .unwrap_or(default.header_timeout),
        idle_timeout: reader.duration(body, "idle_timeout", times).unwrap_or(default.idle_timeout),
        connections: connections.and_then(whole).unwrap_or(default.connections),
        streams: streams.and_then(|n| u32::try_from(n).ok()).unwrap_or(default.streams),
        body_rate: reader.size(body, "body_rate", 0..=1 << 30).unwrap_or(default.body_rate),
    }
}
