//! What a `gateway` block needs around it: a health path, a balancer that waits long enough, an app that answers,
//! certificates. Upstreams are asked as the gateway asks them.

use std::time::Duration;

use super::{Finding, fail, ok, warn};
use crate::clock;
use crate::config::{BypassConfig, GatewayConfig, HealthConfig, HoldConfig, TlsConfig};
use crate::gateway::{UpstreamReport, Upstreams};
use crate::net::tls::Pair;
use crate::tasks::Tasks;

/// After how long without a byte an AWS load balancer gives a request up, where nobody changed it: ELB,
/// "Application Load Balancers", idle timeout. Nginx's `proxy_read_timeout` is no longer.
const BALANCER_GIVES_UP: Duration = Duration::from_mins(1);
/// How often an upstream that does not answer is asked again, and how often it is looked at what came of it.
const AGAIN: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_millis(10);

/// Every precondition of the gateway; `gives_up` is after how long without a byte the load balancer before it does, where that
/// is known. Cancel safe.
pub(super) async fn findings(
    gateway: &GatewayConfig,
    host: Option<&str>,
    gives_up: Option<Duration>,
) -> Vec<Finding> {
    let mut findings = vec![
        lb_path(gateway.health.lb_path.as_deref()),
        patience(&gateway.hold, gives_up),
        trusted_proxies(gateway),
        bypass(&gateway.bypass),
    ];
    findings.extend(gateway.tls.as_ref().map(certificate));
    findings.extend(upstreams(gateway, host).await);
    findings
}

fn lb_path(path: Option<&str>) -> Finding {
    const ID: &str = "lb-path";
    match path {
        None => warn(
            ID,
            "there is no lb_path: a load balancer that asks a path of the app gets 503 in closed, and takes the gateway out",
            "health { lb_path = \"/healthz\" }, and the same path in the balancer's health check",
        ),
        Some("/") => warn(
            ID,
            "lb_path is /: only a prober that says ELB-HealthChecker and comes from a trusted proxy is answered there, or visitors would get 200 from a closed site",
            "choose a path that no visitor asks for, such as /healthz",
        ),
        Some(path) => ok(ID, path),
    }
}

/// How long the last of those who wait may have waited, where a rate tells.
fn patience(hold: &HoldConfig, gives_up: Option<Duration>) -> Finding {
    const ID: &str = "patience";
    let places = u64::try_from(hold.places).unwrap_or(u64::MAX);
    let release =
        hold.release_rate.map(|rate| Duration::from_secs(places.div_ceil(u64::from(rate.max(1)))));
    let longest = hold.patience.saturating_add(release.unwrap_or_default());
    let waits = match release {
        Some(release) => format!(
            "a request waits up to {} s, and {} s more while {places} are released",
            hold.patience.as_secs_f64(),
            release.as_secs()
        ),
        None => format!(
            "a request waits up to {} s, and its turn at the release after that",
            hold.patience.as_secs_f64()
        ),
    };
    let limit = gives_up.unwrap_or(BALANCER_GIVES_UP);
    let (which, usually) = match gives_up {
        Some(_) => ("the load balancer in front", ""),
        None => ("a load balancer", " by default"),
    };
    let whose = format!("{which} waits {} s{usually}", limit.as_secs());
    if longest < limit {
        return ok(ID, format!("{waits}; {whose}"));
    }
    warn(
        ID,
        format!("{waits}; {whose}, and then answers 504 itself"),
        "raise its idle_timeout above that, or lower hold { patience, places }",
    )
}

fn trusted_proxies(gateway: &GatewayConfig) -> Finding {
    const ID: &str = "trusted-proxies";
    let tls = gateway.tls.iter().flat_map(|tls| &tls.listen);
    let outside = gateway.listen.iter().chain(tls).find(|address| !address.ip().is_loopback());
    match (gateway.trusted_proxies.as_slice(), outside) {
        ([], Some(address)) => warn(
            ID,
            format!(
                "trusted_proxies is empty, and {address} may be reached through a load balancer: every client would have its address"
            ),
            "name the balancer's networks: trusted_proxies = [\"10.0.0.0/8\"]",
        ),
        ([], None) => ok(ID, "nobody, and it listens on loopback only"),
        (networks, _) => {
            let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
            ok(ID, networks.join(", "))
        }
    }
}

