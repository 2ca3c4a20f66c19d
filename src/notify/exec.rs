//! A command that tells: with what happened in its environment, and for a bounded time.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::{Error, Event};
use crate::tasks::command;

/// So much of what a command said last is told.
const MOST_SAID: usize = 300;

/// Dropped midway, the command and what it started are killed.
pub(super) async fn tell(
    words: &[String],
    folder: &Path,
    timeout: Duration,
    event: &Event,
) -> Result<(), Error> {
    let program = words.first().map_or("", String::as_str);
    let failed = |why: String| Error::Command { program: program.to_owned(), why };
    let mut run = Command::new(program);
    run.args(words.iter().skip(1)).current_dir(folder).envs(event.environment());
    let ended = command::ended(&mut run, timeout)
        .await
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    let ended =
        ended.ok_or_else(|| failed(format!("did not end within {} s", timeout.as_secs_f64())))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = command::last_words(&ended, MOST_SAID);
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    Err(failed(format!("ended with {}{said}", ended.status)))
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::event;
    use super::*;
    use crate::config::Occasion;

    #[tokio::test]
    async fn a_command_finds_what_happened_in_its_environment_and_may_fail() {
        let folder = tempfile::tempdir().unwrap();
        let told = async |line: &str, millis| {
            let words: Vec<_> = ["sh", "-c", line].map(str::to_owned).into();
            let event = event(Occasion::WindowStarted);
            tell(&words, folder.path(), Duration::from_millis(millis), &event).await
        };
        told("echo $ROADWORKS_EVENT $ROADWORKS_SITE $ROADWORKS_MODE > told", 5_000).await.unwrap();
        let wrote = std::fs::read_to_string(folder.path().join("told")).unwrap();
        assert_eq!(wrote, "window.started shop hold\n");
        let failed = told("echo no such room >&2; exit 3", 5_000).await.unwrap_err();
        assert_eq!(failed.to_string(), "`sh` ended with exit status: 3: no such room");
        let failed = told("sleep 60", 100).await.unwrap_err();
        assert_eq!(failed.to_string(), "`sh` did not end within 0.1 s");
    }
}
