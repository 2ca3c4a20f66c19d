//! What a gateway is to give visitors: the part of the switch that concerns it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Mode, OperationId};

/// What a gateway is to give visitors. Knowing none at all is another thing: then it answers 503, its health path too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posture {
    /// What visitors get.
    pub mode: Mode,
    /// Whose move this is, to confirm it by; `None` where the switch was never thrown.
    pub operation: Option<OperationId>,
    /// When it was asked for: patience counts from here.
    pub since: Timestamp,
    /// When it is to end, as far as anybody said. It never opens anything.
    pub until: Option<Timestamp>,
    /// How long requests may wait in hold, where the operation says so; else the configuration does.
    pub patience: Option<Duration>,
    /// What visitors got before who were all kept out; it says something in open alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopened: Option<Box<Reopened>>,
}

/// That visitors may come again who were all kept out, so that they can be let in one after the other: how long ago it was is
/// the same for every gateway, one that starts in the middle of it included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reopened {
    /// What they got before.
    pub from: Mode,
    /// Whose move that was. Its testers pass until all are let in.
    pub after: OperationId,
    /// When gateways were told to let visitors in.
    pub at: Timestamp,
}

impl Posture {
    /// Of a switch that was never thrown, known at `now`.
    pub fn never_asked(now: Timestamp) -> Posture {
        Posture {
            mode: Mode::Open,
            operation: None,
            since: now,
            until: None,
            patience: None,
            reopened: None,
        }
    }
}
