//! Processes that a command has left behind when it ended: its work may go on though visitors are let back. They are known by the
//! operation in their environment, whatever session they have put themselves into.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::files;
use crate::tasks::Tasks;

/// What tells a command, and all that it starts, of the operation.
pub(super) const MARK: &str = "ROADWORKS_OPERATION";
/// A process that is about to end may do so.
const ABOUT_TO_END: Duration = Duration::from_millis(200);
/// No environment is read further, and so many are named.
const MOST: usize = 1 << 20;
const NAMED: usize = 5;

/// A process that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leftover {
    pub(super) pid: u32,
    name: String,
}

/// Those that were started for `operation` and still run. Cancel safe.
pub(super) async fn left(operation: &str) -> Vec<Leftover> {
    if found(operation).await.is_empty() {
        return Vec::new();
    }
    tokio::time::sleep(ABOUT_TO_END).await;
    found(operation).await
}

/// As [`find`], on a thread of its own: a machine may have many processes. Where none can be started, none is found. Cancel safe.
async fn found(operation: &str) -> Vec<Leftover> {
    let (operation, (sender, found)) = (operation.to_owned(), oneshot::channel());
    let look = move || drop(sender.send(find(&operation)));
    match Tasks::new().start_thread("leftovers", look) {
        Ok(_) => found.await.unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// Where a system has no `/proc`, or shows them to their owner alone, none is found.
fn find(operation: &str) -> Vec<Leftover> {
    let mark = format!("{MARK}={operation}");
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<_> = pids
        .filter(|pid| *pid != own)
        .filter_map(|pid| {
            let folder = Path::new("/proc").join(pid.to_string());
            let environment = files::read_up_to(&folder.join("environ"), MOST).ok()??;
            let marked = environment.split(|byte| *byte == 0).any(|one| one == mark.as_bytes());
            marked.then(|| Leftover { pid, name: name(&folder) })
        })
        .collect();
    found.sort_by_key(|one| one.pid);
    found
}

fn name(folder: &Path) -> String {
    let name = fs::read(folder.join("comm")).unwrap_or_default();
    std::ffi::OsStr::from_bytes(name.trim_ascii()).to_string_lossy().into_owned()
}

/// What that means, for whoever ran `command`.
pub(super) fn in_words(left: &[Leftover], command: &str) -> Option<String> {
    if left.is_empty() {
        return None;
    }
    let named: Vec<_> =
        left.iter().take(NAMED).map(|one| format!("{} `{}`", one.pid, one.name)).collect();
    let more = if left.len() > NAMED { ", .." } else { "" };
    let (what, goes) = if left.len() == 1 { ("a process", "goes") } else { ("processes", "go") };
    Some(format!(
        "warning: {command} has ended, and {what} that it started {goes} on: pid {}{more}. Nobody waits for that work: visitors may come back while it is done. Let {command} wait for it, or stay in the foreground",
        named.join(", ")
    ))
}
