//! What Terraform is asked, and what it says of a site; what was pinned, where it cannot be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::error::Error;
use super::{Context, Targets};
use crate::agent;
use crate::config::{self, Beside, Resolved, SiteConfig};
use crate::hcl::nearest;
use crate::store::{AnyStore, SiteStore};
use crate::terraform::backend::{Lock, LockHolder};
use crate::terraform::{Inputs, VariableInput};

/// The boolean's usual name.
const USUAL: &str = "maintenance_mode";

/// What Terraform's files and state say of a site.
pub(super) struct Known {
    pub(super) resolved: Resolved,
    pub(super) asked: Option<bool>,
    pub(super) locked_by: Option<LockHolder>,
    /// Why nothing is moved now that nobody asks for.
    pub(super) held_back: Option<String>,
}

impl Context {
    /// What Terraform says; what was pinned, where its state cannot be read.
    pub(super) async fn know(
        &self,
        site: &SiteConfig,
        store: &SiteStore<AnyStore>,
    ) -> Result<Known, Error> {
        // Pins are for the night when nothing else can be read; that they cannot be read themselves stops nobody else.
        let (pinned, unread) = match agent::pinned(store).await {
            Ok(pinned) => (pinned, None),
            Err(error) => (None, Some(format!("what was pinned is of no use: {error}"))),
        };
        let beside = Beside {
            plans: self.common.from_plans.as_deref(),
            pinned: pinned.as_ref().filter(|_| self.targets == Targets::PinnedWillDo),
        };
        let of_file = || site.terraform()?.variable.map(str::to_owned);
        let named = self.common.variable.clone().or_else(of_file);
        let mut switch = named.clone().unwrap_or_else(|| USUAL.to_owned());
        let mut inputs = self.inputs(site, named, &switch)?;
        let mut found = Box::pin(config::resolve(site, &inputs, beside)).await;
        // A boolean of another name is known only now: what -var says of it is what is asked, not what is so.
        if let Ok(Resolved { variable: Some(variable), .. }) = &found
            && variable.name != switch
            && self.given(&variable.name)?.is_some()
        {
            switch.clone_from(&variable.name);
            inputs = self.inputs(site, Some(switch.clone()), &switch)?;
            found = Box::pin(config::resolve(site, &inputs, beside)).await;
        }
        let mut resolved = match (found, pinned) {
            (Ok(mut resolved), pinned) => {
                resolved.with_pinned_rule(pinned.as_ref());
                resolved
            }
            (Err(error), Some(pinned)) if error.pins_will_do() => {
                pinned.resolved(site, &inputs, &error.to_string())?
            }
            (Err(error), _) => return Err(error.into()),
        };
        self.knows_every_variable(site, &switch)?;
        resolved.warnings.extend(unread);
        let lock = resolved.lock().await;
        let held_back = held_back(&lock, &resolved);
        let locked_by = locked_by(lock, &mut resolved.warnings);
        let asked = self.given(&switch)?;
        let asked = asked.map(|value| boolean(&switch, &value, &resolved)).transpose()?;
        Ok(Known { resolved, asked, locked_by, held_back })
    }

    /// The value that `-var` gives to `variable` last.
    fn given(&self, variable: &str) -> Result<Option<String>, Error> {
        let mut value = None;
        for input in &self.variables {
            if let VariableInput::Value(text) = input {
                let (name, given) = text.split_once('=').ok_or_else(|| Error::Usage {
                    message: "a -var has no value".to_owned(),
                    hint: "write -var NAME=VALUE".to_owned(),
                })?;
                if name.trim() == variable {
                    value = Some(given.to_owned());
                }
            }
        }
        Ok(value)
    }

    /// Where Terraform is not asked, nobody else would notice a `-var` of a name that does not exist: the switch is all.
    fn knows_every_variable(&self, site: &SiteConfig, switch: &str) -> Result<(), Error> {
        if site.terraform().is_some() {
            return Ok(());
        }
        let unknown = self.variables.iter().find_map(|input| match input {
            VariableInput::Value(text) => {
                text.split_once('=').map(|(name, _)| name.trim()).filter(|name| *name != switch)
            }
            VariableInput::File(_) => None,
        });
        let Some(name) = unknown else { return Ok(()) };
        Err(Error::Usage {
            message: format!("this site has no variable `{name}`"),
            hint: match nearest(name, [switch]) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the only one that it has is the switch: -var {switch}=true"),
            },
        })
    }

    /// What Terraform is to be evaluated with, without `switch`: that is what is asked, not what is so.
    fn inputs(
        &self,
        site: &SiteConfig,
        variable: Option<String>,
        switch: &str,
    ) -> Result<Inputs, Error> {
        // Every -var is looked at, so that one without a value is a mistake before anything is read.
        self.given(switch)?;
        let of_switch = |input: &&VariableInput| match input {
            VariableInput::Value(text) => {
                text.split_once('=').is_some_and(|(name, _)| name.trim() == switch)
            }
            VariableInput::File(_) => false,
        };
        let folder = site.terraform().map_or(PathBuf::from("."), |folder| folder.dir.to_owned());
        let variables = self.variables.iter().filter(|input| !of_switch(input)).cloned().collect();
        let state = self.common.state.clone();
        Ok(Inputs { folder, variables, environment: environment(), state, variable })
    }

    /// The same for a folder that no configuration speaks of.
    pub(in crate::cli) fn terraform_inputs(&self, folder: &Path) -> Inputs {
        Inputs {
            folder: folder.to_owned(),
            variables: self.variables.clone(),
            environment: environment(),
            state: self.common.state.clone(),
            variable: self.common.variable.clone(),
        }
    }
}

/// The environment, as far as Terraform reads it.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("TF_"))
        .collect()
}

/// What `-var switch=value` asks for.
fn boolean(switch: &str, value: &str, resolved: &Resolved) -> Result<bool, Error> {
    if let Some(variable) = &resolved.variable
        && variable.name != switch
    {
        return Err(Error::Usage {
            message: format!("{switch} is not the switch of this folder: {} is", variable.name),
            hint: format!("write -var {}={value}", variable.name),
        });
    }
    match value.trim().trim_matches('"') {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(Error::Usage {
            message: format!("{switch} is true or false, not `{other}`"),
            hint: format!("write -var {switch}=true"),
        }),
    }
}

/// Why what somebody else moved is not put back: perhaps an apply is under way, which moves the record to a target that is not
/// in the state yet.
fn held_back(lock: &Lock, resolved: &Resolved) -> Option<String> {
    match (lock, resolved.pinned_at) {
        (Lock::Held(holder), _) => Some(format!("{holder} holds the lock of the Terraform state")),
        (_, Some(at)) => Some(format!("its targets are known only as they were pinned at {at}")),
        (Lock::Unseen { why }, None) => {
            Some(format!("whether an apply of Terraform is under way cannot be seen: {why}"))
        }
        (Lock::Free, None) => None,
    }
}

/// Notes in `warnings` where a lock cannot be seen.
fn locked_by(lock: Lock, warnings: &mut Vec<String>) -> Option<LockHolder> {
    match lock {
        Lock::Free => None,
        Lock::Held(holder) => Some(holder),
        Lock::Unseen { why } => {
            warnings.push(format!("whether an apply is under way cannot be seen: {why}"));
            None
        }
    }
}
