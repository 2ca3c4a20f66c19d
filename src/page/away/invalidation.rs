//! The distribution in front of the bucket: what it keeps of the page is thrown away, and that is followed to its end.

use std::time::Duration;

use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::types::{InvalidationBatch, Paths};

use super::{Error, Place};
use crate::aws::{Error as AwsError, Retry, Session};
use crate::clock;

/// How often it is asked: AWS takes 100 such questions a second.
const POLL: Duration = Duration::from_secs(1);

/// A distribution, as far as it matters to what is published behind it.
#[derive(Debug, Clone)]
pub struct Front {
    session: Session,
    /// `E1..`
    pub id: String,
    /// `d111.cloudfront.net`
    pub domain: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether its last change is everywhere.
    pub deployed: bool,
    /// The domain and the folder of each of its origins.
    origins: Vec<(String, String)>,
}

/// An invalidation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalidation {
    /// `I1..`
    pub id: String,
    /// Of which distribution.
    pub distribution: String,
    /// What it is about.
    pub path: String,
    /// `InProgress` or `Completed`.
    pub status: String,
}

impl Invalidation {
    /// Whether no edge keeps what was before.
    pub fn is_complete(&self) -> bool {
        self.status == "Completed"
    }
}

impl Front {
    /// The distribution of that id. Cancel safe.
    pub async fn read(session: &Session, id: &str) -> Result<Front, Error> {
        let client = Client::new(&session.config(Retry::Standard));
        let answer = client.get_distribution().id(id).send().await;
        let answer = answer.map_err(|error| Error::Aws {
            doing: format!("the distribution {id} cannot be read"),
            needs: needs("GetDistribution", id),
            source: session.sort(&error),
        })?;
        let found = answer.distribution.ok_or_else(|| Error::Aws {
            doing: format!("the distribution {id} cannot be read"),
            needs: String::new(),
            source: AwsError::Request { reason: "the answer has none".to_owned() },
        })?;
        let config = found.distribution_config.as_ref();
        let origins = config.and_then(|config| config.origins.as_ref());
        let origins = origins.map(|origins| origins.items.iter()).into_iter().flatten();
        Ok(Front {
            session: session.clone(),
            id: found.id.clone(),
            domain: found.domain_name.clone(),
            enabled: config.is_some_and(|config| config.enabled),
            deployed: found.status == "Deployed",
            origins: origins
                .map(|origin| {
                    let path = origin.origin_path.clone().unwrap_or_default();
                    (origin.domain_name.clone(), path.trim_matches('/').to_owned())
                })
                .collect(),
        })
    }

    /// What a person should know of it.
    pub fn warnings(&self, place: &Place) -> Vec<String> {
        let Front { id, domain, .. } = self;
        let mut warnings = Vec::new();
        if !self.enabled {
            warnings.push(format!(
                "{id} ({domain}) is disabled: nobody gets the page from it until it is enabled"
            ));
        }
        if !self.deployed {
            warnings.push(format!(
                "{id} ({domain}) is still being deployed: some edges answer as it was before"
            ));
        }
        if self.folder_of(place).is_none() {
            warnings.push(format!(
                "{id} ({domain}) does not read from {}: it answers with something else",
                place.url()
            ));
        }
        warnings
    }

