//! A `settle` block: who is asked beside the proof, and how long nobody may come before the old target is quiet.

use std::net::SocketAddr;
use std::time::Duration;

use hcl_edit::structure::Block;

use super::read::Reader;
use super::rfc2136::server;

/// No more resolvers are asked at once.
pub const MOST_RESOLVERS: usize = 16;
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
    if let Some(given) = block.body.get_attribute("resolvers")
        && resolvers.as_ref().is_some_and(|all| all.len() > MOST_RESOLVERS)
    {
        let message = format!("more than {MOST_RESOLVERS} resolvers are no better a sample");
        reader.wrong_with(
            &given.value,
            message,
            Some("name those that your visitors use".to_owned()),
        );
    }
    let given = block.body.get_attribute("quiet");
    let quiet =
        given.and_then(|_| reader.duration(&block.body, "quiet", Duration::from_secs(1)..=LONGEST));
    SettleConfig { resolvers, quiet: quiet.unwrap_or(QUIET) }
}

#[cfg(test)]
mod tests {
    use super::MOST_RESOLVERS;
    use crate::config::rig::{good, wrong};

    fn with(resolvers: usize) -> String {
        let all: Vec<_> = (1..=resolvers).map(|last| format!("\"192.0.2.{last}\"")).collect();
        let all = all.join(", ");
        format!(
            "site \"shop\" {{\n  hosts = [\"shop.example.com\"]\n  gateway {{\n    listen = [\":8080\"]\n    upstreams = [\"http://127.0.0.1:3000\"]\n  }}\n  settle {{\n    resolvers = [{all}]\n  }}\n}}\n"
        )
    }

    #[test]
    fn a_few_resolvers_are_a_sample_and_many_are_a_mistake() {
        let config = good(&with(MOST_RESOLVERS));
        assert_eq!(config.sites[0].settle.resolvers.as_ref().map(Vec::len), Some(MOST_RESOLVERS));
        let mistakes = wrong(&with(MOST_RESOLVERS + 1));
        assert!(mistakes.len() == 1 && mistakes[0].starts_with("8:"), "{mistakes:?}");
    }
}
