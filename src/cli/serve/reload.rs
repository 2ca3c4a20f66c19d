//! Another configuration under a running process: all of it, or none.

use std::sync::Arc;

use sd_notify::NotifyState;
use serde_json::Value;

use super::super::args::Role;
use super::super::context::Context;
use super::super::error::Error;
use super::super::guards::guarded;
use super::super::report::{error_object, message, place};
use super::super::unserved::unserved;
use super::current::name;
use super::served::{Served, postures, tell};
use super::warn_of;
use crate::config::Config;
use crate::gateway::Gateway;

impl Served {
    /// Reads the configuration again, and says what is wrong with it in log, status and answer.
    pub(super) async fn reloaded(&mut self) -> Result<(), Value> {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            tell(&[NotifyState::Reloading, now]);
        }
        let done = self.reload().await;
        match &done {
            Ok(()) => {
                tracing::info!("reloaded");
                tell(&[NotifyState::Ready, NotifyState::Status(&self.status())]);
            }
            Err(error) => {
                if let Some(gateway) = &self.gateway {
                    gateway.metrics().not_reloaded();
                }
                let told = placed(error);
                tracing::error!(hint = error.hint(), "not reloaded: {told}");
                let status = format!("{}; the last reload was refused: {told}", self.status());
                tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
            }
        }
        done.map_err(|error| error_object(&error))
    }

    async fn reload(&mut self) -> Result<(), Error> {
        let config = Arc::new(self.context.config()?.whole()?);
        if Context::state(&config) != self.state {
            return Err(Error::Unserved {
                message: "the state folder changes only at a restart".to_owned(),
                hint: "restart, or leave `state` as it is".to_owned(),
                spot: None,
            });
        }
        if config.store != self.config.get().store {
            return Err(Error::Unserved {
                message: "the `store` changes only at a restart".to_owned(),
                hint: "open the site, restart every `roadworks serve`, and move the switch there"
                    .to_owned(),
                spot: None,
            });
        }
        if self.role.is_none() && config.nameserver != self.config.get().nameserver {
            return Err(Error::Unserved {
                message: "the `nameserver` block changes only at a restart".to_owned(),
                hint: "restart `roadworks serve`, or leave the block as it is".to_owned(),
                spot: None,
            });
        }
        if self.role != Some(Role::Agent) && guarded(&config) != guarded(&self.config.get()) {
            return Err(Error::Unserved {
                message: "the `redis` blocks change only at a restart".to_owned(),
                hint: "restart `roadworks serve`, or leave the blocks as they are".to_owned(),
                spot: None,
            });
        }
        let follows = self.begin(&config).await?;
        let listens = |gateway: &Arc<Gateway>| !gateway.addresses().is_empty();
        if !follows.is_empty() && !self.gateway.as_ref().is_some_and(listens) {
            return Err(Error::Unserved {
                message: "the first gateway of a process comes only at a restart".to_owned(),
                hint: "restart `roadworks serve`".to_owned(),
                spot: None,
            });
        }
        if let Some(gateway) = &self.gateway {
            gateway
                .reload(&self.settings(&config), &postures(&follows))
                .map_err(|error| unserved(&config, &error))?;
        }
        warn_of(&config);
        self.leave(&config).await;
        self.config.set(Arc::clone(&config));
        self.see_to(&config, follows).await
    }

    /// Lets go of sites that are no longer in the configuration.
    async fn leave(&mut self, config: &Config) {
        for running in self.crew.names() {
            if !config.sites.iter().any(|site| name(site) == running) {
                self.crew.leave(&running).await;
            }
        }
    }
}

/// The message, and where in which file.
fn placed(error: &Error) -> String {
    match place(error) {
        Some(place) => format!("{place}: {}", message(error)),
        None => message(error),
    }
}
