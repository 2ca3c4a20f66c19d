//! A site of the configuration -> its records with both targets, and what is known of the boolean behind them.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::records::SwitchedRecord;
use super::site::Account;

/// A site whose targets are known.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Its name.
    pub name: String,
    /// The records that the switch moves.
    pub records: Vec<SwitchedRecord>,
    /// The boolean behind them; `None` where the records are written out.
    pub variable: Option<Variable>,
    /// The folder of the `.tf` files, if there is one.
    pub folder: Option<PathBuf>,
    /// What a person should know before moving anything.
    pub warnings: Vec<String>,
    /// SHA-256 of what was read, if Terraform's files were.
    pub digest: Option<String>,
    /// Whose credentials move the records.
    pub account: Account,
}

/// The boolean that is the switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value now, by Terraform's precedence.
    pub value: bool,
    /// Its value if `roadworks.auto.tfvars.json` did not exist.
    pub without: bool,
    /// What has a higher precedence than that file, for a person.
    pub overruled_by: Option<String>,
    /// The folder's workspaces.
    pub workspaces: Vec<String>,
}

/// What a successful plan leaves behind, so that a flip in an incident needs neither state nor backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// The format of this document.
    pub format: u32,
    /// When it was resolved.
    pub at: Timestamp,
    /// The site's name.
    pub site: String,
    /// SHA-256 of Terraform's files then.
    pub digest: Option<String>,
    /// The records with both targets.
    pub records: Vec<SwitchedRecord>,
    /// The boolean.
    pub variable: Option<Variable>,
}

impl Resolved {
    /// What to keep for the night when it cannot be resolved.
    pub fn pinned(&self, now: Timestamp) -> Pinned {
        Pinned {
            format: 1,
            at: now,
            site: self.name.clone(),
            digest: self.digest.clone(),
            records: self.records.clone(),
            variable: self.variable.clone(),
        }
    }
}

impl Pinned {
    /// Whether it says the same as `other`, whenever either was made.
    pub fn says_the_same(&self, other: &Pinned) -> bool {
        self == &Pinned { at: self.at, ..other.clone() }
    }
}
