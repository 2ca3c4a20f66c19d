//! A round trip on a record that nobody needs, by the same code as the real one: made, swapped, removed.

use std::time::Duration;

use super::Route53;
use crate::aws::Session;
use crate::clock;
use crate::config::{RecordKey, RecordSet, SwitchedRecord, Target};
use crate::lever::{Error, Lever, Progress};
use crate::switch::{Mode, OperationId};

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
    let made = timed(&swapping, Mode::Open, operation, progress).await?;
    let swapped = timed(&swapping, Mode::Detour, operation, progress).await;
    let removed = timed(&lever(says("live"), None), Mode::Detour, operation, progress).await?;
    Ok(Exercise { made, swapped: swapped?, removed })
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
    lever.confirm(&started, progress).await?;
    Ok(clock::monotonic().duration_since(began))
}
