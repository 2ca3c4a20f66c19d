//! What all connections of a guard share: whether Redis is asked, and what was learnt of it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::breaker::{Breaker, Posture, Trouble};
use crate::clock::monotonic;
use crate::config::RedisConfig;

/// One guard.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) config: RedisConfig,
    breaker: Mutex<Breaker>,
    /// Whether a good answer is worth telling: most of them need no lock.
    is_troubled: AtomicBool,
    posture: watch::Sender<Posture>,
    about: Mutex<About>,
    is_unfit: AtomicBool,
}

/// What was learnt of the upstream.
#[derive(Debug, Clone, Default)]
pub(super) struct About {
    /// What it said of itself when it was well.
    pub(super) info: Option<Arc<str>>,
    /// Why it cannot be guarded.
    pub(super) unfit: Option<String>,
}

impl Gate {
    pub(super) fn new(config: RedisConfig) -> Gate {
        let breaker = Breaker::default();
        let (posture, _) = watch::channel(breaker.posture());
        Gate {
            config,
            breaker: Mutex::new(breaker),
            is_troubled: AtomicBool::new(false),
            posture,
            about: Mutex::default(),
            is_unfit: AtomicBool::new(false),
        }
    }

    pub(super) fn posture(&self) -> watch::Receiver<Posture> {
        self.posture.subscribe()
    }

    /// Somebody who asked in this epoch had trouble.
    pub(super) fn trouble(&self, epoch: u64, trouble: Trouble, why: &str) {
        let mut breaker = self.breaker();
        let went = breaker.trouble(epoch, trouble, monotonic());
        self.is_troubled.store(breaker.is_troubled(), Relaxed);
        if went {
            tracing::warn!(redis = self.config.name, why, "redis is away");
            self.posture.send_replace(breaker.posture());
        }
    }

    /// An answer came in time.
    pub(super) fn well(&self, epoch: u64) {
        if self.is_troubled.load(Relaxed) {
            let mut breaker = self.breaker();
            breaker.well(epoch);
            self.is_troubled.store(breaker.is_troubled(), Relaxed);
        }
    }

    /// A probe ended.
    pub(super) fn probed(&self, result: Result<(), String>) {
        let mut breaker = self.breaker();
        match result {
            Ok(()) => {
                let away = breaker.posture().away;
                if breaker.probed_well(monotonic()) {
                    let since = away.map(|since| monotonic().duration_since(since));
                    let seconds = since.unwrap_or_default().as_secs_f64();
                    tracing::info!(redis = self.config.name, seconds, "redis is back");
                    self.posture.send_replace(breaker.posture());
                }
            }
            Err(why) => {
                breaker.probed_ill();
                tracing::debug!(redis = self.config.name, why, "redis is still away");
            }
        }
    }

    pub(super) fn pause(&self) -> std::time::Duration {
        self.breaker().pause(fastrand::f64())
    }

    pub(super) fn about(&self) -> About {
        self.about.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the upstream is nothing that can be guarded.
    pub(super) fn is_unfit(&self) -> bool {
        self.is_unfit.load(Relaxed)
    }

    pub(super) fn learnt(&self, about: About) {
        self.is_unfit.store(about.unfit.is_some(), Relaxed);
        *self.about.lock().unwrap_or_else(PoisonError::into_inner) = about;
    }

    /// A panic elsewhere leaves it as it was: each change is made in one step.
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
