//! How far a move has come: moved, settled, quiet. Three states, never mixed: quiet is what the gateways at the old target
//! have seen, and settled what the TTLs say.

use std::time::Duration;

use jiff::Timestamp;

use super::{Heartbeat, Sight, Site, gateways};
use crate::dns::settle::{Witness, quiet_at, quiet_since};
use crate::store::Store;
use crate::switch::{LeverName, Mode, Phase, Seen, Switch};

/// How far the last move has come, and when it came or will come there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// In a word.
    pub seen: Seen,
    /// When every lever's own system had confirmed.
    pub moved_at: Option<Timestamp>,
    /// When no correct client can have the old answer any more.
    pub settled_at: Option<Timestamp>,
    /// When the old target is quiet if nobody comes any more; `None` where nobody there counts.
    pub quiet_at: Option<Timestamp>,
    /// When a visitor came to the old target last, as far as anybody there knows.
    pub last_request: Option<Timestamp>,
}

impl Sight {
    /// How far the last move has come, seen at `now`.
    pub fn proof<S: Store>(&self, site: &Site<S>, now: Timestamp) -> Proof {
        let Some((switch, _)) = &self.switch else {
            return Proof {
                seen: Seen::Settled,
                moved_at: None,
                settled_at: None,
                quiet_at: None,
                last_request: None,
            };
        };
        let moved_at = match switch.phase {
            Phase::Moving => None,
            Phase::Moved { moved_at, .. } => Some(moved_at),
        };
        let settled_at = switch.settles_at();
        let beats = self.beats(site);
        let witnesses = witnesses(switch, &beats);
        let quiet = |rule: fn(&[Witness], Timestamp, Duration) -> Option<Timestamp>| {
            let at = rule(witnesses.as_deref()?, moved_at?, site.quiet)?;
            Some(at.max(settled_at?))
        };
        let seen = match switch.seen(now) {
            Seen::Settled if quiet(quiet_since).is_some() => Seen::Quiet,
            seen => seen,
        };
        let last_request = witnesses.iter().flatten().filter_map(|seen| seen.last_request).max();
        Proof { seen, moved_at, settled_at, quiet_at: quiet(quiet_at), last_request }
    }

    /// Whether anybody counts the requests at the target that `to` leads away from; else what would have to.
    pub fn counts<S: Store>(&self, site: &Site<S>, to: Mode) -> Result<(), &'static str> {
        let has = |name| site.levers.iter().any(|lever| lever.name() == name);
        if to != Mode::Detour || !has(LeverName::Dns) {
            return Err(
                "quiet is for a detour: only there a gateway stands at the old target, and counts who still comes",
            );
        }
        if !has(LeverName::Gateway) {
            return Err(
                "nothing here counts the requests at the old target, so quiet cannot be seen: a `gateway` block would",
            );
        }
        if !self.beats(site).iter().any(|(_, alive)| *alive) {
            return Err(
                "no gateway of this site is alive, so nobody counts the requests at the old target: `roadworks serve` would",
            );
        }
        Ok(())
    }

    fn beats<S: Store>(&self, site: &Site<S>) -> Vec<(Heartbeat, bool)> {
        let levers = site.levers.iter().zip(&self.levers);
        let of_gateways = levers.filter(|(lever, _)| lever.name() == LeverName::Gateway);
        of_gateways.flat_map(|(_, seen)| gateways(seen)).collect()
    }
}

/// The gateways at the old target; `None` where there is none, or where one is silent or elsewhere: it may have visitors.
fn witnesses(switch: &Switch, beats: &[(Heartbeat, bool)]) -> Option<Vec<Witness>> {
    let watches = |(beat, alive): &(Heartbeat, bool)| *alive && beat.mode == Some(Mode::Detour);
    let all = switch.mode == Mode::Detour && !beats.is_empty() && beats.iter().all(watches);
    let witness = |beat: &Heartbeat| Witness {
        since: beat.started,
        last_request: beat.last_request.max(beat.last_refused),
        told: beat.at,
    };
    all.then(|| beats.iter().map(|(beat, _)| witness(beat)).collect())
}
