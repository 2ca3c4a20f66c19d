//! The checks that a site has, each with the session that it asks by.

use std::net::SocketAddr;

use super::levers::settings;
use crate::aws::Session;
use crate::checks::{
    Check, Database, DeployedDistribution, DnsCheck, EcsService, ExecCheck, Guard, HttpCheck,
    LackingCheck, PostgresCheck, RdsDatabase, RedisCheck, TargetGroup, TcpCheck,
};
use crate::config::{CheckConfig, CheckKind, RdsName};

/// What `checks` say, ready to be asked; `resolvers` are the site's.
pub(in crate::cli) async fn guards(checks: &[CheckConfig], resolvers: &[SocketAddr]) -> Vec<Guard> {
    let mut guards = Vec::with_capacity(checks.len());
    for CheckConfig { name, asks, passes, interval, deadline } in checks {
        let check: Box<dyn Check> = match asks {
            CheckKind::Http(http) => Box::new(HttpCheck::new(http.clone())),
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
                let session = Session::load(&settings(account)).await;
                Box::new(TargetGroup::new(session, arn.clone(), *healthy))
            }
            CheckKind::Ecs { cluster, service, running, account } => {
                let session = Session::load(&settings(account)).await;
                let (cluster, service) = (cluster.clone(), service.clone());
                Box::new(EcsService::new(session, cluster, service, *running))
            }
            CheckKind::Rds { which, account } => {
                let session = Session::load(&settings(account)).await;
                let which = match which.clone() {
                    RdsName::Instance(name) => Database::Instance(name),
                    RdsName::Cluster(name) => Database::Cluster(name),
                };
                Box::new(RdsDatabase::new(session, which))
            }
            CheckKind::Distribution { id, account } => {
                let session = Session::load(&settings(account)).await;
                Box::new(DeployedDistribution::new(session, id.clone()))
            }
        };
        let (name, passes) = (name.clone(), *passes);
        guards.push(Guard { name, check, passes, interval: *interval, deadline: *deadline });
    }
    guards
}
