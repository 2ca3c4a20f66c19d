//! Every mode move under about 1,000 requests a second: no answer of neither mode, none lost, none executed twice, and the
//! app's count is that of the answered passes. By day for a few seconds; `ROADWORKS_TRAFFIC=600` (seconds) by night.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::ledger::{Heard, Ledger, Visitor, metric};
use super::{posture, settings, site_of, start};
use crate::switch::Mode;
use crate::tasks::Tasks;

const VISITORS: usize = 50;
/// Between the requests of one visitor: a thousand a second of them all.
const PACE: Duration = Duration::from_millis(50);
/// How long a mode lasts.
const LASTS: Duration = Duration::from_millis(100);
/// Not a mode: the visitors are to go home.
const OVER: usize = usize::MAX;

/// From each mode to each other, and back to open.
fn tour() -> Vec<Mode> {
    let pairs = Mode::LADDER.into_iter().flat_map(|from| Mode::LADDER.map(|to| [from, to]));
    pairs.filter(|[from, to]| from != to).flatten().chain([Mode::Open]).collect()
}

/// What the visitors and whoever moves the switch share.
struct Works {
    modes: Vec<Mode>,
    /// Which of `modes` is so, or [`OVER`].
    at: AtomicUsize,
}

/// What one visitor saw.
#[derive(Default)]
struct Seen {
    passed: Vec<String>,
    refused: usize,
}

impl Works {
    /// Asks at the pace, and catches up where it had to wait.
    async fn visits(self: Arc<Self>, at: SocketAddr, number: usize) -> Seen {
        let (mut every, mut seen) = (tokio::time::interval(PACE), Seen::default());
        let mut visitor = Visitor::to(at).await;
        for visit in 0.. {
            every.tick().await;
            let before = self.at.load(SeqCst);
            if before == OVER {
                break;
            }
            let method = if (number + visit).is_multiple_of(2) { "GET" } else { "POST" };
            let path = format!("/{number}/{visit}");
            visitor.ask(method, &path).await;
            let heard = visitor.hears().await;
            let between = &self.modes[before..=self.at.load(SeqCst).min(self.modes.len() - 1)];
            assert!(
                between.iter().any(|mode| is_of(*mode, method, &heard)),
                "{method}: {heard:?} of none of {between:?}"
            );
            if heard.status == 200 {
                assert_eq!(heard.body, format!("{method} {path}"), "another's answer");
                seen.passed.push(heard.body.clone());
            } else {
                seen.refused += 1;
            }
            if heard.closes() {
                visitor = Visitor::to(at).await;
            }
        }
        seen
    }
}

/// Whether a mode gives this answer.
fn is_of(mode: Mode, method: &str, heard: &Heard) -> bool {
    let passes = match mode {
        Mode::Open => true,
        Mode::ReadOnly => method == "GET",
        Mode::Hold | Mode::Closed | Mode::Detour => false,
    };
    match heard.status {
        200 => passes,
        503 => !passes && mode != Mode::Hold && heard.header("roadworks-mode") == Some(mode.word()),
        _ => false,
    }
}

#[tokio::test]
async fn every_mode_move_under_a_thousand_requests_a_second_loses_nothing_and_repeats_nothing() {
    let tour = tour();
    let once = LASTS * u32::try_from(tour.len()).unwrap();
    let seconds = std::env::var("ROADWORKS_TRAFFIC").map_or(4, |text| text.parse().unwrap());
    let rounds = Duration::from_secs(seconds).as_millis().div_ceil(once.as_millis());
    let rounds = u64::try_from(rounds).unwrap();
    let modes: Vec<_> = (0..rounds).flat_map(|_| tour.clone()).collect();
    let ledger = Ledger::open(Duration::ZERO).await;
    let gateway = start(settings(vec![site_of(ledger.address)]));
    gateway.set("shop", posture(modes[0]));
    let works = Arc::new(Works { modes, at: AtomicUsize::new(0) });
    let (tasks, at) = (Tasks::new(), gateway.addresses()[0]);
    let visitors: Vec<_> =
        (0..VISITORS).map(|number| tasks.start(Arc::clone(&works).visits(at, number))).collect();
    for (index, mode) in works.modes.iter().enumerate() {
        // On the visitors' own thread: they never see one without the other.
        works.at.store(index, SeqCst);
        gateway.set("shop", posture(*mode));
        tokio::time::sleep(LASTS).await;
    }
    let mut seen = Seen::default();
    works.at.store(OVER, SeqCst);
    for visitor in visitors {
        let theirs = visitor.await.expect("a visitor who lost nothing");
        seen.passed.extend(theirs.passed);
        seen.refused += theirs.refused;
    }
    let (asked, passed) = (ledger.asked(), seen.passed.len());
    assert_eq!(asked.len(), passed, "at the app, and answered");
    let asked: BTreeSet<_> = asked.into_iter().collect();
    assert_eq!((asked.len(), asked), (passed, seen.passed.into_iter().collect()), "once each");
    let decided = |word: &str| {
        metric(&gateway, &format!("roadworks_requests_total{{site=\"shop\",decision=\"{word}\"}}"))
    };
    assert_eq!(decided("passed") + decided("released"), passed as u64);
    assert_eq!(decided("refused"), seen.refused as u64);
    assert!(decided("released") > rounds, "some waited");
    let least = usize::try_from(rounds).unwrap() * tour.len() * 20;
    assert!(passed + seen.refused > least, "{passed} and {} of {least}", seen.refused);
}
