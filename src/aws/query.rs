//! The services of AWS that speak its Query protocol (awsQuery): a form is sent, XML comes back.
//!
//! Not by their SDKs: RDS's alone compiles longer than all of this crate, for two operations that only read.

use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use form_urlencoded::Serializer;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::Error;
use super::session::{Retry, Session};
use super::signed::{Asks, Hidden, Place, Said};

const PROTOCOL: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// A service that speaks the Query protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryService {
    /// Relational Database Service.
    Rds,
}

impl QueryService {
    fn place(self) -> Place {
        match self {
            QueryService::Rds => Place { id: "RDS", host: "rds" },
        }
    }

    /// The edition of its API.
    fn version(self) -> &'static str {
        match self {
            QueryService::Rds => "2014-10-31",
        }
    }
}

impl Session {
    /// Asks `service` for `operation`, which only reads, and gives what stands within its result. Cancel safe.
    pub async fn query<T: DeserializeOwned + Send + Sync + 'static>(
        &self,
        service: QueryService,
        operation: &'static str,
        parameters: &[(&str, &str)],
    ) -> Result<T, Error> {
        let mut form = Serializer::new(String::new());
        form.append_pair("Action", operation).append_pair("Version", service.version());
        form.extend_pairs(parameters);
        let (content_type, body) = (PROTOCOL, form.finish());
        let asks = Asks {
            operation,
            method: "POST",
            path: "/".to_owned(),
            endpoint: None,
            content_type,
            target: None,
            body,
        };
        self.ask(service.place(), asks, answer, Retry::Standard).await
    }
}

/// `<ErrorResponse><Error><Code/><Message/></Error><RequestId/></ErrorResponse>` (awsQuery, "Operation error serialization").
#[derive(Debug, Deserialize)]
struct Refused {
    #[serde(rename = "Error")]
    error: Told,
    #[serde(rename = "RequestId")]
    request_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Told {
    #[serde(rename = "Code")]
    code: String,
    #[serde(rename = "Message")]
    message: Option<String>,
}

fn answer<T: DeserializeOwned>(
    response: &HttpResponse,
) -> Result<Hidden<T>, OrchestratorError<Said>> {
    let text = std::str::from_utf8(response.body().bytes().unwrap_or_default());
    let text = text.map_err(OrchestratorError::other)?;
    if response.status().is_success() {
        return quick_xml::de::from_str(text).map(Hidden).map_err(OrchestratorError::other);
    }
    Err(OrchestratorError::operation(match quick_xml::de::from_str::<Refused>(text) {
        Ok(Refused { error, request_id }) => {
            Said::new(&error.code, error.message.as_deref(), request_id.as_deref())
        }
        Err(_) => Said::new("unknown", None, response.headers().get("x-amzn-requestid")),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::CredentialsProblem;
    use super::super::loopback::{Fake, Then, session};
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Answer {
        #[serde(rename = "Result")]
        result: Name,
    }

    #[derive(Debug, Deserialize)]
    struct Name {
        #[serde(rename = "Name")]
        name: String,
    }

    async fn answered(status: u16, body: &str) -> (Result<Answer, Error>, Vec<String>) {
        let fake = Fake::new(Then::Answer(status, body.to_owned())).await;
        let session = session(&fake.url());
        let call =
            session.query(QueryService::Rds, "DescribeThings", &[("Name", "shop & co/\u{e4}")]);
        let answer = fake.during(call).await;
        (answer, fake.heard.take())
    }

    #[tokio::test]
    async fn a_call_is_a_signed_form_and_its_answer_is_read() {
        let body = "<DescribeThingsResponse xmlns=\"http://x/\"><Result><Name>a &amp; b</Name><New/></Result></DescribeThingsResponse>";
        let (answer, heard) = answered(200, body).await;
        assert_eq!(answer.unwrap().result.name, "a & b");
        let part = "Action=DescribeThings&Version=2014-10-31&Name=shop+%26+co%2F%C3%A4";
        assert!(heard[0].contains(part), "{heard:?}");
        let request = heard[0].to_lowercase();
        for part in
            ["content-type: application/x-www-form-urlencoded", "/us-east-1/rds/aws4_request"]
        {
            assert!(request.contains(part), "{part} in {request}");
        }
    }

    #[tokio::test]
    async fn an_error_is_sorted_by_its_code_whatever_the_answer_is() {
        let error = |code: &str| {
            format!(
                "<ErrorResponse xmlns=\"http://x/\"><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
            )
        };
        let (answer, _) = answered(404, &error("DBInstanceNotFound")).await;
        let Err(Error::Service { code, message, request_id }) = answer else { panic!() };
        assert_eq!((code.as_str(), message.as_str()), ("DBInstanceNotFound", "no"));
        assert_eq!(request_id.as_deref(), Some("r-1"));
        let denied = CredentialsProblem::Denied;
        let (answer, _) = answered(403, &error("AccessDenied")).await;
        assert!(matches!(answer, Err(Error::Credentials { problem, .. }) if problem == denied));
        let (answer, heard) = answered(400, &error("Throttling")).await;
        assert!(matches!(answer, Err(Error::Throttled { .. })));
        assert_eq!(heard.len(), 3, "a read is tried again");
        let (answer, _) = answered(400, "<html>who knows").await;
        assert!(matches!(answer, Err(Error::Service { .. })), "{answer:?}");
        let (answer, _) = answered(200, "<DescribeThingsResponse/>").await;
        assert!(answer.is_err());
    }
}
