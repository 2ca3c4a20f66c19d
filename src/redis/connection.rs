//! One client's connection, and the one to Redis that belongs to it.
//!
//! While Redis is there, bytes are passed on as they come, and all that is known of them is where a command and its answer end. Each
//! answer goes to the command that it answers: one that came too late to be waited for is swallowed in its turn.

mod dropping;
mod from_client;
mod from_redis;
mod outage;
mod seldom;
mod time;
mod traffic;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::watch;
use tokio::time::Instant;

use self::dropping::Keeping;
use self::outage::current;
use self::seldom::Seldom;
use super::breaker::{Asks, Posture};
use super::counters::Tally;
use super::frame::{Replies, Requests};
use super::gate::{Counted, Gate};
use super::line::Line;
use super::refusals::Refusals;
use super::session::Session;
use super::table::Command;
use super::upstream::{Lost, Stream};
use crate::clock;
use crate::tasks::Tasks;

/// While so much waits for the other side, no more is read for it.
const AHEAD: usize = 1 << 20;
/// So many answers may be owed: a client that does not read them sends no more.
const OWED: usize = 100_000;
/// A guard that only observes gives up a connection as late as a client would.
const PATIENCE: Duration = Duration::from_secs(30);
/// So long a client whose connection ends may take to read what was said before.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// While Redis refuses, the rest of what it was asked is waited for at most so long, and no longer than a budget.
const REFUSES: Duration = Duration::from_secs(1);
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

    client: Stream,
    requests: Requests,
    /// The command that was taken in last.
    asked: Option<&'static Command>,
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
    /// By what it said that it is away; what it says behind that is read first.
    refusal: Option<Refusal>,

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
    /// Now, as far as this turn knows.
    moment: Instant,
    seldom: Seldom,
    /// What the client was told by Redis in this turn.
    passed: Tally,
    /// Whether something was written in this turn, and in how many of them.
    has_passed: bool,
    turns: u32,
    /// Counts the client.
    _here: Counted,
}

/// The connection to Redis.
enum Link {
    None,
    Opening(Opening),
    /// It ended this connection, which it may do with one and not with others: whether it is away is looked by another.
    Suspected {
        why: String,
        opening: Opening,
    },
    Open(Stream),
}

/// An error by which Redis says that it is away: `LOADING`, say.
struct Refusal {
    why: String,
    /// Whether what it refuses may be asked again, and not only be told.
    may_wait: bool,
    /// Until when it may answer the rest of what it was asked.
    until: Instant,
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

impl Connection {
    pub(super) fn new(gate: Arc<Gate>, client: Stream, tasks: &Tasks) -> Connection {
        let mut posture = gate.posture();
        let now = current(&gate, &mut posture);
        let seldom = Seldom::new(posture.clone(), tasks);
        let moment = clock::monotonic();
        let here = Counted::one(&gate.clients);
        Connection {
            gate,
            posture,
            now,
            session: Session::default(),
            line: Line::default(),
            client,
            requests: Requests::default(),
            asked: None,
            inbox: BytesMut::new(),
            outbox: BytesMut::new(),
            link: Link::None,
            way: 0,
            replies: Replies::default(),
            arrived: BytesMut::new(),
            behind: BytesMut::new(),
            leaving: BytesMut::new(),
            refusal: None,
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
            moment,
            seldom,
            passed: Tally::default(),
            has_passed: false,
            // Short connections are among those that are measured.
            turns: fastrand::u32(..),
            _here: here,
        }
    }
}
