//! What a `redis` block says of its keys: what they are for, and what is said of them while Redis is away. Checks no names against
//! a Redis.

use hcl_edit::structure::Body;

use super::on_outage;
use super::rules::{KeyPattern, KeyRule, KeyRules, RedisRole, Says, Whether};
use crate::config::read::Reader;
use crate::hcl::nearest;

/// The keys of what is said where there are two opinions, in a guard's block and in those of its keys.
pub(super) const OPINIONS: [&str; 3] = ["nx", "counters", "invalidate"];

/// What is said where there are two opinions; what is not given is as in `before`.
pub(super) fn says(reader: &mut Reader<'_>, body: &Body, before: Says) -> Says {
    let mut either = |key: &str, said: &str, before: Whether| {
        let words = [(said, Whether::Said), ("refuse", Whether::Refused)];
        reader.choice(body, key, &words).unwrap_or(before)
    };
    Says {
        nx: either("nx", "nil", before.nx),
        counters: either("counters", "open", before.counters),
        invalidate: either("invalidate", "journal", before.invalidate),
        on_outage: None,
    }
}

/// `(role, says)` is the guard's own.
pub(super) fn rules<'a>(
    reader: &mut Reader<'a>,
    body: &'a Body,
    (own, before): (RedisRole, Says),
) -> Vec<KeyRule> {
    let mut rules: Vec<KeyRule> = Vec::new();
    for block in body.get_blocks("key") {
        let Some(labels) = reader.labels(block, &["pattern"]) else { continue };
        reader.only(&block.body, &[&["role", "on_outage"], &OPINIONS[..]].concat(), &[], &[]);
        let mut role = reader.choice(&block.body, "role", &RedisRole::WORDS);
        if block.body.attributes().next().is_none() {
            reader.needed(block, "role");
        } else if !block.body.has_attribute("role") {
            role = Some(own);
        }
        let says =
            Says { on_outage: on_outage(reader, &block.body), ..says(reader, &block.body, before) };
        let pattern = KeyPattern::new(labels.first().copied().unwrap_or_default());
        match pattern {
            Err(message) => reader.wrong(&block.ident, message),
            Ok(pattern) if rules.iter().any(|rule| rule.pattern == pattern) => {
                let message = format!("there are two `key` blocks \"{}\"", pattern.text());
                reader.wrong_with(
                    &block.ident,
                    message,
                    Some("the first that fits counts".to_owned()),
                );
            }
            Ok(pattern)
                if let Some(first) = rules.iter().find(|rule| rule.pattern.covers(&pattern)) =>
            {
                let (own, first) = (pattern.text(), first.pattern.text());
                let message = format!(
                    "`key` \"{own}\" is never reached: \"{first}\" before it has all of its keys"
                );
                let hint = format!("put it before \"{first}\": the first that fits counts");
                reader.wrong_with(&block.ident, message, Some(hint));
            }
            Ok(pattern) => rules.extend(role.map(|role| KeyRule { pattern, role, says })),
        }
    }
    rules
}

pub(super) fn presets(reader: &mut Reader<'_>, body: &Body) -> Vec<KeyRule> {
    let read = |text: &str| {
        KeyRules::preset(text).ok_or_else(|| {
            let known: Vec<_> = KeyRules::presets().collect();
            let hint = match nearest(text, known.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("known: {}", known.join(", ")),
            };
            format!("there is no preset \"{text}\": {hint}")
        })
    };
    reader.list(body, "presets", read).unwrap_or_default().concat()
}
