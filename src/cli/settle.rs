//! The end of a move: who keeps an old answer for longer is named before, the wait for settled or quiet counts down, and what
//! resolvers say after it is told beside the proof.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::args::{FlipArgs, Wait};
use super::context::{Context, Opened};
use super::error::Error;
use super::flip::interrupted;
use super::report::Waiting;
use crate::agent::{self, Done, Proof, Sight, look};
use crate::clock;
use crate::config::{MOST_RESOLVERS, SettleConfig};
use crate::dns::settle::{Heard, Question, Sample, sample, stretches};
use crate::files;
use crate::lever::Progress as _;
use crate::switch::{LeverName, Mode, Seen};

/// How often it is looked whether it is so.
const POLL: Duration = Duration::from_millis(500);
const DNS_PORT: u16 = 53;
/// Where a machine has its resolvers, and how many of them its own programs ask (resolv.conf(5)).
const RESOLV_CONF: &str = "/etc/resolv.conf";
const ASKED: usize = 3;
const LARGEST: usize = 1 << 16;
/// The resolvers of a folder without a roadworks.hcl, instead of this machine's.
const VARIABLE: &str = "ROADWORKS_RESOLVERS";

/// The resolvers that are sampled: those of the configuration, else of the environment, else of this machine.
pub(super) fn resolvers(config: &SettleConfig) -> Vec<SocketAddr> {
    if let Some(configured) = &config.resolvers {
        return configured.clone();
    }
    if let Ok(named) = std::env::var(VARIABLE) {
        return named.split([',', ' ']).filter_map(address).take(MOST_RESOLVERS).collect();
    }
    let own = files::read_up_to(RESOLV_CONF.as_ref(), LARGEST).ok().flatten().unwrap_or_default();
    own_resolvers(&String::from_utf8_lossy(&own))
}

fn own_resolvers(text: &str) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    servers.filter_map(address).take(ASKED).collect()
}

fn address(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    let alone = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DNS_PORT));
    text.parse().ok().or_else(alone)
}

/// What resolvers can be asked about a move to `to`.
pub(super) fn questions(opened: &Opened, sight: &Sight, to: Mode) -> Vec<Question> {
    let steps = sight.plan(&opened.site, to).steps;
    steps.iter().filter(|step| step.lever == LeverName::Dns).filter_map(Question::of).collect()
}

/// Warns of the resolvers that keep an answer for longer than the name servers say: whoever asks them follows late. Bounded
/// in time, and a silent one is no finding.
pub(super) async fn before(opened: &mut Opened, sight: &Sight, to: Mode) {
    let questions = questions(opened, sight, to);
    let samples = sample(&opened.resolvers, &questions).await;
    let levers = opened.site.levers.iter().zip(&sight.levers);
    let given: Vec<_> = levers.flat_map(|(lever, seen)| lever.given(seen)).collect();
    let allowed = |target: &str| {
        let given = given.iter().find(|given| given.target == target);
        given.map(|given| given.ttl)
    };
    for (resolver, ttl, allowed) in stretches(&samples, allowed) {
        opened.site.warnings.push(format!(
            "resolver {resolver} stretches TTLs to {ttl} s, where the name servers say {allowed} s: who asks it follows later than `settled` says"
        ));
    }
}

/// Waits as far as was asked, and then samples the resolvers. What is proven does not depend on them.
pub(super) async fn wait(
    context: &Context,
    opened: &Opened,
    done: &mut Done,
    questions: &[Question],
    args: &FlipArgs,
) -> Result<Vec<Sample>, Error> {
    let goal = match args.wait {
        Some(Wait::Settled) => Seen::Settled,
        Some(Wait::Quiet) => Seen::Quiet,
        Some(Wait::None | Wait::Moved) | None => return Ok(Vec::new()),
    };
    let waiting = Waiting::new(context.report);
    let wait = until(context, opened, done, goal, &waiting);
    let ended = tokio::select! {
        ended = tokio::time::timeout(args.timeout, wait) => ended.unwrap_or_else(|_| {
            Err(agent::Error::GaveUp { what: goal.word(), waited: args.timeout, still: None }.into())
        }),
        signal = interrupted() => Err(Error::Interrupted { signal }),
    };
    waiting.ended();
    ended?;
    let samples = sample(&opened.resolvers, questions).await;
    for Sample { resolver, target, answer, ttl } in &samples {
        if *answer == Heard::Old {
            let ttl = ttl.map(|ttl| format!(" for {ttl} s more")).unwrap_or_default();
            done.warnings.push(format!(
                "resolver {resolver} still gives the old answer of {target}{ttl}, though every TTL has expired: it serves expired answers, or stretches TTLs"
            ));
        }
    }
    Ok(samples)
}

/// Looks until the last move has come as far as `goal`, telling how long it still takes.
async fn until(
    context: &Context,
    opened: &Opened,
    done: &mut Done,
    goal: Seen,
    waiting: &Waiting,
) -> Result<(), Error> {
    let began = clock::monotonic();
    let mut told = None;
    loop {
        let now = clock::now();
        let proof = done.sight.proof(&opened.site, now);
        if proof.seen >= goal {
            return Ok(());
        }
        let (due, what) = next(&proof);
        if due.is_some() && told != due {
            told = due;
            context.report.words(&format!("{what}{}", left(due, now)));
        }
        let waited = clock::monotonic().duration_since(began);
        waiting.waiting(LeverName::Dns, &format!("{what}{}", left(due, now)), waited);
        tokio::time::sleep(POLL).await;
        if goal == Seen::Quiet {
            done.sight = look(&opened.site).await?;
        }
    }
}

/// What comes next, and when.
fn next(proof: &Proof) -> (Option<Timestamp>, &'static str) {
    match proof.seen {
        Seen::Moving | Seen::Moved => (proof.settled_at, "settled: old answers expire"),
        Seen::Settled | Seen::Quiet => {
            (proof.quiet_at, "quiet: nobody comes to the old target any more")
        }
    }
}

/// In how many whole seconds it is `due`, the last of which is not 0; nothing where nobody knows.
fn left(due: Option<Timestamp>, now: Timestamp) -> String {
    let Some(due) = due else { return String::new() };
    let left = due.duration_since(now).max(SignedDuration::ZERO);
    let seconds = i64::try_from(left.as_millis() + 999).unwrap_or(i64::MAX) / 1000;
    format!(", in {seconds} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_name_servers_of_a_machine_are_its_resolvers() {
        let text = "# ours\nsearch example.com\nnameserver 192.0.2.53\nnameserver\t2001:db8::53\nnameserver x\noptions ndots:2\n";
        let found: Vec<_> = own_resolvers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.53:53", "[2001:db8::53]:53"]);
    }
}
