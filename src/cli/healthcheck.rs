//! `healthcheck`: is the process here alive. For container images, which have neither a shell nor curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::args::HealthcheckArgs;
use super::context::Context;
use super::error::Error;
use crate::config::{Admin, Config};

/// How long the whole question may take: Docker's own default is 30 s, ECS's 5 s.
const PATIENCE: Duration = Duration::from_secs(3);
/// A status line is no longer.
const LONGEST_ANSWER: u64 = 1_024;

/// Exits with 0 where it is answered with 2xx, else with 1.
pub(super) async fn run(context: &Context, args: &HealthcheckArgs) -> Result<u8, Error> {
    let url = match &args.url {
        Some(url) => url.clone(),
        None => own(&context.config()?)?,
    };
    let sick = |why: String| Error::Sick { url: url.clone(), why };
    let (authority, path) = parts(&url)?;
    let asked = tokio::time::timeout(PATIENCE, status(&authority, &path)).await;
    let status = match asked {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => return Err(sick(error.to_string())),
        Err(_) => return Err(sick(format!("no answer within {} s", PATIENCE.as_secs()))),
    };
    match status {
        Some(200..=299) => Ok(0),
        Some(status) => Err(sick(format!("it answers {status}"))),
        None => Err(sick("what answers is not HTTP".to_owned())),
    }
}

/// The admin listener's `/livez`, else the first gateway's own health path.
fn own(config: &Config) -> Result<String, Error> {
    let admin = match config.serve.admin {
        Admin::Default => Some(Admin::ADDRESS),
        Admin::At(address) => Some(address),
        Admin::Off => None,
    };
    if let Some(address) = admin {
        return Ok(format!("http://{}/livez", reached(address)));
    }
    let gateways = config.sites.iter().filter_map(|site| site.gateway.as_ref());
    let mut paths = gateways.filter_map(|gateway| {
        let path = gateway.health.lb_path.as_ref()?;
        Some(format!("http://{}{path}", reached(*gateway.listen.first()?)))
    });
    paths.next().ok_or_else(|| Error::Usage {
        message: "there is nothing to ask: admin is \"off\", and no gateway has an lb_path and an address without TLS".to_owned(),
        hint: "name it: roadworks healthcheck http://127.0.0.1:8080/healthz".to_owned(),
    })
}

/// An address from this machine: one that listens everywhere listens on loopback too.
fn reached(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// `HOST:PORT` and the path with its query.
fn parts(url: &str) -> Result<(String, String), Error> {
    let wrong = || Error::Usage {
        message: format!("`{url}` cannot be asked"),
        hint: "for example http://127.0.0.1:8080/healthz".to_owned(),
    };
    let uri: http::Uri = url.parse().map_err(|_| wrong())?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
    let authority = authority.filter(|authority| !authority.as_str().contains('@'));
    let authority = authority.ok_or_else(wrong)?;
    let port = authority.port_u16().unwrap_or(80);
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    Ok((format!("{}:{port}", authority.host()), path.to_owned()))
}

/// The status of the answer, if it is HTTP. Cancel safe.
async fn status(authority: &str, path: &str) -> std::io::Result<Option<u16>> {
    let mut stream = TcpStream::connect(authority).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: roadworks-healthcheck\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    let line = String::from_utf8_lossy(&answer);
    let code = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    Ok(code.and_then(|code| code.get(..3)).and_then(|code| code.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_asked_on_loopback() {
        let reached = |address: &str| reached(address.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reached("[::]:80"), "[::1]:80");
        assert_eq!(reached("10.0.0.1:80"), "10.0.0.1:80");
    }

    #[test]
    fn a_url_is_taken_apart_and_what_cannot_be_asked_is_refused() {
        let parts = |url| parts(url).ok();
        assert_eq!(parts("http://a/b?c"), Some(("a:80".to_owned(), "/b?c".to_owned())));
        assert_eq!(parts("http://[::1]:81"), Some(("[::1]:81".to_owned(), "/".to_owned())));
        for wrong in ["https://a/", "a/b", "http://ana:pass@a/", "", "http://"] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }
}
