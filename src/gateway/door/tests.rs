//! The door with time in hand, one thread: what each move means for who is inside, who waits and who comes.

mod model;
mod stress;

use std::cell::Cell;
use std::pin::pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake};

use super::*;
use crate::config::{DrainThen, Upgrades};
use crate::gateway::room::Room;
use crate::gateway::{Drain, Farewell};
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
        Posture { mode, operation, since: wall(), until: None, patience: None }
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

#[test]
fn a_door_that_was_told_nothing_refuses_everything_and_a_bypass_too() {
    let site = Site::new(HoldConfig::default(), DrainConfig::default());
    for lane in [&site.reads, &site.writes, &site.bypass, &site.webhooks] {
        assert_eq!(site.refused(lane), Why::Unknown);
    }
    site.set(Mode::Open, 0);
    let inside = site.pass(&site.writes);
    site.door.set(None, Arc::clone(&site.forms), wall());
    assert_eq!(site.refused(&site.bypass), Why::Unknown);
    assert_eq!((site.report().mode, site.report().in_flight), (None, 1));
    drop(inside);
}

#[test]
fn k1_an_open_door_lets_everything_in_and_nobody_waits() {
    let site = Site::open();
    let inside = [&site.reads, &site.writes, &site.bypass].map(|lane| site.pass(lane));
    let report = site.report();
    assert_eq!((report.drain, report.waiting, report.in_flight), (Drain::Drained, 0, 0));
    assert_eq!(report.exempt.iter().map(|(_, running)| running).sum::<u64>(), 3);
    drop(inside);
    assert!(site.report().exempt.is_empty());
}

#[test]
fn each_mode_lets_in_its_own() {
    let site = Site::open();
    site.set(Mode::ReadOnly, 1);
    drop((site.pass(&site.reads), site.pass(&site.bypass)));
    assert_eq!(site.refused(&site.writes), Why::Mode);
    site.set(Mode::Closed, 2);
    assert_eq!((site.refused(&site.reads), site.refused(&site.writes)), (Why::Mode, Why::Mode));
    drop(site.pass(&site.bypass));
    assert_eq!(site.refused(&site.webhooks), Why::Mode);
    site.set(Mode::Hold, 3);
    drop((site.pass(&site.bypass), site.pass(&site.webhooks)));
    drop((site.wait(&site.reads), site.wait(&site.writes)));
    assert_eq!(site.report().waiting, 0);
}

#[test]
fn k2_who_waits_is_let_in_when_the_door_opens_and_was_not_counted_before() {
    let site = Site::open();
    site.set(Mode::Hold, 1);
    assert_eq!(site.drain(), Drain::Drained);
    let mut waiting = site.wait(&site.writes);
    let bell = Arc::new(Bell::default());
    assert!(bell.listen(&mut waiting).is_pending());
    let report = site.report();
    assert_eq!((report.waiting, report.in_flight, report.drain), (1, 0, Drain::Drained));
    site.set(Mode::Open, 2);
    assert!(bell.rung());
    let admitted = let_in(&mut waiting).unwrap();
    assert_eq!(site.report().exempt, [("writes".to_owned(), 1)]);
    drop(admitted);
    assert!(site.report().exempt.is_empty());
}

#[test]
fn k3_i1_patience_counts_from_the_operations_start_and_who_timed_out_never_passes() {
    let site = Site::open();
    let asked =
        Posture { since: wall() - SignedDuration::from_secs(5), ..Site::posture(Mode::Hold, 1) };
    site.door.set(Some(asked), Arc::clone(&site.forms), wall());
    let bell = Arc::new(Bell::default());
    let (mut early, mut late) = (site.wait(&site.reads), site.wait(&site.writes));
    assert!(bell.listen(&mut early).is_pending());
    advance(ms(14_999));
    assert!(!site.report().hold_spent && poll(&mut late).is_pending());
    advance(ms(1));
    assert!(site.report().hold_spent && bell.rung());
    assert_eq!(site.refused(&site.writes), Why::Spent);
    // The door opens before it is asked again: it stays refused.
    site.set(Mode::Open, 2);
    assert_eq!((turned_away(&mut early), turned_away(&mut late)), (Why::TimedOut, Why::TimedOut));
    assert!(!site.report().hold_spent);
    drop(site.pass(&site.writes));
}

#[test]
fn who_waits_past_patience_is_refused_even_where_nobody_kept_the_time() {
    let site = Site::open();
    site.set(Mode::Hold, 1);
    let mut waiting = site.wait(&site.writes);
    advance(ms(20_000));
    site.set(Mode::Open, 2);
    assert_eq!(turned_away(&mut waiting), Why::TimedOut);
}

