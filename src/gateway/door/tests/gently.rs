//! A gentle opening at the door: who passes while it is under way, and what ends it.

use super::*;
use crate::config::{OpenConfig, Share};
use crate::gateway::{Shut, Stands};
use crate::switch::Reopened;

const RAMP: Duration = Duration::from_mins(1);

pub(super) fn config(first: Share) -> OpenConfig {
    OpenConfig { ramp: RAMP, first, limit: Share::percent(50) }
}

/// The posture that reopens, by operation `number` after operation 1, told `ago`.
pub(super) fn reopening(from: Mode, number: u32, ago: Duration) -> Posture {
    let at = wall().checked_sub(SignedDuration::try_from(ago).unwrap()).unwrap();
    let reopened = Reopened { from, after: OperationId::at(wall(), 1), at };
    Posture { reopened: Some(Box::new(reopened)), ..Site::posture(Mode::Open, number) }
}

pub(super) fn client(number: u32) -> IpAddr {
    IpAddr::from(number.to_be_bytes())
}

impl Site {
    /// Gives a posture, by the rule that a site's configuration has.
    pub(super) fn gives(&self, posture: &Posture, config: Option<&OpenConfig>) {
        let shut = crate::gateway::gently::shut(config, Some(posture));
        let opens = shut.and_then(|shut| {
            let shut = Shut { posture: shut, forms: forms() };
            Opens::new(config, Some(posture), shut)
        });
        let forms = Arc::new((*self.forms).clone());
        self.door.set_gently(Some(posture.clone()), forms, opens, wall());
    }

    /// Closed before, and opening since `ago`.
    fn opening(from: Mode, ago: Duration) -> Site {
        let site = Site::open();
        site.set(from, 1);
        site.gives(&reopening(from, 2, ago), Some(&config(Share::percent(5))));
        site
    }

    fn comes(&self, lane: &Lane, number: u32) -> Verdict {
        Ticket::take(lane).look_as(&self.door, Some(client(number)), |_| None)
    }

    /// Who of a thousand passes.
    fn let_in(&self) -> Vec<u32> {
        let passes = |number: &u32| match self.comes(&self.writes, *number) {
            Verdict::Pass(_) => true,
            Verdict::Refuse(refused) => {
                assert_eq!(refused.why, Why::NotYet);
                false
            }
            waits @ Verdict::Wait(_) => panic!("{waits:?}"),
        };
        (0..1000).filter(passes).collect()
    }

    fn share(&self) -> Option<Share> {
        self.report().ramp.map(|ramp| ramp.share)
    }

    /// Goes on for so long, while all who are let in of two hundred are answered so.
    fn goes(&self, long: Duration, outcome: Outcome) {
        let end = hand() + long;
        while hand() < end {
            for number in 0..200 {
                if let Verdict::Pass(admitted) = self.comes(&self.writes, number) {
                    admitted.answered(outcome);
                }
            }
            advance(ms(250));
            self.report();
        }
    }
}

#[test]
fn visitors_come_back_one_after_the_other_and_who_is_in_stays_in() {
    let site = Site::opening(Mode::Closed, Duration::ZERO);
    let mut before = site.let_in();
    assert!((20..90).contains(&before.len()), "{} of 1,000 at first", before.len());
    for _ in 0..11 {
        site.goes(RAMP / 12, Outcome::Answered);
        let now = site.let_in();
        assert!(before.iter().all(|client| now.contains(client)), "nobody is put out");
        assert!(now.len() > before.len(), "the share rises");
        before = now;
    }
    site.goes(RAMP / 12, Outcome::Answered);
    assert_eq!((site.let_in().len(), site.report().ramp), (1000, None));
    assert_eq!(site.door.gate.load(Ordering::SeqCst), Modes::OPEN.bits(), "as if it never was");
}

