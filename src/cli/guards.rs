//! The guards of `serve`: which there are, and what is in their way, with the place in roadworks.hcl.

use std::path::Path;
use std::sync::Arc;

use super::context::Context;
use super::error::Error;
use crate::config::{Config, RedisConfig, SiteConfig};
use crate::hcl::Diagnostic;
use crate::redis::{self, Guarded, Guards};
use crate::tasks::Tasks;

/// All guards that `config` has, each with its site's name.
pub(super) fn guarded(config: &Config) -> Vec<(String, RedisConfig)> {
    let of_site = |site: &SiteConfig| {
        let name = site.name.clone().unwrap_or_else(|| "site".to_owned());
        site.redis.iter().map(move |redis| (name.clone(), redis.clone())).collect::<Vec<_>>()
    };
    config.sites.iter().flat_map(of_site).collect()
}

/// The guards that `config` has, begun in this process: its id, and its folder.
pub(super) async fn guards(
    config: &Config,
    process: (&str, &Path),
    tasks: &Tasks,
) -> Result<Option<Arc<Guards>>, Error> {
    let wanted = guarded(config);
    if wanted.is_empty() {
        return Ok(None);
    }
    let mut all = Vec::new();
    for site in config.sites.iter().filter(|site| !site.redis.is_empty()) {
        let store = Context::store(config, site).await?;
        let name = site.name.clone().unwrap_or_else(|| "site".to_owned());
        let guarded = |redis: &RedisConfig| Guarded {
            site: name.clone(),
            config: redis.clone(),
            store: store.clone(),
        };
        all.extend(site.redis.iter().map(guarded));
    }
    let machine = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = config.serve.cores.unwrap_or_else(machine);
    let started = Guards::start(&all, process, cores, tasks).await;
    started.map(|guards| Some(Arc::new(guards))).map_err(|error| unserved(&wanted, &error))
}

fn unserved(wanted: &[(String, RedisConfig)], error: &redis::Error) -> Error {
    let mut message = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        message = format!("{message}: {source}");
    }
    let hint = error.hint();
    let spot = match error {
        redis::Error::Listen { guard, place, .. } => wanted
            .iter()
            .map(|(_, one)| one)
            .filter(|one| one.name == *guard)
            .map(|one| one.spots.wrong(&format!("listen {place}"), message.clone()))
            .find(|spot| spot.place.is_some()),
        redis::Error::Journal { guard, path, .. } => wanted
            .iter()
            .map(|(_, one)| one)
            .filter(|one| one.name == *guard)
            .filter(|one| {
                let journal = one.journal.as_ref();
                journal.is_some_and(|journal| journal.path.as_ref() == Some(path))
            })
            .map(|one| one.spots.wrong("journal", message.clone()))
            .find(|spot| spot.place.is_some()),
        redis::Error::State { .. } | redis::Error::Start(_) => None,
    };
    let spot = spot.map(|spot| Box::new(Diagnostic { hint: Some(hint.clone()), ..spot }));
    Error::Unserved { message, hint, spot }
}
