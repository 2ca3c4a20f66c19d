//! What S3 says of a bucket itself (its grants, its policy), which `object_store` does not ask. Only reads.

use http_body_util::BodyExt as _;
use object_store::CredentialProvider as _;
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector};

use super::super::error::{Answer, Error, find, from_credentials, told};
use super::{Bucket, CredentialsError, element, times};

/// No answer about a bucket is longer: a policy has at most 20 KB.
const LONGEST: usize = 256 * 1024;

impl Bucket {
    /// The text of `GET /?WHAT` (`acl`, `policy`, `policyStatus`, `publicAccessBlock`), or `None` where the bucket has
    /// none. Bounded in time; cancel safe.
    pub async fn about(&self, what: &str) -> Result<Option<String>, Error> {
        self.in_time(async {
            let (status, body) = self.told_about(what).await?;
            if (200..300).contains(&status) {
                return Ok(Some(body));
            }
            let code = element(&body, "Code").unwrap_or("no code");
            if status == 404 && code != "NoSuchBucket" {
                return Ok(None);
            }
            let answer = Answer {
                status,
                code,
                message: element(&body, "Message").unwrap_or("no message"),
                request_id: element(&body, "RequestId"),
            };
            Err(match answer.sorted(&self.session.asked(&self.endpoint)) {
                Error::OutcomeUnknown { reason } => self.unreachable(reason),
                error => error,
            })
        })
        .await
    }

    async fn told_about(&self, what: &str) -> Result<(u16, String), Error> {
        let unmade = |reason: String| Error::Request { reason };
        let key = self.credentials.get_credential().await.map_err(|cause| self.sorted(&cause))?;
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        let url = format!("{}?{what}", self.root());
        *request.uri_mut() = url.parse().map_err(|error| unmade(format!("{url}: {error}")))?;
        AwsAuthorizer::new(&key, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(|cause| unmade(told(&cause)))?;
        let client = ReqwestConnector::default().connect(&times());
        let client = client.map_err(|cause| unmade(told(&cause)))?;
        let failed = |cause: object_store::client::HttpError| match find::<CredentialsError>(&cause)
        {
            Some(cause) => from_credentials(cause, &self.session.asked(&self.endpoint)),
            None => self.unreachable(told(&cause)),
        };
        let answer = client.execute(request).await.map_err(failed)?;
        let status = answer.status().as_u16();
        let mut body = answer.into_body();
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(part) = frame.map_err(failed)?.into_data() else { continue };
            let room = LONGEST.saturating_sub(read.len());
            read.extend_from_slice(part.get(..room).unwrap_or(&part));
            if read.len() >= LONGEST {
                break;
            }
        }
        Ok((status, String::from_utf8_lossy(&read).into_owned()))
    }

    /// The bucket's own URL, with a slash at its end.
    fn root(&self) -> String {
        if self.in_path {
            format!("{}/{}/", self.endpoint, self.name)
        } else {
            format!("{}/", self.endpoint)
        }
    }
}