#[test]
fn a_hold_that_was_asked_for_too_long_ago_is_spent_at_once() {
    let site = Site::open();
    let asked =
        Posture { since: wall() - SignedDuration::from_secs(60), ..Site::posture(Mode::Hold, 1) };
    site.door.set(Some(asked), Arc::clone(&site.forms), wall());
    assert_eq!(site.refused(&site.writes), Why::Spent);
    assert!(site.report().hold_spent);
}

#[test]
fn a_longer_patience_helps_those_who_wait_already_and_a_spent_hold_waits_again() {
    let site = Site::open();
    let posture = |patience| Posture {
        patience: Some(Duration::from_secs(patience)),
        ..Site::posture(Mode::Hold, 1)
    };
    let set = |patience, later: u64| {
        let wall = wall() + SignedDuration::from_millis(i64::try_from(later).unwrap());
        site.door.set(Some(posture(patience)), Arc::clone(&site.forms), wall);
    };
    set(10, 0);
    let mut waiting = site.wait(&site.writes);
    advance(ms(9_000));
    set(15, 9_000);
    advance(ms(5_999));
    assert!(poll(&mut waiting).is_pending());
    advance(ms(1));
    assert_eq!(turned_away(&mut waiting), Why::TimedOut);
    set(40, 15_000);
    let mut waiting = site.wait(&site.writes);
    advance(ms(24_999));
    assert!(poll(&mut waiting).is_pending());
    advance(ms(1));
    assert_eq!(turned_away(&mut waiting), Why::TimedOut);
}

#[test]
fn k4_closing_a_hold_refuses_those_who_wait_at_once_with_what_is_said_now() {
    let site = Site::open();
    site.set(Mode::Hold, 1);
    let mut waiting = site.wait(&site.writes);
    let bell = Arc::new(Bell::default());
    assert!(bell.listen(&mut waiting).is_pending());
    site.set(Mode::Closed, 2);
    assert!(bell.rung());
    assert_eq!(site.report().waiting, 0);
    let Poll::Ready(Err(refused)) = poll(&mut waiting) else { panic!("it waits on") };
    assert_eq!((refused.why, refused.snapshot.mode()), (Why::Mode, Some(Mode::Closed)));
}

#[test]
fn from_hold_to_read_only_reads_pass_and_writes_are_refused() {
    let site = Site::open();
    site.set(Mode::Hold, 1);
    let (mut read, mut write) = (site.wait(&site.reads), site.wait(&site.writes));
    site.set(Mode::ReadOnly, 2);
    assert_eq!(turned_away(&mut write), Why::Mode);
    assert!(let_in(&mut read).is_some());
}

#[test]
fn i2_n2_nine_of_ten_thousand_leave_and_their_places_are_free_at_once() {
    let hold = HoldConfig { places: 10_000, ..HoldConfig::default() };
    let site = Site::new(hold, DrainConfig::default());
    site.set(Mode::Hold, 1);
    let mut all: Vec<_> = (0..10_000).map(|_| site.wait(&site.writes)).collect();
    assert_eq!(site.refused(&site.writes), Why::Crowded);
    let mut number = 0;
    all.retain(|_| {
        number += 1;
        number % 10 == 0
    });
    assert_eq!(site.report().waiting, 1_000);
    let newcomers: Vec<_> = (0..9_000).map(|_| site.wait(&site.writes)).collect();
    assert_eq!(site.refused(&site.writes), Why::Crowded);
    drop(newcomers);
    // Nobody behind an empty place waits longer for it.
    site.set(Mode::Open, 2);
    for waiting in &mut all {
        assert!(let_in(waiting).is_some());
    }
    assert_eq!(site.report().waiting, 0);
    drop(site.pass(&site.writes));
}

