//! A small HTTP/1.1 server on loopback, for what stands beside the gateway, and one question to it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::tasks::Tasks;

/// How long a client may take to send a head, or stay idle.
const HEAD: Duration = Duration::from_secs(30);
/// So many connections at once; others wait to be accepted.
const CONNECTIONS: usize = 1_000;
/// A status line is far shorter.
const LONGEST_ANSWER: u64 = 4_096;
/// When the system is out of files or memory, accepting waits for so long.
const OUT_OF_FILES: Duration = Duration::from_millis(50);

/// An answer, whole.
pub(super) type Answer = Response<Full<Bytes>>;

/// Answers whoever comes, until the tasks are told to stop.
pub(super) fn serve<A, F>(listener: TcpListener, tasks: &Tasks, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let own = tasks.clone();
    tasks.start(async move {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = own.stopping() => return,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(OUT_OF_FILES).await;
                continue;
            };
            let (answer, stopping) = (answer.clone(), own.stopping());
            own.start(async move {
                let answering = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let mut server = http1::Builder::new();
                server.timer(TokioTimer::new()).header_read_timeout(HEAD);
                let connection = server.serve_connection(TokioIo::new(stream), answering);
                tokio::select! {
                    // Whoever hangs up has had enough.
                    ended = connection => drop(ended),
                    () = stopping => {}
                }
                drop(place);
            });
        }
    });
}

/// The status of `GET /` at `address`, if it is HTTP. Cancel safe.
pub(super) async fn status(address: SocketAddr, host: &str) -> io::Result<Option<u16>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    let line = String::from_utf8_lossy(&answer);
    let code = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    Ok(code.and_then(|code| code.parse().ok()))
}

/// Whether the client asks for HTML, as browsers do.
pub(super) fn wants_html<B>(request: &Request<B>) -> bool {
    let accept = request.headers().get(hyper::header::ACCEPT);
    accept
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}
