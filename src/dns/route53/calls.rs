//! The calls to Route 53, each in its turn; a read is asked again where that may help, a change never.

use aws_sdk_route53::Client;
use aws_sdk_route53::error::ProvideErrorMetadata;
use aws_sdk_route53::types::{ChangeBatch, ChangeStatus, ResourceRecordSet, RrType};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use super::wire::name_of;
use crate::aws::{Backoff, Error, Retry, Session};

/// How often a read is asked again before it counts as failed.
const ATTEMPTS: u32 = 5;
/// Route 53's largest page.
const PAGE: i32 = 300;
/// A zone holds 10,000 record sets unless AWS was asked for more; this is thirty times that.
const MOST_PAGES: usize = 1_000;

/// Route 53, asked no faster than it likes.
#[derive(Debug)]
pub(super) struct Calls {
    session: Session,
    client: Client,
}

impl Calls {
    pub(super) fn new(session: Session) -> Calls {
        // The SDK's own retries would not keep the pace, and must never repeat a change.
        let client = Client::new(&session.config(Retry::Never));
        Calls { session, client }
    }

    /// The record sets of one name. Cancel safe.
    pub(super) async fn sets_of(
        &self,
        zone: &str,
        name: &str,
    ) -> Result<Vec<ResourceRecordSet>, Error> {
        self.sets(zone, Some(name)).await
    }

    /// All record sets of a zone. Cancel safe.
    pub(super) async fn all_sets(&self, zone: &str) -> Result<Vec<ResourceRecordSet>, Error> {
        self.sets(zone, None).await
    }

    async fn sets(&self, zone: &str, name: Option<&str>) -> Result<Vec<ResourceRecordSet>, Error> {
        let mut found = Vec::new();
        let mut from: Option<(String, Option<RrType>, Option<String>)> =
            name.map(|name| (format!("{name}."), None, None));
        for _ in 0..MOST_PAGES {
            let (start, kind, identifier) =
                from.map_or((None, None, None), |(name, kind, id)| (Some(name), kind, id));
            let page = self
                .client
                .list_resource_record_sets()
                .hosted_zone_id(zone)
                .set_start_record_name(start)
                .set_start_record_type(kind)
                .set_start_record_identifier(identifier)
                .max_items(if name.is_some() { 100 } else { PAGE });
            let answer = self.read(|| page.clone().send()).await?;
            let of_name = |text: &str| name.is_none_or(|name| name_of(text) == name);
            found.extend(answer.resource_record_sets.into_iter().filter(|set| of_name(&set.name)));
            match answer.next_record_name {
                Some(next) if answer.is_truncated && of_name(&next) => {
                    from = Some((next, answer.next_record_type, answer.next_record_identifier));
                }
                _ => return Ok(found),
            }
        }
        Err(Error::Request {
            reason: format!("zone {zone} has over {MOST_PAGES} pages of records"),
        })
    }

    /// Sends one batch, once, and gives the id of the change.
    ///
    /// Not cancel safe: dropped midway, whether it took effect is only known by reading.
    pub(super) async fn change(&self, zone: &str, batch: ChangeBatch) -> Result<String, Error> {
        self.session.route53_turn().await;
        let answer = self
            .client
            .change_resource_record_sets()
            .hosted_zone_id(zone)
            .change_batch(batch)
            .send()
            .await
            .map_err(|error| self.session.sort(&error))?;
        Ok(answer.change_info.map(|change| change.id).unwrap_or_default())
    }

    /// Whether every name server of Route 53 has the change. Cancel safe.
    pub(super) async fn in_sync(&self, change: &str) -> Result<bool, Error> {
        let question = self.client.get_change().id(change);
        let answer = self.read(|| question.clone().send()).await?;
        Ok(answer.change_info.is_some_and(|change| change.status == ChangeStatus::Insync))
    }

    /// Asks until there is an answer, or one that asking again would not change.
    async fn read<T, E, F>(&self, ask: impl Fn() -> F) -> Result<T, Error>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let mut backoff = Backoff::new(ATTEMPTS);
        loop {
            self.session.route53_turn().await;
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.session.sort(&error),
            };
            match (&error, backoff.next_wait()) {
                (Error::Throttled { .. } | Error::OutcomeUnknown { .. }, Some(wait)) => {
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(error),
            }
        }
    }
}
