//! Objects in S3: reading a Terraform state and its lock, and the client with which a store writes.
//!
//! Goes through `object_store`, which the store uses too, because the S3 SDK is the largest of all AWS's.
//! Must never log what it reads: a state holds secrets.

mod about;

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, ObjectStore, ObjectStoreExt as _, RetryConfig,
};

use super::error::{Answer, Error, causes, find, from_credentials, told};
use super::lent::Lent;
use super::session::Session;

/// The largest object that is read into memory. Real states stay under 100 MiB.
pub const LARGEST: u64 = 256 * 1024 * 1024;
/// A whole read, retries included: a state of the largest size over 50 Mbit/s.
const WHOLE: Duration = Duration::from_mins(1);
const PAGE: usize = 1000;
/// One question of a store, retries included.
const SOON: Duration = Duration::from_secs(5);

/// Where a bucket is, when the session does not say it right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// The bucket's region; else the session's.
    pub region: Option<String>,
    /// An S3-compatible endpoint; else `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, AWS.
    pub endpoint: Option<String>,
    /// How the bucket is named in the URL.
    pub addressing: Addressing,
}

/// How a bucket is named in the URL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Addressing {
    /// In the host name on AWS, in the path elsewhere and where a dot in the name would break TLS.
    #[default]
    Auto,
    /// Always in the path.
    Path,
}

/// A bucket that can be read.
#[derive(Debug)]
pub struct Bucket {
    store: AmazonS3,
    session: Session,
    credentials: Arc<Lent>,
    name: String,
    endpoint: String,
    region: String,
    in_path: bool,
}

/// An object, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its content.
    pub bytes: Bytes,
    /// Changes when the content does.
    pub etag: Option<String>,
}

/// Some of the keys under a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// In S3's order.
    pub keys: Vec<String>,
    /// Whether there are more than were asked for.
    pub truncated: bool,
}

impl Bucket {
    /// For one errand: reads of documents of any size. Makes the client; no network.
    pub fn open(session: &Session, name: &str, location: &Location) -> Result<Self, Error> {
        Self::with(session, name, location, (times(), retries()))
    }

    /// For as long as the process runs: documents of a few kilobytes, each wanted now or not at all.
    pub fn open_for_long(
        session: &Session,
        name: &str,
        location: &Location,
    ) -> Result<Self, Error> {
        let times = times().with_read_timeout(SOON).with_timeout(SOON);
        let retries = RetryConfig { max_retries: 2, retry_timeout: SOON, ..retries() };
        Self::with(session, name, location, (times, retries))
    }

