//! What a fleet asks of its bucket while nothing happens, and from one throw of the switch until everybody has confirmed.
//!
//! `ROADWORKS_FLEETS=100,1000` measures fleets of these sizes, and prints a line for each.

use std::fmt;
use std::time::Duration;

use roadworks::agent::Depth;
use roadworks::clock;
use roadworks::switch::Mode;

use super::nodes::{Machine, Wish};
use super::world::Traffic;
use super::{Course, Size, staged};

/// While nothing happens, it is watched for so many seconds.
const IDLE: u32 = 60;
/// How much more a gateway may ask in a fleet that is larger.
const PROPORTION: f64 = 1.15;

struct Load {
    gateways: u32,
    /// In [`IDLE`] seconds.
    idle: Traffic,
    moved: Traffic,
    took: Duration,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (idle, moved) = (self.a_second(), &self.moved);
        write!(
            f,
            "| {} | {:.0} | {:.1} | {:.2} s | {} | {:.0} |",
            self.gateways,
            idle.0,
            idle.1 / 1024.0,
            self.took.as_secs_f64(),
            moved.requests,
            f64::from(moved.bytes) / 1024.0
        )
    }
}

impl Load {
    /// Requests and bytes a second, while nothing happens.
    fn a_second(&self) -> (f64, f64) {
        let per = |count: u32| f64::from(count) / f64::from(IDLE);
        (per(self.idle.requests), per(self.idle.bytes))
    }

    /// How many times as much as in `other` one of its gateways asks, of whatever that is most for.
    fn beside(&self, other: &Load) -> f64 {
        let each = |load: &Load| {
            let Traffic { requests, bytes } = load.moved;
            let counts = [load.idle.requests, load.idle.bytes, requests, bytes];
            counts.map(|count| f64::from(count) / f64::from(load.gateways))
        };
        let pairs = each(self).into_iter().zip(each(other));
        pairs.map(|(ours, theirs)| ours / theirs).fold(0.0, f64::max)
    }
}

impl Course {
    async fn measured(&mut self) -> Load {
        let ground = self.ground.clone();
        let traffic = || std::mem::take(&mut ground.world.inner().traffic);
        ground.world.inner().storm = None;
        for machine in &mut self.machines {
            machine.start(&ground);
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        traffic();
        tokio::time::sleep(Duration::from_secs(IDLE.into())).await;
        let idle = traffic();
        let (to, began) = (Mode::Closed, clock::monotonic());
        let wish = Wish::Move { to, end: None, overrides: false, depth: Depth::Moved };
        self.operators[0].command(&ground, wish);
        while self.operators.iter().any(Machine::runs) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let took = clock::monotonic().duration_since(began);
        let load =
            Load { gateways: self.gateways.try_into().unwrap(), idle, moved: traffic(), took };
        assert_eq!(ground.world.differs(), Ok(()));
        load
    }
}

fn load(gateways: usize) -> Load {
    let size = Size { gateways, agents: 2, operators: 1, steps: 0 };
    staged(1, Some(size), None, async |course, _| course.measured().await).0
}

#[test]
#[expect(clippy::print_stdout, reason = "docs/performance.md quotes what it prints")]
fn what_a_fleet_asks_of_its_bucket_grows_no_faster_than_the_fleet() {
    let sizes = std::env::var("ROADWORKS_FLEETS").unwrap_or_else(|_| "50,100,200".to_owned());
    let loads: Vec<_> = sizes.split(',').map(|size| load(size.parse().unwrap())).collect();
    for each in &loads {
        println!("{each}");
    }
    for pair in loads.windows(2) {
        let [small, large] = pair else { continue };
        let more = large.beside(small);
        assert!(more < PROPORTION, "{more:.2} times as much for each of {}", large.gateways);
    }
}
