//! `bypass`: a link for people, a header for machines, and in detour a command that reaches the gateway by its own name.
//! The token is good for the running operation only.

use jiff::Timestamp;
use serde_json::json;

use super::args::BypassArgs;
use super::context::{Context, listeners_of_rule, named_listeners};
use super::end::later;
use super::error::Error;
use super::report::Form;
use crate::agent::{self, Fleet};
use crate::balancer::HEADER;
use crate::clock;
use crate::config::{BalancerSource, GatewayConfig, OpenConfig, SiteConfig};
use crate::gateway::bypass::{Key, LONGEST, PARAMETER};
use crate::lever::Lever as _;
use crate::store::{AnyStore, SiteStore};
use crate::switch::{Mode, OperationId, Reopened, Switch};

/// The header as people write it.
const SPELT: &str = "Roadworks-Bypass";

pub(super) async fn run(context: &Context, args: &BypassArgs) -> Result<u8, Error> {
    let config = context.config()?.whole()?;
    let site = config.site(context.common.site.as_deref())?;
    let name = site.name.clone().unwrap_or_else(|| "site".to_owned());
    if site.gateway.is_none() && (site.balancer.is_some() || site.is_bare()) {
        return past_listeners(context, site, &name).await;
    }
    let (gateway, secret) = keyed(site)?;
    let store = Context::store(&config, site).await?;
    let switch = store.switch().await?.map(|(switch, _)| switch);
    let passes = match &switch {
        Some(switch) => by(switch, site, (gateway, &store)).await?,
        None => None,
    };
    let Some((mode, operation)) = passes else {
        return Err(Error::Usage {
            message: "the site is asked to be open: there is nothing to pass by".to_owned(),
            hint: "ask again once it is closed: a token is good for one operation".to_owned(),
        });
    };
    if args.r#for > LONGEST {
        return Err(Error::Usage {
            message: "a bypass is good for 12h at most".to_owned(),
            hint: "roadworks bypass --for 12h".to_owned(),
        });
    }
    let now = clock::now();
    let expiry = later(now, args.r#for)?;
    let token = Key::new(secret, &name).token(&operation, expiry, now);
    let host = site.hosts.iter().find(|host| !host.starts_with("*."));
    let host = host.cloned().unwrap_or_else(|| name.clone());
    let token = String::from_utf8_lossy(token.bytes()).into_owned();
    let passes = Passes {
        link: format!("https://{host}/?{PARAMETER}={token}"),
        direct: direct(&host, gateway).map(|at| format!("{at}/?{PARAMETER}={token}")),
        header: format!("{SPELT}: {token}"),
        curl: (mode == Mode::Detour).then(|| around(&host, &token, gateway)),
        token,
        expiry,
    };
    say(context, &name, &passes)
}

/// The operation that a token is good for, with the mode that is asked for. While a site opens gently it is the one of before, by
/// whose mode others are still kept out.
async fn by(
    switch: &Switch,
    site: &SiteConfig,
    (gateway, store): (&GatewayConfig, &SiteStore<AnyStore>),
) -> Result<Option<(Mode, OperationId)>, Error> {
    let operation = match (switch.mode, &switch.reopened, &gateway.open) {
        (Mode::Open, Some(reopened), Some(open)) => {
            if !is_under_way(reopened, open, clock::now()) && !is_seen(site, store).await? {
                return Ok(None);
            }
            &reopened.after
        }
        (Mode::Open, _, _) => return Ok(None),
        (Mode::ReadOnly | Mode::Hold | Mode::Closed | Mode::Detour, _, _) => &switch.operation,
    };
    Ok(Some((switch.mode, operation.clone())))
}

/// Whether a gentle opening is under way by its time.
fn is_under_way(reopened: &Reopened, open: &OpenConfig, now: Timestamp) -> bool {
    later(reopened.at, open.ramp).is_ok_and(|end| now < end)
}

/// Whether a living gateway tells that one is: it stands, or fell back.
async fn is_seen(site: &SiteConfig, store: &SiteStore<AnyStore>) -> Result<bool, Error> {
    let name = site.name.as_deref().unwrap_or("site");
    let seen = Fleet::new(store.clone(), name, &site.hosts).observe().await;
    let seen = seen.map_err(agent::Error::from)?;
    Ok(agent::gateways(&seen).any(|(beat, alive)| alive && beat.ramp.is_some()))
}

struct Passes {
    link: String,
    /// The same, where nothing stands in front of the gateway.
    direct: Option<String>,
    header: String,
    curl: Option<String>,
    token: String,
    expiry: Timestamp,
}

