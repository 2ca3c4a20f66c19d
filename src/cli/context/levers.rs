//! The levers that a site has, from what is known of it.

use crate::aws::{AssumeRole, Settings};
use crate::config::{Account, Resolved, Variable, VariableWay};
use crate::lever::Lever;
use crate::pipeline::{VariableCommand, VariableFile};
use crate::switch::{Mode, Phase, Switch};

pub(super) fn variable_lever(
    way: &VariableWay,
    resolved: &Resolved,
    switch: Option<&Switch>,
) -> Option<Box<dyn Lever>> {
    let Variable { name, without, audience, spelling, overruled_by, workspaces, .. } =
        resolved.variable.as_ref()?;
    match way {
        VariableWay::None => None,
        VariableWay::Tfvars { chosen } => {
            let lever = VariableFile::new(resolved.folder.as_deref()?, name, *without)
                .heard_by(*audience)
                .spelled(*spelling)
                .overruled_by(overruled_by.clone());
            let others = if *chosen { Vec::new() } else { workspaces.clone() };
            Some(Box::new(lever.among(others)))
        }
        VariableWay::Command(command) => {
            let told = match switch.map(|switch| (switch.mode, switch.phase)) {
                None => Some(false),
                Some((mode, Phase::Moved { .. })) => Some(mode == Mode::Detour),
                Some((_, Phase::Moving)) => None,
            };
            Some(Box::new(VariableCommand::new(name, command.clone(), told)))
        }
    }
}

pub(super) fn settings(account: &Account) -> Settings {
    let role = account.assume_role.clone();
    Settings {
        profile: account.profile.clone(),
        region: account.region.clone(),
        assume_role: role.map(|role_arn| AssumeRole {
            role_arn,
            external_id: None,
            session_name: None,
        }),
    }
}
