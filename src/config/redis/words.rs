//! One text of a `redis` block -> where it listens, where Redis is, a step of an outage. Asks no resolver.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Afterwards, RedisPlace, RedisUpstream};
use crate::config::gateway::words::socket;
use crate::config::secret::Secret;
use crate::config::units::duration;

/// Where clients come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisListen {
    /// By TCP.
    Tcp(SocketAddr),
    /// By a socket of this machine's.
    Unix(PathBuf),
}

impl RedisListen {
    /// Whether it is another port each time.
    pub fn is_any_port(&self) -> bool {
        matches!(self, RedisListen::Tcp(address) if address.port() == 0)
    }
}

impl fmt::Display for RedisListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RedisListen::Tcp(address) => address.fmt(f),
            RedisListen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The path behind `unix:` or `unix://`, which a relative one has beside the configuration.
fn path(text: &str, folder: &Path) -> Option<Result<PathBuf, String>> {
    let rest = text.strip_prefix("unix:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path = folder.join(rest);
    // `sockaddr_un` has room for 107 bytes and a zero.
    let fits = !rest.is_empty() && path.as_os_str().len() <= 107;
    Some(if fits {
        Ok(path)
    } else {
        Err(format!("`{text}` is no path of a socket: unix:/run/cache.sock, at most 107 bytes"))
    })
}

/// `127.0.0.1:6379`, `:6379`, or `unix:/run/redis.sock`.
pub(super) fn listen(text: &str, folder: &Path) -> Result<RedisListen, String> {
    match path(text, folder) {
        Some(path) => path.map(RedisListen::Unix),
        None => socket(text).map(RedisListen::Tcp),
    }
}

/// `redis://USER:PASSWORD@cache:6379`, `rediss://` for TLS, or `unix:/run/redis.sock`. No error has a part of it: a password may be
/// anywhere.
pub(super) fn upstream(text: &str, folder: &Path) -> Result<RedisUpstream, String> {
    if let Some(path) = path(text, folder) {
        let place = RedisPlace::Unix(path?);
        return Ok(RedisUpstream { place, user: None, password: None });
    }
    let wrong = || {
        "this is no URL of a Redis: redis://cache:6379, rediss:// for TLS, or unix:/run/redis.sock"
            .to_owned()
    };
    let scheme = text.split(':').next().unwrap_or_default();
    if scheme.contains("cluster") {
        return Err("a cluster cannot be guarded yet: one Redis, or one endpoint with cluster mode disabled".to_owned());
    }
    if scheme.contains("sentinel") {
        return Err("Sentinel is not asked: give the name that leads to the master, which is looked up at each connection".to_owned());
    }
    let url = url::Url::parse(text).map_err(|error| match error {
        url::ParseError::InvalidPort => "its port is no number up to 65535".to_owned(),
        _ => wrong(),
    })?;
    let tls = match url.scheme() {
        "redis" => false,
        "rediss" => true,
        _ => return Err(wrong()),
    };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
    if !matches!(url.path(), "" | "/" | "/0") || url.query().is_some() {
        return Err(
            "clients choose their database by themselves: leave everything after the port out"
                .to_owned(),
        );
    }
    let plain = |text: &str| {
        let plain = percent_encoding::percent_decode_str(text).decode_utf8();
        plain.map(std::borrow::Cow::into_owned).map_err(|_| wrong())
    };
    let user = Some(plain(url.username())?).filter(|user| !user.is_empty());
    let password = url.password().map(plain).transpose()?.map(Secret::new);
    let host = host.trim_matches(['[', ']']).to_owned();
    let place = RedisPlace::Tcp { host, port: url.port().unwrap_or(6_379), tls };
    Ok(RedisUpstream { place, user, password })
}

/// A step of an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Clients wait.
    Hold(Duration),
    /// What comes afterwards.
    Then(Afterwards),
}

/// `hold 10s`, `open`, `refuse` or `drop`.
pub(super) fn step(text: &str) -> Result<Step, String> {
    match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["hold", time] => duration(time).map(Step::Hold),
        ["open"] => Ok(Step::Then(Afterwards::Open)),
        ["refuse"] => Ok(Step::Then(Afterwards::Refuse)),
        ["drop"] => Ok(Step::Then(Afterwards::Drop)),
        _ => Err(format!(
            "`{text}` is no step of an outage: \"hold 10s\", \"open\", \"refuse\" or \"drop\""
        )),
    }
}
