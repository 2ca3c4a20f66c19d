//! When nobody of before runs any more, and what becomes of those who do not end.

use super::*;
use crate::config::{DrainThen, Upgrades};
use crate::gateway::Farewell;

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
