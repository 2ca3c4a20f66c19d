//! A run of plain commands that Redis was asked: nearly all are in one, so each takes a few bytes, and none is held by itself.

use std::collections::VecDeque;

use bytes::{Buf as _, BytesMut};
use tokio::time::Instant;

use super::asked::{Asked, Pace, Sent};
use super::table::Family;

/// Plain commands, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Run {
    each: VecDeque<Plain>,
    /// As they were sent, one behind the other.
    bytes: BytesMut,
}

/// One that is about keys and nothing else, and is answered within the budget.
#[derive(Debug)]
struct Plain {
    at: Instant,
    length: usize,
    family: Family,
}

impl Run {
    pub(super) fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.each.len()
    }

    /// When the oldest was asked.
    pub(super) fn since(&self) -> Option<Instant> {
        self.each.front().map(|plain| plain.at)
    }

    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8], family: Family, at: Instant) {
        self.each.push_back(Plain { at, length: bytes.len(), family });
        self.bytes.extend_from_slice(bytes);
    }

    /// The oldest is answered.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Family> {
        let Plain { length, family, .. } = self.each.pop_front()?;
        self.bytes.advance(length);
        Some(family)
    }

    /// Each by itself, and none is left.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Sent> + use<> {
        let mut bytes = std::mem::take(&mut self.bytes).freeze();
        std::mem::take(&mut self.each).into_iter().map(move |plain| {
            let asked = Asked::Whole(bytes.split_to(plain.length));
            Sent::plain(asked, Some(plain.family), plain.at, Pace::Quick)
        })
    }

    pub(super) fn clear(&mut self) {
        *self = Run::default();
    }
}