#[test]
fn i3_release_is_first_come_first_served_with_as_many_at_once_as_ran_before() {
    let site = Site::open();
    let running: Vec<_> = (0..40).map(|_| site.pass(&site.writes)).collect();
    site.set(Mode::Hold, 1);
    drop(running);
    let mut all: Vec<_> =
        (0..100).map(|_| (site.wait(&site.writes), Arc::new(Bell::default()))).collect();
    for (waiting, bell) in &mut all {
        assert!(bell.listen(waiting).is_pending());
    }
    site.set(Mode::Open, 2);
    let called =
        |all: &[(Waiting, Arc<Bell>)]| all.iter().take_while(|(_, bell)| bell.rung()).count();
    assert_eq!(called(&all), 40);
    assert_eq!(all.iter().filter(|(_, bell)| bell.rung()).count(), 40, "in order");
    let first: Vec<_> =
        all.drain(..40).map(|(mut waiting, _)| let_in(&mut waiting).unwrap()).collect();
    assert_eq!(called(&all), 0);
    let mut newcomer = site.wait(&site.writes);
    assert!(let_in(&mut newcomer).is_none(), "nobody overtakes who waited");
    drop(site.pass(&site.bypass));
    drop(first);
    assert_eq!(called(&all), 40);
    // One that was called and left is followed by the next.
    drop(all.remove(3));
    assert_eq!(called(&all), 40);
}

#[test]
fn one_who_was_called_and_leaves_gives_the_slot_to_the_next() {
    let site = Site::open();
    site.set(Mode::Hold, 1);
    let mut all: Vec<_> = (0..32).map(|_| site.wait(&site.writes)).collect();
    site.set(Mode::Open, 2);
    drop(all.drain(..16));
    assert!(all.iter_mut().all(|waiting| let_in(waiting).is_some()));
}

#[test]
fn n1_of_a_resume_and_a_pause_at_once_nobody_slips_and_nobody_loses_the_place() {
    let site = Site::open();
    site.set(Mode::Hold, 1);
    let mut all: Vec<_> = (0..40).map(|_| site.wait(&site.writes)).collect();
    assert!(all.iter_mut().all(|waiting| let_in(waiting).is_none()));
    site.set(Mode::Open, 2);
    site.set(Mode::Hold, 3);
    assert_eq!(site.drain(), Drain::Drained);
    assert!(all.iter_mut().all(|waiting| let_in(waiting).is_none()), "woken, and not let in");
    let mut last = site.wait(&site.writes);
    site.set(Mode::Open, 4);
    let inside: Vec<_> = all.drain(..16).map(|mut waiting| let_in(&mut waiting).unwrap()).collect();
    assert!(let_in(&mut last).is_none());
    drop(inside);
    drop(all);
    assert!(let_in(&mut last).is_some());
}

#[test]
fn i4_holding_one_site_does_nothing_to_another_and_holding_twice_changes_nothing() {
    let (one, other) = (Site::open(), Site::open());
    other.set(Mode::Hold, 1);
    one.set(Mode::Hold, 2);
    let mut waiting = other.wait(&other.writes);
    one.set(Mode::Open, 3);
    assert!(let_in(&mut waiting).is_none());
    let before = *other.changed.borrow();
    advance(ms(15_000));
    other.set(Mode::Hold, 1);
    assert_eq!(*other.changed.borrow(), before);
    advance(ms(5_000));
    assert_eq!(turned_away(&mut waiting), Why::TimedOut, "patience did not begin anew");
}

#[test]
fn a_drain_ends_with_the_last_request_that_the_mode_would_refuse() {
    let site = Site::open();
    let (read, write, tester) =
        (site.pass(&site.reads), site.pass(&site.writes), site.pass(&site.bypass));
    site.set(Mode::ReadOnly, 1);
    let report = site.report();
    assert_eq!((report.drain, report.in_flight), (Drain::Draining, 1));
    let before = *site.changed.borrow();
    drop(write);
    assert_eq!(*site.changed.borrow(), before + 1, "whoever waits is told");
    assert_eq!(site.drain(), Drain::Drained);
    site.set(Mode::Closed, 2);
    assert_eq!(site.report().in_flight, 1);
    drop(read);
    let report = site.report();
    assert_eq!((report.drain, report.exempt), (Drain::Drained, vec![("bypass".to_owned(), 1)]));
    drop(tester);
}

#[test]
fn past_its_deadline_a_hold_says_that_it_expired_and_a_closed_door_cuts() {
    let site = Site::open();
    let write = site.pass(&site.writes);
    site.set(Mode::Hold, 1);
    let (mut cut, bell) = (write.cut(), Arc::new(Bell::default()));
    assert!(bell.listen(&mut cut).is_pending());
    advance(ms(9_999));
    assert_eq!(site.drain(), Drain::Draining);
    advance(ms(1));
    assert_eq!(site.drain(), Drain::Expired);
    assert!(!bell.rung(), "an abort cuts nobody");
    site.set(Mode::Open, 2);
    assert_eq!(site.drain(), Drain::Drained);
    site.set(Mode::Closed, 3);
    let tester = site.pass(&site.bypass);
    advance(ms(10_000));
    let report = site.report();
    assert_eq!((report.drain, report.cut), (Drain::Draining, 1));
    assert!(bell.rung() && poll(&mut cut).is_ready() && poll(&mut write.cut()).is_ready());
    assert!(poll(&mut tester.cut()).is_pending());
    drop((write, cut));
    assert_eq!(site.drain(), Drain::Drained);
    site.set(Mode::Open, 4);
    let next = site.pass(&site.writes);
    assert!(poll(&mut next.cut()).is_pending(), "who comes later is not cut");
}

