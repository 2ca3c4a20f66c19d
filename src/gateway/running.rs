//! The gateway as a whole: started, told what each site gives, given new settings, shut down.
//!
//! Whatever can fail does so before anything is swapped: a gateway that runs never gets worse by new settings.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::access_log::AccessLog;
use super::admin::{self, Told};
use super::core::{self, Begun, Shared};
use super::error::Error;
use super::limits::Conduct;
use super::listener::{Listener, Tls};
use super::report::{Around, Report};
use super::routes::Routes;
use super::scrape::Scrape;
use super::settings::{Settings, SiteSettings};
use super::site::{Draft, Site};
use crate::clock;
use crate::config::{Admin, ServeConfig, TlsConfig};
use crate::metrics::Metrics;
use crate::net::bind::{Inherited, bind};
use crate::net::tls::{self, Certificates, Names, Pair, Refreshed};
use crate::net::wire::Order;
use crate::switch::Posture;
use crate::tasks::Tasks;

/// How often certificates are looked at.
const CERTIFICATES: Duration = Duration::from_secs(2);
/// So long before its end nobody is let in any more who still waits.
const LAST_CALL: Duration = Duration::from_secs(1);

/// A gateway that runs.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    cores: Vec<Begun>,
    tasks: Tasks,
    inherited: Inherited,
    changed: watch::Sender<u64>,
    now: Arc<Mutex<Now>>,
    metrics: Arc<Metrics>,
    admin: Option<SocketAddr>,
    fixed: Fixed,
    runtime: Handle,
}

/// What cannot change while it runs.
#[derive(Debug)]
struct Fixed {
    cores: Option<usize>,
    admin: Admin,
    access_log: bool,
}

impl Fixed {
    fn of(serve: &ServeConfig) -> Fixed {
        Fixed { cores: serve.cores, admin: serve.admin, access_log: serve.access_log }
    }

    fn is_same(&self, serve: &ServeConfig) -> Result<(), Error> {
        let other = Fixed::of(serve);
        let same = [
            ("cores", self.cores == other.cores),
            ("admin", self.admin == other.admin),
            ("access_log", self.access_log == other.access_log),
        ];
        let changed = same.into_iter().find(|(_, same)| !same);
        changed.map_or(Ok(()), |(key, _)| Err(Error::Fixed(key)))
    }
}

/// What is so until the next reload.
#[derive(Debug, Default)]
struct Now {
    listeners: Vec<Arc<Listener>>,
    pairs: Pairs,
}

/// Certificates by their two files.
type Pairs = HashMap<(PathBuf, PathBuf), Arc<Pair>>;

/// One address of the settings, with the sites at it.
struct Wanted<'a> {
    address: SocketAddr,
    sites: Vec<(&'a SiteSettings, Option<&'a TlsConfig>)>,
}

/// New settings that were found to be good, and not swapped in yet.
struct Prepared<'a> {
    conduct: Conduct,
    sites: Vec<(&'a str, Draft)>,
    pairs: Pairs,
    addresses: Vec<Address<'a>>,
}

/// One address, as it is to be.
struct Address<'a> {
    wanted: Wanted<'a>,
    listener: Arc<Listener>,
    /// One for each core, where it is listened on anew.
    sockets: Vec<std::net::TcpListener>,
}

