//! The rule in all courses that it can take: whatever is answered, and whenever.

use proptest::prelude::*;

use super::*;
use crate::clock;

const MINUTE: Duration = Duration::from_mins(1);
const MS: Duration = Duration::from_millis(1);

fn config(first: u16, limit: u16) -> OpenConfig {
    OpenConfig { ramp: MINUTE, first: Share::percent(first), limit: Share::percent(limit) }
}

fn after(number: u32) -> OperationId {
    OperationId::at(jiff::Timestamp::UNIX_EPOCH, number)
}

/// An opening, with an app that answers so many visitors each tick.
struct Opening {
    ramp: Ramp,
    now: Instant,
    visitors: u16,
}

impl Opening {
    fn new(config: OpenConfig, visitors: u16) -> Opening {
        let now = clock::monotonic();
        Opening { ramp: Ramp::begin(config, Duration::ZERO, now), now, visitors }
    }

    /// Goes on for so long: of the visitors these fail, and each waits so long.
    fn goes(&mut self, long: Duration, (failing, took): (u16, Duration)) -> &mut Opening {
        let end = self.now + long;
        while self.now < end {
            self.now += TICK;
            let tally = |place| Tally { answers: 1, errors: u64::from(place < failing), took };
            let fresh = (0..self.visitors).map(|place| (place, tally(place))).collect();
            self.ramp.step(fresh, self.now);
        }
        self
    }

    fn share(&self) -> u16 {
        self.ramp.share().in_thousandths()
    }
}

const WELL: (u16, Duration) = (0, MS);

#[test]
fn a_share_rises_from_the_first_to_all_in_the_time_of_the_ramp() {
    let mut opening = Opening::new(config(5, 50), 20);
    assert_eq!(opening.share(), 50);
    assert_eq!(opening.goes(MINUTE / 2, WELL).share(), 525);
    assert_eq!(opening.goes(TICK * 119, WELL).share(), 996);
    assert_ne!(opening.ramp.course(), Course::Done);
    assert_eq!(opening.goes(TICK, WELL).share(), 1000);
    assert_eq!(opening.ramp.course(), Course::Done);
}

#[test]
fn where_nobody_comes_it_rises_all_the_same() {
    assert_eq!(Opening::new(config(5, 50), 0).goes(MINUTE, WELL).share(), 1000);
}

#[test]
fn it_stands_while_answers_fail_and_goes_on_when_they_are_well_again() {
    let mut opening = Opening::new(config(5, 50), 20);
    let stood = opening.goes(MINUTE / 2, WELL).goes(MINUTE / 6, (5, MS)).share();
    assert!(stood < 600, "{stood}");
    assert!(matches!(opening.ramp.course(), Course::Stands(Stands::Errors, _)));
    assert_eq!(opening.goes(MINUTE, (5, MS)).share(), stood);
    opening.goes(LATELY, WELL).goes(MINUTE, WELL);
    assert_eq!(opening.ramp.course(), Course::Done);
}

#[test]
fn it_stands_while_answers_are_slow_until_that_is_how_fast_the_app_is() {
    let mut opening = Opening::new(config(5, 50), 20);
    opening.goes(MINUTE / 6, WELL).goes(LATELY * 2, (0, 200 * MS));
    let stood = opening.share();
    assert!(matches!(opening.ramp.course(), Course::Stands(Stands::Slow, _)));
    assert_eq!(opening.goes(GROWS_USED / 2, (0, 200 * MS)).share(), stood);
    opening.goes(LATELY * 2, (0, 200 * MS)).goes(MINUTE, (0, 200 * MS));
    assert_eq!(opening.ramp.course(), Course::Done);
}

#[test]
fn past_the_limit_nobody_is_in_and_each_pause_is_twice_as_long() {
    let mut opening = Opening::new(config(5, 50), 20);
    let mut pauses = Vec::new();
    for _ in 0..5 {
        while !matches!(opening.ramp.course(), Course::FellBack { .. }) {
            opening.goes(TICK, (20, MS));
        }
        let fell = opening.now;
        while opening.share() == 0 {
            opening.goes(TICK, WELL);
        }
        assert_eq!(opening.share(), 50, "it begins anew");
        pauses.push((opening.now - fell).as_secs());
    }
    assert_eq!(pauses, [60, 120, 240, 300, 300]);
    assert_eq!(opening.goes(MINUTE, WELL).share(), 1000);
}

#[test]
fn few_answers_make_nobody_fall_back_and_in_the_end_they_are_enough() {
    let mut opening = Opening::new(config(5, 50), 1);
    opening.goes(TICK * 4, (1, MS));
    assert_eq!(opening.ramp.course(), Course::Rises);
    opening.goes(TICK * 14, (1, MS));
    assert!(matches!(opening.ramp.course(), Course::Stands(Stands::Errors, _)));
    opening.goes(TICK * 2, (1, MS));
    assert!(matches!(opening.ramp.course(), Course::FellBack { .. }));
}

