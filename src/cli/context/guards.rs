//! The checks that a site has, each with the session that it asks by.

use super::levers::settings;
use crate::aws::Session;
use crate::checks::{
    Check, Database, DeployedDistribution, EcsService, Guard, HttpCheck, RdsDatabase, TargetGroup,
};
use crate::config::{CheckConfig, CheckKind, RdsName};

/// What `checks` say, ready to be asked.
pub(in crate::cli) async fn guards(checks: &[CheckConfig]) -> Vec<Guard> {
    let mut guards = Vec::with_capacity(checks.len());
    for CheckConfig { name, asks, passes, interval, deadline } in checks {
        let check: Box<dyn Check> = match asks {
            CheckKind::Http(http) => Box::new(HttpCheck::new(http.clone())),
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
