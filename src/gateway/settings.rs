//! What a gateway is told once, and again at a reload: its sites, and how it runs on its machine.

use crate::config::{Config, GatewayConfig, PageConfig, ServeConfig};

/// All that a gateway needs to know beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Its sites, each with a gateway.
    pub sites: Vec<SiteSettings>,
    /// How the process runs.
    pub serve: ServeConfig,
}

impl Settings {
    /// Of all sites of the configuration that have a gateway.
    pub fn of(config: &Config) -> Settings {
        let sites = config.sites.iter().filter_map(|site| {
            let (name, gateway) = (site.name.clone()?, site.gateway.clone()?);
            Some(SiteSettings { name, hosts: site.hosts.clone(), gateway, page: site.page.clone() })
        });
        Settings { sites: sites.collect(), serve: config.serve.clone() }
    }
}

/// One site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteSettings {
    /// Its name.
    pub name: String,
    /// Its hosts, in lower case, some of them `*.example.com`. None means every Host.
    pub hosts: Vec<String>,
    /// What stands in front of its app.
    pub gateway: GatewayConfig,
    /// What its visitors read.
    pub page: PageConfig,
}
