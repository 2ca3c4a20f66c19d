//! The nameserver of `serve`: where its file is, and what is in its way, with the place in roadworks.hcl.

use std::path::PathBuf;

use super::context::Context;
use super::error::Error;
use crate::config::Config;
use crate::dns::nameserver::{self, Nameserver};
use crate::hcl::Diagnostic;
use crate::tasks::Tasks;

/// The nameserver that `config` has, begun.
pub(super) fn nameserver(config: &Config, tasks: &Tasks) -> Result<Option<Nameserver>, Error> {
    let Some(wanted) = &config.nameserver else { return Ok(None) };
    let started = Nameserver::start(wanted, &state(config), tasks);
    started.map(Some).map_err(|error| unserved(config, &error))
}

/// `nameserver/` in the state folder; beside the configuration it is nobody else's, so it is not below `local/`.
fn state(config: &Config) -> PathBuf {
    let state = Context::state(config);
    let beside = config.folder.join(".roadworks");
    let folder = if state == beside.join("local") { beside } else { state };
    folder.join("nameserver")
}

fn unserved(config: &Config, error: &nameserver::Error) -> Error {
    let mut message = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        message = format!("{message}: {source}");
    }
    let hint = error.hint();
    let spot = match (error, &config.nameserver) {
        (nameserver::Error::Listen { address, .. }, Some(nameserver)) => {
            Some(nameserver.spots.wrong_listen(*address, message.clone()))
        }
        _ => None,
    };
    let spot = spot.filter(|spot| spot.place.is_some());
    let spot = spot.map(|spot| Box::new(Diagnostic { hint: Some(hint.clone()), ..spot }));
    Error::Unserved { message, hint, spot }
}
