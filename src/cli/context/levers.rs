//! The levers that a site has, from what is known of it.

use crate::aws::{AssumeRole, Session, Settings};
use crate::balancer::Alb;
use crate::clock;
use crate::config::{
    Account, BalancerConfig, PageConfig, Resolved, SiteConfig, Variable, VariableWay,
};
use crate::lever::Lever;
use crate::page::{Page, Told};
use crate::pipeline::{VariableCommand, VariableFile};
use crate::switch::{Mode, Phase, Posture, Switch};

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

/// The listeners of a site, which answer with the page in its smallest form. That one has no template, and says the same
/// whenever it is made.
pub(in crate::cli) fn balancer_lever(
    session: Session,
    block: &BalancerConfig,
    site: &SiteConfig,
    name: &str,
) -> Alb {
    let plain = PageConfig { template: None, ..site.page.clone() };
    let page = Page::compile(&plain).unwrap_or_default();
    let now = clock::now();
    let posture =
        Posture { mode: Mode::Closed, operation: None, since: now, until: None, patience: None };
    let host = site.hosts.first().map(String::as_str);
    let forms = page.render(&Told { host, posture: Some(&posture), now });
    let nano = String::from_utf8_lossy(forms.nano()).into_owned();
    Alb::new(session, block, (name, &site.hosts), nano)
}

pub(in crate::cli) fn settings(account: &Account) -> Settings {
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
