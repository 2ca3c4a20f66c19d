//! What a connection does as Redis goes and comes back.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::asked::Sent;
use super::super::breaker::{Asks, Posture, Trouble};
use super::super::counters::Reason;
use super::super::frame::{GATHERED, Replies};
use super::super::gate::{Counted, Gate};
use super::super::line::{Due, Line, Slot};
use super::super::session::Transaction;
use super::super::table::Family;
use super::super::unanswered::{self, Unanswered};
use super::super::upstream::{Lost, Stream, abandon, restored};
use super::{BUDGETS, Connection, LAST_WORDS, Link, Opening, PATIENCE, Passing, Refusal, Stage};
use crate::config::Afterwards;

impl Connection {
    /// Acts on a change.
    pub(super) fn look(&mut self) {
        if self.posture.has_changed().unwrap_or_default() {
            self.moved();
        }
        if self.gate.only_observes() {
            return;
        }
        if self.leaving_by.is_some_and(|until| until <= self.moment || !self.is_asking()) {
            self.lose();
        }
        let is_left = self.now.away().is_some() && self.leaving_by.is_none();
        let is_dropped = is_left && self.gate.then() == Afterwards::Drop && !self.is_held();
        if is_dropped || self.gate.is_unfit() {
            self.stage = Stage::Over;
        }
    }

    /// Something else is asked of Redis.
    fn moved(&mut self) {
        let posture = current(&self.gate, &mut self.posture);
        let was = std::mem::replace(&mut self.now, posture);
        if self.gate.only_observes() {
            // It has no part in it.
            return;
        }
        match (was.away(), posture.away()) {
            // Redis is there: what it was asked is waited for.
            (None, Some(_)) if posture.order.is_some() && self.is_asking() => {
                self.asks = was.asks;
                let while_it_answers = self.gate.config.budget * BUDGETS;
                self.leaving_by = Some(self.moment + while_it_answers);
            }
            (None, Some(_)) => self.lose(),
            (Some(_), None) => self.come_back(),
            // Away and back again, unseen.
            (None, None) if was.epoch != posture.epoch => {
                self.lose();
                self.come_back();
            }
            _ => {}
        }
    }

    /// Whether Redis owes something still, or is being told something.
    fn is_asking(&self) -> bool {
        let is_amid = self.passing == Some(Passing::There) || self.session.is_queueing;
        self.stage == Stage::Asks
            && (self.line.owed() > 0 || !self.leaving.is_empty() || is_amid)
            && !matches!(self.link, Link::None)
    }

