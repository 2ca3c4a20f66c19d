//! One client's connection, and the one to Redis that belongs to it.
//!
//! While Redis is there, bytes are passed on as they come, and all that is known of them is where a command and its answer end. Each
//! answer goes to the command that it answers: one that came too late to be waited for is swallowed in its turn.

mod dropping;

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::sync::watch;
use tokio::time::Instant;

use self::dropping::{Keeping, kept};
use super::away::{self, Outcome, Unanswered};
use super::breaker::{Asks, Posture, Trouble, Who};
use super::counters::Reason;
use super::frame::{GATHERED, Guest, Kind, Replies, Reply, Request, Requests};
use super::gate::{Counted, Gate};
use super::keeper::Kept;
use super::line::{Asked, DroppedWrite, Due, Line, Pace, Sent, Slot, Within};
use super::plan::{Plan, wants_an_error};
use super::refusals::Refusals;
use super::session::{Change, Session, Standing, Transaction};
use super::table;
use super::unwritable;
use super::upstream::{Lost, Stream, restored};
use crate::clock;
use crate::config::{Afterwards, RefuseAs};
use crate::tasks::Tasks;

/// So much is read at once.
const PIECE: usize = 16 << 10;
/// While so much waits for the other side, no more is read for it.
const AHEAD: usize = 1 << 20;
/// So many answers may be owed: a client that does not read them sends no more.
const OWED: usize = 100_000;
/// A guard that only observes gives up a connection as late as a client would.
const PATIENCE: Duration = Duration::from_secs(30);
/// So long a client whose connection ends may take to read what was said before.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A connection takes at most so many budgets.
const BUDGETS: u32 = 3;

type Opening = Pin<Box<dyn Future<Output = Result<Stream, Lost>> + Send>>;

/// One client.
pub(super) struct Connection {
    gate: Arc<Gate>,
    posture: watch::Receiver<Posture>,
    now: Posture,
    session: Session,
    line: Line,

    reads: ReadHalf<Stream>,
    writes: WriteHalf<Stream>,
    requests: Requests,
    inbox: BytesMut,
    outbox: BytesMut,

    link: Link,
    /// Which way it was made.
    way: u64,
    replies: Replies,
    arrived: BytesMut,
    /// What has come of a long answer before which something else is said, which is not known yet.
    behind: BytesMut,
    leaving: BytesMut,

    passing: Option<Passing>,
    /// What is being written to the journal, in order.
    keeping: VecDeque<Keeping>,
    stage: Stage,
    /// Until when what Redis was asked is waited for, before it is left alone as somebody ordered.
    leaving_by: Option<Instant>,
    /// What it is asked meanwhile: as before.
    asks: Asks,
    /// Counts the connection to Redis, while there is one.
    linked: Option<Counted>,
    /// Until when a client may read what was said before its connection ends.
    ends: Option<Instant>,
    /// When Redis last answered.
    heard: Instant,
    refusals: Refusals,
    /// Until when the next command waits, because of its keys.
    waiting: Option<Instant>,
    /// Counts the client.
    _here: Counted,
}

/// The connection to Redis.
enum Link {
    None,
    Opening(Opening),
    Open(ReadHalf<Stream>, WriteHalf<Stream>),
}

/// Where the rest of a long command goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passing {
    There,
    Nowhere,
}

/// What a connection is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A command has an answer.
    Asks,
    /// Answers come that nobody asked for: bytes pass both ways, and it ends with Redis.
    Listens,
    /// It listens to nobody, until Redis is back.
    ListensHere,
    /// What is to be said is said, and nothing more.
    Ends,
    Over,
}

/// What comes next.
enum Event {
    Client(io::Result<usize>),
    Told(io::Result<usize>),
    Opened(Result<Stream, Lost>),
    Redis(io::Result<usize>),
    Asked(io::Result<usize>),
    Kept(Kept),
    Moved,
    Woke,
    Stops,
}

impl Connection {
    pub(super) fn new(gate: Arc<Gate>, client: Stream) -> Connection {
        let mut posture = gate.posture();
        let now = *posture.borrow_and_update();
        let (reads, writes) = split(client);
        let moment = clock::monotonic();
        let here = Counted::one(&gate.clients);
        Connection {
            gate,
            posture,
            now,
            session: Session::default(),
            line: Line::default(),
            reads,
            writes,
            requests: Requests::default(),
            inbox: BytesMut::new(),
            outbox: BytesMut::new(),
            link: Link::None,
            way: 0,
            replies: Replies::default(),
            arrived: BytesMut::new(),
            behind: BytesMut::new(),
            leaving: BytesMut::new(),
            passing: None,
            keeping: VecDeque::new(),
            stage: Stage::Asks,
            leaving_by: None,
            asks: Asks::All,
            linked: None,
            ends: None,
            heard: moment,
            refusals: Refusals::since(moment),
            waiting: None,
            _here: here,
        }
    }

