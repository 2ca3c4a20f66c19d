//! Testers, who pass in every mode: by a signed token in a link, a cookie or a header, or by their address.
//!
//! A token is good for one operation of one site, until its expiry. It is compared in constant time, and never reaches a
//! log or the app: [`strip`] takes it off whatever is forwarded.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{CACHE_CONTROL, COOKIE, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use ipnet::IpNet;
use jiff::Timestamp;
use sha2::Sha256;

use super::address::{self, Client};
use super::body::Body;
use crate::config::{BypassConfig, Secret};
use crate::switch::{Mode, OperationId, Posture};

/// The header in which machines send a token.
pub const HEADER: HeaderName = HeaderName::from_static("roadworks-bypass");
/// The name of the token in a link, and of its cookie.
pub const PARAMETER: &str = "roadworks-bypass";
/// No token is good for longer.
pub const LONGEST: Duration = Duration::from_hours(12);
/// Each costs a signature, in the way of all who come.
const TOKENS: usize = 4;
/// What a signature is for, so that the key may sign other things too.
const PURPOSE: &[u8] = b"roadworks bypass 1";

/// A site's key, by which tokens are made and known again.
#[derive(Debug, Clone)]
pub struct Key {
    secret: Secret,
    site: String,
}

impl Key {
    /// The key of the site of this name.
    pub fn new(secret: Secret, site: &str) -> Key {
        Key { secret, site: site.to_owned() }
    }

    /// A token for testers of `operation`, good until `expiry` (in whole seconds, and 12 hours from now at most).
    pub fn token(&self, operation: &OperationId, expiry: Timestamp, now: Timestamp) -> Secret {
        let last = expires_at_most(now);
        let seconds = expiry.as_second().min(last);
        let mac = self.mac(operation, seconds).finalize().into_bytes();
        Secret::new(format!("{seconds:x}.{}", URL_SAFE_NO_PAD.encode(mac)))
    }

    /// How long `token` is good for, if it is: of this site and this operation, and not too old.
    pub fn verified(
        &self,
        token: &[u8],
        operation: &OperationId,
        now: Timestamp,
    ) -> Option<Duration> {
        let (seconds, signature) = std::str::from_utf8(token).ok()?.split_once('.')?;
        let seconds = i64::from_str_radix(seconds, 16).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac(operation, seconds).verify_slice(&signature).ok()?;
        let left =
            u64::try_from(seconds.saturating_sub(now.as_second())).ok().filter(|left| *left > 0)?;
        (seconds <= expires_at_most(now)).then(|| Duration::from_secs(left))
    }

    /// Each part with its length, so that no two texts are signed alike.
    fn mac(&self, operation: &OperationId, expiry: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.bytes())
            .expect("a key of HMAC may have any length");
        for part in [PURPOSE, self.site.as_bytes(), operation.to_string().as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.update(&expiry.to_be_bytes());
        mac
    }
}

fn expires_at_most(now: Timestamp) -> i64 {
    now.as_second() + LONGEST.as_secs().cast_signed()
}

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

/// Takes every trace of a token off a request that is forwarded: the header, our cookie, the parameter of a link.
pub fn strip(parts: &mut Parts) {
    strip_headers(&mut parts.headers);
    if let Cow::Owned(uri) = loggable(&parts.uri) {
        parts.uri = uri;
    }
}

