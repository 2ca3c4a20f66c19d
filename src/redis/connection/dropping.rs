//! What a connection does about what is dropped: while Redis is away, and while it is there and may not be read, or takes no writes.
//!
//! Nothing is said of it before it is kept, and what comes behind it is not looked at before.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::asked::{Asked, Pace, Sent, Within};
use super::super::away::{Later, Outcome};
use super::super::breaker::{Unwritable, Who};
use super::super::counters::Reason;
use super::super::journal::Entry;
use super::super::keeper::Kept;
use super::super::line::Slot;
use super::super::session::{Change, Queue, Took, aborted};
use super::super::table::Family;
use super::super::unanswered::unknown;
use super::super::unwritable;
use super::{Connection, Link};

const DISCARD: &[u8] = b"*1\r\n$7\r\nDISCARD\r\n";

/// What is being written to the journal, which place in the line waits for it, and what is said then.
pub(super) struct Keeping {
    number: u64,
    /// What it is counted as.
    family: Option<Family>,
    kept: oneshot::Receiver<Kept>,
    later: Later,
}

impl Connection {
    /// Whether a command is not yet looked at: what is owed is answered before the guard answers, and before another way is taken.
    pub(super) fn must_wait(&self, who: Who) -> bool {
        let is_of_before = !matches!(self.link, Link::None) && self.way != self.gate.way();
        is_of_before || (who == Who::Guard && !self.line.is_quiet())
    }

    /// Of what was sent last this is said, where something is.
    pub(super) fn instead_of_last(&mut self, family: Option<Family>, answer: Option<Bytes>) {
        if let Some(answer) = answer {
            self.gate.counters.note(family, Reason::Miss);
            self.line.said_without(self.line.last(), answer);
        }
    }

    /// Whether what is sent now is queued by Redis, or ends what was.
    pub(super) fn within(&mut self, change: Option<&Change>, asked: &Asked) -> Within {
        let queue = &mut self.session.queue;
        match change {
            Some(Change::Multi) if queue.is_none() => *queue = Some(Queue::default()),
            Some(Change::Ended) => {
                return queue.take().map_or(Within::Alone, |queue| Within::Ends(queue.whole()));
            }
            Some(Change::Reset) => *queue = None,
            _ => match (queue, asked) {
                (None, _) => {}
                (Some(queue), Asked::Whole(bytes)) => {
                    queue.push(Some(bytes).filter(|_| self.gate.keeper.is_some()));
                    return Within::Queued;
                }
                (Some(queue), Asked::Long(_)) => {
                    queue.push(None);
                    return Within::Queued;
                }
            },
        }
        Within::Alone
    }

    /// An error, the later the more there are.
    pub(super) fn refuse(&mut self, answer: Bytes, now: Instant) {
        let until = now + self.refusals.next(now);
        self.line.push(if until > now {
            Slot::Waits { until: Some(until), answer, again: None }
        } else {
            Slot::Ready(answer)
        });
    }

    /// What Redis has queued and may not do, since it would tell of what was dropped.
    pub(super) fn end_here(&mut self, queue: Queue) {
        let queue = queue.whole();
        let outcome =
            queue.and_then(|queue| unwritable::executed(&self.gate, &self.session, &queue));
        self.session.apply(Change::Ended, &Bytes::new());
        self.leaving.extend_from_slice(DISCARD);
        self.open();
        let family = Some(Family::Transaction);
        self.line.sent(Sent::plain(Asked::Long(None), family, self.moment, Pace::Unknown));
        let aborted: Bytes = aborted().encoded(self.session.version).into();
        let number = self.line.last();
        match outcome {
            Some(Outcome::Dropped { later, otherwise, entries }) => {
                self.keep((number, family), later, otherwise, entries);
            }
            outcome => {
                let reason = outcome.as_ref().map_or(Reason::Refused, |said| said.reason(family));
                self.gate.counters.note(family, reason);
                let said = match outcome {
                    Some(Outcome::Said(answer)) => answer,
                    _ => aborted,
                };
                self.line.said_without(number, said);
            }
        }
    }

