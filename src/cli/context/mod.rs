//! What every verb stands on: the configuration, the site with its levers, and the pinned targets for the night when
//! Terraform's state cannot be read.

mod guards;
mod known;
mod levers;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{self, Common};
use super::error::Error;
use super::report::Report;
use super::settle;
use crate::agent::{self, Sight, Site};
use crate::aws::Session;
use crate::balancer::{Alb, Renumber};
use crate::clock;
use crate::config::{self, Config, DatabaseConfig, Resolved, SiteConfig, StoreAt};
use crate::database::Idle;
use crate::pipeline::Freezer;
use crate::store::{self, AnyStore, FileStore, Listeners, SiteStore, encoded};
use crate::switch::Mode;
use crate::terraform::VariableInput;
use crate::terraform::backend::{Lock, LockHolder, Surroundings};
pub(super) use guards::guards;
pub(super) use levers::{
    USUAL, codepipeline, listeners_by_rule, listeners_of_rule, named_listeners,
};

/// The command line's common part, and how to speak.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) common: Common,
    pub(super) report: Report,
    /// `-var` and `-var-file` in order.
    variables: Vec<VariableInput>,
    targets: Targets,
    /// Whether rules of others may give way on a load balancer's listeners.
    renumber: Renumber,
    /// What is done with sessions that keep a pool from being paused.
    idle: Idle,
}

/// Whether a plan's pinned targets will do where only Terraform itself could say them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Targets {
    /// For whoever is in a hurry.
    PinnedWillDo,
    /// For `plan`, which pins them.
    Fresh,
}

/// A site, ready to be seen and moved.
pub(super) struct Opened {
    pub(super) site: Site<AnyStore>,
    pub(super) resolved: Resolved,
    /// Whether it is a bare folder of Terraform, without a roadworks.hcl.
    pub(super) bare: bool,
    /// The host name that visitors come to.
    pub(super) host: String,
    /// The AWS session of the name's lever; `None` where AWS has no part in the site.
    pub(super) session: Option<Session>,
    /// The AWS session by which whoever asks is known, of whichever lever has one.
    pub(super) caller: Option<Session>,
    /// The stage of a pipeline that is closed while the site is not open, if one is.
    pub(super) freezer: Option<Freezer>,
    /// The recursive resolvers that are sampled.
    pub(super) resolvers: Vec<SocketAddr>,
    /// What `-var` of the switch asks for, if it was given.
    pub(super) asked: Option<bool>,
    /// Who holds the lock of the Terraform state, if somebody does.
    pub(super) locked_by: Option<LockHolder>,
    /// Its databases.
    pub(super) databases: Vec<DatabaseConfig>,
    /// How long visitors are kept waiting, where a gateway does.
    pub(super) patience: Option<Duration>,
    maintenance: Mode,
}

impl Opened {
    /// The mode that a value of the boolean means.
    #[expect(clippy::fn_params_excessive_bools, reason = "it is Terraform's boolean")]
    pub(super) fn mode_of(&self, value: bool) -> Mode {
        if value { self.maintenance } else { Mode::Open }
    }

    /// Who holds the lock of the Terraform state now, as far as it can be seen.
    pub(super) async fn lock_holder(&self) -> Option<LockHolder> {
        match self.resolved.lock().await {
            Lock::Held(holder) => Some(holder),
            Lock::Free | Lock::Unseen { .. } => None,
        }
    }
}

impl Context {
    pub(super) fn new(
        common: Common,
        report: Report,
        words: &[OsString],
        targets: Targets,
    ) -> Context {
        let variables = args::variables(words);
        let (renumber, idle) = (Renumber::No, Idle::Named);
        Context { common, report, variables, targets, renumber, idle }
    }

    /// The same for the configuration at `path`, whatever the command line and the environment say.
    pub(super) fn of(&self, path: &Path) -> Context {
        let common = Common { config: Some(path.to_owned()), site: None, ..self.common.clone() };
        Context { common, ..self.clone() }
    }

    /// The same, where somebody said `--renumber`.
    #[expect(clippy::fn_params_excessive_bools, reason = "it is a flag")]
    pub(super) fn renumbering(&self, said: bool) -> Context {
        let renumber = if said { Renumber::Yes } else { Renumber::No };
        Context { renumber, ..self.clone() }
    }

    /// The same, where somebody said `--terminate-idle`.
    #[expect(clippy::fn_params_excessive_bools, reason = "it is a flag")]
    pub(super) fn ending_idle(&self, said: bool) -> Context {
        let idle = if said { Idle::Ended } else { Idle::Named };
        Context { idle, ..self.clone() }
    }

    /// The configuration.
    pub(super) fn config(&self) -> Result<Config, Error> {
        Ok(config::load(&self.path(), &|name| std::env::var(name).ok())?)
    }

    /// Where it is, or is to be.
    pub(super) fn path(&self) -> PathBuf {
        let named = self.common.config.clone();
        let of_environment =
            || std::env::var_os("ROADWORKS_CONFIG").filter(|path| !path.is_empty());
        let path = named.or_else(|| of_environment().map(PathBuf::from));
        path.unwrap_or_else(|| PathBuf::from("."))
    }

