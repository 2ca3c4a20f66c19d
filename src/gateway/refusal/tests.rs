//! "A refusal" and "In which form" of docs/http.md, sentence by sentence.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::config::PageConfig;
use crate::page::{Page, Told};
use crate::switch::OperationId;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn posture(mode: Mode, until: Option<i64>) -> Posture {
    let operation = Some(OperationId::at(at(0), 7));
    Posture { mode, operation, until: until.map(at), ..Posture::never_asked(at(0)) }
}

fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let request = Request::builder().method(method).uri(uri);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap().into_parts().0
}

/// The refusal of a site that has this posture since second 0, asked at second 1.
fn refused(posture: Option<&Posture>, parts: &Parts) -> Answer {
    refused_for(Why::Mode, posture, parts)
}

fn refused_for(why: Why, posture: Option<&Posture>, parts: &Parts) -> Answer {
    let page = Page::compile(&PageConfig::default()).unwrap();
    let forms = page.render(&Told { host: Some("shop.example"), posture, now: at(0) });
    let request_id = HeaderValue::from_static("req-1");
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let refusal = Refusal { why, posture, forms: &forms, status, request_id: &request_id };
    answer(&refusal, parts, at(1))
}

fn closed(method: &str, uri: &str, headers: &[(&str, &str)]) -> Answer {
    refused(Some(&posture(Mode::Closed, Some(61))), &parts(method, uri, headers))
}

fn text<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.response.headers().get(name).map(|value| value.to_str().unwrap())
}

fn number(answer: &Answer, name: &str) -> u32 {
    text(answer, name).unwrap().parse().unwrap()
}

async fn body(answer: Answer) -> Bytes {
    answer.response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn l1_e7_every_path_and_method_gets_503_with_all_that_belongs_to_it() {
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "QUERY", "PROPFIND", "BREW"] {
        for uri in ["/", "/any/where?x=1", "/api/items"] {
            let answer = closed(method, uri, &[]);
            assert_eq!(answer.response.status(), 503, "{method} {uri}");
            assert!((60..=75).contains(&number(&answer, "retry-after")));
            assert_eq!(text(&answer, "cache-control"), Some("no-store"));
            assert_eq!(text(&answer, "vary"), Some("Accept, Accept-Language, Origin, Cookie"));
            assert_eq!(text(&answer, "roadworks-mode"), Some("closed"));
            assert_eq!(text(&answer, "x-request-id"), Some("req-1"));
            assert_eq!(text(&answer, "set-cookie"), None);
            assert_eq!(text(&answer, "location"), None);
        }
    }
}

#[tokio::test]
async fn e3_head_has_the_headers_of_get_and_no_body() {
    let (get, head) = (closed("GET", "/", &[]), closed("HEAD", "/", &[]));
    for (name, value) in get.response.headers() {
        if name != "retry-after" {
            assert_eq!(head.response.headers().get(name), Some(value), "{name}");
        }
    }
    assert_eq!(get.response.headers().len(), head.response.headers().len());
    let length = number(&head, "content-length") as usize;
    assert_eq!(body(get).await.len(), length);
    assert_eq!(body(head).await.len(), 0);
}

#[tokio::test]
async fn l4_problem_details_say_all_that_a_program_needs() {
    let answer = closed("POST", "/", &[("accept", "application/json")]);
    assert_eq!(text(&answer, "content-type"), Some("application/problem+json"));
    let wait = number(&answer, "retry-after");
    let problem: Value = serde_json::from_slice(&body(answer).await).unwrap();
    assert_eq!(problem["status"], 503);
    assert_eq!(problem["mode"], "closed");
    assert_eq!(problem["instance"], "req-1");
    assert_eq!(problem["retry_after"], wait);
    assert_eq!(problem["until"], at(61).to_string());
    assert!(problem["type"].is_string() && problem["title"].is_string());
    assert!(problem["detail"].is_string() && problem["operation"].is_string());
}

