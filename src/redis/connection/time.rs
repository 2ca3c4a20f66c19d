//! What waited long enough, and what Redis takes too long for.

use tokio::time::Instant;

use super::super::away;
use super::super::counters::Reason;
use super::super::line::Pace;
use super::Connection;
use crate::clock;

impl Connection {
    /// Says what waited long enough, and what Redis takes too long for; when to look again.
    pub(super) fn wait(&mut self, looked: Instant) -> Option<Instant> {
        let now = clock::monotonic();
        let waits = self.line.waited(now);
        let held = self.held_until().filter(|until| *until > looked);
        let late = self.late(now);
        [waits, held, late, self.leaving_by, self.waiting, self.ends].into_iter().flatten().min()
    }

    /// Each command in its turn has its budget, from when Redis last answered; when the next one's is over.
    fn late(&mut self, now: Instant) -> Option<Instant> {
        if self.gate.only_observes() {
            return None;
        }
        let (budget, heard, epoch) = (self.gate.patience(), self.heard, self.now.epoch);
        let mut is_told = false;
        while !self.replies.is_in_mid_answer() {
            let Connection { gate, session, line, .. } = self;
            let (number, sent) = line.oldest().filter(|(_, sent)| sent.pace == Pace::Quick)?;
            let until = sent.at.max(heard) + budget;
            if until > now {
                return Some(until);
            }
            let instead = away::instead(gate, session, sent);
            // What cannot be said without Redis is late again after another budget.
            (sent.at, sent.is_late) = (now, true);
            if !is_told {
                gate.late(epoch);
                is_told = true;
            }
            let Some(instead) = instead else { return Some(now + budget) };
            gate.counters.note(None, Reason::Late);
            self.line.said_without(number, instead);
            self.line.say(&mut self.outbox);
        }
        None
    }
}
