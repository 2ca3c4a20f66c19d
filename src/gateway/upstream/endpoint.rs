//! One address of an upstream: whether it is well, and how much runs there. Health is counted in runs of equal results,
//! so that one bad probe moves nothing. Never decides who gets a request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::HealthConfig;

use super::Place;

/// One address of one upstream.
#[derive(Debug)]
pub(in crate::gateway) struct Endpoint {
    /// Where it is.
    pub(in crate::gateway) address: SocketAddr,
    /// The upstream it belongs to.
    pub(in crate::gateway) place: Arc<Place>,
    in_flight: AtomicU64,
    standing: AtomicU8,
    /// Failures of connections in a row; any answer ends the row.
    strikes: AtomicU32,
    /// Its name no longer leads here.
    retired: AtomicBool,
    run: Mutex<Run>,
}

/// What is known of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing yet. Requests may go there, since a gateway that has just started must serve; nobody is told that it is
    /// well. The first result decides.
    Unknown,
    /// Well.
    Healthy,
    /// Not well: requests go there only if all others are sick too.
    Sick,
}

/// Probes of the same result in a row.
#[derive(Debug, Default)]
struct Run {
    good: u32,
    bad: u32,
    last_error: Option<String>,
}

impl Endpoint {
    pub(super) fn new(address: SocketAddr, place: Arc<Place>) -> Endpoint {
        Endpoint {
            address,
            place,
            in_flight: AtomicU64::new(0),
            standing: AtomicU8::new(0),
            strikes: AtomicU32::new(0),
            retired: AtomicBool::new(false),
            run: Mutex::default(),
        }
    }

    pub(super) fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Relaxed) {
            0 => Standing::Unknown,
            1 => Standing::Healthy,
            _ => Standing::Sick,
        }
    }

    fn stand(&self, standing: Standing) {
        let before = self.standing.swap(standing as u8, Ordering::Relaxed);
        if before != standing as u8 {
            let (upstream, address) = (self.place.name(), self.address);
            match standing {
                Standing::Sick => tracing::warn!(%upstream, %address, "upstream is sick"),
                Standing::Healthy | Standing::Unknown => {
                    tracing::info!(%upstream, %address, "upstream is healthy");
                }
            }
        }
    }

    /// A probe was answered well.
    pub(super) fn passed(&self, health: &HealthConfig) {
        self.strikes.store(0, Ordering::Relaxed);
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.bad = 0;
        run.good = run.good.saturating_add(1);
        let enough = self.standing() != Standing::Sick || run.good >= health.passes;
        if enough {
            run.last_error = None;
            self.stand(Standing::Healthy);
        }
    }

    /// A probe was not.
    pub(super) fn failed(&self, health: &HealthConfig, why: String) {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.good = 0;
        run.bad = run.bad.saturating_add(1);
        run.last_error = Some(why);
        if self.standing() == Standing::Unknown || run.bad >= health.failures {
            self.stand(Standing::Sick);
        }
    }

    /// A visitor's request found no connection, or lost it before the answer.
    pub(in crate::gateway) fn struck(&self, why: &dyn std::error::Error) {
        let strikes = self.strikes.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.last_error = Some(why.to_string());
        if self.standing() == Standing::Unknown || strikes >= self.place.health.failures {
            run.good = 0;
            self.stand(Standing::Sick);
        }
    }

    /// A visitor's request was answered. It ends a row of strikes and makes nobody healthy: only probes do.
    pub(in crate::gateway) fn answered(&self) {
        if self.strikes.load(Ordering::Relaxed) != 0 {
            self.strikes.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn last_error(&self) -> Option<String> {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.last_error.as_ref().map(|why| format!("{}: {why}", self.address))
    }

    /// Requests that are there now.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    /// Counts a request in, until what comes back is dropped.
    pub(in crate::gateway) fn enter(self: Arc<Endpoint>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }
}

/// A request at an endpoint; dropping it counts it out.
#[derive(Debug)]
pub(in crate::gateway) struct InFlight(Arc<Endpoint>);

impl InFlight {
    pub(in crate::gateway) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint::new(
            "127.0.0.1:1".parse().unwrap(),
            Arc::new(Place::sample("http", "127.0.0.1", 1)),
        )
    }

    #[test]
    fn the_first_result_decides_and_then_only_as_many_in_a_row_as_configured() {
        let health = HealthConfig { passes: 2, failures: 3, ..HealthConfig::default() };
        let one = endpoint();
        assert_eq!(one.standing(), Standing::Unknown);
        one.passed(&health);
        assert_eq!(one.standing(), Standing::Healthy, "the first result decides");
        one.failed(&health, "500".to_owned());
        one.failed(&health, "500".to_owned());
        one.passed(&health);
        one.failed(&health, "500".to_owned());
        one.failed(&health, "500".to_owned());
        assert_eq!(one.standing(), Standing::Healthy, "never three in a row");
        one.failed(&health, "500".to_owned());
        assert_eq!(one.standing(), Standing::Sick);
        one.passed(&health);
        one.failed(&health, "timed out".to_owned());
        one.passed(&health);
        assert_eq!(one.standing(), Standing::Sick, "never two in a row");
        assert_eq!(one.last_error().unwrap(), "127.0.0.1:1: timed out");
        one.passed(&health);
        assert_eq!((one.standing(), one.last_error()), (Standing::Healthy, None));
        let other = endpoint();
        other.failed(&health, "refused".to_owned());
        assert_eq!(other.standing(), Standing::Sick, "the first result decides");
    }

    #[test]
    fn an_answer_ends_a_row_of_strikes_but_not_a_row_of_failed_probes() {
        let health = HealthConfig::default();
        let (one, reset) = (endpoint(), std::io::Error::other("reset"));
        one.passed(&health);
        one.struck(&reset);
        one.answered();
        one.struck(&reset);
        assert_eq!(one.standing(), Standing::Healthy);
        one.struck(&reset);
        assert_eq!(one.standing(), Standing::Sick);
        let two = endpoint();
        two.passed(&health);
        two.failed(&health, "500".to_owned());
        two.answered();
        two.failed(&health, "500".to_owned());
        assert_eq!(two.standing(), Standing::Sick);
        two.answered();
        assert_eq!(two.standing(), Standing::Sick, "only probes make it healthy");
    }

    #[test]
    fn a_request_is_counted_until_it_is_dropped() {
        let one = Arc::new(endpoint());
        let there = Arc::clone(&one).enter();
        assert_eq!(one.in_flight(), 1);
        drop(there);
        assert_eq!(one.in_flight(), 0);
    }
}