#[test]
fn a_visitor_who_asks_for_what_fails_a_thousand_times_keeps_nobody_out() {
    let mut opening = Opening::new(config(5, 50), 0);
    for _ in 0..MINUTE.as_millis() / TICK.as_millis() {
        opening.now += TICK;
        let hostile = (0, Tally { answers: 1000, errors: 1000, took: 1000 * MS });
        let others = (1..20).map(|place| (place, Tally { answers: 1, errors: 0, took: MS }));
        opening.ramp.step(others.chain([hostile]).collect(), opening.now);
    }
    assert_eq!(opening.ramp.course(), Course::Done);
}

#[test]
fn a_gateway_that_starts_in_the_middle_goes_on_from_there_and_one_after_it_lets_all_in() {
    let now = clock::monotonic();
    let begins = |gone| Ramp::begin(config(5, 50), gone, now);
    assert_eq!(begins(MINUTE / 2).share(), Share::thousandths(525));
    assert_eq!(begins(MINUTE).course(), Course::Done);
    assert_eq!(begins(MINUTE * 60).share(), Share::ALL);
}

#[test]
fn another_length_of_the_ramp_moves_nobody_out() {
    let mut opening = Opening::new(config(5, 50), 20);
    let before = opening.goes(MINUTE / 2, WELL).share();
    opening.ramp.reload(OpenConfig { ramp: MINUTE * 10, ..config(5, 50) });
    assert_eq!(opening.share(), before);
    assert_eq!(opening.goes(MINUTE * 5, WELL).share(), 1000);
}

#[test]
fn places_are_spread_evenly_and_others_for_another_operation() {
    let clients = || (0..10_000_u32).map(|number| IpAddr::from(number.to_be_bytes()));
    let (one, two) = (after(1), after(2));
    for share in [50, 250, 500] {
        let within = clients().filter(|client| place(*client, &one) < share).count();
        let wanted = usize::from(share) * 10;
        assert!(within.abs_diff(wanted) < 200, "{within} of 10,000 for {share}");
    }
    let same = clients().filter(|client| place(*client, &one) == place(*client, &two)).count();
    assert!(same < 100, "{same}");
}

#[test]
fn a_client_has_one_place_however_its_address_is_written_and_whichever_of_its_network_it_takes() {
    let of = |ip: &str| place(ip.parse().unwrap(), &after(1));
    assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    assert_eq!(of("2001:db8::1"), of("2001:db8::aaaa:bbbb:cccc:dddd"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
}

#[derive(Debug, Clone)]
enum Event {
    Tick(Vec<(u16, u8, u8, u64)>),
    /// Whoever keeps the time comes late.
    Late(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let tally = (0..1000_u16, 0..30_u8, 0..30_u8, 0..500_u64);
    prop_oneof![
        8 => prop::collection::vec(tally, 0..12).prop_map(Event::Tick),
        1 => (0..120_u64).prop_map(Event::Late),
    ]
}

proptest! {
    #[test]
    fn whatever_is_answered_the_share_only_rises_or_is_nothing_and_is_bounded(
        first in 1..=100_u16,
        limit in 1..=100_u16,
        events in prop::collection::vec(event(), 0..300),
    ) {
        let mut opening = Opening::new(config(first, limit), 0);
        let mut went = Duration::ZERO;
        for event in events {
            let (before, course) = (opening.share(), opening.ramp.course());
            let (fresh, step) = match event {
                Event::Tick(tallies) => {
                    let tally = |(place, answers, errors, took): (u16, u8, u8, u64)| {
                        let errors = u64::from(errors.min(answers));
                        let took = Duration::from_millis(took);
                        (place, Tally { answers: u64::from(answers), errors, took })
                    };
                    (tallies.into_iter().map(tally).collect(), TICK)
                }
                Event::Late(seconds) => (Vec::new(), Duration::from_secs(seconds)),
            };
            opening.now += step;
            went += step;
            opening.ramp.step(fresh, opening.now);
            let share = opening.share();
            match opening.ramp.course() {
                Course::FellBack { again, .. } => {
                    prop_assert_eq!(share, 0);
                    prop_assert!(again > opening.now && again <= opening.now + LONGEST_PAUSE);
                }
                Course::Done => {
                    prop_assert_eq!(share, 1000);
                    prop_assert!(went >= MINUTE || first == 100, "all are in after {:?}", went);
                }
                Course::Stands(..) => prop_assert_eq!(share, before),
                Course::Rises if matches!(course, Course::FellBack { .. }) => {
                    prop_assert_eq!(share, first * 10);
                }
                // Nobody who was in is put out.
                Course::Rises => prop_assert!(share >= before && share <= 1000),
            }
            prop_assert!(opening.ramp.lately.len() <= 240, "what is kept is bounded");
        }
    }

    #[test]
    fn who_was_let_in_once_stays_in_while_the_share_rises(
        client in any::<[u8; 4]>(),
        number in any::<u32>(),
        shares in prop::collection::vec(0..=1000_u16, 1..20),
    ) {
        let (place, mut shares) = (place(client.into(), &after(number)), shares);
        prop_assert!(place < 1000, "all are in at the end");
        shares.sort_unstable();
        let inside: Vec<bool> = shares.iter().map(|share| place < *share).collect();
        prop_assert!(inside.is_sorted());
    }
}