    /// Until when clients wait for Redis.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.now.held_until(self.gate.config.on_outage.hold)
    }

    /// Whether clients wait for Redis still.
    pub(super) fn is_held(&self) -> bool {
        self.held_until().is_some_and(|until| until > self.moment)
    }

    /// Whoever was asked has to be answered by us.
    pub(super) fn lose(&mut self) {
        let in_mid_answer =
            self.replies.is_in_mid_answer() && !matches!(self.line.next_due(), Due::Swallowed);
        self.take_back();
        self.forget_link();
        let is_let_go = self.gate.then() == Afterwards::Drop;
        // What was being said cannot be unsaid; who listens or watches must know that it missed something.
        if in_mid_answer
            || self.stage == Stage::Listens
            || self.session.is_watching
            || is_let_go && self.session.is_queueing
        {
            return self.hang_up();
        }
        if self.passing.is_some() {
            self.passing = Some(Passing::Nowhere);
        }
        self.session.lose();
        let Connection { gate, session, line, now, .. } = self;
        let (mut is_unknown, mut is_over, mut dropped) = (false, false, Vec::new());
        let turn = line.last_turn();
        line.lost(|number, mut sent| {
            let family = sent.family;
            // It would be asked of another database, or as somebody else.
            let is_of_before = turn.is_some_and(|turn| number < turn);
            // Behind a write that is dropped nothing is asked again: it is not kept yet.
            sent.past.is_again |= !dropped.is_empty() || is_of_before;
            match unanswered::unanswered(gate, session, sent, *now) {
                Unanswered::Slot(Slot::Waits { answer, .. }) if is_of_before => {
                    // Where nothing is to be said the connection ends.
                    is_over |= answer.is_empty() || is_let_go;
                    // What waits for something may have had it.
                    let (reason, said) = match family {
                        Some(Family::Blocking) => {
                            (Reason::Unknown, unanswered::unknown(session.version))
                        }
                        _ => (Reason::Waited, answer),
                    };
                    gate.counters.note(family, reason);
                    Slot::Ready(said)
                }
                Unanswered::Slot(slot) => {
                    is_unknown |= unanswered::is_unknown(&slot, session.version);
                    slot
                }
                Unanswered::Dropped { later, entries } => {
                    dropped.push(((number, family), later, entries));
                    Slot::Ready(Bytes::new())
                }
                Unanswered::Ends => {
                    is_over = true;
                    Slot::Ready(Bytes::new())
                }
            }
        });
        // Whoever works on a queue ends by an error, and comes again where its connection ends.
        if is_over || is_unknown && is_let_go {
            return self.hang_up();
        }
        let unknown = unanswered::unknown(self.session.version);
        for (place, later, entries) in dropped {
            self.keep(place, later, unknown.clone(), entries);
        }
    }

    /// There is none, and nothing on its way.
    fn forget_link(&mut self) {
        if let Link::Open(stream) = &self.link {
            let own = abandon(stream);
            if self.line.owed() > 0 || self.passing == Some(Passing::There) {
                self.gate.note_lost(own);
            }
        }
        self.link = Link::None;
        (self.linked, self.leaving_by) = (None, None);
        self.refusal = None;
        self.replies = Replies::default();
        self.arrived.clear();
        self.behind.clear();
        self.leaving.clear();
    }

    /// What has come is said, and nothing more.
    pub(super) fn hang_up(&mut self) {
        self.line = Line::default();
        self.keeping.clear();
        self.stage = Stage::Ends;
        self.ends = Some(self.moment + LAST_WORDS);
    }

    fn come_back(&mut self) {
        (self.leaving_by, self.waiting) = (None, None);
        if self.stage == Stage::ListensHere {
            self.stage = Stage::Over;
            return;
        }
        let leaving = &mut self.leaving;
        self.line.asked_again(self.moment, |bytes| leaving.extend_from_slice(bytes));
        if self.session.transaction.is_begun() {
            // Nothing of it was answered: Redis does it.
            leaving.extend_from_slice(b"*1\r\n$5\r\nMULTI\r\n");
            self.line.sent_unheard();
            self.line.say(&mut self.outbox);
            self.session.transaction = Transaction::There;
            self.session.is_queueing = true;
        }
        if !self.leaving.is_empty() {
            self.open();
        }
    }

    /// Redis is not there.
    pub(super) fn gone(&mut self, why: &str) {
        let (before, was_leaving) = (self.now.epoch, self.leaving_by.is_some());
        self.gate.trouble(before, Trouble::Gone, why);
        if self.gate.only_observes() {
            self.stage = Stage::Over;
            return;
        }
        // The breaker may have been told by somebody else meanwhile: then this is of before.
        self.look();
        if was_leaving && self.now.away().is_none() {
            // It was to be left alone, and is not any more: this connection is gone all the same.
            self.lose();
            return self.come_back();
        }
        let is_of_now = self.now.epoch == before || self.leaving_by.is_some();
        if is_of_now && (!matches!(self.link, Link::None) || self.line.owed() > 0) {
            self.lose();
        }
    }

    /// A connection that nobody waits on may end: Redis ends idle ones, and one is made anew when it is needed.
    pub(super) fn hung_up(&mut self, why: &str) {
        if let Some(Refusal { why, .. }) = self.refusal.take() {
            return self.gone(&why);
        }
        let is_idle = self.line.owed() == 0 && self.leaving.is_empty() && self.passing.is_none();
        if self.gate.only_observes() {
            // As without a guard.
            self.stage = Stage::Over;
        } else if self.stage == Stage::Ends {
            self.line.ends_here();
            self.lose();
        } else if is_idle {
            self.lose();
        } else {
            self.suspect(why);
        }
    }

    /// Looks whether Redis is there by another connection: it ends that of a client whose answers wait too long, that sent no commands,
    /// or that somebody has it end, and nobody else's.
    fn suspect(&mut self, why: &str) {
        let ping = Bytes::from_static(b"*1\r\n$4\r\nPING\r\n");
        let opening = self.way_there(vec![ping]);
        self.link = Link::Suspected { why: why.to_owned(), opening };
        self.seldom.look_again();
    }

    /// Redis is there, and ended this connection: what was asked on it is told like what was asked when Redis went, and whoever waits
    /// for what has not come asks again.
    fn was_ended(&mut self, why: &str) {
        let (moment, soon) = (self.moment, Duration::from_millis(100));
        let is_soon = |sent: &Sent| sent.past.is_again && moment.duration_since(sent.at) < soon;
        if self.line.oldest().is_some_and(|(_, sent)| is_soon(sent)) {
            // It does so whenever it is asked.
            return self.gone(why);
        }
        tracing::debug!(redis = self.gate.config.name, why, "redis ended a client's connection");
        self.lose();
        if self.now.away().is_none() {
            self.come_back();
        }
    }

    /// A connection on which this is asked first.
    fn way_there(&self, before: Vec<Bytes>) -> Opening {
        let place = self.gate.config.upstream.place.clone();
        let quickly = (self.gate.config.budget * BUDGETS).max(Duration::from_millis(100));
        let within = if self.gate.only_observes() { PATIENCE } else { quickly };
        Box::pin(restored(place, before, within, within.max(self.gate.patience())))
    }

    pub(super) fn open(&mut self) {
        if matches!(self.link, Link::None) {
            self.way = self.gate.way();
            self.linked = Some(Counted::one(&self.gate.links));
            self.link = Link::Opening(self.way_there(self.session.before()));
            self.seldom.look_again();
        }
    }

    /// What was never sent is as if it came now, a transaction too, where that is all that Redis was asked.
    fn take_back(&mut self) {
        let is_all = self.stage == Stage::Asks
            && self.passing.is_none()
            && !self.leaving.is_empty()
            && !self.session.transaction.is_any()
            // Of a client that waits no more is read than that, and so it is noticed when it leaves.
            && self.leaving.len() + self.inbox.len() < GATHERED
            && self.line.take_unsent(self.leaving.len());
        if is_all {
            self.leaving.extend_from_slice(&self.inbox);
            self.inbox = std::mem::take(&mut self.leaving);
            self.requests.look_again();
            (self.session.is_queueing, self.session.queue) = (false, None);
        } else if matches!(self.link, Link::Opening(_)) && self.may_ask_again() {
            self.line.mark_all_undone();
        }
    }

    /// There is a connection to Redis, or none can be had.
    pub(super) fn opened(&mut self, opened: Result<Stream, Lost>) {
        if let Link::Suspected { why, .. } = &mut self.link {
            let why = std::mem::take(why);
            return match opened {
                Err(Lost::Gone(_)) => self.gone(&why),
                Ok(_) | Err(Lost::Refused(_)) => self.was_ended(&why),
            };
        }
        match opened {
            Ok(stream) => {
                self.heard = self.moment;
                self.link = Link::Open(stream);
            }
            Err(Lost::Gone(why)) => self.gone(&why),
            Err(refused @ Lost::Refused(_)) => {
                tracing::warn!(redis = self.gate.config.name, "a client is let go: {refused}");
                self.stage = Stage::Over;
            }
        }
    }
}

/// What is asked of Redis now; everything, where it is only observed.
pub(super) fn current(gate: &Gate, posture: &mut watch::Receiver<Posture>) -> Posture {
    let now = *posture.borrow_and_update();
    let asks = if gate.only_observes() { Asks::All } else { now.asks };
    Posture { asks, ..now }
}
