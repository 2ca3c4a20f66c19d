//! A command of somebody's, run to its end, or killed with whatever it started.

use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

/// A command and whatever it started, which ends with this.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            #[expect(clippy::let_underscore_must_use, reason = "gone already is as good")]
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs `command` with nothing on its standard input, for at most `timeout`; `None` where it takes longer. Dropped midway, it
/// and what it started are killed.
pub async fn ended(command: &mut Command, timeout: Duration) -> io::Result<Option<Output>> {
    tokio::time::timeout(timeout, run(command)).await.ok().transpose()
}

async fn run(command: &mut Command) -> io::Result<Output> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group(id.and_then(Pid::from_raw));
    let ended = child.wait_with_output().await;
    // What it left running on purpose is its own.
    group.0 = None;
    ended
}

/// The last line that it said, standard error first, and not more than `most` characters of it.
pub fn last_words(ended: &Output, most: usize) -> Option<String> {
    [&ended.stderr, &ended.stdout].into_iter().find_map(|said| {
        let text = String::from_utf8_lossy(said);
        let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        Some(line.chars().filter(|one| !one.is_control()).take(most).collect())
    })
}
