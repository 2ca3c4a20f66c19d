//! What a key is for, by its name.

use std::time::Duration;

use RedisRole::{Cache, Mixed, Queue, Session};

use super::presets::PRESETS;
use super::{Afterwards, OnOutage};

/// What keys are for, which says what may be said of them while Redis is away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RedisRole {
    /// Copies of what is elsewhere: a miss is the truth.
    Cache,
    /// Work that somebody waits for: never accepted without Redis.
    Queue,
    /// Who is logged in: a miss would log them out.
    Session,
    /// Anything, so nothing is said.
    #[default]
    Mixed,
}

impl RedisRole {
    /// Each, by its word.
    pub const WORDS: [(&'static str, RedisRole); 4] =
        [("cache", Cache), ("queue", Queue), ("session", Session), ("mixed", Mixed)];

    /// `cache`
    pub fn word(self) -> &'static str {
        match self {
            Cache => "cache",
            Queue => "queue",
            Session => "session",
            Mixed => "mixed",
        }
    }
}

/// Keys by their names: `*` is any bytes, `?` is one, everything else is itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPattern(String);

impl KeyPattern {
    /// A pattern that names something.
    pub fn new(text: &str) -> Result<KeyPattern, String> {
        if text.is_empty() {
            return Err("an empty pattern is no key: \"*\" for all".to_owned());
        }
        Ok(KeyPattern(text.to_owned()))
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether all keys of `other` are among these, as far as its shortest and long ones tell.
    pub(super) fn covers(&self, other: &KeyPattern) -> bool {
        // Nothing of it is in a pattern, and it is longer than one.
        let long = "\u{1}".repeat(self.0.len() + 1);
        ["", &long].into_iter().all(|any| {
            let key = other.0.replace('?', "\u{1}").replace('*', any);
            self.matches(key.as_bytes())
        })
    }

    /// Whether `key` is one of them. Takes at most as many steps as the lengths multiplied.
    pub fn matches(&self, key: &[u8]) -> bool {
        let pattern = self.0.as_bytes();
        let (mut at, mut place) = (0, 0);
        // Where the last star is, and how much of the key it takes so far.
        let mut star: Option<(usize, usize)> = None;
        while place < key.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, place));
                    at += 1;
                }
                Some(letter) if *letter == b'?' || key.get(place) == Some(letter) => {
                    at += 1;
                    place += 1;
                }
                _ => match star {
                    Some((before, taken)) => {
                        star = Some((before, taken + 1));
                        at = before + 1;
                        place = taken + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern.get(at..).unwrap_or_default().iter().all(|letter| *letter == b'*')
    }
}

/// Whether something is said while Redis is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whether {
    /// What an empty Redis would say.
    Said,
    /// An error.
    Refused,
}

/// What is said of keys of a cache, where there are two opinions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Says {
    /// `SET NX` and its like: not set, or refused.
    pub nx: Whether,
    /// `INCR` and its like: as if nothing had been counted, or refused.
    pub counters: Whether,
    /// `DEL`, `EXPIRE` and whatever else takes away: kept in the journal, or refused all the same.
    pub invalidate: Whether,
    /// What is done in an outage, where it is something else than the guard's.
    pub on_outage: Option<OnOutage>,
}

impl Default for Says {
    fn default() -> Self {
        let (nx, counters, invalidate) = (Whether::Said, Whether::Refused, Whether::Said);
        Says { nx, counters, invalidate, on_outage: None }
    }
}

impl Says {
    /// What is said of several: only what is said of each.
    fn and(self, other: Says) -> Says {
        let both = |one: Whether, other: Whether| {
            if one == other { one } else { Whether::Refused }
        };
        Says {
            nx: both(self.nx, other.nx),
            counters: both(self.counters, other.counters),
            invalidate: both(self.invalidate, other.invalidate),
            on_outage: OnOutage::of_both(self.on_outage, other.on_outage),
        }
    }
}

