//! What comes from the client: asked of Redis, or answered here.

use bytes::{Buf as _, Bytes};

use super::super::asked::{Asked, DroppedWrite, Pace, Sent};
use super::super::away::{self, Outcome};
use super::super::breaker::{Asks, Who};
use super::super::counters::Reason;
use super::super::frame::{self, ProtocolError, Request};
use super::super::line::Slot;
use super::super::plan::{Plan, is_about_keys};
use super::super::session::{Change, Transaction};
use super::super::{table, unwritable};
use super::{AHEAD, Connection, Link, OWED, Passing, Stage};
use crate::config::RefuseAs;

impl Connection {
    /// Whether the next command may be looked at.
    pub(super) fn takes_in(&self) -> bool {
        match self.stage {
            Stage::Ends | Stage::Over => false,
            // Redis is away, and is not asked more.
            _ if self.refusal.is_some() || self.is_suspected() => false,
            // What comes next may be about what is dropped.
            Stage::Asks | Stage::ListensHere if !self.keeping.is_empty() => false,
            Stage::Listens => self.leaving.len() < AHEAD,
            // What was begun is ended: a transaction, or a command in parts.
            Stage::Asks if self.leaving_by.is_some() => {
                let is_amid = self.session.is_queueing || self.passing.is_some();
                is_amid && self.line.owed() < OWED && self.leaving.len() < AHEAD
            }
            Stage::Asks | Stage::ListensHere if self.is_ours() => {
                self.line.is_empty()
                    && self.waiting.is_none()
                    && !self.is_held()
                    && self.outbox.len() < AHEAD * 64
            }
            // Something waits, and is asked again before what comes after it.
            Stage::Asks | Stage::ListensHere => {
                !self.line.ends_waiting() && self.line.owed() < OWED && self.leaving.len() < AHEAD
            }
        }
    }

    /// Whether it is looked if Redis is there.
    fn is_suspected(&self) -> bool {
        matches!(self.link, Link::Suspected { .. })
    }

    /// Whether commands are answered here.
    pub(super) fn is_ours(&self) -> bool {
        let is_left = self.now.away().is_some() && self.leaving_by.is_none();
        is_left || matches!(self.session.transaction, Transaction::Here { .. })
    }

    /// Looks at what the client has sent.
    pub(super) fn take_in(&mut self) {
        self.pass_on();
        self.waiting = self.waiting.filter(|until| *until > self.moment);
        while !self.inbox.is_empty() && self.takes_in() {
            let is_ours = self.is_ours();
            match self.requests.read(&self.inbox) {
                Ok(Request::Nothing { length }) => self.pass_nothing(length),
                Ok(Request::More { done: 0 }) => return,
                Ok(Request::More { done }) => {
                    let part = self.inbox.split_to(done);
                    self.pass(&part);
                    if self.inbox.is_empty() || self.leaving.len() >= AHEAD {
                        return;
                    }
                }
                Ok(Request::Whole { length, arguments }) => {
                    let command = table::find_after(self.asked, arguments.name());
                    self.asked = command;
                    let plan = Plan::of(command, &arguments);
                    if plan.listens && !self.line.is_quiet() {
                        // What is owed is answered first; the framer begins anew with the same command.
                        self.requests.look_again();
                        return;
                    }
                    self.gate.asked(&arguments);
                    let is_long = self.passing.is_some();
                    if is_ours && !is_long {
                        // The same: it is asked of Redis, or answered, when its time has come.
                        let held = away::held(&self.gate, &self.session, &arguments, self.now);
                        self.waiting = held.filter(|until| *until > self.moment);
                        if self.waiting.is_some() {
                            self.requests.look_again();
                            return;
                        }
                    }
                    let (gate, session, family) = (&self.gate, &self.session, plan.family);
                    let asks = if self.leaving_by.is_some() { self.asks } else { self.now.asks };
                    let who = unwritable::whose(gate, asks, session, &arguments);
                    let long = if is_long { unwritable::long(gate, &arguments) } else { None };
                    let is_sent = self.passing == Some(Passing::There);
                    let instead = (is_sent && who == Who::Guard)
                        .then(|| unwritable::instead(gate, session.version, &arguments));
                    if is_ours {
                        self.answer_here(length);
                    } else if is_long {
                        self.forward(length, plan, long);
                        self.instead_of_last(family, instead);
                    } else if self.must_wait(who) {
                        self.requests.look_again();
                        if !self.line.is_quiet() {
                            return;
                        }
                        // The connection leads to where Redis was.
                        self.lose();
                    } else if who == Who::Guard {
                        self.answer_here(length);
                    } else {
                        self.forward(length, plan, None);
                    }
                    self.line.say(&mut self.outbox);
                }
                Err(error) => self.no_command(error),
            }
        }
    }

    /// Nobody answers it, and `CLIENT REPLY SKIP` skips it all the same: whoever says what is answered has it.
    fn pass_nothing(&mut self, length: usize) {
        let nothing = self.inbox.split_to(length);
        if self.stage == Stage::Listens {
            self.leaving.extend_from_slice(&nothing);
        }
    }

