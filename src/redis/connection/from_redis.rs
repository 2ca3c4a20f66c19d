//! What comes from Redis: each answer goes to the command that it answers.

use bytes::{Bytes, BytesMut};

use super::super::away;
use super::super::breaker::Trouble;
use super::super::frame::{Guest, Kind, Reply};
use super::super::line::{Asked, Due, Sent};
use super::super::plan::wants_an_error;
use super::super::session::{Change, Standing};
use super::{Connection, Link, Stage};
use crate::clock;

impl Connection {
    /// Looks at what Redis has sent.
    pub(super) fn hear(&mut self) {
        self.heard = clock::monotonic();
        while !self.arrived.is_empty() {
            match self.replies.read(&self.arrived) {
                Ok(Reply::More { done: 0 }) => return,
                Ok(Reply::More { done }) => {
                    let part = self.arrived.split_to(done);
                    match self.line.next_due() {
                        Due::Swallowed => {}
                        Due::Later => self.behind.extend_from_slice(&part),
                        Due::Next | Due::Nobody => {
                            self.outbox.unsplit(self.behind.split());
                            self.outbox.extend_from_slice(&part);
                        }
                    }
                    return;
                }
                Ok(Reply::Whole { length, kind }) => {
                    let bytes = self.arrived.split_to(length);
                    let bytes = if self.behind.is_empty() {
                        bytes.freeze()
                    } else {
                        self.behind.unsplit(bytes);
                        self.behind.split().freeze()
                    };
                    if kind == Kind::Push || self.stage == Stage::Listens {
                        self.outbox.extend_from_slice(&bytes);
                    } else if !self.answered(&bytes, kind) {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(
                        redis = self.gate.config.name,
                        "a connection is closed: {error}"
                    );
                    self.stage = Stage::Over;
                    return;
                }
            }
        }
        self.arrived = BytesMut::new();
    }

    /// An answer has come; whether there is still a connection.
    fn answered(&mut self, bytes: &Bytes, kind: Kind) -> bool {
        let is_told = kind == Kind::Error && !self.gate.only_observes();
        let trouble = if is_told { self.trouble(bytes) } else { None };
        let is_late = match self.line.next_due() {
            Due::Nobody => {
                self.hung_up(&String::from_utf8_lossy(
                    bytes.get(..bytes.len().min(80)).unwrap_or_default(),
                ));
                return false;
            }
            Due::Swallowed => {
                drop(self.line.answered(bytes.clone()));
                true
            }
            Due::Next | Due::Later => {
                let number = self.line.next_number();
                let said = trouble.and_then(|_| self.instead());
                let sent = self.line.answered(said.unwrap_or_else(|| bytes.clone()));
                if let (Kind::Error, Some(number), Some(sent)) = (kind, number, &sent) {
                    self.not_written(number, sent, bytes);
                }
                if let Some(change) = sent.as_ref().and_then(|sent| sent.change.clone())
                    && (kind != Kind::Error || change == Change::Ended)
                    && let Some(Sent { asked: Asked::Whole(words), .. }) = &sent
                {
                    self.changed(change, words);
                }
                sent.is_none_or(|sent| sent.is_late)
            }
        };
        // One that came after its time says nothing for Redis.
        if trouble.is_none() && !is_late {
            self.gate.well(self.now.epoch);
        }
        if bytes.starts_with(b"-NOAUTH") {
            self.requests.guest = Guest::Unknown;
        }
        self.line.say(&mut self.outbox);
        if let Some(trouble) = trouble {
            let word =
                String::from_utf8_lossy(bytes.get(..bytes.len().min(80)).unwrap_or_default())
                    .trim_end()
                    .to_owned();
            self.gate.trouble(self.now.epoch, trouble, &word);
            self.look();
            return matches!(self.link, Link::Open(..));
        }
        true
    }

    /// What an error says of Redis; one that somebody asked for says nothing.
    fn trouble(&mut self, error: &[u8]) -> Option<Trouble> {
        let trouble = Trouble::told_by(error)?;
        let is_for_nobody = matches!(self.line.next_due(), Due::Nobody | Due::Swallowed);
        let asked = self.line.oldest().filter(|_| !is_for_nobody);
        let is_wanted = asked.is_some_and(|(_, sent)| wants_an_error(sent));
        (!is_wanted).then_some(trouble)
    }

    fn changed(&mut self, change: Change, words: &Bytes) {
        match &change {
            Change::Quit => self.stage = Stage::Ends,
            Change::Remember(_) | Change::Hello { .. } => {
                self.requests.guest = Guest::Known;
                self.session.standing = Standing::Proven;
            }
            _ => {}
        }
        self.session.apply(change, words);
    }

    /// What is said of the oldest command instead of an answer, if something is.
    fn instead(&mut self) -> Option<Bytes> {
        let Connection { gate, session, line, .. } = self;
        let (_, sent) = line.oldest()?;
        away::instead(gate, session, sent)
    }
}
