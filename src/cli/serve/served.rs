//! Everything that runs, from its start to its end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use super::super::args::{Role, ServeArgs};
use super::super::context::Context;
use super::super::error::Error;
use super::super::flip::user;
use super::super::guards::guards;
use super::super::unserved::unserved;
use super::super::zone::nameserver;
use super::current::{Current, Opened, name};
use super::front::{Both, limit};
use super::signals::{Asked, Signals};
use crate::agent::{Crew, Follow, Front, Keeper, Kept, Sites, Teller, Watched, id};
use crate::clock;
use crate::config::{Config, SiteConfig};
use crate::dns::nameserver::Nameserver;
use crate::gateway::{Gateway, Settings};
use crate::net::bind::Inherited;
use crate::redis::Guards;
use crate::store::{AnyStore, Holder};
use crate::switch::{Mode, Posture};
use crate::tasks::{Tasks, all};

/// How long requests have to end after a signal, beyond the longest drain.
const BEYOND_DRAIN: Duration = Duration::from_secs(2);

/// Everything that runs.
pub(super) struct Served {
    pub(super) context: Context,
    pub(super) role: Option<Role>,
    pub(super) config: Current,
    pub(super) state: PathBuf,
    pub(super) teller: Teller,
    pub(super) gateway: Option<Arc<Gateway>>,
    pub(super) nameserver: Option<Nameserver>,
    pub(super) guards: Option<Arc<Guards>>,
    pub(super) tasks: Tasks,
    pub(super) crew: Crew,
    pub(super) sites: Sites,
    pub(super) watched: Watched,
}

