//! The headers of a request on its way to an upstream, and of an answer on its way back. Whatever belongs to one
//! connection only stays there (RFC 9110 §7.6.1); what an upstream is told of the client is what we know, not what a
//! stranger claims.

use std::fmt::Write as _;
use std::net::IpAddr;

use bytes::BytesMut;
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, Entry, FORWARDED, HOST, TE, TRANSFER_ENCODING,
    UPGRADE, VIA,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, request};

use super::super::upstream::Wish;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names that `Connection` may list are looked at up to here; more of them are nobody's honest wish.
const NAMED: usize = 32;

/// Who asks, as the connection and the trusted proxies say.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The connection's other end.
    pub peer: IpAddr,
    /// Whether it is a trusted proxy: then what it says of others is passed on, and itself added to it.
    pub trusted: bool,
    /// Whether the client speaks TLS, to us or to a trusted proxy.
    pub https: bool,
    /// The request's id.
    pub request_id: &'a HeaderValue,
}

/// What a request wants besides an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wants {
    /// Another protocol on this connection.
    pub(super) upgrade: Option<HeaderValue>,
    /// To be asked for its upload.
    pub(super) wish: Wish,
}

/// Makes a client's head ours: one that an upstream can be sent by HTTP/1.1.
pub(super) fn towards_upstream(head: &mut request::Parts, asker: &Asker<'_>) -> Wants {
    let Seen { hop, cookies, .. } = seen(&head.headers);
    let upgrade = if hop { wanted_upgrade(head) } else { None };
    let trailers = hop && wants_trailers(&head.headers);
    if hop {
        drop_hop_by_hop(&mut head.headers);
    }
    // Read as chunked, both being there; what we send has one framing only.
    if head.headers.remove(TRANSFER_ENCODING).is_some() {
        head.headers.remove(CONTENT_LENGTH);
    }
    if cookies > 1 && head.version == Version::HTTP_2 {
        join_cookies(&mut head.headers);
    }
    if let Some(protocol) = &upgrade {
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(UPGRADE, protocol.clone());
    } else if trailers {
        head.headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if trailers {
        head.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let wish = match head.headers.get(EXPECT) {
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Wish::AskFirst,
        _ => Wish::AtOnce,
    };
    let via = if head.version == Version::HTTP_2 { "2.0 roadworks" } else { "1.1 roadworks" };
    head.headers.append(VIA, HeaderValue::from_static(via));
    name_host(head);
    tell_of(asker, &mut head.headers);
    origin_form(head);
    head.version = Version::HTTP_11;
    Wants { upgrade, wish }
}

/// The same head for HTTP/2: the Host is in its address, and nothing is said of connections.
pub(super) fn for_http2(head: &mut request::Parts) {
    head.headers.remove(CONNECTION);
    head.headers.remove(UPGRADE);
    let host = head.headers.remove(HOST);
    let path = head.uri.path_and_query().cloned();
    let mut uri = Uri::builder().scheme("http").path_and_query(path.unwrap_or(ROOT.clone()));
    if let Some(host) = host.as_ref().and_then(|host| host.to_str().ok()) {
        uri = uri.authority(host);
    }
    if let Ok(uri) = uri.build() {
        head.uri = uri;
    }
    head.version = Version::HTTP_2;
}

/// Makes an upstream's head ours. Says nothing of a switched protocol: that is put back by whoever carries it.
pub(super) fn towards_client(headers: &mut HeaderMap) {
    if seen(headers).hop {
        drop_hop_by_hop(headers);
    }
    if headers.remove(TRANSFER_ENCODING).is_some() {
        headers.remove(CONTENT_LENGTH);
    }
}

/// What one walk over the names finds, so that nothing is looked up that is not there.
#[derive(Default)]
struct Seen {
    hop: bool,
    cookies: usize,
}

fn seen(headers: &HeaderMap) -> Seen {
    let mut seen = Seen::default();
    for name in headers.keys() {
        seen.hop |= name == CONNECTION
            || name == TE
            || name == UPGRADE
            || name == KEEP_ALIVE
            || name == PROXY_CONNECTION;
        if name == COOKIE {
            seen.cookies = headers.get_all(COOKIE).iter().take(2).count();
        }
    }
    seen
}

/// Those of RFC 9110 §7.6.1, and those that `Connection` names. `Transfer-Encoding` is looked at apart.
fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let mut named = Vec::new();
    for value in headers.get_all(CONNECTION) {
        let listed = value.as_bytes().split(|byte| *byte == b',');
        let listed = listed.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
        // Nobody takes away by it what makes the request what it is.
        let honest = |name: &HeaderName| {
            ![HOST, CONTENT_LENGTH, TRANSFER_ENCODING, COOKIE, EXPECT].contains(name)
        };
        named.extend(listed.filter(honest).take(NAMED.saturating_sub(named.len())));
    }
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, TE, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION, HTTP2_SETTINGS] {
        headers.remove(name);
    }
}

