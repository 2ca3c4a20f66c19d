//! A `settle` block: who is asked beside the proof, and how long nobody may come before the old target is quiet.

use std::net::SocketAddr;
use std::time::Duration;

use hcl_edit::structure::Block;

use super::read::Reader;
use super::rfc2136::server;

const QUIET: Duration = Duration::from_mins(2);
const LONGEST: Duration = Duration::from_hours(24);

/// How the end of a move is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleConfig {
    /// The recursive resolvers that are sampled; `None` for those of this machine.
    pub resolvers: Option<Vec<SocketAddr>>,
    /// For how long nobody may come to the old target before it is quiet.
    pub quiet: Duration,
}

impl Default for SettleConfig {
    fn default() -> SettleConfig {
        SettleConfig { resolvers: None, quiet: QUIET }
    }
}

pub(super) fn read<'a>(reader: &mut Reader<'a>, block: &'a Block) -> SettleConfig {
    reader.only(&block.body, &["resolvers", "quiet"], &[], &[]);
    let resolvers = reader.list(&block.body, "resolvers", server);
    let given = block.body.get_attribute("quiet");
    let quiet =
        given.and_then(|_| reader.duration(&block.body, "quiet", Duration::from_secs(1)..=LONGEST));
    SettleConfig { resolvers, quiet: quiet.unwrap_or(QUIET) }
}
