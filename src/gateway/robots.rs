//! The last good `/robots.txt` of a site, for when its app is not asked: a crawler that gets a 5xx there stops crawling
//! the whole host. It is kept in memory only, and never longer than the app itself says that it has one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::{Body as _, Frame, SizeHint};

use super::body::{Body, BodyError};

/// Its path.
pub const PATH: &str = "/robots.txt";
/// What crawlers read of it at least (RFC 9309 §2.5), and Google at most. A longer one is not kept.
const LIMIT: usize = 500 << 10;

/// What one site's app said last.
#[derive(Debug, Default)]
pub struct Robots {
    copy: ArcSwapOption<Copy>,
}

#[derive(Debug)]
struct Copy {
    text: Bytes,
    kind: Option<HeaderValue>,
}

impl Robots {
    /// The last good copy, for hold, closed and detour; `None` where there is none.
    pub fn answer(&self, method: &Method) -> Option<Response<Body>> {
        let copy = self.copy.load_full()?;
        let body =
            if *method == Method::HEAD { Body::Empty } else { Body::whole(copy.text.clone()) };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        let kind = copy.kind.clone();
        let plain = || HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(CONTENT_TYPE, kind.unwrap_or_else(plain));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(copy.text.len()));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Some(response)
    }

    /// Looks at what passes from the app to a client that asked for [`PATH`] by this method, in open or read-only, and
    /// keeps it once its last byte has passed. The client gets what it would have got.
    pub fn watch(self: &Arc<Robots>, method: &Method, response: Response<Body>) -> Response<Body> {
        match Verdict::of(method, &response) {
            Verdict::Nothing => response,
            Verdict::Gone => {
                self.copy.store(None);
                response
            }
            Verdict::Good => {
                let kind = response.headers().get(CONTENT_TYPE).cloned();
                response.map(|body| {
                    let robots = Arc::clone(self);
                    Body::streamed(Watched { body, seen: Some(Vec::new()), kind, robots })
                })
            }
        }
    }
}

enum Verdict {
    /// A whole, plain file.
    Good,
    /// The app has none any more, and a copy would forbid what is allowed now.
    Gone,
    /// Neither: it says nothing about the file.
    Nothing,
}

impl Verdict {
    fn of(method: &Method, response: &Response<Body>) -> Verdict {
        let is_plain = response
            .headers()
            .get(CONTENT_ENCODING)
            .is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        match response.status() {
            StatusCode::OK if *method == Method::GET && is_plain => Verdict::Good,
            StatusCode::NOT_FOUND | StatusCode::GONE => Verdict::Gone,
            _ => Verdict::Nothing,
        }
    }
}

/// A body that remembers what has passed, until that is too much.
struct Watched {
    body: Body,
    seen: Option<Vec<u8>>,
    kind: Option<HeaderValue>,
    robots: Arc<Robots>,
}

impl Watched {
    fn saw(&mut self, frame: &Frame<Bytes>) {
        let Some(data) = frame.data_ref() else { return };
        if let Some(seen) = &mut self.seen {
            if seen.len() + data.len() <= LIMIT {
                seen.extend_from_slice(data);
            } else {
                self.seen = None;
            }
        }
        // Whoever knows that this was the last piece may not ask for another.
        if self.body.is_end_stream() {
            self.ended();
        }
    }

    fn ended(&mut self) {
        if let Some(seen) = self.seen.take() {
            let copy = Copy { text: Bytes::from(seen), kind: self.kind.take() };
            self.robots.copy.store(Some(Arc::new(copy)));
        }
    }
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &next {
            Some(Ok(frame)) => self.saw(frame),
            // It broke off: what was seen is not the file.
            Some(Err(_)) => self.seen = None,
            None => self.ended(),
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::BodyExt as _;

    use super::*;

    /// A body in pieces, of which the last may be an error.
    struct Pieces(VecDeque<Result<&'static str, &'static str>>);

    impl hyper::body::Body for Pieces {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            let next = self.0.pop_front();
            Poll::Ready(next.map(|next| match next {
                Ok(text) => Ok(Frame::data(Bytes::from_static(text.as_bytes()))),
                Err(text) => Err(text.into()),
            }))
        }
    }

    fn response(status: u16, pieces: &[Result<&'static str, &'static str>]) -> Response<Body> {
        let body = Body::streamed(Pieces(pieces.iter().copied().collect()));
        Response::builder().status(status).header("content-type", "text/plain").body(body).unwrap()
    }

    async fn text(response: Response<Body>) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// A client reads it to its end, or as far as it comes.
    async fn pass(robots: &Arc<Robots>, response: Response<Body>) {
        let mut body = robots.watch(&Method::GET, response).into_body();
        while let Some(Ok(_)) = body.frame().await {}
    }

    async fn kept(robots: &Robots) -> Option<String> {
        match robots.answer(&Method::GET) {
            Some(response) => Some(text(response).await),
            None => None,
        }
    }

    #[tokio::test]
    async fn a_file_that_passed_whole_is_the_copy() {
        let robots = Arc::new(Robots::default());
        let passed = robots.watch(&Method::GET, response(200, &[Ok("User-"), Ok("agent: *")]));
        assert_eq!(kept(&robots).await, None, "not before its last byte");
        assert_eq!(text(passed).await, "User-agent: *");
        assert_eq!(kept(&robots).await.as_deref(), Some("User-agent: *"));
        let head = robots.answer(&Method::HEAD).unwrap();
        assert_eq!(
            (head.status().as_u16(), &head.headers()[CONTENT_LENGTH]),
            (200, &"13".parse().unwrap())
        );
        assert_eq!(text(head).await, "");
        pass(&robots, Response::new(Body::whole("whole"))).await;
        assert_eq!(kept(&robots).await.as_deref(), Some("whole"));
    }

    #[tokio::test]
    async fn what_broke_off_is_compressed_or_is_no_file_changes_nothing() {
        let robots = Arc::new(Robots::default());
        pass(&robots, response(200, &[Ok("good")])).await;
        pass(&robots, response(200, &[Ok("ba"), Err("gone")])).await;
        pass(&robots, response(503, &[Ok("bad")])).await;
        pass(&robots, response(206, &[Ok("bad")])).await;
        let mut zipped = response(200, &[Ok("bad")]);
        zipped.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        pass(&robots, zipped).await;
        let long = "x".repeat(LIMIT + 1);
        pass(&robots, Response::new(Body::whole(long))).await;
        drop(robots.watch(&Method::GET, response(200, &[Ok("the client hung up")])));
        assert_eq!(kept(&robots).await.as_deref(), Some("good"));
    }

    #[tokio::test]
    async fn an_app_that_has_none_any_more_has_no_copy() {
        let robots = Arc::new(Robots::default());
        pass(&robots, response(200, &[Ok("good")])).await;
        pass(&robots, response(404, &[])).await;
        assert_eq!(kept(&robots).await, None);
    }
}
