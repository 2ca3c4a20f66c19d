//! What the door says, as one piece: an answer is made of one snapshot, so it is never half of one mode and half of another.

use std::net::IpAddr;
use std::sync::Arc;

use super::gently::Gently;
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
    /// Open, and not yet to all.
    pub gently: Option<Gently>,
}

/// What is with a request, as far as the mode goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Passes,
    /// As one of those who are let in already, at this place.
    PassesAt(u16),
    Waits,
    Refused(Why),
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The mode does not let it in.
    Mode,
    /// The site opens gently, and others are let in before.
    NotYet,
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

    /// What this client gets: in a gentle opening that depends on it.
    pub(super) fn towards(&self, client: IpAddr) -> Option<&Posture> {
        match &self.gently {
            Some(gently) if gently.lets(client).is_none() => Some(&gently.shut.posture),
            Some(_) | None => self.posture.as_ref(),
        }
    }

    /// What testers pass by: in a gentle opening those of before still do.
    pub(super) fn of_testers(&self) -> Option<&Posture> {
        self.gently.as_ref().map(|gently| &gently.shut.posture).or(self.posture.as_ref())
    }

    /// What is with a request of this lane; of this client, where that is known.
    pub(super) fn fate(&self, lane: Modes, client: Option<IpAddr>) -> Fate {
        match self.mode() {
            None => Fate::Refused(Why::Unknown),
            Some(mode) if lane.has(mode) => match &self.gently {
                Some(gently) if !lane.has(gently.from()) => {
                    let place = client.and_then(|client| gently.lets(client));
                    place.map_or(Fate::Refused(Why::NotYet), Fate::PassesAt)
                }
                Some(_) | None => Fate::Passes,
            },
            Some(Mode::Hold) if self.hold_spent => Fate::Refused(Why::Spent),
            Some(Mode::Hold) if self.closing => Fate::Refused(Why::Closing),
            Some(Mode::Hold) => Fate::Waits,
            Some(Mode::Open | Mode::ReadOnly | Mode::Closed | Mode::Detour) => {
                Fate::Refused(Why::Mode)
            }
        }
    }
}
