//! What is promised to testers, and that nobody else is taken for one.

use http::header::COOKIE;
use http::{HeaderMap, Request, Uri};
use proptest::prelude::*;

use super::trace::{loggable, strip_headers};
use super::*;
use crate::config::Secret;
use crate::switch::OperationId;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn operation() -> OperationId {
    OperationId::at(at(0), 7)
}

fn secret() -> Secret {
    Secret::new("a key of thirty-two bytes, or so")
}

fn key() -> Key {
    Key::new(secret(), "shop")
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
    assert!(!good(&Key::new(secret(), "blog"), &operation()));
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
    assert!(key().verified(later.bytes(), &operation(), at(0)).is_none(), "longer than allowed");
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
    for cookie in ["a=b;c=\"d\" ; roadworks-bypass=x", "roadworks-bypass=y", "roadworks-bypass2=z"]
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
