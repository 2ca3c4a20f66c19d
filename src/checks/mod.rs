//! Is it safe to reopen: what must hold before visitors are let back, each asked of its own system.
//!
//! Only reads. What cannot be asked has not passed, and nothing here decides what happens then: `agent` does.

#[cfg(feature = "aws")]
mod distribution;
mod dns;
#[cfg(feature = "aws")]
mod ecs;
mod exec;
mod http;
mod lacking;
mod postgres;
#[cfg(feature = "aws")]
mod rds;
mod redis;
#[cfg(feature = "aws")]
mod rights;
#[cfg(feature = "aws")]
mod target_group;
mod tcp;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock;
use crate::tasks::all;

#[cfg(feature = "aws")]
pub use distribution::DeployedDistribution;
pub use dns::DnsCheck;
#[cfg(feature = "aws")]
pub use ecs::EcsService;
pub use exec::ExecCheck;
pub use http::{HttpCheck, Passes, Way};
pub use lacking::LackingCheck;
pub use postgres::PostgresCheck;
#[cfg(feature = "aws")]
pub use rds::{Database, RdsDatabase};
pub use redis::RedisCheck;
#[cfg(feature = "aws")]
pub use rights::rights;
#[cfg(feature = "aws")]
pub use target_group::TargetGroup;
pub use tcp::TcpCheck;

/// Once asked: what is so, in words, or why it does not hold.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Result<String, Failed>> + 'a>>;

/// A condition that must hold before visitors are let back.
pub trait Check {
    /// Its kind: `http`.
    fn kind(&self) -> &'static str;

    /// Asks its system once. Changes nothing; cancel safe.
    fn ask(&self) -> Asked<'_>;
}

/// Why a check does not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Failed {
    /// What is the matter.
    pub why: String,
    /// What to do about it.
    pub fix: String,
}

/// A check with its name, and how often in a row it has to pass.
pub struct Guard {
    /// The label of its block, which `--override` takes.
    pub name: String,
    /// What it asks.
    pub check: Box<dyn Check>,
    /// How often in a row it passes before it counts.
    pub passes: u32,
    /// From one question to the next.
    pub interval: Duration,
    /// How long it may take to pass.
    pub deadline: Duration,
}

/// What became of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// What was found last.
    pub found: Result<String, Failed>,
}

/// Hears of checks that have not passed yet: the check's name, why not, and for how long.
pub type Hears<'a> = dyn Fn(&str, &str, Duration) + 'a;

/// Asks all of `guards` at once until each has passed as often as it must, or its deadline is over, for at most `within`.
/// Cancel safe.
pub async fn passed<'a>(
    guards: impl Iterator<Item = &'a Guard>,
    within: Duration,
    hears: &Hears<'_>,
) -> Vec<Outcome> {
    all(guards.map(|guard| guard.passed(within, hears))).await
}

/// Asks each of `guards` once, for at most `within`. Cancel safe.
pub async fn asked_once(guards: &[Guard], within: Duration) -> Vec<Outcome> {
    all(guards.iter().map(|guard| async move {
        let found = guard.asked(clock::monotonic() + within).await;
        guard.outcome(found.unwrap_or_else(|| Err(late())))
    }))
    .await
}

impl Guard {
    async fn passed(&self, within: Duration, hears: &Hears<'_>) -> Outcome {
        let began = clock::monotonic();
        let until = began + self.deadline.min(within);
        let mut passes = 0;
        let mut last = None;
        loop {
            // What was found before says more than that the time is over.
            let found = self.asked(until).await.or(last.take()).unwrap_or_else(|| Err(late()));
            passes = if found.is_ok() { passes + 1 } else { 0 };
            if passes >= self.passes {
                return self.outcome(found);
            }
            let now = clock::monotonic();
            let said = match &found {
                Ok(detail) => format!("{detail} ({passes} of {} times)", self.passes),
                Err(failed) => failed.why.clone(),
            };
            if now + self.interval >= until {
                let found = found.and_then(|detail| Err(self.too_seldom(&detail, passes)));
                return self.outcome(found);
            }
            hears(&self.name, &said, now.duration_since(began));
            last = found.is_err().then_some(found);
            tokio::time::sleep(self.interval).await;
        }
    }

