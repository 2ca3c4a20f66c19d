//! A connection that somebody watches: who hung up, who is late, who is slow. One look at all of them four times a
//! second instead of a timer for each.
//!
//! HTTP libraries do not notice a hang-up while bytes of the client are unread; the socket does.

mod guards;
mod socket;

use std::fmt;
use std::future::Future as _;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock;

pub use guards::{Busy, Offered, Wanted};
pub use socket::Socket;

/// How often all connections are looked at.
pub const LOOK: Duration = Duration::from_millis(250);
/// For so long anybody may be slower than the rate.
const GRACE: Duration = Duration::from_secs(10);
/// Whoever is to be parted with, and always has something that is being answered, is told after this all the same.
const PARTING: Duration = Duration::from_secs(1);
/// Nobody saves up more than this by having been fast.
const SAVED: Duration = Duration::from_secs(30);

/// What whoever drives a connection is told to do. A later one outranks an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Order {
    /// Finish what runs, take no more.
    Quit = 1,
    /// Nothing came for too long: close.
    Idle,
    /// The head did not come in time: 408, close.
    Late,
    /// The body comes, or the answer is taken, too slowly: close.
    Slow,
    /// The client hung up: drop everything.
    Gone,
}

impl Order {
    fn of(number: u8) -> Option<Order> {
        [Order::Quit, Order::Idle, Order::Late, Order::Slow, Order::Gone]
            .into_iter()
            .find(|order| *order as u8 == number)
    }
}

/// How long, and how slow, is too much.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a head, from its first byte.
    pub head: Duration,
    /// Between requests; and for a stream that is stuck, on a connection of frames: whoever pauses a download stops one, and
    /// the connection is that of others too.
    pub idle: Duration,
    /// Bytes a second, of a body that somebody waits for and of an answer that waits for the client.
    pub rate: u64,
}

/// Who watches the connections of one core.
#[derive(Debug, Default)]
pub struct Lookout {
    /// How many looks there were: the clock of all times here.
    looks: AtomicU32,
    wires: Mutex<Places>,
    open: AtomicUsize,
    /// Told of the first connection.
    came: Notify,
}

#[derive(Debug, Default)]
struct Places {
    wires: Vec<Option<Arc<Wire>>>,
    free: Vec<usize>,
}

/// A connection's socket and what is known of it.
pub struct Wire {
    tcp: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    lookout: Arc<Lookout>,
    told: Notify,
    order: AtomicU8,
    /// Requests that are being answered.
    busy: AtomicU32,
    /// Whether it is frames (HTTP/2), which come between requests too.
    frames: AtomicBool,
    /// Whether the last answer was given before all of its request was read.
    unread: AtomicBool,
    /// The look at which it was decided to part, plus one; 0 for not.
    parting: AtomicU32,
    /// The look at which the first byte after the last answer came, plus one; 0 for none.
    head_since: AtomicU32,
    /// The look at which it last became idle.
    idle_since: AtomicU32,
    /// Bodies that somebody waits for.
    wanted: AtomicU32,
    taken: AtomicU64,
    /// Whether the client does not take what we wrote.
    full: AtomicBool,
    /// Answers in frames whose next piece the client does not take.
    stuck: AtomicU32,
    given: AtomicU64,
    /// How long the client may still be slow.
    credit: Credit,
}

/// Milliseconds.
#[derive(Debug)]
struct Credit {
    reading: AtomicI64,
    writing: AtomicI64,
    stuck: AtomicI64,
}

impl Lookout {
    /// Comes back when it is time to look, with when that was: at `next`, or a [`LOOK`] after the first connection came where
    /// there was none. A core that has nothing to do sleeps. Cancel safe.
    pub async fn due(&self, mut next: Instant) -> Instant {
        while self.open.load(Relaxed) == 0 {
            self.came.notified().await;
            next = clock::monotonic() + LOOK;
        }
        tokio::time::sleep_until(next).await;
        next
    }

