//! Where the app is: the upstreams of one site, shared by all cores. Their names are resolved again at their TTL, all
//! addresses are used, each is probed; requests go to the less loaded of two. An upstream that is down is never fatal.

mod endpoint;
mod error;
mod link;
mod names;
mod pool;
mod probe;
mod sending;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::config::{GatewayConfig, HealthConfig, UpstreamProtocol, UpstreamUrl};
use crate::tasks::Tasks;

use self::endpoint::Standing;
use self::tls::Tls;
use super::UpstreamReport;

pub(in crate::gateway) use self::endpoint::Endpoint;
pub(in crate::gateway) use self::error::Error;
pub use self::names::Names;
pub use self::pool::Pool;

pub(in crate::gateway) use self::endpoint::InFlight;
pub(in crate::gateway) use self::link::{CONNECT, Io, Link};
pub(in crate::gateway) use self::pool::{Keep, Waits};
pub(in crate::gateway) use self::sending::{Flow, Sending, Wish};

/// How long until a name that could not be resolved is asked for again.
const RETRY: Duration = Duration::from_secs(5);

/// The upstreams of one site. Dropping it ends their probes, but for those that another one took over.
#[derive(Debug)]
pub struct Upstreams {
    each: Vec<Arc<Upstream>>,
}

/// One upstream, as configured.
#[derive(Debug)]
struct Upstream {
    watched: Arc<Watched>,
    tasks: Tasks,
}

/// What an upstream's own tasks know.
#[derive(Debug)]
struct Watched {
    place: Arc<Place>,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    /// Why its name leads nowhere at the moment.
    nameless: Mutex<Option<String>>,
    names: Names,
}

/// An upstream, and how it is spoken to and asked.
#[derive(Debug)]
pub(in crate::gateway) struct Place {
    pub(in crate::gateway) url: UpstreamUrl,
    pub(super) health: HealthConfig,
    /// The Host that it is probed with.
    probe_host: String,
    tls: Option<Tls>,
}

impl Place {
    fn new(url: &UpstreamUrl, health: &HealthConfig, host: &str) -> Place {
        let tls = match url.protocol {
            UpstreamProtocol::Https => Tls::to(&url.host, tls::system()),
            UpstreamProtocol::Http | UpstreamProtocol::H2c => None,
        };
        let probe_host = health.upstream_host.clone().unwrap_or_else(|| host.to_owned());
        Place { url: url.clone(), health: health.clone(), probe_host, tls }
    }

    /// As configured.
    pub(in crate::gateway) fn name(&self) -> String {
        let scheme = match self.url.protocol {
            UpstreamProtocol::Http => "http",
            UpstreamProtocol::Https => "https",
            UpstreamProtocol::H2c => "h2c",
        };
        if self.url.host.contains(':') {
            format!("{scheme}://[{}]:{}", self.url.host, self.url.port)
        } else {
            format!("{scheme}://{}:{}", self.url.host, self.url.port)
        }
    }

    #[cfg(test)]
    pub(in crate::gateway) fn sample(scheme: &str, host: &str, port: u16) -> Place {
        let protocol = match scheme {
            "http" => UpstreamProtocol::Http,
            "h2c" => UpstreamProtocol::H2c,
            _ => UpstreamProtocol::Https,
        };
        let url = UpstreamUrl { protocol, host: host.to_owned(), port };
        Place::new(&url, &HealthConfig::default(), "shop.example.com")
    }

    /// Whether a reload may leave everything as it runs.
    fn is_same(&self, other: &Place) -> bool {
        self.url == other.url && self.health == other.health && self.probe_host == other.probe_host
    }
}

impl Upstreams {
    /// Begins to look after those of `config`, on the runtime of whoever calls. `host` is the site's first: probes ask with it.
    /// What `before` has the same is taken over as it runs, health and connections included.
    pub fn start(
        config: &GatewayConfig,
        host: Option<&str>,
        tasks: &Tasks,
        before: Option<&Upstreams>,
    ) -> Upstreams {
        Upstreams::resolved_by(&Names::System, config, (host, tasks), before)
    }

    fn resolved_by(
        names: &Names,
        config: &GatewayConfig,
        (host, tasks): (Option<&str>, &Tasks),
        before: Option<&Upstreams>,
    ) -> Upstreams {
        let before = before.map_or(&[][..], |before| &before.each);
        let begin = |url: &UpstreamUrl| {
            let place = Place::new(url, &config.health, host.unwrap_or(&url.host));
            let same = before.iter().find(|old| old.watched.place.is_same(&place));
            same.map_or_else(|| Arc::new(Upstream::start(place, names, tasks)), Arc::clone)
        };
        Upstreams { each: config.upstreams.iter().map(begin).collect() }
    }

    /// The less loaded of two healthy ones drawn at random, but for `except`; a sick one where all are.
    pub(in crate::gateway) fn choose(&self, except: &[Arc<Endpoint>]) -> Option<Arc<Endpoint>> {
        self.draw(except, |endpoint| endpoint.standing() != Standing::Sick)
            .or_else(|| self.draw(except, |_| true))
    }

