//! A check of a service of ECS: its deployment is done, and as many tasks run as are to run.

use serde_json::{Value, json};

use super::{Asked, Check, Failed};
use crate::aws::{JsonService, Retry, Session};
use crate::config::DESIRED_COUNT;

/// A service that has to be stable.
#[derive(Debug)]
pub struct EcsService {
    session: Session,
    cluster: String,
    service: String,
    running: u32,
}

impl EcsService {
    /// `service` of `cluster` is stable, with at least `running` tasks: one that was scaled down is stable, too.
    pub fn new(session: Session, cluster: String, service: String, running: u32) -> EcsService {
        EcsService { session, cluster, service, running }
    }

    async fn asked(&self) -> Result<String, Failed> {
        let input =
            json!({ "cluster": self.cluster, "services": [self.service], "include": ["TAGS"] });
        let answer =
            self.session.json(JsonService::Ecs, "DescribeServices", &input, Retry::Standard).await;
        let answer = answer.map_err(|error| super::unasked(&error, "ecs:DescribeServices"))?;
        judged(&answer, &self.service, self.running)
    }
}

impl Check for EcsService {
    fn kind(&self) -> &'static str {
        "ecs"
    }

    fn ask(&self) -> Asked<'_> {
        Box::pin(self.asked())
    }
}

/// What an answer of `DescribeServices` says of `service`.
fn judged(answer: &Value, service: &str, wanted: u32) -> Result<String, Failed> {
    let failed = |why: String, fix: &str| Err(Failed { why, fix: fix.to_owned() });
    let found = answer["services"].as_array().and_then(|services| services.first());
    let Some(found) = found.filter(|found| found["status"] == "ACTIVE") else {
        let why = format!("there is no active service {service} in that cluster");
        return failed(why, "look at the names of cluster and service, the region and the profile");
    };
    let count = |key: &str| found[key].as_u64().unwrap_or_default();
    let (running, desired) = (count("runningCount"), count("desiredCount"));
    if let Some(before) = count_of_before(found).filter(|before| desired < *before) {
        let why = format!(
            "{service} is scaled down since it was made quiet: {desired} tasks are to run, and {before} were before"
        );
        return failed(why, "open the site, which resumes its `workers`, or scale it back by hand");
    }
    let deployments = found["deployments"].as_array().map_or(&[][..], Vec::as_slice);
    if deployments.iter().any(|one| one["rolloutState"] == "FAILED") {
        let told = deployments.iter().find_map(|one| one["rolloutStateReason"].as_str());
        let why = format!("the deployment of {service} failed: {}", told.unwrap_or("no reason"));
        return failed(why, "look at the service's events, and deploy what runs");
    }
    let done = |one: &Value| one["rolloutState"].as_str().is_none_or(|state| state == "COMPLETED");
    if deployments.len() != 1 || !deployments.iter().all(done) {
        let why = format!("{service} is being deployed: {running} of {desired} tasks run");
        return failed(why, "wait for the deployment, or see the service's events");
    }
    if running != desired {
        let why = format!("{running} of {desired} tasks of {service} run");
        return failed(why, "wait for its tasks, or see the service's events");
    }
    if running < u64::from(wanted) {
        let why = format!("{running} tasks of {service} run, and {wanted} are wanted");
        return failed(why, "scale it to what it was before: its desired count is too small");
    }
    Ok(format!("{running} tasks of {service} run, and its deployment is done"))
}

/// What its count was before a `workers` block scaled it to nothing, if one did.
fn count_of_before(service: &Value) -> Option<u64> {
    let mut tags = service["tags"].as_array()?.iter();
    tags.find(|tag| tag["key"] == DESIRED_COUNT)?["value"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(running: u64, desired: u64, deployments: &Value) -> Value {
        json!({ "services": [{
            "status": "ACTIVE", "runningCount": running, "desiredCount": desired,
            "deployments": deployments,
        }] })
    }

    #[test]
    fn a_service_is_stable_with_one_deployment_that_is_done_and_all_of_its_tasks() {
        let done = || json!([{ "rolloutState": "COMPLETED" }]);
        assert!(judged(&service(2, 2, &done()), "web", 2).is_ok());
        // Deployed by somebody else than ECS: there is no state.
        assert!(judged(&service(2, 2, &json!([{}])), "web", 1).is_ok());
        let both = json!([{ "rolloutState": "IN_PROGRESS" }, { "rolloutState": "COMPLETED" }]);
        let failed = json!([{ "rolloutState": "FAILED", "rolloutStateReason": "no image" }]);
        let gone = json!({ "services": [{ "status": "INACTIVE" }] });
        for (answer, wanted, says) in [
            (service(1, 2, &done()), 1, "1 of 2 tasks"),
            (service(0, 0, &done()), 1, "0 tasks of web run, and 1 are wanted"),
            (service(2, 2, &both), 1, "is being deployed"),
            (service(0, 2, &failed), 1, "failed: no image"),
            (
                json!({ "services": [], "failures": [{ "reason": "MISSING" }] }),
                1,
                "no active service",
            ),
            (gone, 0, "no active service"),
        ] {
            let why = judged(&answer, "web", wanted).unwrap_err().why;
            assert!(why.contains(says), "{why}");
        }
    }

    #[test]
    fn a_service_that_was_scaled_down_to_be_quiet_is_not_stable_before_it_has_its_count_of_before()
    {
        let done = json!([{ "rolloutState": "COMPLETED" }]);
        let quiet = |desired: u64| {
            let mut answer = service(desired, desired, &done);
            answer["services"][0]["tags"] = json!([{ "key": DESIRED_COUNT, "value": "3" }]);
            judged(&answer, "web", 0)
        };
        let why = quiet(0).unwrap_err().why;
        assert!(why.contains("0 tasks are to run, and 3 were before"), "{why}");
        assert!(quiet(2).is_err() && quiet(3).is_ok());
    }
}
