//! Reads a site's names now and then, and remembers what they said: a TTL that somebody lowers by hand counts at its old
//! length, though nobody planned anything before.
//!
//! Never moves anything, and never stands in the way of who does: what cannot be read is tried again, and said once.

use std::time::Duration;

use super::answers::note_all;
use super::keeper::Opener;
use crate::clock;
use crate::store::{SiteStore, Store};
use crate::switch::{LeverName, Phase};

/// A name is read once in its TTL, but no more often and no less often than this. One request a minute is little even for
/// Route 53, which answers five a second for a whole account.
const SOONEST: Duration = Duration::from_mins(1);
const LATEST: Duration = Duration::from_mins(5);

/// Reads and remembers until it is dropped. Cancel safe: what is remembered is written whole or not.
pub(super) async fn remember<S: Store, O: Opener<S>>(
    site: &str,
    store: &SiteStore<S>,
    opener: &O,
) -> std::convert::Infallible {
    let mut said = Said::default();
    loop {
        let read = read(store, opener).await;
        match said.news(&read) {
            Some(News::Unread(why)) => tracing::warn!(
                site,
                "the name cannot be read, so a TTL that is lowered now is not noticed: {why}"
            ),
            Some(News::Well) => tracing::info!(site, "the name can be read again"),
            None => {}
        }
        tokio::time::sleep(pause(read.unwrap_or_default())).await;
    }
}

/// Reads the names once, and gives the smallest TTL; none where there are no names, or they are on their way.
async fn read<S: Store, O: Opener<S>>(
    store: &SiteStore<S>,
    opener: &O,
) -> Result<Option<u32>, String> {
    let switch = store.switch().await.map_err(|error| error.to_string())?;
    // Half way, the new answer is not yet that of every name server. Whoever moves it remembers what was.
    if switch.is_some_and(|(switch, _)| switch.phase == Phase::Moving) {
        return Ok(None);
    }
    let site = opener.open().await?;
    let mut given = Vec::new();
    for lever in site.levers.iter().filter(|lever| lever.name() == LeverName::Dns) {
        let seen = lever.observe().await.map_err(|error| error.to_string())?;
        given.extend(lever.given(&seen));
    }
    note_all(&site.store, &given, clock::now()).await.map_err(|error| error.to_string())?;
    Ok(given.iter().map(|given| given.ttl).min())
}

/// How long to leave the names alone.
fn pause(ttl: Option<u32>) -> Duration {
    Duration::from_secs(u64::from(ttl.unwrap_or_default())).clamp(SOONEST, LATEST)
}

/// Whether the last reading failed.
#[derive(Debug, Default)]
struct Said(bool);

/// What is worth a line in the log.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Unread(String),
    Well,
}

impl Said {
    /// The first failure of several in a row is news, and so is that they are over.
    fn news(&mut self, read: &Result<Option<u32>, String>) -> Option<News> {
        let failed = std::mem::replace(&mut self.0, read.is_err());
        match read {
            Err(why) if !failed => Some(News::Unread(why.clone())),
            Ok(_) if failed => Some(News::Well),
            Ok(_) | Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_once_in_its_ttl_within_bounds() {
        let seconds = |ttl| pause(ttl).as_secs();
        assert_eq!([None, Some(5), Some(90), Some(86_400)].map(seconds), [60, 60, 90, 300]);
    }

    #[test]
    fn failures_in_a_row_are_said_once() {
        let (mut said, failed) = (Said::default(), Err("silent".to_owned()));
        assert_eq!(said.news(&Ok(Some(5))), None);
        assert_eq!(said.news(&failed), Some(News::Unread("silent".to_owned())));
        assert_eq!(said.news(&failed), None);
        assert_eq!(said.news(&Ok(None)), Some(News::Well));
        assert_eq!(said.news(&Ok(None)), None);
    }
}
