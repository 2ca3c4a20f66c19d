//! Workers whose commands are known: Sidekiq, Laravel Horizon and systemd's timers.

use super::commands::counted;
use super::run::{Runner, ended_badly, with};
use super::way::{Doing, Failed, Jobs, Seen, Stand, Way};
use crate::tasks::command::output;

/// Sidekiq, without Pro's pausable queues: once quiet, a process takes no job again before it is restarted.
#[derive(Debug)]
pub(super) struct Sidekiq {
    pub(super) runner: Runner,
    /// What runs a line of Ruby with the app loaded.
    pub(super) run: Vec<String>,
    pub(super) resume: Vec<String>,
}

const QUIETS: &str = r#"require "sidekiq/api"; Sidekiq::ProcessSet.new.each(&:quiet!)"#;
const TELLS: &str = r#"require "sidekiq/api"; all = Sidekiq::ProcessSet.new.to_a; puts "sidekiq #{all.size} #{all.count(&:stopping?)} #{all.sum { |one| one["busy"].to_i }}""#;

impl Sidekiq {
    async fn seen(&self) -> Seen {
        let said = match self.runner.says(&with(&self.run, [TELLS])).await {
            Ok(said) => said,
            Err(why) => return Seen::unheard(why),
        };
        sidekiq(&said).unwrap_or_else(|| Seen::unheard("Sidekiq's processes could not be counted"))
    }
}

fn sidekiq(said: &str) -> Option<Seen> {
    let line = said.lines().rev().find_map(|line| line.strip_prefix("sidekiq "))?;
    let counts: Vec<u64> = line.split(' ').filter_map(|word| word.trim().parse().ok()).collect();
    let &[all, stopping, busy] = counts.as_slice() else { return None };
    let stand = match (all, stopping) {
        (0, _) => Stand::Unsaid,
        (all, stopping) if all == stopping => Stand::Quiet,
        _ => Stand::Working,
    };
    Some(Seen::of(stand, Jobs::Running(busy)))
}

impl Way for Sidekiq {
    fn kind(&self) -> &'static str {
        "sidekiq"
    }

    fn read(&self) -> Doing<'_, Seen> {
        Box::pin(self.seen())
    }

    fn quiet(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(async { self.runner.does(&with(&self.run, [QUIETS])).await })
    }

    fn resume(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(self.runner.does(&self.resume))
    }
}

/// Laravel Horizon.
#[derive(Debug)]
pub(super) struct Horizon {
    pub(super) runner: Runner,
    /// `php artisan`
    pub(super) run: Vec<String>,
    pub(super) busy: Option<Vec<String>>,
}

impl Horizon {
    async fn stand(&self) -> Stand {
        let words = with(&self.run, ["horizon:status"]);
        match self.runner.ended(&words).await {
            // It ends with 0, 1 or 2, by how it stands and by Horizon's version: what it says is the same in all.
            Ok(ended) => horizon(&output(&ended))
                .unwrap_or_else(|| Stand::Unheard(ended_badly(&words, &ended).message)),
            Err(failed) => Stand::Unheard(failed.message),
        }
    }
}

fn horizon(said: &str) -> Option<Stand> {
    let said = said.to_lowercase();
    let says = |word| said.contains(&format!("horizon is {word}"));
    match () {
        () if says("paused") => Some(Stand::Quiet),
        () if says("running") => Some(Stand::Working),
        () if says("inactive") => Some(Stand::Unsaid),
        () => None,
    }
}

impl Way for Horizon {
    fn kind(&self) -> &'static str {
        "horizon"
    }

    fn read(&self) -> Doing<'_, Seen> {
        Box::pin(async {
            let counted = counted(&self.runner, self.busy.as_deref());
            let (stand, jobs) = tokio::join!(self.stand(), counted);
            Seen::of(stand, jobs)
        })
    }

    fn quiet(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(async { self.runner.does(&with(&self.run, ["horizon:pause"])).await })
    }

    fn resume(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(async { self.runner.does(&with(&self.run, ["horizon:continue"])).await })
    }
}

