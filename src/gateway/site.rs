//! One site of the gateway: what is configured, and what lives on over a reload: its door, with everybody who is inside or
//! waits, and its upstreams.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use tokio::sync::watch;

use super::address;
use super::bypass::Testers;
use super::counters::Tallies;
use super::door::Door;
use super::gently::{self, Gently, Opens, Shut};
use super::lane::{Lane, Modes};
use super::report::{Around, Report};
use super::robots::Robots;
use super::rules::{Kind, Rules};
use super::settings::SiteSettings;
use super::upstream::Upstreams;
use crate::clock;
use crate::page::{self, Forms, Page, Told};
use crate::switch::{Mode, Posture};
use crate::tasks::Tasks;

/// How AWS's load balancers call themselves.
const PROBER: &[u8] = b"ELB-HealthChecker";

/// One site, as it is configured now.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) settings: SiteSettings,
    pub(super) rules: Rules,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) home: Arc<Home>,
    pub(super) testers: Testers,
    pub(super) refuse_status: StatusCode,
    page: Page,
    /// By [`Rules::lane_index`].
    lanes: Vec<Arc<Lane>>,
}

/// What lives as long as the gateway has a site of this name.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) door: Arc<Door>,
    pub(super) tallies: Tallies,
    pub(super) around: Mutex<Around>,
    /// So many requests may be at the app for as long as it is set: it has more to do for each.
    limit: Mutex<Option<usize>>,
    is_limited: AtomicBool,
    robots: Arc<Robots>,
    tasks: Tasks,
}

/// New settings of a site that were found to be good. Nothing runs yet, nothing has changed.
pub(super) struct Draft {
    settings: SiteSettings,
    page: Page,
}

impl Draft {
    /// Checks all that can be wrong.
    pub(super) fn new(settings: &SiteSettings) -> Result<Draft, page::Error> {
        Ok(Draft { page: Page::compile(&settings.page)?, settings: settings.clone() })
    }

    /// Makes it so, on the runtime of whoever calls.
    pub(super) fn begin(
        self,
        before: Option<&Site>,
        (changed, tasks): (&watch::Sender<u64>, &Tasks),
        cores: usize,
    ) -> Site {
        let Draft { settings, page } = self;
        let config = &settings.gateway;
        let home = match before {
            Some(before) => {
                let home = Arc::clone(&before.home);
                home.door.reload(config.hold.clone(), config.drain.clone());
                home
            }
            None => Arc::new(Home::begin(&settings, &page, (changed, tasks), cores)),
        };
        let rules = Rules::new(config);
        let lanes = rules.kinds().into_iter().map(|kind| lane(&home.door, &rules, kind)).collect();
        let upstreams = Upstreams::start(
            config,
            settings.hosts.first().filter(|host| !host.starts_with('*')).map(String::as_str),
            &home.tasks,
            before.map(|before| &*before.upstreams),
        );
        let refuse_status =
            config.refuse_status.and_then(|status| StatusCode::from_u16(status).ok());
        let site = Site {
            testers: Testers::new(&config.bypass, &settings.name),
            refuse_status: refuse_status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            upstreams: Arc::new(upstreams),
            settings,
            rules,
            home,
            page,
            lanes,
        };
        // What visitors read may be another page now.
        site.set(site.home.door.snapshot().posture.clone());
        site
    }
}

impl Home {
    fn begin(
        settings: &SiteSettings,
        page: &Page,
        (changed, tasks): (&watch::Sender<u64>, &Tasks),
        cores: usize,
    ) -> Home {
        let config = &settings.gateway;
        let told = Told { host: None, posture: None, now: clock::now() };
        let forms = Arc::new(page.render(&told));
        let door = Door::new(forms, config.hold.clone(), config.drain.clone(), changed.clone());
        let tasks = tasks.child();
        let (kept, stopping) = (Arc::clone(&door), tasks.stopping());
        tasks.start(async move {
            tokio::select! {
                () = kept.keep() => {}
                () = stopping => {}
            }
        });
        Home {
            door,
            tallies: Tallies::new(cores),
            around: Mutex::default(),
            limit: Mutex::default(),
            is_limited: AtomicBool::new(false),
            robots: Arc::default(),
            tasks,
        }
    }
}

