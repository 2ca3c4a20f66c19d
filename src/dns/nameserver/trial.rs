//! A message without a socket and a zone without a disk: what a nameserver would answer, and the zone after it.

use super::desk::{Desk, Taken, Way};
use super::error::Error;
use super::tsig::signer;
use super::zone::Zone;
use crate::config::TsigKey;
use hickory_proto::op::ResponseCode;

/// What came of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// What is sent back; empty where nothing is.
    pub answer: Vec<u8>,
    /// The zone after it, where it changes.
    pub next: Option<Zone>,
}

/// What comes of `bytes` by `way` at `now`, in seconds since 1970, where `zone` counts and these keys are known.
pub fn tried(
    zone: &Zone,
    keys: &[TsigKey],
    bytes: &[u8],
    way: Way,
    now: u64,
) -> Result<Trial, Error> {
    let keys = keys.iter().map(signer).collect::<Result<_, _>>()?;
    Ok(match Desk::new(zone.clone(), keys).take(bytes, way, now) {
        Taken::Nothing => Trial { answer: Vec::new(), next: None },
        Taken::Answer(answer) => Trial { answer, next: None },
        Taken::Change(change) => match change.on(zone) {
            Ok(next) => Trial { answer: change.reply(ResponseCode::NoError, now), next },
            Err(code) => Trial { answer: change.reply(code, now), next: None },
        },
    })
}
