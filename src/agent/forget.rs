//! A gateway whose machine is gone: only a person knows that it gives nobody anything any more.

use super::Error;
use super::heartbeat::{self, Heartbeat};
use super::pulse::{Pulse, Pulses};
use crate::audit::{self, Entry, Event};
use crate::store::{self, SiteStore, Store};

/// Takes the gateway `id` out of the fleet of `site`, for whoever is `by`, and says so in the log. Refuses one that lives: it
/// would be back with its next heartbeat.
pub async fn forget<S: Store>(
    store: &SiteStore<S>,
    site: &str,
    id: &str,
    (by, reason): (&str, Option<&str>),
) -> Result<(), Error> {
    let (beat, pulse) = felt(store, id).await?;
    if pulse == Pulse::Alive {
        return Err(Error::Rule {
            rule: "gateway-alive",
            message: format!("gateway {id} is alive: it told at {}", beat.at),
            hint: "stop `roadworks serve` on its machine: it says goodbye by itself".to_owned(),
        });
    }
    let switch = store.switch().await?.map(|(switch, _)| switch);
    let entry = Entry {
        reason: reason.map(str::to_owned),
        detail: Some(format!("gateway {id}, silent since {}", beat.at)),
        ..Entry::beside(switch.as_ref(), site, Event::Forgotten, by)
    };
    let version = switch.map_or(0, |switch| switch.version);
    // Told first: run again after an error it is still there to be forgotten.
    audit::append(store, &entry, (version, fastrand::u32(..))).await?;
    Ok(heartbeat::goodbye(store, id).await?)
}

/// What the gateway `id` told last, and whether it lives, as soon as that is known.
async fn felt<S: Store>(store: &SiteStore<S>, id: &str) -> Result<(Heartbeat, Pulse), Error> {
    let mut pulses = Pulses::new(store.clocks());
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
