//! Why what the configuration says cannot be served, with the place in the file: what shows only when it is used, as a
//! port in use, a certificate that does not match its key, a template that does not compile.

use std::net::SocketAddr;

use super::error::Error;
use crate::config::{Admin, Config, GatewayConfig};
use crate::gateway;
use crate::hcl::Diagnostic;
use crate::net::tls;

/// What `error` is about, in the file that `config` was read from.
pub(super) fn unserved(config: &Config, error: &gateway::Error) -> Error {
    let message = in_words(error);
    let hint = error.hint();
    let spot = spot(config, error, &message).filter(|spot| spot.place.is_some());
    let spot = spot.map(|spot| Box::new(Diagnostic { hint: Some(hint.clone()), ..spot }));
    Error::Unserved { message, hint, spot }
}

/// The message with what caused it, all the way down.
fn in_words(error: &gateway::Error) -> String {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        message = format!("{message}: {source}");
        cause = source.source();
    }
    message
}

fn spot(config: &Config, error: &gateway::Error, message: &str) -> Option<Diagnostic> {
    let of = |wanted: &str| config.sites.iter().find(|site| site.name.as_deref() == Some(wanted));
    match error {
        gateway::Error::Listen { address, .. } => {
            if config.serve.admin == Admin::At(*address) {
                return Some(config.serve.spots.wrong("admin", message));
            }
            let mut gateways = config.sites.iter().filter_map(|site| site.gateway.as_ref());
            let gateway = gateways.find(|gateway| listens(gateway, *address))?;
            Some(gateway.spots.wrong_listen(*address, message))
        }
        gateway::Error::Certificate { site, source } => {
            let key = if matches!(**source, tls::Error::Key(..)) { "key" } else { "certificate" };
            Some(of(site)?.gateway.as_ref()?.spots.wrong(key, message))
        }
        gateway::Error::Page { site, .. } => Some(of(site)?.page.spots.wrong("template", message)),
        gateway::Error::Tls(_)
        | gateway::Error::Mixed(_)
        | gateway::Error::Core(_)
        | gateway::Error::Fixed(_) => None,
    }
}

fn listens(gateway: &GatewayConfig, address: SocketAddr) -> bool {
    let with_tls = gateway.tls.iter().flat_map(|tls| &tls.listen);
    gateway.listen.iter().chain(with_tls).any(|own| *own == address)
}
