//! The services of AWS that speak JSON (awsJson1.1 and 1.0), of which a handful of operations are needed each.
//!
//! Not by their SDKs: those drop each field that they are older than when a pipeline or a project is read and written again,
//! and take long to compile (Systems Manager's alone 111 s of a core, for three operations). A document passes through here as
//! it came. Never shows one: an environment has secrets.

use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use serde_json::Value;

use super::error::Error;
use super::session::{Retry, Session};
use super::signed::{Asks, Hidden, Place, Said};

/// A service that speaks JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonService {
    /// Systems Manager, for its parameters.
    Ssm,
    /// `CodePipeline`.
    CodePipeline,
    /// `CodeBuild`.
    CodeBuild,
    /// Elastic Container Service.
    Ecs,
    /// `DynamoDB`.
    DynamoDb,
}

impl JsonService {
    fn place(self) -> Place {
        let (id, host) = match self {
            JsonService::Ssm => ("SSM", "ssm"),
            JsonService::CodePipeline => ("CodePipeline", "codepipeline"),
            JsonService::CodeBuild => ("CodeBuild", "codebuild"),
            JsonService::Ecs => ("ECS", "ecs"),
            JsonService::DynamoDb => ("DynamoDB", "dynamodb"),
        };
        Place { id, host }
    }

    /// What stands before the operation in `X-Amz-Target`.
    fn prefix(self) -> &'static str {
        match self {
            JsonService::Ssm => "AmazonSSM",
            JsonService::CodePipeline => "CodePipeline_20150709",
            JsonService::CodeBuild => "CodeBuild_20161006",
            JsonService::Ecs => "AmazonEC2ContainerServiceV20141113",
            JsonService::DynamoDb => "DynamoDB_20120810",
        }
    }

    fn protocol(self) -> &'static str {
        match self {
            JsonService::DynamoDb => "application/x-amz-json-1.0",
            JsonService::Ssm
            | JsonService::CodePipeline
            | JsonService::CodeBuild
            | JsonService::Ecs => "application/x-amz-json-1.1",
        }
    }
}

impl Session {
    /// Asks `service` for `operation` and gives its answer as it came. Cancel safe where the operation is.
    pub async fn json(
        &self,
        service: JsonService,
        operation: &'static str,
        input: &Value,
        retry: Retry,
    ) -> Result<Value, Error> {
        self.json_at(None, service, (operation, input), retry).await
    }

    /// The same at `endpoint`, if one is given.
    pub async fn json_at(
        &self,
        endpoint: Option<String>,
        service: JsonService,
        (operation, input): (&'static str, &Value),
        retry: Retry,
    ) -> Result<Value, Error> {
        let asks = Asks {
            operation,
            method: "POST",
            path: "/".to_owned(),
            endpoint,
            content_type: service.protocol(),
            target: Some(("x-amz-target", format!("{}.{operation}", service.prefix()))),
            body: input.to_string(),
        };
        self.ask(service.place(), asks, answer, retry).await
    }
}

pub(super) fn answer(response: &HttpResponse) -> Result<Hidden<Value>, OrchestratorError<Said>> {
    let bytes = response.body().bytes().unwrap_or_default();
    let parsed = serde_json::from_slice(bytes);
    if response.status().is_success() {
        // Whoever asked for a change gets nothing back, or an empty object.
        return match parsed {
            Ok(value) => Ok(Hidden(value)),
            Err(_) if bytes.is_empty() => Ok(Hidden(Value::Null)),
            Err(error) => Err(OrchestratorError::other(error)),
        };
    }
    Err(OrchestratorError::operation(said(response, &parsed.unwrap_or_default())))
}

/// The code stands in a header or in the body, perhaps behind a namespace and before a link (awsJson1.1, "Operation
/// error serialization").
fn said(response: &HttpResponse, body: &Value) -> Said {
    let of_body = |name: &str| body.get(name).and_then(Value::as_str);
    let of_header = response.headers().get("x-amzn-errortype");
    let code = of_header.or_else(|| of_body("__type")).or_else(|| of_body("code"));
    let code = code.unwrap_or("unknown");
    let code = code.rsplit('#').next().unwrap_or(code);
    let code = code.split(':').next().unwrap_or(code);
    let message = of_body("message").or_else(|| of_body("Message"));
    Said::new(code, message, response.headers().get("x-amzn-requestid"))
}

#[cfg(test)]
mod tests {
    use super::super::CredentialsProblem;
    use super::super::loopback::{Fake, Then, session};
    use super::*;
    use serde_json::json;

    async fn answered(status: u16, body: &str) -> (Result<Value, Error>, Vec<String>) {
        let fake = Fake::new(Then::Answer(status, body.to_owned())).await;
        let session = session(&fake.url());
        let input = json!({ "Name": "/shop" });
        let call = session.json(JsonService::Ssm, "GetParameter", &input, Retry::Standard);
        let answer = fake.during(call).await;
        (answer, fake.heard.take())
    }

    #[tokio::test]
    async fn a_call_is_signed_for_its_service_and_gives_the_document_as_it_came() {
        let (answer, heard) = answered(200, r#"{"z":1,"of_tomorrow":{"a":[]}}"#).await;
        assert_eq!(answer.unwrap().to_string(), r#"{"z":1,"of_tomorrow":{"a":[]}}"#);
        let request = heard[0].to_lowercase();
        for part in [
            "x-amz-target: amazonssm.getparameter",
            "content-type: application/x-amz-json-1.1",
            "/us-east-1/ssm/aws4_request",
        ] {
            assert!(request.contains(part), "{part} in {request}");
        }
    }

    #[tokio::test]
    async fn an_error_keeps_its_code_without_namespace_and_link() {
        let body = r#"{"__type":"com.amazonaws.ssm#ParameterNotFound:http://x","message":"no"}"#;
        let (answer, _) = answered(400, body).await;
        let Err(Error::Service { code, message, request_id }) = answer else { panic!() };
        assert_eq!((code.as_str(), message.as_str()), ("ParameterNotFound", "no"));
        assert_eq!(request_id.as_deref(), Some("r-1"));
    }

    #[tokio::test]
    async fn who_is_not_allowed_and_who_is_too_fast_are_told_apart() {
        let denied = r#"{"__type":"AccessDeniedException","Message":"User is not authorized"}"#;
        let (answer, _) = answered(400, denied).await;
        let problem = CredentialsProblem::Denied;
        assert!(matches!(answer, Err(Error::Credentials { problem: p, .. }) if p == problem));
        let fast = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
        let (answer, heard) = answered(400, fast).await;
        assert!(matches!(answer, Err(Error::Throttled { .. })));
        assert_eq!(heard.len(), 3, "a read is tried again");
    }

    #[tokio::test]
    async fn a_connection_that_is_cut_leaves_the_outcome_of_a_change_unknown_and_is_not_sent_again()
    {
        let fake = Fake::new(Then::HangUp).await;
        let session = session(&fake.url());
        let input = json!({});
        let call = session.json(JsonService::CodePipeline, "X", &input, Retry::Never);
        assert!(fake.during(call).await.unwrap_err().may_have_happened());
        assert_eq!(fake.heard.borrow().len(), 1);
    }

    #[test]
    fn each_service_has_its_place_in_each_region() {
        let place = |region| JsonService::CodePipeline.place().usual_endpoint(region);
        assert_eq!(place("eu-central-1"), "https://codepipeline.eu-central-1.amazonaws.com");
        assert_eq!(place("cn-north-1"), "https://codepipeline.cn-north-1.amazonaws.com.cn");
    }
}
