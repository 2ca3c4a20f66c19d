//! The door with time in hand, one thread: what each move means for who is inside, who waits and who comes. What they
//! share is here, and each subject has a file.

mod drain;
mod gently;
mod hold;
mod model;
mod modes;
mod release;
mod reload;
mod stress;

use std::cell::Cell;
use std::pin::pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake};

use super::*;
use crate::gateway::Drain;
use crate::page::{Page, Told};
use crate::switch::OperationId;

thread_local! {
    static NOW: Cell<Instant> = Cell::new(clock::monotonic());
}

/// The clock of these tests; it stands until it is moved.
fn hand() -> Instant {
    NOW.get()
}

fn advance(by: Duration) {
    NOW.set(NOW.get() + by);
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn wall() -> Timestamp {
    "2026-11-23T22:00:00Z".parse().unwrap()
}

/// Rendered once: no test here reads them.
fn forms() -> Arc<Forms> {
    static FORMS: LazyLock<Arc<Forms>> = LazyLock::new(|| {
        let told = Told { host: None, posture: None, now: wall() };
        Arc::new(Page::default().render(&told))
    });
    Arc::clone(&FORMS)
}

/// One site's door with its usual lanes.
struct Site {
    door: Arc<Door>,
    forms: Arc<Forms>,
    changed: watch::Receiver<u64>,
    reads: Arc<Lane>,
    writes: Arc<Lane>,
    bypass: Arc<Lane>,
    webhooks: Arc<Lane>,
}

impl Site {
    fn new(hold: HoldConfig, drain: DrainConfig) -> Site {
        Site::with_clock(hold, drain, hand)
    }

    fn with_clock(hold: HoldConfig, drain: DrainConfig, clock: fn() -> Instant) -> Site {
        let (forms, (sender, changed)) = (forms(), watch::channel(0));
        let door = Door::with_clock(Arc::clone(&forms), hold, drain, sender, clock);
        let lane = |name, modes: &[Mode]| door.inside().lane(name, Modes::of(modes));
        let reads = lane("reads", &[Mode::ReadOnly]);
        let writes = lane("writes", &[]);
        let bypass = lane("bypass", &Mode::LADDER);
        let webhooks = lane("allow webhooks", &[Mode::Hold]);
        Site { door, forms, changed, reads, writes, bypass, webhooks }
    }

    fn open() -> Site {
        let site = Site::new(HoldConfig::default(), DrainConfig::default());
        site.set(Mode::Open, 0);
        site
    }

    /// A posture that is asked for now, by operation `number`.
    fn posture(mode: Mode, number: u32) -> Posture {
        let operation = Some(OperationId::at(wall(), number));
        Posture { mode, operation, since: wall(), until: None, patience: None, reopened: None }
    }

    fn set(&self, mode: Mode, number: u32) {
        self.door.set(Some(Site::posture(mode, number)), Arc::clone(&self.forms), wall());
    }

    fn come(&self, lane: &Lane) -> Verdict {
        Ticket::take(lane).look(&self.door)
    }

    fn pass(&self, lane: &Lane) -> Admitted {
        match self.come(lane) {
            Verdict::Pass(admitted) => admitted,
            other => panic!("{other:?}"),
        }
    }

    fn wait(&self, lane: &Lane) -> Waiting {
        match self.come(lane) {
            Verdict::Wait(waiting) => waiting,
            other => panic!("{other:?}"),
        }
    }

    fn refused(&self, lane: &Lane) -> Why {
        match self.come(lane) {
            Verdict::Refuse(refused) => refused.why,
            other => panic!("{other:?}"),
        }
    }

    fn report(&self) -> Report {
        self.door.report(wall())
    }

    fn drain(&self) -> Drain {
        self.report().drain
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn let_in(waiting: &mut Waiting) -> Option<Admitted> {
    match poll(waiting) {
        Poll::Ready(Ok(admitted)) => Some(admitted),
        Poll::Ready(Err(refused)) => panic!("{refused:?}"),
        Poll::Pending => None,
    }
}

fn turned_away(waiting: &mut Waiting) -> Why {
    match poll(waiting) {
        Poll::Ready(Err(refused)) => refused.why,
        other => panic!("{other:?}"),
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicU64);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rung(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    fn listen<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(self));
        pin!(future).poll(&mut Context::from_waker(&waker))
    }
}
