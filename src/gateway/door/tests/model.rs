//! The door against a plain model of it, over sequences of events, with time in hand.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Event {
    Come(usize),
    /// Some mode, by the next operation or the same one once more, with this patience.
    Set(Mode, Again, u64),
    Advance(u64),
    /// Somebody who waits is asked, or leaves.
    Poll(usize),
    Leave(usize),
    /// Somebody inside is answered, and ends.
    End(usize, Outcome),
    Reload(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    New,
    Same,
}

fn event() -> impl Strategy<Value = Event> {
    let mode = prop::sample::select(Mode::LADDER.to_vec());
    let outcome = prop_oneof![5 => Just(Outcome::Answered), 1 => Just(Outcome::Failed)];
    let again = prop_oneof![4 => Just(Again::New), 1 => Just(Again::Same)];
    prop_oneof![
        12 => (0..4_usize).prop_map(Event::Come),
        2 => (mode, again.clone(), 0..400_u64).prop_map(|(m, a, p)| Event::Set(m, a, p)),
        3 => (Just(Mode::Hold), again, 100..400_u64).prop_map(|(m, a, p)| Event::Set(m, a, p)),
        3 => (0..200_u64).prop_map(Event::Advance),
        6 => (0..40_usize).prop_map(Event::Poll),
        2 => (0..40_usize).prop_map(Event::Leave),
        6 => (0..40_usize, outcome).prop_map(|(who, outcome)| Event::End(who, outcome)),
        1 => (1..12_usize).prop_map(Event::Reload),
    ]
}

struct Guest {
    waiting: Waiting,
    lane: usize,
    bell: Arc<Bell>,
}

/// What is so, as told by the events alone.
struct Model {
    site: Site,
    mode: Mode,
    operation: u32,
    places: usize,
    /// When patience is over, and whether it is.
    patience_ends: Option<Instant>,
    wall: Timestamp,
    since: Timestamp,
    drain: Drain,
    cut: bool,
    drain_ends: Instant,
    inside: Vec<(Admitted, usize)>,
    line: Vec<Guest>,
    /// Those who may not get in any more, though nobody told them yet.
    refused: Vec<Guest>,
}

impl Model {
    fn new() -> Model {
        let hold = HoldConfig { places: 8, ..HoldConfig::default() };
        let site = Site::new(hold, DrainConfig { deadline: ms(150), ..DrainConfig::default() });
        site.set(Mode::Open, 0);
        Model {
            site,
            mode: Mode::Open,
            operation: 0,
            places: 8,
            patience_ends: None,
            wall: wall(),
            since: wall(),
            drain: Drain::Drained,
            cut: false,
            drain_ends: hand(),
            inside: Vec::new(),
            line: Vec::new(),
            refused: Vec::new(),
        }
    }

    fn lane(&self, lane: usize) -> &Arc<Lane> {
        let site = &self.site;
        [&site.reads, &site.writes, &site.webhooks, &site.bypass][lane]
    }

    fn passes(&self, lane: usize) -> bool {
        self.lane(lane).passes(self.mode)
    }

    fn spent(&self) -> bool {
        self.mode == Mode::Hold && self.patience_ends.is_some_and(|ends| ends <= hand())
    }

    /// What must have happened by itself by now.
    fn catch_up(&mut self) {
        if self.spent() {
            self.refused.append(&mut self.line);
        }
        let run = self.inside.iter().filter(|(_, lane)| !self.passes(*lane)).count();
        if self.drain == Drain::Draining {
            if run == 0 {
                self.drain = Drain::Drained;
            } else if self.drain_ends <= hand() && !self.cut {
                match self.mode {
                    Mode::Open | Mode::ReadOnly | Mode::Hold => self.drain = Drain::Expired,
                    Mode::Closed | Mode::Detour => self.cut = true,
                }
            }
        }
    }

    fn set(&mut self, mode: Mode, again: Again, patience: u64) {
        if again == Again::New {
            self.operation += 1;
            self.since = self.wall;
        }
        let moved = again == Again::New || mode != self.mode;
        let patience = ms(patience);
        let posture = Posture {
            since: self.since,
            patience: Some(patience),
            ..Site::posture(mode, self.operation)
        };
        self.site.door.set(Some(posture), Arc::clone(&self.site.forms), self.wall);
        self.mode = mode;
        let waited = Duration::try_from(self.wall.duration_since(self.since)).unwrap();
        self.patience_ends = Some(hand() + patience.saturating_sub(waited));
        let line = std::mem::take(&mut self.line);
        let stays = |guest: &Guest| mode == Mode::Hold || self.lane(guest.lane).passes(mode);
        let (stay, go) = line.into_iter().partition(stays);
        self.line = stay;
        let go: Vec<Guest> = go;
        self.refused.extend(go);
        if moved {
            (self.drain, self.cut, self.drain_ends) = (Drain::Draining, false, hand() + ms(150));
        }
        if mode == Mode::Hold && !self.spent() {
            // Those who were called wait again.
            for guest in &mut self.line {
                assert!(guest.bell.listen(&mut guest.waiting).is_pending());
                guest.bell.0.store(0, Ordering::SeqCst);
            }
        }
    }

