//! A check of a CloudFront distribution: it is switched on, and its last change is everywhere.

use aws_sdk_cloudfront::Client;

use super::{Asked, Check, Failed};
use crate::aws::{Retry, Session};

/// A distribution that has to be deployed.
#[derive(Debug)]
pub struct DeployedDistribution {
    session: Session,
    id: String,
}

impl DeployedDistribution {
    /// The distribution `id` is enabled and deployed.
    pub fn new(session: Session, id: String) -> DeployedDistribution {
        DeployedDistribution { session, id }
    }

    async fn asked(&self) -> Result<String, Failed> {
        let client = Client::new(&self.session.config(Retry::Standard));
        let answer = client.get_distribution().id(&self.id).send().await;
        let answer = answer.map_err(|error| {
            super::unasked(&self.session.sort(&error), "cloudfront:GetDistribution")
        })?;
        let found = answer.distribution.as_ref();
        let status = found.map_or("unknown", |found| found.status.as_str());
        let config = found.and_then(|found| found.distribution_config.as_ref());
        let enabled = config.is_some_and(|config| config.enabled);
        if !enabled {
            return Err(Failed {
                why: format!("distribution {} is switched off", self.id),
                fix: "switch it on, and wait until it is deployed".to_owned(),
            });
        }
        if status != "Deployed" {
            return Err(Failed {
                why: format!("distribution {} is {status}", self.id),
                fix: "wait: a change takes CloudFront a few minutes".to_owned(),
            });
        }
        Ok(format!("distribution {} is deployed", self.id))
    }
}

impl Check for DeployedDistribution {
    fn kind(&self) -> &'static str {
        "cloudfront"
    }

    fn ask(&self) -> Asked<'_> {
        Box::pin(self.asked())
    }
}
