//! What waited long enough, and what Redis takes too long for.

use tokio::time::Instant;

use super::super::asked::Fate;
use super::super::counters::Reason;
use super::super::unanswered;
use super::Connection;
use super::seldom::Happened;

impl Connection {
    /// Says what waited long enough and, where a time came, what Redis takes too long for.
    pub(super) fn time(&mut self, happened: Happened) {
        let Connection { gate, line, moment, .. } = self;
        if !line.waited(*moment, |sent| gate.counters.note(sent.family, Reason::Waited)) {
            self.line.say(&mut self.outbox);
            return self.hang_up();
        }
        if happened == Happened::Alarm {
            if !self.gate.only_observes() {
                self.late();
            }
            if self.has_to_give_back() {
                self.give_back();
            }
        }
    }

    /// When to look again.
    pub(super) fn wakes_at(&mut self) -> Option<Instant> {
        let waits = self.line.waits_until();
        let held = self.held_until().filter(|until| *until > self.moment);
        let late = self.is_late_at();
        let idles = self.has_to_give_back().then(|| self.moment + self.gate.patience());
        let refused = self.refusal.as_ref().filter(|_| self.may_hear()).map(|one| one.until);
        [waits, held, late, idles, refused, self.leaving_by, self.waiting, self.ends]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the time of the command is over that is answered next: each has its budget, from when Redis last answered.
    fn is_late_at(&mut self) -> Option<Instant> {
        if self.gate.only_observes() {
            return None;
        }
        let budget = self.gate.patience();
        let may_hear = self.may_hear();
        let asked = self.line.asked_at()?;
        // While the client does not read, nobody knows whether Redis has answered.
        let since = if may_hear { asked.max(self.heard) } else { self.moment };
        Some(since + budget)
    }

    /// What Redis takes too long for is answered without it.
    fn late(&mut self) {
        let epoch = self.now.epoch;
        let mut is_told = false;
        while self.is_late_at().is_some_and(|until| until <= self.moment) {
            // What was being said cannot be unsaid.
            let is_amid = self.replies.is_in_mid_answer();
            let Connection { gate, session, line, moment, .. } = self;
            let Some((number, sent)) = line.oldest() else { return };
            let instead = unanswered::instead(gate, session, sent).filter(|_| !is_amid);
            // What cannot be said without Redis is late again after another budget.
            (sent.at, sent.past.fate) = (*moment, Fate::Late);
            let family = sent.family;
            if !is_told {
                gate.late(epoch);
                is_told = true;
            }
            let Some(instead) = instead else { return };
            gate.counters.note(family, Reason::Late);
            self.line.said_without(number, instead);
            self.line.say(&mut self.outbox);
        }
    }
}