/// The protocol that an HTTP/1.1 client wants, if we carry it. `h2c` we do not: behind it requests would pass uncounted.
fn wanted_upgrade(head: &request::Parts) -> Option<HeaderValue> {
    if head.version != Version::HTTP_11 || !lists(&head.headers, &CONNECTION, "upgrade") {
        return None;
    }
    let protocol = head.headers.get(UPGRADE)?;
    let known = protocol.to_str().is_ok_and(|text| {
        !text.split(',').any(|one| {
            let one = one.trim().split('/').next().unwrap_or_default();
            one.eq_ignore_ascii_case("h2c") || one.eq_ignore_ascii_case("http")
        })
    });
    known.then(|| protocol.clone())
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    lists(headers, &TE, "trailers")
}

/// Whether a comma-separated header has this word.
pub(super) fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let words =
        headers.get_all(name).into_iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    words.into_iter().any(|one| one.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

/// HTTP/2 may send a cookie header in pieces, HTTP/1.1 may not (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut joined = Vec::new();
    for piece in headers.get_all(COOKIE) {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(piece.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, joined);
    }
}

/// The Host of an absolute address counts, whatever the header says (RFC 9112 §3.2.2).
fn name_host(head: &mut request::Parts) {
    if let Some(authority) = head.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(HOST, host);
    }
}

static ROOT: std::sync::LazyLock<PathAndQuery> =
    std::sync::LazyLock::new(|| PathAndQuery::from_static("/"));

fn origin_form(head: &mut request::Parts) {
    if head.uri.scheme().is_none() && head.uri.authority().is_none() {
        return;
    }
    let asterisk = head.method == Method::OPTIONS && head.uri.path() == "*";
    let path = match head.uri.path_and_query() {
        Some(path) if !asterisk => path.clone(),
        _ if asterisk => PathAndQuery::from_static("*"),
        _ => ROOT.clone(),
    };
    head.uri = Uri::from(path);
}

/// What the app is told of the client.
fn tell_of(asker: &Asker<'_>, headers: &mut HeaderMap) {
    headers.insert(REQUEST_ID, asker.request_id.clone());
    let mut hop = BytesMut::with_capacity(48);
    if asker.trusted {
        for before in headers.get_all(FORWARDED_FOR) {
            hop.extend_from_slice(before.as_bytes());
            hop.extend_from_slice(b", ");
        }
    }
    write_into(&mut hop, asker.peer);
    if let Ok(value) = HeaderValue::from_maybe_shared(hop.freeze()) {
        headers.insert(FORWARDED_FOR, value);
    }
    let proto = HeaderValue::from_static(if asker.https { "https" } else { "http" });
    let host = headers.get(HOST).cloned();
    for (name, value) in [(FORWARDED_PROTO, Some(proto)), (FORWARDED_HOST, host)] {
        match (headers.entry(name), value) {
            (Entry::Occupied(_), _) if asker.trusted => {}
            (Entry::Occupied(mut stranger), Some(value)) => {
                stranger.insert(value);
            }
            (Entry::Occupied(stranger), None) => {
                stranger.remove_entry_mult();
            }
            (Entry::Vacant(place), Some(value)) => {
                place.insert(value);
            }
            (Entry::Vacant(_), None) => {}
        }
    }
    if headers.contains_key(FORWARDED) {
        forwarded(asker, headers);
    }
}

/// RFC 7239: a trusted proxy's is continued, a stranger's dropped. It is never begun: `X-Forwarded-For` says the same.
fn forwarded(asker: &Asker<'_>, headers: &mut HeaderMap) {
    if !asker.trusted {
        headers.remove(FORWARDED);
        return;
    }
    let hop = match asker.peer.to_canonical() {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    };
    if let Ok(hop) = HeaderValue::try_from(hop) {
        headers.append(FORWARDED, hop);
    }
}

fn write_into(text: &mut BytesMut, ip: IpAddr) {
    // A `BytesMut` grows; it never refuses.
    write!(text, "{}", ip.to_canonical()).unwrap_or_default();
}