/// [`strip`], of headers alone. Cookies that are not ours stay as they are, byte for byte.
pub fn strip_headers(headers: &mut HeaderMap) {
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
pub fn loggable(uri: &Uri) -> Cow<'_, Uri> {
    let Some(query) = uri.query().filter(|query| token_of_query(query).is_some()) else {
        return Cow::Borrowed(uri);
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(cleaned(uri.path(), query));
    Uri::from_parts(parts).map_or(Cow::Borrowed(uri), Cow::Owned)
}

fn cleaned(path: &str, query: &str) -> PathAndQuery {
    let kept: Vec<&str> = query.split('&').filter(|pair| token_of_pair(pair).is_none()).collect();
    let text = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
    PathAndQuery::try_from(text).expect("what is left of a path and a query is a path and a query")
}

fn token_of_query(query: &str) -> Option<&str> {
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
fn cookies(parts: &Parts) -> impl Iterator<Item = &[u8]> {
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
mod tests {
    use super::*;
    use http::Request;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn operation() -> OperationId {
        OperationId::at(at(0), 7)
    }

    fn key() -> Key {
        Key::new(Secret::new("a key of thirty-two bytes, or so"), "shop")
    }

    fn testers() -> Testers {
        Testers { key: Some(key()), from: vec!["203.0.113.0/24".parse().unwrap()] }
    }

    fn posture(mode: Mode) -> Posture {
        Posture { mode, operation: Some(operation()), ..Posture::never_asked(at(0)) }
    }

    fn token() -> String {
        text(&key().token(&operation(), at(3600), at(0)))
    }

    fn text(token: &Secret) -> String {
        String::from_utf8(token.bytes().to_vec()).unwrap()
    }

    fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = Request::builder().method(method).uri(uri);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn client(ip: &str) -> Client {
        Client { ip: ip.parse().unwrap(), https: true }
    }

    fn knows(parts: &Parts, mode: Mode, ip: &str) -> bool {
        testers().know(parts, client(ip), Some(&posture(mode)), at(1))
    }

    fn redirect(parts: &Parts, mode: Mode) -> Option<Response<Body>> {
        testers().redirect(parts, client("192.0.2.1"), Some(&posture(mode)), at(1))
    }

    fn is_tester(headers: &[(&str, &str)]) -> bool {
        knows(&parts("GET", "/", headers), Mode::Closed, "192.0.2.1")
    }

    fn place(response: Option<Response<Body>>) -> (String, Option<String>) {
        let response = response.unwrap();
        assert_eq!(response.status(), 303);
        let text = |name| response.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
        (text(LOCATION).unwrap(), text(SET_COOKIE))
    }

    #[test]
    fn l7_a_token_is_good_as_header_and_as_cookie() {
        let cookie = format!("a=b; roadworks-bypass={}; c=d", token());
        assert!(is_tester(&[("roadworks-bypass", &token())]));
        assert!(is_tester(&[("cookie", &cookie)]));
        assert!(is_tester(&[("cookie", "roadworks-bypass=old"), ("cookie", &cookie)]));
        assert!(!is_tester(&[]) && !is_tester(&[("cookie", "roadworks-bypass=")]));
    }

    #[test]
    fn no_more_than_a_few_tokens_of_a_request_are_looked_at() {
        let after = |bad: usize| {
            format!("{}roadworks-bypass={}", "roadworks-bypass=1.AA; ".repeat(bad), token())
        };
        assert!(is_tester(&[("cookie", &after(TOKENS - 1))]));
        assert!(!is_tester(&[("cookie", &after(TOKENS))]));
    }

    #[test]
    fn l8_a_token_of_another_key_site_or_operation_is_not_good() {
        let good = |other: &Key, operation: &OperationId| {
            let token = other.token(operation, at(60), at(0));
            key().verified(token.bytes(), &self::operation(), at(1)).is_some()
        };
        assert!(good(&key(), &operation()));
        assert!(!good(&Key::new(Secret::new("another"), "shop"), &operation()));
        assert!(!good(&Key::new(key().secret, "blog"), &operation()));
        assert!(!good(&key(), &OperationId::at(at(0), 8)), "the operation has ended");
    }

    #[test]
    fn l9_a_token_is_good_until_its_expiry_and_for_twelve_hours_at_most() {
        let expires = |after, now| {
            let token = key().token(&operation(), at(after), at(0));
            key().verified(token.bytes(), &operation(), at(now))
        };
        assert_eq!(expires(60, 59), Some(Duration::from_secs(1)));
        assert_eq!(expires(60, 60), None);
        assert_eq!(expires(9_999_999, 12 * 3600 - 1), Some(Duration::from_secs(1)));
        assert_eq!(expires(9_999_999, 12 * 3600), None);
        let later = key().token(&operation(), at(9_999_999), at(100));
        assert!(
            key().verified(later.bytes(), &operation(), at(0)).is_none(),
            "longer than allowed"
        );
    }

    #[test]
    fn a_token_that_was_changed_is_not_good() {
        let token = token();
        let (expiry, signature) = token.split_once('.').unwrap();
        for changed in [
            "",
            ".",
            expiry,
            &format!("{expiry}."),
            &format!("{expiry}0.{signature}"),
            &format!("{expiry}.{}", signature.get(1..).unwrap()),
            &format!("{expiry}.{signature}A"),
            &format!("-{expiry}.{signature}"),
        ] {
            assert!(!is_tester(&[("roadworks-bypass", changed)]), "{changed}");
        }
    }

    #[test]
    fn l6_a_link_is_answered_by_a_redirect_with_a_cookie_and_the_rest_of_the_query_untouched() {
        let uri = format!("/a%20b?x=%7e&roadworks-bypass={}&y=;&y", token());
        let (location, cookie) = place(redirect(&parts("GET", &uri, &[]), Mode::Closed));
        assert_eq!(location, "/a%20b?x=%7e&y=;&y");
        let cookie = cookie.unwrap();
        assert!(cookie.starts_with(&format!("roadworks-bypass={}; Path=/; ", token())));
        for word in ["HttpOnly", "SameSite=Lax", "Secure", "Max-Age=3599"] {
            assert!(cookie.contains(word), "{cookie}");
        }
        assert!(is_tester(&[("cookie", cookie.split(';').next().unwrap())]));
        let plain = Client { ip: "192.0.2.1".parse().unwrap(), https: false };
        let hold = posture(Mode::Hold);
        let found = testers().redirect(&parts("GET", &uri, &[]), plain, Some(&hold), at(1));
        assert!(!place(found).1.unwrap().contains("Secure"));
    }

    #[test]
    fn a_link_never_leads_to_another_host() {
        for path in ["//evil.example/a", "/\\evil.example"] {
            let mut parts = parts("GET", "/", &[]);
            let uri = format!("{path}?roadworks-bypass={}", token());
            parts.uri = Uri::builder().path_and_query(uri.as_str()).build().unwrap();
            let (location, _) = place(redirect(&parts, Mode::Closed));
            assert_eq!(location, format!("/.{path}"));
        }
    }

    #[test]
    fn a_bad_token_in_a_link_is_refused_where_the_site_is_closed_and_taken_out_elsewhere() {
        let parts = parts("GET", "/a?roadworks-bypass=bad", &[]);
        for mode in [Mode::Closed, Mode::Detour] {
            assert!(redirect(&parts, mode).is_none() && !knows(&parts, mode, "192.0.2.1"));
        }
        for mode in [Mode::Open, Mode::ReadOnly, Mode::Hold] {
            assert_eq!(place(redirect(&parts, mode)), ("/a".to_owned(), None));
        }
        assert!(testers().redirect(&parts, client("192.0.2.1"), None, at(1)).is_none());
    }

    #[test]
    fn a_post_with_a_token_in_its_link_passes_as_it_is_and_is_forwarded_without_it() {
        let uri = format!("/a?roadworks-bypass={}", token());
        let mut parts = parts("POST", &uri, &[]);
        assert!(redirect(&parts, Mode::Closed).is_none());
        assert!(knows(&parts, Mode::Closed, "192.0.2.1"));
        strip(&mut parts);
        assert_eq!(parts.uri, "/a");
    }

    #[test]
    fn a_tester_by_address_needs_no_token() {
        let parts = parts("POST", "/", &[]);
        assert!(knows(&parts, Mode::Detour, "203.0.113.9"));
        assert!(knows(&parts, Mode::Detour, "::ffff:203.0.113.9"));
        assert!(!knows(&parts, Mode::Detour, "203.0.114.9"));
    }

    #[test]
    fn what_is_forwarded_has_no_token_and_all_the_rest() {
        let mut headers = HeaderMap::new();
        for cookie in
            ["a=b;c=\"d\" ; roadworks-bypass=x", "roadworks-bypass=y", "roadworks-bypass2=z"]
        {
            headers.append(COOKIE, HeaderValue::from_static(cookie));
        }
        headers.append(HEADER, HeaderValue::from_static("x"));
        headers.append(HEADER, HeaderValue::from_static("y"));
        strip_headers(&mut headers);
        let left: Vec<_> = headers.get_all(COOKIE).iter().collect();
        assert_eq!(left, ["a=b;c=\"d\"", "roadworks-bypass2=z"]);
        assert!(!headers.contains_key(HEADER));
        let other = HeaderValue::from_static(" odd ;; cookies=a ");
        headers.insert(COOKIE, other.clone());
        strip_headers(&mut headers);
        assert_eq!(headers.get(COOKIE), Some(&other));
    }

    #[test]
    fn a_token_is_in_no_debug_output() {
        let written = format!("{:?} {:?}", testers(), key().token(&operation(), at(60), at(0)));
        assert!(!written.contains("thirty") && !written.contains(&token()), "{written}");
    }

    proptest! {
        #[test]
        fn other_parameters_stay_as_they_are(
            before in proptest::collection::vec("[a-z%=+]{0,8}", 0..4),
            after in proptest::collection::vec("[a-z%=+]{0,8}", 0..4),
        ) {
            let mut all = before.clone();
            all.push("roadworks-bypass=x.y".to_owned());
            all.extend(after.clone());
            let rest = [before, after].concat();
            let uri: Uri = format!("/p?{}", all.join("&")).parse().unwrap();
            let wanted = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
            prop_assert_eq!(loggable(&uri).to_string(), format!("/p{wanted}"));
        }
    }
}
