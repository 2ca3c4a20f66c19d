//! The answers that one client waits for, in the order of its commands; and those that Redis still owes, in the same order.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::asked::{Asked, Fate, Pace, Past, Sent, Within};
use super::run::Run;
use super::session::Change;
use super::table::Family;

/// One client's answers to come.
///
/// What is plain is in `run` as long as nothing else is in the line, and becomes slots as soon as something else is to be known of it.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// While there is one, there are no slots, and Redis owes nothing else.
    run: Run,
    slots: VecDeque<Slot>,
    /// The number of the first slot.
    first: u64,
    /// The numbers of those whose answer Redis owes. One that is before `first` was answered without it, and is swallowed.
    due: VecDeque<u64>,
    /// Those of them that end a transaction, and were answered without it.
    ends: VecDeque<u64>,
    /// No answer that waits for its time comes before this.
    waits_until: Option<Instant>,
}

/// One answer to come.
#[derive(Debug)]
pub(super) enum Slot {
    /// Redis was asked.
    Sent(Sent),
    /// Nothing before this time, unless Redis comes back and is asked.
    Waits { until: Option<Instant>, answer: Bytes, again: Option<Box<Sent>> },
    /// It is here.
    Ready(Bytes),
}

impl Slot {
    /// What was asked waits for its time, unless Redis comes back and is asked again.
    pub(super) fn of_waiting(sent: Sent, until: Option<Instant>, answer: Bytes) -> Slot {
        Slot::Waits { until, answer, again: Some(Box::new(sent)) }
    }
}

