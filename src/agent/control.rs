//! `control.sock`: by which commands on the same machine reach a running `serve`, whatever became of the store.
//! HTTP and JSON over a socket that only its owner may open.
//!
//! Never does anything by itself: it hands requests to whoever does, and waits for at most [`ANSWER`].

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, Request as HttpRequest, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::follow::{LocalRefused, Request};
use super::kept::Local;
use crate::redis::{Guards, NotOrdered, Recover, RecoverRefused, Recovered, Wanted};
use crate::tasks::Tasks;

/// The socket's name in the state folder.
const SOCKET: &str = "control.sock";
/// No request is larger.
const LARGEST: usize = 64 << 10;
/// As long an answer is: each of many guards that observe tells of a thousand beginnings of keys.
const LONGEST_ANSWER: usize = 16 << 20;
/// How long an answer may take: a reload binds sockets and reads files.
const ANSWER: Duration = Duration::from_secs(30);
/// What is ordered of a guard ends within a day.
const LONGEST_ORDER: Duration = Duration::from_hours(24);
/// How many commands may speak at once.
const MOST: usize = 16;

/// What answers.
#[derive(Clone)]
pub struct Control {
    /// The followers of this process's sites, by name.
    pub sites: Sites,
    /// The guards of this process.
    pub guards: Option<Arc<Guards>>,
    /// Who reads the configuration again: an answer is `Ok`, or what is wrong with it.
    pub reloads: mpsc::Sender<oneshot::Sender<Result<(), Value>>>,
    /// What is said of the process itself.
    pub process: Value,
}

/// The followers by the name of their site.
#[derive(Debug, Clone, Default)]
pub struct Sites(Arc<Mutex<BTreeMap<String, mpsc::Sender<Request>>>>);

impl Sites {
    /// From now on `site` is asked there.
    pub fn add(&self, site: &str, follower: mpsc::Sender<Request>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(site.to_owned(), follower);
    }

    /// `site` is followed no longer.
    pub fn remove(&self, site: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(site);
    }

    fn all(&self) -> Vec<(String, mpsc::Sender<Request>)> {
        let sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sites.iter().map(|(name, follower)| (name.clone(), follower.clone())).collect()
    }

    fn of(&self, site: &str) -> Option<mpsc::Sender<Request>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(site).cloned()
    }
}

/// The socket, taken away when it is dropped, unless another process has put its own there.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    listener: UnixListener,
    inode: u64,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if fs::metadata(&self.path).is_ok_and(|now| now.ino() == self.inode) {
            drop(fs::remove_file(&self.path));
        }
    }
}

impl Socket {
    /// The socket in the state folder `state`, in the place of one that a dead process left.
    pub fn bind(state: &Path) -> io::Result<Socket> {
        let path = state.join(SOCKET);
        fs::create_dir_all(state)?;
        // Bound under another name and renamed: nobody ever sees it with the permissions of the folder.
        let temporary = state.join(format!(".{SOCKET}.{}", std::process::id()));
        drop(fs::remove_file(&temporary));
        let listener = UnixListener::bind(&temporary)?;
        fs::set_permissions(&temporary, Permissions::from_mode(0o600))?;
        fs::rename(&temporary, &path)?;
        let inode = fs::metadata(&path)?.ino();
        Ok(Socket { path, listener, inode })
    }

    /// Answers until `tasks` is told to stop.
    pub async fn serve(self, control: Control, tasks: Tasks) {
        let (control, places) = (Arc::new(control), Arc::new(tokio::sync::Semaphore::new(MOST)));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = tasks.stopping() => return,
            };
            let (Ok((stream, _)), Ok(place)) = (accepted, Arc::clone(&places).try_acquire_owned())
            else {
                // Out of files or places: whoever asks tries again.
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            let control = Arc::clone(&control);
            tasks.start(async move {
                drop(tokio::time::timeout(2 * ANSWER, converse(stream, &control)).await);
                drop(place);
            });
        }
    }
}

