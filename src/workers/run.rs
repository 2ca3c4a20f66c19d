//! Commands to workers: run without a shell, cut at their time, and never believed to have done what they do not say.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Command;

use super::way::{Effect, Failed};
use crate::config::Secret;
use crate::tasks::command::{self, Ended};

/// So much of what a command said last is told.
const MOST_SAID: usize = 300;
/// So much of an answer is read: Celery lists each job with its arguments.
const LARGEST: usize = 4 << 20;

/// Where and how long commands are run.
#[derive(Debug, Clone)]
pub(super) struct Runner {
    pub(super) folder: PathBuf,
    pub(super) timeout: Duration,
    /// What is handed over in the environment, since others can read arguments.
    pub(super) secret: Option<(&'static str, Secret)>,
}

impl Runner {
    /// Runs it to its end, however that is. Dropped midway, it and what it started are killed.
    pub(super) async fn ended(&self, words: &[String]) -> Result<Ended, Failed> {
        let program = words.first().map_or("", String::as_str);
        let mut run = Command::new(program);
        run.args(words.iter().skip(1)).current_dir(&self.folder);
        if let Some((name, value)) = &self.secret {
            run.env(name, OsStr::from_bytes(value.bytes()));
        }
        match command::ended_after(&mut run, self.timeout, LARGEST).await {
            Ok(Some(ended)) => Ok(ended),
            Ok(None) => Err(Failed {
                message: format!(
                    "`{}` did not end within {} s",
                    told(words),
                    self.timeout.as_secs_f64()
                ),
                hint: "see whether the broker is up, or give it more time: `timeout`".to_owned(),
                effect: Effect::Unknown,
            }),
            Err(error) => Err(Failed {
                message: format!("`{program}` cannot be run: {error}"),
                hint: "see that it is there, and may be run by whoever runs roadworks, an agent included"
                    .to_owned(),
                effect: Effect::Nothing,
            }),
        }
    }

    /// Runs a command that has to end well: where it ends badly, it did nothing.
    pub(super) async fn does(&self, words: &[String]) -> Result<(), Failed> {
        let ended = self.ended(words).await?;
        if ended.status.success() { Ok(()) } else { Err(ended_badly(words, &ended)) }
    }

    /// What a command prints that changes nothing, or why it does not.
    pub(super) async fn says(&self, words: &[String]) -> Result<String, String> {
        let ended = self.ended(words).await.map_err(|failed| failed.message)?;
        if !ended.status.success() {
            return Err(ended_badly(words, &ended).message);
        }
        Ok(command::output(&ended))
    }
}

/// That a command did not end well, and what it said last.
pub(super) fn ended_badly(words: &[String], ended: &Ended) -> Failed {
    let said = command::last_words(ended, MOST_SAID);
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    Failed {
        message: format!("`{}` ended with {}{said}", told(words), ended.status),
        hint: "run it by hand, and put right what it says".to_owned(),
        effect: Effect::Nothing,
    }
}

/// The first words of a command, by which a person knows it.
fn told(words: &[String]) -> String {
    const FIRST: usize = 60;
    let line = words.join(" ");
    let mut short: String = line.chars().take(FIRST).collect();
    if short.len() < line.len() {
        short.push_str(" ..");
    }
    short
}

/// `run` with more words after it.
pub(super) fn with<'a>(run: &[String], more: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    run.iter().cloned().chain(more.into_iter().map(str::to_owned)).collect()
}