impl Served {
    /// Learns each site's mode, then listens, then follows.
    pub(super) async fn start(
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
            config: Current::new(Arc::clone(&config)),
            state,
            teller: Teller { id, started: clock::now() },
            gateway: None,
            nameserver: None,
            guards: None,
            tasks: tasks.child(),
            crew: Crew::new(tasks, sites.clone()),
            sites,
            watched: Watched::default(),
        };
        let follows = served.begin(&config).await?;
        served.nameserver = match args.role {
            None => nameserver(&config, tasks)?,
            Some(Role::Gateway | Role::Agent) => None,
        };
        served.guards = served.guarding(args.role, &config, tasks).await?;
        let is_idle = follows.is_empty() && served.guards.is_none();
        if is_idle && args.role == Some(Role::Gateway) {
            return Err(Error::Unserved {
                message: "no site of this configuration has a gateway, or a Redis that is guarded"
                    .to_owned(),
                hint: "add a `gateway` or a `redis` block, or leave out --role".to_owned(),
                spot: None,
            });
        }
        let (settings, inherited) = (served.settings(&config), Inherited::from_environment()?);
        match Gateway::start(&settings, inherited, &postures(&follows), tasks) {
            Ok(gateway) => {
                gateway.metrics().add(served.watched.clone());
                let gateway = Arc::new(gateway);
                if let Some(guards) = &served.guards {
                    gateway.metrics().add(guards.scrape());
                    limit(&gateway, guards, tasks);
                }
                served.gateway = Some(gateway);
            }
            // Its agent, or its nameserver, does its part all the same.
            Err(error) if follows.is_empty() => {
                tracing::warn!("nobody can ask this process whether it is well: {error}");
            }
            Err(error) => return Err(unserved(&config, &error)),
        }
        served.see_to(&config, follows).await?;
        Ok(served)
    }

    async fn guarding(
        &self,
        role: Option<Role>,
        config: &Config,
        tasks: &Tasks,
    ) -> Result<Option<Arc<Guards>>, Error> {
        match role {
            None | Some(Role::Gateway) => {
                guards(config, (&self.teller.id, &self.state), tasks).await
            }
            Some(Role::Agent) => Ok(None),
        }
    }

    /// What is listened on here: for an agent nothing but the admin address.
    pub(super) fn settings(&self, config: &Config) -> Settings {
        let settings = Settings::of(config);
        match self.role {
            Some(Role::Agent) => Settings { sites: Vec::new(), ..settings },
            Some(Role::Gateway) | None => settings,
        }
    }

    /// What each site's gateway is to give: known before anybody is answered.
    pub(super) async fn begin(&self, config: &Config) -> Result<Vec<Follow<AnyStore>>, Error> {
        let served = |site: &&SiteConfig| {
            let follows =
                site.gateway.is_some() || site.redis.iter().any(|one| !one.when.is_empty());
            follows && self.role != Some(Role::Agent) && !self.crew.has(&name(site))
        };
        // At once: a store that is away takes its time to say so, and nobody is answered before.
        let begun = config.sites.iter().filter(served).map(|site| async {
            let name = name(site);
            let store = Context::store(config, site).await?;
            Ok(Follow::begin(&name, store, Kept::of(&self.state, &name)).await)
        });
        all(begun).await.into_iter().collect()
    }

    /// Starts what is not running yet.
    pub(super) async fn see_to(
        &mut self,
        config: &Config,
        follows: Vec<Follow<AnyStore>>,
    ) -> Result<(), Error> {
        let running = self.crew.names();
        if let Some(gateway) = &self.gateway {
            for follow in follows {
                let front = Both::of(gateway, self.guards.as_ref(), &self.tasks);
                front.begin(follow.site(), follow.posture());
                let front: Arc<dyn Front> = Arc::new(front);
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
                store: Context::store(config, site).await?,
                opener,
                holder: Holder::agent(user(), &self.teller.id),
                site: name.clone(),
                watched: self.watched.clone(),
            };
            self.crew.keep(&name, keeper)?;
        }
        Ok(())
    }

    pub(super) fn process(&self) -> Value {
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
            "redis": self.guards.as_ref().map(|guards| guards.addresses()),
        })
    }

    pub(super) fn ready(&self) {
        let listens = self.gateway.as_ref().map(|gateway| gateway.addresses()).unwrap_or_default();
        let listens: Vec<_> = listens.iter().map(ToString::to_string).collect();
        let admin = self.gateway.as_ref().and_then(|gateway| gateway.admin());
        let admin = admin.map(|address| address.to_string()).unwrap_or_default();
        let nameserver = self.nameserver.as_ref().map(Nameserver::addresses).unwrap_or_default();
        let nameserver: Vec<_> = nameserver.iter().map(ToString::to_string).collect();
        let (listens, nameserver) = (listens.join(" "), nameserver.join(" "));
        let redis = self.guards.as_ref().map(|guards| guards.addresses().join(" "));
        let redis = redis.unwrap_or_default();
        tracing::info!(id = self.teller.id, listens, admin, nameserver, redis, "ready");
        tell(&[NotifyState::Ready, NotifyState::Status(&self.status())]);
    }

    /// What `systemctl status` shows: each site, and what its visitors get here.
    pub(super) fn status(&self) -> String {
        let now = clock::now();
        let told = |name: String| match &self.gateway {
            Some(gateway) if gateway.serves(&name) => {
                let mode = gateway.report(&name, now).mode;
                format!("{name} ({})", mode.map_or("knows no mode", Mode::word))
            }
            Some(_) | None => name,
        };
        format!(
            "serving {}",
            self.crew.names().into_iter().map(told).collect::<Vec<_>>().join(", ")
        )
    }

    /// Reloads as often as it is told to, until it is told to stop.
    pub(super) async fn until_stopped(
        mut self,
        mut signals: Signals,
        mut asked: mpsc::Receiver<oneshot::Sender<Result<(), Value>>>,
    ) -> u8 {
        let mut moves = self.gateway.as_ref().map(|gateway| gateway.changed());
        let mut said = self.status();
        loop {
            tokio::select! {
                () = moved(&mut moves) => {
                    let status = self.status();
                    if status != said {
                        tell(&[NotifyState::Status(&status)]);
                        said = status;
                    }
                }
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

    /// Ends everything that it runs.
    pub(super) async fn stop(self) {
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
        if let Some(guards) = &self.guards
            && !guards.end().await
        {
            tracing::warn!("the guards did not end in time");
        }
        self.tasks.stop();
        if !self.crew.end().await {
            tracing::warn!("a thread did not end in time");
        }
    }
}

pub(super) fn postures(follows: &[Follow<AnyStore>]) -> BTreeMap<String, Posture> {
    let known = |follow: &Follow<AnyStore>| Some((follow.site().to_owned(), follow.posture()?));
    follows.iter().filter_map(known).collect()
}

/// Comes back when a gateway may give something else. Cancel safe.
async fn moved(changes: &mut Option<watch::Receiver<u64>>) {
    let Some(changes) = changes else { return std::future::pending().await };
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Tells the service manager, where there is one.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "gateway".to_owned() } else { name.to_owned() }
}
