//! The waiting room: who waits, in the order in which they came. Pure: no lock, no clock, no task. Leaving costs the same
//! wherever one stands, so nine of ten thousand may leave at once.

use std::sync::Arc;
use std::task::Waker;

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

    /// Takes the last place in line.
    pub(super) fn enter(&mut self, modes: Modes) -> Place {
        let guest = Guest { turn: Turn::Waits, waker: None, modes, before: self.last, after: NONE };
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
