//! A configuration that changes under a running door, and a gateway on its way out.

use super::*;

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