impl OnOutage {
    /// What is done of a command that has keys of both: whoever waits waits for as long as both do, and nothing is said that one of
    /// them does not say.
    fn of_both(one: Option<OnOutage>, other: Option<OnOutage>) -> Option<OnOutage> {
        match (one, other) {
            (Some(one), Some(other)) => {
                let is_of_one = |then: &Afterwards| [one.then, other.then].contains(then);
                let worst = [Afterwards::Drop, Afterwards::Refuse].into_iter().find(is_of_one);
                let then = worst.unwrap_or(Afterwards::Open);
                Some(OnOutage { hold: one.hold.min(other.hold), then })
            }
            (Some(one), None) | (None, Some(one)) if one.then != Afterwards::Open => {
                Some(OnOutage { hold: Duration::ZERO, then: Afterwards::Refuse })
            }
            (Some(_), None) | (None, Some(_) | None) => None,
        }
    }
}

/// What keys of a name are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRule {
    /// Which keys.
    pub pattern: KeyPattern,
    /// What they are for.
    pub role: RedisRole,
    /// What is said of them.
    pub says: Says,
}

/// All rules of a guard: the first that fits counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRules {
    /// In order.
    pub rules: Vec<KeyRule>,
    /// What every other key is for.
    pub otherwise: RedisRole,
    /// What is said of those.
    pub says: Says,
}

impl KeyRules {
    /// What `key` is for.
    pub fn role(&self, key: &[u8]) -> RedisRole {
        let rule = self.rules.iter().find(|rule| rule.pattern.matches(key));
        rule.map_or(self.otherwise, |rule| rule.role)
    }

    /// What is said of all these keys together; of none, of the whole database.
    pub fn says(&self, keys: &[&[u8]]) -> Says {
        let of_key = |key: &&[u8]| {
            let rule = self.rules.iter().find(|rule| rule.pattern.matches(key));
            rule.map_or(self.says, |rule| rule.says)
        };
        if keys.is_empty() {
            // Whoever looks for keys of a cache may find any of them.
            let caches = self.rules.iter().filter(|rule| rule.role == Cache);
            let invalidate = caches.fold(self.says, |all, rule| all.and(rule.says)).invalidate;
            return Says { invalidate, ..self.says };
        }
        keys.iter().map(of_key).reduce(Says::and).unwrap_or(self.says)
    }

    /// The rules of a preset, in order; `None` where there is none of this name.
    pub fn preset(name: &str) -> Option<Vec<KeyRule>> {
        let (_, rules) = PRESETS.iter().find(|(known, _)| *known == name)?;
        let rule = |(pattern, role): &(&str, RedisRole)| KeyRule {
            pattern: KeyPattern((*pattern).to_owned()),
            role: *role,
            says: Says::default(),
        };
        Some(rules.iter().map(rule).collect())
    }

