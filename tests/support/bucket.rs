//! A bucket of an emulator, new for each test.

use std::sync::Arc;

use object_store::RetryConfig;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use roadworks::store::BucketStore;

use super::http::call;

/// Makes a bucket at this endpoint; its name.
pub(crate) fn made(endpoint: &str) -> String {
    let name = format!("roadworks-{:08x}", fastrand::u32(..));
    let (status, answer) = call(endpoint, "PUT", &format!("/{name}"), "");
    assert_eq!(status, 200, "{answer}");
    name
}

/// A store in a bucket of its own.
pub(crate) fn bucket(endpoint: &str) -> BucketStore {
    store(endpoint, &made(endpoint), RetryConfig::default())
}

/// A store in the bucket of this name.
pub(crate) fn store(endpoint: &str, name: &str, retries: RetryConfig) -> BucketStore {
    let objects = AmazonS3Builder::new()
        .with_bucket_name(name)
        .with_region("us-east-1")
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_access_key_id("test")
        .with_secret_access_key("test")
        .with_retry(retries)
        .build();
    let place = format!("s3://{name}/state");
    let words = |error: &object_store::Error| std::io::Error::other(error.to_string());
    BucketStore::new(Arc::new(objects.unwrap()), Path::from("state"), place, Arc::new(words))
}