#[test]
fn whoever_passed_while_the_site_was_shut_passes_and_counts_as_before() {
    for from in [Mode::Closed, Mode::Detour] {
        let site = Site::opening(from, Duration::ZERO);
        let allowed = site.door.inside().lane("allow", Modes::of(&[from]));
        for number in 0..1000 {
            assert!(matches!(site.comes(&site.bypass, number), Verdict::Pass(_)));
            assert!(matches!(site.comes(&allowed, number), Verdict::Pass(_)));
        }
        assert_eq!(site.report().last_request, None, "nobody is where the name led away to");
        let refused = (0..1000).find_map(|number| match site.comes(&site.reads, number) {
            Verdict::Refuse(refused) => Some(refused),
            Verdict::Pass(_) | Verdict::Wait(_) => None,
        });
        let snapshot = refused.unwrap().snapshot;
        let gently = snapshot.gently.as_ref().unwrap();
        assert_eq!(gently.shut.posture.mode, from, "they get what they got before");
        assert_eq!(gently.shut.posture.until, Some(wall() + SignedDuration::from_mins(1)));
        assert_eq!(site.report().mode, Some(Mode::Open), "the switch has moved");
    }
}

#[test]
fn who_is_not_known_comes_last_and_a_site_without_a_ramp_is_open_at_once() {
    let site = Site::opening(Mode::Closed, Duration::ZERO);
    assert_eq!(site.refused(&site.writes), Why::NotYet);
    let site = Site::open();
    site.set(Mode::Closed, 1);
    site.gives(&reopening(Mode::Closed, 2, Duration::ZERO), None);
    assert_eq!((site.let_in().len(), site.report().ramp), (1000, None));
}

#[test]
fn where_answers_fail_nobody_but_testers_is_let_in_any_more_until_it_begins_anew() {
    let site = Site::opening(Mode::Closed, Duration::ZERO);
    site.goes(ms(5_000), Outcome::Answered);
    let before = *site.changed.borrow();
    site.goes(ms(5_000), Outcome::Erred);
    let ramp = site.report().ramp.unwrap();
    let fell = ramp.fell_back.unwrap();
    assert_eq!((ramp.share, site.let_in().len()), (Share::NONE, 0));
    assert!(
        fell.errors >= Share::percent(50) && fell.again == fell.at + SignedDuration::from_mins(1)
    );
    assert!(*site.changed.borrow() > before, "whoever looks is told");
    assert!(matches!(site.comes(&site.bypass, 1), Verdict::Pass(_)));
    assert_eq!((site.door.falls(), site.report().mode), (1, Some(Mode::Open)));
    site.goes(RAMP, Outcome::Answered);
    assert!((20..200).contains(&site.let_in().len()), "it begins anew");
    site.goes(RAMP, Outcome::Answered);
    assert_eq!((site.let_in().len(), site.door.falls()), (1000, 1));
}

#[test]
fn where_some_answers_fail_the_share_stands() {
    let site = Site::opening(Mode::Closed, RAMP / 2);
    site.goes(ms(1_000), Outcome::Answered);
    let failing = |number: u32| number.is_multiple_of(5);
    for _ in 0..40 {
        for number in 0..1000 {
            if let Verdict::Pass(admitted) = site.comes(&site.writes, number) {
                let outcome = if failing(number) { Outcome::Failed } else { Outcome::Answered };
                admitted.answered(outcome);
            }
        }
        advance(ms(250));
        site.report();
    }
    let ramp = site.report().ramp.unwrap();
    assert_eq!(ramp.stopped, Some(Stands::Errors));
    assert!(ramp.share < Share::percent(60), "{}", ramp.share);
}

#[test]
fn closing_in_the_middle_counts_who_is_in_and_refuses_everybody() {
    let site = Site::opening(Mode::Closed, RAMP / 2);
    let inside = (0..1000).find_map(|number| match site.comes(&site.writes, number) {
        Verdict::Pass(admitted) => Some(admitted),
        Verdict::Refuse(_) | Verdict::Wait(_) => None,
    });
    site.set(Mode::Closed, 3);
    let report = site.report();
    assert_eq!((report.drain, report.in_flight, report.ramp), (Drain::Draining, 1, None));
    assert_eq!(site.refused(&site.writes), Why::Mode);
    drop(inside);
    assert_eq!(site.drain(), Drain::Drained);
}

