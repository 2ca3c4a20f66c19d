//! What all connections of a guard share: whether Redis is asked, and what was learnt of it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::breaker::{Breaker, Posture, Trouble};
use super::keeper::Keeper;
use crate::clock::monotonic;
use crate::config::RedisConfig;

/// One guard.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) config: RedisConfig,
    /// Who keeps what is dropped, where somebody does.
    pub(super) keeper: Option<Keeper>,
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
    /// One without a journal, or whose journal is clean.
    pub(super) fn new(config: RedisConfig, keeper: Option<Keeper>) -> Gate {
        Gate::with(config, keeper, Breaker::default())
    }

    /// One whose Redis must not be read before its journal is.
    pub(super) fn away(config: RedisConfig, keeper: Keeper) -> Gate {
        Gate::with(config, Some(keeper), Breaker::away(monotonic()))
    }

    fn with(config: RedisConfig, keeper: Option<Keeper>, breaker: Breaker) -> Gate {
        let (posture, _) = watch::channel(breaker.posture());
        Gate {
            config,
            keeper,
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

    /// A probe ended; whether Redis may be asked again, once nothing is left to be done.
    pub(super) fn probed(&self, result: Result<(), String>) -> bool {
        let mut breaker = self.breaker();
        match result {
            Ok(()) => breaker.probed_well(monotonic()),
            Err(why) => {
                breaker.probed_ill();
                tracing::debug!(redis = self.config.name, why, "redis is still away");
                false
            }
        }
    }

    /// Redis is asked from now on.
    pub(super) fn close(&self) {
        let mut breaker = self.breaker();
        let away = breaker.posture().away;
        if breaker.close(monotonic()) {
            let since = away.map(|since| monotonic().duration_since(since));
            let seconds = since.unwrap_or_default().as_secs_f64();
            tracing::info!(redis = self.config.name, seconds, "redis is back");
            self.posture.send_replace(breaker.posture());
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.breaker().posture().away.is_some()
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
