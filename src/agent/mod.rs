//! Making it so: what moves levers until they agree with the store. The only folder that moves one.
//!
//! A crash anywhere is mended by running again: the plan is made anew from what is observed, never resumed from memory.

mod answers;
mod control;
mod ends;
mod error;
mod fleet;
mod follow;
mod forget;
mod gates;
mod heartbeat;
mod keeper;
mod kept;
mod lead;
mod look;
mod notices;
mod pause;
mod pulse;
mod quiet;
mod recovery;
mod reopen;
mod running;
mod serve;
#[cfg(feature = "aws")]
mod stage;
mod watch;
mod windows;

pub use answers::{note, pin, pinned};
pub use control::{Control, GuardOrder, GuardRequest, Sites, Socket, Unheard, ask};
pub use ends::{Extension, at_end, extend, overdue, told_already};
pub use error::Error;
pub use fleet::{Fleet, gateways};
pub use follow::{Follow, Front, LocalRefused, Request};
pub use forget::forget;
pub use gates::let_through;
pub use heartbeat::{Applied, FOLDER as GATEWAYS, Heartbeat, Teller};
pub use keeper::{Keeper, Opener, alive};
pub use kept::{Kept, Local, id};
pub use lead::{Depth, Done, Order, carry_out, carry_out_until};
pub use look::{Sight, look};
pub use notices::{Notices, Round, Untold, untold};
pub use pause::{PauseKeeper, Stands};
pub use quiet::Proof;
pub use recovery::{Awaiting, between_asks};
pub use running::running;
pub use serve::Crew;
#[cfg(feature = "aws")]
pub use stage::{Asks, may_release, pass, release};
pub use watch::{Drift, Then, Watched, drifts};
pub use windows::{
    MOST as MOST_WINDOWS, Planned, by_window, cancel_window, forget_window, is_left_alone,
    plan_window, windows, zone_of,
};

use std::time::Duration;

use crate::checks::Guard;
use crate::config::OnDrift;
use crate::lever::Lever;
use crate::store::{SiteStore, Store};
use crate::switch::{LeverName, Mode};

/// One site with its levers and its documents.
pub struct Site<S> {
    /// Its name.
    pub name: String,
    /// Where its switch is written.
    pub store: SiteStore<S>,
    /// Its levers, in the order of the configuration.
    pub levers: Vec<Box<dyn Lever>>,
    /// What must hold before visitors are let back.
    pub checks: Vec<Guard>,
    /// What was noticed while its configuration was read.
    pub warnings: Vec<String>,
    /// For how long nobody may come to the old target before it is quiet.
    pub quiet: Duration,
    /// What its agent does where somebody else moves its record or its rules.
    pub on_drift: OnDrift,
    /// Why they are not put back now: an apply of Terraform is under way, say.
    pub held_back: Option<String>,
}

impl<S: Store> Site<S> {
    /// Whether the site's levers can make `mode` true, or the lever that would.
    pub fn offers(&self, mode: Mode) -> Result<(), Error> {
        let has = |name| self.levers.iter().any(|lever| lever.name() == name);
        let missing = match mode {
            Mode::Open => return Ok(()),
            Mode::Detour if has(LeverName::Dns) => return Ok(()),
            Mode::Detour => "a `dns` block, which moves the name",
            Mode::ReadOnly | Mode::Hold | Mode::Closed if has(LeverName::Gateway) => return Ok(()),
            Mode::Closed if has(LeverName::Balancer) => return Ok(()),
            Mode::Closed => {
                "a `gateway` block, which stands in front of the site's app, or a `balancer` block, which writes a load balancer's rules"
            }
            Mode::ReadOnly | Mode::Hold => {
                "a `gateway` block, which stands in front of the site's app"
            }
        };
        Err(Error::NotOffered { site: self.name.clone(), mode, missing })
    }
}
