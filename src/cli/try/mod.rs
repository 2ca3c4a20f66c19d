//! `try`: the whole system on loopback with nothing to install. An example app, a page server and a temporary folder with a
//! roadworks.hcl; what runs it is `serve`, as anywhere.
//!
//! Ctrl-C leaves nothing behind, but for what `--record` keeps.

mod app;
mod http;
mod layout;
mod page;

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use super::args::{LogForm, ServeArgs, TryArgs};
use super::context::Context;
use super::error::Error;
use super::report::{Form, INTERRUPTED};
use super::serve::{self, Hangup, Serving, Signals};
use crate::config::FILE_NAME;
use crate::files::write_new;
use crate::tasks::Tasks;
use tempfile::TempDir;

use app::Shop;
use layout::{Layout, SECRETS};
use page::PageServer;

/// Somebody else may take a port between our choice and our use of it.
const ATTEMPTS: usize = 5;
/// How long everything may take to answer once it listens.
const UP: Duration = Duration::from_secs(10);
/// How often it is asked.
const ASKED_EVERY: Duration = Duration::from_millis(20);
/// How long the app and the page server may take to end.
const ENDS: Duration = Duration::from_secs(1);

pub(super) async fn run(context: &Context, args: &TryArgs) -> Result<u8, Error> {
    if let Some(folder) = &args.record {
        is_free(folder)?;
    }
    let _log = serve::Log::begin(LogForm::Text)?;
    // Heard from here on: killed by a signal, it would leave the folder with its keys.
    let mut signals = Signals::new(Hangup::Ends)?;
    let folder = temporary()?;
    let tasks = Tasks::new();
    let (layout, serving) = begun(context, folder.path(), &tasks).await?;
    if let Some(folder) = &args.record {
        record(&layout, folder)?;
    }
    let up = tokio::select! {
        biased;
        _ = signals.next() => None,
        up = up(&layout) => Some(up?),
    };
    if up.is_none() {
        serving.stop().await;
        tasks.stop();
        tasks.ended(ENDS).await;
        removed(folder)?;
        context.report.words("Ended before it was up.");
        return Ok(INTERRUPTED);
    }
    if context.report.form() == Form::Json {
        // One line: a program that waits for it reads a line.
        context.report.data(&layout.object().to_string())?;
    } else {
        context.report.data(&layout.words(args.record.as_deref()))?;
    }
    let code = Box::pin(serving.until_stopped()).await;
    tasks.stop();
    tasks.ended(ENDS).await;
    removed(folder)?;
    Ok(code)
}

/// A folder of its own, which goes with it.
fn temporary() -> Result<TempDir, Error> {
    let made = tempfile::Builder::new().prefix("roadworks-try-").tempdir();
    made.map_err(|source| not_written(&std::env::temp_dir(), source))
}

fn removed(folder: TempDir) -> Result<(), Error> {
    let path = folder.path().to_owned();
    folder.close().map_err(|source| not_written(&path, source))
}

/// Everything listens. Ports are chosen anew where one was taken in between.
async fn begun(
    context: &Context,
    folder: &Path,
    tasks: &Tasks,
) -> Result<(Layout, Serving), Error> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let shop = Shop::bind().await?;
        let page = PageServer::bind().await.map_err(no_second_address)?;
        let layout = Layout::around(folder, shop.address(), page.address())?;
        write(&layout, folder)?;
        let served = context.of(&folder.join(FILE_NAME));
        let pages = page::built(&served, folder)?;
        let own = ServeArgs { role: None, log: LogForm::Text };
        match serve::start(&served, &own, Hangup::Ends).await {
            Ok(serving) => {
                shop.start(tasks);
                page.start(pages, tasks);
                return Ok((layout, serving));
            }
            Err(Error::Unserved { .. }) if attempts < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
}

/// The configuration and its keys, as they are for this run.
fn write(layout: &Layout, folder: &Path) -> Result<(), Error> {
    let put = |name: &str, content: &str| {
        let path = folder.join(name);
        fs::write(&path, content).map_err(|source| not_written(&path, source))?;
        Ok::<_, Error>(path)
    };
    for (name, secret) in layout.secrets() {
        let path = put(name, secret)?;
        let only_ours = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&path, only_ours).map_err(|source| not_written(&path, source))?;
    }
    put(FILE_NAME, &layout.config())?;
    Ok(())
}

/// Nothing of somebody's is overwritten.
fn is_free(folder: &Path) -> Result<(), Error> {
    for name in [FILE_NAME].into_iter().chain(SECRETS) {
        let path = folder.join(name);
        if fs::symlink_metadata(&path).is_ok() {
            return Err(Error::AlreadyThere { path });
        }
    }
    Ok(())
}

/// Keeps the configuration, as a start for a real one: a copy, so that the run leaves nothing else there.
fn record(layout: &Layout, folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|source| not_written(folder, source))?;
    for (name, secret) in layout.secrets() {
        let path = folder.join(name);
        // Nobody else can read it at any time.
        let mut only_ours = fs::OpenOptions::new();
        let file = only_ours.write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(secret.as_bytes()))
            .map_err(|source| not_written(&path, source))?;
    }
    let path = folder.join(FILE_NAME);
    write_new(&path, layout.config().as_bytes()).map_err(|source| not_written(&path, source))
}

/// Everything answers: the app through the gateway, and the page.
async fn up(layout: &Layout) -> Result<(), Error> {
    let answering = async {
        for (at, wanted) in [(layout.gateway, 200), (layout.page, 503)] {
            while !answers(at, wanted).await {
                tokio::time::sleep(ASKED_EVERY).await;
            }
        }
    };
    tokio::time::timeout(UP, answering).await.map_err(|_| Error::Sick {
        url: format!("http://{}/", layout.gateway),
        why: format!("the example does not answer within {} s", UP.as_secs()),
    })
}

async fn answers(at: SocketAddr, wanted: u16) -> bool {
    let host = format!("{}:{}", layout::HOST, at.port());
    matches!(http::status(at, &host).await, Ok(Some(status)) if status == wanted)
}

fn no_second_address(error: io::Error) -> Error {
    if error.kind() != io::ErrorKind::AddrNotAvailable {
        return error.into();
    }
    Error::NoSecondAddress
}

fn not_written(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.to_owned(), doing: "written", source }
}
