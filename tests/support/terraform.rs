//! Real Terraform with the real AWS provider, where a machine has them. Elsewhere the test that wants them writes its
//! name where script/test prints it: left out, never in silence.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::{Ran, run};

/// Where a filesystem mirror may be.
const MIRRORS: [&str; 3] =
    ["/opt/tf-plugins", "/usr/share/terraform/plugins", "/usr/local/share/terraform/plugins"];

pub(crate) struct Terraform {
    mirror: PathBuf,
}

impl Terraform {
    /// The machine's Terraform, or `None` after `test` is reported as skipped.
    pub(crate) fn here(test: &str) -> Option<Terraform> {
        let listed = env::var("ROADWORKS_TEST_TF_MIRROR").ok();
        let mirrors = listed.as_deref().into_iter().chain(MIRRORS).map(PathBuf::from);
        let mirror = mirrors
            .into_iter()
            .find(|mirror| mirror.join("registry.terraform.io/hashicorp/aws").is_dir());
        let program = Command::new("terraform").arg("-version").output().is_ok();
        let found = mirror.filter(|_| program);
        if found.is_none() {
            skipped(test, "terraform on PATH and a filesystem mirror with hashicorp/aws");
        }
        found.map(|mirror| Terraform { mirror })
    }

    /// `terraform` in `folder`, talking to `endpoint`.
    pub(crate) fn run(&self, folder: &Path, endpoint: &str, words: &[&str]) -> Ran {
        let config = folder.join(".terraformrc");
        let mirror = self.mirror.display();
        let text = format!(
            "disable_checkpoint = true\nprovider_installation {{\n  filesystem_mirror {{\n    path = \"{mirror}\"\n  }}\n}}\n"
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", "280s", "terraform"]).args(words).current_dir(folder);
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder)
            .env("TF_CLI_CONFIG_FILE", config)
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        run(&mut command)
    }
}

/// Writes down that `test` was left out, where script/test reads it.
pub(crate) fn skipped(test: &str, lacking: &str) {
    let Some(path) = env::var_os("ROADWORKS_TEST_SKIPPED") else { return };
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    writeln!(file, "{test}: needs {lacking}").unwrap();
}
