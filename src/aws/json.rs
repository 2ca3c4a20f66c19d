//! The services of AWS that speak JSON (awsJson1.1), of which a handful of operations are needed each: signed, sent, bounded
//! in time and sorted like every other call of the session.
//!
//! Not by their SDKs: those drop each field that they are older than when a pipeline or a project is read and written again,
//! and take long to compile (Systems Manager's alone 111 s of a core, for three operations). A document passes through here as
//! it came. Never shows one: an environment has secrets.

use std::fmt;

use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_smithy_runtime::client::orchestrator::operation::{Operation, OperationBuilder};
use aws_smithy_runtime::client::retries::classifiers::TransientErrorClassifier;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::AuthSchemeOptionResolverParams;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{FrozenLayer, Layer};
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SigningName;
use aws_types::region::{Region, SigningRegion};
use serde_json::Value;

use super::error::Error;
use super::session::{Retry, Session};

const PROTOCOL: &str = "application/x-amz-json-1.1";
const AGENT: &str = concat!("roadworks/", env!("CARGO_PKG_VERSION"));

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
}

impl JsonService {
    /// Its name in settings: `AWS_ENDPOINT_URL_SSM`.
    fn id(self) -> &'static str {
        match self {
            JsonService::Ssm => "SSM",
            JsonService::CodePipeline => "CodePipeline",
            JsonService::CodeBuild => "CodeBuild",
            JsonService::Ecs => "ECS",
        }
    }

    /// Its name in signatures and host names.
    fn host(self) -> &'static str {
        match self {
            JsonService::Ssm => "ssm",
            JsonService::CodePipeline => "codepipeline",
            JsonService::CodeBuild => "codebuild",
            JsonService::Ecs => "ecs",
        }
    }

    /// What stands before the operation in `X-Amz-Target`.
    fn prefix(self) -> &'static str {
        match self {
            JsonService::Ssm => "AmazonSSM",
            JsonService::CodePipeline => "CodePipeline_20150709",
            JsonService::CodeBuild => "CodeBuild_20161006",
            JsonService::Ecs => "AmazonEC2ContainerServiceV20141113",
        }
    }

    fn usual_endpoint(self, region: &str) -> String {
        let china = if region.starts_with("cn-") { ".cn" } else { "" };
        format!("https://{}.{region}.amazonaws.com{china}", self.host())
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
        let configured = self.endpoint(service.id());
        let endpoint = configured.unwrap_or_else(|| service.usual_endpoint(self.region()));
        let target = format!("{}.{operation}", service.prefix());
        let builder = Operation::builder().service_name(service.id()).operation_name(operation);
        let call = self
            .bounded(builder, &endpoint, retry)
            .runtime_plugin(self.signing(service))
            .serializer(move |body: Hidden<String>| request(&target, body.0))
            .deserializer(answer)
            .build();
        let answered = call.invoke(Hidden(input.to_string())).await;
        let answered = answered.map_err(|error| Error::from_sdk(&error, &self.asked(&endpoint)))?;
        Ok(answered.0)
    }

    fn bounded(&self, builder: OperationBuilder, endpoint: &str, retry: Retry) -> OperationBuilder {
        let config = self.config(retry);
        let times = config.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled);
        let standard = RetryConfig::standard();
        let mut builder = builder
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .timeout_config(times)
            .retry_classifier(TransientErrorClassifier::<Said>::new())
            .retry_classifier(AwsErrorCodeClassifier::<Said>::new());
        if let Some(client) = config.http_client() {
            builder = builder.http_client(client);
        }
        match retry {
            Retry::Standard => builder.standard_retry(config.retry_config().unwrap_or(&standard)),
            Retry::Never => builder.no_retry(),
        }
    }

    /// Signature version 4 with the session's credentials, which its clients share.
    fn signing(&self, service: JsonService) -> StaticRuntimePlugin {
        let config = self.config(Retry::Never);
        let mut parts = RuntimeComponentsBuilder::new("roadworks")
            .with_auth_scheme(SigV4AuthScheme::new())
            .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![
                SCHEME_ID,
            ])))
            .with_identity_cache(config.identity_cache());
        if let Some(provider) = config.credentials_provider() {
            parts.set_identity_resolver(SCHEME_ID, provider);
        }
        let region = SigningRegion::from(Region::new(self.region().to_owned()));
        StaticRuntimePlugin::new()
            .with_config(signed_for(service, region))
            .with_runtime_components(parts)
    }
}

fn signed_for(service: JsonService, region: SigningRegion) -> FrozenLayer {
    let name = SigningName::from_static(service.host());
    let mut layer = Layer::new("roadworks");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(name.clone());
    layer.store_put(region.clone());
    layer.store_put(SigV4OperationSigningConfig {
        region: Some(region),
        name: Some(name),
        signing_options: SigningOptions::default(),
        ..SigV4OperationSigningConfig::default()
    });
    layer.freeze()
}

fn request(target: &str, body: String) -> Result<HttpRequest, BoxError> {
    let length = body.len().to_string();
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("POST")?;
    request.set_uri("/")?;
    let headers = [
        ("content-type", PROTOCOL),
        ("content-length", &length),
        ("user-agent", AGENT),
        ("x-amz-target", target),
    ];
    for (name, value) in headers {
        request.headers_mut().try_insert(name.to_owned(), value.to_owned())?;
    }
    Ok(request)
}

fn answer(response: &HttpResponse) -> Result<Hidden<Value>, OrchestratorError<Said>> {
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
    Err(OrchestratorError::operation(Said::read(response, &parsed.unwrap_or_default())))
}

/// An error answer.
#[derive(Debug)]
struct Said(ErrorMetadata);

impl Said {
    /// The code stands in a header or in the body, perhaps behind a namespace and before a link (awsJson1.1, "Operation
    /// error serialization").
    fn read(response: &HttpResponse, body: &Value) -> Said {
        let of_body = |name: &str| body.get(name).and_then(Value::as_str);
        let of_header = response.headers().get("x-amzn-errortype");
        let code = of_header.or_else(|| of_body("__type")).or_else(|| of_body("code"));
        let code = code.unwrap_or("unknown");
        let code = code.rsplit('#').next().unwrap_or(code);
        let code = code.split(':').next().unwrap_or(code);
        let message = of_body("message").or_else(|| of_body("Message"));
        let mut meta = ErrorMetadata::builder().code(code);
        meta = meta.message(message.unwrap_or("no message"));
        if let Some(id) = response.headers().get("x-amzn-requestid") {
            meta = meta.custom("aws_request_id", id);
        }
        Said(meta.build())
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Said {}

impl ProvideErrorMetadata for Said {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

/// What no log shows.
struct Hidden<T>(T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
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
        let place = |region| JsonService::CodePipeline.usual_endpoint(region);
        assert_eq!(place("eu-central-1"), "https://codepipeline.eu-central-1.amazonaws.com");
        assert_eq!(place("cn-north-1"), "https://codepipeline.cn-north-1.amazonaws.com.cn");
    }
}
