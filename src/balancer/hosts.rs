//! Host names and the patterns of rules: `*` stands for any number of characters, `?` for one. Pure.
//!
//! A load balancer compares without regard to case (ELB API reference, `RuleCondition`).

use std::collections::BTreeSet;

/// Whether some name is matched by both.
pub(super) fn meet(one: &str, other: &str) -> bool {
    to_the_end(one, other, |a, b| match (a, b) {
        (Some('*'), _) | (_, Some('*')) => vec![(1, 0), (0, 1)],
        (Some(a), Some(b)) if a == b || a == '?' || b == '?' => vec![(1, 1)],
        (Some(_) | None, Some(_) | None) => Vec::new(),
    })
}

/// Whether `wide` matches every name that `narrow` does. Says no where that is not plain to see.
pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    to_the_end(wide, narrow, |a, b| match (a, b) {
        (Some('*'), Some(_)) => vec![(1, 0), (0, 1)],
        (Some('*'), None) => vec![(1, 0)],
        (Some('?'), Some(b)) if b != '*' => vec![(1, 1)],
        (Some(a), Some(b)) if a == b => vec![(1, 1)],
        (Some(_) | None, Some(_) | None) => Vec::new(),
    })
}

/// Whether `ways`, by how many letters of each it may be gone on from two letters, leads to the end of both.
fn to_the_end(
    one: &str,
    other: &str,
    ways: impl Fn(Option<char>, Option<char>) -> Vec<(usize, usize)>,
) -> bool {
    let (one, other) = (letters(one), letters(other));
    let (mut been, mut next) = (BTreeSet::new(), vec![(0, 0)]);
    while let Some((at, with)) = next.pop() {
        if (at, with) == (one.len(), other.len()) {
            return true;
        }
        if at > one.len() || with > other.len() || !been.insert((at, with)) {
            continue;
        }
        let ways = ways(one.get(at).copied(), other.get(with).copied());
        next.extend(ways.into_iter().map(|(a, b)| (at + a, with + b)));
    }
    false
}

/// The hosts of `site` for which a rule with these patterns is meant, each as narrow as both say; none where they only
/// overlap, which no rule can express.
pub(super) fn both(site: &[String], patterns: &[String]) -> Option<Vec<String>> {
    let mut hosts = Vec::new();
    for (own, pattern) in site.iter().flat_map(|own| patterns.iter().map(move |with| (own, with))) {
        if !meet(own, pattern) {
            continue;
        }
        let host = match (covers(pattern, own), covers(own, pattern)) {
            (true, _) => own.clone(),
            (false, true) => pattern.to_ascii_lowercase(),
            (false, false) => return None,
        };
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    Some(hosts)
}

fn letters(text: &str) -> Vec<char> {
    text.chars().map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_meet_where_one_name_is_matched_by_both() {
        for (one, other, met) in [
            ("shop.example.com", "shop.example.com", true),
            ("shop.example.com", "SHOP.example.COM", true),
            ("shop.example.com", "www.example.com", false),
            ("*.example.com", "shop.example.com", true),
            ("*.example.com", "example.com", false),
            ("*example.com", "example.com", true),
            ("sho?.example.com", "shop.example.com", true),
            ("sho?.example.com", "sho.example.com", false),
            ("*", "anything.at.all", true),
            ("*.example.com", "shop.*", true),
            ("*.example.com", "*.example.org", false),
            ("shop-*.example.com", "*-eu.example.com", true),
            ("??.example.com", "*.example.com", true),
            ("", "*", true),
            ("", "?", false),
        ] {
            assert_eq!(meet(one, other), met, "{one} and {other}");
            assert_eq!(meet(other, one), met, "{other} and {one}");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_matches_whole() {
        for (wide, narrow, covered) in [
            ("*.example.com", "shop.example.com", true),
            ("shop.example.com", "*.example.com", false),
            ("*.example.com", "*.example.com", true),
            ("*", "*.example.com", true),
            ("?.example.com", "*.example.com", false),
            ("*.example.com", "a.*.example.com", true),
            ("shop.*", "shop.example.*", true),
        ] {
            assert_eq!(covers(wide, narrow), covered, "{wide} over {narrow}");
        }
    }

    #[test]
    fn a_copy_is_for_the_narrower_of_the_two_or_for_nobody() {
        let texts = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
        for (site, patterns, expected) in [
            (vec!["shop.example.com"], vec!["*"], Some(vec!["shop.example.com"])),
            (vec!["*.example.com"], vec!["api.example.com"], Some(vec!["api.example.com"])),
            (
                vec!["a.example.com", "b.example.com"],
                vec!["b.example.com"],
                Some(vec!["b.example.com"]),
            ),
            (vec!["*.example.com"], vec!["api.*"], None),
            (vec!["a.example.com"], vec!["z.example.com"], Some(vec![])),
        ] {
            let expected = expected.map(|hosts| texts(&hosts));
            assert_eq!(both(&texts(&site), &texts(&patterns)), expected, "{site:?} {patterns:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_that_both_match_is_found_and_what_covers_it_matches(
            one in "[ab*?]{0,6}", other in "[ab*?]{0,6}", name in "[ab]{0,6}",
        ) {
            if covers(&one, &name) && covers(&other, &name) {
                prop_assert!(meet(&one, &other));
            }
            if covers(&one, &other) && covers(&other, &name) {
                prop_assert!(covers(&one, &name));
            }
        }
    }
}
