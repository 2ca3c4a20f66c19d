//! The configuration that counts, and the sites of it as their agents see them.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::context::Context;
use super::super::report::message;
use crate::agent::{Opener, Site};
use crate::config::{Config, NotifyConfig, SiteConfig};
use crate::store::AnyStore;

/// The configuration that counts, whatever the file says now.
#[derive(Clone)]
pub(super) struct Current(Arc<Mutex<(u64, Arc<Config>)>>);

impl Current {
    pub(super) fn new(config: Arc<Config>) -> Current {
        Current(Arc::new(Mutex::new((0, config))))
    }

    pub(super) fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// How often another one came.
    fn edition(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn set(&self, config: Arc<Config>) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *current = (current.0 + 1, config);
    }
}

/// A site with its levers, for its agent.
pub(super) struct Opened {
    pub(super) context: Context,
    pub(super) config: Current,
    pub(super) name: String,
}

impl Opener<AnyStore> for Opened {
    fn edition(&self) -> u64 {
        self.config.edition()
    }

    fn pauses(&self) -> bool {
        let config = self.config.get();
        let site = config.sites.iter().find(|site| name(site) == self.name);
        site.is_some_and(|site| !site.databases.is_empty())
    }

    fn told(&self) -> Vec<NotifyConfig> {
        let config = self.config.get();
        let site = config.sites.iter().find(|site| name(site) == self.name);
        site.map(|site| site.notify.clone()).unwrap_or_default()
    }

    async fn open(&self) -> Result<Site<AnyStore>, String> {
        let config = self.config.get();
        let Some(site) = config.sites.iter().find(|site| name(site) == self.name) else {
            return Err(format!("there is no site \"{}\" any more", self.name));
        };
        match Box::pin(self.context.open_site(&config, site)).await {
            Ok(opened) => Ok(opened.site),
            Err(error) => Err(message(&error)),
        }
    }
}

/// A bare folder's site has no name before its records are known.
pub(super) fn name(site: &SiteConfig) -> String {
    site.name.clone().unwrap_or_else(|| "site".to_owned())
}
