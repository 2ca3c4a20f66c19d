//! One AWS configuration for everything that speaks to AWS: the standard chain, bounded in time.
//!
//! Loads credentials only when the first call needs them. Must never retry a change by itself:
//! whoever makes one asks for `Retry::Never`.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::service_config::ServiceConfigKey;

use super::error::{Asked, Error};
use super::given::put_right;
use super::pace::Pace;

/// Route 53 is global and lives here; a region in the environment or the profile wins.
const GLOBAL: &str = "us-east-1";
const CONNECT: Duration = Duration::from_secs(3);
const ATTEMPT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(30);
/// Finding credentials may mean single sign-on and a role, several calls one after the other.
const CREDENTIALS: Duration = Duration::from_secs(15);

/// What every AWS lever takes. Empty means the standard chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    /// A profile of `~/.aws/config`, and then nothing else; if none is named, the standard chain with `AWS_PROFILE`.
    pub profile: Option<String>,
    /// Else the environment's, the profile's, `us-east-1`.
    pub region: Option<String>,
    /// A role to take on with the credentials found, for a zone in another account.
    pub assume_role: Option<AssumeRole>,
}

/// An access key, written down somewhere.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Keys {
    /// `AKIA..`
    pub id: String,
    /// Never shown.
    pub secret: String,
    /// Of a temporary key; never shown.
    pub token: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A role of another account, or a narrower one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AssumeRole {
    /// `arn:aws:iam::123456789012:role/dns`
    pub role_arn: String,
    /// What the role's trust policy asks for, if it does.
    pub external_id: Option<String>,
    /// The name that the other account's log shows; `roadworks` unless given.
    pub session_name: Option<String>,
}

/// Whether the SDK may send a call again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Three attempts with back-off: for reads.
    Standard,
    /// One attempt: for a change, whose second attempt could undo what came between.
    Never,
}

/// Who AWS takes us for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// `arn:aws:sts::123456789012:assumed-role/..`
    pub arn: String,
}

/// A loaded configuration. Cheap to clone; clones share the cached credentials.
#[derive(Debug, Clone)]
pub struct Session {
    config: SdkConfig,
    profile: Option<String>,
    paces: Arc<Paces>,
    /// What it was loaded from; `None` where it was made elsewhere.
    source: Option<Arc<(Settings, Option<Keys>)>>,
}

#[derive(Debug)]
struct Paces {
    route53: Pace,
    balancing: Pace,
}

impl Default for Paces {
    fn default() -> Self {
        Paces { route53: Pace::of_route53(), balancing: Pace::of_balancing() }
    }
}

impl Session {
    /// Reads the environment and the profile files; no network.
    pub async fn load(settings: &Settings) -> Self {
        Self::with_keys(settings, None).await
    }

    /// As [`Session::load`], with keys that somebody wrote down (Terraform's backend `s3` allows it) before profile
    /// and chain.
    pub async fn with_keys(settings: &Settings, keys: Option<&Keys>) -> Self {
        let base = base(settings, keys).await;
        let source = Some(Arc::new((settings.clone(), keys.cloned())));
        let profile = settings.profile.clone().or_else(profile_of_environment);
        let Some(role) = &settings.assume_role else {
            return Self { config: base, profile, paces: Arc::default(), source };
        };
        let name = role.session_name.as_deref().unwrap_or("roadworks");
        let mut provider =
            AssumeRoleProvider::builder(&role.role_arn).configure(&base).session_name(name);
        if let Some(id) = &role.external_id {
            provider = provider.external_id(id);
        }
        let provider = SharedCredentialsProvider::new(provider.build().await);
        let config = base
            .into_builder()
            .credentials_provider(provider)
            .identity_cache(identity_cache())
            .build();
        Self { config, profile, paces: Arc::default(), source }
    }

    /// The same, read anew: a profile's files are read once by whoever takes keys from them. No network.
    pub(super) async fn anew(&self) -> Self {
        match self.source.as_deref() {
            Some((settings, keys)) => Box::pin(Self::with_keys(settings, keys.as_ref())).await,
            None => self.clone(),
        }
    }

    /// A session from a configuration made elsewhere (a fake AWS in the same process).
    pub fn of(config: SdkConfig) -> Self {
        Self { config, profile: None, paces: Arc::default(), source: None }
    }

    /// What an SDK client is made from.
    pub fn config(&self, retry: Retry) -> SdkConfig {
        let retry = match retry {
            Retry::Standard => RetryConfig::standard(),
            Retry::Never => RetryConfig::disabled(),
        };
        self.config.to_builder().retry_config(retry).build()
    }

    /// The region that calls go to.
    pub fn region(&self) -> &str {
        self.config.region().map_or(GLOBAL, Region::as_ref)
    }