fn bypass(bypass: &BypassConfig) -> Finding {
    const ID: &str = "bypass";
    match (&bypass.key, bypass.from.len()) {
        (Some(_), _) => ok(ID, "testers pass with a link or a header"),
        (None, 0) => warn(
            ID,
            "nobody can test before visitors are let back in: there is neither a key nor an address",
            "bypass { key = env(\"BYPASS_KEY\") }, made by openssl rand -hex 32",
        ),
        (None, networks) => {
            ok(ID, format!("testers pass from {networks} networks; there is no key for links"))
        }
    }
}

fn certificate(tls: &TlsConfig) -> Finding {
    const ID: &str = "certificate";
    match Pair::read(&tls.certificate, &tls.key) {
        Ok(_) => ok(ID, tls.certificate.display()),
        Err(error) => fail(ID, &error, error.hint()),
    }
}

/// Asks each as the gateway will, once.
async fn upstreams(gateway: &GatewayConfig, host: Option<&str>) -> Vec<Finding> {
    const ID: &str = "upstream";
    let health = HealthConfig { interval: AGAIN, passes: 1, failures: 1, ..gateway.health.clone() };
    let until = clock::monotonic() + health.timeout + AGAIN;
    let asked_by = match &health.upstream_path {
        Some(path) => format!("is well: {path} gives 2xx"),
        None => "accepts connections".to_owned(),
    };
    let (tasks, config) = (Tasks::new(), GatewayConfig { health, ..gateway.clone() });
    let upstreams = Upstreams::start(&config, host, &tasks, None);
    while upstreams.report().iter().any(UpstreamReport::is_unasked) && clock::monotonic() < until {
        tokio::time::sleep(LOOK).await;
    }
    let told = upstreams.report().into_iter().map(|upstream| match &upstream.last_error {
        None => ok(ID, format!("{} {asked_by}", upstream.url)),
        Some(error) => fail(
            ID,
            format!("{}: {error}", upstream.url),
            "start the app, let the gateway's machine reach it, or correct `upstreams` and `upstream_path`",
        ),
    });
    let findings = told.collect();
    tasks.stop();
    tasks.ended(AGAIN).await;
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn patience_and_release_together_are_held_against_a_balancers_idle_timeout() {
        let hold = |seconds, release_rate| HoldConfig {
            patience: Duration::from_secs(seconds),
            places: 10_000,
            release_rate,
        };
        assert_eq!(patience(&hold(20, None), None).result, Outcome::Ok);
        assert_eq!(patience(&hold(60, None), None).result, Outcome::Warn);
        assert_eq!(patience(&hold(20, Some(1_000)), None).result, Outcome::Ok);
        assert_eq!(patience(&hold(20, Some(200)), None).result, Outcome::Warn);
        let known = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(patience(&hold(60, None), known(120)).result, Outcome::Ok);
        assert_eq!(patience(&hold(20, None), known(10)).result, Outcome::Warn);
    }

    #[test]
    fn a_health_path_that_visitors_ask_for_is_warned_of_and_so_is_none() {
        assert_eq!(lb_path(Some("/healthz")).result, Outcome::Ok);
        assert_eq!(lb_path(Some("/")).result, Outcome::Warn);
        assert_eq!(lb_path(None).result, Outcome::Warn);
    }

    #[test]
    fn a_gateway_that_the_world_reaches_should_know_its_balancer() {
        let at = |listen: &str, proxies: &[&str]| GatewayConfig {
            listen: vec![listen.parse().unwrap()],
            trusted_proxies: proxies.iter().map(|network| network.parse().unwrap()).collect(),
            ..GatewayConfig::default()
        };
        assert_eq!(trusted_proxies(&at("0.0.0.0:80", &[])).result, Outcome::Warn);
        assert_eq!(trusted_proxies(&at("127.0.0.1:80", &[])).result, Outcome::Ok);
        assert_eq!(trusted_proxies(&at("0.0.0.0:80", &["10.0.0.0/8"])).result, Outcome::Ok);
    }
}
