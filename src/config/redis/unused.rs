//! What is said of a guard and changes nothing where it stands: told, since somebody counts on it.

use hcl_edit::structure::Body;

use super::{RedisConfig, RedisMode};
use crate::config::read::Reader;

/// Warns of what changes nothing in `guard`, which is read from `body` and is one of this site's.
pub(super) fn warn(reader: &mut Reader<'_>, guard: &RedisConfig, body: &Body, site: &Body) {
    if let Some(given) = body.get_attribute("limit_gateway")
        && !site.has_blocks("gateway")
    {
        reader.warn(&given.value, "`limit_gateway` limits nothing: this site has no `gateway`");
    }
    if let (RedisMode::Observe, Some(given)) = (guard.mode, body.get_attribute("when")) {
        let said = "`when` changes nothing: a guard that only observes has Redis asked in any mode";
        reader.warn(&given.value, said);
    }
    // Whoever only observes may say already what comes after it.
    if guard.journal.is_some() || guard.mode == RedisMode::Observe {
        return;
    }
    let refused = "without a `journal`, what writes or deletes while Redis is away is refused";
    if let Some(block) = body.get_blocks("emergency").next() {
        reader.warn(&block.ident, format!("`emergency` keeps nothing: {refused}"));
    }
    let keys = body.get_blocks("key").map(|block| &block.body);
    for body in [body].into_iter().chain(keys) {
        for (key, word) in [("counters", "open"), ("invalidate", "journal")] {
            let given = body.get_attribute(key).map(|given| &given.value);
            if let Some(value) = given.filter(|value| value.as_str() == Some(word)) {
                reader.warn(value, format!("`{key}` changes nothing: {refused}"));
            }
        }
    }
}
