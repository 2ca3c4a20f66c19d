//! What is told and what is put back, whatever is seen in whatever order.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::switch::Phase;

const PUT_BACK: Policy<'_> = Policy { on_drift: OnDrift::PutBack, held_back: None, unread: &[] };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn switch(mode: Mode, number: u32) -> Switch {
    Switch {
        format: 1,
        version: 1,
        operation: OperationId::at(at(0), number),
        mode,
        phase: Phase::Moved { moved_at: at(0), settles_after: 0 },
        since: at(0),
        until: None,
        on_end: None,
        until_healthy: None,
        gateway: None,
        patience: None,
        reopened: None,
        run: None,
        by: "ana".to_owned(),
        reason: None,
        before: BTreeMap::new(),
    }
}

fn side(mode: Mode) -> &'static str {
    if mode == Mode::Detour { "page" } else { "app" }
}

/// A name that says `value`, seen where it should be as in `mode`.
fn name(value: &str, mode: Mode) -> Looked {
    let opposite = side(if mode == Mode::Detour { Mode::Open } else { Mode::Detour });
    let target = "shop A".to_owned();
    let step = Step {
        lever: LeverName::Dns,
        kind: "fake".to_owned(),
        target: target.clone(),
        before: json!(value),
        after: json!(side(mode)),
    };
    Looked {
        lever: LeverName::Dns,
        parts: vec![Part { target: target.clone(), value: json!(value) }],
        strays: if value == side(mode) { Vec::new() } else { vec![step] },
        across: (value == opposite).then_some(target).into_iter().collect(),
    }
}

/// Rules that are as in `stand`, seen where they should be as in `mode`.
fn rules(stand: Mode, mode: Mode) -> Looked {
    let closed = stand >= Mode::Closed;
    let strays = closed != (mode >= Mode::Closed);
    let value = |closed: bool| if closed { json!({ "priorities": [9] }) } else { Value::Null };
    let target = "alb:443".to_owned();
    let step = Step {
        lever: LeverName::Balancer,
        kind: "alb".to_owned(),
        target: target.clone(),
        before: value(closed),
        after: value(!closed),
    };
    let across = strays.then(|| target.clone()).into_iter().collect();
    let strays = if strays { vec![step] } else { Vec::new() };
    Looked { lever: LeverName::Balancer, parts: Vec::new(), strays, across }
}

fn then(ledger: &Ledger) -> Vec<Then> {
    ledger.drifts().iter().map(|drift| drift.then).collect()
}

#[test]
fn rules_keep_visitors_out_again_and_let_nobody_in() {
    let seen = |stand, mode| {
        let (ledger, _) =
            Ledger::default().seen(Some(&switch(mode, 1)), &[rules(stand, mode)], PUT_BACK, at(0));
        then(&ledger)
    };
    assert_eq!(seen(Mode::Open, Mode::Closed), [Then::PutBack]);
    assert_eq!(seen(Mode::Open, Mode::Detour), [Then::PutBack]);
    assert_eq!(seen(Mode::Closed, Mode::Open), [Then::Stays]);
    assert_eq!(seen(Mode::Closed, Mode::Closed), []);
}

#[test]
fn where_one_of_two_must_stay_neither_is_moved() {
    let looked = [name("page", Mode::Closed), rules(Mode::Open, Mode::Closed)];
    let (ledger, news) =
        Ledger::default().seen(Some(&switch(Mode::Closed, 1)), &looked, PUT_BACK, at(0));
    assert_eq!(then(&ledger), [Then::Stays, Then::Stays]);
    assert_eq!(news.len(), 2);
}

#[test]
fn a_lever_that_cannot_be_read_hides_no_other_and_is_not_right_again() {
    let closed = switch(Mode::Closed, 1);
    let both = [name("other", Mode::Closed), rules(Mode::Open, Mode::Closed)];
    let (ledger, _) = Ledger::default().seen(Some(&closed), &both, PUT_BACK, at(0));
    let blind = Policy { unread: &[LeverName::Dns], ..PUT_BACK };
    let (ledger, news) =
        ledger.seen(Some(&closed), &[rules(Mode::Closed, Mode::Closed)], blind, at(30));
    assert!(matches!(news.as_slice(), [News::Over(drift)] if drift.lever == LeverName::Balancer));
    let (ledger, news) =
        ledger.seen(Some(&closed), &[rules(Mode::Open, Mode::Closed)], blind, at(60));
    assert!(matches!(news.as_slice(), [News::Drifted(_)]), "{news:?}");
    assert_eq!(ledger.drifts().len(), 2);
    assert!(!ledger.goes_back(), "what is not seen is not moved");
}

#[test]
fn a_move_of_the_switch_ends_what_was_told() {
    let (open, detour) = (switch(Mode::Open, 1), switch(Mode::Detour, 2));
    let (ledger, _) =
        Ledger::default().seen(Some(&open), &[name("app", Mode::Open)], PUT_BACK, at(0));
    let (ledger, news) = ledger.seen(Some(&open), &[name("page", Mode::Open)], PUT_BACK, at(30));
    assert!(matches!(news.as_slice(), [News::Drifted(_)]), "{news:?}");
    let (ledger, news) =
        ledger.seen(Some(&detour), &[name("page", Mode::Detour)], PUT_BACK, at(60));
    assert!(matches!(news.as_slice(), [News::Over(_)]), "{news:?}");
    assert_eq!(then(&ledger), []);
}

