//! Who waits: until the door opens, patience ends, or the places are taken.

use super::*;
use crate::gateway::room::Room;

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
