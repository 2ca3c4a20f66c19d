//! Where a guard listens, and where its Redis does. Connects to nobody.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use hcl_edit::structure::Block;

use super::words::{self, RedisListen};
use crate::config::read::{Item, Reader};
use crate::config::secret::Secret;
use crate::config::spot::Spots;

/// Where a Redis is, and who its guard is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisUpstream {
    /// Where it listens.
    pub place: RedisPlace,
    /// As whom the guard asks whether it is well; clients log in by themselves.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<Secret>,
}

/// Where a Redis listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisPlace {
    /// By TCP; the name is looked up at each connection.
    Tcp {
        /// A name or an address.
        host: String,
        /// 6379
        port: u16,
        /// Whether by TLS.
        tls: bool,
    },
    /// By a socket of this machine's.
    Unix(PathBuf),
}

/// As a URL, without who the guard is there.
impl fmt::Display for RedisPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RedisPlace::Tcp { host, port, tls } => {
                write!(f, "{}://{host}:{port}", if *tls { "rediss" } else { "redis" })
            }
            RedisPlace::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl RedisPlace {
    /// Whether it is certainly the same place.
    pub(super) fn is_at(&self, listen: &RedisListen) -> bool {
        match (self, listen) {
            (RedisPlace::Unix(path), RedisListen::Unix(other)) => path == other,
            (RedisPlace::Tcp { host, port, .. }, RedisListen::Tcp(address)) => {
                let host = if host == "localhost" { "127.0.0.1" } else { host };
                let is_here = host.parse::<IpAddr>().is_ok_and(|ip| {
                    ip == address.ip() || (ip.is_loopback() && address.ip().is_unspecified())
                });
                is_here && *port == address.port() && *port != 0
            }
            (RedisPlace::Unix(_), RedisListen::Tcp(_))
            | (RedisPlace::Tcp { .. }, RedisListen::Unix(_)) => false,
        }
    }
}

/// One address, or a list of them.
pub(super) fn listen(
    reader: &mut Reader<'_>,
    block: &Block,
    spots: &mut Spots,
) -> Vec<RedisListen> {
    let Some(given) = block.body.get_attribute("listen") else {
        reader.needed(block, "listen");
        return Vec::new();
    };
    let items = match &given.value {
        hcl_edit::expr::Expression::Array(_) => reader.items(&block.body, "listen"),
        at => reader.text(&block.body, "listen").map(|text| vec![Item { at, text }]),
    };
    let mut found = Vec::new();
    for Item { at, text } in items.unwrap_or_default() {
        match words::listen(&text, reader.folder()) {
            Ok(address) if found.contains(&address) && !address.is_any_port() => {
                reader.wrong(at, format!("`{text}` is given twice"));
            }
            Ok(address) => {
                spots.note(format!("listen {address}"), reader.spot(at));
                found.push(address);
            }
            Err(message) => reader.wrong(at, message),
        }
    }
    if found.is_empty() && given.value.as_array().is_some_and(hcl_edit::expr::Array::is_empty) {
        reader.wrong(&given.value, "the guard listens nowhere");
    }
    found
}

pub(super) fn upstream(reader: &mut Reader<'_>, block: &Block) -> Option<RedisUpstream> {
    let Some(given) = block.body.get_attribute("upstream") else {
        reader.needed(block, "upstream");
        return None;
    };
    // Its password may be on another machine only.
    let text = reader.secret(&block.body, "upstream")?;
    words::upstream(&text, reader.folder()).map_err(|why| reader.wrong(&given.value, why)).ok()
}
