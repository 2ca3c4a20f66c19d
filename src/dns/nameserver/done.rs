//! Updates that were made, for as long as their signatures are fresh: who recorded one cannot have it made again later
//! (RFC 8945, section 10), and who missed the answer and sends the same bytes once more gets the same answer.
//!
//! Within a second two updates may be the same, byte for byte, and both be meant: there, back, and there again.

use std::collections::VecDeque;

use hickory_proto::op::ResponseCode;

/// So many are remembered; beyond, the oldest is forgotten.
const MOST: usize = 10_000;

/// Seconds within which the same bytes are another update: a signature counts whole seconds, and clocks differ by a part of one.
const APART: u64 = 1;

/// What was answered to each, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Done(VecDeque<Made>);

#[derive(Debug)]
struct Made {
    mac: Vec<u8>,
    /// When it was made, in seconds since 1970.
    at: u64,
    /// The last second in which its signature is fresh, since 1970.
    until: u64,
    code: ResponseCode,
}

impl Done {
    /// What was answered to the update with this digest.
    pub(super) fn answer(&mut self, mac: &[u8], now: u64) -> Option<ResponseCode> {
        self.0.retain(|made| made.until >= now);
        let later = |made: &&Made| made.at + APART < now;
        self.0.iter().filter(later).find(|made| made.mac == mac).map(|made| made.code)
    }

    /// Notes it. What was not tried, for want of room or disk, may come again.
    pub(super) fn note(&mut self, mac: &[u8], (at, until): (u64, u64), code: ResponseCode) {
        if code == ResponseCode::ServFail {
            return;
        }
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back(Made { mac: mac.to_vec(), at, until, code });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_known_for_as_long_as_it_is_fresh_and_one_that_was_not_tried_is_not() {
        let mut done = Done::default();
        done.note(b"one", (50, 100), ResponseCode::NoError);
        done.note(b"other", (50, 200), ResponseCode::NXRRSet);
        done.note(b"late", (50, 200), ResponseCode::ServFail);
        assert_eq!(done.answer(b"one", 51), None, "another one that is the same");
        assert_eq!(done.answer(b"one", 52), Some(ResponseCode::NoError));
        assert_eq!(done.answer(b"one", 100), Some(ResponseCode::NoError));
        assert_eq!(done.answer(b"late", 100), None);
        assert_eq!(done.answer(b"one", 101), None, "its time is over, and the check says so");
        assert_eq!(done.answer(b"other", 101), Some(ResponseCode::NXRRSet));
        (0..MOST).for_each(|_| done.note(b"more", (50, 200), ResponseCode::NoError));
        assert_eq!(done.answer(b"other", 101), None, "there is an end to it");
    }
}
