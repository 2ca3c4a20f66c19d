//! The connections of one core that wait for their next request. Never hands one out that has ended, and keeps none for
//! longer than a minute.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::clock;
use crate::tasks::Tasks;

use super::endpoint::Endpoint;
use super::error::Error;
use super::link::{CONNECT, Io, Link, connect};
use super::sending::Sending;

/// How long a connection may wait for its next request; shorter where the upstream says so.
const IDLE: Duration = Duration::from_mins(1);

/// How many of them wait, for each address. Beyond that they are closed.
const PARKED: usize = 256;

/// How often those that waited too long are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// How long an upstream may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::gateway) struct Waits {
    /// For the head of an answer, from when it has the request.
    pub(in crate::gateway) head: Duration,
    /// For a word about an upload that waits for its consent. Many servers never say one, so the client is not kept waiting
    /// for ever (RFC 9110 §10.1.1).
    pub(in crate::gateway) consent: Duration,
}

const WAITS: Waits = Waits { head: Duration::from_mins(1), consent: Duration::from_secs(2) };

/// The idle connections of one core.
pub struct Pool {
    tasks: Tasks,
    waits: Waits,
    shelves: Mutex<Vec<Shelf>>,
}

/// Those to one address.
struct Shelf {
    endpoint: Arc<Endpoint>,
    /// The one used last is at the end, and taken first.
    #[expect(clippy::vec_box, reason = "a link goes from hand to hand in its box")]
    parked: Vec<Box<Link>>,
    /// HTTP/2 has one for all.
    shared: Option<http2::SendRequest<Sending>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    /// None yet. Must be called on the core's own runtime, which `tasks` then works on.
    pub fn start(tasks: &Tasks) -> Arc<Pool> {
        Pool::with_waits(tasks, WAITS)
    }

    pub(in crate::gateway) fn with_waits(tasks: &Tasks, waits: Waits) -> Arc<Pool> {
        let pool = Arc::new(Pool { tasks: tasks.child(), waits, shelves: Mutex::default() });
        let (watched, tasks) = (Arc::downgrade(&pool), pool.tasks.clone());
        pool.tasks.start(async move {
            while tokio::time::timeout(SWEEP, tasks.stopping()).await.is_err() {
                let Some(pool) = watched.upgrade() else { return };
                pool.sweep(clock::monotonic());
            }
        });
        pool
    }

    pub(in crate::gateway) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    pub(in crate::gateway) fn waits(&self) -> Waits {
        self.waits
    }

