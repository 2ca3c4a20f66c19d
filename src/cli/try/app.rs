//! The example app: a shop with a counter (reads) and a form (writes). Keeps everything in memory.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;

use super::http::{Answer, serve, wants_html};
use crate::tasks::Tasks;

const PAGE: &str = include_str!("shop.html");
/// A form is far shorter.
const LARGEST_FORM: usize = 64 << 10;
/// The longest name of a thing to order, in characters.
const LONGEST_ITEM: usize = 60;
/// As many orders are shown, and kept.
const KEPT: usize = 10;

/// A shop that listens, and answers nobody yet.
pub(super) struct Shop {
    listener: TcpListener,
    address: SocketAddr,
}

impl Shop {
    /// Anywhere on loopback.
    pub(super) async fn bind() -> io::Result<Shop> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok(Shop { listener, address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens it.
    pub(super) fn start(self, tasks: &Tasks) {
        let orders = Arc::<Mutex<Orders>>::default();
        serve(self.listener, tasks, move |request| answer(request, Arc::clone(&orders)));
    }
}

/// What was ordered.
#[derive(Debug, Default)]
struct Orders {
    count: u64,
    latest: VecDeque<String>,
}

impl Orders {
    fn add(&mut self, item: String) {
        self.count += 1;
        self.latest.push_front(item);
        self.latest.truncate(KEPT);
    }

    /// For a terminal.
    fn line(&self) -> String {
        match self.latest.front() {
            Some(item) => format!("{} orders, the latest: {item}\n", self.count),
            None => "no orders yet\n".to_owned(),
        }
    }
}

async fn answer<B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>>(
    request: Request<B>,
    orders: Arc<Mutex<Orders>>,
) -> Answer {
    let html = wants_html(&request);
    let path = request.uri().path().to_owned();
    let orders = || orders.lock().unwrap_or_else(PoisonError::into_inner);
    match (request.method().clone(), path.as_str()) {
        (Method::GET | Method::HEAD, "/") if html => rendered(&orders()),
        (Method::GET | Method::HEAD, "/" | "/count") => text(StatusCode::OK, orders().line()),
        (Method::GET | Method::HEAD, "/up") => text(StatusCode::OK, "up\n".to_owned()),
        (Method::POST, "/orders") => {
            let Ok(form) = Limited::new(request.into_body(), LARGEST_FORM).collect().await else {
                return text(StatusCode::BAD_REQUEST, "no whole form came\n".to_owned());
            };
            let Some(item) = item(&form.to_bytes()) else {
                return text(StatusCode::BAD_REQUEST, "send item=..\n".to_owned());
            };
            let mut orders = orders();
            orders.add(item);
            if html { back() } else { text(StatusCode::CREATED, orders.line()) }
        }
        (_, "/" | "/count" | "/up" | "/orders") => {
            text(StatusCode::METHOD_NOT_ALLOWED, "not that way\n".to_owned())
        }
        _ => text(StatusCode::NOT_FOUND, "the shop has no such page\n".to_owned()),
    }
}

/// The `item` of a form, `application/x-www-form-urlencoded`.
fn item(form: &[u8]) -> Option<String> {
    let form = String::from_utf8_lossy(form).into_owned();
    let value = form.split('&').find_map(|pair| pair.strip_prefix("item="))?;
    let item: String = decoded(value).chars().filter(|c| !c.is_control()).collect();
    let item: String = item.trim().chars().take(LONGEST_ITEM).collect();
    (!item.is_empty()).then_some(item)
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let pair = (byte == b'%').then(|| Some([ahead.next()?, ahead.next()?])).flatten();
        let hex = pair.and_then(|pair| {
            let digits = std::str::from_utf8(&pair).ok()?.to_owned();
            u8::from_str_radix(&digits, 16).ok()
        });
        match (hex, byte) {
            (Some(escaped), _) => {
                bytes.push(escaped);
                rest = ahead;
            }
            (None, b'+') => bytes.push(b' '),
            (None, byte) => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn rendered(orders: &Orders) -> Answer {
    let latest: Vec<_> = orders.latest.iter().cloned().collect();
    let mut templates = minijinja::Environment::new();
    let page = templates.add_template("shop.html", PAGE).and_then(|()| {
        let values = minijinja::context! { count => orders.count, latest => latest };
        templates.get_template("shop.html")?.render(values)
    });
    match page {
        Ok(page) => whole(StatusCode::OK, "text/html; charset=utf-8", page),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn text(status: StatusCode, words: String) -> Answer {
    whole(status, "text/plain; charset=utf-8", words)
}

fn whole(status: StatusCode, kind: &'static str, content: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(content)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    answer
}

/// After a form a browser shows the shop again.
fn back() -> Answer {
    let mut answer = text(StatusCode::SEE_OTHER, String::new());
    answer.headers_mut().insert(LOCATION, hyper::header::HeaderValue::from_static("/"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(
        (method, path, accept): (&str, &str, &str),
        body: &str,
        orders: &Arc<Mutex<Orders>>,
    ) -> (u16, String) {
        let request = Request::builder().method(method).uri(path).header("accept", accept);
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let answer = answer(request, Arc::clone(orders)).await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn an_order_is_counted_and_shown_and_no_name_of_a_thing_is_markup() {
        let orders = Arc::default();
        let (curl, browser) = ("*/*", "text/html,*/*");
        assert_eq!(asked(("GET", "/", curl), "", &orders).await.1, "no orders yet\n");
        let form = "x=1&item=caf%C3%A9+%3Cb%3E";
        let ordered = asked(("POST", "/orders", curl), form, &orders).await;
        assert_eq!(ordered, (201, "1 orders, the latest: caf\u{e9} <b>\n".to_owned()));
        assert_eq!(asked(("POST", "/orders", browser), "item=pen", &orders).await.0, 303);
        let (status, page) = asked(("GET", "/", browser), "", &orders).await;
        assert!(status == 200 && page.contains("caf\u{e9} &lt;b&gt;"), "{page}");
        assert!(page.contains(">2<"), "the counter is on the page: {page}");
    }

    #[tokio::test]
    async fn what_the_shop_does_not_know_is_refused() {
        let orders = Arc::default();
        for (line, body, status) in [
            (("POST", "/orders", ""), "item=", 400),
            (("POST", "/orders", ""), "", 400),
            (("DELETE", "/orders", ""), "", 405),
            (("GET", "/admin", ""), "", 404),
            (("GET", "/up", ""), "", 200),
        ] {
            assert_eq!(asked(line, body, &orders).await.0, status, "{line:?}");
        }
        let large = format!("item={}", "a".repeat(LARGEST_FORM));
        assert_eq!(asked(("POST", "/orders", ""), &large, &orders).await.0, 400);
        assert_eq!(orders.lock().unwrap().count, 0);
    }

    #[test]
    fn a_broken_escape_stands_for_itself() {
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
        assert_eq!(decoded("%2B+%2b"), "+ +");
    }
}