#[test]
fn then_is_as_configured() {
    let drain = DrainConfig { then: Some(DrainThen::Cut), ..DrainConfig::default() };
    let site = Site::new(HoldConfig::default(), drain);
    site.set(Mode::Open, 0);
    let write = site.pass(&site.writes);
    site.set(Mode::Hold, 1);
    advance(ms(10_000));
    assert_eq!(site.report().cut, 1);
    assert!(poll(&mut write.cut()).is_ready());
}

#[test]
fn resuming_during_a_drain_lets_everyone_through() {
    let site = Site::open();
    let slow = site.pass(&site.writes);
    site.set(Mode::Hold, 1);
    let mut waiting = site.wait(&site.writes);
    advance(ms(2_000));
    assert_eq!(site.drain(), Drain::Draining);
    site.set(Mode::Open, 2);
    assert!(let_in(&mut waiting).is_some());
    drop((site.pass(&site.reads), slow));
}

#[test]
fn upgraded_connections_stay_counted_apart_or_are_told_to_close() {
    for upgrades in [Upgrades::Leave, Upgrades::Close] {
        let site =
            Site::new(HoldConfig::default(), DrainConfig { upgrades, ..DrainConfig::default() });
        site.set(Mode::Open, 0);
        let upgraded = site.pass(&site.writes).upgrade();
        let (mut farewell, bell): (Farewell, _) = (upgraded.farewell(), Arc::new(Bell::default()));
        assert!(bell.listen(&mut farewell).is_pending());
        let report = site.report();
        assert_eq!((report.upgraded, report.exempt.len()), (1, 0));
        site.set(Mode::Closed, 1);
        if upgrades == Upgrades::Leave {
            assert!(!bell.rung() && site.drain() == Drain::Drained);
        } else {
            assert!(bell.rung() && site.drain() == Drain::Draining);
            let Poll::Ready(spread) = poll(&mut farewell) else { panic!("not told") };
            assert!(spread <= ms(5_000));
        }
        drop((farewell, upgraded));
        let report = site.report();
        assert_eq!((report.upgraded, report.drain), (0, Drain::Drained));
    }
}

#[test]
fn a_tester_passes_by_a_bypass_that_is_good_under_the_snapshot_of_now_only() {
    let site = Site::open();
    let good_in = |number: u32| {
        let operation = Some(OperationId::at(wall(), number));
        let bypass = Arc::clone(&site.bypass);
        move |snapshot: &Snapshot| {
            let now = snapshot.posture.as_ref().and_then(|posture| posture.operation.clone());
            (now == operation).then(|| Arc::clone(&bypass))
        }
    };
    site.set(Mode::Closed, 1);
    let verdict = Ticket::take(&site.writes).look_as(&site.door, good_in(1));
    assert!(matches!(verdict, Verdict::Pass(_)));
    assert_eq!(site.report().exempt, [("bypass".to_owned(), 1)]);
    assert_eq!(site.report().in_flight, 0);
    site.set(Mode::Closed, 2);
    let verdict = Ticket::take(&site.writes).look_as(&site.door, good_in(1));
    assert!(matches!(verdict, Verdict::Refuse(_)));
    site.set(Mode::Hold, 3);
    let verdict = Ticket::take(&site.writes).look_as(&site.door, good_in(3));
    assert!(matches!(verdict, Verdict::Pass(_)));
}

#[test]
fn a_gateway_on_its_way_out_answers_everyone_who_waits() {
    let site = Site::open();
    site.set(Mode::Hold, 1);
    let mut waiting = site.wait(&site.writes);
    site.door.closing();
    assert_eq!(turned_away(&mut waiting), Why::Closing);
    assert_eq!(site.refused(&site.writes), Why::Closing);
    let site = Site::open();
    site.set(Mode::Hold, 1);
    let mut all: Vec<_> = (0..40).map(|_| site.wait(&site.writes)).collect();
    site.set(Mode::Open, 2);
    site.door.closing();
    assert!(all.iter_mut().all(|waiting| let_in(waiting).is_some()), "open again: they pass");
}

