//! Calls of services whose SDK is not in the tree, because a handful of operations are needed each: signed, sent, bounded
//! in time and sorted like every other call of the session.
//!
//! Never shows what is sent or answered: an environment has secrets.

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

use super::error::Error;
use super::session::{Retry, Session};

const AGENT: &str = concat!("roadworks/", env!("CARGO_PKG_VERSION"));

/// Where a service is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Its name in settings: `AWS_ENDPOINT_URL_SSM`.
    pub(super) id: &'static str,
    /// Its name in signatures and host names.
    pub(super) host: &'static str,
}

impl Place {
    pub(super) fn usual_endpoint(self, region: &str) -> String {
        let china = if region.starts_with("cn-") { ".cn" } else { "" };
        format!("https://{}.{region}.amazonaws.com{china}", self.host)
    }
}

/// How a service is spoken to.
#[derive(Debug, Clone)]
pub(super) struct Asks {
    pub(super) operation: &'static str,
    /// `POST`, but for services whose operations are paths.
    pub(super) method: &'static str,
    /// With its query.
    pub(super) path: String,
    /// Where, if not at the service's usual place.
    pub(super) endpoint: Option<String>,
    pub(super) content_type: &'static str,
    /// A header besides, by name and value.
    pub(super) target: Option<(&'static str, String)>,
    pub(super) body: String,
}

/// Reads an answer, and the error in it.
pub(super) type Reads<T> = fn(&HttpResponse) -> Result<Hidden<T>, OrchestratorError<Said>>;

impl Session {
    /// Asks the service at `place`, and gives its answer as `reads` has it. Cancel safe where the operation is.
    pub(super) async fn ask<T: Send + Sync + 'static>(
        &self,
        place: Place,
        asks: Asks,
        reads: Reads<T>,
        retry: Retry,
    ) -> Result<T, Error> {
        let configured = asks.endpoint.clone().or_else(|| self.endpoint(place.id));
        let endpoint = configured.unwrap_or_else(|| place.usual_endpoint(self.region()));
        let builder = Operation::builder().service_name(place.id).operation_name(asks.operation);
        let call = self
            .bounded(builder, &endpoint, retry)
            .runtime_plugin(self.signing(place))
            .serializer(|asks: Hidden<Asks>| request(asks.0))
            .deserializer(reads)
            .build();
        let answered = call.invoke(Hidden(asks)).await;
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
    fn signing(&self, place: Place) -> StaticRuntimePlugin {
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
            .with_config(signed_for(place, region))
            .with_runtime_components(parts)
    }
}

fn signed_for(place: Place, region: SigningRegion) -> FrozenLayer {
    let name = SigningName::from_static(place.host);
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

fn request(asks: Asks) -> Result<HttpRequest, BoxError> {
    let length = asks.body.len().to_string();
    let mut request = HttpRequest::new(SdkBody::from(asks.body));
    request.set_method(asks.method)?;
    request.set_uri(asks.path)?;
    let headers = [
        ("content-type", asks.content_type.to_owned()),
        ("content-length", length),
        ("user-agent", AGENT.to_owned()),
    ];
    for (name, value) in headers.into_iter().chain(asks.target) {
        request.headers_mut().try_insert(name, value)?;
    }
    Ok(request)
}

/// An error answer.
#[derive(Debug)]
pub(super) struct Said(ErrorMetadata);

impl Said {
    /// What a service said, and by which id AWS knows that.
    pub(super) fn new(code: &str, message: Option<&str>, request_id: Option<&str>) -> Said {
        let mut meta = ErrorMetadata::builder().code(code).message(message.unwrap_or("no message"));
        if let Some(id) = request_id {
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
pub(super) struct Hidden<T>(pub(super) T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}