    /// The documents of the site that the command line means, without resolving anything.
    pub(super) async fn store(
        config: &Config,
        site: &SiteConfig,
    ) -> Result<SiteStore<AnyStore>, Error> {
        let named = encoded(site.name.as_deref().unwrap_or("site"));
        let folder = match &config.store {
            StoreAt::Bucket(bucket) => {
                let bucket = store::bucket::open(bucket).await?;
                return Ok(listened_to(site, AnyStore::Bucket(bucket.folder(&named))));
            }
            StoreAt::Folder(folder) => folder.join(named),
            StoreAt::Beside(folder) => {
                let dir = folder.parent().unwrap_or(Path::new("."));
                let workspace = Surroundings::of_this_process().workspace_of(dir)?;
                folder.join(encoded(&workspace))
            }
        };
        Ok(listened_to(site, AnyStore::File(FileStore::at(folder))))
    }

    /// The state folder of whatever serves this configuration on this machine.
    pub(super) fn state(config: &Config) -> PathBuf {
        config.serve.state.clone().unwrap_or_else(|| usual_state(&config.folder))
    }

    /// The same where the configuration does not name one, or cannot be read.
    pub(super) fn usual_state(&self) -> PathBuf {
        let path = self.path();
        let folder = if path.is_dir() { Some(path.as_path()) } else { path.parent() };
        usual_state(folder.unwrap_or(Path::new(".")))
    }

    /// The one site that the command line means, with its levers.
    pub(super) async fn open(&self) -> Result<Opened, Error> {
        let config = self.config()?;
        let site = config.site(self.common.site.as_deref())?;
        Box::pin(self.open_site(&config, site)).await
    }

    /// `site` of `config`, with its levers.
    pub(super) async fn open_site(
        &self,
        config: &Config,
        site: &SiteConfig,
    ) -> Result<Opened, Error> {
        let store = Self::store(config, site).await?;
        let known = Box::pin(self.know(site, &store)).await?;
        let maintenance =
            if site.is_bare() { known.resolved.true_from } else { site.maintenance_mode() };
        self.is_the_site_meant(&known.resolved)?;
        let records = known.resolved.records.clone();
        let bare = site.is_bare();
        let host = site.hosts.first().cloned().unwrap_or_else(|| match records.as_slice() {
            [] => known.resolved.name.clone(),
            records => config::name_of(records),
        });
        let switch = store.switch().await?.map(|(switch, _)| switch);
        let thrown =
            levers::Thrown { switch: switch.as_ref(), renumber: self.renumber, idle: self.idle };
        let levers::Levers { all: levers, session, caller, freezer } =
            levers::of(site, &known.resolved, &store, thrown).await;
        let resolvers = settle::resolvers(&site.settle)?;
        let checks = guards(site, &store, &resolvers).await;
        let site_databases = site.databases.clone();
        let patience = site.gateway.as_ref().map(|gateway| gateway.hold.patience);
        let site = Site {
            name: known.resolved.name.clone(),
            store,
            levers,
            checks,
            quiet: site.settle.quiet,
            on_drift: site.on_drift,
            held_back: known.held_back,
            warnings: site.warnings.iter().chain(&known.resolved.warnings).cloned().collect(),
        };
        Ok(Opened {
            maintenance,
            databases: site_databases,
            patience,
            bare,
            host,
            site,
            freezer,
            resolvers,
            resolved: known.resolved,
            session,
            caller,
            asked: known.asked,
            locked_by: known.locked_by,
        })
    }

    /// The listeners of the site that the command line means, if it has any, and the profile of whoever writes their rules.
    pub(super) async fn listeners(
        &self,
        resolved: &Resolved,
    ) -> Result<Option<(Alb, Option<String>)>, Error> {
        let config = self.config()?;
        let site = config.site(self.common.site.as_deref())?;
        let lever = levers::balancer_lever(site, resolved).await;
        let profile =
            site.balancer.as_ref().and_then(|balancer| balancer.account().profile.clone());
        Ok(lever.map(|(lever, _)| (lever.renumbering(self.renumber), profile)))
    }

    /// A bare folder's site has its name from its record, so `--site` can only be compared now.
    fn is_the_site_meant(&self, resolved: &Resolved) -> Result<(), Error> {
        match &self.common.site {
            Some(wanted) if *wanted != resolved.name => Err(config::Error::NoSuchSite {
                wanted: wanted.clone(),
                known: vec![resolved.name.clone()],
            }
            .into()),
            _ => Ok(()),
        }
    }

    /// Pins what was resolved, so that a flip in an incident needs neither state nor backend.
    pub(super) async fn pin(&self, opened: &mut Opened, sight: &Sight) {
        let noted = agent::note(&opened.site, &sight.levers, clock::now()).await;
        if let Err(error) = noted {
            opened.site.warnings.push(format!(
                "what the name says could not be remembered ({error}), so a TTL that is lowered now is not counted by a flip"
            ));
        }
        if opened.resolved.pinned_at.is_some() || !opened.resolved.is_learned() {
            return;
        }
        let store = &opened.site.store;
        let pinned = opened.resolved.pinned(clock::now());
        if let Err(error) = agent::pin(store, &pinned).await {
            opened.site.warnings.push(format!(
                "the targets could not be pinned ({error}), so a flip will need the Terraform state"
            ));
        }
    }
}

/// Of the service manager, else beside the configuration.
fn usual_state(folder: &Path) -> PathBuf {
    // systemd names several, if the unit does: the first is ours.
    let folders = std::env::var_os("STATE_DIRECTORY").unwrap_or_default();
    let given = std::env::split_paths(&folders).next().filter(|path| !path.as_os_str().is_empty());
    given.unwrap_or_else(|| folder.join(".roadworks").join("local"))
}

/// Who is told of what happens is told by notices beside the log.
fn listened_to(site: &SiteConfig, store: AnyStore) -> SiteStore<AnyStore> {
    let store = SiteStore::new(store);
    if !site.notify.is_empty() {
        store.set_listeners(Listeners::Some);
    }
    store
}
