//! What follows a site's mode in this process, its gateway and the guards of its Redis; and what they tell each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::agent::Front;
use crate::gateway::{Around, Drain, Gateway, Report};
use crate::redis::Guards;
use crate::switch::Posture;
use crate::tasks::Tasks;

/// How often it is looked at whether Redis is left alone.
const LOOK: Duration = Duration::from_millis(5);

/// Both, as one: a site is drained once nobody of before is at the app or at Redis.
pub(super) struct Both {
    gateway: Arc<Gateway>,
    guards: Option<Arc<Guards>>,
    tasks: Tasks,
    /// What is given where there is no gateway of this site's.
    without_gateway: Mutex<BTreeMap<String, Posture>>,
}

impl Both {
    pub(super) fn of(gateway: &Arc<Gateway>, guards: Option<&Arc<Guards>>, tasks: &Tasks) -> Both {
        let (gateway, guards) = (Arc::clone(gateway), guards.cloned());
        Both { gateway, guards, tasks: tasks.clone(), without_gateway: Mutex::default() }
    }

    /// What `site` has when it begins to be followed: from then on only changes are told.
    pub(super) fn begin(&self, site: &str, posture: Option<Posture>) {
        let mode = posture.as_ref().map(|posture| posture.mode);
        if !self.gateway.serves(site)
            && let Some(posture) = posture
        {
            let mut given = self.without_gateway.lock().unwrap_or_else(PoisonError::into_inner);
            given.insert(site.to_owned(), posture);
        }
        if let Some(guards) = &self.guards {
            guards.follow(site, mode);
        }
    }

    fn is_leaving(&self, site: &str) -> bool {
        self.guards.as_ref().is_some_and(|guards| guards.is_leaving(site))
    }

    /// Tells once Redis is left alone.
    fn tell_when_left(&self, guards: &Arc<Guards>, site: &str) {
        let (guards, gateway, site) =
            (Arc::clone(guards), Arc::clone(&self.gateway), site.to_owned());
        // On the thread that follows this site, whose end ends it.
        let stopping = self.tasks.clone();
        self.tasks.start(async move {
            while guards.is_leaving(&site) && !stopping.is_stopping() {
                tokio::time::sleep(LOOK).await;
            }
            gateway.moved();
        });
    }
}

impl Front for Both {
    fn set(&self, site: &str, posture: Option<Posture>) {
        if self.gateway.serves(site) {
            self.gateway.set(site, posture.clone());
        }
        self.begin(site, posture);
        if let Some(guards) = self.guards.as_ref().filter(|guards| guards.is_leaving(site)) {
            self.tell_when_left(guards, site);
        }
    }

    fn around(&self, site: &str, around: Around) {
        self.gateway.around(site, around);
    }

    fn report(&self, site: &str, now: Timestamp) -> Report {
        let mut report = if self.gateway.serves(site) {
            self.gateway.report(site, now)
        } else {
            let given = self.without_gateway.lock().unwrap_or_else(PoisonError::into_inner);
            let posture = given.get(site).cloned();
            Report {
                mode: posture.as_ref().map(|posture| posture.mode),
                operation: posture.and_then(|posture| posture.operation),
                drain: Drain::Drained,
                ..Report::default()
            }
        };
        if report.drain == Drain::Drained && self.is_leaving(site) {
            report.drain = Drain::Draining;
        }
        report
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.gateway.changed()
    }
}

/// Has the gateway let in less while a guard's Redis is away, where that says so: each request costs the database more then.
pub(super) fn limit(gateway: &Arc<Gateway>, guards: &Arc<Guards>, tasks: &Tasks) {
    for (site, mut posture) in guards.limiting() {
        let (gateway, guards, stopping) = (Arc::clone(gateway), Arc::clone(guards), tasks.clone());
        tasks.start(async move {
            loop {
                posture.mark_unchanged();
                gateway.limit(&site, guards.limit(&site));
                tokio::select! {
                    changed = posture.changed() => if changed.is_err() { return },
                    () = stopping.stopping() => return,
                }
            }
        });
    }
}
