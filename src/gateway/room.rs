//! The waiting room: who waits, in the order in which they came. Pure: no lock, no task, and time comes in. Leaving costs the same
//! wherever one stands, so nine of ten thousand may leave at once.

use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use super::lane::Modes;
use super::snapshot::{Snapshot, Why};

/// Nobody.
const NONE: u32 = u32::MAX;
/// What an empty room keeps in memory.
const KEPT: usize = 256;

/// A place in the room, to be given back by [`Room::leave`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

/// What is with somebody in the room.
pub(super) enum Turn {
    /// Waits.
    Waits,
    /// Was called, and may go if the door still says so.
    Called,
    /// Will not get in.
    Refused(Why, Arc<Snapshot>),
}

struct Guest {
    turn: Turn,
    waker: Option<Waker>,
    modes: Modes,
    since: Instant,
    before: u32,
    after: u32,
}

/// The room of one door. Its line has those who wait or were called; who was called stands in front.
pub(super) struct Room {
    guests: Vec<Option<Guest>>,
    free: Vec<u32>,
    first: u32,
    last: u32,
    /// The first in line who was not called.
    next: u32,
    in_line: usize,
    called: usize,
}

impl Room {
    /// What somebody who waits costs in memory here.
    #[cfg(test)]
    pub(super) const BYTES_EACH: usize = size_of::<Option<Guest>>();

    pub(super) fn new() -> Room {
        Room {
            guests: Vec::new(),
            free: Vec::new(),
            first: NONE,
            last: NONE,
            next: NONE,
            in_line: 0,
            called: 0,
        }
    }

    /// Who waits or was called.
    pub(super) fn waiting(&self) -> usize {
        self.in_line
    }

    /// Whether somebody in line was not called.
    pub(super) fn has_next(&self) -> bool {
        self.next != NONE
    }

    /// Since when the first in line has waited.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let first = self.guests.get(usize::try_from(self.first).ok()?)?.as_ref();
        first.map(|guest| guest.since)
    }

    /// Takes the last place in line, at the moment `since`.
    pub(super) fn enter(&mut self, modes: Modes, since: Instant) -> Place {
        let (before, after) = (self.last, NONE);
        let guest = Guest { turn: Turn::Waits, waker: None, modes, since, before, after };
        let at = self.free.pop().unwrap_or_else(|| {
            self.guests.push(None);
            u32::try_from(self.guests.len() - 1).unwrap_or(NONE)
        });
        if let Some(place) = slot(&mut self.guests, at) {
            *place = Some(guest);
        }
        match self.guest(self.last) {
            Some(last) => last.after = at,
            None => self.first = at,
        }
        self.last = at;
        if self.next == NONE {
            self.next = at;
        }
        self.in_line += 1;
        Place(at)
    }

    /// What is with whoever has this place. Keeps the waker of one who waits.
    pub(super) fn turn(&mut self, place: &Place, waker: &Waker) -> Turn {
        let Some(guest) = self.guest(place.0) else { return Turn::Waits };
        match &guest.turn {
            Turn::Waits => {
                if guest.waker.as_ref().is_none_or(|kept| !kept.will_wake(waker)) {
                    guest.waker = Some(waker.clone());
                }
                Turn::Waits
            }
            Turn::Called => Turn::Called,
            Turn::Refused(why, under) => Turn::Refused(*why, Arc::clone(under)),
        }
    }

    /// Since when whoever has this place has waited.
    pub(super) fn since(&self, place: &Place) -> Option<Instant> {
        let guest = self.guests.get(usize::try_from(place.0).ok()?)?.as_ref();
        guest.map(|guest| guest.since)
    }

    /// Gives a place back. Whether it was of one who was called.
    pub(super) fn leave(&mut self, place: &Place) -> bool {
        let called = match self.guest(place.0).map(|guest| &guest.turn) {
            Some(Turn::Called) => true,
            Some(Turn::Waits | Turn::Refused(..)) | None => false,
        };
        self.step_out(place.0);
        if let Some(gone) = slot(&mut self.guests, place.0)
            && gone.take().is_some()
        {
            self.free.push(place.0);
        }
        if self.free.len() == self.guests.len() && self.guests.capacity() > KEPT {
            (self.guests, self.free) = (Vec::new(), Vec::new());
        }
        called
    }

    /// Calls the first who waits; their waker is to be woken when the lock is gone.
    pub(super) fn call(&mut self, wake: &mut Vec<Waker>) -> bool {
        let Some(guest) = self.guest(self.next) else { return false };
        guest.turn = Turn::Called;
        wake.extend(guest.waker.take());
        self.next = guest.after;
        self.called += 1;
        true
    }

    /// Those who were called and have not gone wait again, where they stand. How many they were.
    pub(super) fn call_back(&mut self) -> usize {
        let mut at = self.first;
        while at != self.next {
            let Some(guest) = self.guest(at) else { break };
            guest.turn = Turn::Waits;
            at = guest.after;
        }
        self.next = self.first;
        std::mem::take(&mut self.called)
    }

    /// Refuses everybody in line who does not stay. How many of them were called before.
    pub(super) fn refuse(
        &mut self,
        (why, under): (Why, &Arc<Snapshot>),
        stays: impl Fn(Modes) -> bool,
        wake: &mut Vec<Waker>,
    ) -> usize {
        let (mut at, were_called) = (self.first, self.called);
        while let Some(guest) = self.guest(at) {
            let after = guest.after;
            if !stays(guest.modes) {
                wake.extend(guest.waker.take());
                self.step_out(at);
                if let Some(guest) = self.guest(at) {
                    guest.turn = Turn::Refused(why, Arc::clone(under));
                }
            }
            at = after;
        }
        were_called - self.called
    }

    /// Out of the line, if still in it.
    fn step_out(&mut self, at: u32) {
        let Some(guest) = self.guest(at) else { return };
        let (before, after) = (guest.before, guest.after);
        match guest.turn {
            Turn::Waits => {}
            Turn::Called => self.called -= 1,
            Turn::Refused(..) => return,
        }
        match self.guest(before) {
            Some(guest) => guest.after = after,
            None => self.first = after,
        }
        match self.guest(after) {
            Some(guest) => guest.before = before,
            None => self.last = before,
        }
        if self.next == at {
            self.next = after;
        }
        self.in_line -= 1;
    }

    fn guest(&mut self, at: u32) -> Option<&mut Guest> {
        slot(&mut self.guests, at)?.as_mut()
    }
}