    /// The folder of the origin that reads from the place, if one does.
    fn folder_of(&self, place: &Place) -> Option<&str> {
        let of_bucket = format!("{}.s3", place.name);
        let in_it = |folder: &str| {
            let rest = place.prefix.strip_prefix(folder);
            folder.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut origins = self.origins.iter().filter(|(domain, _)| domain.starts_with(&of_bucket));
        origins.find(|(_, folder)| in_it(folder)).map(|(_, folder)| folder.as_str())
    }

    /// Has the distribution forget everything of the place that it keeps: one path, so that it costs as one.
    ///
    /// `stamp` says what is published now. AWS makes one invalidation of each (distribution, path, stamp): asked for again
    /// after a crash or a lost answer, it gives the one that it has. Where CloudFront has no time for it, it is asked again
    /// until `timeout`.
    pub async fn forget(
        &self,
        place: &Place,
        stamp: &str,
        timeout: Duration,
        tell: &dyn Fn(&str, Duration),
    ) -> Result<Invalidation, Error> {
        let below = place.prefix.strip_prefix(self.folder_of(place).unwrap_or_default());
        let below = below.unwrap_or_default().trim_matches('/');
        let path = if below.is_empty() { "/*".to_owned() } else { format!("/{below}/*") };
        let began = clock::monotonic();
        loop {
            let source = match self.told_to_forget(&path, stamp).await {
                Ok(made) => return Ok(made),
                Err(source) => source,
            };
            let waited = clock::monotonic().duration_since(began);
            let what = format!("{} cannot be told to forget {path}", self.id);
            if !asks_to_wait(&source) {
                let needs = needs("CreateInvalidation", &self.id);
                return Err(Error::Aws { doing: what, needs, source });
            }
            if waited >= timeout {
                return Err(Error::Unfinished { what: format!("{what} ({source})"), waited });
            }
            tell(&format!("waiting for CloudFront to take an invalidation of {}", self.id), waited);
            tokio::time::sleep(POLL.min(timeout.saturating_sub(waited))).await;
        }
    }

    async fn told_to_forget(&self, path: &str, stamp: &str) -> Result<Invalidation, AwsError> {
        let unmade = |error: aws_sdk_cloudfront::error::BuildError| AwsError::Request {
            reason: error.to_string(),
        };
        let paths = Paths::builder().quantity(1).items(path).build().map_err(unmade)?;
        let reference = format!("roadworks-{stamp}");
        let batch = InvalidationBatch::builder().paths(paths).caller_reference(reference);
        let batch = batch.build().map_err(unmade)?;
        let client = Client::new(&self.session.config(Retry::Standard));
        let request = client.create_invalidation().distribution_id(&self.id);
        let answer = request.invalidation_batch(batch).send().await;
        let made = answer.map_err(|error| self.session.sort(&error))?.invalidation;
        let made = made.ok_or_else(|| AwsError::OutcomeUnknown {
            reason: "the answer has no invalidation".to_owned(),
        })?;
        let distribution = self.id.clone();
        Ok(Invalidation { id: made.id, distribution, path: path.to_owned(), status: made.status })
    }

    /// Waits until it is complete. Cancel safe: asked again, it goes on.
    pub async fn follow(
        &self,
        mut invalidation: Invalidation,
        timeout: Duration,
        tell: &dyn Fn(&str, Duration),
    ) -> Result<Invalidation, Error> {
        let client = Client::new(&self.session.config(Retry::Standard));
        let began = clock::monotonic();
        while !invalidation.is_complete() {
            let waited = clock::monotonic().duration_since(began);
            let Invalidation { id, distribution, .. } = &invalidation;
            if waited >= timeout {
                let what = format!("invalidation {id} of {distribution} is still in progress");
                return Err(Error::Unfinished { what, waited });
            }
            tell(&format!("invalidation {id} of {distribution}"), waited);
            tokio::time::sleep(POLL.min(timeout.saturating_sub(waited))).await;
            let request = client.get_invalidation().distribution_id(distribution).id(id);
            match request.send().await.map_err(|error| self.session.sort(&error)) {
                Ok(answer) => {
                    let status = answer.invalidation.map(|now| now.status);
                    invalidation.status = status.unwrap_or(invalidation.status);
                }
                // It is under way; only the news of it is late.
                Err(
                    AwsError::Throttled { .. }
                    | AwsError::OutcomeUnknown { .. }
                    | AwsError::Unreachable { .. },
                ) => {}
                Err(source) => {
                    return Err(Error::Aws {
                        doing: format!("invalidation {id} of {distribution} cannot be followed"),
                        needs: needs("GetInvalidation", distribution),
                        source,
                    });
                }
            }
        }
        Ok(invalidation)
    }
}

/// Whether the same may be asked for again in a moment: too much at once, or an answer that was lost.
fn asks_to_wait(error: &AwsError) -> bool {
    match error {
        AwsError::Throttled { .. } | AwsError::OutcomeUnknown { .. } => true,
        AwsError::Service { code, .. } => code == "TooManyInvalidationsInProgress",
        AwsError::Credentials { .. } | AwsError::Unreachable { .. } | AwsError::Request { .. } => {
            false
        }
    }
}

fn needs(action: &str, id: &str) -> String {
    format!("cloudfront:{action} on arn:aws:cloudfront::ACCOUNT:distribution/{id}")
}
