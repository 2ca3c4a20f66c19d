//! Testers, who pass in every mode: by a signed token in a link, a cookie or a header, or by their address.
//!
//! A token is good for one operation of one site, until its expiry. It is compared in constant time, and never reaches a
//! log or the app: [`strip`] takes it off whatever is forwarded.

mod key;
mod trace;

use std::time::Duration;

use http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use ipnet::IpNet;
use jiff::Timestamp;

use super::address::{self, Client};
use super::body::Body;
use crate::config::BypassConfig;
use crate::switch::{Mode, Posture};
use trace::{cleaned, cookies, token_of_query};

pub use key::{Key, LONGEST};
pub use trace::strip;

/// The header in which machines send a token.
pub const HEADER: HeaderName = HeaderName::from_static("roadworks-bypass");
/// The name of the token in a link, and of its cookie.
pub const PARAMETER: &str = "roadworks-bypass";
/// Each costs a signature, in the way of all who come.
const TOKENS: usize = 4;
/// Who passes at one site in every mode.
#[derive(Debug, Clone, Default)]
pub struct Testers {
    key: Option<Key>,
    from: Vec<IpNet>,
}

impl Testers {
    /// As configured, at the site of this name.
    pub fn new(config: &BypassConfig, site: &str) -> Testers {
        let key = config.key.clone().map(|secret| Key::new(secret, site));
        Testers { key, from: config.from.clone() }
    }

    /// The answer to a link: the same place without the token, and a cookie where it is good. Nothing is forwarded. A bad
    /// one is taken out of the address bar too, but at a closed site it is refused like everything else.
    pub fn redirect(
        &self,
        parts: &Parts,
        client: Client,
        posture: Option<&Posture>,
        now: Timestamp,
    ) -> Option<Response<Body>> {
        let token = parts.uri.query().and_then(token_of_query)?;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            return None;
        }
        let left = self.good(token.as_bytes(), posture, now);
        let is_up = posture.is_some_and(|posture| posture.mode <= Mode::Hold);
        (left.is_some() || is_up).then(|| without_token(parts, client, token, left))
    }

    /// Whether this is a tester's request, which passes in [`Kind::Bypass`](super::rules::Kind::Bypass)'s lane, under the
    /// posture by which it is let in.
    pub fn know(
        &self,
        parts: &Parts,
        client: Client,
        posture: Option<&Posture>,
        now: Timestamp,
    ) -> bool {
        if address::is_trusted(client.ip, &self.from) {
            return true;
        }
        let linked = parts.uri.query().and_then(token_of_query).map(str::as_bytes);
        let header = parts.headers.get_all(&HEADER).iter().map(HeaderValue::as_bytes);
        let mut tokens = linked.into_iter().chain(header).chain(cookies(parts)).take(TOKENS);
        self.key.is_some() && tokens.any(|token| self.good(token, posture, now).is_some())
    }

    /// No operation, no token: it was for one that has ended.
    fn good(&self, token: &[u8], posture: Option<&Posture>, now: Timestamp) -> Option<Duration> {
        let posture = posture.filter(|posture| posture.mode != Mode::Open)?;
        self.key.as_ref()?.verified(token, posture.operation.as_ref()?, now)
    }
}

/// 303 to the same place, with a cookie for as long as the token is good.
fn without_token(
    parts: &Parts,
    client: Client,
    token: &str,
    left: Option<Duration>,
) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    let place = cleaned(parts.uri.path(), parts.uri.query().unwrap_or_default());
    let text = place.as_str();
    // `//host` and `/\host` would lead a browser to another host.
    let guard = if text.starts_with("//") || text.starts_with("/\\") { "/." } else { "" };
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::try_from(format!("{guard}{text}")) {
        headers.insert(LOCATION, location);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    if let Some(left) = left {
        let secure = if client.https { "; Secure" } else { "" };
        let cookie = format!(
            "{PARAMETER}={token}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            left.as_secs(),
        );
        if let Ok(mut cookie) = HeaderValue::try_from(cookie) {
            cookie.set_sensitive(true);
            headers.insert(SET_COOKIE, cookie);
        }
    }
    response
}

#[cfg(test)]
mod tests;