#[test]
fn what_fails_three_times_is_tried_again_ten_minutes_later() {
    let detour = switch(Mode::Detour, 1);
    let mut ledger = Ledger::default();
    let look = |ledger: &mut Ledger, second| {
        let looked = [name("app", Mode::Detour)];
        *ledger = ledger.seen(Some(&detour), &looked, PUT_BACK, at(second)).0;
        then(ledger)
    };
    for second in [0, 30, 60] {
        assert_eq!(look(&mut ledger, second), [Then::PutBack]);
        ledger.tried(at(second));
        ledger.failed("no right".to_owned());
    }
    assert_eq!(look(&mut ledger, 90), [Then::Waits]);
    let why = ledger.drifts()[0].why.clone().unwrap();
    assert!(why.ends_with("no right"), "{why}");
    assert_eq!(look(&mut ledger, 599), [Then::Waits]);
    assert_eq!(look(&mut ledger, 600), [Then::PutBack]);
}

#[test]
fn what_somebody_wants_otherwise_is_theirs_until_it_is_put_right() {
    let detour = switch(Mode::Detour, 1);
    let mut ledger = Ledger::default();
    let look = |ledger: &mut Ledger, value, second| {
        *ledger = ledger.seen(Some(&detour), &[name(value, Mode::Detour)], PUT_BACK, at(second)).0;
        then(ledger)
    };
    for second in [0, 60, 120] {
        assert_eq!(look(&mut ledger, "app", second), [Then::PutBack]);
        ledger.tried(at(second));
        assert_eq!(look(&mut ledger, "page", second + 30), []);
    }
    for (value, second) in [("app", 180), ("app", 3600), ("other", 3630), ("app", 3660)] {
        assert_eq!(look(&mut ledger, value, second), [Then::GaveUp], "{value} at {second}");
    }
    assert_eq!(look(&mut ledger, "page", 3690), []);
    assert_eq!(look(&mut ledger, "app", 3720), [Then::PutBack]);
}

#[test]
fn what_is_written_reads_back_and_what_an_older_program_wrote_does_too() {
    let detour = switch(Mode::Detour, 1);
    let (ledger, _) =
        Ledger::default().seen(Some(&detour), &[name("app", Mode::Detour)], PUT_BACK, at(0));
    let mut written = serde_json::to_value(&ledger).unwrap();
    assert_eq!(serde_json::from_value::<Ledger>(written.clone()).unwrap(), ledger);
    assert_eq!(written["drifts"][0]["then"], "put-back");
    let fields = written.as_object_mut().unwrap();
    fields.remove("put_back");
    fields.remove("failed");
    fields.insert("of_tomorrow".to_owned(), json!(1));
    assert_eq!(serde_json::from_value::<Ledger>(written).unwrap(), ledger);
}

proptest! {
    /// Whatever is seen in whatever order: each drift is told once and over once, nobody is let in, and there are three tries at
    /// most in ten minutes.
    #[test]
    fn nobody_is_let_in_nothing_is_told_twice_and_nobody_is_fought(
        looks in proptest::collection::vec(
            (prop_oneof![Just("app"), Just("page"), Just("other")], 0usize..5, 0u32..3, 1i64..120), 1..60
        ),
    ) {
        let (mut ledger, mut now, mut open) = (Ledger::default(), 0, BTreeSet::new());
        let mut tries: Vec<i64> = Vec::new();
        for (value, mode, operation, passed) in looks {
            now += passed;
            let mode = Mode::LADDER[mode];
            // An operation has one mode.
            let number = operation * 5 + u32::try_from(Mode::LADDER.iter().position(|one| *one == mode).unwrap()).unwrap();
            let switch = switch(mode, number);
            let (next, news) = ledger.seen(Some(&switch), &[name(value, mode)], PUT_BACK, at(now));
            for piece in news {
                match piece {
                    News::Over(drift) => prop_assert!(open.remove(&drift.target), "never told"),
                    News::Drifted(drift) => {
                        prop_assert_ne!(&drift.is, &json!(side(mode)));
                        open.insert(drift.target);
                    }
                }
            }
            prop_assert_eq!(open.len(), next.drifts().len());
            let (_, again) = next.seen(Some(&switch), &[name(value, mode)], PUT_BACK, at(now));
            prop_assert_eq!(again, vec![]);
            ledger = next;
            if ledger.goes_back() {
                prop_assert!(mode == Mode::Detour || value == "other", "{} in {}", value, mode);
                ledger.tried(at(now));
                tries.push(now);
                let lately = tries.iter().filter(|at| now - **at < 600).count();
                prop_assert!(lately <= 3, "{:?}", tries);
            }
        }
    }
}
