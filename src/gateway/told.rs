//! Being told: a request that it is cut, an upgraded connection that it is to close. Both are futures that wait inside
//! the task that they concern, and cost a place in a list of their own core. Never blocks, never allocates for each wait.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::lane::Counter;

/// Those who wait to be told something.
#[derive(Default)]
pub(super) struct Wakers {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Wakers {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the waker of whoever polls, at its place.
    fn wait(&self, place: &mut Option<usize>, waker: &Waker) {
        let mut list = self.lock();
        let at = *place.get_or_insert_with(|| {
            list.free.pop().unwrap_or_else(|| {
                list.wakers.push(None);
                list.wakers.len() - 1
            })
        });
        if let Some(kept) = list.wakers.get_mut(at)
            && kept.as_ref().is_none_or(|kept| !kept.will_wake(waker))
        {
            *kept = Some(waker.clone());
        }
    }

    fn leave(&self, place: usize) {
        let mut list = self.lock();
        if let Some(kept) = list.wakers.get_mut(place) {
            *kept = None;
            list.free.push(place);
        }
    }

    /// Wakes everybody, outside of the lock: a waker may end a task, and its end comes back here.
    pub(super) fn wake_all(&self) {
        let wakers: Vec<Waker> = self.lock().wakers.iter().flatten().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A wait for a counter's number to move on from where it was.
struct Wait {
    counter: Arc<Counter>,
    seen: u32,
    place: Option<usize>,
}

impl Wait {
    fn poll(&mut self, number: impl Fn(&Counter) -> u32, cx: &Context<'_>) -> Poll<()> {
        if number(&self.counter) != self.seen {
            return Poll::Ready(());
        }
        self.counter.wakers.wait(&mut self.place, cx.waker());
        // It may have moved on before the waker was there.
        if number(&self.counter) == self.seen { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.counter.wakers.leave(place);
        }
    }
}

/// Comes back when the request that it was asked of is cut: at the drain's deadline, where `then` is `cut`. Then answer
/// 502 or 504 without `Retry-After`, or end the body so that nobody takes it for whole. Cancel safe.
#[must_use = "a request that does not listen is not cut"]
pub struct Cut(Wait);

impl Cut {
    pub(super) fn of(counter: &Arc<Counter>, seen: u32) -> Cut {
        Cut(Wait { counter: Arc::clone(counter), seen, place: None })
    }
}

impl Future for Cut {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(|counter| counter.cuts.load(SeqCst), cx)
    }
}

/// Comes back when the upgraded connection that it was asked of is to close, with how long to wait before: no two are
/// told the same, so that their clients do not come back together. Cancel safe.
#[must_use = "a connection that does not listen is not closed"]
pub struct Farewell(Wait);

impl Farewell {
    pub(super) fn of(counter: &Arc<Counter>, seen: u32) -> Farewell {
        Farewell(Wait { counter: Arc::clone(counter), seen, place: None })
    }
}

impl Future for Farewell {
    type Output = Duration;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Duration> {
        let told = self.0.poll(|counter| counter.farewells.load(SeqCst), cx);
        told.map(|()| {
            let spread = self.0.counter.spread.load(SeqCst);
            Duration::from_millis(u64::from(fastrand::u32(0..=spread)))
        })
    }
}
