//! `/.well-known/roadworks`: what mode a site is in and when that ends, for its page and for anybody's program. It is
//! public, so it says nothing else; it is answered in every mode, and never forwarded.

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE,
};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use super::body::Body;
use crate::switch::{Mode, Posture};

/// Its path.
pub const PATH: &str = "/.well-known/roadworks";

/// The answer to a request of this method.
pub fn answer(method: &Method, posture: Option<&Posture>) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if !reads {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        let asks = *method == Method::OPTIONS;
        *response.status_mut() =
            if asks { StatusCode::NO_CONTENT } else { StatusCode::METHOD_NOT_ALLOWED };
        return response;
    }
    let mode = posture.map(|posture| posture.mode);
    // An end of nothing is no end.
    let until = posture.filter(|posture| posture.mode != Mode::Open).and_then(|it| it.until);
    // Fields are only ever added. No mode is known where the gateway answers 503.
    let text = json!({ "format": 1, "mode": mode, "until": until }).to_string();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    if *method == Method::GET {
        *response.body_mut() = Body::whole(text);
    }
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use jiff::Timestamp;

    use super::*;

    async fn text(response: Response<Body>) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn it_says_the_mode_and_the_end_and_nothing_else() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let closed = Posture { mode: Mode::Closed, until: Some(now), ..Posture::never_asked(now) };
        let response = answer(&Method::GET, Some(&closed));
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        let wanted = r#"{"format":1,"mode":"closed","until":"2026-01-02T03:04:05Z"}"#;
        assert_eq!(text(response).await, wanted);
        let open = Posture { mode: Mode::Open, ..closed.clone() };
        let wanted = r#"{"format":1,"mode":"open","until":null}"#;
        assert_eq!(text(answer(&Method::GET, Some(&open))).await, wanted);
        let wanted = r#"{"format":1,"mode":null,"until":null}"#;
        assert_eq!(text(answer(&Method::GET, None)).await, wanted);
    }

    #[tokio::test]
    async fn head_has_the_headers_of_get_and_nobody_can_change_anything_here() {
        let (get, head) = (answer(&Method::GET, None), answer(&Method::HEAD, None));
        assert_eq!(get.headers(), head.headers());
        assert_eq!(text(head).await, "");
        assert_eq!(answer(&Method::POST, None).status(), 405);
        assert_eq!(answer(&Method::OPTIONS, None).status(), 204);
    }
}
