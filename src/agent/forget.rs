//! A gateway whose machine is gone: only a person knows that it gives nobody anything any more.

use jiff::Timestamp;

use super::Error;
use super::heartbeat::{self, Heartbeat};
use super::pulse::{Pulse, Pulses};
use crate::audit::{self, Entry, Event};
use crate::store::{self, SiteStore, Store};
use crate::switch::{Mode, OperationId};

/// Takes the gateway `id` out of the fleet of `site`, for whoever is `by`, and says so in the log. Refuses one that lives: it
/// would be back with its next heartbeat.
pub async fn forget<S: Store>(
    store: &SiteStore<S>,
    site: &str,
    id: &str,
    (by, reason): (&str, Option<&str>),
    now: Timestamp,
) -> Result<(), Error> {
    let (beat, pulse) = felt(store, id).await?;
    if pulse == Pulse::Alive {
        return Err(Error::Rule {
            rule: "gateway-alive",
            message: format!("gateway {id} is alive: it told at {}", beat.at),
            hint: "stop `roadworks serve` on its machine: it says goodbye by itself".to_owned(),
        });
    }
    heartbeat::goodbye(store, id).await?;
    let switch = store.switch().await?.map(|(switch, _)| switch);
    let mode = switch.as_ref().map_or(Mode::Open, |switch| switch.mode);
    let none = || OperationId::at(now, fastrand::u32(..));
    let entry = Entry {
        at: now,
        operation: switch.as_ref().map_or_else(none, |switch| switch.operation.clone()),
        site: site.to_owned(),
        event: Event::Forgotten,
        from: mode,
        to: mode,
        by: by.to_owned(),
        reason: reason.map(str::to_owned),
        detail: Some(format!("gateway {id}, silent since {}", beat.at)),
    };
    let version = switch.map_or(0, |switch| switch.version);
    Ok(audit::append(store, &entry, (version, fastrand::u32(..))).await?)
}

/// What the gateway `id` told last, and whether it lives, as soon as that is known.
async fn felt<S: Store>(store: &SiteStore<S>, id: &str) -> Result<(Heartbeat, Pulse), Error> {
    let mut pulses = Pulses::of(store);
    loop {
        let (beats, _) = heartbeat::all(store).await?;
        let known = || beats.iter().map(|beat| beat.id.clone()).collect();
        let Some(beat) = beats.iter().find(|beat| beat.id == id) else {
            return Err(Error::NoSuchGateway { id: id.to_owned(), known: known() });
        };
        match pulses.feel(id, beat.at, beat.every) {
            Pulse::Unsure => tokio::time::sleep(store::POLL).await,
            pulse @ (Pulse::Alive | Pulse::Silent) => return Ok((beat.clone(), pulse)),
        }
    }
}
