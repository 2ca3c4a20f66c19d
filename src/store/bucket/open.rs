//! The bucket that a URL names, with the credentials that its owner's own tools would use.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use super::super::Error;
use super::{BucketStore, Explain};
use crate::aws::Session;
use crate::aws::s3::{Bucket, Location};
use crate::config::{BucketConfig, BucketKind};

/// One question, retries included.
const SOON: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(3);

/// The store in `config`'s bucket. Reads environment and profiles; no network.
pub async fn open(config: &BucketConfig) -> Result<BucketStore, Error> {
    let place = config.url();
    let cannot =
        |source: io::Error| Error::Unavailable { place: place.clone(), doing: "opened", source };
    let prefix = Path::parse(&config.prefix).map_err(|error| cannot(io::Error::other(error)))?;
    let (objects, explain): (_, Arc<Explain>) = match config.kind {
        BucketKind::S3 => {
            let session = Session::load(&config.account.settings()).await;
            let location = Location { endpoint: config.endpoint.clone(), ..Location::default() };
            let bucket = Bucket::open_for_long(&session, &config.name, &location)
                .map_err(|error| cannot(io::Error::other(error)))?;
            (bucket.objects(), Arc::new(move |error| io::Error::other(bucket.sorted(error))))
        }
        BucketKind::Google => {
            let mut builder = GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(&config.name)
                .with_client_options(times())
                .with_retry(retries());
            if let Some(endpoint) = &config.endpoint {
                builder = builder.with_base_url(endpoint);
            }
            let objects = builder.build().map_err(|error| cannot(plain(&error)))?;
            (Arc::new(objects) as Arc<_>, Arc::new(plain))
        }
        BucketKind::Azure => {
            let mut builder = MicrosoftAzureBuilder::from_env()
                .with_container_name(&config.name)
                .with_client_options(times())
                .with_retry(retries());
            if let Some(endpoint) = &config.endpoint {
                builder = builder.with_endpoint(endpoint.clone()).with_allow_http(true);
            }
            let objects = builder.build().map_err(|error| cannot(plain(&error)))?;
            (Arc::new(objects) as Arc<_>, Arc::new(plain))
        }
    };
    Ok(BucketStore::new(objects, prefix, place, explain))
}

fn times() -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(true)
        .with_connect_timeout(CONNECT)
        .with_read_timeout(SOON)
        .with_timeout(SOON)
}

fn retries() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 2, retry_timeout: SOON }
}

/// An error with its causes, which say more than it does.
fn plain(error: &object_store::Error) -> io::Error {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    io::Error::other(words)
}
