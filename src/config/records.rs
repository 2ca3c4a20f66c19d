//! The records that the switch moves, with both their targets, wherever they were learned.

use serde::{Deserialize, Serialize};

pub use crate::terraform::{RecordKey, RecordSet, Routing, Target};

/// A record that says one thing while the site is open and another in maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchedRecord {
    /// Where it is written: `aws_route53_record.environment`, or the block of roadworks.hcl.
    pub address: String,
    /// Which record.
    pub key: RecordKey,
    /// What it says while the site is open; `None` where it does not exist then, or is still to be looked up.
    pub live: Option<RecordSet>,
    /// What it says in maintenance; `None` likewise.
    pub maintenance: Option<RecordSet>,
}

impl SwitchedRecord {
    /// `NAME TYPE [set_identifier]`, as a plan names it.
    pub fn target(&self) -> String {
        let RecordKey { name, kind, set_identifier, .. } = &self.key;
        match set_identifier {
            Some(identifier) => format!("{name} {kind} {identifier}"),
            None => format!("{name} {kind}"),
        }
    }
}