/// The way past a load balancer's listeners, which is the same until the site opens.
async fn past_listeners(context: &Context, site: &SiteConfig, name: &str) -> Result<u8, Error> {
    let (lever, name) = match &site.balancer {
        Some(BalancerSource::Alb(block)) => {
            (named_listeners(site, block, name).await.0, name.to_owned())
        }
        Some(BalancerSource::Terraform { .. }) | None => {
            let resolved = Box::pin(context.open()).await?.resolved;
            let lever = listeners_of_rule(site, &resolved).await.ok_or_else(nobody_passes)?;
            (lever.0, resolved.name)
        }
    };
    let Some(bypass) = lever.bypass().await.map_err(agent::Error::from)? else {
        return Err(Error::Usage {
            message: "no listener of this site is closed: there is nothing to pass by".to_owned(),
            hint: "ask again once it is closed: a header is good for one closing".to_owned(),
        });
    };
    let header = format!("{HEADER}: {}", bypass.value);
    if context.report.form() == Form::Json {
        context.report.object(&json!({
            "format": 1,
            "site": name,
            "token": bypass.value,
            "header": header,
            "from": bypass.from,
        }))?;
        return Ok(0);
    }
    let mut lines = vec![format!("header  {header}")];
    lines.extend(bypass.from.iter().map(|network| format!("from    {network}")));
    context.report.data(&lines.join("\n"))?;
    context.report.words(
        "Good until the site opens. Whoever has it passes: send it to testers only. A load balancer takes no link.",
    );
    Ok(0)
}

fn nobody_passes() -> Error {
    Error::Usage {
        message: "this site has no gateway that anybody could pass".to_owned(),
        hint: "a `gateway` block stands in front of the site's app".to_owned(),
    }
}

fn keyed(site: &SiteConfig) -> Result<(&GatewayConfig, crate::config::Secret), Error> {
    let Some(gateway) = &site.gateway else {
        return Err(nobody_passes());
    };
    match &gateway.bypass.key {
        Some(key) => Ok((gateway, key.clone())),
        None => Err(Error::Usage {
            message: "this site's gateway has no key for testers".to_owned(),
            hint: "bypass { key = env(\"BYPASS_KEY\") }".to_owned(),
        }),
    }
}

/// Where visitors reach a gateway that trusts no proxy, if that is another address than the site's own over https.
fn direct(host: &str, gateway: &GatewayConfig) -> Option<String> {
    if !gateway.trusted_proxies.is_empty() {
        return None;
    }
    let (scheme, usual, port) = match gateway.tls.as_ref().and_then(|tls| tls.listen.first()) {
        Some(secure) => ("https", 443, secure.port()),
        None => ("http", 80, gateway.listen.first()?.port()),
    };
    match (scheme, port) {
        ("https", 443) => None,
        (scheme, port) if port == usual => Some(format!("{scheme}://{host}")),
        (scheme, port) => Some(format!("{scheme}://{host}:{port}")),
    }
}

/// The name leads elsewhere now, and a CDN knows no bypass: straight to the gateway instead. `GATEWAY` is for whoever knows
/// its address to write in, where it listens everywhere.
fn around(host: &str, token: &str, gateway: &GatewayConfig) -> String {
    let secure = gateway.tls.as_ref().and_then(|tls| tls.listen.first());
    let (scheme, port, own) = match (secure, gateway.listen.first()) {
        (Some(own), _) => ("https", 443, Some(own)),
        (None, own) => ("http", 80, own),
    };
    let at = own.map_or("GATEWAY".to_owned(), |own| match own.ip() {
        ip if ip.is_unspecified() => format!("GATEWAY:{}", own.port()),
        _ => own.to_string(),
    });
    format!("curl --connect-to {host}:{port}:{at} -H '{SPELT}: {token}' {scheme}://{host}/")
}

fn say(context: &Context, site: &str, passes: &Passes) -> Result<u8, Error> {
    let Passes { link, direct, header, curl, token, expiry } = passes;
    if context.report.form() == Form::Json {
        context.report.object(&json!({
            "format": 1,
            "site": site,
            "link": link,
            "direct": direct,
            "token": token,
            "header": header,
            "curl": curl,
            "until": expiry,
        }))?;
        return Ok(0);
    }
    let mut lines = vec![format!("link    {link}"), format!("header  {header}")];
    lines.extend(direct.iter().map(|direct| format!("direct  {direct}")));
    lines.extend(curl.iter().map(|curl| format!("detour  {curl}")));
    context.report.data(&lines.join("\n"))?;
    context.report.words(&format!(
        "Good until {expiry}, or until the operation ends. Whoever has it passes: send it to testers only."
    ));
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Share;
    use std::time::Duration;

    #[test]
    fn a_gentle_opening_is_under_way_for_the_time_of_its_ramp() {
        let at: Timestamp = "2026-11-23T21:00:00Z".parse().unwrap();
        let reopened = Reopened { from: Mode::Closed, after: OperationId::at(at, 1), at };
        let ramp = Duration::from_mins(1);
        let open = OpenConfig { ramp, first: Share::percent(5), limit: Share::percent(50) };
        let is = |after: u64| {
            is_under_way(&reopened, &open, later(at, Duration::from_secs(after)).unwrap())
        };
        assert!(is(0) && is(59));
        assert!(!is(60) && !is(7 * 24 * 60 * 60), "a link would lead nowhere");
    }
}