#[tokio::test]
async fn a_page_and_a_text_are_in_the_visitors_language() {
    let german = [("accept-language", "de-AT"), ("accept", "text/html")];
    let answer = closed("GET", "/", &german);
    assert_eq!(text(&answer, "content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(text(&answer, "content-language"), Some("de"));
    let page = String::from_utf8(body(answer).await.to_vec()).unwrap();
    assert!(page.contains("lang=\"de\"") && page.contains("req-1"), "{page}");
    let plain = closed("GET", "/", &[("accept-language", "ja"), ("accept", "text/plain")]);
    assert_eq!(text(&plain, "content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(text(&plain, "content-language"), Some("ja"));
}

#[tokio::test]
async fn who_sent_something_reads_that_it_was_not_saved() {
    let read = body(closed("GET", "/", &[])).await;
    let sent = body(closed("POST", "/", &[])).await;
    assert_ne!(read, sent);
}

#[tokio::test]
async fn grpc_gets_unavailable_in_the_headers_alone() {
    let answer = closed("POST", "/shop.Cart/Add", &[("content-type", "application/grpc+proto")]);
    assert_eq!(answer.response.status(), 200);
    assert_eq!(text(&answer, "content-type"), Some("application/grpc+proto"));
    assert_eq!(text(&answer, "grpc-status"), Some("14"));
    assert!(text(&answer, "grpc-message").is_some_and(|message| !message.is_empty()));
    assert!((60_000..=75_000).contains(&number(&answer, "grpc-retry-pushback-ms")));
    assert!(hyper::body::Body::is_end_stream(answer.response.body()), "no frame of data");
}

#[test]
fn a_websocket_gets_a_plain_503_before_any_101() {
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket"), ("accept", "text/html")];
    let answer = closed("GET", "/chat", &upgrade);
    assert_eq!(answer.response.status(), 503);
    assert_eq!(text(&answer, "content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(text(&answer, "connection"), Some("close"));
}

#[test]
fn n5_a_preflight_is_answered_and_the_refusal_can_be_read_across_origins() {
    let preflight = closed(
        "OPTIONS",
        "/cart",
        &[
            ("origin", "https://a.example"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "x-a, x-b"),
        ],
    );
    assert_eq!(preflight.response.status(), 204);
    assert_eq!(text(&preflight, "access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(text(&preflight, "access-control-allow-methods"), Some("PUT"));
    assert_eq!(text(&preflight, "access-control-allow-headers"), Some("x-a, x-b"));
    assert_eq!(text(&preflight, "access-control-max-age"), Some("5"));
    assert_eq!(text(&preflight, "retry-after"), None);
    let origin = ("origin", "https://a.example");
    let refused = closed("PUT", "/cart", &[origin, ("cookie", "a=b")]);
    assert_eq!(text(&refused, "access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(text(&refused, "access-control-allow-credentials"), Some("true"));
    assert_eq!(text(&refused, "access-control-expose-headers"), Some("Retry-After"));
    let without = closed("PUT", "/cart", &[origin]);
    assert_eq!(text(&without, "access-control-allow-credentials"), None);
    assert_eq!(text(&closed("PUT", "/cart", &[]), "access-control-allow-origin"), None);
}

#[test]
fn options_without_an_origin_says_what_there_is() {
    let answer = closed("OPTIONS", "/", &[]);
    assert_eq!(answer.response.status(), 204);
    assert!(text(&answer, "allow").is_some_and(|methods| methods.contains("POST")));
    let half = closed("OPTIONS", "/", &[("origin", "https://a.example")]);
    assert_eq!(half.response.status(), 503);
}

#[test]
fn a_closed_site_closes_its_connections_and_a_read_only_one_does_not() {
    for (mode, wanted) in [
        (Mode::ReadOnly, Afterwards::Keep),
        (Mode::Hold, Afterwards::Keep),
        (Mode::Closed, Afterwards::Close),
        (Mode::Detour, Afterwards::Close),
    ] {
        let mut parts = parts("GET", "/", &[]);
        let answer = refused(Some(&posture(mode, None)), &parts);
        assert_eq!(answer.connection, wanted, "{mode}");
        assert_eq!(text(&answer, "connection").is_some(), wanted == Afterwards::Close, "{mode}");
        parts.version = Version::HTTP_2;
        let answer = refused(Some(&posture(mode, None)), &parts);
        assert_eq!(answer.connection, wanted, "{mode}: GOAWAY");
        assert_eq!(text(&answer, "connection"), None, "{mode}");
    }
}

#[test]
fn a_small_body_is_drained_and_for_any_other_the_connection_is_closed() {
    let upload = |headers: &[(&str, &str)]| {
        let answer = refused(Some(&posture(Mode::ReadOnly, None)), &parts("POST", "/", headers));
        (answer.upload, text(&answer, "connection") == Some("close"))
    };
    assert_eq!(upload(&[]), (Unread::Nothing, false));
    assert_eq!(upload(&[("content-length", "0")]), (Unread::Nothing, false));
    assert_eq!(upload(&[("content-length", "65536")]), (Unread::Drain, false));
    assert_eq!(upload(&[("content-length", "65537")]), (Unread::Leave, true));
    assert_eq!(upload(&[("content-length", "99999999999999999999999")]), (Unread::Leave, true));
    assert_eq!(upload(&[("transfer-encoding", "chunked")]), (Unread::Drain, false));
    let expects = ("expect", "100-continue");
    assert_eq!(upload(&[("content-length", "9"), expects]), (Unread::Leave, true));
    // Of HTTP/2 only the stream is reset.
    let stream = |headers: &[(&str, &str)]| {
        let mut parts = parts("POST", "/", headers);
        parts.version = Version::HTTP_2;
        refused(Some(&posture(Mode::ReadOnly, None)), &parts).upload
    };
    assert_eq!(stream(&[("content-length", "65536")]), Unread::Drain);
    assert_eq!(stream(&[]), Unread::Drain, "nobody knows how long it is");
    assert_eq!(stream(&[("content-length", "65537")]), Unread::Nothing);
    assert_eq!(stream(&[("content-length", "9"), expects]), Unread::Nothing);
}

#[test]
fn a_gateway_that_knows_no_mode_refuses_without_naming_one() {
    let answer = refused(None, &parts("GET", "/", &[]));
    assert_eq!(answer.response.status(), 503);
    assert_eq!((text(&answer, "roadworks-mode"), text(&answer, "retry-after")), (None, None));
}

#[test]
fn a_preflight_is_not_answered_for_a_request_that_the_app_might_still_execute() {
    let headers = [("origin", "https://a.example"), ("access-control-request-method", "PUT")];
    let preflight = parts("OPTIONS", "/cart", &headers);
    let hold = posture(Mode::Hold, None);
    for why in [Why::Crowded, Why::TimedOut, Why::Closing, Why::Unknown] {
        let refused = refused_for(why, Some(&hold), &preflight);
        assert_eq!(refused.response.status(), 503, "{why:?}");
        assert_eq!(text(&refused, "access-control-allow-methods"), None, "{why:?}");
    }
    assert_eq!(refused_for(Why::Spent, Some(&hold), &preflight).response.status(), 204);
}

#[test]
fn l2_another_status_is_the_sites_own_wish() {
    let page = Page::compile(&PageConfig::default()).unwrap();
    let posture = posture(Mode::Closed, None);
    let forms = page.render(&Told { host: None, posture: Some(&posture), now: at(0) });
    let request_id = HeaderValue::from_static("req-1");
    let status = StatusCode::FORBIDDEN;
    let posture = Some(&posture);
    let why = Why::Mode;
    let refusal = Refusal { why, posture, forms: &forms, status, request_id: &request_id };
    assert_eq!(answer(&refusal, &parts("GET", "/", &[]), at(1)).response.status(), 403);
}

#[test]
fn n6_retry_after_is_never_in_the_past_and_never_without_an_end() {
    let seconds =
        |until, now, chance| retry_after(Some(&posture(Mode::Closed, until)), now, chance);
    assert_eq!(seconds(None, at(0), 0.5), None);
    assert_eq!(retry_after(None, at(0), 0.5), None);
    assert_eq!(retry_after(Some(&posture(Mode::Open, Some(9))), at(0), 0.5), None);
    assert_eq!(
        (seconds(Some(100), at(0), 0.0), seconds(Some(100), at(0), 0.999)),
        (Some(100), Some(125))
    );
    assert_eq!(
        (seconds(Some(9999), at(0), 0.0), seconds(Some(9999), at(0), 0.999)),
        (Some(240), Some(300))
    );
    assert_eq!(
        (seconds(Some(5), at(5), 0.0), seconds(Some(5), at(999), 0.999)),
        (Some(30), Some(37))
    );
    let nearly = at(5) - SignedDuration::from_millis(1);
    assert_eq!(seconds(Some(5), nearly, 0.999), Some(1));
}

proptest! {
    #[test]
    fn retry_after_stays_within_what_is_promised(until in -9999_i64..9999, chance in 0.0..1.0) {
        let posture = posture(Mode::Hold, Some(until));
        let seconds = i64::from(retry_after(Some(&posture), at(0), chance).unwrap());
        let base = until.min(240);
        let wanted = if until > 0 { base..=base + base / 4 } else { 30..=37 };
        prop_assert!(wanted.contains(&seconds), "{seconds}");
        prop_assert!(Duration::from_secs(seconds.unsigned_abs()) >= Duration::from_secs(1));
    }
}
