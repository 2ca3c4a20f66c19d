//! What every gateway is to confirm, how far all of them have come, and that in words.

use jiff::Timestamp;

use super::{Beat, SILENT, living, silent};
use crate::agent::heartbeat::Heartbeat;
use crate::agent::pulse::Pulse;
use crate::gateway::Drain;
use crate::lever::{Error, Started};
use crate::store;
use crate::switch::Mode;

/// What every gateway is to confirm.
pub(super) struct Wanted {
    operation: String,
    mode: Mode,
}

pub(super) enum Stand {
    /// Every gateway has.
    Confirmed,
    /// Some have not.
    Waits,
    /// All that speak have.
    Silent(Error),
    /// A drain is past its deadline, and is to be taken back.
    Expired(Error),
}

impl Wanted {
    pub(super) fn of(started: &Started) -> Result<Wanted, Error> {
        let mode = started.steps.last().and_then(|step| step.after.get("mode").cloned());
        let mode = mode.and_then(|mode| serde_json::from_value(mode).ok());
        match (started.changes.first(), mode) {
            (Some(operation), Some(mode)) => Ok(Wanted { operation: operation.clone(), mode }),
            (_, _) => Err(Error::Failed {
                code: "bad-step",
                message: "the gateways' step names no mode".to_owned(),
                hint: "make the plan anew".to_owned(),
            }),
        }
    }

    /// Whether `beat` follows the operation, not one before it that wanted the same.
    fn follows(&self, beat: &Heartbeat) -> bool {
        let ours = beat.operation.as_ref().is_some_and(|own| own.to_string() == self.operation);
        ours && beat.stands_at(self.mode)
    }

    pub(super) fn seen(&self, beats: &[Beat], now: Timestamp) -> Stand {
        let silent = silent(beats);
        let expired = |beat: &&Heartbeat| self.follows(beat) && beat.drain == Drain::Expired;
        if let Some(worst) = living(beats).filter(expired).max_by_key(|beat| beat.in_flight) {
            return Stand::Expired(drain_expired(worst));
        }
        let confirms = |(beat, pulse): &Beat| *pulse == Pulse::Silent || self.confirms(beat);
        if !beats.iter().all(confirms) {
            return Stand::Waits;
        }
        if silent.is_empty() {
            return Stand::Confirmed;
        }
        Stand::Silent(Error::Silent {
            message: format!(
                "{}: what they give visitors is not known",
                silent_in_words(beats.len(), &silent, now)
            ),
            hint: format!(
                "look at their machines; one that is gone for good: roadworks gateway forget {}; to go on without them: --override={SILENT} --reason \"..\"",
                silent.first().map_or("ID", |beat| beat.id.as_str())
            ),
        })
    }

    fn confirms(&self, beat: &Heartbeat) -> bool {
        self.follows(beat) && beat.drain == Drain::Drained
    }

    /// `7 of 9 gateways to confirm, i-0aa to drain (3 in flight), 2 silent for 40 s (i-0ab, i-0cd)`
    pub(super) fn in_words(&self, beats: &[Beat], now: Timestamp) -> String {
        let silent = silent(beats);
        let speak = || beats.iter().filter(|(_, pulse)| *pulse != Pulse::Silent);
        let pending = speak().map(|(beat, _)| beat).filter(|beat| !self.confirms(beat));
        let pending: Vec<_> = pending.collect();
        let mut words = match beats.len() {
            1 => Vec::new(),
            all => {
                vec![format!(
                    "{} of {all} gateways have confirmed",
                    speak().count() - pending.len()
                )]
            }
        };
        if !pending.is_empty() {
            let in_flight: u64 = pending.iter().map(|beat| beat.in_flight).sum();
            words.push(format!("{} to drain ({in_flight} in flight)", names(&pending)));
        }
        if !silent.is_empty() {
            words.push(silent_in_words(beats.len(), &silent, now));
        }
        words.join(", ")
    }
}

/// The first few names: a fleet may have hundreds.
fn names(beats: &[&Heartbeat]) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<_> = beats.iter().take(SHOWN).map(|beat| beat.id.clone()).collect();
    if beats.len() > SHOWN {
        names.push(format!("{} more", beats.len() - SHOWN));
    }
    names.join(", ")
}

fn silent_in_words(all: usize, silent: &[&Heartbeat], now: Timestamp) -> String {
    let longest = silent.iter().map(|beat| now.duration_since(beat.at).as_secs()).max();
    let seconds = longest.unwrap_or_default().max(0);
    let names = names(silent);
    match (all, silent.len()) {
        (1, _) => format!("the only gateway is silent for {seconds} s ({names})"),
        (_, 1) => format!("1 of {all} gateways is silent for {seconds} s ({names})"),
        (_, more) => format!("{more} of {all} gateways are silent for {seconds} s ({names})"),
    }
}

fn drain_expired(worst: &Heartbeat) -> Error {
    let still = match (worst.in_flight, worst.upgraded) {
        (0, upgraded @ 1..) => format!("{upgraded} WebSockets or other upgraded connections"),
        (requests, _) => format!("{requests} requests"),
    };
    Error::Refused {
        code: "drain-expired",
        message: format!(
            "at the drain's deadline there were still {still} of before at gateway {}",
            worst.id
        ),
        hint: format!(
            "see what takes so long behind gateway {}, give drain {{ deadline }} more time, or `roadworks close`, which cuts them where drain {{ then }} says nothing else",
            worst.id
        ),
    }
}

/// What a gateway told that cannot be understood is no yes.
pub(super) fn unheard(torn: &[store::Error]) -> Error {
    let words: Vec<_> = torn.iter().map(ToString::to_string).collect();
    Error::Silent {
        message: format!("what a gateway tells cannot be understood: {}", words.join("; ")),
        hint: "update Roadworks here, or remove that document if its gateway is gone".to_owned(),
    }
}
