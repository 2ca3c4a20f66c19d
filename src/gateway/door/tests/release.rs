//! In what order, and how many at once, those who waited are let in.

use super::*;

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