impl Gateway {
    /// Listens. From the first request on each site gives its posture of `postures`; one without any knows nothing, and
    /// answers 503. To be called on the runtime that is to keep doors, probes and certificates.
    pub fn start(
        settings: &Settings,
        inherited: Inherited,
        postures: &BTreeMap<String, Posture>,
        tasks: &Tasks,
    ) -> Result<Gateway, Error> {
        let Settings { serve, .. } = settings;
        let cores = match serve.cores {
            Some(cores) => cores.max(1),
            // Whoever has no visitors has nothing for more to do.
            None if settings.sites.is_empty() => 1,
            None => thread::available_parallelism().map_or(1, NonZero::get),
        };
        let tasks = tasks.child();
        let access_log = if serve.access_log {
            Some(AccessLog::start(&tasks).map_err(Error::Core)?)
        } else {
            None
        };
        let shared = Arc::new(Shared::new(Conduct::new(serve.limits.clone()), cores, access_log));
        let gateway = Gateway {
            metrics: Arc::new(Metrics::new()),
            cores: Vec::new(),
            changed: watch::Sender::new(0),
            now: Arc::default(),
            admin: None,
            fixed: Fixed::of(serve),
            runtime: Handle::current(),
            shared,
            tasks,
            inherited,
        };
        let prepared = gateway.prepare(settings, cores)?;
        let admin = admin::listen(serve.admin, &gateway.inherited)?;
        let begun = core::begin(&gateway.shared, &gateway.tasks).map_err(Error::Core)?;
        let gateway = Gateway { cores: begun, ..gateway };
        gateway.swap(prepared, postures)?;
        gateway.keep_certificates();
        gateway.metrics.add(Scrape(Arc::clone(&gateway.shared)));
        gateway.metrics.reloaded(clock::now());
        let admin = admin.map(|socket| gateway.administrate(socket)).transpose()?;
        Ok(Gateway { admin, ..gateway })
    }

    /// Takes new settings; sites that are new begin with their posture. All is checked before anything is swapped: on an
    /// error nothing has changed.
    pub fn reload(
        &self,
        settings: &Settings,
        postures: &BTreeMap<String, Posture>,
    ) -> Result<(), Error> {
        let done = self.fixed.is_same(&settings.serve).and_then(|()| {
            let prepared = self.prepare(settings, self.cores.len())?;
            self.swap(prepared, postures)
        });
        match &done {
            Ok(()) => self.metrics.reloaded(clock::now()),
            Err(_) => self.metrics.not_reloaded(),
        }
        done
    }

    /// What is told to whoever scrapes; others may add to it.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Where metrics and its own health are.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Gives the visitors of a site this from the next request on; `None` is knowing nothing, and answers 503. Says whether
    /// there is such a site.
    pub fn set(&self, site: &str, posture: Option<Posture>) -> bool {
        // A reload has every site begin again with the posture of before: it must not overtake this.
        let _now = self.now();
        self.shared.site(site).as_ref().inspect(|site| site.set(posture)).is_some()
    }

    /// What is asked for and what is wrong around a site, for whoever scrapes.
    pub fn around(&self, site: &str, around: Around) {
        if let Some(site) = self.shared.site(site) {
            *site.home.around.lock().unwrap_or_else(PoisonError::into_inner) = around;
        }
    }

    /// Whether it stands in front of this site.
    pub fn serves(&self, site: &str) -> bool {
        self.shared.site(site).is_some()
    }

    /// What is so at a site, `now`.
    pub fn report(&self, site: &str, now: Timestamp) -> Report {
        self.shared.site(site).map(|site| site.report(now)).unwrap_or_default()
    }

