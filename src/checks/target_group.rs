//! A check of an ALB's target group: so many of its targets are healthy. Behind a gateway that proves the gateway only; the
//! app's health is in the gateways' heartbeats.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{TargetHealthDescription, TargetHealthStateEnum};

use super::{Asked, Check, Failed};
use crate::aws::{Retry, Session};

/// The targets of a group, as the load balancer sees them.
#[derive(Debug)]
pub struct TargetGroup {
    session: Session,
    arn: String,
    healthy: u32,
}

impl TargetGroup {
    /// At least `healthy` targets of the group `arn` are healthy.
    pub fn new(session: Session, arn: String, healthy: u32) -> TargetGroup {
        TargetGroup { session, arn, healthy }
    }

    async fn asked(&self) -> Result<String, Failed> {
        let client = Client::new(&self.session.config(Retry::Standard));
        let answer = client.describe_target_health().target_group_arn(&self.arn).send().await;
        let answer = answer.map_err(|error| {
            super::unasked(&self.session.sort(&error), "elasticloadbalancing:DescribeTargetHealth")
        })?;
        let targets = answer.target_health_descriptions.unwrap_or_default();
        let well = |target: &&TargetHealthDescription| {
            state(target) == Some(&TargetHealthStateEnum::Healthy)
        };
        let healthy = targets.iter().filter(well).count();
        let all = targets.len();
        if healthy >= usize::try_from(self.healthy).unwrap_or(usize::MAX) {
            return Ok(format!("{healthy} of {all} targets are healthy"));
        }
        let told = targets.iter().filter(|target| !well(target)).find_map(reason);
        Err(Failed {
            why: format!(
                "{healthy} of {all} targets are healthy, and {} are wanted{}",
                self.healthy,
                told.map(|told| format!(": {told}")).unwrap_or_default()
            ),
            fix: "see why the load balancer finds them unwell: their health check's path, their security group, their log"
                .to_owned(),
        })
    }
}

impl Check for TargetGroup {
    fn kind(&self) -> &'static str {
        "target-group"
    }

    fn ask(&self) -> Asked<'_> {
        Box::pin(self.asked())
    }
}

fn state(target: &TargetHealthDescription) -> Option<&TargetHealthStateEnum> {
    target.target_health.as_ref()?.state.as_ref()
}

/// `10.0.0.7 is initial: Target registration is in progress`
fn reason(target: &TargetHealthDescription) -> Option<String> {
    let (id, state) = (target.target.as_ref()?.id.as_deref()?, state(target)?.as_str());
    let health = target.target_health.as_ref()?;
    Some(match &health.description {
        Some(description) => format!("{id} is {state}: {description}"),
        None => format!("{id} is {state}"),
    })
}
