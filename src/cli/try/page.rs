//! The page server: what `page build` writes, answered as a CDN would be told to, on an address of its own.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use tokio::net::TcpListener;

use super::super::args::{MadeArgs, PageBuildArgs};
use super::super::context::Context;
use super::super::error::Error;
use super::super::page;
use super::http::{Answer, serve, wants_html};
use crate::tasks::Tasks;

/// Another address of this machine than the gateway's: the same port on it is another place.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Where the files are, beside the configuration.
const FOLDER: &str = "page";

/// A server that listens, and answers nobody yet.
pub(super) struct PageServer {
    listener: TcpListener,
    address: SocketAddr,
}

/// The two forms that it answers with.
pub(super) struct Pages {
    html: Bytes,
    text: Bytes,
}

/// Builds the page into `folder`, as `roadworks page build` does.
pub(super) fn built(context: &Context, folder: &Path) -> Result<Arc<Pages>, Error> {
    let dir = folder.join(FOLDER);
    let config = context.config()?;
    let args = PageBuildArgs { dir: dir.clone(), made: MadeArgs::of("detour") };
    page::built(config.site(None)?, &args)?;
    let read = |name: &str| {
        let path = dir.join(name);
        fs::read(&path).map(Bytes::from).map_err(|source| Error::File {
            path,
            doing: "read",
            source,
        })
    };
    Ok(Arc::new(Pages { html: read("index.html")?, text: read("en.txt")? }))
}

impl PageServer {
    /// At any port of its address.
    pub(super) async fn bind() -> io::Result<PageServer> {
        let listener = TcpListener::bind((ADDRESS, 0)).await?;
        let address = listener.local_addr()?;
        Ok(PageServer { listener, address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers every path with the page.
    pub(super) fn start(self, pages: Arc<Pages>, tasks: &Tasks) {
        serve(self.listener, tasks, move |request| std::future::ready(answer(&request, &pages)));
    }
}

fn answer<B>(request: &Request<B>, pages: &Pages) -> Answer {
    let (kind, content) = if wants_html(request) {
        ("text/html; charset=utf-8", &pages.html)
    } else {
        ("text/plain; charset=utf-8", &pages.text)
    };
    let mut answer = Response::new(Full::new(content.clone()));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    answer
}
