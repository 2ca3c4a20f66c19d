//! A command of somebody's, run to its end, or killed with whatever it started.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
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

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code, or the signal.
    pub status: ExitStatus,
    /// The last that it said on standard error, and on standard output.
    said: [Vec<u8>; 2],
}

/// So much of what it says is kept at any time.
const KEPT: usize = 4 << 10;
/// How long what a command said may take to arrive once it has ended.
const GRACE: Duration = Duration::from_millis(200);

/// Runs `command` with nothing on its standard input, for at most `timeout`; `None` where it takes longer. Dropped midway, it
/// and what it started are killed. What it left running on purpose, and perhaps still speaks, is its own.
pub async fn ended(command: &mut Command, timeout: Duration) -> io::Result<Option<Ended>> {
    ended_after(command, timeout, KEPT).await
}

/// The same, where up to `kept` bytes of what it says are wanted.
pub async fn ended_after(
    command: &mut Command,
    timeout: Duration,
    kept: usize,
) -> io::Result<Option<Ended>> {
    tokio::time::timeout(timeout, run(command, kept)).await.ok().transpose()
}

async fn run(command: &mut Command, kept: usize) -> io::Result<Ended> {
    let mut child = command
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
            tokio::join!(last_of(stderr, &mut errors, KEPT), last_of(stdout, &mut words, kept));
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
    Ok(Ended { status, said: [errors, words] })
}

/// Keeps the last of what is said in `kept`, and not more than `most`, for as long as it is polled.
async fn last_of(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>, most: usize) {
    let Some(mut pipe) = pipe else { return };
    let mut part = vec![0; KEPT];
    while let Ok(read) = pipe.read(&mut part).await
        && read > 0
    {
        kept.extend_from_slice(part.get(..read).unwrap_or_default());
        let over = kept.len().saturating_sub(most);
        kept.drain(..over);
    }
}

/// What it said on standard output, as far as it was kept.
pub fn output(ended: &Ended) -> String {
    let [_, words] = &ended.said;
    String::from_utf8_lossy(words).into_owned()
}

/// The last line that it said, standard error first, and not more than `most` characters of it.
pub fn last_words(ended: &Ended, most: usize) -> Option<String> {
    ended.said.iter().find_map(|said| {
        let text = String::from_utf8_lossy(said);
        let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        Some(line.chars().filter(|one| !one.is_control()).take(most).collect())
    })
}
