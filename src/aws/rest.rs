//! The services of AWS whose operations are paths, with JSON in their bodies (restJson1), of which a handful are needed each.

use serde_json::Value;

use super::error::Error;
use super::json::answer;
use super::session::{Retry, Session};
use super::signed::{Asks, Place};

/// A service whose operations are paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestService {
    /// `EventBridge` Scheduler.
    Scheduler,
}

impl RestService {
    fn place(self) -> Place {
        match self {
            RestService::Scheduler => Place { id: "Scheduler", host: "scheduler" },
        }
    }
}

/// One operation: `GetSchedule`, `GET`, `/schedules/nightly?groupName=default`.
#[derive(Debug, Clone, Copy)]
pub struct RestCall<'a> {
    /// Its name.
    pub operation: &'static str,
    /// How.
    pub method: &'static str,
    /// Where, with a query of plain characters.
    pub path: &'a str,
    /// With what, if with anything.
    pub body: Option<&'a Value>,
}

impl Session {
    /// Makes `call` at `service` and gives its answer as it came. Cancel safe where the operation is.
    pub async fn rest(
        &self,
        service: RestService,
        call: RestCall<'_>,
        retry: Retry,
    ) -> Result<Value, Error> {
        let asks = Asks {
            operation: call.operation,
            method: call.method,
            path: call.path.to_owned(),
            endpoint: None,
            content_type: "application/json",
            target: None,
            body: call.body.map(Value::to_string).unwrap_or_default(),
        };
        self.ask(service.place(), asks, answer, retry).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::loopback::{Fake, Then, session};
    use super::*;

    #[tokio::test]
    async fn a_call_goes_to_its_path_with_its_query_and_is_signed_for_its_service() {
        let fake = Fake::new(Then::Answer(200, "{\"State\":\"ENABLED\"}".to_owned())).await;
        let session = session(&fake.url());
        let path = "/schedules/nightly?groupName=default";
        let call = RestCall { operation: "GetSchedule", method: "GET", path, body: None };
        let answer = fake.during(session.rest(RestService::Scheduler, call, Retry::Standard)).await;
        assert_eq!(answer.unwrap()["State"], "ENABLED");
        let request = fake.heard.take().remove(0);
        assert!(request.starts_with("GET /schedules/nightly?groupName=default "), "{request}");
        assert!(request.to_lowercase().contains("/us-east-1/scheduler/aws4_request"), "{request}");
    }
}