impl Home {
    /// So many requests may be at the app from now on; as many as come, without.
    pub(super) fn limit(&self, most: Option<usize>) {
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner) = most;
        self.is_limited.store(most.is_some(), Relaxed);
    }

    /// Whether more are at the app than may be, with whoever was let in just now.
    pub(super) fn is_over_limit(&self) -> bool {
        if !self.is_limited.load(Relaxed) {
            return false;
        }
        let most = *self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        let running = usize::try_from(self.door.inside().running()).unwrap_or(usize::MAX);
        most.is_some_and(|most| running > most)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

fn lane(door: &Door, rules: &Rules, kind: Kind) -> Arc<Lane> {
    let passes = |mode: &Mode| rules.passes(kind, *mode);
    let modes: Vec<Mode> = Mode::LADDER.into_iter().filter(passes).collect();
    door.inside().lane(rules.lane_name(kind), Modes::of(&modes))
}

impl Site {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    /// The lane of this kind of request.
    pub(super) fn lane(&self, kind: Kind) -> &Arc<Lane> {
        let lane = self.lanes.get(self.rules.lane_index(kind));
        lane.expect("there is a lane for every kind")
    }

    /// The last good copy of its `/robots.txt`.
    pub(super) fn robots(&self) -> &Arc<Robots> {
        &self.home.robots
    }

    /// Whether a load balancer may send requests here. In hold, closed and detour it may, whatever the app does: the
    /// gateway answers them.
    pub(super) fn is_well(&self) -> bool {
        let snapshot = self.home.door.snapshot();
        match snapshot.mode() {
            None => false,
            _ if snapshot.closing => false,
            // As in closed: nobody is let in.
            _ if snapshot.gently.as_ref().is_some_and(Gently::fell_back) => true,
            Some(Mode::Open | Mode::ReadOnly) => self.upstreams.is_healthy(),
            Some(Mode::Hold | Mode::Closed | Mode::Detour) => true,
        }
    }

    /// Whether a request at the health path is a question after the gateway. At `/` only a balancer's is: visitors would get
    /// 200 from a closed site.
    pub(super) fn is_asked_for_health(&self, parts: &Parts, peer: IpAddr) -> bool {
        let config = &self.settings.gateway;
        if config.health.lb_path.as_deref() != Some("/") {
            return true;
        }
        let agent = parts.headers.get(USER_AGENT).map(HeaderValue::as_bytes);
        agent.is_some_and(|agent| agent.starts_with(PROBER))
            && address::is_trusted(peer, &config.trusted_proxies)
    }

    /// Gives visitors this from the next request on; what they read is rendered now.
    pub(super) fn set(&self, posture: Option<Posture>) {
        let now = clock::now();
        let forms = self.render(posture.as_ref(), now);
        let config = self.settings.gateway.open.as_ref();
        let opens = gently::shut(config, posture.as_ref()).and_then(|shut| {
            let forms = self.render(Some(&shut), now);
            Opens::new(config, posture.as_ref(), Shut { posture: shut, forms })
        });
        self.home.door.set_gently(posture, forms, opens, now);
    }

    fn render(&self, posture: Option<&Posture>, now: Timestamp) -> Arc<Forms> {
        let host = self.settings.hosts.first().map(String::as_str);
        let forms = self.page.render(&Told { host, posture, now });
        if let Some(why) = forms.fell_back() {
            let site = self.settings.name.as_str();
            tracing::error!(site, why, "the page cannot be rendered: the built-in one stands in");
        }
        Arc::new(forms)
    }

    /// What is asked for and what is wrong around it.
    pub(super) fn around(&self) -> Around {
        *self.home.around.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is so at `now`.
    pub(super) fn report(&self, now: Timestamp) -> Report {
        Report { upstreams: self.upstreams.report(), ..self.home.door.report(now) }
    }
}
