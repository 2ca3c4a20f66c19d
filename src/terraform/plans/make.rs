//! Runs the Terraform on PATH to make the two plans.
//!
//! Locks nothing, refreshes nothing, applies nothing. The plans, which hold secrets, are in a folder that only we may
//! read, and that is gone when the future is.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::{LARGEST_PLAN, PlansError};

/// What Terraform says beside the plan; more is not read.
const MOST_SAID: u64 = 64 * 1024;
/// How much of it goes into an error: its last words.
const SHOWN: usize = 1200;

/// A value for Terraform's command line, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// `-var NAME=VALUE`
    Variable(String),
    /// `-var-file FILE`, relative to where we are.
    VariableFile(PathBuf),
}

/// Which plans to make.
#[derive(Debug, Clone)]
pub struct Request {
    /// The root module, initialised.
    pub folder: PathBuf,
    /// The boolean.
    pub variable: String,
    /// What the user passes besides.
    pub arguments: Vec<Argument>,
    /// `-state`, relative to where we are.
    pub state: Option<PathBuf>,
    /// For each run of Terraform; five minutes unless somebody knows better.
    pub deadline: Duration,
}

impl Request {
    /// The plans of a folder, with nothing passed.
    pub fn of(folder: &Path, variable: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            variable: variable.to_owned(),
            arguments: Vec::new(),
            state: None,
            deadline: Duration::from_mins(5),
        }
    }

    fn plan(&self, value: &str, out: &OsStr) -> Result<Vec<OsString>, PlansError> {
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|source| PlansError::Run { step: "plan", source })
        };
        let mut line: Vec<OsString> =
            ["plan", "-refresh=false", "-lock=false", "-input=false", "-no-color"]
                .map(OsString::from)
                .into();
        for argument in &self.arguments {
            match argument {
                Argument::Variable(text) => line.extend(["-var".into(), text.into()]),
                Argument::VariableFile(path) => {
                    line.extend(["-var-file".into(), absolute(path)?.into()]);
                }
            }
        }
        if let Some(state) = &self.state {
            line.extend(["-state".into(), absolute(state)?.into()]);
        }
        // Last, so that it wins over whatever the user passes.
        line.extend(["-var".into(), format!("{}={value}", self.variable).into()]);
        line.extend(["-out".into(), out.to_owned()]);
        Ok(line)
    }

    /// The same by hand, for whoever has no Terraform here. Values of other variables may be secrets and are left out.
    fn commands(&self) -> Vec<String> {
        let folder = word(&self.folder.display().to_string());
        let passed: String = self.arguments.iter().map(by_hand).collect();
        let one = |value: &str, name: &str| {
            let switch = word(&format!("{}={value}", self.variable));
            let file = name.to_lowercase();
            format!(
                "terraform -chdir={folder} plan -refresh=false -lock=false -input=false{passed} -var {switch} -out {file}.plan && terraform -chdir={folder} show -json {file}.plan > {name}.json"
            )
        };
        vec![
            one("false", "LIVE"),
            one("true", "MAINTENANCE"),
            "roadworks plan -from-plans LIVE.json MAINTENANCE.json".into(),
        ]
    }
}

/// Makes both plans and gives them as `terraform show -json` prints them: live, maintenance.
///
/// Cancel safe: dropping the future kills Terraform and removes the plans.
pub async fn make(request: &Request) -> Result<(Vec<u8>, Vec<u8>), PlansError> {
    make_with(OsStr::new("terraform"), request).await
}

async fn make_with(program: &OsStr, request: &Request) -> Result<(Vec<u8>, Vec<u8>), PlansError> {
    let only_us = std::fs::Permissions::from_mode(0o700);
    let place = tempfile::Builder::new()
        .prefix("roadworks-plans-")
        .permissions(only_us)
        .tempdir()
        .map_err(|source| PlansError::Run { step: "plan", source })?;
    let run = Run { program, request };
    let live = run.one("false", &place.path().join("live")).await?;
    let maintenance = run.one("true", &place.path().join("maintenance")).await?;
    Ok((live, maintenance))
}

