//! Targets that neither a state nor the configuration gives, asked of AWS, and said to be so. Only reads.

#[cfg(feature = "aws")]
mod asked;

pub(super) use asked::{switchboard, target};

use super::records::{RecordSet, SwitchedRecord, Target};
use crate::terraform::Known;

/// A target that is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedUp {
    /// What it is known by.
    pub known: Known,
    /// Whether Route 53 follows the target's health.
    pub evaluate_target_health: bool,
}

/// `records`, where a side of them is looked up.
pub(super) fn with(
    records: &[SwitchedRecord],
    live: Option<&Target>,
    maintenance: Option<&Target>,
) -> Vec<SwitchedRecord> {
    let set = |target: &Target| RecordSet {
        target: target.clone(),
        routing: None,
        health_check_id: None,
    };
    let with = |record: &SwitchedRecord| SwitchedRecord {
        live: live.map(set).or_else(|| record.live.clone()),
        maintenance: maintenance.map(set).or_else(|| record.maintenance.clone()),
        ..record.clone()
    };
    records.iter().map(with).collect()
}

#[cfg(not(feature = "aws"))]
mod asked {
    //! Of a program that cannot ask.
    use super::super::site::Account;
    use super::super::unresolved::Unresolved;
    use super::LookedUp;
    use crate::config::Target;
    use crate::terraform::{Folder, Inputs, State, Switchboard};

    pub(in crate::config) async fn target(
        wanted: &LookedUp,
        _account: &Account,
    ) -> Result<(Target, String), Unresolved> {
        Err(Unresolved::Unasked {
            message: format!(
                "{} cannot be looked up: this roadworks was built without AWS",
                wanted.known
            ),
            hint: "write its target out: alias = \"..\"".to_owned(),
            credentials: false,
        })
    }

    pub(in crate::config) async fn switchboard(
        _folder: &Folder,
        _inputs: &Inputs,
        _state: State,
        _account: &Account,
    ) -> Option<(Switchboard, Vec<String>)> {
        None
    }
}
