//! A check by a command: it passes where the command ends well.

use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Command;

use super::{Asked, Check, Failed};
use crate::tasks::command;

/// So much of what a command said last is told.
const MOST_SAID: usize = 300;

/// A command.
#[derive(Debug)]
pub struct ExecCheck {
    command: Vec<String>,
    folder: PathBuf,
    timeout: Duration,
}

impl ExecCheck {
    /// `command` is run in `folder`, without anything on its standard input.
    pub fn new(command: Vec<String>, folder: PathBuf, timeout: Duration) -> ExecCheck {
        ExecCheck { command, folder, timeout }
    }

    /// Dropped midway, the command and what it started are killed.
    async fn asked(&self) -> Result<String, Failed> {
        let program = self.command.first().map_or("", String::as_str);
        let failed = |why: String, fix: &str| Failed {
            why: format!("`{program}` {why}"),
            fix: fix.to_owned(),
        };
        let mut run = Command::new(program);
        run.args(self.command.iter().skip(1)).current_dir(&self.folder);
        let ended = match command::ended(&mut run, self.timeout).await {
            Ok(Some(ended)) => ended,
            Err(error) => {
                let fix = "see that it is there, and may be run by whoever runs roadworks";
                return Err(failed(format!("cannot be run: {error}"), fix));
            }
            Ok(None) => {
                let why = format!("did not end within {} s", self.timeout.as_secs_f64());
                return Err(failed(why, "see what it waits for, or give it more time: `timeout`"));
            }
        };
        if ended.status.success() {
            return Ok(format!("`{program}` ended well"));
        }
        let said = command::last_words(&ended, MOST_SAID);
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        let why = format!("ended with {}{said}", ended.status);
        Err(failed(why, "run it by hand, and put right what it finds"))
    }
}

impl Check for ExecCheck {
    fn kind(&self) -> &'static str {
        "exec"
    }

    fn ask(&self) -> Asked<'_> {
        Box::pin(self.asked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(words: &[&str], millis: u64) -> Result<String, String> {
        let command = words.iter().map(|word| (*word).to_owned()).collect();
        let timeout = Duration::from_millis(millis);
        let check = ExecCheck::new(command, std::env::temp_dir(), timeout);
        check.ask().await.map_err(|failed| failed.why)
    }

    #[tokio::test]
    async fn a_command_passes_where_it_ends_well_and_says_why_where_not() {
        assert_eq!(asked(&["sh", "-c", "exit 0"], 5_000).await, Ok("`sh` ended well".to_owned()));
        let why = asked(&["sh", "-c", "echo first; echo no rows >&2; exit 3"], 5_000).await;
        assert_eq!(why, Err("`sh` ended with exit status: 3: no rows".to_owned()));
        let why = asked(&["/no/such/program"], 5_000).await.unwrap_err();
        assert!(why.starts_with("`/no/such/program` cannot be run: "), "{why}");
    }

    #[tokio::test]
    async fn what_a_command_says_without_end_is_not_kept_and_what_it_leaves_behind_is_not_waited_for()
     {
        let line = "yes | head -c 20000000; echo the end; exit 3";
        let why = asked(&["sh", "-c", line], 20_000).await;
        assert_eq!(why, Err("`sh` ended with exit status: 3: the end".to_owned()));
        let began = crate::clock::monotonic();
        let left = asked(&["sh", "-c", "sleep 5 & exit 0"], 4_000).await;
        assert_eq!(left, Ok("`sh` ended well".to_owned()));
        assert!(crate::clock::monotonic() - began < Duration::from_secs(3));
    }

    #[tokio::test]
    async fn what_a_command_started_ends_with_it_where_it_takes_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let line = format!("sleep 600 & echo $! > {}; wait", pid.display());
        let why = asked(&["sh", "-c", &line], 300).await.unwrap_err();
        assert_eq!(why, "`sh` did not end within 0.3 s");
        let pid: i32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        let until = crate::clock::monotonic() + Duration::from_secs(5);
        let runs = || {
            std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .is_ok_and(|stat| !stat.contains(") Z "))
        };
        while runs() && crate::clock::monotonic() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!runs(), "{pid} still runs");
    }
}
