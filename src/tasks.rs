//! Background work: started under a parent, told to stop, waited for. Nothing runs that nobody waits for.

mod all;
pub mod command;

use std::future::Future;
use std::io;
use std::thread;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

pub use all::all;

/// The work of one owner, and of those that it starts in turn. A clone speaks of the same work.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    running: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// No work yet.
    pub fn new() -> Tasks {
        Tasks::default()
    }

    /// Work that is told to stop when its parent is, or earlier, and that can be waited for alone.
    pub fn child(&self) -> Tasks {
        Tasks { running: TaskTracker::new(), stop: self.stop.child_token() }
    }

    /// Starts `work` on the runtime of whoever calls.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts work")]
    pub fn start<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        tokio::spawn(self.running.track_future(work))
    }

    /// Starts `work` on a thread of its own, for what blocks or needs a runtime of its own.
    pub fn start_thread<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<thread::JoinHandle<T>> {
        let running = self.running.token();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let done = work();
            drop(running);
            done
        })
    }

    /// Tells all work to stop. What it does about it is its own affair.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Whether it was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Comes back when it is told to stop. Cancel safe.
    pub fn stopping(&self) -> WaitForCancellationFutureOwned {
        self.stop.clone().cancelled_owned()
    }

    /// Waits until all work has ended, for at most `deadline`, and says whether it has. Cancel safe.
    pub async fn ended(&self, deadline: Duration) -> bool {
        self.running.close();
        tokio::time::timeout(deadline, self.running.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_was_started_is_told_to_stop_and_waited_for() {
        let (tasks, deadline) = (Tasks::new(), Duration::from_secs(5));
        let child = tasks.child();
        let told = tasks.child();
        child.start(async move { told.stopping().await });
        assert!(!child.ended(Duration::from_millis(10)).await, "nobody told it to stop");
        tasks.stop();
        assert!(child.is_stopping() && child.ended(deadline).await);
        let thread = tasks.start_thread("one", || 7).unwrap();
        assert!(tasks.ended(deadline).await);
        assert_eq!(thread.join().unwrap(), 7);
    }
}
