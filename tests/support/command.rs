//! The built binary, run with a clean environment and a deadline.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Longer than any run of a test: a run that takes it is killed, and the test fails.
const DEADLINE: &str = "90s";
/// Names a longer one, for what is run at night.
const LONGER: &str = "ROADWORKS_TEST_DEADLINE";

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The one JSON object on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }

    /// The one JSON object on stderr: `error` of it.
    pub(crate) fn error(&self) -> Value {
        let error: Value = serde_json::from_str(self.stderr.trim())
            .unwrap_or_else(|error| panic!("not one JSON object on stderr ({error}): {self:#?}"));
        error["error"].clone()
    }

    /// Fails the test unless the exit code is `code`.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

/// `roadworks` in `folder`, whose home, credentials and AWS are the test's own. `around` is what it is run by.
pub(crate) fn roadworks(folder: &Path, endpoint: &str, around: &[&OsStr]) -> Command {
    of(Path::new(env!("CARGO_BIN_EXE_roadworks")), folder, endpoint, around)
}

/// [`roadworks`], from a copy of the binary.
pub(crate) fn of(binary: &Path, folder: &Path, endpoint: &str, around: &[&OsStr]) -> Command {
    let mut command = Command::new("timeout");
    let deadline = std::env::var(LONGER).unwrap_or_else(|_| DEADLINE.to_owned());
    command.args(["--signal=KILL", &deadline]).args(around).arg(binary);
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder.join(".home"))
        .env("USER", "ana")
        .env("TZ", "UTC")
        .env("LC_ALL", "C.UTF-8")
        .env("NO_COLOR", "1")
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        // Not this machine's own.
        .env("ROADWORKS_RESOLVERS", "");
    command
}

/// The same without the `timeout` around it, which would not pass a signal on.
pub(crate) fn interruptible(command: &Command) -> Command {
    let words: Vec<_> = command.get_args().skip(2).map(ToOwned::to_owned).collect();
    let mut plain = Command::new(&words[0]);
    plain.args(&words[1..]).env_clear().stdin(Stdio::null());
    plain.current_dir(command.get_current_dir().expect("it has a folder"));
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            plain.env(name, value);
        }
    }
    plain
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> Ran {
    command.output().expect("the binary starts").into()
}