#[test]
fn a_reload_keeps_what_runs_counted_and_forgets_lanes_that_are_gone() {
    let site = Site::open();
    let write = site.pass(&site.writes);
    let same = site.door.inside().lane("writes", Modes::OPEN);
    assert!(Arc::ptr_eq(&same, &site.writes));
    let gone = site.door.inside().lane("allow gone", Modes::of(&[Mode::Hold]));
    let running = site.pass(&gone);
    drop(gone);
    site.door.inside().lane("allow new", Modes::OPEN);
    site.set(Mode::Closed, 1);
    assert_eq!(site.report().in_flight, 2, "nobody can come by that lane, but somebody still runs");
    drop(running);
    site.door.inside().lane("allow newer", Modes::OPEN);
    assert_eq!(site.door.inside().lanes().len(), 5);
    drop(write);
    assert_eq!(site.drain(), Drain::Drained);
}

#[test]
fn fewer_places_and_another_patience_hold_from_a_reload_on() {
    let site = Site::open();
    site.set(Mode::Hold, 1);
    let mut waiting = site.wait(&site.writes);
    let hold = HoldConfig { places: 1, patience: ms(5_000), ..HoldConfig::default() };
    site.door.reload(hold, DrainConfig::default());
    assert_eq!(site.refused(&site.writes), Why::Crowded);
    advance(ms(5_000));
    assert_eq!(turned_away(&mut waiting), Why::TimedOut);
}

#[test]
fn a_release_rate_is_kept_and_a_release_that_never_ends_is_ended() {
    let hold = HoldConfig { release_rate: Some(10), ..HoldConfig::default() };
    let site = Site::new(hold, DrainConfig::default());
    site.set(Mode::Hold, 1);
    let mut all: Vec<_> = (0..20).map(|_| site.wait(&site.writes)).collect();
    site.set(Mode::Open, 2);
    let mut inside = Vec::new();
    for tenth in 0..10 {
        assert_eq!(inside.len(), tenth);
        inside.extend(all.iter_mut().take(1).filter_map(let_in));
        drop(all.remove(0));
        assert!(let_in(&mut all[0]).is_none());
        advance(ms(100));
    }
    // The upstream answers nobody.
    advance(Duration::from_mins(5));
    assert!(all.iter_mut().all(|waiting| poll(waiting).is_ready()));
    assert_eq!(site.report().waiting, 0);
    drop(site.pass(&site.writes));
}

#[test]
fn the_last_refusal_is_told_by_the_clock_on_the_wall() {
    let site = Site::open();
    assert_eq!(site.report().last_refused, None);
    site.set(Mode::Closed, 1);
    advance(ms(5_000));
    assert_eq!(site.refused(&site.writes), Why::Mode);
    advance(Duration::from_micros(3_000_700));
    let told = site.report().last_refused.unwrap();
    // In whole milliseconds, as every time that is told.
    assert_eq!(wall().duration_since(told), SignedDuration::from_secs(3));
}

#[tokio::test]
async fn whoever_keeps_the_time_ends_patience_by_itself() {
    let hold = HoldConfig { patience: ms(20), ..HoldConfig::default() };
    let site = Site::with_clock(hold, DrainConfig::default(), clock::monotonic);
    let kept = async {
        site.set(Mode::Hold, 1);
        let waiting = site.wait(&site.writes);
        waiting.await.map(drop).map_err(|refused| refused.why)
    };
    tokio::select! {
        () = site.door.keep() => {}
        ended = kept => assert_eq!(ended, Err(Why::TimedOut)),
    }
}

#[test]
fn whoever_keeps_the_time_is_told_when_something_is_due_earlier() {
    let site = Site::open();
    let planned = site.door.with(|state, after| state.plan(&site.door.inside, after));
    assert!(planned > hand());
    let nudged = || {
        let mut nudged = pin!(site.door.nudge.notified());
        nudged.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    };
    assert!(!nudged());
    let patience = Some(ms(500));
    let posture = Posture { patience, ..Site::posture(Mode::Hold, 1) };
    site.door.set(Some(posture), Arc::clone(&site.forms), wall());
    assert!(nudged());
}

#[test]
fn one_who_waits_costs_little() {
    let each = size_of::<Waiting>() + Room::BYTES_EACH;
    assert!(each <= 100, "{each}");
}