    /// Takes a connection in. It is watched until the returned [`Watched`] is dropped.
    pub fn watch(self: &Arc<Lookout>, tcp: TcpStream, peer: SocketAddr) -> io::Result<Watched> {
        let local = tcp.local_addr()?;
        if self.open.fetch_add(1, Relaxed) == 0 {
            self.came.notify_one();
        }
        let wire = Arc::new(Wire {
            tcp,
            peer,
            local,
            lookout: Arc::clone(self),
            told: Notify::new(),
            order: AtomicU8::new(0),
            busy: AtomicU32::new(0),
            frames: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            parting: AtomicU32::new(0),
            head_since: AtomicU32::new(0),
            idle_since: AtomicU32::new(self.looks.load(Relaxed)),
            wanted: AtomicU32::new(0),
            taken: AtomicU64::new(0),
            full: AtomicBool::new(false),
            stuck: AtomicU32::new(0),
            given: AtomicU64::new(0),
            credit: Credit {
                reading: AtomicI64::new(millis(GRACE)),
                writing: AtomicI64::new(millis(GRACE)),
                stuck: AtomicI64::new(i64::MAX),
            },
        });
        let place = self.places(|places| places.put(&wire));
        Ok(Watched { wire, place })
    }

    /// Sockets that are open, upgraded ones too.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Looks at all of them once. To be called each [`LOOK`].
    pub fn look(&self, patience: &Patience) {
        let now = self.looks.fetch_add(1, Relaxed).wrapping_add(1);
        self.places(|places| {
            for wire in places.wires.iter().flatten() {
                if let Some(order) = wire.due(now, patience) {
                    wire.tell(order);
                }
            }
        });
    }

    /// Tells all of them.
    pub fn tell_all(&self, order: Order) {
        self.places(|places| places.wires.iter().flatten().for_each(|wire| wire.tell(order)));
    }

    fn places<T>(&self, work: impl FnOnce(&mut Places) -> T) -> T {
        work(&mut self.wires.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Places {
    fn put(&mut self, wire: &Arc<Wire>) -> usize {
        let wire = Some(Arc::clone(wire));
        if let Some(place) = self.free.pop()
            && let Some(slot) = self.wires.get_mut(place)
        {
            *slot = wire;
            return place;
        }
        self.wires.push(wire);
        self.wires.len() - 1
    }

    fn take(&mut self, place: usize) {
        if let Some(slot) = self.wires.get_mut(place)
            && slot.take().is_some()
        {
            self.free.push(place);
        }
    }
}

/// A connection while it is watched.
#[derive(Debug)]
pub struct Watched {
    wire: Arc<Wire>,
    place: usize,
}

impl Watched {
    /// The connection.
    pub fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.wire.lookout.places(|places| places.take(self.place));
    }
}

impl Wire {
    /// Who is at the other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Which of our addresses they reached.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Tells whoever drives it.
    pub fn tell(&self, order: Order) {
        if self.order.fetch_max(order as u8, Relaxed) < order as u8 {
            self.told.notify_one();
        }
    }

    /// The next thing that it was told. Cancel safe.
    pub async fn told(&self) -> Order {
        loop {
            self.told.notified().await;
            if let Some(order) = Order::of(self.order.load(Relaxed)) {
                return order;
            }
        }
    }

    /// Whether requests are being answered.
    pub fn is_busy(&self) -> bool {
        self.busy.load(Relaxed) > 0
    }

    /// Whether it was told anything.
    pub fn is_told(&self) -> bool {
        self.order.load(Relaxed) > 0
    }

    /// From now on it is frames: bytes between requests begin no head.
    pub fn is_frames(&self) {
        self.frames.store(true, Relaxed);
    }

    /// What came until now was no head: a handshake.
    pub fn is_quiet(&self) {
        self.head_since.store(0, Relaxed);
        self.idle_since.store(self.lookout.looks.load(Relaxed), Relaxed);
    }

    /// Somebody answered without reading all that the client sends.
    pub fn leaves_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// Whether somebody did.
    pub fn left_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// After a whole [`LOOK`], from the next one on at which nothing is being answered, it takes no more requests. Not at once:
    /// there are libraries that drop an answer that they have read when they are told so in the same breath, and a busy machine
    /// reads late.
    pub fn parts_soon(&self) {
        if self.parting.load(Relaxed) == 0 {
            self.parting.store(self.lookout.looks.load(Relaxed).wrapping_add(1).max(1), Relaxed);
        }
    }

    /// Whether the client has closed its side. Bytes of it may still be unread.
    pub fn hung_up(&self) -> bool {
        let ready = pin!(self.tcp.ready(Interest::READABLE));
        match ready.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(ready)) => ready.is_read_closed(),
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        }
    }