    /// Until the client leaves, or must. Dropping it ends both connections.
    pub(super) async fn run(mut self, tasks: &Tasks) {
        loop {
            self.look();
            // From before: whoever is let go in between is looked at again at once.
            let looked = clock::monotonic();
            self.take_in();
            let wake = self.wait(looked);
            self.line.say(&mut self.outbox);
            let has_ended =
                self.stage == Stage::Ends && self.line.is_empty() && self.outbox.is_empty();
            let is_late = self.ends.is_some_and(|ends| ends <= clock::monotonic());
            if self.stage == Stage::Over || has_ended || is_late {
                return;
            }
            match self.next(tasks, wake).await {
                Event::Client(Ok(0) | Err(_)) | Event::Told(Err(_)) | Event::Stops => return,
                Event::Client(Ok(_))
                | Event::Told(Ok(_))
                | Event::Asked(Ok(_))
                | Event::Moved
                | Event::Woke => {}
                Event::Kept(kept) => self.kept(kept),
                Event::Opened(Ok(stream)) => {
                    let (reads, writes) = split(stream);
                    self.heard = clock::monotonic();
                    self.link = Link::Open(reads, writes);
                }
                Event::Opened(Err(Lost::Gone(why))) => self.gone(&why),
                Event::Opened(Err(refused @ Lost::Refused(_))) => {
                    tracing::warn!(redis = self.gate.config.name, "a client is let go: {refused}");
                    return;
                }
                Event::Redis(Ok(0)) => self.hung_up("it hung up"),
                Event::Redis(Err(error)) | Event::Asked(Err(error)) => {
                    self.hung_up(&error.to_string());
                }
                Event::Redis(Ok(_)) => self.hear(),
            }
        }
    }