/// A timer of systemd's. What it started counts as a job until it has ended.
#[derive(Debug)]
pub(super) struct Systemd {
    pub(super) runner: Runner,
    /// `systemctl`
    pub(super) run: Vec<String>,
    /// `nightly.timer`
    pub(super) unit: String,
}

impl Systemd {
    async fn shown(&self, unit: &str) -> Result<Shown, String> {
        let asked = ["show", "--property=LoadState,ActiveState,SubState,Unit", unit];
        Ok(Shown(self.runner.says(&with(&self.run, asked)).await?))
    }

    async fn seen(&self) -> Seen {
        let timer = match self.shown(&self.unit).await {
            Ok(timer) => timer,
            Err(why) => return Seen::unheard(why),
        };
        if timer.says("LoadState") != Some("loaded") {
            return Seen::unheard(format!("there is no {} here", self.unit));
        }
        let stand = match timer.says("ActiveState") {
            Some("inactive" | "failed") => Stand::Quiet,
            _ => Stand::Working,
        };
        let jobs = match timer.says("Unit") {
            None => Jobs::Uncounted,
            Some(unit) => match self.shown(unit).await {
                Ok(service) => Jobs::Running(u64::from(service.works())),
                Err(why) => Jobs::Unheard(why),
            },
        };
        Seen::of(stand, jobs)
    }
}

/// What `systemctl show` says of a unit.
struct Shown(String);

impl Shown {
    fn says(&self, property: &str) -> Option<&str> {
        let mut lines = self.0.lines().filter_map(|line| line.split_once('='));
        lines.find(|(name, _)| *name == property).map(|(_, value)| value.trim())
    }

    fn works(&self) -> bool {
        // A service that remains after it has ended is active, and exited.
        let ended = self.says("SubState") == Some("exited");
        !ended && !matches!(self.says("ActiveState"), Some("inactive" | "failed") | None)
    }
}

impl Way for Systemd {
    fn kind(&self) -> &'static str {
        "systemd"
    }

    fn read(&self) -> Doing<'_, Seen> {
        Box::pin(self.seen())
    }

    fn quiet(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(async { self.runner.does(&with(&self.run, ["stop", &self.unit])).await })
    }

    fn resume(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(async { self.runner.does(&with(&self.run, ["start", &self.unit])).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sidekiq_is_quiet_once_each_of_its_processes_is() {
        let stand = |said: &str| sidekiq(said).map(|seen| (seen.stand, seen.jobs));
        assert_eq!(stand("warming up\nsidekiq 2 1 3"), Some((Stand::Working, Jobs::Running(3))));
        assert_eq!(stand("sidekiq 2 2 3\n"), Some((Stand::Quiet, Jobs::Running(3))));
        assert_eq!(stand("sidekiq 0 0 0"), Some((Stand::Unsaid, Jobs::Running(0))));
        assert_eq!((stand("sidekiq 1 1"), stand("")), (None, None));
    }

    #[test]
    fn horizon_is_known_by_its_words_in_each_version() {
        assert_eq!(horizon("Horizon is paused.\n"), Some(Stand::Quiet));
        assert_eq!(horizon("\n   INFO  Horizon is running.\n"), Some(Stand::Working));
        assert_eq!(horizon("   ERROR  Horizon is inactive.\n"), Some(Stand::Unsaid));
        assert_eq!(horizon("Connection refused"), None);
    }

    #[test]
    fn what_a_timer_started_works_until_it_is_inactive() {
        let shown = |text: &str| Shown(text.to_owned());
        let timer = shown("LoadState=loaded\nActiveState=active\nUnit=nightly.service\n");
        assert_eq!(timer.says("Unit"), Some("nightly.service"));
        for (state, works) in [("activating", true), ("active", true), ("inactive", false)] {
            assert_eq!(shown(&format!("ActiveState={state}\n")).works(), works, "{state}");
        }
        assert!(!shown("ActiveState=active\nSubState=exited\n").works());
    }
}
