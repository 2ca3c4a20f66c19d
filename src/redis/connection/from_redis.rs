//! What comes from Redis: each answer goes to the command that it answers.

use bytes::{Buf as _, Bytes, BytesMut};

use super::super::asked::{Asked, Fate, Sent};
use super::super::breaker::Trouble;
use super::super::counters::Reason;
use super::super::frame::{Guest, Kind, Reply};
use super::super::line::Due;
use super::super::plan::wants_an_error;
use super::super::session::{Change, Standing};
use super::super::unanswered;
use super::{Connection, Link, REFUSES, Refusal, Stage};

impl Connection {
    /// Looks at what Redis has sent: `fresh` comes behind what has arrived.
    pub(super) fn hear(&mut self, fresh: &[u8]) {
        self.heard = self.moment;
        if self.arrived.is_empty() {
            let done = self.tell(fresh);
            self.arrived.extend_from_slice(fresh.get(done..).unwrap_or_default());
        } else {
            let mut arrived = std::mem::take(&mut self.arrived);
            arrived.extend_from_slice(fresh);
            let done = self.tell(&arrived);
            arrived.advance(done);
            self.arrived = arrived;
        }
    }

    /// Tells the client what Redis has said; how much of it is done with.
    fn tell(&mut self, arrived: &[u8]) -> usize {
        // Answers whose turn it is are said in one piece: those from `since` on.
        let (mut since, mut at) = (0, 0);
        let between = |since: usize, at: usize| arrived.get(since..at).unwrap_or_default();
        while let Some(rest) = arrived.get(at..).filter(|rest| !rest.is_empty()) {
            let read = self.replies.read(rest);
            let is_of_its_own = self.behind.is_empty() && self.stage != Stage::Listens;
            if let Ok(Reply::Whole { length, kind: Kind::Value }) = read
                && is_of_its_own
                && let Some(family) = self.line.plain_answered()
            {
                at += length;
                self.passed.note(Some(family));
                self.gate.well(self.now.epoch);
                continue;
            }
            if let Ok(Reply::Whole { length, kind: Kind::Value }) = read
                && is_of_its_own
                && let Some(sent) = self.line.answered_in_turn()
            {
                at += length;
                self.passed.note(sent.family);
                self.in_time(&sent);
                if self.line.has_to_say() {
                    self.outbox.extend_from_slice(between(since, at));
                    since = at;
                    self.line.say(&mut self.outbox);
                }
                if sent.change.is_some() {
                    self.done(sent);
                }
                continue;
            }
            self.outbox.extend_from_slice(between(since, at));
            match read {
                Ok(Reply::More { done }) => {
                    self.goes_on(rest.get(..done).unwrap_or_default());
                    return at + done;
                }
                Ok(Reply::Whole { length, kind }) => {
                    at += length;
                    since = at;
                    if !self.whole(rest.get(..length).unwrap_or_default(), kind) {
                        // What comes behind it is nobody's.
                        return arrived.len();
                    }
                }
                Err(error) => {
                    let redis = &self.gate.config.name;
                    tracing::error!(redis, "a connection is closed: {error}");
                    self.stage = Stage::Over;
                    return arrived.len();
                }
            }
        }
        self.outbox.extend_from_slice(between(since, at));
        at
    }

    /// A part of a long answer has come.
    fn goes_on(&mut self, part: &[u8]) {
        if part.is_empty() {
            return;
        }
        match self.line.next_due() {
            Due::Swallowed => {}
            Due::Later => self.behind.extend_from_slice(part),
            Due::Next | Due::Nobody => {
                self.outbox.extend_from_slice(&self.behind);
                self.behind = BytesMut::new();
                self.outbox.extend_from_slice(part);
            }
        }
    }

    /// An answer has come, or its last part; whether there is still a connection.
    fn whole(&mut self, bytes: &[u8], kind: Kind) -> bool {
        if !self.behind.is_empty() {
            self.behind.extend_from_slice(bytes);
            let all = std::mem::take(&mut self.behind);
            return self.whole(&all, kind);
        }
        if kind == Kind::Push || self.stage == Stage::Listens {
            self.outbox.extend_from_slice(bytes);
            return true;
        }
        self.answered(&Bytes::copy_from_slice(bytes), kind)
    }

