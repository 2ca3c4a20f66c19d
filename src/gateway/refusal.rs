//! What a refused request gets: docs/http.md, "A refusal". Made from forms that are rendered already, so that it costs
//! one copy. It must never promise that nothing happened (`Retry-After`) where a request may have reached the app.

use std::sync::LazyLock;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, AUTHORIZATION,
    CACHE_CONTROL, CONNECTION, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT,
    ORIGIN, RETRY_AFTER, TRANSFER_ENCODING, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use jiff::Timestamp;

use super::body::Body;
use super::negotiate::{self, Form};
use super::rules;
use super::snapshot::Why;
use crate::page::{Forms, Language, ProblemDetails};
use crate::switch::{Mode, Posture};

/// The mode, for whoever looks at headers.
pub const MODE: HeaderName = HeaderName::from_static("roadworks-mode");
/// The request's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A refused body of so many bytes is read and thrown away, so that its connection can be used on.
pub const DRAIN_LIMIT: u64 = 64 << 10;

/// The longest that is promised; clients cap what they are told, or sleep all of it.
const LONGEST_WAIT: i64 = 240;
/// What is said past the end, when nobody knows any more.
const OVERDUE_WAIT: i64 = 30;
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/// gRPC's UNAVAILABLE.
const UNAVAILABLE: &str = "14";

/// Everything about a refusal that does not come from the request.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// Why it was not let in.
    pub why: Why,
    /// What visitors get; `None` where the gateway knows nothing.
    pub posture: Option<&'a Posture>,
    /// What they read.
    pub forms: &'a Forms,
    /// The site's `refuse_status`; 503 unless somebody wanted it otherwise.
    pub status: StatusCode,
    /// The request's id, echoed or made.
    pub request_id: &'a HeaderValue,
}

/// An answer, and what is to become of the connection.
#[derive(Debug)]
pub struct Answer {
    /// What is sent.
    pub response: Response<Body>,
    /// What becomes of a body that nobody has read.
    pub upload: Unread,
    /// What becomes of the connection. Over HTTP/1.1 the answer says so itself.
    pub connection: Afterwards,
}

/// What becomes of a body that nobody has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// There is none, or only its stream is reset.
    Nothing,
    /// It is read and thrown away, up to [`DRAIN_LIMIT`]; beyond that the connection is closed.
    Drain,
    /// It is left alone, and the connection is closed.
    Leave,
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// It may be used on.
    Keep,
    /// It is closed (HTTP/2: `GOAWAY`), so that the client resolves the name again, or because of an unread body.
    Close,
}

/// The answer to a request that was not let in.
pub fn answer(refusal: &Refusal<'_>, parts: &Parts, now: Timestamp) -> Answer {
    let wait = retry_after(refusal.posture, now, fastrand::f64());
    let upload = unread(parts);
    let mode = refusal.posture.map(|posture| posture.mode);
    let leaves = mode.is_some_and(|mode| mode >= Mode::Closed) || upload == Unread::Leave;
    let connection = if leaves { Afterwards::Close } else { Afterwards::Keep };
    // What it announces may find a place, or another gateway: then the app has to say whether it may come.
    let refused_too = matches!(refusal.why, Why::Mode | Why::NotYet | Why::Spent);
    let mut response = if is_preflight(parts) && refused_too {
        preflight(parts)
    } else if parts.method == Method::OPTIONS && !parts.headers.contains_key(ORIGIN) {
        options()
    } else {
        spoken(refusal, parts, now, wait)
    };
    let headers = response.headers_mut();
    common(headers, refusal.request_id);
    if let Some(mode) = mode {
        headers.insert(MODE, HeaderValue::from_static(mode.word()));
    }
    if leaves && parts.version < Version::HTTP_2 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Answer { response, upload, connection }
}

/// A challenge or a `robots.txt` that nobody can answer now: no upstream lives, and there is no copy.
pub fn not_found(request_id: &HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NOT_FOUND;
    common(response.headers_mut(), request_id);
    response
}

/// Seconds until it is worth trying again, `chance` (0 to 1) apart from others: none without an end.
pub fn retry_after(posture: Option<&Posture>, now: Timestamp, chance: f64) -> Option<u32> {
    let until = posture.filter(|posture| posture.mode != Mode::Open)?.until?;
    // Milliseconds are rounded up: who comes at the very end comes too early.
    let left = until.as_millisecond().saturating_sub(now.as_millisecond());
    let left = left.div_euclid(1000) + i64::from(left.rem_euclid(1000) > 0);
    let (base, spread) = if left > 0 {
        (left.min(LONGEST_WAIT), left.min(LONGEST_WAIT) / 4)
    } else {
        (OVERDUE_WAIT, 7)
    };
    let most = u32::try_from(spread).unwrap_or(0);
    // As many equal parts as there are whole numbers.
    let step = (0..most).filter(|step| chance >= f64::from(step + 1) / f64::from(most + 1)).count();
    u32::try_from(base).ok()?.checked_add(u32::try_from(step).ok()?)
}

fn is_preflight(parts: &Parts) -> bool {
    rules::announced(parts).is_some()
}

/// What every answer of ours has.
fn common(headers: &mut HeaderMap, request_id: &HeaderValue) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Language, Origin, Cookie"));
    headers.insert(REQUEST_ID, request_id.clone());
}