    /// Where it listens: port 0 has become a port. In the order of the settings.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.now().listeners.iter().map(|listener| listener.address).collect()
    }

    /// Counts on when a drain or a hold has changed, at any site.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// So many requests may be at the app of `site` at once from now on, and who comes then is refused; as many as come,
    /// without. Says whether there is such a site.
    pub fn limit(&self, site: &str, most: Option<usize>) -> bool {
        self.shared.site(site).as_ref().inspect(|site| site.home.limit(most)).is_some()
    }

    /// Something that is told with a site's drain has changed elsewhere.
    pub fn moved(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Accepts no more, answers whoever waits, lets running requests end for at most `deadline`, and drops the rest.
    pub async fn shut_down(&self, deadline: Duration) {
        self.shared.closing.store(true, Relaxed);
        self.now().listeners.iter().for_each(|listener| listener.closing.cancel());
        self.shared.sites.load().values().for_each(|site| site.home.door.closing());
        let mut all_gone = pin!(async {
            while !self.shared.is_empty() {
                // Again and again: what waited in the queues of the system is accepted only now.
                self.shared.tell_all(Order::Quit);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let last_call = deadline.saturating_sub(LAST_CALL);
        let mut late = tokio::time::timeout(last_call, all_gone.as_mut()).await.is_err();
        if late {
            self.shared.sites.load().values().for_each(|site| site.home.door.last_call());
            late =
                tokio::time::timeout(deadline.saturating_sub(last_call), all_gone).await.is_err();
        }
        if late {
            tracing::warn!(open = self.shared.open(), "connections are cut: their time is over");
        }
        self.tasks.stop();
        self.tasks.ended(Duration::from_secs(1)).await;
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prepare<'a>(&self, settings: &'a Settings, cores: usize) -> Result<Prepared<'a>, Error> {
        let now = self.now();
        let mut pairs = Pairs::new();
        let mut sites = Vec::new();
        for site in &settings.sites {
            if let Some(tls) = &site.gateway.tls {
                let pair = Pair::read(&tls.certificate, &tls.key).map_err(|source| {
                    Error::Certificate { site: site.name.clone(), source: Box::new(source) }
                })?;
                pairs.insert((tls.certificate.clone(), tls.key.clone()), Arc::new(pair));
            }
            let draft = Draft::new(site).map_err(|source| Error::Page {
                site: site.name.clone(),
                source: Box::new(source),
            })?;
            sites.push((site.name.as_str(), draft));
        }
        let mut addresses = Vec::new();
        for wanted in wanted(&settings.sites)? {
            let kept = now.listeners.iter().find(|old| old.wanted == wanted.address);
            let (listener, sockets) = match kept {
                Some(old) if old.tls.is_some() == wanted.is_tls() => (Arc::clone(old), Vec::new()),
                Some(_) => return Err(Error::Mixed(wanted.address)),
                None => wanted.listen(cores, &self.inherited)?,
            };
            addresses.push(Address { wanted, listener, sockets });
        }
        let conduct = Conduct::new(settings.serve.limits.clone());
        Ok(Prepared { conduct, sites, pairs, addresses })
    }

    fn swap(
        &self,
        prepared: Prepared<'_>,
        postures: &BTreeMap<String, Posture>,
    ) -> Result<(), Error> {
        let _runtime = self.runtime.enter();
        let mut now = self.now();
        self.shared.conduct.store(Arc::new(prepared.conduct));
        let (before, cores) = (self.shared.sites.load_full(), self.shared.cores());
        let mut sites = BTreeMap::new();
        for (name, draft) in prepared.sites {
            let before = before.get(name).map(|before| &**before);
            let site = draft.begin(before, (&self.changed, &self.tasks), cores);
            let posture = postures.get(name).filter(|_| before.is_none());
            if let Some(posture) = posture {
                site.set(Some(posture.clone()));
            }
            sites.insert(name.to_owned(), Arc::new(site));
        }
        self.shared.sites.store(Arc::new(sites.clone()));
        let mut listeners = Vec::new();
        for Address { wanted, listener, sockets } in prepared.addresses {
            listener.routes.store(Arc::new(wanted.routes(&sites)));
            if let Some(tls) = &listener.tls {
                tls.certificates.set(wanted.names(&prepared.pairs));
            }
            for (core, socket) in self.cores.iter().zip(sockets) {
                core.listen(&listener, socket).map_err(Error::Core)?;
            }
            listeners.push(listener);
        }
        let kept = |old: &&Arc<Listener>| listeners.iter().any(|new| Arc::ptr_eq(new, old));
        now.listeners.iter().filter(|old| !kept(old)).for_each(|old| old.closing.cancel());
        *now = Now { listeners, pairs: prepared.pairs };
        Ok(())
    }

    fn administrate(&self, socket: std::net::TcpListener) -> Result<SocketAddr, Error> {
        let told = Told { shared: Arc::clone(&self.shared), metrics: Arc::clone(&self.metrics) };
        admin::start(socket, told, &self.tasks).map_err(Error::Core)
    }

    /// Reads certificates again when their files change.
    fn keep_certificates(&self) {
        let (now, stopping) = (Arc::clone(&self.now), self.tasks.stopping());
        self.tasks.start(async move {
            let mut stopping = std::pin::pin!(stopping);
            while tokio::time::timeout(CERTIFICATES, stopping.as_mut()).await.is_err() {
                let now = now.lock().unwrap_or_else(PoisonError::into_inner);
                now.pairs.values().for_each(|pair| refresh(pair));
            }
        });
    }
}

fn refresh(pair: &Pair) {
    let certificate = pair.certificate().display();
    match pair.refresh() {
        Ok(Refreshed::Same) => {}
        Ok(Refreshed::Changed) => tracing::info!(%certificate, "certificate read again"),
        Err(error) => {
            let hint = error.hint();
            tracing::error!(%certificate, %error, hint, "the certificate of before stays");
        }
    }
}

impl Wanted<'_> {
    fn is_tls(&self) -> bool {
        self.sites.iter().any(|(_, tls)| tls.is_some())
    }

    fn routes(&self, sites: &BTreeMap<String, Arc<Site>>) -> Routes<Site> {
        let mut routes = Routes::default();
        for (settings, _) in &self.sites {
            if let Some(site) = sites.get(&settings.name) {
                let lb_path = settings.gateway.health.lb_path.as_deref();
                routes.add(&settings.hosts, lb_path, site);
            }
        }
        routes
    }

    fn names(&self, pairs: &Pairs) -> Names {
        let mut names = Names::default();
        for (settings, tls) in &self.sites {
            let files = tls.map(|tls| (tls.certificate.clone(), tls.key.clone()));
            let Some(pair) = files.and_then(|files| pairs.get(&files)) else { continue };
            settings.hosts.iter().for_each(|host| names.add(host, pair));
            names.or_else(pair);
        }
        names
    }

    fn listen(
        &self,
        cores: usize,
        inherited: &Inherited,
    ) -> Result<(Arc<Listener>, Vec<std::net::TcpListener>), Error> {
        let bound = bind(self.address, cores, inherited)
            .map_err(|source| Error::Listen { address: self.address, source })?;
        let certificates = Arc::new(Certificates::default());
        let tls = if self.is_tls() {
            let server = tls::server(Arc::clone(&certificates));
            Some(server.map_err(|source| Error::Tls(Box::new(source)))?)
        } else {
            None
        };
        let listener = Listener {
            wanted: self.address,
            address: bound.address,
            tls: tls.map(|server| Tls { server, certificates }),
            routes: ArcSwap::default(),
            closing: CancellationToken::new(),
        };
        Ok((Arc::new(listener), bound.sockets))
    }
}

/// The addresses of all sites, each once.
fn wanted(sites: &[SiteSettings]) -> Result<Vec<Wanted<'_>>, Error> {
    let mut all: Vec<Wanted<'_>> = Vec::new();
    for site in sites {
        let plain = site.gateway.listen.iter().map(|address| (*address, None));
        let secure = site
            .gateway
            .tls
            .iter()
            .flat_map(|tls| tls.listen.iter().map(move |address| (*address, Some(tls))));
        for (address, tls) in plain.chain(secure) {
            match all.iter_mut().find(|wanted| wanted.address == address) {
                Some(wanted) if wanted.is_tls() == tls.is_some() => wanted.sites.push((site, tls)),
                Some(_) => return Err(Error::Mixed(address)),
                None => all.push(Wanted { address, sites: vec![(site, tls)] }),
            }
        }
    }
    Ok(all)
}