    /// The same of an error, or of what is not the next to be said.
    fn answered(&mut self, bytes: &Bytes, kind: Kind) -> bool {
        let is_told = kind == Kind::Error && !self.gate.only_observes();
        let trouble = if is_told { self.trouble(bytes) } else { None };
        if trouble == Some(Trouble::Gone) {
            if self.note_refusal(bytes) {
                return true;
            }
        } else if let Some(Refusal { why, .. }) = self.refusal.take() {
            // Redis did what comes now, behind what it did not do.
            self.gone(&why);
            return false;
        }
        if self.line.pop_end() {
            self.session.apply(Change::Ended, &Bytes::new());
        }
        match self.line.next_due() {
            Due::Nobody => {
                self.hung_up(&beginning(bytes));
                return false;
            }
            Due::Swallowed => drop(self.line.answered(bytes.clone())),
            Due::Next | Due::Later => {
                let number = self.line.next_number();
                let said = trouble.and_then(|_| self.instead());
                let reason = if said.is_some() { Reason::Miss } else { Reason::Passed };
                let sent = self.line.answered(said.unwrap_or_else(|| bytes.clone()));
                if let (Some(number), Some(sent)) = (number, sent) {
                    let is_error = kind == Kind::Error;
                    if !is_error || !self.not_written(number, &sent, bytes) {
                        self.gate.counters.note(sent.family, reason);
                    }
                    if trouble.is_none() {
                        self.in_time(&sent);
                    }
                    if !is_error || sent.change.as_deref() == Some(&Change::Ended) {
                        self.done(sent);
                    }
                }
            }
        }
        if bytes.starts_with(b"-NOAUTH") {
            self.requests.guest = Guest::Unknown;
        }
        self.line.say(&mut self.outbox);
        if let Some(trouble) = trouble.filter(|trouble| *trouble != Trouble::Gone) {
            self.gate.trouble(self.now.epoch, trouble, &beginning(bytes));
            self.look();
            return matches!(self.link, Link::Open(..));
        }
        true
    }

    /// Redis says that it is away; whether what it refuses by that is told later.
    fn note_refusal(&mut self, error: &[u8]) -> bool {
        let may_wait = match &self.refusal {
            Some(refusal) => refusal.may_wait,
            None => self.may_ask_again(),
        };
        let until = self.moment + self.gate.config.budget.min(REFUSES);
        self.refusal.get_or_insert_with(|| Refusal { why: beginning(error), may_wait, until });
        let may_wait = may_wait && Trouble::says_undone(error);
        let is_marked = may_wait && self.line.mark_undone();
        if may_wait && error.starts_with(b"-ERR max number of clients") {
            self.line.mark_all_undone();
        }
        is_marked
    }

    /// Whether all that Redis was asked can be asked again.
    pub(super) fn may_ask_again(&self) -> bool {
        !self.session.is_queueing
            && !self.session.transaction.is_any()
            && self.line.can_be_asked_again()
    }

    /// What an error says of Redis; one that somebody asked for says nothing.
    fn trouble(&mut self, error: &[u8]) -> Option<Trouble> {
        let trouble = Trouble::told_by(error)?;
        let is_for_nobody = matches!(self.line.next_due(), Due::Nobody | Due::Swallowed);
        let asked = self.line.oldest().filter(|_| !is_for_nobody);
        let is_wanted = asked.is_some_and(|(_, sent)| wants_an_error(sent));
        (!is_wanted).then_some(trouble)
    }

    /// An answer came; one that came after its time says nothing for Redis.
    fn in_time(&self, sent: &Sent) {
        if sent.past.fate != Fate::Late {
            self.gate.well(self.now.epoch);
        }
    }

    /// Redis did what it was asked.
    fn done(&mut self, sent: Sent) {
        let (Some(change), Asked::Whole(words)) = (sent.change, &sent.asked) else { return };
        match &*change {
            Change::Quit => self.stage = Stage::Ends,
            Change::Remember(_) | Change::Hello { .. } => {
                self.requests.guest = Guest::Known;
                self.session.standing = Standing::Proven;
            }
            _ => {}
        }
        self.session.apply(*change, words);
    }

    /// What is said of the oldest command instead of an answer, if something is.
    fn instead(&mut self) -> Option<Bytes> {
        let Connection { gate, session, line, .. } = self;
        let (_, sent) = line.oldest()?;
        unanswered::instead(gate, session, sent)
    }
}

/// So much of an error as fits into a line of the log.
fn beginning(bytes: &[u8]) -> String {
    let bytes = bytes.get(..bytes.len().min(80)).unwrap_or_default();
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}
