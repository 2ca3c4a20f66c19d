//! `serve`: gateways and agent in one process, from roadworks.hcl, until it is told to stop.
//!
//! What is wrong with the configuration is said before anything is listened on; at a reload, the old one stays.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::args::{LogForm, Role, ServeArgs};
use super::context::Context;
use super::error::Error;
use super::flip::user;
use super::report::{error_object, message, place};
use super::unserved::unserved;
use super::zone::nameserver;
use crate::agent::{
    Control, Crew, Follow, Front, Keeper, Kept, Opener, Site, Sites, Socket, Teller, id,
};
use crate::clock;
use crate::config::{Config, SiteConfig};
use crate::dns::nameserver::Nameserver;
use crate::gateway::{Gateway, Settings};
use crate::net::bind::Inherited;
use crate::store::FileStore;
use crate::switch::Posture;
use crate::tasks::Tasks;

/// How long requests have to end after a signal, beyond the longest drain.
const BEYOND_DRAIN: Duration = Duration::from_secs(2);
/// How long a socket or a log may take to end.
const ENDS: Duration = Duration::from_secs(1);
/// So many reloads may wait for one another.
const RELOADS: usize = 4;

pub(super) async fn run(context: &Context, args: &ServeArgs) -> Result<u8, Error> {
    log_to_stderr(args.log);
    let serving = start(context, args, Hangup::Reloads).await?;
    Ok(serving.until_stopped().await)
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
    let config = Arc::new(context.config()?);
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
    let control = Control { sites: served.sites.clone(), reloads, process: served.process() };
    let sockets = tasks.child();
    sockets.start(socket.serve(control, sockets.clone()));
    served.ready();
    Ok(Serving { served, signals, asked, sockets })
}

impl Serving {
    /// Until a signal ends it; the exit code.
    pub(super) async fn until_stopped(self) -> u8 {
        let code = self.served.until_stopped(self.signals, self.asked).await;
        self.sockets.stop();
        self.sockets.ended(ENDS).await;
        code
    }
}

pub(super) fn log_to_stderr(form: LogForm) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("ROADWORKS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    let begun = match form {
        LogForm::Text => log.with_ansi(false).with_target(false).try_init(),
        LogForm::Json => log.json().flatten_event(true).try_init(),
    };
    drop(begun);
}

/// What SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hangup {
    /// Read the configuration again: daemons do.
    Reloads,
    /// The terminal is closed, so nobody is there any more.
    Ends,
}