    /// The client itself, for whoever writes.
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::new(self.store.clone())
    }

    fn with(
        session: &Session,
        name: &str,
        location: &Location,
        (times, retries): (ClientOptions, RetryConfig),
    ) -> Result<Self, Error> {
        let region = location.region.clone().unwrap_or_else(|| session.region().to_owned());
        let custom = location.endpoint.clone().or_else(|| session.endpoint("s3"));
        let in_path =
            custom.is_some() || location.addressing == Addressing::Path || name.contains('.');
        let endpoint = custom.unwrap_or_else(|| of_aws(&region, (!in_path).then_some(name)));
        let credentials = Arc::new(Lent::of(session));
        let store = AmazonS3Builder::new()
            .with_bucket_name(name)
            .with_region(region.clone())
            .with_endpoint(endpoint.clone())
            .with_virtual_hosted_style_request(!in_path)
            .with_credentials(Arc::clone(&credentials) as Arc<_>)
            .with_retry(retries)
            .with_client_options(times)
            .build()
            .map_err(|cause| Error::Request { reason: told(&cause) })?;
        let (session, name) = (session.clone(), name.to_owned());
        Ok(Self { store, session, credentials, name, endpoint, region, in_path })
    }

    /// The object, or `None` where there is none. Refuses one larger than [`LARGEST`].
    ///
    /// Cancel safe: it only reads.
    pub async fn get(&self, key: &str) -> Result<Option<Object>, Error> {
        let path = path_of(key)?;
        self.in_time(async {
            let answer = match self.store.get_opts(&path, GetOptions::default()).await {
                Ok(answer) => answer,
                Err(cause) => return self.absent_or(&cause),
            };
            if answer.meta.size > LARGEST {
                return Err(self.too_large(key, answer.meta.size));
            }
            let etag = answer.meta.e_tag.clone();
            let bytes = answer.bytes().await.map_err(|cause| self.sorted(&cause))?;
            Ok(Some(Object { bytes, etag }))
        })
        .await
    }

    /// Whether there is such an object, without reading it.
    pub async fn exists(&self, key: &str) -> Result<bool, Error> {
        let path = path_of(key)?;
        self.in_time(async {
            match self.store.head(&path).await {
                Ok(_) => Ok(true),
                Err(cause) => Ok(self.absent_or::<()>(&cause)?.is_some()),
            }
        })
        .await
    }

    /// The keys that begin with `prefix`, at most `limit` of them.
    pub async fn list(&self, prefix: &str, limit: usize) -> Result<Listing, Error> {
        self.in_time(async {
            let mut keys = Vec::new();
            let mut page_token = None;
            loop {
                let options = PaginatedListOptions {
                    max_keys: Some(PAGE),
                    page_token,
                    ..PaginatedListOptions::default()
                };
                let page = self
                    .store
                    .list_paginated(Some(prefix), options)
                    .await
                    .map_err(|cause| self.sorted(&cause))?;
                keys.extend(page.result.objects.into_iter().map(|o| o.location.to_string()));
                page_token = page.page_token;
                if page_token.is_none() || keys.len() > limit {
                    let truncated = page_token.is_some() || keys.len() > limit;
                    keys.truncate(limit);
                    return Ok(Listing { keys, truncated });
                }
            }
        })
        .await
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::time::timeout(WHOLE, work).await.unwrap_or_else(|_| {
            Err(Error::Unreachable {
                endpoint: self.endpoint.clone(),
                reason: format!("the read took longer than {} s", WHOLE.as_secs()),
            })
        })
    }

    fn absent_or<T>(&self, cause: &object_store::Error) -> Result<Option<T>, Error> {
        let error = self.sorted(cause);
        let no_bucket = matches!(&error, Error::Service { code, .. } if code == "NoSuchBucket");
        match cause {
            object_store::Error::NotFound { .. } if !no_bucket => Ok(None),
            _ => Err(error),
        }
    }

    fn too_large(&self, key: &str, size: u64) -> Error {
        Error::Service {
            code: "EntityTooLarge".into(),
            message: format!(
                "s3://{}/{key} has {size} bytes, more than the {LARGEST} that are read",
                self.name
            ),
            request_id: None,
        }
    }

    /// What an error of the client means. Where it is about the credentials, the next request asks for new ones.
    pub fn sorted(&self, cause: &object_store::Error) -> Error {
        let error = self.meant(cause);
        if matches!(error, Error::Credentials { .. }) {
            self.credentials.refused();
        }
        error
    }

    fn meant(&self, cause: &object_store::Error) -> Error {
        let asked = self.session.asked(&self.endpoint);
        if let Some(cause) = find::<CredentialsError>(cause) {
            return from_credentials(cause, &asked);
        }
        if let Some((status, body)) = answer_in(cause) {
            let answer = Answer {
                status,
                code: element(&body, "Code").unwrap_or("no code"),
                message: element(&body, "Message").unwrap_or("no message"),
                request_id: element(&body, "RequestId"),
            };
            return match answer.sorted(&asked) {
                // A read changes nothing, so its outcome is never in doubt.
                Error::OutcomeUnknown { reason } => self.unreachable(reason),
                error => error,
            };
        }
        match find::<HttpError>(cause).map(HttpError::kind) {
            Some(HttpErrorKind::Decode) | None => Error::Request { reason: told(cause) },
            Some(_) => self.unreachable(told(cause)),
        }
    }

    fn unreachable(&self, reason: String) -> Error {
        Error::Unreachable { endpoint: self.endpoint.clone(), reason }
    }
}

/// AWS's own endpoint, with the bucket in the host name if one is given. China has its own domain.
fn of_aws(region: &str, bucket: Option<&str>) -> String {
    let bucket = bucket.map(|name| format!("{name}.")).unwrap_or_default();
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{bucket}s3.{region}.{domain}")
}