    /// Has these kept, and says that then, or `otherwise`.
    pub(super) fn keep(
        &mut self,
        (number, family): (u64, Option<Family>),
        later: Later,
        otherwise: Bytes,
        entries: Vec<Entry>,
    ) {
        if let Some(kept) = self.gate.keeper.as_ref().and_then(|keeper| keeper.keep(entries)) {
            self.line.put(number, Slot::Waits { until: None, answer: otherwise, again: None });
            self.keeping.push_back(Keeping { number, family, kept, later });
            self.seldom.look_again();
        } else {
            self.gate.counters.note(family, Reason::Refused);
            self.line.put(number, Slot::Ready(otherwise));
            self.ends_where_nothing_is_said();
        }
    }

    /// Whether the first of what is dropped is written.
    pub(super) fn poll_kept(&mut self, context: &mut Context<'_>) -> Poll<Kept> {
        match self.keeping.front_mut() {
            // A thread that has ended has kept nothing.
            Some(Keeping { kept, .. }) => {
                Pin::new(kept).poll(context).map(|kept| kept.unwrap_or(Kept::Not))
            }
            None => Poll::Pending,
        }
    }

    /// Whether what was dropped will be removed is known.
    pub(super) fn kept(&mut self, kept: Kept) {
        let Some(Keeping { number, family, later, .. }) = self.keeping.pop_front() else { return };
        match kept {
            Kept::Safely => {
                self.gate.counters.note(family, Reason::Dropped);
                self.line.known(number, later.done(&self.gate));
            }
            Kept::Not => {
                self.gate.counters.note(family, Reason::Refused);
                self.line.refuse(number);
                self.ends_where_nothing_is_said();
            }
        }
    }

    /// Redis has said an error: where it takes no writes, and this was one to a cache, it is dropped. Whether something else is
    /// said than the error.
    pub(super) fn not_written(&mut self, number: u64, sent: &Sent, error: &Bytes) -> bool {
        let why = Unwritable::told_by(error);
        let Connection { gate, session, .. } = self;
        let outcome = match (&sent.within, why) {
            (Within::Ends(queue), why) if why.is_some() || session.took == Took::ButWrites => {
                queue.as_deref().and_then(|queue| unwritable::executed(gate, session, queue))
            }
            (Within::Ends(_), _) | (_, None) => None,
            (Within::Alone | Within::Queued, Some(_)) => unwritable::refused(gate, session, sent),
        };
        if matches!(sent.within, Within::Queued) {
            let is_hidden = outcome.is_some() && session.took != Took::Not;
            session.took = if is_hidden { Took::ButWrites } else { Took::Not };
        }
        if let Some(why) = why {
            gate.refused(why);
        }
        let family = sent.family;
        let reason = outcome.as_ref().map_or(Reason::Passed, |outcome| outcome.reason(family));
        match outcome {
            Some(Outcome::Said(answer)) => {
                gate.counters.note(family, reason);
                self.line.put(number, Slot::Ready(answer));
                true
            }
            Some(Outcome::Dropped { later, entries, .. }) => {
                let (gate, version) = (&self.gate, self.session.version);
                let sent = self.line.sent_after(number);
                let behind = sent.filter_map(|(number, sent)| {
                    let answer = unwritable::behind(gate, version, sent, &entries)?;
                    Some((number, sent.family, answer))
                });
                let behind: Vec<_> = behind.collect();
                for (number, family, answer) in behind {
                    let is_unknown = answer == unknown(version);
                    let reason = if is_unknown { Reason::Unknown } else { Reason::Miss };
                    gate.counters.note(family, reason);
                    self.line.said_without(number, answer);
                }
                self.keep((number, family), later, error.clone(), entries);
                true
            }
            _ => false,
        }
    }
}
