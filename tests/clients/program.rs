//! Where the clients are that script/test installs, and how one is started.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::terraform::skipped;

/// Longer than any of them takes.
const DEADLINE: &str = "60s";

/// The Python of the clients, or `None` after `test` is reported as skipped.
pub(crate) fn python(test: &str) -> Option<PathBuf> {
    let found = env::var_os("ROADWORKS_TEST_CLIENTS").map(PathBuf::from);
    if found.is_none() {
        skipped(
            test,
            "Python's requests, httpx, aiohttp, grpcio and others, which script/test installs",
        );
    }
    found
}

/// Whether that Python has this package; `test` is reported as skipped where not.
pub(crate) fn has(test: &str, package: &str) -> bool {
    let Some(python) = python(test) else { return false };
    let tried = Command::new(python).args(["-c", &format!("import {package}")]).output().unwrap();
    if !tried.status.success() {
        skipped(test, &format!("Python's {package}, which script/test installs"));
    }
    tried.status.success()
}

/// Node, or `None` after `test` is reported as skipped.
pub(super) fn node(test: &str) -> Option<PathBuf> {
    let path: OsString = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join("node")).find(|it| it.is_file());
    if found.is_none() {
        skipped(test, "node, which script/test installs");
    }
    found
}

/// A program of tests/clients, run by this interpreter, which ends in time whatever happens.
pub(super) fn script(interpreter: &Path, name: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--signal=TERM", "--kill-after=5s", DEADLINE]).arg(interpreter);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name));
    command
}