fn path_of(key: &str) -> Result<Path, Error> {
    let wrong = |reason: String| Error::Request { reason };
    if key.starts_with('/') || key.ends_with('/') {
        return Err(wrong(format!("the key `{key}` begins or ends with a slash")));
    }
    Path::parse(key).map_err(|cause| wrong(told(&cause)))
}

fn retries() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(200),
        max_backoff: Duration::from_secs(2),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: 3, retry_timeout: Duration::from_secs(15) }
}

fn times() -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(true)
        .with_connect_timeout(Duration::from_secs(3))
        .with_read_timeout(Duration::from_secs(10))
        .with_timeout(WHOLE)
}

/// Status and body of the error answer that S3 gave. `object_store` keeps both private and puts them into its text.
fn answer_in(cause: &object_store::Error) -> Option<(u16, String)> {
    causes(cause).find_map(|cause| {
        let text = cause.to_string();
        let (status, body) =
            text.strip_prefix("Server returned non-2xx status code: ")?.split_once(": ")?;
        Some((status.split(' ').next()?.parse().ok()?, body.to_owned()))
    })
}

/// The text of the first `<name>` element of an error answer. S3's are flat.
fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::super::CredentialsProblem;
    use super::super::loopback::{Fake, Then, session};
    use super::*;

    fn bucket(fake: &Fake) -> Bucket {
        Bucket::open(&session(&fake.url()), "states", &Location::default()).unwrap()
    }

    async fn got(status: u16, body: &str) -> Result<Option<Object>, Error> {
        let fake = Fake::new(Then::Answer(status, body.into())).await;
        fake.during(bucket(&fake).get("env:/prod/a.tfstate")).await
    }

    #[tokio::test]
    async fn an_object_is_read_by_path_with_the_sessions_keys() {
        let fake = Fake::new(Then::Answer(200, "state".into())).await;
        let object = fake.during(bucket(&fake).get("env:/prod/a.tfstate")).await.unwrap().unwrap();
        assert_eq!(
            (object.bytes.as_ref(), object.etag.as_deref()),
            (b"state".as_ref(), Some("\"e1\""))
        );
        let head = fake.heard.borrow().join("");
        assert!(head.starts_with("GET /states/env%3A/prod/a.tfstate HTTP/1.1"), "{head}");
        assert!(head.contains("Credential=AKIAAAAAAAAAAAAAAAAA/"), "{head}");
    }

    #[tokio::test]
    async fn an_absent_object_is_none_and_an_absent_bucket_an_error() {
        let error = |code| format!("<Error><Code>{code}</Code><Message>none</Message></Error>");
        assert_eq!(got(404, &error("NoSuchKey")).await.unwrap(), None);
        let error = got(404, &error("NoSuchBucket")).await.unwrap_err();
        assert!(
            matches!(&error, Error::Service { code, .. } if code == "NoSuchBucket"),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn a_refused_read_says_why() {
        let body = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
        for status in [400, 403] {
            let error = got(status, body).await.unwrap_err();
            assert!(
                matches!(error, Error::Credentials { problem: CredentialsProblem::Expired, .. }),
                "{error:?}"
            );
        }
    }

    #[tokio::test]
    async fn an_object_larger_than_the_limit_is_not_read() {
        let fake = Fake::new(Then::Sized(LARGEST + 1)).await;
        let error = fake.during(bucket(&fake).get("big")).await.unwrap_err();
        assert!(
            matches!(&error, Error::Service { code, .. } if code == "EntityTooLarge"),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn a_key_that_s3_would_read_otherwise_is_refused() {
        let fake = Fake::new(Then::HangUp).await;
        for key in ["/a", "a/", "a//b", "a/../b"] {
            assert!(matches!(bucket(&fake).get(key).await, Err(Error::Request { .. })), "{key}");
        }
    }

    #[test]
    fn china_has_its_own_domain() {
        assert_eq!(of_aws("cn-north-1", Some("b")), "https://b.s3.cn-north-1.amazonaws.com.cn");
        assert_eq!(of_aws("eu-west-1", None), "https://s3.eu-west-1.amazonaws.com");
    }
}
