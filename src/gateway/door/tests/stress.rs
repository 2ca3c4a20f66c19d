//! Many quick holds while visitors come on several threads: after "drained" nobody of before runs, and nobody slips.
//! By day a few thousand; `ROADWORKS_HOLDS=100000` by night (script/nightly).

use std::pin::Pin;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::config::Share;
use crate::tasks::Tasks;

/// Wakes the thread that waits.
struct Parked(thread::Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    loop {
        match Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

/// What the threads share.
struct Works {
    site: Site,
    /// Nobody may be inside while this is so.
    quiet: AtomicBool,
    over: AtomicBool,
    passed: AtomicU64,
    /// Or were refused.
    waited: AtomicU64,
}

impl Works {
    fn visit(&self) {
        match Ticket::take(&self.site.writes).look(&self.site.door) {
            Verdict::Pass(admitted) => self.inside(&admitted),
            Verdict::Wait(waiting) => {
                self.waited.fetch_add(1, Ordering::Relaxed);
                // Some leave at once, some wait.
                if fastrand::u8(..) < 64 {
                    return;
                }
                let admitted = block_on(waiting).expect("no patience ends here");
                self.inside(&admitted);
            }
            Verdict::Refuse(refused) => panic!("{refused:?}"),
        }
    }

    fn inside(&self, admitted: &Admitted) {
        self.passed.fetch_add(1, Ordering::Relaxed);
        for _ in 0..fastrand::u32(1..40) {
            assert!(!self.quiet.load(Ordering::SeqCst), "a request runs though all were gone");
            std::hint::spin_loop();
        }
        admitted.answered(Outcome::Answered);
    }

    fn drained(&self) {
        let begun = clock::monotonic();
        while self.site.drain() != Drain::Drained {
            let spent = clock::monotonic() - begun;
            assert!(spent < Duration::from_mins(1), "it never drains: {:?}", self.site.report());
            thread::yield_now();
        }
    }

    /// Quick holds, some of them with a resume and a pause at once.
    fn dig(&self, holds: u32) {
        let mut number = 0;
        let mut set = |mode| {
            number += 1;
            self.site.set(mode, number);
        };
        for hold in 0..holds {
            set(Mode::Hold);
            self.drained();
            self.quiet.store(true, Ordering::SeqCst);
            for _ in 0..fastrand::u32(0..200) {
                std::hint::spin_loop();
            }
            self.quiet.store(false, Ordering::SeqCst);
            if hold % 3 == 0 {
                set(Mode::Open);
                set(Mode::Hold);
                self.drained();
                self.quiet.store(true, Ordering::SeqCst);
                thread::yield_now();
                self.quiet.store(false, Ordering::SeqCst);
            }
            set(Mode::Open);
        }
    }

    /// One of many, who may be let in or not.
    fn visit_gently(&self) {
        let client = Some(gently::client(fastrand::u32(..)));
        match Ticket::take(&self.site.writes).look_as(&self.site.door, client, |_| None) {
            Verdict::Pass(admitted) => self.inside(&admitted),
            Verdict::Refuse(_) => {
                self.waited.fetch_add(1, Ordering::Relaxed);
            }
            waits @ Verdict::Wait(_) => panic!("{waits:?}"),
        }
    }

    /// Quick closings, each of a gentle opening.
    fn close_and_open(&self, times: u32) {
        let half = gently::config(Share::percent(50));
        for number in 0..times {
            self.site.set(Mode::Closed, number * 2);
            self.drained();
            self.quiet.store(true, Ordering::SeqCst);
            for _ in 0..fastrand::u32(0..200) {
                std::hint::spin_loop();
            }
            self.quiet.store(false, Ordering::SeqCst);
            let opening = gently::reopening(Mode::Closed, number * 2 + 1, Duration::ZERO);
            self.site.gives(&opening, Some(&half));
            for _ in 0..fastrand::u32(0..400) {
                std::hint::spin_loop();
            }
        }
    }
}

fn works() -> Arc<Works> {
    let hold = HoldConfig { patience: Duration::from_mins(5), ..HoldConfig::default() };
    let drain = DrainConfig { deadline: Duration::from_mins(5), ..DrainConfig::default() };
    let site = Site::with_clock(hold, drain, clock::monotonic);
    site.set(Mode::Open, 0);
    Arc::new(Works {
        site,
        quiet: AtomicBool::new(false),
        over: AtomicBool::new(false),
        passed: AtomicU64::new(0),
        waited: AtomicU64::new(0),
    })
}

fn visitors(works: &Arc<Works>, visit: fn(&Works)) -> Vec<thread::JoinHandle<()>> {
    let tasks = Tasks::new();
    let visitor = |_| {
        let works = Arc::clone(works);
        let visits = move || {
            while !works.over.load(Ordering::SeqCst) {
                visit(&works);
            }
        };
        tasks.start_thread("visitor", visits).unwrap()
    };
    (0..2).map(visitor).collect()
}

#[test]
fn after_drained_nobody_runs_who_was_let_in_by_a_gentle_opening_of_before() {
    let works = works();
    let visitors = visitors(&works, Works::visit_gently);
    works.close_and_open(2_000);
    works.over.store(true, Ordering::SeqCst);
    for visitor in visitors {
        visitor.join().unwrap();
    }
    let (passed, refused) =
        (works.passed.load(Ordering::Relaxed), works.waited.load(Ordering::Relaxed));
    assert!(passed > 1_000 && refused > 1_000, "{passed} {refused}");
}

#[test]
fn after_drained_nobody_of_before_runs_in_thousands_of_quick_holds() {
    let holds = std::env::var("ROADWORKS_HOLDS").map_or(2_000, |holds| holds.parse().unwrap());
    let works = works();
    let visitors = visitors(&works, Works::visit);
    works.dig(holds);
    works.over.store(true, Ordering::SeqCst);
    // The last ones are let in, or this never ends.
    for visitor in visitors {
        visitor.join().unwrap();
    }
    let report = works.site.report();
    assert_eq!((report.waiting, report.exempt.len(), report.drain), (0, 0, Drain::Drained));
    let (passed, waited) =
        (works.passed.load(Ordering::Relaxed), works.waited.load(Ordering::Relaxed));
    assert!(passed > u64::from(holds) && waited > u64::from(holds) / 10, "{passed} {waited}");
}
