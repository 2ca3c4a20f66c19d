//! The rights that the calls of this folder need.

use serde_json::json;

use crate::aws::policy::{Owner, Statement};
use crate::config::WorkersWay;

/// One group of workers is made quiet and resumed; nothing where that is not done in AWS.
pub fn rights(way: &WorkersWay, owner: &Owner) -> Vec<Statement> {
    match way {
        WorkersWay::Commands(_)
        | WorkersWay::Celery { .. }
        | WorkersWay::Rq { .. }
        | WorkersWay::Sidekiq { .. }
        | WorkersWay::Horizon { .. }
        | WorkersWay::Systemd { .. } => Vec::new(),
        WorkersWay::Ecs { cluster, service, .. } => {
            let (cluster, service) = (last(cluster), last(service));
            vec![Statement::new(
                "ScalesTheServiceAndRemembersItsCount",
                [
                    "ecs:DescribeServices",
                    "ecs:TagResource",
                    "ecs:UntagResource",
                    "ecs:UpdateService",
                ],
                [owner.arn("ecs", &format!("service/{cluster}/{service}"))],
            )]
        }
        WorkersWay::Schedule { name, group, .. } => {
            let hands_on = Statement::new(
                "HandsTheRoleOfTheScheduleOn",
                ["iam:PassRole"],
                [owner.global("iam", "role/*")],
            );
            let to = json!({ "iam:PassedToService": "scheduler.amazonaws.com" });
            vec![
                Statement::new(
                    "DisablesTheSchedule",
                    ["scheduler:GetSchedule", "scheduler:UpdateSchedule"],
                    [owner.arn("scheduler", &format!("schedule/{group}/{name}"))],
                ),
                hands_on.only_if(json!({ "StringEquals": to })),
            ]
        }
    }
}

/// The name in an ARN, or the name itself.
fn last(name: &str) -> &str {
    name.rsplit(['/', ':']).next().unwrap_or(name)
}
