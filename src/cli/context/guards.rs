//! The checks that a site has, each with the session that it asks by.

use std::net::SocketAddr;
use std::rc::Rc;

use jiff::SignedDuration;

use crate::aws::Session;
use crate::checks::{
    Check, Database, DeployedDistribution, DnsCheck, EcsService, ExecCheck, Failed, Guard,
    HttpCheck, LackingCheck, Passes, PostgresCheck, RdsDatabase, RedisCheck, TargetGroup, TcpCheck,
    Way,
};
use crate::clock;
use crate::config::{AsksAs, CheckConfig, CheckKind, RdsName, SiteConfig};
use crate::gateway::bypass::Key;
use crate::store::{AnyStore, SiteStore};
use crate::switch::{Mode, Phase, Switch};

/// What lets testers past, as the gateway reads it.
const BYPASS: &str = "roadworks-bypass";
/// For how long what one question passes by is good.
const GOOD_FOR: SignedDuration = SignedDuration::from_mins(2);

/// What a site's checks say, ready to be asked; `resolvers` are the site's.
pub(in crate::cli) async fn guards(
    site: &SiteConfig,
    store: &SiteStore<AnyStore>,
    resolvers: &[SocketAddr],
) -> Vec<Guard> {
    let mut guards = Vec::with_capacity(site.checks.len());
    for CheckConfig { name, asks, passes, interval, deadline } in &site.checks {
        let check: Box<dyn Check> = match asks {
            CheckKind::Http(http) => {
                let tester = http.asks_as == AsksAs::Tester;
                let passes = tester.then(|| past_the_gateway(site, store));
                Box::new(HttpCheck::new(http.clone(), passes))
            }
            CheckKind::Tcp { address, timeout } => {
                Box::new(TcpCheck::new(address.clone(), *timeout))
            }
            CheckKind::Dns(dns) => Box::new(DnsCheck::new(dns.clone(), resolvers.to_vec())),
            CheckKind::Exec { command, folder, timeout } => {
                Box::new(ExecCheck::new(command.clone(), folder.clone(), *timeout))
            }
            CheckKind::Redis(redis) => Box::new(RedisCheck::new(redis.clone())),
            CheckKind::Postgres(postgres) => Box::new(PostgresCheck::new(postgres.clone())),
            CheckKind::Lacking { kind, why } => Box::new(LackingCheck::new(kind, why.clone())),
            CheckKind::TargetGroup { arn, healthy, account } => {
                let session = Session::load(&account.settings()).await;
                Box::new(TargetGroup::new(session, arn.clone(), *healthy))
            }
            CheckKind::Ecs { cluster, service, running, account } => {
                let session = Session::load(&account.settings()).await;
                let (cluster, service) = (cluster.clone(), service.clone());
                Box::new(EcsService::new(session, cluster, service, *running))
            }
            CheckKind::Rds { which, account } => {
                let session = Session::load(&account.settings()).await;
                let which = match which.clone() {
                    RdsName::Instance(name) => Database::Instance(name),
                    RdsName::Cluster(name) => Database::Cluster(name),
                };
                Box::new(RdsDatabase::new(session, which))
            }
            CheckKind::Distribution { id, account } => {
                let session = Session::load(&account.settings()).await;
                Box::new(DeployedDistribution::new(session, id.clone()))
            }
        };
        let (name, passes) = (name.clone(), *passes);
        guards.push(Guard { name, check, passes, interval: *interval, deadline: *deadline });
    }
    guards
}

/// How a check that asks as a tester passes: by a token of the operation that runs.
fn past_the_gateway(site: &SiteConfig, store: &SiteStore<AnyStore>) -> Passes {
    let name = site.name.clone().unwrap_or_else(|| "site".to_owned());
    let secret = site.gateway.as_ref().and_then(|gateway| gateway.bypass.key.clone());
    let key = secret.map(|secret| Rc::new(Key::new(secret, &name)));
    let (store, named) = (store.clone(), site.dns.is_some());
    Box::new(move || {
        let (store, key) = (store.clone(), key.clone());
        Box::pin(async move {
            let failed = |why: String, fix: &str| Failed { why, fix: fix.to_owned() };
            let switch = store.switch().await;
            let switch = switch.map_err(|error| failed(error.to_string(), &error.hint()))?;
            let kept_out = |switch: &Switch| {
                switch.mode != Mode::Open || matches!(switch.phase, Phase::Moving)
            };
            let Some(switch) = switch.map(|(switch, _)| switch).filter(kept_out) else {
                return Ok(Way::Free);
            };
            if named && switch.mode == Mode::Detour {
                return Ok(Way::NotYet);
            }
            let key = key.ok_or_else(|| {
                let fix = "set it where `roadworks serve` and its verbs run";
                failed("this machine does not have the key of the gateway's bypass".to_owned(), fix)
            })?;
            let now = clock::now();
            let token = key.token(&switch.operation, now + GOOD_FOR, now);
            let token = String::from_utf8_lossy(token.bytes()).into_owned();
            Ok(Way::With(BYPASS, token))
        })
    })
}