    /// The endpoint that the environment or the profile sets for a service (`s3`, `route 53`), if any:
    /// `AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self, service: &str) -> Option<String> {
        let key = ServiceConfigKey::builder()
            .service_id(service)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok()?;
        let own = self.config.service_config().and_then(|source| source.load_config(key));
        own.or_else(|| self.config.endpoint_url().map(Into::into))
    }

    /// Waits until one more request to Route 53 keeps within what we allow ourselves; clones wait together. Cancel safe.
    pub async fn route53_turn(&self) {
        self.paces.route53.turn().await;
    }

    /// The same for Elastic Load Balancing. Cancel safe.
    pub async fn balancing_turn(&self) {
        self.paces.balancing.turn().await;
    }

    /// Sorts what a client of this session answered.
    pub fn sort<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        Error::from_sdk(error, &self.asked(self.config.endpoint_url().unwrap_or("AWS")))
    }

    /// Who AWS takes us for (STS `GetCallerIdentity`, which needs no permission).
    pub async fn caller(&self) -> Result<Identity, Error> {
        let client = aws_sdk_sts::Client::new(&self.config(Retry::Standard));
        let answer =
            client.get_caller_identity().send().await.map_err(|error| self.sort(&error))?;
        match (answer.account, answer.arn) {
            (Some(account), Some(arn)) => Ok(Identity { account, arn }),
            _ => Err(Error::Service {
                code: "GetCallerIdentity".into(),
                message: "the answer names nobody".into(),
                request_id: None,
            }),
        }
    }

    /// The credentials, for the one client that is not of the SDK. Not cached.
    pub(super) async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        match self.config.credentials_provider() {
            Some(provider) => provider.provide_credentials().await,
            None => Err(CredentialsError::not_loaded("none configured")),
        }
    }

    pub(super) fn asked<'a>(&'a self, endpoint: &'a str) -> Asked<'a> {
        Asked { profile: self.profile.as_deref(), endpoint }
    }
}

/// What AWS's own tools read; named in errors so that a person knows whose credentials failed.
fn profile_of_environment() -> Option<String> {
    std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty())
}

async fn base(settings: &Settings, keys: Option<&Keys>) -> SdkConfig {
    let region = region(settings).await;
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(keys) = keys {
        let (id, secret) = (keys.id.clone(), keys.secret.clone());
        let keys = Credentials::new(id, secret, keys.token.clone(), None, "written down");
        loader = loader.credentials_provider(keys);
    } else if let Some(profile) = &settings.profile {
        // Somebody named the profile: keys in the environment or a role of the machine must not stand in for it, as
        // they would in the standard chain. They may belong to another account.
        let only = ProfileFileCredentialsProvider::builder()
            .configure(&ProviderConfig::without_region().with_region(Some(region.clone())))
            .profile_name(profile)
            .build();
        loader = loader.profile_name(profile).credentials_provider(only);
    }
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(WHOLE)
        .build();
    let config = loader
        .region(region)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard())
        .identity_cache(identity_cache())
        .load()
        .await;
    put_right(config)
}

