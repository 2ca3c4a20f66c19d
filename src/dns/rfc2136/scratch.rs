//! The record that an exercise makes on one's own name servers, each part of it seen on every one of them.

use std::net::Ipv4Addr;
use std::time::Duration;

use hickory_proto::ProtoError;
use hickory_proto::rr::{Name, RData};

use super::Rfc2136;
use super::told::plain;
use crate::config::{Answers, Rfc2136Config};
use crate::dns::exercise::{Exercise, Scratch};
use crate::lever::{Error, Lever, Position, Progress};
use crate::switch::OperationId;

/// Always the same, so that a name server may allow it by name; what an exercise of before left there is taken away first.
/// Without an underscore, which BIND refuses before an address (`check-names`).
const LABEL: &str = "roadworks-doctor";
/// Secondaries that are notified follow within seconds; one that takes longer is a finding.
const PATIENCE: Duration = Duration::from_mins(1);
/// Addresses for documents (RFC 5737): they lead nowhere.
const LIVE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const MAINTENANCE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// Makes, swaps and removes an A record at `roadworks-doctor.` before the name of `config`, unless somebody else has one there.
///
/// Not cancel safe: dropped midway, that record may be left behind, which harms nobody.
pub async fn exercise(
    config: &Rfc2136Config,
    operation: &OperationId,
    progress: &dyn Progress,
) -> Result<Exercise, Error> {
    let name = before(&config.name).map_err(|error| Error::Failed {
        code: "no-scratch-name",
        message: format!("no name can be put before {}: {error}", plain(&config.name)),
        hint: "leave out --exercise".to_owned(),
    })?;
    let to = |maintenance: &[Ipv4Addr]| {
        let (name, live) = (name.clone(), says(&[LIVE]));
        Rfc2136::new(Rfc2136Config { name, live, maintenance: says(maintenance), ..config.clone() })
    };
    let swapping = to(&[MAINTENANCE]);
    let seen = swapping.observe().await?;
    if seen.position == Position::Foreign {
        return Err(Error::Refused {
            code: "foreign-record",
            message: format!("{} is somebody else's: it is {}", plain(&name), seen.detail),
            hint: "leave out --exercise, which needs that name".to_owned(),
        });
    }
    let scratch = Scratch {
        late: (
            format!("not every name server gave what was written to {}", plain(&name)),
            "see that the secondaries follow: NOTIFY, allow-transfer, the serial",
        ),
        name: plain(&name),
        removing: to(&[]),
        swapping,
        patience: PATIENCE,
    };
    scratch.remove(operation, progress).await?;
    scratch.round_trip(operation, progress).await
}

fn before(name: &Name) -> Result<Name, ProtoError> {
    let below = if name.is_wildcard() { name.base_name() } else { name.clone() };
    below.prepend_label(LABEL)
}

fn says(addresses: &[Ipv4Addr]) -> Answers {
    Answers { ttl: 1, data: addresses.iter().map(|address| RData::A((*address).into())).collect() }
}
