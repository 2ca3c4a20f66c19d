//! One client's connection, and the one to Redis that belongs to it.
//!
//! While Redis is there, bytes are passed on as they come, and all that is known of them is where a command and its answer end. Each
//! answer goes to the command that it answers: one that came too late to be waited for is swallowed in its turn.

mod dropping;
mod from_client;
mod from_redis;
mod outage;
mod time;

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::sync::watch;
use tokio::time::Instant;

use self::dropping::{Keeping, kept};
use super::breaker::{Asks, Posture};
use super::frame::{GATHERED, Replies, Requests};
use super::gate::{Counted, Gate};
use super::keeper::Kept;
use super::line::Line;
use super::refusals::Refusals;
use super::session::Session;
use super::upstream::{Lost, Stream};
use crate::clock;
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