#[test]
fn opening_again_and_another_configuration_put_nobody_out_and_without_one_all_are_in() {
    let site = Site::opening(Mode::Closed, Duration::ZERO);
    site.goes(RAMP / 2, Outcome::Answered);
    let before = site.let_in();
    let again = reopening(Mode::Closed, 3, Duration::ZERO);
    site.gives(&again, Some(&config(Share::percent(5))));
    assert_eq!(site.let_in(), before);
    site.gives(&again, Some(&OpenConfig { ramp: RAMP * 2, ..config(Share::percent(5)) }));
    assert_eq!(site.let_in(), before);
    site.gives(&again, None);
    assert_eq!((site.let_in().len(), site.share()), (1000, None));
    site.gives(&again, Some(&config(Share::percent(5))));
    assert_eq!(site.let_in().len(), 1000, "who was let in stays in");
}

#[test]
fn a_gateway_that_starts_in_the_middle_lets_in_whom_the_others_do() {
    let (early, late) = (Site::opening(Mode::Closed, Duration::ZERO), Site::open());
    early.goes(RAMP / 2, Outcome::Answered);
    let posture = reopening(Mode::Closed, 2, RAMP / 2);
    late.gives(&posture, Some(&config(Share::percent(5))));
    assert_eq!(early.let_in(), late.let_in());
    let over = Site::open();
    over.gives(&reopening(Mode::Closed, 2, RAMP), Some(&config(Share::percent(5))));
    assert_eq!(over.let_in().len(), 1000);
}

#[test]
fn a_mode_in_between_that_keeps_nobody_out_lets_nobody_in_sooner() {
    for between in [Mode::Hold, Mode::ReadOnly] {
        let site = Site::opening(Mode::Closed, Duration::ZERO);
        let gently = config(Share::percent(5));
        let opening = reopening(Mode::Closed, 2, Duration::ZERO);
        site.goes(RAMP / 4, Outcome::Answered);
        let before = site.let_in();
        let held = Posture { mode: between, ..opening.clone() };
        site.gives(&held, Some(&gently));
        assert_eq!(site.share(), None);
        site.gives(&opening, Some(&gently));
        assert_eq!(site.let_in(), before, "after {between}");
        site.goes(ms(5_000), Outcome::Erred);
        assert_eq!(site.let_in().len(), 0);
        site.gives(&held, Some(&gently));
        site.gives(&opening, Some(&gently));
        assert_eq!((site.let_in().len(), site.door.falls()), (0, 1), "fallen back as before");
        site.gives(&held, Some(&gently));
        site.set(Mode::Closed, 3);
        site.gives(&reopening(Mode::Closed, 4, RAMP), Some(&gently));
        assert_eq!(site.let_in().len(), 1000, "another opening, which is over");
    }
}

#[test]
fn who_was_let_in_before_it_fell_back_does_not_count_when_it_begins_anew() {
    let site = Site::opening(Mode::Closed, RAMP / 2);
    let visits = (0..1000).filter_map(|number| match site.comes(&site.writes, number) {
        Verdict::Pass(admitted) => Some(admitted),
        Verdict::Refuse(_) | Verdict::Wait(_) => None,
    });
    let slow: Vec<_> = visits.collect();
    site.goes(ms(5_000), Outcome::Erred);
    assert_eq!(site.door.falls(), 1);
    site.goes(RAMP, Outcome::Answered);
    for admitted in &slow {
        admitted.answered(Outcome::Failed);
    }
    site.goes(ms(1_000), Outcome::Answered);
    assert_eq!((site.door.falls(), site.report().ramp.unwrap().stopped), (1, None));
}