struct Signals {
    hangup: Hangup,
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn new(hangup: Hangup) -> Result<Signals, Error> {
        Ok(Signals {
            hangup,
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one. Cancel safe.
    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.term.recv() => Asked::End,
            _ = self.int.recv() => Asked::End,
            _ = self.hup.recv() => match self.hangup {
                Hangup::Reloads => Asked::Reload,
                Hangup::Ends => Asked::End,
            },
        }
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    End,
    Reload,
}

/// Everything that runs.
struct Served {
    context: Context,
    role: Option<Role>,
    config: Current,
    state: PathBuf,
    teller: Teller,
    gateway: Option<Arc<Gateway>>,
    nameserver: Option<Nameserver>,
    crew: Crew,
    sites: Sites,
}

/// The configuration that counts, whatever the file says now.
#[derive(Clone)]
struct Current(Arc<Mutex<Arc<Config>>>);

impl Current {
    fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, config: Arc<Config>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

impl Served {
    /// Learns each site's mode, then listens, then follows.
    async fn start(
        context: &Context,
        args: &ServeArgs,
        config: Arc<Config>,
        tasks: &Tasks,
    ) -> Result<Served, Error> {
        let state = Context::state(&config);
        let host = hostname();
        let id = id(&state, &host).map_err(|source| Error::File {
            path: state.clone(),
            doing: "written",
            source,
        })?;
        let sites = Sites::default();
        let mut served = Served {
            context: context.clone(),
            role: args.role,
            config: Current(Arc::new(Mutex::new(Arc::clone(&config)))),
            state,
            teller: Teller { id, started: clock::now() },
            gateway: None,
            nameserver: None,
            crew: Crew::new(tasks, sites.clone()),
            sites,
        };
        let follows = served.begin(&config).await?;
        served.nameserver = match args.role {
            None => nameserver(&config, tasks)?,
            Some(Role::Gateway | Role::Agent) => None,
        };
        if follows.is_empty() && args.role == Some(Role::Gateway) {
            return Err(Error::Unserved {
                message: "no site of this configuration has a gateway".to_owned(),
                hint: "add a `gateway` block, or leave out --role".to_owned(),
                spot: None,
            });
        }
        if !follows.is_empty() {
            let inherited = Inherited::from_environment()?;
            let postures = postures(&follows);
            let gateway = Gateway::start(&Settings::of(&config), inherited, &postures, tasks);
            served.gateway = Some(Arc::new(gateway.map_err(|error| unserved(&config, &error))?));
        }
        served.see_to(&config, follows)?;
        Ok(served)
    }

    /// What each site's gateway is to give: known before anybody is answered.
    async fn begin(&self, config: &Config) -> Result<Vec<Follow<FileStore>>, Error> {
        let mut follows = Vec::new();
        for site in config.sites.iter().filter(|site| site.gateway.is_some()) {
            let name = name(site);
            if self.role != Some(Role::Agent) && !self.crew.has(&name) {
                let store = Context::store(config, site)?;
                follows.push(Follow::begin(&name, store, Kept::of(&self.state, &name)).await);
            }
        }
        Ok(follows)
    }

    /// Starts what is not running yet.
    fn see_to(&mut self, config: &Config, follows: Vec<Follow<FileStore>>) -> Result<(), Error> {
        let running = self.crew.names();
        if let Some(gateway) = &self.gateway {
            for follow in follows {
                let front: Arc<dyn Front> = Arc::clone(gateway) as Arc<dyn Front>;
                self.crew.follow(follow, (front, self.teller.clone()))?;
            }
        }
        let led =
            |site: &&SiteConfig| self.role != Some(Role::Gateway) && !running.contains(&name(site));
        for site in config.sites.iter().filter(led) {
            let name = name(site);
            let opener = Opened {
                context: self.context.clone(),
                config: self.config.clone(),
                name: name.clone(),
            };
            let keeper = Keeper {
                store: Context::store(config, site)?,
                opener,
                id: self.teller.id.clone(),
                holder: user(),
                site: name.clone(),
            };
            self.crew.keep(&name, keeper)?;
        }
        Ok(())
    }

    fn process(&self) -> Value {
        let Teller { id, started } = &self.teller;
        let addresses = self.gateway.as_ref().map(|gateway| gateway.addresses());
        json!({
            "id": id,
            "started": started,
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "listens": addresses.unwrap_or_default(),
            "admin": self.gateway.as_ref().and_then(|gateway| gateway.admin()),
            "nameserver": self.nameserver.as_ref().map(Nameserver::addresses),
        })
    }

    fn ready(&self) {
        let listens = self.gateway.as_ref().map(|gateway| gateway.addresses()).unwrap_or_default();
        let listens: Vec<_> = listens.iter().map(ToString::to_string).collect();
        let admin = self.gateway.as_ref().and_then(|gateway| gateway.admin());
        let admin = admin.map(|address| address.to_string()).unwrap_or_default();
        let nameserver = self.nameserver.as_ref().map(Nameserver::addresses).unwrap_or_default();
        let nameserver: Vec<_> = nameserver.iter().map(ToString::to_string).collect();
        let (listens, nameserver) = (listens.join(" "), nameserver.join(" "));
        tracing::info!(id = self.teller.id, listens, admin, nameserver, "ready");
        tell(&[NotifyState::Ready, NotifyState::Status(&self.status())]);
    }

    fn status(&self) -> String {
        format!("serving {}", self.crew.names().join(", "))
    }

    /// Reloads as often as it is told to, until it is told to stop.
    async fn until_stopped(
        mut self,
        mut signals: Signals,
        mut asked: mpsc::Receiver<oneshot::Sender<Result<(), Value>>>,
    ) -> u8 {
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Asked::End => break,
                    Asked::Reload => drop(self.reloaded().await),
                },
                Some(reply) = asked.recv() => {
                    let done = self.reloaded().await;
                    drop(reply.send(done));
                }
            }
        }
        tracing::info!("stopping");
        tell(&[NotifyState::Stopping]);
        let twice = async { while signals.next().await != Asked::End {} };
        tokio::select! {
            () = self.stop() => 0,
            // Whoever waits is let down.
            () = twice => 1,
        }
    }

