//! Many gateways on one bucket, killed and started again at random while the switch moves and visitors come; the store away for a
//! while in the middle. No visitor meets a mode that nobody asked for, and all gateways agree in the end.

use std::env;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use roadworks::clock;
use roadworks::tasks::Tasks;
use tokio::time::Instant;

use crate::support::app::App;
use crate::support::bucket;
use crate::support::emulator::ministack;
use crate::support::relay::Relay;
use crate::support::serving::{Serving, Stand, config, visit};

const MODES: [(&str, &str); 3] =
    [("close", "closed"), ("open", "open"), ("read-only", "read-only")];

/// By day few and short; `ROADWORKS_FLEET=20` is the night's: that many for a minute.
struct Size {
    gateways: usize,
    moves: usize,
    away: Duration,
    /// How soon each gateway gives what was asked for. By day other tests want the machine too.
    agreed: Duration,
}

fn size() -> Size {
    match env::var("ROADWORKS_FLEET").ok().map(|text| text.parse().unwrap()) {
        Some(gateways) => Size {
            gateways,
            moves: 30,
            away: Duration::from_secs(20),
            agreed: Duration::from_secs(3),
        },
        None => Size {
            gateways: 4,
            moves: 6,
            away: Duration::from_secs(3),
            agreed: Duration::from_secs(10),
        },
    }
}

/// What was asked for, and since when it counted.
type Asked = Mutex<Vec<(Instant, &'static str)>>;

/// The modes that a visitor may meet who came and was answered in this time, where a move takes as long as `agreed`.
fn allowed(
    asked: &[(Instant, &'static str)],
    during: &Range<Instant>,
    agreed: Duration,
) -> Vec<&'static str> {
    let ended = |index: usize| asked.get(index + 1).map(|(at, _)| *at + agreed);
    let counts = |index: usize, at: Instant| {
        at <= during.end && ended(index).is_none_or(|ended| ended >= during.start)
    };
    let all = asked.iter().enumerate();
    all.filter(|(index, (at, _))| counts(*index, *at)).map(|(_, (_, mode))| *mode).collect()
}

/// Whether `mode` answers a visitor who reads, or writes, with this status.
fn answers(mode: &str, method: &str, status: u16) -> bool {
    let passes = mode == "open" || mode == "read-only" && method == "GET";
    status == if passes { 200 } else { 503 }
}

/// Whether the gateway gives `mode`.
fn gives(address: SocketAddr, mode: &str) -> bool {
    let given = |method| {
        let answer = visit(address, method, "/");
        answer.is_ok_and(|(status, _)| answers(mode, method, status))
    };
    given("GET") && given("POST")
}

/// Visits all gateways in turn until told to stop; how often each answered.
fn visits(
    addresses: &Mutex<Vec<SocketAddr>>,
    asked: &Asked,
    agreed: Duration,
    over: &AtomicBool,
) -> usize {
    let mut answered = 0;
    while !over.load(Ordering::Relaxed) {
        let now = addresses.lock().unwrap().clone();
        for (address, method) in
            now.iter().flat_map(|address| [(*address, "GET"), (*address, "POST")])
        {
            let began = clock::monotonic();
            // One that was just killed answers nobody.
            let Ok((status, answer)) = visit(address, method, "/") else { continue };
            answered += 1;
            let during = began..clock::monotonic();
            let allowed = allowed(&asked.lock().unwrap(), &during, agreed);
            assert!(
                allowed.iter().any(|mode| answers(mode, method, status)),
                "where {allowed:?} was asked for, {method} got {answer}"
            );
        }
        thread::sleep(Duration::from_millis(5));
    }
    answered
}

#[test]
fn no_visitor_of_a_fleet_meets_a_mode_that_nobody_asked_for_and_all_agree_in_the_end() {
    let Size { gateways, moves, away, agreed } = size();
    let (app, way) = (App::start(), Relay::to(&ministack()));
    let name = bucket::made(&ministack());
    let store = format!(
        "store {{\n  url = \"s3://{name}/state\"\n  endpoint = \"{}\"\n  region = \"us-east-1\"\n}}",
        way.endpoint
    );
    let settings = format!("{store}\n{}", config(&app.url(), ""));
    let stands: Vec<_> = (0..gateways).map(|_| Stand::new(&settings)).collect();
    // Two of them could lead.
    let serve = |index: usize| {
        let role: &[&str] = if index < 2 { &[] } else { &["--role", "gateway"] };
        let stand: &Stand = &stands[index];
        stand.serve_by(&mut stand.command(&[&["serve"], role].concat()))
    };
    let mut serving: Vec<Serving> = (0..gateways).map(serve).collect();
    let addresses = Arc::new(Mutex::new(serving.iter().map(Serving::address).collect::<Vec<_>>()));
    let asked: Arc<Asked> = Arc::new(Mutex::new(vec![(clock::monotonic(), "open")]));
    let over = Arc::<AtomicBool>::default();
    let (seen, log, end) = (Arc::clone(&addresses), Arc::clone(&asked), Arc::clone(&over));
    let visitors =
        Tasks::new().start_thread("visits", move || visits(&seen, &log, agreed, &end)).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let mut again = |serving: &mut Vec<Serving>| {
        let index = random.usize(..gateways);
        serving[index].signal("KILL");
        serving[index].ended();
        serving[index] = serve(index);
        addresses.lock().unwrap()[index] = serving[index].address();
    };
    for number in 0..moves {
        let (verb, mode) = MODES[number % MODES.len()];
        let began = clock::monotonic();
        asked.lock().unwrap().push((began, mode));
        let ran = stands[0].run(&["--json", verb, "--yes"]);
        assert!(matches!(ran.code, Some(0 | 5)), "{ran:#?}");
        let now = addresses.lock().unwrap().clone();
        while !now.iter().all(|address| gives(*address, mode)) {
            let waited = clock::monotonic().duration_since(began);
            assert!(waited < agreed, "not all give {mode} after {waited:?}");
        }
        again(&mut serving);
        if number == moves / 2 {
            way.cut();
            // The copy on its disk is all that it has.
            again(&mut serving);
            thread::sleep(away);
            let now = addresses.lock().unwrap().clone();
            assert!(now.iter().all(|address| gives(*address, mode)), "the mode stays as it is");
            way.mend();
            // They ask a bucket that was away less often.
            thread::sleep(Duration::from_secs(6));
        }
    }
    over.store(true, Ordering::Relaxed);
    let answered = visitors.join().expect("every visitor met a mode that was asked for");
    assert!(answered > 10 * gateways, "{answered} visits prove little");
}