struct Run<'a> {
    program: &'a OsStr,
    request: &'a Request,
}

impl Run<'_> {
    async fn one(&self, value: &str, out: &Path) -> Result<Vec<u8>, PlansError> {
        self.terraform("plan", &self.request.plan(value, out.as_os_str())?).await?;
        let show = ["show", "-json", "-no-color"].map(OsString::from);
        let show: Vec<OsString> = show.into_iter().chain([out.into()]).collect();
        self.terraform("show", &show).await
    }

    async fn terraform(
        &self,
        step: &'static str,
        arguments: &[OsString],
    ) -> Result<Vec<u8>, PlansError> {
        let limit = self.request.deadline;
        let run = self.spoken(step, arguments);
        tokio::time::timeout(limit, run).await.unwrap_or(Err(PlansError::TooSlow { step, limit }))
    }

    async fn spoken(
        &self,
        step: &'static str,
        arguments: &[OsString],
    ) -> Result<Vec<u8>, PlansError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound if self.request.folder.is_dir() => {
                PlansError::NoTerraform { commands: self.request.commands() }
            }
            _ => PlansError::Run { step, source },
        };
        let mut child = Command::new(self.program)
            .args(arguments)
            .current_dir(&self.request.folder)
            .env("TF_IN_AUTOMATION", "1")
            // Without it Terraform asks its maker whether there is a newer one.
            .env("CHECKPOINT_DISABLE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (out, said) = tokio::try_join!(all(stdout, LARGEST_PLAN), start(stderr))
            .map_err(|source| PlansError::Run { step, source })?;
        let status = child.wait().await.map_err(|source| PlansError::Run { step, source })?;
        if status.success() {
            return Ok(out);
        }
        let said = if said.is_empty() { out } else { said };
        Err(PlansError::Failed { step, said: last_words(&said) })
    }
}

/// Everything, or an error when it is more than `limit`.
async fn all(pipe: Option<impl AsyncRead + Unpin>, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let Some(pipe) = pipe else { return Ok(bytes) };
    pipe.take(limit + 1).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it printed more than {limit} bytes")));
    }
    Ok(bytes)
}

/// The beginning; the rest is read and let go, so that Terraform never waits for us.
async fn start(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let Some(mut pipe) = pipe else { return Ok(bytes) };
    (&mut pipe).take(MOST_SAID).read_to_end(&mut bytes).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

/// The last words in one line, without the frame that Terraform draws around errors.
fn last_words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let words: Vec<&str> =
        text.split_whitespace().filter(|word| !word.chars().all(|c| "│╷╵".contains(c))).collect();
    let line: Vec<char> = words.join(" ").chars().filter(|c| !c.is_control()).collect();
    line.get(line.len().saturating_sub(SHOWN)..).unwrap_or_default().iter().collect()
}

/// An argument for a shell, with a space before it, without a value that may be a secret.
fn by_hand(argument: &Argument) -> String {
    match argument {
        Argument::Variable(text) => {
            let name = text.split_once('=').map_or(text.as_str(), |(name, _)| name);
            format!(" -var {}", word(&format!("{name}=...")))
        }
        Argument::VariableFile(path) => {
            format!(" -var-file {}", word(&path.display().to_string()))
        }
    }
}

/// A word for a shell.
fn word(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "._-/=:,".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Terraform that is a shell script.
    struct Fake {
        folder: tempfile::TempDir,
    }

    impl Fake {
        fn new(script: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let program = folder.path().join("terraform");
            // Written by another process: a test beside this one that forks while we hold the file open for writing
            // would make it "text file busy".
            let write = std::process::Command::new("sh")
                .args([
                    "-c",
                    r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod 755 "$2""#,
                    "sh",
                    script,
                ])
                .arg(&program)
                .status();
            assert!(write.unwrap().success());
            Self { folder }
        }

        fn request(&self) -> Request {
            Request::of(self.folder.path(), "maintenance_mode")
        }

        async fn make(&self, request: &Request) -> Result<(Vec<u8>, Vec<u8>), PlansError> {
            make_with(self.folder.path().join("terraform").as_os_str(), request).await
        }

        fn said(&self, file: &str) -> String {
            std::fs::read_to_string(self.folder.path().join(file)).unwrap()
        }
    }

    /// Notes its arguments; `plan` writes them where `-out` says, `show` prints what is there.
    const HONEST: &str = r#"echo "$@" >> said
case "$1" in
  plan) while [ $# -gt 1 ]; do shift; done; ls -ld "$(dirname "$1")" > mode; echo "$1" > "$1"; dirname "$1" >> places;;
  show) cat "$4";;