async fn converse(stream: UnixStream, control: &Arc<Control>) {
    let service = service_fn(|request| async move {
        let (status, body) = answer(request, control).await;
        let body = Full::new(Bytes::from(format!("{body}\n")));
        Response::builder().status(status).header("content-type", "application/json").body(body)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a command hung up");
    }
}

async fn answer(request: HttpRequest<Incoming>, control: &Control) -> (StatusCode, Value) {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    match (method, path.as_str()) {
        (Method::GET, "/status") => (StatusCode::OK, status(control).await),
        (Method::POST, "/reload") => reload(control).await,
        (Method::GET, "/redis") => {
            let reports = control.guards.as_ref().map(|guards| guards.reports());
            (StatusCode::OK, json!({ "format": 1, "guards": reports.unwrap_or_default() }))
        }
        (Method::POST, path) => {
            match path.strip_prefix("/redis/").and_then(|rest| rest.split_once('/')) {
                Some((site, name)) => redis(control, (&plain(site), &plain(name)), request).await,
                None => refused(StatusCode::NOT_FOUND, "not-found", "there is no such thing here"),
            }
        }
        (Method::PUT | Method::DELETE, path) => match path.strip_prefix("/local/") {
            Some(site) => local(control, &plain(site), request).await,
            None => refused(StatusCode::NOT_FOUND, "not-found", "there is no such thing here"),
        },
        (_, _) => refused(StatusCode::NOT_FOUND, "not-found", "there is no such thing here"),
    }
}

/// A percent-encoded name as it is written.
fn plain(encoded: &str) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let decoded = match byte {
            b'%' => hex(rest.next()).zip(hex(rest.next())).map(|(high, low)| high * 16 + low),
            other => Some(u32::from(other)),
        };
        bytes.extend(decoded.and_then(|byte| u8::try_from(byte).ok()));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn status(control: &Control) -> Value {
    let mut sites = Vec::new();
    for (_, follower) in control.sites.all() {
        let (reply, told) = oneshot::channel();
        if follower.send(Request::Tell(reply)).await.is_ok()
            && let Ok(Ok(beat)) = tokio::time::timeout(ANSWER, told).await
        {
            sites.push(json!(beat));
        }
    }
    json!({ "format": 1, "process": control.process, "sites": sites })
}

async fn reload(control: &Control) -> (StatusCode, Value) {
    let (reply, done) = oneshot::channel();
    if control.reloads.send(reply).await.is_err() {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "stopping", "this process is stopping");
    }
    match tokio::time::timeout(ANSWER, done).await {
        Ok(Ok(Ok(()))) => (StatusCode::OK, json!({ "format": 1 })),
        Ok(Ok(Err(mistakes))) => (StatusCode::BAD_REQUEST, mistakes),
        Ok(Err(_)) | Err(_) => refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "no-answer",
            "the reload did not come to its end",
        ),
    }
}

async fn local(
    control: &Control,
    site: &str,
    request: HttpRequest<Incoming>,
) -> (StatusCode, Value) {
    let Some(follower) = control.sites.of(site) else {
        return refused(
            StatusCode::NOT_FOUND,
            "no-such-site",
            &format!("this process has no gateway of a site \"{site}\""),
        );
    };
    let wanted = if request.method() == Method::DELETE {
        None
    } else {
        let body = Limited::new(request.into_body(), LARGEST).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        match serde_json::from_slice::<Local>(&body) {
            Ok(local) => Some(local),
            Err(error) => {
                return refused(StatusCode::BAD_REQUEST, "bad-request", &error.to_string());
            }
        }
    };
    let (reply, done) = oneshot::channel();
    if follower.send(Request::Local(wanted, reply)).await.is_err() {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "stopping", "this process is stopping");
    }
    match tokio::time::timeout(ANSWER, done).await {
        Ok(Ok(Ok(()))) => (StatusCode::OK, json!({ "format": 1 })),
        Ok(Ok(Err(error @ (LocalRefused::Looser { .. } | LocalRefused::Unknown)))) => {
            refused(StatusCode::CONFLICT, "looser", &error.to_string())
        }
        Ok(Ok(Err(error @ (LocalRefused::Unkept(_) | LocalRefused::Uncleared(_))))) => {
            refused(StatusCode::INSUFFICIENT_STORAGE, "not-kept", &error.to_string())
        }
        Ok(Err(_)) | Err(_) => {
            refused(StatusCode::SERVICE_UNAVAILABLE, "no-answer", "the gateway did not answer")
        }
    }
}

/// What is asked of a guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardRequest {
    /// What.
    pub order: GuardOrder,
    /// For how many seconds.
    #[serde(default)]
    pub lasts: u64,
    /// Who.
    pub by: String,
}