/// Not by the default chain, which would ask the EC2 metadata service: a second of waiting anywhere else.
async fn region(settings: &Settings) -> Region {
    let mut of_profile = ProfileFileRegionProvider::builder();
    if let Some(profile) = &settings.profile {
        of_profile = of_profile.profile_name(profile);
    }
    RegionProviderChain::first_try(settings.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(of_profile.build())
        .region()
        .await
        .unwrap_or(Region::from_static(GLOBAL))
}

fn identity_cache() -> aws_smithy_runtime_api::client::identity::SharedIdentityCache {
    IdentityCache::lazy().load_timeout(CREDENTIALS).build()
}

#[cfg(test)]
mod tests {
    use super::super::CredentialsProblem;
    use super::super::loopback::{Fake, Then, session, session_with};
    use super::*;

    fn refusal(code: &str, message: &str) -> String {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
        )
    }

    async fn answered(status: u16, body: String) -> Result<Identity, Error> {
        let fake = Fake::new(Then::Answer(status, body)).await;
        fake.during(session(&fake.url()).caller()).await
    }

    #[tokio::test]
    async fn the_caller_is_named() {
        let body = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ann</Arn><UserId>U</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
        let who = answered(200, body.into()).await.unwrap();
        assert_eq!(who.account, "123456789012");
        assert_eq!(who.arn, "arn:aws:iam::123456789012:user/ann");
    }

    #[tokio::test]
    async fn nobody_listening_means_nothing_was_sent() {
        let fake = Fake::new(Then::HangUp).await;
        let url = fake.url();
        drop(fake);
        let error = session(&url).caller().await.unwrap_err();
        assert!(
            matches!(&error, Error::Unreachable { endpoint, .. } if *endpoint == url),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn a_failed_tls_handshake_means_nothing_was_sent() {
        let fake = Fake::new(Then::Answer(400, "plain".into())).await;
        let url = fake.url().replace("http://", "https://");
        let error = fake.during(one_attempt(&session(&url))).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_connection_cut_after_the_request_leaves_the_outcome_unknown() {
        let fake = Fake::new(Then::HangUp).await;
        let error = fake.during(one_attempt(&session(&fake.url()))).await.unwrap_err();
        assert!(error.may_have_happened(), "{error:?}");
    }

    #[tokio::test]
    async fn silence_after_the_request_leaves_the_outcome_unknown() {
        let fake = Fake::new(Then::Silence).await;
        let error = fake.during(one_attempt(&session(&fake.url()))).await.unwrap_err();
        assert!(error.may_have_happened(), "{error:?}");
    }

    #[tokio::test]
    async fn a_server_error_leaves_the_outcome_unknown() {
        let error = answered(500, refusal("InternalFailure", "oops")).await.unwrap_err();
        assert!(error.may_have_happened(), "{error:?}");
        assert_eq!(
            error.to_string(),
            "the outcome is unknown: AWS answered 500 InternalFailure: oops"
        );
    }

    #[tokio::test]
    async fn a_change_is_sent_once_and_a_read_three_times() {
        for (retry, times) in [(Retry::Never, 1), (Retry::Standard, 3)] {
            let fake = Fake::new(Then::HangUp).await;
            let client = aws_sdk_sts::Client::new(&session(&fake.url()).config(retry));
            fake.during(client.get_caller_identity().send()).await.unwrap_err();
            assert_eq!(fake.heard.borrow().len(), times, "{retry:?}");
        }
    }

    #[tokio::test]
    async fn a_request_that_aws_does_not_allow_is_a_matter_of_credentials() {
        let words = "User: arn:aws:iam::123456789012:user/ann is not authorized";
        let error = answered(403, refusal("AccessDenied", words)).await.unwrap_err();
        assert_eq!(error.to_string(), format!("AWS does not allow it: {words}"));
        assert!(error.hint().contains("get-caller-identity"));
    }

    #[tokio::test]
    async fn expired_credentials_lead_to_a_new_login() {
        let error =
            answered(403, refusal("ExpiredToken", "the token is expired")).await.unwrap_err();
        assert!(matches!(error, Error::Credentials { problem: CredentialsProblem::Expired, .. }));
        assert!(error.hint().contains("aws sso login"));
    }

    #[tokio::test]
    async fn throttling_is_told_apart() {
        let error = answered(400, refusal("Throttling", "Rate exceeded")).await.unwrap_err();
        assert!(matches!(error, Error::Throttled { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn another_refusal_keeps_its_code_and_request_id() {
        let error = answered(400, refusal("ValidationError", "no such thing")).await.unwrap_err();
        let Error::Service { code, request_id, .. } = error else { panic!("{error:?}") };
        assert_eq!((code.as_str(), request_id.as_deref()), ("ValidationError", Some("r-1")));
    }

    #[tokio::test]
    async fn no_credentials_at_all_are_reported_before_anything_is_sent() {
        let fake = Fake::new(Then::HangUp).await;
        let none = SharedCredentialsProvider::new(Nobody);
        let error = fake.during(session_with(&fake.url(), none).caller()).await.unwrap_err();
        assert!(
            matches!(error, Error::Credentials { problem: CredentialsProblem::Missing, .. }),
            "{error:?}"
        );
        assert!(fake.heard.borrow().is_empty());
    }

    #[tokio::test]
    async fn keys_that_are_written_down_are_used_and_never_shown() {
        let keys = Keys { id: "AKIDX".into(), secret: "hush".into(), token: Some("hush".into()) };
        assert!(!format!("{keys:?}").contains("hush"));
        let session = Session::with_keys(&Settings::default(), Some(&keys)).await;
        assert!(!format!("{session:?}").contains("hush"));
        assert_eq!(session.credentials().await.unwrap().access_key_id(), "AKIDX");
    }

    #[derive(Debug)]
    struct Nobody;

    impl aws_credential_types::provider::ProvideCredentials for Nobody {
        fn provide_credentials<'a>(
            &'a self,
        ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let none = CredentialsError::not_loaded("no providers in chain");
            aws_credential_types::provider::future::ProvideCredentials::ready(Err(none))
        }
    }

    /// As a change is made.
    async fn one_attempt(session: &Session) -> Result<(), Error> {
        let client = aws_sdk_sts::Client::new(&session.config(Retry::Never));
        let answer = client.get_caller_identity().send().await;
        answer.map(drop).map_err(|error| session.sort(&error))
    }
}