    /// Passes on at once what is plain and about keys, as far as nothing stands in its way. [`Connection::take_in`] would do the same
    /// with each, and does so with whatever is left.
    fn pass_on(&mut self) {
        if !self.is_plain() {
            return;
        }
        let mut length = 0;
        while self.line.owed() < OWED && self.leaving.len() + length < AHEAD {
            let rest = self.inbox.get(length..).unwrap_or_default();
            let Some((name, own)) = frame::plain(rest) else { break };
            let found = table::find_after(self.asked, name);
            let Some(command) = found.filter(|command| is_about_keys(command.family)) else {
                break;
            };
            self.asked = found;
            let bytes = rest.get(..own).unwrap_or_default();
            self.line.sent_plain(bytes, command.family, self.moment);
            length += own;
        }
        if length == 0 {
            return;
        }
        self.leaving.extend_from_slice(self.inbox.get(..length).unwrap_or_default());
        self.inbox.advance(length);
        self.open();
    }

    /// Whether Redis is asked whatever comes, and nothing else is done about it.
    fn is_plain(&self) -> bool {
        self.stage == Stage::Asks
            && self.now.asks == Asks::All
            && self.leaving_by.is_none()
            && self.passing.is_none()
            && self.refusal.is_none()
            && !self.is_suspected()
            && self.keeping.is_empty()
            && self.session.queue.is_none()
            && !self.is_ours()
            && !self.must_wait(Who::Redis)
            && !self.line.ends_waiting()
            && !self.gate.only_observes()
            && self.requests.is_between()
    }

    /// What came is none.
    fn no_command(&mut self, error: ProtocolError) {
        let redis = &self.gate.config.name;
        tracing::warn!(redis, "a client's connection is closed: {error}");
        self.ends_with(error.answer().into());
    }

    /// The last that is said.
    fn ends_with(&mut self, answer: Bytes) {
        self.line.push(Slot::Ready(answer));
        self.stage = Stage::Ends;
    }

    /// A part of a long command.
    fn pass(&mut self, part: &[u8]) {
        let is_ours = self.is_ours();
        let passing =
            *self.passing.get_or_insert(if is_ours { Passing::Nowhere } else { Passing::There });
        if passing == Passing::There {
            self.leaving.extend_from_slice(part);
            self.open();
        }
    }

    /// Redis is asked.
    fn forward(&mut self, length: usize, plan: Plan, long: Option<Box<DroppedWrite>>) {
        let bytes = self.inbox.split_to(length).freeze();
        let passing = self.passing.take();
        if passing == Some(Passing::Nowhere) {
            // Its beginning is gone.
            self.gate.counters.note(plan.family, Reason::Refused);
            let lost = b"-ROADWORKSDOWN redis was away while this command came\r\n";
            return self.line.push(Slot::Ready(Bytes::from_static(lost)));
        }
        if plan.is_refused {
            self.gate.counters.note(plan.family, Reason::Refused);
            let no = b"-ERR this command cannot be passed on by a guard\r\n";
            return self.line.push(Slot::Ready(Bytes::from_static(no)));
        }
        self.leaving.extend_from_slice(&bytes);
        self.open();
        if plan.listens {
            self.stage = Stage::Listens;
        }
        if self.stage == Stage::Listens {
            return self.passed.note(plan.family);
        }
        self.session.is_queueing |= matches!(plan.change, Some(Change::Multi));
        let asked = if passing.is_some() { Asked::Long(long) } else { Asked::Whole(bytes) };
        let within = self.within(plan.change.as_ref(), &asked);
        let change = plan.change.map(Box::new);
        let sent = Sent::plain(asked, plan.family, self.moment, plan.pace);
        self.line.sent(Sent { change, within, ..sent });
    }

    /// It is answered without Redis.
    fn answer_here(&mut self, length: usize) {
        let bytes = self.inbox.split_to(length).freeze();
        let was_long = self.passing.take().is_some();
        if let Some(queue) = self.session.queue.take() {
            return self.end_here(queue);
        }
        let is_away = self.is_ours();
        let Connection { gate, session, requests, .. } = self;
        let Some(arguments) = requests.last(&bytes) else { return };
        let family = self.asked.map(|command| command.family);
        let whole = Some(&bytes).filter(|_| !was_long);
        let outcome = away::outcome(gate, self.now, session, &arguments, whole);
        match &outcome {
            // Counted once it is asked of Redis, its time is over, or it is kept.
            Outcome::Waits { .. } if is_away => {}
            Outcome::Dropped { .. } => {}
            Outcome::Waits { .. } => gate.counters.note(family, Reason::Refused),
            known => gate.counters.note(family, known.reason(family)),
        }
        let now = self.moment;
        match outcome {
            // Redis is there, and whoever waits is not asked again when it may be.
            Outcome::Refused(_) | Outcome::Waits { .. } if !is_away => {
                let answer = unwritable::not_clean(&arguments, session.version);
                self.refuse(answer, now);
            }
            Outcome::Said(answer) => self.line.push(Slot::Ready(answer)),
            Outcome::Refused(answer) => self.refuse(answer, now),
            Outcome::Waits { at_most, answer } => {
                let sent = Sent::plain(Asked::Whole(bytes), family, now, Pace::Unknown);
                let until = at_most.map(|time| now + time);
                self.line.push(Slot::of_waiting(sent, until, answer));
            }
            Outcome::Dropped { later, otherwise, entries } => {
                self.line.push(Slot::Ready(Bytes::new()));
                self.keep((self.line.last(), family), later, otherwise, entries);
            }
            Outcome::Ends(answer) => self.ends_with(answer),
            Outcome::Listens(answer) => {
                self.line.push(Slot::Ready(answer));
                self.stage = Stage::ListensHere;
            }
        }
    }

    /// Something was refused, and not by words.
    pub(super) fn ends_where_nothing_is_said(&mut self) {
        if self.gate.config.refuse_as == RefuseAs::Close {
            self.stage = Stage::Ends;
        }
    }
}
