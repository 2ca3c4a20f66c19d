//! The record that an exercise makes in a hosted zone.

use std::time::Duration;

use super::Route53;
use crate::aws::Session;
use crate::config::{RecordKey, RecordSet, SwitchedRecord, Target};
use crate::dns::exercise::{Exercise, Scratch};
use crate::lever::{Error, Progress};
use crate::switch::OperationId;

/// Route 53 says INSYNC within a minute or so; one that takes longer is a finding.
const PATIENCE: Duration = Duration::from_mins(5);

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
    let scratch = Scratch {
        name: key.name.clone(),
        swapping: lever(says("live"), says("maintenance")),
        removing: lever(says("live"), None),
        patience: PATIENCE,
        late: (
            "Route 53 did not say INSYNC".to_owned(),
            "look at the zone in the console: a record _roadworks-.. may be left",
        ),
    };
    scratch.round_trip(operation, progress).await
}
