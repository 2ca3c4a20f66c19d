//! What the door says, as one piece: an answer is made of one snapshot, so it is never half of one mode and half of another.

use std::sync::Arc;

use super::lane::Modes;
use crate::page::Forms;
use crate::switch::{Mode, Posture};

/// What the door says from one moment to the next.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What visitors get; `None` where nothing is known, and all are refused.
    pub posture: Option<Posture>,
    /// What they read when they are refused.
    pub forms: Arc<Forms>,
    /// Hold, and patience is over: requests are refused though the mode is hold.
    pub hold_spent: bool,
    /// The gateway is on its way out: nobody waits any more.
    pub closing: bool,
}

/// What is with a request, as far as the mode goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Passes,
    Waits,
    Refused(Why),
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The mode does not let it in.
    Mode,
    /// The gateway knows no mode.
    Unknown,
    /// It came when patience was over.
    Spent,
    /// It waited until patience was over.
    TimedOut,
    /// All places are taken.
    Crowded,
    /// The gateway is on its way out.
    Closing,
}

impl Snapshot {
    /// What visitors get.
    pub fn mode(&self) -> Option<Mode> {
        self.posture.as_ref().map(|posture| posture.mode)
    }

    pub(super) fn fate(&self, lane: Modes) -> Fate {
        match self.mode() {
            None => Fate::Refused(Why::Unknown),
            Some(mode) if lane.has(mode) => Fate::Passes,
            Some(Mode::Hold) if self.hold_spent => Fate::Refused(Why::Spent),
            Some(Mode::Hold) if self.closing => Fate::Refused(Why::Closing),
            Some(Mode::Hold) => Fate::Waits,
            Some(Mode::Open | Mode::ReadOnly | Mode::Closed | Mode::Detour) => {
                Fate::Refused(Why::Mode)
            }
        }
    }
}
