//! What a client reads when its request was let in and the upstream gave no answer. Never carries `Retry-After`: clients
//! repeat a POST on it, and this one may have been executed. Never says where the app is.

use http::header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::super::Body;
use super::super::upstream;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No connection: nothing of the request reached anybody.
    #[error("no upstream could be reached")]
    Unreachable(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// The connection ended before the answer.
    #[error("the upstream broke off before its answer")]
    Lost(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The head did not come in time, or no connection.
    #[error("the upstream did not answer in time")]
    Late,
    /// Cut at the drain's deadline.
    #[error("the request was cut at the drain's deadline")]
    Cut,
    /// The client's upload broke.
    #[error("the request's body is broken")]
    Upload,
    /// A switch of protocols that nobody asked for, or that this connection cannot do.
    #[error("the upstream switched protocols and was not asked to")]
    Switched,
}

impl Failure {
    pub(super) fn unreachable(why: upstream::Error) -> Failure {
        match why {
            upstream::Error::Slow(_) => Failure::Late,
            why => Failure::Unreachable(Some(Box::new(why))),
        }
    }

    /// One word for a log or a metric.
    pub fn word(&self) -> &'static str {
        match self {
            Failure::Unreachable(_) => "unreachable",
            Failure::Lost(_) => "lost",
            Failure::Late => "late",
            Failure::Cut => "cut",
            Failure::Upload => "upload",
            Failure::Switched => "switched",
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Failure::Unreachable(_) | Failure::Late => "see the upstreams in `roadworks status`",
            Failure::Lost(_) | Failure::Switched => "see the app's own log",
            Failure::Cut => "a longer `deadline` in `drain` lets slower requests end",
            Failure::Upload => "the client has to send it anew",
        }
    }

    /// What the client gets.
    pub fn status(&self) -> StatusCode {
        match self {
            Failure::Unreachable(_) | Failure::Lost(_) | Failure::Switched => {
                StatusCode::BAD_GATEWAY
            }
            Failure::Late | Failure::Cut => StatusCode::GATEWAY_TIMEOUT,
            Failure::Upload => StatusCode::BAD_REQUEST,
        }
    }

    /// Whether it was the upstream's.
    pub(super) fn is_upstreams(&self) -> bool {
        !matches!(self, Failure::Cut | Failure::Upload)
    }

    fn detail(&self) -> &'static str {
        match self {
            Failure::Unreachable(_) => "The application could not be reached.",
            Failure::Lost(_) | Failure::Switched => "The application broke off before it answered.",
            Failure::Late => "The application did not answer in time.",
            Failure::Cut => {
                "The request was ended because maintenance begins. It may have been carried out."
            }
            Failure::Upload => "The request's body could not be read.",
        }
    }

    pub(super) fn answer(&self, form: Form, request_id: &HeaderValue) -> Response<Body> {
        let (status, detail) = (self.status(), self.detail());
        let title = status.canonical_reason().unwrap_or_default();
        let id = request_id.to_str().unwrap_or_default();
        let (kind, body) = match form {
            Form::Grpc => return grpc(detail, request_id),
            Form::Html => ("text/html; charset=utf-8", page(title, detail, id)),
            Form::Problem => {
                let problem = serde_json::json!({
                    "type": "about:blank",
                    "title": title,
                    "status": status.as_u16(),
                    "detail": detail,
                    "instance": id,
                });
                ("application/problem+json", problem.to_string())
            }
        };
        let mut answer = Response::new(Body::whole(body));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        dress(headers, request_id);
        if matches!(self, Failure::Upload) {
            // Where the next request begins cannot be known any more.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

/// In which form a client reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Grpc,
    Html,
    Problem,
}

impl Form {
    /// HTML for who asks for it by name, as browsers do.
    pub(super) fn wanted(headers: &HeaderMap) -> Form {
        let has = |name, word: &[u8]| {
            let value = headers.get(name).map(HeaderValue::as_bytes);
            value.is_some_and(|value| {
                value.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
            })
        };
        if headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
        {
            Form::Grpc
        } else if has(ACCEPT, b"text/html") {
            Form::Html
        } else {
            Form::Problem
        }
    }
}

fn dress(headers: &mut HeaderMap, request_id: &HeaderValue) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-request-id", request_id.clone());
}

/// A failure in gRPC's words: UNAVAILABLE, in the head alone.
fn grpc(detail: &'static str, request_id: &HeaderValue) -> Response<Body> {
    let mut answer = Response::new(Body::Empty);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static("14"));
    headers.insert("grpc-message", HeaderValue::from_static(detail));
    dress(headers, request_id);
    answer
}

/// `id` was checked to be a plain word where it was taken over; nothing else here comes from outside.
fn page(title: &str, detail: &str, id: &str) -> String {
    let id: String = id
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(*letter))
        .collect();
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><body style=\"font:1.1em/1.5 system-ui;max-width:34em;margin:15vh auto;padding:0 1em;\
         color-scheme:light dark\"><h1>{title}</h1><p>{detail}</p><p><small>{id}</small></p>"
    )
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_failure_speaks_the_clients_language_and_promises_nothing() {
        let id = HeaderValue::from_static("abc");
        let wanted = |name: &str, value: &str| {
            Form::wanted(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]))
        };
        for (form, kind, status) in [
            (wanted("accept", "text/HTML,*/*;q=0.8"), "text/html; charset=utf-8", 504),
            (wanted("accept", "*/*"), "application/problem+json", 504),
            (wanted("content-type", "application/grpc+proto"), "application/grpc", 200),
        ] {
            let answer = Failure::Cut.answer(form, &id);
            assert_eq!(
                (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
                (status, kind)
            );
            assert_eq!(answer.headers()["cache-control"], "no-store");
            assert_eq!(answer.headers()["x-request-id"], "abc");
            assert!(!answer.headers().contains_key("retry-after"));
            let text = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(text.is_empty(), form == Form::Grpc);
        }
    }
}
