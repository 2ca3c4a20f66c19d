//! What seldom wakes a connection: it is looked at only when it did, and costs nothing while bytes pass.

use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

use super::super::breaker::Posture;
use crate::tasks::Tasks;

/// The end of the guard, a change of what Redis is asked, and a time.
pub(super) struct Seldom {
    woke: Arc<Woke>,
    /// Whom `woke` wakes.
    task: Waker,
    ending: Pin<Box<dyn Future<Output = ()> + Send>>,
    alarm: Option<Pin<Box<Sleep>>>,
}

/// Whether one of them woke its task.
struct Woke {
    is_so: AtomicBool,
    task: Mutex<Waker>,
}

impl Wake for Woke {
    fn wake(self: Arc<Self>) {
        self.is_so.store(true, Release);
        self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    Nothing,
    /// The time came that was set.
    Alarm,
    /// The guard ends.
    Ends,
}

impl Seldom {
    pub(super) fn new(posture: watch::Receiver<Posture>, tasks: &Tasks) -> Seldom {
        let task = Waker::noop().clone();
        let woke = Woke { is_so: AtomicBool::new(true), task: Mutex::new(task.clone()) };
        let ending = Box::pin(ending(posture, tasks.clone()));
        Seldom { woke: Arc::new(woke), task, ending, alarm: None }
    }

    /// Wakes this task from now on.
    pub(super) fn is_of(&mut self, task: &Waker) {
        if !self.task.will_wake(task) {
            self.task.clone_from(task);
            self.woke.task.lock().unwrap_or_else(PoisonError::into_inner).clone_from(task);
        }
    }

    /// Whether something woke its task since this was asked last.
    pub(super) fn take_woken(&self) -> bool {
        self.woke.is_so.swap(false, AcqRel)
    }

    /// Whether something would be seen at the next look.
    pub(super) fn is_woken(&self) -> bool {
        self.woke.is_so.load(Acquire)
    }

    /// There is something new to be looked at.
    pub(super) fn look_again(&self) {
        self.woke.is_so.store(true, Release);
    }

    /// Whoever waits by this is looked at again only when it woke.
    pub(super) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.woke))
    }

    /// What happened, as far as this knows.
    pub(super) fn happened(&mut self, context: &mut Context<'_>) -> Happened {
        if self.ending.as_mut().poll(context).is_ready() {
            return Happened::Ends;
        }
        let alarm = self.alarm.as_mut().map(|alarm| alarm.as_mut().poll(context));
        if alarm == Some(Poll::Ready(())) {
            self.alarm = None;
            return Happened::Alarm;
        }
        Happened::Nothing
    }

    /// Has it woken at this time, or earlier: one that is set already is left as it is, unless it is later.
    pub(super) fn wake_at(&mut self, time: Instant) {
        match &mut self.alarm {
            Some(alarm) if alarm.deadline() <= time => return,
            Some(alarm) => alarm.as_mut().reset(time),
            None => self.alarm = Some(Box::pin(sleep_until(time))),
        }
        self.look_again();
    }
}

/// Comes back when the guard ends, and has its task woken when something else is asked of Redis.
async fn ending(mut posture: watch::Receiver<Posture>, tasks: Tasks) {
    let moves = async { while posture.changed().await.is_ok() {} };
    tokio::select! {
        () = moves => {}
        () = tasks.stopping() => {}
    }
}