/// Whose answer comes next from Redis.
#[derive(Debug)]
pub(super) enum Due {
    /// Nobody asked.
    Nobody,
    /// It was said without Redis.
    Swallowed,
    /// The client waits for this one and no other.
    Next,
    /// Others come before it.
    Later,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.run.is_empty() && self.slots.is_empty()
    }

    /// How many answers Redis owes.
    pub(super) fn owed(&self) -> usize {
        self.run.len() + self.due.len()
    }

    /// Whether everything that was asked is answered, even what was said without Redis.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_empty() && self.due.is_empty()
    }

    /// Whether the last of them waits for its time: nothing is asked before.
    pub(super) fn ends_waiting(&self) -> bool {
        matches!(self.slots.back(), Some(Slot::Waits { .. }))
    }

    /// What this one waits for is known.
    pub(super) fn known(&mut self, number: u64, answer: Bytes) {
        if let Some(slot @ Slot::Waits { .. }) = self.slot(number) {
            *slot = Slot::Ready(answer);
        }
    }

    /// This one waits for nothing any more.
    pub(super) fn refuse(&mut self, number: u64) {
        if let Some(slot @ Slot::Waits { .. }) = self.slot(number)
            && let Slot::Waits { answer, .. } = slot
        {
            *slot = Slot::Ready(std::mem::take(answer));
        }
    }

    /// The number of the last of them.
    pub(super) fn last(&self) -> u64 {
        self.end().saturating_sub(1)
    }

    /// The number of what Redis answers next.
    pub(super) fn next_number(&self) -> Option<u64> {
        if self.run.is_empty() { self.due.front().copied() } else { Some(self.first) }
    }

    /// Puts something else there.
    pub(super) fn put(&mut self, number: u64, with: Slot) {
        self.waits(&with);
        if let Some(slot) = self.slot(number) {
            *slot = with;
        }
    }

    /// What Redis was asked after this one and has not answered.
    pub(super) fn sent_after(&self, number: u64) -> impl Iterator<Item = (u64, &Sent)> {
        (self.first..).zip(&self.slots).filter_map(move |(own, slot)| match slot {
            Slot::Sent(sent) if own > number => Some((own, sent)),
            Slot::Sent(_) | Slot::Waits { .. } | Slot::Ready(_) => None,
        })
    }

    /// Redis is asked.
    pub(super) fn sent(&mut self, sent: Sent) {
        self.unfold();
        self.due.push_back(self.end());
        self.slots.push_back(Slot::Sent(sent));
    }

    /// Redis is asked what is plain, and answers it within the budget.
    #[inline]
    pub(super) fn sent_plain(&mut self, bytes: &[u8], family: Family, at: Instant) {
        if self.slots.is_empty() && self.due.is_empty() {
            return self.run.push(bytes, family, at);
        }
        let asked = Asked::Whole(Bytes::copy_from_slice(bytes));
        self.sent(Sent::plain(asked, Some(family), at, Pace::Quick));
    }

    /// Something else is to be known of what is plain.
    fn unfold(&mut self) {
        if self.run.is_empty() {
            return;
        }
        for sent in self.run.take() {
            self.due.push_back(self.end());
            self.slots.push_back(Slot::Sent(sent));
        }
    }

    /// Redis is asked by us: what it says is nobody's.
    pub(super) fn sent_unheard(&mut self) {
        self.unfold();
        self.due.push_back(self.end());
        self.slots.push_back(Slot::Ready(Bytes::new()));
    }

    pub(super) fn push(&mut self, slot: Slot) {
        self.unfold();
        self.waits(&slot);
        self.slots.push_back(slot);
    }

    fn end(&self) -> u64 {
        self.first + u64::try_from(self.run.len() + self.slots.len()).unwrap_or(u64::MAX)
    }

    /// Whether something can be said.
    pub(super) fn has_to_say(&self) -> bool {
        matches!(self.slots.front(), Some(Slot::Ready(_)))
    }

    /// Moves what can be said to the end of `outbox`.
    #[inline]
    pub(super) fn say(&mut self, outbox: &mut BytesMut) {
        while let Some(Slot::Ready(bytes)) = self.slots.front() {
            outbox.extend_from_slice(bytes);
            self.slots.pop_front();
            self.first += 1;
        }
    }

    /// Whose answer comes next.
    pub(super) fn next_due(&self) -> Due {
        if !self.run.is_empty() {
            return Due::Next;
        }
        match self.due.front() {
            None => Due::Nobody,
            Some(number) if *number < self.first => Due::Swallowed,
            Some(number) if *number == self.first => Due::Next,
            Some(_) => Due::Later,
        }
    }

    /// Redis has answered what the client waits for, where that is plain.
    #[inline]
    pub(super) fn plain_answered(&mut self) -> Option<Family> {
        let family = self.run.pop()?;
        self.first += 1;
        Some(family)
    }

    /// Redis has answered what the client waits for: what it was asked. `None` where that is another, or something else was said.
    pub(super) fn answered_in_turn(&mut self) -> Option<Sent> {
        if self.due.front() != Some(&self.first) {
            return None;
        }
        match self.slots.pop_front_if(|slot| matches!(slot, Slot::Sent(_)))? {
            Slot::Sent(sent) => {
                self.due.pop_front();
                self.first += 1;
                Some(sent)
            }
            Slot::Waits { .. } | Slot::Ready(_) => None,
        }
    }

    /// Redis has answered: what it was asked, where somebody still waits for it; `answer` is to be said.
    pub(super) fn answered(&mut self, answer: Bytes) -> Option<Sent> {
        self.unfold();
        let number = self.due.pop_front()?;
        // Something else may have been said instead, and not yet be on its way.
        let slot = self.slot(number).filter(|slot| matches!(slot, Slot::Sent(_)))?;
        match std::mem::replace(slot, Slot::Ready(answer)) {
            Slot::Sent(sent) => Some(sent),
            Slot::Waits { .. } | Slot::Ready(_) => None,
        }
    }

    /// Whether everything that Redis was asked can be asked again by itself: nothing of it changes its connection, or belongs together.
    pub(super) fn can_be_asked_again(&self) -> bool {
        self.slots.iter().all(|slot| match slot {
            Slot::Sent(sent) => sent.change.is_none() && matches!(sent.within, Within::Alone),
            Slot::Waits { .. } | Slot::Ready(_) => true,
        })
    }

    /// The last of what Redis was asked that changes what is meant by whatever comes behind it.
    pub(super) fn last_turn(&self) -> Option<u64> {
        let turns = |slot: &Slot| match slot {
            Slot::Sent(sent) => sent.change.as_ref().is_some_and(|one| one.is_of_all_behind()),
            Slot::Waits { .. } | Slot::Ready(_) => false,
        };
        let at = self.slots.iter().rposition(turns)?;
        Some(self.first + u64::try_from(at).unwrap_or(u64::MAX))
    }

    /// What Redis answers next was not done; `false` where nobody waits for it, or it cannot be asked again.
    pub(super) fn mark_undone(&mut self) -> bool {
        self.unfold();
        let Some(number) = self.next_number() else { return false };
        match self.slot(number) {
            Some(Slot::Sent(sent @ Sent { asked: Asked::Whole(_), .. })) => {
                sent.past.fate = Fate::Undone;
                self.due.pop_front();
                true
            }
            Some(Slot::Sent(_) | Slot::Waits { .. } | Slot::Ready(_)) | None => false,
        }
    }

    /// Nothing of what Redis owes an answer to was done.
    pub(super) fn mark_all_undone(&mut self) {
        self.unfold();
        for number in std::mem::take(&mut self.due) {
            if let Some(Slot::Sent(sent @ Sent { asked: Asked::Whole(_), .. })) = self.slot(number)
            {
                sent.past.fate = Fate::Undone;
            }
        }
    }

    /// The first command that Redis owes an answer to and that somebody waits for, with its number.
    pub(super) fn oldest(&mut self) -> Option<(u64, &mut Sent)> {
        self.unfold();
        let number = *self.due.iter().find(|number| **number >= self.first)?;
        match self.slot(number)? {
            Slot::Sent(sent) => Some((number, sent)),
            Slot::Waits { .. } | Slot::Ready(_) => None,
        }
    }

    /// When Redis was asked that command, where it answers such a one within the budget.
    pub(super) fn asked_at(&mut self) -> Option<Instant> {
        self.run.since().or_else(|| {
            let (_, sent) = self.oldest().filter(|(_, sent)| sent.pace == Pace::Quick)?;
            Some(sent.at)
        })
    }

    /// Forgets all of it where that is what Redis was to be asked for the first time, in so many bytes, and nothing else.
    pub(super) fn take_unsent(&mut self, bytes: usize) -> bool {
        self.unfold();
        let length = |slot: &Slot| match slot {
            Slot::Sent(Sent { asked: Asked::Whole(bytes), past, .. }) if !past.is_again => {
                Some(bytes.len())
            }
            Slot::Sent(_) | Slot::Waits { .. } | Slot::Ready(_) => None,
        };
        let all: Option<usize> = self.slots.iter().map(length).sum();
        let is_all = all == Some(bytes) && self.due.len() == self.slots.len();
        if is_all {
            self.slots.clear();
            self.due.clear();
        }
        is_all
    }

    /// This is said without Redis, which still owes it.
    pub(super) fn said_without(&mut self, number: u64, answer: Bytes) {
        let Some(slot) = self.slot(number) else { return };
        let was = std::mem::replace(slot, Slot::Ready(answer));
        if let Slot::Sent(Sent { change: Some(change), .. }) = was
            && *change == Change::Ended
        {
            self.ends.push_back(number);
        }
    }

    /// Takes note that what Redis answers next ends a transaction which was answered without it, if so.
    pub(super) fn pop_end(&mut self) -> bool {
        let next = self.next_number();
        let at = self.ends.iter().position(|number| Some(*number) == next);
        at.and_then(|at| self.ends.remove(at)).is_some()
    }

    /// Redis says nothing any more: what it was asked last has no answer.
    pub(super) fn ends_here(&mut self) {
        self.run.clear();
        let first = self.slots.iter().position(|slot| matches!(slot, Slot::Sent(_)));
        self.slots.truncate(first.unwrap_or(self.slots.len()));
        self.due.clear();
        self.ends.clear();
    }

    fn slot(&mut self, number: u64) -> Option<&mut Slot> {
        self.unfold();
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.slots.get_mut(at)
    }

    /// Redis owes nothing any more: each command that it was asked becomes what `otherwise` makes of it, in order.
    pub(super) fn lost(&mut self, mut otherwise: impl FnMut(u64, Sent) -> Slot) {
        self.unfold();
        self.due.clear();
        self.ends.clear();
        for (number, slot) in (self.first..).zip(std::mem::take(&mut self.slots)) {
            self.push(match slot {
                Slot::Sent(sent) => otherwise(number, sent),
                other => other,
            });
        }
    }

    /// Redis is back: whatever waits and can be asked again is.
    pub(super) fn asked_again(&mut self, now: Instant, mut ask: impl FnMut(&Bytes)) {
        let first = self.first;
        for (number, slot) in (first..).zip(&mut self.slots) {
            if let Slot::Waits { again, .. } = slot
                && let Some(sent) = again.take_if(|sent| matches!(sent.asked, Asked::Whole(_)))
            {
                if let Asked::Whole(bytes) = &sent.asked {
                    ask(bytes);
                }
                self.due.push_back(number);
                let past = Past { is_again: true, ..Past::default() };
                *slot = Slot::Sent(Sent { at: now, past, ..*sent });
            }
        }
    }

    /// What nothing came to in its time is answered; `over` is told of what would have been asked again. Whether there is an answer
    /// for each: the first that has none is where the connection ends, and nothing behind it is said.
    pub(super) fn waited(&mut self, now: Instant, over: impl Fn(&Sent)) -> bool {
        if self.waits_until.is_none_or(|until| until > now) {
            return true;
        }
        self.waits_until = None;
        for mut slot in std::mem::take(&mut self.slots) {
            if let Slot::Waits { until: Some(until), answer, again } = &mut slot
                && *until <= now
            {
                if let Some(sent) = again {
                    over(sent);
                }
                if answer.is_empty() {
                    return false;
                }
                slot = Slot::Ready(std::mem::take(answer));
            }
            self.push(slot);
        }
        true
    }

    /// No answer that waits for its time comes before this.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        self.waits_until
    }

    fn waits(&mut self, slot: &Slot) {
        if let Slot::Waits { until: Some(until), .. } = slot {
            self.waits_until = Some(self.waits_until.map_or(*until, |known| known.min(*until)));
        }
    }

    /// Holds no more memory than it needs.
    pub(super) fn give_back(&mut self) {
        if self.run.is_empty() {
            self.run.clear();
        }
        self.slots.shrink_to_fit();
        self.due.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::clock::monotonic;
    use crate::redis::table::Miss;

    /// What may happen to a line.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        Plain,
        Unheard,
        Ready,
        Waits,
        InTurn,
        Answered,
        SaidWithout,
        Undone,
        AllUndone,
        Lost,
        Again,
        EndsHere,
        Unsent,
        Say,
    }

    const EVENTS: [Event; 14] = [
        Event::Plain,
        Event::Unheard,
        Event::Ready,
        Event::Waits,
        Event::InTurn,
        Event::Answered,
        Event::SaidWithout,
        Event::Undone,
        Event::AllUndone,
        Event::Lost,
        Event::Again,
        Event::EndsHere,
        Event::Unsent,
        Event::Say,
    ];

    const READ: Family = Family::Read(Miss::Nil);

    fn shown(sent: &Sent) -> String {
        format!("{:?} {:?} {:?} {:?}", sent.asked, sent.family, sent.at, sent.past)
    }

    fn slot(name: &'static str) -> Bytes {
        Bytes::from_static(name.as_bytes())
    }

    /// What comes of it.
    fn happens(
        line: &mut Line,
        event: Event,
        now: Instant,
        asks: &mut dyn FnMut(&mut Line),
    ) -> String {
        match event {
            Event::Plain => asks(line),
            Event::Unheard => line.sent_unheard(),
            Event::Ready => line.push(Slot::Ready(slot("ready "))),
            Event::Waits => {
                line.push(Slot::Waits { until: Some(now), answer: slot("late "), again: None });
            }
            Event::InTurn => {
                let plain = line.plain_answered();
                let family = plain.map(Some);
                let family = family.or_else(|| line.answered_in_turn().map(|sent| sent.family));
                return format!("{family:?}");
            }
            Event::Answered => {
                return line.answered(slot("answer ")).as_ref().map(shown).unwrap_or_default();
            }
            Event::SaidWithout => {
                if let Some((number, sent)) = line.oldest() {
                    let told = format!("{number} {}", shown(sent));
                    line.said_without(number, slot("without "));
                    return told;
                }
            }
            Event::Undone => return line.mark_undone().to_string(),
            Event::AllUndone => line.mark_all_undone(),
            Event::Lost => {
                let mut told = Vec::new();
                line.lost(|number, sent| {
                    told.push(format!("{number} {}", shown(&sent)));
                    Slot::of_waiting(sent, None, slot("lost "))
                });
                return told.concat();
            }
            Event::Again => {
                let mut told = Vec::new();
                line.asked_again(now, |bytes| told.extend_from_slice(bytes));
                return format!("{told:?}");
            }
            Event::EndsHere => line.ends_here(),
            // The bytes of one.
            Event::Unsent => return line.take_unsent(6).to_string(),
            Event::Say => {
                let mut said = BytesMut::new();
                line.say(&mut said);
                return format!("{said:?}");
            }
        }
        String::new()
    }

    /// All that can be asked of it.
    fn look(line: &Line) -> String {
        let due = line.next_due();
        format!(
            "{} {} {} {} {:?} {} {due:?} {} {}",
            line.is_empty(),
            line.owed(),
            line.is_quiet(),
            line.ends_waiting(),
            line.next_number(),
            line.last(),
            line.has_to_say(),
            line.can_be_asked_again(),
        )
    }

    proptest! {
        #[test]
        fn what_is_plain_is_in_the_line_as_if_each_were_by_itself(
            events in prop::collection::vec(
                prop_oneof![3 => Just(Event::Plain), 2 => Just(Event::InTurn), 2 => select(&EVENTS[..])],
                0..40,
            ),
        ) {
            let at = monotonic();
            let (mut one, mut other) = (Line::default(), Line::default());
            for (number, event) in events.into_iter().enumerate() {
                let bytes = format!("GET {number} ");
                let mut plainly = |line: &mut Line| line.sent_plain(bytes.as_bytes(), READ, at);
                let mut by_itself = |line: &mut Line| {
                    let asked = Asked::Whole(Bytes::copy_from_slice(bytes.as_bytes()));
                    line.sent(Sent::plain(asked, Some(READ), at, Pace::Quick));
                };
                let came = happens(&mut one, event, at, &mut plainly);
                prop_assert_eq!(came, happens(&mut other, event, at, &mut by_itself), "{:?}", event);
                prop_assert_eq!(look(&one), look(&other), "{:?}", event);
                prop_assert_eq!(one.asked_at(), other.asked_at());
            }
        }
    }
}
