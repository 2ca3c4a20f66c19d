//! What can be tried of a site's databases before anything moves: whether new connections are let in, and whether what is to be
//! altered may be. Changes nothing.

use super::console::Console;
use super::writes::Writes;
use super::{Databases, Error};
use crate::tasks::all;

/// Something that would fail once the site moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// What is wrong, of which.
    pub why: String,
    /// The next step for a person.
    pub fix: String,
}

impl Doubt {
    pub(super) fn of(error: &Error) -> Doubt {
        Doubt { why: error.to_string(), fix: error.hint() }
    }
}

impl Databases {
    /// What would fail once the site moves, of those that can be asked. Cancel safe.
    pub async fn tried(&self) -> Vec<Doubt> {
        let pools = all(self.pools.iter().map(Console::tried)).await;
        let servers = all(self.servers.iter().map(Writes::tried)).await;
        pools.into_iter().chain(servers).flatten().collect()
    }
}