    /// What it finds, if that takes no longer.
    async fn asked(&self, until: Instant) -> Option<Result<String, Failed>> {
        tokio::time::timeout_at(until, self.check.ask()).await.ok()
    }

    fn too_seldom(&self, detail: &str, passes: u32) -> Failed {
        let (wanted, seconds) = (self.passes, self.deadline.as_secs());
        Failed {
            why: format!(
                "{detail}, but only {passes} of {wanted} times in a row within {seconds} s"
            ),
            fix: "see why it comes and goes, or give it more time with `deadline`".to_owned(),
        }
    }

    fn outcome(&self, found: Result<String, Failed>) -> Outcome {
        Outcome { name: self.name.clone(), kind: self.check.kind(), found }
    }
}

fn late() -> Failed {
    Failed {
        why: "no answer in time".to_owned(),
        fix: "see whether it can be reached from here, or give it more time with `deadline`"
            .to_owned(),
    }
}

/// AWS did not answer a check's question.
#[cfg(feature = "aws")]
fn unasked(error: &crate::aws::Error, action: &str) -> Failed {
    Failed { why: format!("{action}: {error}"), fix: error.hint() }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Gives these answers in turn, then the last one for ever.
    struct Told(RefCell<Vec<bool>>);

    /// Says no at once, and then nothing more.
    struct Silent(RefCell<bool>);

    impl Check for Silent {
        fn kind(&self) -> &'static str {
            "silent"
        }

        fn ask(&self) -> Asked<'_> {
            Box::pin(async {
                if self.0.replace(true) {
                    std::future::pending::<()>().await;
                }
                Err(Failed { why: "the disk is full".to_owned(), fix: "empty it".to_owned() })
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_found_before_the_time_was_over_is_what_is_told() {
        let guard = Guard {
            name: "app".to_owned(),
            check: Box::new(Silent(RefCell::new(false))),
            passes: 1,
            interval: Duration::from_secs(1),
            deadline: Duration::from_secs(5),
        };
        let outcomes = passed([&guard].into_iter(), Duration::MAX, &|_, _, _| {}).await;
        assert_eq!(outcomes[0].found.as_ref().unwrap_err().why, "the disk is full");
        let outcomes = passed([&guard].into_iter(), Duration::MAX, &|_, _, _| {}).await;
        assert_eq!(outcomes[0].found.as_ref().unwrap_err().why, "no answer in time");
    }

    impl Check for Told {
        fn kind(&self) -> &'static str {
            "told"
        }

        fn ask(&self) -> Asked<'_> {
            Box::pin(async {
                let mut left = self.0.borrow_mut();
                let well = if left.len() > 1 { left.remove(0) } else { left[0] };
                let failed = Failed { why: "it is down".to_owned(), fix: "up".to_owned() };
                if well { Ok("it is up".to_owned()) } else { Err(failed) }
            })
        }
    }

    /// What became of three passes within five seconds, and after how many.
    async fn after(answers: &[bool]) -> (Result<String, String>, u64) {
        let guard = Guard {
            name: "app".to_owned(),
            check: Box::new(Told(RefCell::new(answers.to_vec()))),
            passes: 3,
            interval: Duration::from_secs(1),
            deadline: Duration::from_secs(5),
        };
        let began = clock::monotonic();
        let outcomes = passed([&guard].into_iter(), Duration::MAX, &|_, _, _| {}).await;
        let found = outcomes.into_iter().next().unwrap().found;
        (found.map_err(|failed| failed.why), clock::monotonic().duration_since(began).as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn it_passes_once_it_has_passed_often_enough_in_a_row() {
        assert_eq!(after(&[true]).await, (Ok("it is up".to_owned()), 2));
        assert_eq!(after(&[false, true, true, true]).await, (Ok("it is up".to_owned()), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_comes_and_goes_or_stays_away_does_not_pass() {
        let (found, after_seconds) = after(&[true, true, false, true, true]).await;
        assert!(found.unwrap_err().starts_with("it is up, but only 2 of 3 times in a row"));
        assert_eq!(after_seconds, 4, "not later than its deadline");
        assert_eq!(after(&[false]).await, (Err("it is down".to_owned()), 4));
    }
}
