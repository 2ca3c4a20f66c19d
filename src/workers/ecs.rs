//! A service of ECS, scaled to nothing and back to what it was.
//!
//! What it was stands in a tag of the service itself, where whoever opens the site finds it, on whatever machine. A service that
//! somebody else scaled to nothing has no such tag, and stays as it is.

use serde_json::{Value, json};

use super::told::{unheard, unmade};
use super::way::{Doing, Effect, Failed, Jobs, Seen, Stand, Way};
use crate::aws::{JsonService, Retry, Session};
use crate::config::DESIRED_COUNT;

/// A service of ECS.
#[derive(Debug)]
pub(super) struct EcsCount {
    pub(super) session: Session,
    pub(super) cluster: String,
    pub(super) service: String,
}

/// What is read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Read {
    arn: String,
    desired: u64,
    running: u64,
    /// What it was before it was scaled to nothing, by its tag.
    before: Option<u64>,
}

impl EcsCount {
    fn told(&self) -> String {
        format!("the service {}", self.service)
    }

    async fn service(&self) -> Result<Read, String> {
        let input =
            json!({ "cluster": self.cluster, "services": [self.service], "include": ["TAGS"] });
        let answer =
            self.session.json(JsonService::Ecs, "DescribeServices", &input, Retry::Standard).await;
        let answer = answer.map_err(|error| unheard(&self.told(), &error))?;
        read(&answer, &self.service)
    }

    async fn seen(&self) -> Seen {
        match self.service().await {
            Err(why) => Seen::unheard(why),
            Ok(service) => Seen::of(service.stand(), Jobs::Running(service.running)),
        }
    }

    async fn ask(&self, operation: &'static str, input: &Value) -> Result<(), Failed> {
        let asked = self.session.json(JsonService::Ecs, operation, input, Retry::Never).await;
        asked.map(drop).map_err(|error| unmade(&self.told(), &error))
    }

    async fn scale(&self, desired: u64) -> Result<(), Failed> {
        let input =
            json!({ "cluster": self.cluster, "service": self.service, "desiredCount": desired });
        self.ask("UpdateService", &input).await
    }

    async fn known(&self) -> Result<Read, Failed> {
        self.service().await.map_err(|message| Failed {
            message,
            hint: "nothing was changed; try again".to_owned(),
            effect: Effect::Nothing,
        })
    }

    /// What it is stands in the tag before it is scaled: else nobody would know it after a crash in between.
    async fn to_nothing(&self) -> Result<(), Failed> {
        let Read { arn, desired, .. } = self.known().await?;
        if desired == 0 {
            return Ok(());
        }
        let tag = json!([{ "key": DESIRED_COUNT, "value": desired.to_string() }]);
        self.ask("TagResource", &json!({ "resourceArn": arn, "tags": tag })).await?;
        self.scale(0).await
    }

    /// The tag goes last: as long as it is there, it is known what the service was.
    async fn back(&self) -> Result<(), Failed> {
        let Read { arn, desired, before, .. } = self.known().await?;
        let Some(before) = before else { return Ok(()) };
        if desired == 0 {
            self.scale(before).await?;
        }
        let untag = json!({ "resourceArn": arn, "tagKeys": [DESIRED_COUNT] });
        self.ask("UntagResource", &untag).await.map_err(|failed| Failed {
            hint: format!("{}; its count is back, and the tag {DESIRED_COUNT} can go", failed.hint),
            ..failed
        })
    }
}

impl Read {
    fn stand(&self) -> Stand {
        match (self.desired, self.before) {
            (0, Some(_)) => Stand::Quiet,
            (0, None) => Stand::Theirs("somebody else scaled it to 0".to_owned()),
            _ => Stand::Working,
        }
    }
}

fn read(answer: &Value, service: &str) -> Result<Read, String> {
    let found = answer["services"].as_array().and_then(|services| services.first());
    let Some(found) = found.filter(|found| found["status"] == "ACTIVE") else {
        return Err(format!("there is no active service {service} in that cluster"));
    };
    if found["schedulingStrategy"] == "DAEMON" {
        return Err(format!("{service} is a DAEMON service, which has no count to scale"));
    }
    let count = |key: &str| found[key].as_u64().unwrap_or_default();
    let tags = found["tags"].as_array();
    let tag = tags.into_iter().flatten().find(|tag| tag["key"] == DESIRED_COUNT);
    Ok(Read {
        arn: found["serviceArn"].as_str().unwrap_or_default().to_owned(),
        desired: count("desiredCount"),
        running: count("runningCount") + count("pendingCount"),
        before: tag.and_then(|tag| tag["value"].as_str()?.parse().ok()).filter(|&count| count > 0),
    })
}

impl Way for EcsCount {
    fn kind(&self) -> &'static str {
        "ecs"
    }

    fn read(&self) -> Doing<'_, Seen> {
        Box::pin(self.seen())
    }

    fn quiet(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(self.to_nothing())
    }

    fn resume(&self) -> Doing<'_, Result<(), Failed>> {
        Box::pin(self.back())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_without_tasks_is_ours_only_with_the_count_of_before() {
        let of = |desired: u64, tags: &Value| {
            let answer = json!({ "services": [{
                "status": "ACTIVE", "serviceArn": "arn", "desiredCount": desired,
                "runningCount": 1, "pendingCount": 1, "tags": tags,
            }] });
            read(&answer, "worker").unwrap()
        };
        let tag = |value: &str| json!([{ "key": DESIRED_COUNT, "value": value }]);
        assert_eq!(of(0, &tag("3")).stand(), Stand::Quiet);
        assert_eq!((of(0, &tag("3")).before, of(0, &tag("3")).running), (Some(3), 2));
        assert_eq!(of(2, &tag("3")).stand(), Stand::Working);
        for tags in [json!([]), Value::Null, tag("0"), tag("many")] {
            assert!(matches!(of(0, &tags).stand(), Stand::Theirs(_)), "{tags}");
        }
    }

    #[test]
    fn what_has_no_count_is_told() {
        let daemon =
            json!({ "services": [{ "status": "ACTIVE", "schedulingStrategy": "DAEMON" }] });
        assert!(read(&daemon, "worker").unwrap_err().contains("DAEMON"));
        assert!(read(&json!({ "services": [] }), "worker").unwrap_err().contains("no active"));
    }
}