esac"#;

    #[tokio::test]
    async fn two_plans_are_made_without_lock_or_refresh_and_removed() {
        let fake = Fake::new(HONEST);
        let (live, maintenance) = fake.make(&fake.request()).await.unwrap();
        assert!(live.ends_with(b"/live\n") && maintenance.ends_with(b"/maintenance\n"));
        let said = fake.said("said");
        let plan = "plan -refresh=false -lock=false -input=false -no-color -var maintenance_mode=";
        assert!(said.contains(&format!("{plan}false -out /")), "{said}");
        assert!(said.contains(&format!("{plan}true -out /")), "{said}");
        assert!(fake.said("mode").starts_with("drwx------"), "{}", fake.said("mode"));
        for place in fake.said("places").lines() {
            assert!(!Path::new(place).exists(), "{place} is left behind");
        }
    }

    #[tokio::test]
    async fn what_the_user_passes_stands_before_the_switch() {
        let fake = Fake::new(HONEST);
        let mut request = fake.request();
        request.arguments = vec![
            Argument::VariableFile("/etc/prod.tfvars".into()),
            Argument::Variable("maintenance_mode=true".into()),
        ];
        request.state = Some("/tmp/x.tfstate".into());
        fake.make(&request).await.unwrap();
        let wanted = "-var-file /etc/prod.tfvars -var maintenance_mode=true -state /tmp/x.tfstate -var maintenance_mode=false -out";
        assert!(fake.said("said").contains(wanted), "{}", fake.said("said"));
    }

    #[tokio::test]
    async fn a_plan_that_fails_says_so_in_terraforms_words() {
        let fake = Fake::new("echo '│ Error: No value for required variable' >&2; exit 1");
        let error = fake.make(&fake.request()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`terraform plan` failed: Error: No value for required variable"
        );
    }

    #[tokio::test]
    async fn a_terraform_that_hangs_is_given_up_and_killed() {
        let fake = Fake::new("echo $$ > pid; exec sleep 60");
        let mut request = fake.request();
        request.deadline = Duration::from_secs(1);
        let error = fake.make(&request).await.unwrap_err();
        assert!(matches!(error, PlansError::TooSlow { step: "plan", .. }), "{error:?}");
        let process = PathBuf::from(format!("/proc/{}/exe", fake.said("pid").trim()));
        let gone = async {
            while std::fs::read_link(&process).is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    }

    #[tokio::test]
    async fn a_terraform_that_talks_without_end_on_the_side_does_not_stop_us() {
        let fake = Fake::new("head -c 1000000 /dev/zero >&2; exit 3");
        let error = fake.make(&fake.request()).await.unwrap_err();
        assert!(matches!(error, PlansError::Failed { .. }), "{error:?}");
        assert!(error.to_string().len() < 2000);
    }

    #[tokio::test]
    async fn without_terraform_the_commands_are_given_and_no_secret_is() {
        let mut request = Request::of(Path::new("/"), "maintenance_mode");
        request.arguments = vec![Argument::Variable("password=hunter2".into())];
        let error = make_with(OsStr::new("/nowhere/terraform"), &request).await.unwrap_err();
        let hint = error.hint();
        assert!(
            hint.contains("-var password=... -var maintenance_mode=false -out live.plan"),
            "{hint}"
        );
        assert!(hint.contains("terraform -chdir=/ show -json live.plan > LIVE.json"), "{hint}");
        assert!(hint.contains("-from-plans LIVE.json MAINTENANCE.json"), "{hint}");
        assert!(!hint.contains("hunter2"));
    }
}