fn slot(guests: &mut [Option<Guest>], at: u32) -> Option<&mut Option<Guest>> {
    guests.get_mut(usize::try_from(at).ok()?)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::page::{Page, Told};
    use crate::switch::Mode;

    fn snapshot() -> Arc<Snapshot> {
        let told = Told { host: None, posture: None, now: crate::clock::now() };
        let forms = Arc::new(Page::default().render(&told));
        Arc::new(Snapshot { posture: None, forms, hold_spent: false, closing: false, gently: None })
    }

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Enter(Modes),
        Leave(usize),
        Call,
        CallBack,
        Refuse(Modes),
    }

    fn event() -> impl Strategy<Value = Event> {
        let modes = prop_oneof![Just(Modes::OPEN), Just(Modes::of(&Mode::LADDER))];
        prop_oneof![
            4 => modes.clone().prop_map(Event::Enter),
            3 => (0..64_usize).prop_map(Event::Leave),
            3 => Just(Event::Call),
            1 => Just(Event::CallBack),
            1 => modes.prop_map(Event::Refuse),
        ]
    }

    proptest! {
        #[test]
        fn the_line_is_that_of_a_plain_list_whatever_happens(
            events in prop::collection::vec(event(), 0..120),
        ) {
            let (mut room, under) = (Room::new(), snapshot());
            let mut now = crate::clock::monotonic();
            let mut came: VecDeque<Instant> = VecDeque::new();
            // Who is here: the place, the modes, called or not; refused ones apart.
            let mut line: VecDeque<(Place, Modes, bool)> = VecDeque::new();
            let mut refused: Vec<Place> = Vec::new();
            for event in events {
                let mut wake = Vec::new();
                match event {
                    Event::Enter(modes) => {
                        now += Duration::from_secs(1);
                        came.push_back(now);
                        line.push_back((room.enter(modes, now), modes, false));
                    }
                    Event::Leave(at) if at < line.len() => {
                        let (place, _, called) = line.remove(at).unwrap();
                        came.remove(at);
                        prop_assert_eq!(room.leave(&place), called);
                    }
                    Event::Leave(_) => {
                        if let Some(place) = refused.pop() {
                            prop_assert!(!room.leave(&place));
                        }
                    }
                    Event::Call => {
                        let next = line.iter_mut().find(|(_, _, called)| !called);
                        prop_assert_eq!(room.has_next(), next.is_some());
                        prop_assert_eq!(room.call(&mut wake), next.is_some());
                        if let Some((_, _, called)) = next {
                            *called = true;
                        }
                    }
                    Event::CallBack => {
                        let called = line.iter().filter(|(_, _, called)| *called).count();
                        prop_assert_eq!(room.call_back(), called);
                        for (_, _, called) in &mut line {
                            *called = false;
                        }
                    }
                    Event::Refuse(modes) => {
                        let goes = |other: Modes| other == modes;
                        let called = line.iter().filter(|(_, of, called)| goes(*of) && *called);
                        let expected = called.count();
                        let were_called =
                            room.refuse((Why::Mode, &under), |of| !goes(of), &mut wake);
                        prop_assert_eq!(were_called, expected);
                        let mut stays = line.iter().map(|(_, of, _)| !goes(*of));
                        came.retain(|_| stays.next().unwrap());
                        let (gone, stay) = line.into_iter().partition(|(_, of, _)| goes(*of));
                        line = stay;
                        let gone: VecDeque<(Place, Modes, bool)> = gone;
                        refused.extend(gone.into_iter().map(|(place, ..)| place));
                    }
                }
                prop_assert_eq!(room.waiting(), line.len());
                prop_assert_eq!(room.oldest(), came.front().copied());
                for (place, _, called) in &line {
                    let turn = room.turn(place, Waker::noop());
                    prop_assert_eq!(matches!(turn, Turn::Called), *called);
                    prop_assert!(!matches!(turn, Turn::Refused(..)));
                }
                for place in &refused {
                    prop_assert!(matches!(room.turn(place, Waker::noop()), Turn::Refused(..)));
                }
            }
        }
    }

    #[test]
    fn an_empty_room_gives_its_memory_back() {
        let mut room = Room::new();
        let now = crate::clock::monotonic();
        let places: Vec<_> = (0..10_000).map(|_| room.enter(Modes::OPEN, now)).collect();
        for place in &places {
            room.leave(place);
        }
        assert_eq!((room.guests.capacity(), room.waiting()), (0, 0));
        let place = room.enter(Modes::OPEN, now);
        assert!(matches!(room.turn(&place, Waker::noop()), Turn::Waits));
    }
}