    fn draw(
        &self,
        except: &[Arc<Endpoint>],
        fits: impl Fn(&Endpoint) -> bool,
    ) -> Option<Arc<Endpoint>> {
        let (mut one, mut two, mut seen) = (None, None, 0_usize);
        for upstream in &self.each {
            for endpoint in upstream.watched.endpoints.load().iter() {
                let excepted = except.iter().any(|except| Arc::ptr_eq(except, endpoint));
                if excepted || !fits(endpoint) {
                    continue;
                }
                // Each of the first `seen` ends up among the two with the same chance.
                let place = if seen < 2 { seen } else { fastrand::usize(..=seen) };
                match place {
                    0 => one = Some(Arc::clone(endpoint)),
                    1 => two = Some(Arc::clone(endpoint)),
                    _ => {}
                }
                seen += 1;
            }
        }
        let (Some(first), Some(second)) = (&one, &two) else { return one };
        let (first, second) = (first.in_flight(), second.in_flight());
        if second < first || (second == first && fastrand::bool()) { two } else { one }
    }

    /// Whether one of them is known to be well.
    pub fn is_healthy(&self) -> bool {
        self.each.iter().any(|upstream| upstream.watched.is_healthy())
    }

    /// What is so, in the order of the configuration.
    pub fn report(&self) -> Vec<UpstreamReport> {
        self.each.iter().map(|upstream| upstream.watched.report()).collect()
    }
}

impl Upstream {
    fn start(place: Place, names: &Names, tasks: &Tasks) -> Upstream {
        let tasks = tasks.child();
        let watched = Arc::new(Watched {
            place: Arc::new(place),
            endpoints: ArcSwap::default(),
            nameless: Mutex::default(),
            names: names.clone(),
        });
        if let Some(addresses) = names::fixed(&watched.place.url.host) {
            watched.lead_to(&addresses, &tasks);
        } else {
            let (own, looking) = (tasks.clone(), Arc::clone(&watched));
            tasks.start(async move { looking.look(&own).await });
        }
        Upstream { watched, tasks }
    }
}

impl Watched {
    /// Resolves its name again and again, until it is told to stop.
    async fn look(&self, tasks: &Tasks) {
        let host = &self.place.url.host;
        loop {
            let found = tokio::select! {
                () = tasks.stopping() => return,
                found = self.names.find(host) => found,
            };
            let (again, why) = match found {
                Ok(found) => {
                    self.lead_to(&found.addresses, tasks);
                    (found.again, None)
                }
                // The last good addresses stay: a name server that is down takes no site with it.
                Err(why) => (RETRY, Some(why.to_string())),
            };
            self.remember(why);
            if tokio::time::timeout(again, tasks.stopping()).await.is_ok() {
                return;
            }
        }
    }

    fn remember(&self, why: Option<String>) {
        let mut nameless = self.nameless.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Some(why)) = (&*nameless, &why) {
            tracing::warn!(upstream = %self.place.name(), %why, "an upstream's name cannot be resolved");
        }
        *nameless = why;
    }

    /// Uses `addresses` from now on. Those that it had before keep their health and their connections.
    fn lead_to(&self, addresses: &[IpAddr], tasks: &Tasks) {
        let before = self.endpoints.load_full();
        let mut endpoints = Vec::with_capacity(addresses.len());
        for address in addresses {
            let address = SocketAddr::new(*address, self.place.url.port);
            let known = before.iter().find(|endpoint| endpoint.address == address);
            endpoints.push(known.map_or_else(
                || {
                    let endpoint = Arc::new(Endpoint::new(address, Arc::clone(&self.place)));
                    tasks.start(probe::watch(Arc::clone(&endpoint), tasks.clone()));
                    endpoint
                },
                Arc::clone,
            ));
        }
        for gone in before.iter().filter(|old| !endpoints.iter().any(|new| Arc::ptr_eq(old, new))) {
            gone.retire();
        }
        self.endpoints.store(Arc::new(endpoints));
    }

    fn is_healthy(&self) -> bool {
        self.endpoints.load().iter().any(|endpoint| endpoint.standing() == Standing::Healthy)
    }

    fn report(&self) -> UpstreamReport {
        let endpoints = self.endpoints.load();
        let sick = endpoints.iter().filter(|endpoint| endpoint.standing() == Standing::Sick);
        let healthy = self.is_healthy();
        // An app need not listen on both addresses of localhost.
        let expected = healthy && self.place.url.host.eq_ignore_ascii_case("localhost");
        let nameless = self.nameless.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let wrong =
            nameless.or_else(|| sick.filter(|_| !expected).find_map(|one| one.last_error()));
        let unknown = || (!healthy).then(|| UpstreamReport::UNASKED.to_owned());
        UpstreamReport {
            url: self.place.name(),
            healthy,
            in_flight: endpoints.iter().map(|endpoint| endpoint.in_flight()).sum(),
            last_error: wrong.or_else(unknown),
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.tasks.stop();
        for endpoint in self.watched.endpoints.load().iter() {
            endpoint.retire();
        }
    }
}

#[cfg(test)]
pub(in crate::gateway) use self::pool::Executor;
#[cfg(test)]
pub(in crate::gateway) mod tests;
