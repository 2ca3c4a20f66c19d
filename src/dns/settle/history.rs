//! Which answers the name servers gave, and until when a cache may still have one of them.
//!
//! A cache has an answer from a name server that gave it, so it got it no later than the answer was given last, and keeps
//! it for at most its TTL. A TTL that was lowered does not count before the answers with the old one have run out, so
//! every answer is remembered for as long as its TTL lasts.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lever::Given;

/// What is added to every bound: TTLs are whole seconds.
const MARGIN: SignedDuration = SignedDuration::from_secs(1);
/// More answers than anybody gives within the longest of their TTLs; the ones that last longest are kept.
const MOST: usize = 256;

/// The answers of a site's names that a cache may have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History(Vec<Kept>);

/// One answer of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// The name and type.
    target: String,
    /// The records, without the TTL; null where there are none.
    answer: Value,
    /// For how many seconds a cache may keep it.
    ttl: u32,
    /// When it was given last, at the latest. While it is given still, that is later than what stands here.
    last: Timestamp,
    /// Whether it was given when the name was read last.
    given: bool,
}

impl Kept {
    fn is(&self, given: &Given) -> bool {
        self.target == given.target && self.answer == given.answer && self.ttl == given.ttl
    }

    /// When no cache has it any more.
    fn gone_at(&self) -> Timestamp {
        let kept = SignedDuration::from_secs(i64::from(self.ttl));
        self.last.checked_add(kept + MARGIN).unwrap_or(Timestamp::MAX)
    }
}

impl History {
    /// Takes in what the names say, read at `now`, and tells whether that is any news: what is given as before is none.
    pub fn note(&mut self, read: &[Given], now: Timestamp) -> bool {
        let mut news = false;
        for given in read {
            for known in self.0.iter_mut().filter(|known| known.target == given.target) {
                // Somebody may have changed it a moment ago.
                if known.given {
                    known.last = known.last.max(now);
                }
                let is = known.is(given);
                news |= known.given != is;
                known.given = is;
                if is {
                    known.last = known.last.max(now);
                }
            }
            if !self.0.iter().any(|known| known.is(given)) {
                let Given { target, answer, ttl } = given.clone();
                self.0.push(Kept { target, answer, ttl, last: now, given: true });
                news = true;
            }
        }
        self.0.retain(|known| known.given || known.gone_at() >= now);
        if self.0.len() > MOST {
            self.0.sort_by_key(|known| std::cmp::Reverse((known.given, known.gone_at())));
            self.0.truncate(MOST);
        }
        news
    }

    /// When no cache can have an answer other than `wanted` of any of these names; `None` where none was ever given.
    pub fn expires(&self, wanted: &[Given]) -> Option<Timestamp> {
        let other = |known: &&Kept| {
            wanted.iter().any(|want| want.target == known.target && want.answer != known.answer)
        };
        self.0.iter().filter(other).map(Kept::gone_at).max()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn says(answer: u8, ttl: u32) -> Vec<Given> {
        vec![Given { target: "shop A".to_owned(), answer: json!([answer]), ttl }]
    }

    #[test]
    fn an_answer_lasts_for_its_ttl_from_the_moment_of_the_flip() {
        let mut history = History::default();
        assert!(history.note(&says(1, 60), at(0)));
        assert!(!history.note(&says(1, 60), at(500)), "no news");
        assert!(history.note(&says(2, 30), at(1000)));
        assert_eq!(history.expires(&says(2, 30)), Some(at(1061)));
    }

    #[test]
    fn a_ttl_that_was_lowered_ten_seconds_ago_does_not_count_yet() {
        let mut history = History::default();
        history.note(&says(1, 300), at(0));
        history.note(&says(1, 5), at(90));
        history.note(&says(2, 5), at(100));
        assert_eq!(history.expires(&says(2, 5)), Some(at(391)));
        history.note(&says(1, 5), at(500));
        history.note(&says(2, 5), at(600));
        assert_eq!(history.expires(&says(2, 5)), Some(at(606)), "the old one has run out");
    }

    #[test]
    fn that_there_is_no_such_record_is_an_answer_too() {
        let mut history = History::default();
        let nothing = vec![Given { target: "shop AAAA".to_owned(), answer: Value::Null, ttl: 900 }];
        let address =
            vec![Given { target: "shop AAAA".to_owned(), answer: json!(["::1"]), ttl: 5 }];
        history.note(&nothing, at(0));
        history.note(&address, at(10));
        assert_eq!(history.expires(&address), Some(at(911)));
        history.note(&nothing, at(20));
        assert_eq!(history.expires(&nothing), Some(at(26)));
    }

    #[test]
    fn it_reads_back_as_it_was_written() {
        let mut history = History::default();
        history.note(&says(1, 300), at(0));
        history.note(&says(2, 5), at(90));
        let text = serde_json::to_string(&history).unwrap();
        assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
    }

    proptest! {
        #[test]
        fn no_cache_has_an_old_answer_beyond_the_bound(
            moves in proptest::collection::vec((1i64..400, 0u8..3, 1u32..300), 1..30),
            asked in proptest::collection::vec(0.0f64..1.0, 30),
        ) {
            let (mut history, mut now) = (History::default(), 0);
            let mut caches = Vec::new();
            for ((after, answer, ttl), part) in moves.iter().zip(&asked) {
                // It was read before it was changed, and is read after.
                #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small")]
                let filled = now + (*after as f64 * part) as i64;
                if let Some((before, of)) = caches.last().map(|(answer, ttl, _)| (*answer, *ttl)) {
                    caches.push((before, of, filled));
                }
                now += after;
                history.note(&says(*answer, *ttl), at(now));
                caches.push((*answer, *ttl, now));
            }
            let (last, ttl, _) = *caches.last().unwrap();
            let wanted = says(last, ttl);
            let old = caches.iter().filter(|(answer, ..)| *answer != last);
            for (_, ttl, filled) in old {
                let dies = at(filled + i64::from(*ttl));
                prop_assert!(dies < at(now) || history.expires(&wanted).unwrap() > dies);
            }
        }

        #[test]
        fn reading_once_more_never_brings_the_bound_nearer(
            reads in proptest::collection::vec((0i64..100, 0u8..3, 1u32..300), 1..30),
        ) {
            let (mut history, mut now) = (History::default(), 0);
            for (after, answer, ttl) in reads {
                now += after;
                let wanted = says(answer, ttl);
                history.note(&wanted, at(now));
                let bound = history.expires(&wanted);
                history.note(&wanted, at(now));
                prop_assert_eq!(history.expires(&wanted), bound);
            }
        }
    }
}
