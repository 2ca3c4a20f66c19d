//! What the environment and the profile files give, put right before the SDK sees it: the SDK panics at an endpoint
//! that is empty, and at keys that no header can carry. Never quotes what it was given.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

/// The same configuration, with an empty endpoint as one that is not set, and keys that are looked at.
pub(super) fn put_right(config: SdkConfig) -> SdkConfig {
    let mut builder = config.to_builder();
    if config.endpoint_url().is_some_and(str::is_empty) {
        builder.set_endpoint_url(None);
    }
    if let Some(provider) = config.credentials_provider() {
        builder.set_credentials_provider(Some(SharedCredentialsProvider::new(Looked(provider))));
    }
    builder.service_config(NotEmpty(config)).build()
}

/// A provider whose keys are looked at.
#[derive(Debug)]
struct Looked(SharedCredentialsProvider);

impl ProvideCredentials for Looked {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let keys = self.0.provide_credentials().await?;
            if fits_a_header(&keys) {
                Ok(keys)
            } else {
                Err(CredentialsError::invalid_configuration(
                    "the access key id or the session token has a control character in it, perhaps a line break at its end",
                ))
            }
        })
    }
}

fn fits_a_header(keys: &Credentials) -> bool {
    let texts = [Some(keys.access_key_id()), keys.session_token()];
    texts.into_iter().flatten().all(|text| !text.chars().any(char::is_control))
}

/// The settings of single services, without those that are empty.
#[derive(Debug)]
struct NotEmpty(SdkConfig);

impl LoadServiceConfig for NotEmpty {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        self.0.service_config()?.load_config(key).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_a_key_does_not_fit_into_a_header() {
        let keys = |id: &str, token: Option<&str>| {
            Credentials::new(id, "hush", token.map(str::to_owned), None, "test")
        };
        assert!(fits_a_header(&keys("AKIDX", Some("token+/="))));
        assert!(!fits_a_header(&keys("AKIDX\n", None)));
        assert!(!fits_a_header(&keys("AKIDX", Some("token\n"))));
    }
}
