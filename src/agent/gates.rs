//! What the checks said where a site was to be let back, written down once: that one fails, and that all pass again. A gate of
//! which it was told that it is shut stands in a document of its own, so that whoever asks next, and however often, tells nothing twice.

use serde::{Deserialize, Serialize};

use super::fleet::UNHEALTHY;
use super::{Error, Sight, Site};
use crate::audit::{self, Entry, Event};
use crate::store::{self, Expect, Store};
use crate::switch::{Mode, OperationId, Switch};

const KEY: &str = "gate.json";
/// The newest format that is read.
const FORMAT: u32 = 1;
/// Told apart from what else is said of the same write of the switch.
const NUMBER: u32 = 500;

/// A gate that is shut, as far as was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Shut {
    format: u32,
    operation: OperationId,
}

/// Tells the log what `found` says of the checks, where that is news. Nothing waits for it, and a log that cannot be written stops
/// nothing: `by` is told by the error itself.
pub(super) async fn noted<S: Store>(
    site: &Site<S>,
    switch: Option<&Switch>,
    by: &str,
    found: Result<(), &Error>,
) {
    let why = match found {
        Ok(()) => None,
        Err(Error::Unwell { outcomes }) => Some(super::error::unwell(outcomes)),
        Err(Error::Unchecked { why }) => Some(why.clone()),
        // That a gateway's upstreams are well is a check, too.
        Err(Error::Rule { rule: UNHEALTHY, message, .. }) => Some(message.clone()),
        // It was not asked to its end.
        Err(_) => return,
    };
    let Some(switch) = switch else { return };
    if let Err(error) = told(site, switch, by, why).await {
        tracing::warn!(site = site.name, %error, "what the checks say is not in the log");
    }
}

/// Whether the rules let the site of `sight` move to `to` for whoever is `by`, and which of them are set aside. Where it is the upstreams
/// that keep visitors out, that is told as of any other check.
pub async fn let_through<S: Store>(
    site: &Site<S>,
    sight: &Sight,
    (to, by): (Mode, &str),
    overrides: &[String],
) -> Result<Vec<&'static str>, Error> {
    let refusal = sight.refusal(site, to, overrides);
    if let Err(error) = &refusal {
        let switch = sight.switch.as_ref().map(|(switch, _)| switch);
        noted(site, switch, by, Err(error)).await;
    }
    refusal
}

async fn told<S: Store>(
    site: &Site<S>,
    switch: &Switch,
    by: &str,
    why: Option<String>,
) -> Result<(), store::Error> {
    let read = match site.store.document::<Shut>(KEY).await {
        Ok(read) => read.filter(|(shut, _)| shut.format <= FORMAT),
        // It is torn: what is so now is told anew.
        Err(store::Error::Unreadable { .. }) => None,
        Err(error) => return Err(error),
    };
    let is_ours = read.as_ref().is_some_and(|(shut, _)| shut.operation == switch.operation);
    let event = match why {
        Some(_) if is_ours => return Ok(()),
        Some(_) => {
            let shut = Shut { format: FORMAT, operation: switch.operation.clone() };
            let expect = read.map_or(Expect::Anything, |(_, version)| Expect::At(version));
            match site.store.write(KEY, &shut, expect).await {
                // Somebody else tells it.
                Err(store::Error::Moved { .. }) => return Ok(()),
                done => done.map(drop)?,
            }
            Event::CheckFailed
        }
        None if is_ours => {
            site.store.remove(KEY).await?;
            Event::CheckPassed
        }
        None => return Ok(()),
    };
    let entry = Entry {
        reason: switch.reason.clone(),
        detail: why,
        ..Entry::beside(Some(switch), &site.name, event, by)
    };
    audit::append(&site.store, &entry, (switch.version, NUMBER)).await
}