    async fn stop(self) {
        let config = self.config.get();
        let drains = config.sites.iter().filter_map(|site| site.gateway.as_ref());
        let longest = drains.map(|gateway| gateway.drain.deadline).max().unwrap_or_default();
        if let Some(gateway) = &self.gateway {
            gateway.shut_down(longest + BEYOND_DRAIN).await;
        }
        if let Some(nameserver) = &self.nameserver
            && !nameserver.end().await
        {
            tracing::warn!("the nameserver did not end in time");
        }
        if !self.crew.end().await {
            tracing::warn!("a thread did not end in time");
        }
    }

    /// Reads the configuration again, and says what is wrong with it in log, status and answer.
    async fn reloaded(&mut self) -> Result<(), Value> {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            tell(&[NotifyState::Reloading, now]);
        }
        let done = self.reload().await;
        match &done {
            Ok(()) => {
                tracing::info!("reloaded");
                tell(&[NotifyState::Ready, NotifyState::Status(&self.status())]);
            }
            Err(error) => {
                if let Some(gateway) = &self.gateway {
                    gateway.metrics().not_reloaded();
                }
                let told = placed(error);
                tracing::error!(hint = error.hint(), "not reloaded: {told}");
                let status = format!("{}; the last reload was refused: {told}", self.status());
                tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
            }
        }
        done.map_err(|error| error_object(&error))
    }

    async fn reload(&mut self) -> Result<(), Error> {
        let config = Arc::new(self.context.config()?);
        if Context::state(&config) != self.state {
            return Err(Error::Unserved {
                message: "the state folder changes only at a restart".to_owned(),
                hint: "restart, or leave `state` as it is".to_owned(),
                spot: None,
            });
        }
        if self.role.is_none() && config.nameserver != self.config.get().nameserver {
            return Err(Error::Unserved {
                message: "the `nameserver` block changes only at a restart".to_owned(),
                hint: "restart `roadworks serve`, or leave the block as it is".to_owned(),
                spot: None,
            });
        }
        let follows = self.begin(&config).await?;
        if let Some(gateway) = &self.gateway {
            let settings = Settings::of(&config);
            gateway
                .reload(&settings, &postures(&follows))
                .map_err(|error| unserved(&config, &error))?;
        } else if !follows.is_empty() {
            return Err(Error::Unserved {
                message: "the first gateway of a process comes only at a restart".to_owned(),
                hint: "restart `roadworks serve`".to_owned(),
                spot: None,
            });
        }
        warn_of(&config);
        self.leave(&config).await;
        self.config.set(Arc::clone(&config));
        self.see_to(&config, follows)
    }

    /// Lets go of sites that are no longer in the configuration.
    async fn leave(&mut self, config: &Config) {
        for running in self.crew.names() {
            if !config.sites.iter().any(|site| name(site) == running) {
                self.crew.leave(&running).await;
            }
        }
    }
}

/// A site with its levers, for its agent.
struct Opened {
    context: Context,
    config: Current,
    name: String,
}

impl Opener<FileStore> for Opened {
    async fn open(&self) -> Result<Site<FileStore>, String> {
        let config = self.config.get();
        let Some(site) = config.sites.iter().find(|site| name(site) == self.name) else {
            return Err(format!("there is no site \"{}\" any more", self.name));
        };
        match Box::pin(self.context.open_site(&config, site)).await {
            Ok(opened) => Ok(opened.site),
            Err(error) => Err(message(&error)),
        }
    }
}

/// A bare folder's site has no name before its records are known.
fn name(site: &SiteConfig) -> String {
    site.name.clone().unwrap_or_else(|| "site".to_owned())
}

fn postures(follows: &[Follow<FileStore>]) -> BTreeMap<String, Posture> {
    let known = |follow: &Follow<FileStore>| Some((follow.site().to_owned(), follow.posture()?));
    follows.iter().filter_map(known).collect()
}

/// What is allowed in a configuration, and better not done.
fn warn_of(config: &Config) {
    for site in &config.sites {
        for warning in &site.warnings {
            tracing::warn!(site = name(site), "{warning}");
        }
    }
}

/// The message, and where in which file.
fn placed(error: &Error) -> String {
    match place(error) {
        Some(place) => format!("{place}: {}", message(error)),
        None => message(error),
    }
}

/// Tells the service manager, where there is one.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "gateway".to_owned() } else { name.to_owned() }
}