/// What can be asked of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardOrder {
    /// To answer without Redis.
    Open,
    /// To let clients wait.
    Hold,
    /// To ask Redis again.
    Close,
    /// To empty what nobody knows any more what must not be read of.
    Flush,
    /// To read what may be old.
    AcceptStale,
}

async fn redis(
    control: &Control,
    guard: (&str, &str),
    request: HttpRequest<Incoming>,
) -> (StatusCode, Value) {
    let body = Limited::new(request.into_body(), LARGEST).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let asked = match serde_json::from_slice::<GuardRequest>(&body) {
        Ok(asked) => asked,
        Err(error) => return refused(StatusCode::BAD_REQUEST, "bad-request", &error.to_string()),
    };
    let Some(guards) = &control.guards else {
        return refused(StatusCode::NOT_FOUND, "no-such-guard", &NotOrdered::NoSuch.to_string());
    };
    let lasts = Duration::from_secs(asked.lasts);
    if lasts > LONGEST_ORDER {
        return refused(StatusCode::BAD_REQUEST, "bad-request", "nothing is ordered for so long");
    }
    let wanted = match asked.order {
        GuardOrder::Open => Wanted::Open(lasts),
        GuardOrder::Hold => Wanted::Hold(lasts),
        GuardOrder::Close => Wanted::Close,
        GuardOrder::Flush => return recovered(guards.recover(guard, Recover::Flush).await),
        GuardOrder::AcceptStale => {
            return recovered(guards.recover(guard, Recover::AcceptStale).await);
        }
    };
    match guards.order(guard, wanted, asked.by).await {
        Ok(report) => (StatusCode::OK, json!({ "format": 1, "guard": report })),
        Err(error @ NotOrdered::NoSuch) => {
            refused(StatusCode::NOT_FOUND, "no-such-guard", &error.to_string())
        }
        Err(error @ NotOrdered::Mode(_)) => {
            refused(StatusCode::CONFLICT, "left-alone", &error.to_string())
        }
        Err(error @ NotOrdered::Observes) => {
            refused(StatusCode::FORBIDDEN, "observes", &error.to_string())
        }
    }
}

fn recovered(done: Result<Recovered, RecoverRefused>) -> (StatusCode, Value) {
    match done {
        Ok(done) => (StatusCode::OK, json!({ "format": 1, "recovered": done })),
        Err(RecoverRefused::Unknown(_)) => {
            refused(StatusCode::NOT_FOUND, "no-such-guard", &NotOrdered::NoSuch.to_string())
        }
        Err(error) => {
            let error = json!({ "code": "not-recovered", "message": error.to_string(), "hint": error.hint() });
            (StatusCode::CONFLICT, json!({ "error": error }))
        }
    }
}

fn refused(status: StatusCode, code: &str, message: &str) -> (StatusCode, Value) {
    (status, json!({ "error": { "code": code, "message": message } }))
}

/// Why a running `serve` could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// Nobody listens there.
    #[error("no `roadworks serve` answers at {}", path.display())]
    Nobody {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It listens and does not answer.
    #[error("`roadworks serve` at {} did not answer", path.display())]
    Mute {
        /// The socket.
        path: PathBuf,
    },
}

/// Asks the process whose state folder is `state`, and gives its status and its object. Cancel safe.
pub async fn ask(
    state: &Path,
    (method, path): (Method, &str),
    body: Option<&Value>,
) -> Result<(StatusCode, Value), Unheard> {
    let socket = state.join(SOCKET);
    let mute = || Unheard::Mute { path: socket.clone() };
    let stream = UnixStream::connect(&socket)
        .await
        .map_err(|source| Unheard::Nobody { path: socket.clone(), source })?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| mute())?;
    let body = body.map(ToString::to_string).unwrap_or_default();
    let request = HttpRequest::builder()
        .method(method)
        .uri(path)
        .header("host", "roadworks")
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| mute())?;
    let answer = async {
        let answer = sender.send_request(request).await.ok()?;
        let status = answer.status();
        let body =
            Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await.ok()?.to_bytes();
        Some((status, serde_json::from_slice(&body).ok()?))
    };
    let answer = tokio::time::timeout(2 * ANSWER, async {
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            // The connection ends when its answer has come; what came with it is still to be read.
            _ = connection => answer.await,
        }
    });
    answer.await.ok().flatten().ok_or_else(mute)
}