    /// Writes a last word past whoever drives it, where nothing else is being written. What does not fit is lost.
    pub fn last_word(&self, words: &[u8]) {
        #[expect(clippy::let_underscore_must_use, reason = "a client that is late may be gone")]
        let _ = self.tcp.try_write(words);
    }

    /// Reads what is still coming and throws it away, so that our last answer is not lost to a reset. Ends when the
    /// client closes, or after `limit` bytes. Cancel safe.
    pub async fn linger(&self, limit: usize) {
        #[expect(clippy::let_underscore_must_use, reason = "closed already: nothing to linger for")]
        let _ = SockRef::from(&self.tcp).shutdown(Shutdown::Write);
        let (mut left, mut waste) = (limit, [0; 4096]);
        while left > 0 && self.tcp.readable().await.is_ok() {
            match self.tcp.try_read(&mut waste) {
                Ok(0) => return,
                Ok(read) => left = left.saturating_sub(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// What should be done about it at the look `now`.
    fn due(&self, now: u32, patience: &Patience) -> Option<Order> {
        let parts = || {
            let since_when = self.parting.load(Relaxed);
            let waited = since(now, since_when.wrapping_sub(1));
            let soon = (self.busy.load(Relaxed) == 0 && waited > LOOK) || waited > PARTING;
            (since_when > 0 && soon).then_some(Order::Quit)
        };
        self.broken(now, patience).or_else(parts)
    }

    /// Who is late, slow, or gone.
    fn broken(&self, now: u32, patience: &Patience) -> Option<Order> {
        let taken = self.taken.swap(0, Relaxed);
        let given = self.given.swap(0, Relaxed);
        let full = self.full.load(Relaxed);
        let slow = [
            (self.wanted.load(Relaxed) > 0, &self.credit.reading, taken, SAVED),
            (full, &self.credit.writing, given, SAVED),
            (self.stuck.load(Relaxed) > 0, &self.credit.stuck, given, patience.idle),
        ];
        if slow.iter().any(|(waits, credit, bytes, most)| {
            *waits && spend(credit, *bytes, patience.rate, *most)
        }) {
            return Some(Order::Slow);
        }
        if self.busy.load(Relaxed) > 0 {
            return self.hung_up().then_some(Order::Gone);
        }
        let head = self.head_since.load(Relaxed);
        if head > 0 && !self.frames.load(Relaxed) {
            return (since(now, head.wrapping_sub(1)) > patience.head).then_some(Order::Late);
        }
        let idle = !full && since(now, self.idle_since.load(Relaxed)) > patience.idle;
        idle.then_some(Order::Idle)
    }

    fn read_some(&self) {
        if self.busy.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.lookout.looks.load(Relaxed).wrapping_add(1).max(1), Relaxed);
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.lookout.open.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire({})", self.peer)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn since(now: u32, then: u32) -> Duration {
    LOOK * now.wrapping_sub(then)
}

/// Takes the time of one look from the credit and adds what `bytes` are worth, up to `most`; whether nothing is left.
fn spend(credit: &AtomicI64, bytes: u64, rate: u64, most: Duration) -> bool {
    if rate == 0 {
        return false;
    }
    let earned = i64::try_from(bytes.saturating_mul(1000) / rate).unwrap_or(i64::MAX);
    let left = credit.load(Relaxed).saturating_add(earned).min(millis(most)) - millis(LOOK);
    credit.store(left, Relaxed);
    left < 0
}
