//! Where a token stands in a request, and taking every trace of it off what is forwarded or logged.

use std::borrow::Cow;

use http::header::COOKIE;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri};

use super::{HEADER, PARAMETER};

/// Takes every trace of a token off a request that is forwarded: the header, our cookie, the parameter of a link.
pub fn strip(parts: &mut Parts) {
    strip_headers(&mut parts.headers);
    if let Cow::Owned(uri) = loggable(&parts.uri) {
        parts.uri = uri;
    }
}

/// [`strip`], of headers alone. Cookies that are not ours stay as they are, byte for byte.
pub(super) fn strip_headers(headers: &mut HeaderMap) {
    headers.remove(&HEADER);
    let ours =
        |value: &HeaderValue| pairs(value.as_bytes()).any(|(name, _)| name == PARAMETER.as_bytes());
    if !headers.get_all(COOKIE).iter().any(ours) {
        return;
    }
    let kept: Vec<HeaderValue> = headers.get_all(COOKIE).iter().filter_map(foreign).collect();
    headers.remove(COOKIE);
    for value in kept {
        headers.append(COOKIE, value);
    }
}

/// The same place without a token, for redirects and logs. Other bytes of the query are untouched.
pub(super) fn loggable(uri: &Uri) -> Cow<'_, Uri> {
    let Some(query) = uri.query().filter(|query| token_of_query(query).is_some()) else {
        return Cow::Borrowed(uri);
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(cleaned(uri.path(), query));
    Uri::from_parts(parts).map_or(Cow::Borrowed(uri), Cow::Owned)
}

pub(super) fn cleaned(path: &str, query: &str) -> PathAndQuery {
    let kept: Vec<&str> = query.split('&').filter(|pair| token_of_pair(pair).is_none()).collect();
    let text = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
    PathAndQuery::try_from(text).expect("what is left of a path and a query is a path and a query")
}

pub(super) fn token_of_query(query: &str) -> Option<&str> {
    query.split('&').find_map(token_of_pair)
}

fn token_of_pair(pair: &str) -> Option<&str> {
    match pair.split_once('=') {
        Some((PARAMETER, token)) => Some(token),
        None if pair == PARAMETER => Some(""),
        _ => None,
    }
}

/// The values of our cookie, of which a client may send several.
pub(super) fn cookies(parts: &Parts) -> impl Iterator<Item = &[u8]> {
    let lines = parts.headers.get_all(COOKIE).iter();
    lines
        .flat_map(|line| pairs(line.as_bytes()))
        .filter_map(|(name, value)| (name == PARAMETER.as_bytes()).then_some(value))
}

fn pairs(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|byte| *byte == b';').map(pair)
}

fn pair(pair: &[u8]) -> (&[u8], &[u8]) {
    let mut halves = pair.splitn(2, |byte| *byte == b'=');
    let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    (name.trim_ascii(), value.trim_ascii())
}

/// A line of cookies without ours; `None` if none is left.
fn foreign(line: &HeaderValue) -> Option<HeaderValue> {
    let all = line.as_bytes().split(|byte| *byte == b';');
    let kept: Vec<&[u8]> = all.filter(|one| pair(one).0 != PARAMETER.as_bytes()).collect();
    let joined = kept.join(&b';');
    let text = joined.trim_ascii();
    if text.is_empty() { None } else { HeaderValue::from_bytes(text).ok() }
}