    /// The names of all presets.
    pub fn presets() -> impl Iterator<Item = &'static str> + Clone {
        PRESETS.iter().map(|(name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pattern_is_stars_and_marks_and_itself() {
        let fits =
            |pattern: &str, key: &str| KeyPattern::new(pattern).unwrap().matches(key.as_bytes());
        for (pattern, key) in [
            ("*", ""),
            ("a*", "a"),
            ("*lock*", "my:lock:1"),
            ("a?c", "abc"),
            ("a[1]", "a[1]"),
            ("*a*b", "aabab"),
        ] {
            assert!(fits(pattern, key), "{pattern} {key}");
        }
        for (pattern, key) in [("a*", "ba"), ("a?", "a"), ("*a*b", "abc"), ("A", "a")] {
            assert!(!fits(pattern, key), "{pattern} {key}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let mut rules =
            KeyRules { rules: KeyRules::preset("django").unwrap(), ..KeyRules::default() };
        for (key, role) in [
            (":1:price:7", Cache),
            (":1:django.contrib.sessions.cacheabc", Session),
            (":1:lock:import", Mixed),
            ("celery", Mixed),
        ] {
            assert_eq!(rules.role(key.as_bytes()), role, "{key}");
        }
        rules.rules.extend(KeyRules::preset("celery").unwrap());
        assert_eq!(rules.role(b"celery"), Queue);
        assert!(KeyRules::preset("jango").is_none());
    }

    #[test]
    fn presets_know_the_names_of_versions_that_no_test_runs() {
        let (id, limit) = ("aB3".repeat(14), "0f".repeat(16));
        let id = id.get(..40).unwrap();
        for (preset, begins, key, role) in [
            // Laravel 9 and 10, 11, and 12.
            ("laravel", "laravel_database_laravel_cache_:", "price:7", Cache),
            ("laravel", "laravel_database_laravel_cache_:", id, Session),
            ("laravel", "laravel_database_laravel_cache_:", &limit, Mixed),
            ("laravel", "laravel_database_laravel_cache_", "price:7", Cache),
            ("laravel", "laravel_database_laravel_cache_", id, Session),
            ("laravel", "laravel_database_laravel_cache_", &limit, Mixed),
            ("laravel", "shop-database-shop-cache-", "price:7", Cache),
            ("laravel", "shop-database-shop-cache-", id, Session),
            ("laravel", "shop-database-shop-cache-", &limit, Mixed),
            ("laravel", "shop-database-shop-cache-", "illuminate:queues:paused", Queue),
            ("laravel", "shop-database-shop-cache-", "framework/command-import", Mixed),
            ("laravel", "shop_horizon:", "job:7", Queue),
            ("rails", "rate-limit:", "sessions:203.0.113.7", Mixed),
            ("sidekiq", "web1:7:0123456789ab", ":work", Queue),
            ("sidekiq", "it-", "0123456789ab0123456789ab", Queue),
            ("sidekiq", "j|", "261130|8:4", Queue),
            ("resque", "resque:", "queue:mail", Queue),
            ("resque", "resque:", "stat:processed", Queue),
            ("spring", "spring:session:", "sessions:expires:33fdd1b6", Session),
            ("spring", "prices", "~lock", Mixed),
            ("spring", "prices", "::7", Cache),
        ] {
            let rules =
                KeyRules { rules: KeyRules::preset(preset).unwrap(), ..KeyRules::default() };
            let key = format!("{begins}{key}");
            assert_eq!(rules.role(key.as_bytes()), role, "{preset} {key}");
        }
    }

    #[test]
    fn what_comes_before_has_all_keys_of_another_or_not() {
        let covers = |first: &str, other: &str| {
            let pattern = |text: &str| KeyPattern::new(text).unwrap();
            pattern(first).covers(&pattern(other))
        };
        for (first, other, has_all) in [
            ("*", "a", true),
            ("a*", "a*b?", true),
            ("a*c", "abc", true),
            ("?*", "?", true),
            ("*a*", "*bab*", true),
            ("a", "*", false),
            ("a?", "a*", false),
            ("a?*", "a*", false),
            ("a*b", "a*", false),
            ("a*", "?*", false),
            ("ab*", "a*b*", false),
        ] {
            assert_eq!(covers(first, other), has_all, "{first} {other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_covered_has_no_key_of_its_own(first in "[ab*?]{1,5}", other in "[ab*?]{1,5}", key in "[ab]{0,8}") {
            let pattern = |text: &str| KeyPattern::new(text).unwrap();
            let (first, other) = (pattern(&first), pattern(&other));
            let is_of_both = first.covers(&other) && other.matches(key.as_bytes());
            prop_assert!(!is_of_both || first.matches(key.as_bytes()));
        }

        #[test]
        fn a_pattern_fits_as_a_regular_expression_does(pattern in "[ab*?]{1,8}", key in "[ab]{0,12}") {
            let like = format!("^{}$", pattern.replace('*', ".*").replace('?', "."));
            let wanted = regex::Regex::new(&like).unwrap().is_match(&key);
            prop_assert_eq!(KeyPattern::new(&pattern).unwrap().matches(key.as_bytes()), wanted);
        }
    }
}