    async fn next(&mut self, tasks: &Tasks, wake: Option<Instant>) -> Event {
        let wants = self.wants_bytes();
        let has_room = self.keeping.is_empty() || self.behind.len() < AHEAD;
        let may_hear = self.outbox.len() < AHEAD && has_room;
        let Connection {
            reads,
            writes,
            inbox,
            outbox,
            link,
            arrived,
            leaving,
            posture,
            keeping,
            ..
        } = self;
        let (opening, redis_reads, redis_writes) = match link {
            Link::None => (None, None, None),
            Link::Opening(opening) => (Some(opening), None, None),
            Link::Open(reads, writes) => (None, Some(reads), Some(writes)),
        };
        let open = async {
            match opening {
                Some(opening) => opening.await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            read = read_some(redis_reads, arrived), if may_hear => Event::Redis(read),
            wrote = write_some(redis_writes, leaving) => Event::Asked(wrote),
            wrote = write_some(Some(writes), outbox) => Event::Told(wrote),
            read = read_some(Some(reads), inbox), if wants => Event::Client(read),
            opened = open => Event::Opened(opened),
            kept = kept(keeping) => Event::Kept(kept),
            Ok(()) = posture.changed() => Event::Moved,
            () = until(wake) => Event::Woke,
            () = tasks.stopping() => Event::Stops,
        }
    }

    /// Whether more of the client's bytes can be used; some are always read, so that one that leaves is noticed.
    fn wants_bytes(&self) -> bool {
        let room = if self.takes_in() { AHEAD } else { GATHERED };
        self.stage != Stage::Ends && self.inbox.len() < room && self.leaving.len() < AHEAD
    }

    // ## Redis is there, or away

    /// Acts on a change.
    fn look(&mut self) {
        let mut posture = *self.posture.borrow_and_update();
        if self.gate.only_observes() {
            // It has no part in it.
            posture.asks = Asks::All;
            self.now = posture;
            return;
        }
        let was = std::mem::replace(&mut self.now, posture);
        match (was.away(), posture.away()) {
            // Redis is there: what it was asked is waited for.
            (None, Some(_)) if posture.order.is_some() && self.is_asking() => {
                self.asks = was.asks;
                let while_it_answers = self.gate.config.budget * BUDGETS;
                self.leaving_by = Some(clock::monotonic() + while_it_answers);
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
        let now = clock::monotonic();
        if self.leaving_by.is_some_and(|until| until <= now || !self.is_asking()) {
            self.lose();
        }
        let is_dropped = self.gate.then() == Afterwards::Drop && !self.is_held(now);
        let is_left = posture.away().is_some() && self.leaving_by.is_none();
        if is_left && is_dropped || self.gate.is_unfit() {
            self.stage = Stage::Over;
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
    fn held_until(&self) -> Option<Instant> {
        self.now.held_until(self.gate.config.on_outage.hold)
    }

    /// Whether clients wait for Redis still.
    fn is_held(&self, now: Instant) -> bool {
        self.held_until().is_some_and(|until| until > now)
    }

    /// Whoever was asked has to be answered by us.
    fn lose(&mut self) {
        let in_mid_answer =
            self.replies.is_in_mid_answer() && !matches!(self.line.next_due(), Due::Swallowed);
        self.link = Link::None;
        (self.linked, self.leaving_by) = (None, None);
        self.replies = Replies::default();
        self.arrived.clear();
        self.behind.clear();
        self.leaving.clear();
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
        let (mut is_unknown, mut dropped) = (false, Vec::new());
        line.lost(|number, sent| match away::unanswered(gate, session, sent, *now) {
            Unanswered::Slot(slot) => {
                is_unknown |= away::is_unknown(&slot, session.version);
                slot
            }
            Unanswered::Dropped { later, entries } => {
                dropped.push((number, later, entries));
                Slot::Ready(Bytes::new())
            }
        });
        // Whoever works on a queue ends by an error, and comes again where its connection ends.
        if is_unknown && is_let_go {
            return self.hang_up();
        }
        let unknown = away::unknown(self.session.version);
        for (number, later, entries) in dropped {
            self.keep(number, later, unknown.clone(), entries);
        }
    }

    /// What has come is said, and nothing more.
    fn hang_up(&mut self) {
        self.line = Line::default();
        self.keeping.clear();
        self.stage = Stage::Ends;
        self.ends = Some(clock::monotonic() + LAST_WORDS);
    }

    fn come_back(&mut self) {
        (self.leaving_by, self.waiting) = (None, None);
        if self.stage == Stage::ListensHere {
            self.stage = Stage::Over;
            return;
        }
        let leaving = &mut self.leaving;
        self.line.asked_again(clock::monotonic(), |bytes| leaving.extend_from_slice(bytes));
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
    fn gone(&mut self, why: &str) {
        self.gate.trouble(self.now.epoch, Trouble::Gone, why);
        if self.gate.only_observes() {
            self.stage = Stage::Over;
            return;
        }
        // The breaker may have been told by somebody else meanwhile: then this is of before.
        self.look();
        if !matches!(self.link, Link::None) || self.line.owed() > 0 {
            self.lose();
        }
    }

    /// A connection that nobody waits on may end: Redis ends idle ones, and one is made anew when it is needed.
    fn hung_up(&mut self, why: &str) {
        let is_idle = self.line.owed() == 0 && self.leaving.is_empty() && self.passing.is_none();
        if self.gate.only_observes() {
            // As without a guard.
            self.stage = Stage::Over;
        } else if is_idle || self.stage == Stage::Ends {
            self.lose();
        } else {
            self.gone(why);
        }
    }

    fn open(&mut self) {
        if matches!(self.link, Link::None) {
            self.way = self.gate.way();
            let place = self.gate.config.upstream.place.clone();
            self.linked = Some(Counted::one(&self.gate.links));
            let quickly = (self.gate.config.budget * BUDGETS).max(Duration::from_millis(100));
            let within = if self.gate.only_observes() { PATIENCE } else { quickly };
            let (before, patience) = (self.session.before(), within.max(self.gate.patience()));
            self.link = Link::Opening(Box::pin(restored(place, before, within, patience)));
        }
    }

    // ## From the client

    /// Whether the next command may be looked at.
    fn takes_in(&self) -> bool {
        match self.stage {
            Stage::Ends | Stage::Over => false,
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
                    && !self.is_held(clock::monotonic())
                    && self.outbox.len() < AHEAD * 64
            }
            // Something waits, and is asked again before what comes after it.
            Stage::Asks | Stage::ListensHere => {
                !self.line.waits() && self.line.owed() < OWED && self.leaving.len() < AHEAD
            }
        }
    }

    /// Whether commands are answered here.
    fn is_ours(&self) -> bool {
        let is_left = self.now.away().is_some() && self.leaving_by.is_none();
        is_left || matches!(self.session.transaction, Transaction::Here { .. })
    }

    /// Looks at what the client has sent.
    fn take_in(&mut self) {
        self.waiting = self.waiting.filter(|until| *until > clock::monotonic());
        while !self.inbox.is_empty() && self.takes_in() {
            let is_ours = self.is_ours();
            match self.requests.read(&self.inbox) {
                Ok(Request::Nothing { length }) => self.inbox.advance(length),
                Ok(Request::More { done: 0 }) => return,
                Ok(Request::More { done }) => {
                    let part = self.inbox.split_to(done);
                    self.pass(&part);
                    if self.inbox.is_empty() || self.leaving.len() >= AHEAD {
                        return;
                    }
                }
                Ok(Request::Whole { length, arguments }) => {
                    let plan = Plan::of(&arguments);
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
                        self.waiting = held.filter(|until| *until > clock::monotonic());
                        if self.waiting.is_some() {
                            self.requests.look_again();
                            return;
                        }
                    }
                    let (gate, session) = (&self.gate, &self.session);
                    let asks = if self.leaving_by.is_some() { self.asks } else { self.now.asks };
                    let who = unwritable::whose(gate, asks, session, &arguments);
                    let long = if is_long { unwritable::long(gate, &arguments) } else { None };
                    let instead = (is_long && who == Who::Guard)
                        .then(|| unwritable::instead(gate, session.version, &arguments));
                    if is_ours {
                        self.answer_here(length);
                    } else if is_long {
                        self.forward(length, plan, long);
                        self.instead_of_last(instead);
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
                Err(error) => self.ends_with(error.answer().into()),
            }
        }
        if self.inbox.is_empty() {
            // A connection that idles holds no more than it needs.
            self.inbox = BytesMut::new();
        }
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
            let lost = b"-ROADWORKSDOWN redis was away while this command came\r\n";
            return self.line.push(Slot::Ready(Bytes::from_static(lost)));
        }
        if plan.is_refused {
            let no = b"-ERR this command cannot be passed on by a guard\r\n";
            return self.line.push(Slot::Ready(Bytes::from_static(no)));
        }
        self.gate.counters.note(plan.family, Reason::Passed);
        self.leaving.extend_from_slice(&bytes);
        self.open();
        if self.stage == Stage::Listens {
            return;
        }
        if plan.listens {
            self.stage = Stage::Listens;
            return;
        }
        self.session.is_queueing |= plan.change == Some(Change::Multi);
        let asked = if passing.is_some() { Asked::Long(long) } else { Asked::Whole(bytes) };
        let within = self.within(plan.change.as_ref(), &asked);
        let (at, Plan { change, pace, .. }) = (clock::monotonic(), plan);
        self.line.sent(Sent { asked, change, at, pace, within, is_late: false });
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
        let family = table::find(arguments.name()).map(|command| command.family);
        let whole = Some(&bytes).filter(|_| !was_long);
        let outcome = away::outcome(gate, self.now, session, &arguments, whole);
        gate.counters.note(family, outcome.reason(family));
        let now = clock::monotonic();
        match outcome {
            // Redis is there, and whoever waits is not asked again when it may be.
            Outcome::Refused(_) | Outcome::Waits { .. } if !is_away => {
                let answer = unwritable::not_clean(&arguments, session.version);
                self.refuse(answer, now);
            }
            Outcome::Said(answer) => self.line.push(Slot::Ready(answer)),
            Outcome::Refused(answer) => self.refuse(answer, now),
            Outcome::Waits { at_most, answer } => {
                let (asked, within, pace) = (Asked::Whole(bytes), Within::Alone, Pace::Unknown);
                let sent = Sent { asked, change: None, at: now, pace, within, is_late: false };
                let until = at_most.map(|time| now + time);
                self.line.push(Slot::Waits { until, answer, again: Some(sent) });
            }
            Outcome::Dropped { later, otherwise, entries } => {
                self.line.push(Slot::Ready(Bytes::new()));
                self.keep(self.line.last(), later, otherwise, entries);
            }
            Outcome::Ends(answer) => self.ends_with(answer),
            Outcome::Listens(answer) => {
                self.line.push(Slot::Ready(answer));
                self.stage = Stage::ListensHere;
            }
        }
    }

    /// Something was refused, and not by words.
    fn ends_where_nothing_is_said(&mut self) {
        if self.gate.config.refuse_as == RefuseAs::Close {
            self.stage = Stage::Ends;
        }
    }

    // ## From Redis

    /// Looks at what Redis has sent.
    fn hear(&mut self) {
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

    // ## Time

    /// Says what waited long enough, and what Redis takes too long for; when to look again.
    fn wait(&mut self, looked: Instant) -> Option<Instant> {
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

/// Reads some; for ever where there is nobody to read from. Cancel safe.
async fn read_some(from: Option<&mut ReadHalf<Stream>>, into: &mut BytesMut) -> io::Result<usize> {
    match from {
        Some(from) => {
            into.reserve(if into.is_empty() { 4 << 10 } else { PIECE });
            from.read_buf(into).await
        }
        None => pending().await,
    }
}

/// Writes some; for ever where there is nothing, or nobody to write to. Cancel safe.
async fn write_some(to: Option<&mut WriteHalf<Stream>>, from: &mut BytesMut) -> io::Result<usize> {
    match to {
        Some(to) if !from.is_empty() => match to.write_buf(from).await? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            wrote => Ok(wrote),
        },
        Some(_) | None => pending().await,
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => pending().await,
    }
}