fn options() -> Response<Body> {
    let mut response = empty(StatusCode::NO_CONTENT);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
    response
}

/// It promises nothing but that the refusal itself may be read.
fn preflight(parts: &Parts) -> Response<Body> {
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    let mut echo = |name: HeaderName, asked: HeaderName| {
        if let Some(value) = parts.headers.get(asked) {
            headers.insert(name, value.clone());
        }
    };
    echo(ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN);
    echo(ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_REQUEST_METHOD);
    echo(ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS);
    // A preflight never has credentials, and cannot say whether its request will.
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("5"));
    response
}

/// In a form that the client reads.
fn spoken(
    refusal: &Refusal<'_>,
    parts: &Parts,
    now: Timestamp,
    wait: Option<u32>,
) -> Response<Body> {
    let form = negotiate::form(parts);
    let mut response = match form {
        Form::Grpc => grpc(refusal, parts, now, wait),
        Form::Html | Form::Problem | Form::Text => written(refusal, parts, now, (form, wait)),
    };
    if let Some(origin) = parts.headers.get(ORIGIN) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let exposed = if form == Form::Grpc {
            "Retry-After, Grpc-Status, Grpc-Message, Grpc-Retry-Pushback-Ms"
        } else {
            "Retry-After"
        };
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
        if parts.headers.contains_key(COOKIE) || parts.headers.contains_key(AUTHORIZATION) {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
    response
}

fn written(
    refusal: &Refusal<'_>,
    parts: &Parts,
    now: Timestamp,
    (form, wait): (Form, Option<u32>),
) -> Response<Body> {
    let forms = refusal.forms.at(now);
    let id = refusal.request_id.to_str().unwrap_or_default();
    let reads = parts.method.is_safe();
    let mut language = None;
    let mut spoken = || *language.insert(negotiate::language(&parts.headers));
    let (text, kind) = match form {
        Form::Html if reads => (forms.html(spoken(), id), "text/html; charset=utf-8"),
        Form::Html => (forms.html_to_sender(spoken(), id), "text/html; charset=utf-8"),
        Form::Problem | Form::Grpc => {
            let status = refusal.status.as_u16();
            let retry_after = wait.map(u64::from);
            let details = ProblemDetails { status, instance: id, retry_after };
            (forms.problem(&details), "application/problem+json")
        }
        Form::Text if reads => (forms.text(spoken(), id), "text/plain; charset=utf-8"),
        Form::Text => (forms.text_to_sender(spoken(), id), "text/plain; charset=utf-8"),
    };
    let length = text.len();
    let is_head = parts.method == Method::HEAD;
    let mut response = Response::new(if is_head { Body::Empty } else { Body::whole(text) });
    *response.status_mut() = refusal.status;
    let headers = response.headers_mut();
    headers.reserve(12);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(language) = language.map(Language::tag) {
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language));
    }
    if let Some(seconds) = wait {
        headers.insert(RETRY_AFTER, seconds_text(seconds));
    }
    response
}

/// Trailers only: the status is in the one block of headers there is. gRPC-Web reads it there too.
fn grpc(refusal: &Refusal<'_>, parts: &Parts, now: Timestamp, wait: Option<u32>) -> Response<Body> {
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    if let Some(kind) = parts.headers.get(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, kind.clone());
    }
    headers.insert("grpc-status", HeaderValue::from_static(UNAVAILABLE));
    if let Ok(message) = HeaderValue::from_str(refusal.forms.at(now).grpc_message()) {
        headers.insert("grpc-message", message);
    }
    if let Some(seconds) = wait {
        headers.insert("grpc-retry-pushback-ms", HeaderValue::from(u64::from(seconds) * 1000));
    }
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

/// The numbers that are sent all day are written once.
fn seconds_text(seconds: u32) -> HeaderValue {
    static WRITTEN: LazyLock<Vec<HeaderValue>> =
        LazyLock::new(|| (0..=300_u32).map(HeaderValue::from).collect());
    let written = usize::try_from(seconds).ok().and_then(|place| WRITTEN.get(place));
    written.cloned().unwrap_or_else(|| HeaderValue::from(seconds))
}

fn unread(parts: &Parts) -> Unread {
    let chunked = parts.headers.contains_key(TRANSFER_ENCODING);
    let length = parts.headers.get(CONTENT_LENGTH).map(|value| {
        value.to_str().ok().and_then(|value| value.trim().parse().ok()).unwrap_or(u64::MAX)
    });
    if parts.version >= Version::HTTP_2 {
        // A stream that is reset before its body is there costs some clients the answer, curl's among them.
        let small = length.is_none_or(|length| length <= DRAIN_LIMIT);
        let sent = small && !parts.headers.contains_key(EXPECT);
        return if sent { Unread::Drain } else { Unread::Nothing };
    }
    match length {
        _ if !chunked && length.is_none_or(|length| length == 0) => Unread::Nothing,
        // Whoever waits for a 100 sends nothing after this answer, or all of it: nobody can tell which.
        _ if parts.headers.contains_key(EXPECT) => Unread::Leave,
        _ if chunked => Unread::Drain,
        Some(length) if length > DRAIN_LIMIT => Unread::Leave,
        _ => Unread::Drain,
    }
}

#[cfg(test)]
mod tests;
