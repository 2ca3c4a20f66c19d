//! What a request says of itself before any site is known: its Host, its id. Never trusts a byte of it.

use std::fmt::Write as _;

use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::body::Body;
use super::refusal::REQUEST_ID;

/// The longest id that is taken over.
const LONGEST_ID: usize = 128;

/// Which Host a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host<'a> {
    /// One, perhaps with a port.
    Named(&'a str),
    /// None.
    Missing,
    /// Several, or what can be no host.
    Wrong,
}

/// The Host of a request: of its target where that has one, else of its header.
pub(super) fn host(parts: &Parts) -> Host<'_> {
    let mut lines = parts.headers.get_all(HOST).iter();
    let (line, second) = (lines.next(), lines.next());
    let named = match (parts.uri.authority(), line) {
        (Some(authority), _) => authority.as_str().as_bytes(),
        (None, Some(line)) => line.as_bytes(),
        (None, None) => return Host::Missing,
    };
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%:[]".contains(byte);
    match std::str::from_utf8(named) {
        Ok(name) if second.is_none() && !named.is_empty() && named.iter().all(letter) => {
            Host::Named(name)
        }
        _ => Host::Wrong,
    }
}

/// What is wrong with a request that the parser lets through, and that somebody behind us could read in another way: a
/// target of a form that its method cannot have (RFC 9112 §3.2), or a body that is encoded in a way that we take off and
/// cannot read (§6.1).
pub(super) fn wrong(parts: &Parts) -> Option<StatusCode> {
    let uri = &parts.uri;
    let only_host = uri.scheme().is_none() && uri.authority().is_some();
    if (only_host && parts.method != Method::CONNECT)
        || (uri.path() == "*" && parts.method != Method::OPTIONS)
    {
        return Some(StatusCode::BAD_REQUEST);
    }
    if !parts.headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let lines = parts.headers.get_all(TRANSFER_ENCODING).iter();
    let codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let mut chunked = 0;
    for coding in codings {
        if !coding.trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Some(StatusCode::NOT_IMPLEMENTED);
        }
        chunked += 1;
    }
    (chunked > 1).then_some(StatusCode::BAD_REQUEST)
}

/// Leaves one Host, in the header: where the target names one, that one counts (RFC 9112 §3.2.2).
pub(super) fn settle_host(parts: &mut Parts) {
    let named = parts.uri.authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(Ok(host)) = named {
        parts.headers.insert(HOST, host);
    }
}

/// The id that a client or its proxy gave, if it is a plain word; else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let plain = |id: &&HeaderValue| {
        let id = id.as_bytes();
        let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        (1..=LONGEST_ID).contains(&id.len()) && id.iter().all(letter)
    };
    headers.get(REQUEST_ID).filter(plain).cloned().unwrap_or_else(|| {
        let mut id = String::with_capacity(16);
        write!(id, "{:016x}", fastrand::u64(..)).expect("a text takes what is written");
        HeaderValue::from_maybe_shared(bytes::Bytes::from(id)).expect("digits are plain")
    })
}

/// An answer of a status and nothing else.
pub(super) fn bare(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::Empty);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The same, after which the connection is closed.
pub(super) fn closing(status: StatusCode) -> Response<Body> {
    let mut answer = bare(status);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// TRACE would show what is not the client's to see, and CONNECT leads anywhere.
pub(super) fn not_allowed() -> Response<Body> {
    let mut answer = closing(StatusCode::METHOD_NOT_ALLOWED);
    let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    answer.headers_mut().insert(ALLOW, allowed);
    answer
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(target: &str, hosts: &[&str]) -> Parts {
        let mut request = Request::builder().uri(target);
        for host in hosts {
            request = request.header("host", *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_request_has_one_host_and_its_target_counts() {
        assert_eq!(host(&parts("/", &["a.example:80"])), Host::Named("a.example:80"));
        assert_eq!(host(&parts("/", &["[::1]:80"])), Host::Named("[::1]:80"));
        assert_eq!(host(&parts("/", &[])), Host::Missing);
        for wrong in ["", "a b", "a/b", "u@a", "a,b", "a?b", "a#b", "a\\b"] {
            assert_eq!(host(&parts("/", &[wrong])), Host::Wrong, "{wrong:?}");
        }
        assert_eq!(host(&parts("/", &["a", "a"])), Host::Wrong);
        let mut absolute = parts("http://b.example/x", &["a.example"]);
        assert_eq!(host(&absolute), Host::Named("b.example"));
        settle_host(&mut absolute);
        assert_eq!(absolute.headers[HOST], "b.example");
        assert_eq!(host(&parts("http://u@b.example/x", &["a.example"])), Host::Wrong);
    }

    #[test]
    fn a_target_has_the_form_of_its_method_and_a_body_is_chunked_once_or_not_at_all() {
        let said = |method: &str, target: &str, codings: &[&str]| {
            let mut parts = parts(target, &[]);
            parts.method = method.parse().unwrap();
            for coding in codings {
                parts.headers.append(TRANSFER_ENCODING, HeaderValue::from_str(coding).unwrap());
            }
            wrong(&parts).map(|status| status.as_u16())
        };
        assert_eq!(said("GET", "/a", &[]), None);
        assert_eq!(said("GET", "http://a.example", &[]), None);
        assert_eq!(said("CONNECT", "a.example:443", &[]), None, "refused by its method");
        assert_eq!(said("OPTIONS", "*", &[]), None);
        assert_eq!(said("GET", "a.example:80", &[]), Some(400));
        assert_eq!(said("GET", "*", &[]), Some(400));
        assert_eq!(said("POST", "/", &[" Chunked "]), None);
        assert_eq!(said("POST", "/", &["chunked, chunked"]), Some(400));
        assert_eq!(said("POST", "/", &["chunked", "chunked"]), Some(400));
        assert_eq!(said("POST", "/", &["gzip, chunked"]), Some(501));
        assert_eq!(said("POST", "/", &["gzip", "chunked"]), Some(501));
    }

    #[test]
    fn an_id_is_taken_over_only_if_it_is_a_plain_word() {
        let id = |id: &str| {
            request_id(&HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_str(id).unwrap())]))
        };
        assert_eq!(id("0af7-b:c_d.e"), "0af7-b:c_d.e");
        for strange in ["", "a b", "<b>", "\u{e4}", &"a".repeat(129)] {
            let made = id(strange);
            assert_eq!(made.len(), 16, "{strange:?}");
            assert!(made.as_bytes().iter().all(u8::is_ascii_hexdigit));
        }
    }
}
