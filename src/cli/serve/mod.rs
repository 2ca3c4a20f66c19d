//! `serve`: gateways and agent in one process, from roadworks.hcl, until it is told to stop.
//!
//! What is wrong with the configuration is said before anything is listened on; at a reload, the old one stays.

mod current;
mod front;
mod log;
mod reload;
mod served;
mod signals;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::args::ServeArgs;
use super::context::Context;
use super::error::Error;
use crate::agent::{Control, Socket};
use crate::config::{Config, NotifyWay};
use crate::tasks::Tasks;
use current::name;
use served::Served;

pub(super) use log::Log;
pub(super) use signals::{Hangup, Signals};

/// How long a socket or a log may take to end.
const ENDS: Duration = Duration::from_secs(1);
/// So many reloads may wait for one another.
const RELOADS: usize = 4;

pub(super) async fn run(context: &Context, args: &ServeArgs) -> Result<u8, Error> {
    let _log = Log::begin(args.log)?;
    let serving = start(context, args, Hangup::Reloads).await?;
    Ok(Box::pin(serving.until_stopped()).await)
}

/// Everything of a configuration, running and reachable by its control socket.
pub(super) struct Serving {
    served: Served,
    signals: Signals,
    asked: mpsc::Receiver<oneshot::Sender<Result<(), Value>>>,
    sockets: Tasks,
}

/// Starts it, and comes back once everything listens.
pub(super) async fn start(
    context: &Context,
    args: &ServeArgs,
    hangup: Hangup,
) -> Result<Serving, Error> {
    let config = Arc::new(context.config()?.whole()?);
    warn_of(&config);
    let tasks = Tasks::new();
    let signals = Signals::new(hangup)?;
    let (reloads, asked) = mpsc::channel(RELOADS);
    let served = Served::start(context, args, config, &tasks).await?;
    let socket = Socket::bind(&served.state).map_err(|source| Error::File {
        path: served.state.clone(),
        doing: "written",
        source,
    })?;
    let control = Control {
        sites: served.sites.clone(),
        guards: served.guards.clone(),
        reloads,
        process: served.process(),
    };
    let sockets = tasks.child();
    sockets.start(socket.serve(control, sockets.clone()));
    served.ready();
    Ok(Serving { served, signals, asked, sockets })
}

impl Serving {
    /// Ends it now, as a signal would.
    pub(super) async fn stop(self) {
        self.served.stop().await;
        self.sockets.stop();
        self.sockets.ended(ENDS).await;
    }

    /// Until a signal ends it; the exit code.
    pub(super) async fn until_stopped(self) -> u8 {
        let code = self.served.until_stopped(self.signals, self.asked).await;
        self.sockets.stop();
        self.sockets.ended(ENDS).await;
        code
    }
}

/// What is allowed in a configuration, and better not done.
fn warn_of(config: &Config) {
    for site in &config.sites {
        for warning in &site.warnings {
            tracing::warn!(site = name(site), "{warning}");
        }
        for one in &site.notify {
            if let NotifyWay::Lacking { why, .. } = &one.way {
                tracing::warn!(site = name(site), "{} is not told from here: {why}", one.name);
            }
        }
    }
}
