//! Who lets go what this machine pauses, where no agent of the site lives: a process of its own that a dead command leaves behind.
//!
//! Never opens a site, and ends with the pause that it looks after.

use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::context::{Context, Opened};
use super::error::Error;
use super::flip::user;
use super::report::message;
use crate::agent::{self, Opener, PauseKeeper, Sight, Site, Stands, alive};
use crate::clock;
use crate::config::NotifyConfig;
use crate::store::AnyStore;
use crate::switch::Mode;
use crate::tasks::Tasks;

/// How long it may take to be there.
const START: Duration = Duration::from_secs(10);
/// How long it waits for what it is to look after once whoever started it is gone.
const IDLE: Duration = Duration::from_mins(1);
/// What it says once it is there.
const READY: &str = "ready";

/// Sees that somebody looks after what a move to `to` pauses, if it pauses anything. Who does waits for as long as what is given is
/// kept.
pub(super) async fn stands_by(
    context: &Context,
    opened: &Opened,
    (sight, to): (&Sight, Mode),
) -> Result<Option<Child>, Error> {
    if !sight.pauses(&opened.site, to) || alive(&opened.site.store).await?.is_some() {
        return Ok(None);
    }
    let started = tokio::time::timeout(START, started(context, &opened.site.name)).await;
    let why = match started {
        Ok(Ok(child)) => return Ok(Some(child)),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it was not there within {} s", START.as_secs()),
    };
    Err(agent::Error::Rule {
        rule: "nobody-resumes",
        message: format!(
            "no agent of this site lives, and nobody else could be had to let the database go if this process died: {why}"
        ),
        hint: "start an agent: roadworks serve --role agent".to_owned(),
    }
    .into())
}

/// Starts one, and waits until it is there. It lives on by itself.
async fn started(context: &Context, site: &str) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--config").arg(context.path()).args(["--site", site, "watchdog"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let told = child.stdout.take().map(BufReader::new);
    let first = match told {
        Some(told) => told.lines().next_line().await?,
        None => None,
    };
    match first.as_deref() {
        Some(READY) => Ok(child),
        Some(why) => Err(std::io::Error::other(why.to_owned())),
        None => Err(std::io::Error::other("it ended at once")),
    }
}

/// `watchdog`: looks after what is paused, until nothing is.
pub(super) async fn run(context: &Context) -> Result<u8, Error> {
    // A terminal that is closed, and Ctrl-C in it, are no affair of its own.
    #[expect(clippy::let_underscore_must_use, reason = "a leader of its session is alone already")]
    let _ = rustix::process::setsid();
    let sites = OneSite::of(context);
    let opened = match context.open().await {
        Ok(opened) => opened,
        Err(error) => {
            context.report.data(&message(&error))?;
            return Err(error);
        }
    };
    let site = &opened.site;
    let name = format!("{} (watchdog)", user());
    let keeper = PauseKeeper::new((&site.name, &site.store), &sites, name);
    context.report.data(READY)?;
    let mut left = pin!(left_alone());
    let (mut alone, mut seen) = (None, false);
    loop {
        match keeper.turn().await {
            Stands::Paused => seen = true,
            Stands::Running if seen => return Ok(0),
            Stands::Running if alone.is_some_and(|since: Instant| since.elapsed() > IDLE) => {
                return Ok(0);
            }
            Stands::Running | Stands::Unknown => {}
        }
        tokio::select! {
            biased;
            () = &mut left, if alone.is_none() => alone = Some(clock::monotonic()),
            () = keeper.changed() => {}
        }
    }
}

/// Comes back when whoever started it is gone: what they hold of it ends with them.
async fn left_alone() {
    let (ended, heard) = oneshot::channel::<()>();
    let reads = move || {
        drop(std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()));
        drop(ended);
    };
    if Tasks::new().start_thread("left-alone", reads).is_ok() {
        drop(heard.await);
    }
}

/// The site that the command line means.
pub(super) struct OneSite(Context);

impl OneSite {
    pub(super) fn of(context: &Context) -> OneSite {
        OneSite(context.clone())
    }
}

impl Opener<AnyStore> for OneSite {
    async fn open(&self) -> Result<Site<AnyStore>, String> {
        match Box::pin(self.0.open()).await {
            Ok(opened) => Ok(opened.site),
            Err(error) => Err(message(&error)),
        }
    }

    fn told(&self) -> Vec<NotifyConfig> {
        Vec::new()
    }

    fn pauses(&self) -> bool {
        true
    }
}
