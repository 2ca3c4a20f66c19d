//! A check by a command: it passes where the command ends well.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::{Asked, Check, Failed};

/// So much of what a command said last is told.
const MOST_SAID: usize = 300;

/// So much of what it says is kept at any time.
const KEPT: usize = 4 << 10;
/// How long what a command said may take to arrive once it has ended.
const GRACE: Duration = Duration::from_millis(200);

/// A command.
#[derive(Debug)]
pub struct ExecCheck {
    command: Vec<String>,
    folder: PathBuf,
    timeout: Duration,
}

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
        let ended = match tokio::time::timeout(self.timeout, self.run(program)).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => {
                let fix = "see that it is there, and may be run by whoever runs roadworks";
                return Err(failed(format!("cannot be run: {error}"), fix));
            }
            Err(_) => {
                let why = format!("did not end within {} s", self.timeout.as_secs_f64());
                return Err(failed(why, "see what it waits for, or give it more time: `timeout`"));
            }
        };
        let (status, said) = ended;
        if status.success() {
            return Ok(format!("`{program}` ended well"));
        }
        let said = said.iter().find_map(|said| last_line(said));
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        let why = format!("ended with {status}{said}");
        Err(failed(why, "run it by hand, and put right what it finds"))
    }

    /// Its end, and the last that it said on standard error and on standard output. What it left running on purpose, and perhaps
    /// still speaks, is its own.
    async fn run(&self, program: &str) -> std::io::Result<(ExitStatus, [Vec<u8>; 2])> {
        let mut child = Command::new(program)
            .args(self.command.iter().skip(1))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let mut group = Group(id.and_then(Pid::from_raw));
        let (mut errors, mut words) = (Vec::new(), Vec::new());
        let (stderr, stdout) = (child.stderr.take(), child.stdout.take());
        let status = {
            let heard = async {
                tokio::join!(last_of(stderr, &mut errors), last_of(stdout, &mut words));
            };
            let mut heard = std::pin::pin!(heard);
            let mut silent = false;
            let status = tokio::select! {
                status = child.wait() => status,
                () = &mut heard => {
                    silent = true;
                    child.wait().await
                }
            };
            if !silent {
                drop(tokio::time::timeout(GRACE, heard).await);
            }
            status?
        };
        group.0 = None;
        Ok((status, [errors, words]))
    }
}

/// Keeps the last of what is said in `kept`, for as long as it is polled.
async fn last_of(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut part = vec![0; KEPT];
    while let Ok(read) = pipe.read(&mut part).await
        && read > 0
    {
        kept.extend_from_slice(part.get(..read).unwrap_or_default());
        let over = kept.len().saturating_sub(KEPT);
        kept.drain(..over);
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

/// The last line that says something, and not too much of it.
fn last_line(said: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(said);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().filter(|one| !one.is_control()).take(MOST_SAID).collect())
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
