//! The rights that the checks need which ask AWS.

use crate::aws::policy::{Owner, Statement};
use crate::config::{CheckKind, RdsName};

/// One check is asked.
pub fn rights(check: &CheckKind, owner: &Owner) -> Vec<Statement> {
    match check {
        CheckKind::Http(_)
        | CheckKind::Tcp { .. }
        | CheckKind::Dns(_)
        | CheckKind::Exec { .. }
        | CheckKind::Redis(_)
        | CheckKind::Postgres(_)
        | CheckKind::Lacking { .. } => Vec::new(),
        CheckKind::TargetGroup { .. } => vec![Statement::new(
            "AsksTheTargetGroup",
            ["elasticloadbalancing:DescribeTargetHealth"],
            ["*".to_owned()],
        )],
        CheckKind::Ecs { cluster, service, .. } => {
            let (cluster, service) = (last(cluster), last(service));
            let service = owner.arn("ecs", &format!("service/{cluster}/{service}"));
            vec![Statement::new("AsksTheService", ["ecs:DescribeServices"], [service])]
        }
        CheckKind::Rds { which: RdsName::Instance(name), .. } => {
            let instance = owner.arn("rds", &format!("db:{}", last(name)));
            vec![Statement::new("AsksTheDatabase", ["rds:DescribeDBInstances"], [instance])]
        }
        CheckKind::Rds { which: RdsName::Cluster(name), .. } => {
            let cluster = owner.arn("rds", &format!("cluster:{}", last(name)));
            // Its instances are asked for by their cluster, not by their names.
            let instances = owner.arn("rds", "db:*");
            vec![
                Statement::new("AsksTheCluster", ["rds:DescribeDBClusters"], [cluster]),
                Statement::new("AsksTheDatabase", ["rds:DescribeDBInstances"], [instances]),
            ]
        }
        CheckKind::Distribution { id, .. } => {
            let distribution = owner.global("cloudfront", &format!("distribution/{id}"));
            vec![Statement::new(
                "AsksTheDistribution",
                ["cloudfront:GetDistribution"],
                [distribution],
            )]
        }
    }
}

/// The name in an ARN, or the name itself.
fn last(name: &str) -> &str {
    name.rsplit(['/', ':']).next().unwrap_or(name)
}