    /// The one used last.
    pub(in crate::gateway) fn take(
        &self,
        endpoint: &Arc<Endpoint>,
        now: Instant,
    ) -> Option<Box<Link>> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let place = shelves.iter_mut().find(|shelf| Arc::ptr_eq(&shelf.endpoint, endpoint))?;
        let link = place.parked.pop()?;
        drop(shelves);
        link.fresh_until.is_none_or(|until| until > now).then_some(link)
    }

    /// Keeps a connection whose answer has ended, or closes it.
    pub(in crate::gateway) fn park(&self, mut link: Box<Link>, keep: Keep) {
        let Keep::For(limit) = keep else { return };
        if link.endpoint().is_retired() || self.tasks.is_stopping() || !link.rests() {
            return;
        }
        link.used = true;
        link.fresh_until = Some(clock::monotonic() + limit);
        let endpoint = Arc::clone(link.endpoint());
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let place = shelf(&mut shelves, &endpoint);
        let surplus = if place.parked.len() < PARKED {
            place.parked.push(link);
            None
        } else {
            Some(link)
        };
        drop(shelves);
        drop(surplus);
    }

    /// The HTTP/2 connection to `endpoint`, opened where there is none. Cancel safe.
    pub(in crate::gateway) async fn shared(
        &self,
        endpoint: &Arc<Endpoint>,
    ) -> Result<http2::SendRequest<Sending>, Error> {
        if let Some(shared) = self.living(endpoint) {
            return Ok(shared);
        }
        let io = TokioIo::new(Io::of(connect(endpoint, CONNECT).await?));
        let (sender, connection) =
            http2::handshake(Executor(self.tasks.clone()), io).await.map_err(Error::Protocol)?;
        if let Some(shared) = self.living(endpoint) {
            return Ok(shared);
        }
        self.tasks.start(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a shared connection to an upstream ended");
            }
        });
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelf(&mut shelves, endpoint).shared = Some(sender.clone());
        Ok(sender)
    }

    fn living(&self, endpoint: &Arc<Endpoint>) -> Option<http2::SendRequest<Sending>> {
        let shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let place = shelves.iter().find(|shelf| Arc::ptr_eq(&shelf.endpoint, endpoint))?;
        place.shared.as_ref().filter(|shared| !shared.is_closed()).cloned()
    }

    /// Closes what has waited for too long, and what leads to an address that is gone.
    fn sweep(&self, now: Instant) {
        let mut closed = Vec::new();
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.retain_mut(|shelf| {
            let gone = shelf.endpoint.is_retired();
            let old = |link: &mut Box<Link>| {
                gone || link.fresh_until.is_some_and(|until| until <= now) || !link.rests()
            };
            closed.extend(shelf.parked.extract_if(.., old));
            shelf.shared.take_if(|shared| gone || shared.is_closed());
            !shelf.parked.is_empty() || shelf.shared.is_some()
        });
        drop(shelves);
        drop(closed);
    }

    /// Those that could carry a request now.
    #[cfg(test)]
    pub(in crate::gateway) fn resting(&self) -> usize {
        let mut shelves = self.shelves.lock().unwrap();
        let links = shelves.iter_mut().flat_map(|shelf| &mut shelf.parked);
        links.map(|link| usize::from(link.rests())).sum()
    }

    #[cfg(test)]
    pub(in crate::gateway) fn parked(&self) -> usize {
        self.shelves.lock().unwrap().iter().map(|shelf| shelf.parked.len()).sum()
    }
}

fn shelf<'a>(shelves: &'a mut Vec<Shelf>, endpoint: &Arc<Endpoint>) -> &'a mut Shelf {
    let place = shelves.iter().position(|shelf| Arc::ptr_eq(&shelf.endpoint, endpoint));
    let place = place.unwrap_or_else(|| {
        let endpoint = Arc::clone(endpoint);
        shelves.push(Shelf { endpoint, parked: Vec::new(), shared: None });
        shelves.len() - 1
    });
    shelves.get_mut(place).expect("it was found or pushed just now")
}

/// What is to happen to a connection after its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Keep {
    /// It waits for the next request, for at most so long.
    For(Duration),
    /// It is closed.
    Not,
}

impl Keep {
    /// As long as the upstream's `Keep-Alive: timeout=` allows, less a second for the way.
    pub(in crate::gateway) fn as_told(headers: &http::HeaderMap) -> Keep {
        let Some(told) = headers.get("keep-alive").and_then(|value| value.to_str().ok()) else {
            return Keep::For(IDLE);
        };
        let timeout = told.split(',').find_map(|part| {
            let (name, value) = part.trim().split_once('=')?;
            name.eq_ignore_ascii_case("timeout").then(|| value.trim().parse::<u64>().ok())?
        });
        match timeout {
            Some(0 | 1) => Keep::Not,
            Some(seconds) => Keep::For(IDLE.min(Duration::from_secs(seconds.saturating_sub(1)))),
            None => Keep::For(IDLE),
        }
    }
}

/// HTTP/2's own work, under the core's.
#[derive(Clone)]
pub(in crate::gateway) struct Executor(pub(in crate::gateway) Tasks);

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, work: F) {
        self.0.start(work);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn a_connection_is_kept_no_longer_than_its_upstream_says() {
        let told = |value: &str| {
            Keep::as_told(&HeaderMap::from_iter([(
                "keep-alive".parse().unwrap(),
                value.parse().unwrap(),
            )]))
        };
        assert_eq!(Keep::as_told(&HeaderMap::new()), Keep::For(IDLE));
        assert_eq!(told("max=5, Timeout=5"), Keep::For(Duration::from_secs(4)));
        assert_eq!(told("timeout=3600"), Keep::For(IDLE));
        assert_eq!(told("timeout=1"), Keep::Not);
        assert_eq!(told("timeout=soon"), Keep::For(IDLE));
    }
}
