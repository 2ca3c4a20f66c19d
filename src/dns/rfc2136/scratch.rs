//! A round trip on a name that nobody needs, by the same code as the real one: made, swapped, removed, each seen on every
//! name server.

use std::net::Ipv4Addr;
use std::time::Duration;

use hickory_proto::ProtoError;
use hickory_proto::rr::{Name, RData};

use super::Rfc2136;
use super::told::plain;
use crate::clock;
use crate::config::{Answers, Rfc2136Config};
use crate::lever::{Error, Lever, Position, Progress};
use crate::switch::{Mode, OperationId};

/// Always the same, so that a name server may allow it by name; what an exercise of before left there is taken away first.
/// Without an underscore, which BIND refuses before an address (`check-names`).
const LABEL: &str = "roadworks-doctor";
/// Secondaries that are notified follow within seconds; one that takes longer is a finding.
const DEADLINE: Duration = Duration::from_mins(1);
/// Addresses for documents (RFC 5737): they lead nowhere.
const LIVE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const MAINTENANCE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// The scratch name, and how long each part of the round trip took until every name server gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundTrip {
    /// The name, without its last dot.
    pub name: String,
    /// Making the record.
    pub made: Duration,
    /// Swapping its value.
    pub swapped: Duration,
    /// Removing it.
    pub removed: Duration,
}

/// Makes, swaps and removes an A record at `roadworks-doctor.` before the name of `config`, unless somebody else has one there.
///
/// Not cancel safe: dropped midway, that record may be left behind, which harms nobody.
pub async fn exercise(
    config: &Rfc2136Config,
    operation: &OperationId,
    progress: &dyn Progress,
) -> Result<RoundTrip, Error> {
    let name = scratch(&config.name).map_err(|error| Error::Failed {
        code: "no-scratch-name",
        message: format!("no name can be put before {}: {error}", plain(&config.name)),
        hint: "leave out --exercise".to_owned(),
    })?;
    let to = |maintenance: &[Ipv4Addr]| {
        let (name, live) = (name.clone(), says(&[LIVE]));
        Rfc2136::new(Rfc2136Config { name, live, maintenance: says(maintenance), ..config.clone() })
    };
    let (swapping, removing) = (to(&[MAINTENANCE]), to(&[]));
    let seen = swapping.observe().await?;
    if seen.position == Position::Foreign {
        return Err(Error::Refused {
            code: "foreign-record",
            message: format!("{} is somebody else's: it is {}", plain(&name), seen.detail),
            hint: "leave out --exercise, which needs that name".to_owned(),
        });
    }
    timed(&removing, Mode::Detour, operation, progress).await?;
    let made = timed(&swapping, Mode::Open, operation, progress).await;
    let swapped = match &made {
        Ok(_) => timed(&swapping, Mode::Detour, operation, progress).await,
        Err(_) => Ok(Duration::ZERO),
    };
    // Whatever became of it before, it is taken away; why it could not be made says more than that it could not.
    let removed = timed(&removing, Mode::Detour, operation, progress).await;
    let (made, swapped) = (made?, swapped?);
    Ok(RoundTrip { name: plain(&name), made, swapped, removed: removed? })
}

fn scratch(name: &Name) -> Result<Name, ProtoError> {
    let below = if name.is_wildcard() { name.base_name() } else { name.clone() };
    below.prepend_label(LABEL)
}

fn says(addresses: &[Ipv4Addr]) -> Answers {
    Answers { ttl: 1, data: addresses.iter().map(|address| RData::A((*address).into())).collect() }
}

async fn timed(
    lever: &Rfc2136,
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
        message: format!(
            "not every name server gave what was written to {} within {} s",
            plain(&lever.config.name),
            DEADLINE.as_secs()
        ),
        hint: "see that the secondaries follow: NOTIFY, allow-transfer, the serial".to_owned(),
    })??;
    Ok(clock::monotonic().duration_since(began))
}
