//! A round trip on a record that nobody needs, by the same code as the real one: made, swapped, removed.

use std::time::Duration;

use super::Route53;
use crate::aws::Session;
use crate::clock;
use crate::config::{RecordKey, RecordSet, SwitchedRecord, Target};
use crate::lever::{Error, Lever, Progress};
use crate::switch::{Mode, OperationId};

/// Route 53 says INSYNC within a minute or so; one that takes longer is a finding.
const DEADLINE: Duration = Duration::from_mins(5);

/// How long each part of the round trip took, to INSYNC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exercise {
    /// Making the record.
    pub made: Duration,
    /// Swapping its value.
    pub swapped: Duration,
    /// Removing it.
    pub removed: Duration,
}

/// Makes, swaps and removes a TXT record beside `name` in `zone`.
///
/// Not cancel safe: dropped midway, the record `_roadworks-<operation>.<name>` may be left behind, which harms nobody.
pub async fn exercise(
    session: &Session,
    (zone, name): (&str, &str),
    operation: &OperationId,
    progress: &dyn Progress,
) -> Result<Exercise, Error> {
    let key = RecordKey {
        zone_id: zone.to_owned(),
        name: format!("_roadworks-{operation}.{}", name.trim_start_matches("\\052.")),
        kind: "TXT".to_owned(),
        set_identifier: None,
    };
    let says = |text: &str| {
        let target = Target::Plain { ttl: 1, records: vec![format!("\"{text}\"")] };
        Some(RecordSet { target, routing: None, health_check_id: None })
    };
    let lever = |live, maintenance| {
        let record = SwitchedRecord {
            address: "the scratch record".to_owned(),
            key: key.clone(),
            live,
            maintenance,
        };
        Route53::new(session.clone(), vec![record])
    };
    let swapping = lever(says("live"), says("maintenance"));
    let made = timed(&swapping, Mode::Open, operation, progress).await;
    let swapped = match &made {
        Ok(_) => timed(&swapping, Mode::Detour, operation, progress).await,
        Err(_) => Ok(Duration::ZERO),
    };
    // Whatever became of it before, it is taken away.
    let removed = timed(&lever(says("live"), None), Mode::Detour, operation, progress).await?;
    Ok(Exercise { made: made?, swapped: swapped?, removed })
}

async fn timed(
    lever: &Route53,
    to: Mode,
    operation: &OperationId,
    progress: &dyn Progress,
) -> Result<Duration, Error> {
    let began = clock::monotonic();
    let seen = lever.observe().await?;
    let steps = lever.steps(&seen, to);
    let started = lever.start(&steps, operation).await?;
    let confirmed = tokio::time::timeout(DEADLINE, lever.confirm(&started, progress)).await;
    confirmed.map_err(|_| Error::Unknown {
        message: format!("Route 53 did not say INSYNC within {} s", DEADLINE.as_secs()),
        hint: "look at the zone in the console: a record _roadworks-.. may be left".to_owned(),
    })??;
    Ok(clock::monotonic().duration_since(began))
}