    fn come(&mut self, lane: usize) {
        let never_waits = self.lane(lane).passes(Mode::Hold);
        let verdict = self.site.come(self.lane(lane));
        match verdict {
            Verdict::Pass(admitted) => {
                assert!(self.passes(lane), "lane {lane} in {}", self.mode);
                assert!(never_waits || self.line.is_empty(), "nobody overtakes");
                self.inside.push((admitted, lane));
            }
            Verdict::Wait(mut waiting) => {
                assert!(!never_waits && !self.spent() && self.line.len() < self.places);
                assert!(self.mode == Mode::Hold || self.passes(lane) && !self.line.is_empty());
                let bell = Arc::new(Bell::default());
                match bell.listen(&mut waiting) {
                    Poll::Pending => self.line.push(Guest { waiting, lane, bell }),
                    Poll::Ready(Ok(admitted)) => {
                        assert!(
                            self.mode != Mode::Hold
                                && self.line.iter().all(|guest| guest.bell.rung())
                        );
                        self.inside.push((admitted, lane));
                    }
                    Poll::Ready(Err(refused)) => panic!("{refused:?}"),
                }
            }
            Verdict::Refuse(refused) => match refused.why {
                Why::Mode => assert!(!self.passes(lane) && self.mode != Mode::Hold),
                Why::Spent => assert!(self.spent()),
                Why::Crowded => assert!(self.line.len() >= self.places),
                Why::Unknown | Why::NotYet | Why::TimedOut | Why::Closing => {
                    panic!("{refused:?}")
                }
            },
        }
    }

    fn poll(&mut self, who: usize) {
        if who >= self.line.len() {
            if let Some(mut guest) = self.refused.pop() {
                assert!(matches!(poll(&mut guest.waiting), Poll::Ready(Err(_))), "never passes");
            }
            return;
        }
        let called = self.line[who].bell.rung();
        let waiting = &mut self.line[who].waiting;
        match poll(waiting) {
            Poll::Ready(Ok(admitted)) => {
                let guest = self.line.remove(who);
                assert!(called && self.passes(guest.lane) && self.mode != Mode::Hold);
                self.inside.push((admitted, guest.lane));
            }
            Poll::Ready(Err(refused)) => panic!("{refused:?}"),
            Poll::Pending => {
                let guest = &mut self.line[who];
                assert!(!called, "who is called may go");
                assert!(guest.bell.listen(&mut guest.waiting).is_pending());
            }
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Come(lane) => self.come(lane),
            Event::Set(mode, again, patience) => self.set(mode, again, patience),
            Event::Advance(by) => {
                advance(ms(by));
                self.wall += ms(by);
            }
            Event::Poll(who) => self.poll(who),
            Event::Leave(who) if who < self.line.len() => drop(self.line.remove(who)),
            Event::Leave(_) => drop(self.refused.pop()),
            Event::End(who, outcome) if who < self.inside.len() => {
                let (admitted, _) = self.inside.remove(who);
                admitted.answered(outcome);
            }
            Event::End(..) => {}
            Event::Reload(places) => {
                self.places = places;
                let hold = HoldConfig { places, ..HoldConfig::default() };
                let drain = DrainConfig { deadline: ms(150), ..DrainConfig::default() };
                self.site.door.reload(hold, drain);
            }
        }
        self.catch_up();
        self.agrees();
    }

    fn agrees(&self) {
        let report = self.site.report();
        let run = self.inside.iter().filter(|(_, lane)| !self.passes(*lane)).count();
        assert_eq!(report.in_flight, run as u64);
        assert_eq!(report.waiting, self.line.len() as u64);
        assert_eq!(report.drain, self.drain, "{} with {run}", self.mode);
        assert_eq!(report.hold_spent, self.spent());
        let exempt: u64 = report.exempt.iter().map(|(_, running)| running).sum();
        assert_eq!(exempt, (self.inside.len() - run) as u64);
        let called = self.line.iter().take_while(|guest| guest.bell.rung()).count();
        let all = self.line.iter().filter(|guest| guest.bell.rung()).count();
        assert_eq!(called, all, "called in order");
        assert!(self.mode != Mode::Hold || all == 0);
        assert!(self.refused.iter().all(|guest| guest.bell.rung()));
    }

    /// Whatever was: once it is open for good, all who wait get in and the line is gone.
    fn end(mut self) {
        self.set(Mode::Open, Again::New, 0);
        self.catch_up();
        for _ in 0..1_000 {
            self.inside.clear();
            advance(ms(2_000));
            self.site.report();
            if self.line.is_empty() {
                break;
            }
            if self.line[0].bell.rung() {
                self.poll(0);
            }
        }
        assert!(self.line.is_empty());
        drop(self.site.pass(&self.site.writes));
        assert_eq!(self.site.drain(), Drain::Drained);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn whatever_happens_the_door_does_what_the_model_says(
        events in prop::collection::vec(event(), 0..120),
    ) {
        let mut model = Model::new();
        for event in events {
            model.step(event);
        }
        model.end();
    }
}
