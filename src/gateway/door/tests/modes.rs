//! What each mode lets in, and what becomes of those who wait when it changes.

use super::*;

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
    let verdict = Ticket::take(&site.writes).look_as(&site.door, None, good_in(1));
    assert!(matches!(verdict, Verdict::Pass(_)));
    assert_eq!(site.report().exempt, [("bypass".to_owned(), 1)]);
    assert_eq!(site.report().in_flight, 0);
    site.set(Mode::Closed, 2);
    let verdict = Ticket::take(&site.writes).look_as(&site.door, None, good_in(1));
    assert!(matches!(verdict, Verdict::Refuse(_)));
    site.set(Mode::Hold, 3);
    let verdict = Ticket::take(&site.writes).look_as(&site.door, None, good_in(3));
    assert!(matches!(verdict, Verdict::Pass(_)));
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

#[test]
fn who_comes_in_the_first_moment_of_a_door_is_told_as_well() {
    let site = Site::open();
    site.set(Mode::Closed, 1);
    assert_eq!(site.refused(&site.writes), Why::Mode);
    assert_eq!(site.report().last_refused, Some(wall()));
    assert_eq!(site.report().last_request, Some(wall()));
    let visited = Site::open();
    visited.door.visited();
    assert_eq!(visited.report().last_request, Some(wall()));
}
