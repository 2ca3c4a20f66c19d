//! The end of a move: who keeps an old answer for longer is named before, the wait for settled or quiet counts down, and what
//! resolvers say after it is told beside the proof.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::args::{FlipArgs, Wait};
use super::context::{Context, Opened};
use super::error::Error;
use super::flip::interrupted;
use super::report::{Report, Waiting};
use crate::agent::{self, Done, Proof, Sight};
use crate::clock;
use crate::config::{MOST_RESOLVERS, SettleConfig};
use crate::dns::settle::{Heard, Question, Sample, sample, stretches};
use crate::files;
use crate::lever::Progress as _;
use crate::switch::{LeverName, Mode, Seen, Step};

/// How often it is looked whether it is so.
pub(super) const POLL: Duration = Duration::from_millis(500);
const DNS_PORT: u16 = 53;
/// Where a machine has its resolvers, and how many of them its own programs ask (resolv.conf(5)).
const RESOLV_CONF: &str = "/etc/resolv.conf";
const ASKED: usize = 3;
const LARGEST: usize = 1 << 16;
/// The resolvers of a folder without a roadworks.hcl, instead of this machine's.
const VARIABLE: &str = "ROADWORKS_RESOLVERS";

/// The resolvers that are sampled: those of the configuration, else of the environment, else of this machine.
pub(super) fn resolvers(config: &SettleConfig) -> Result<Vec<SocketAddr>, Error> {
    if let Some(configured) = &config.resolvers {
        return Ok(configured.clone());
    }
    if let Some(named) = std::env::var_os(VARIABLE) {
        return named_resolvers(&named.to_string_lossy());
    }
    let own = files::read_up_to(RESOLV_CONF.as_ref(), LARGEST).ok().flatten().unwrap_or_default();
    Ok(own_resolvers(&String::from_utf8_lossy(&own)))
}

/// Those of the variable. One that was passed over would be missed where it would have told.
fn named_resolvers(text: &str) -> Result<Vec<SocketAddr>, Error> {
    let wrong = |message| Error::Usage {
        message,
        hint: format!("for example: {VARIABLE}=192.0.2.53,[2001:db8::53]:5300"),
    };
    let named: Vec<_> = text.split([',', ' ']).filter(|one| !one.is_empty()).collect();
    if named.len() > MOST_RESOLVERS {
        return Err(wrong(format!(
            "{VARIABLE} names {}: more than {MOST_RESOLVERS} resolvers are no better a sample",
            named.len()
        )));
    }
    let known = named.iter().map(|one| {
        address(one).ok_or_else(|| {
            wrong(format!("{VARIABLE}: `{one}` is not the address of a name server"))
        })
    });
    known.collect()
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
    moves(opened, sight, to).iter().filter_map(Question::of).collect()
}

/// The same where the move has been made: what the way back would change is what it changed.
pub(super) fn questions_after(opened: &Opened, sight: &Sight) -> Vec<Question> {
    let back = if sight.desired() == Mode::Detour { Mode::Open } else { Mode::Detour };
    let turned = |step: Step| Step { before: step.after, after: step.before, ..step };
    moves(opened, sight, back).into_iter().filter_map(|step| Question::of(&turned(step))).collect()
}

fn moves(opened: &Opened, sight: &Sight, to: Mode) -> Vec<Step> {
    let steps = sight.plan(&opened.site, to).steps.into_iter();
    steps.filter(|step| step.lever == LeverName::Dns).collect()
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
    let wait = until(opened, done, goal, Countdown::new(context.report, opened, &waiting));
    let ended = tokio::select! {
        ended = tokio::time::timeout(args.timeout, wait) => ended.unwrap_or_else(|_| {
            Err(agent::Error::GaveUp { what: goal.word(), waited: args.timeout, still: None }.into())
        }),
        signal = interrupted() => Err(Error::Interrupted { signal }),
    };
    waiting.ended();
    ended?;
    let (samples, warnings) = sampled(opened, questions).await;
    done.warnings.extend(warnings);
    Ok(samples)
}

/// What the resolvers say now that every TTL has expired, and a warning of each that still gives the old answer.
pub(super) async fn sampled(opened: &Opened, questions: &[Question]) -> (Vec<Sample>, Vec<String>) {
    let samples = sample(&opened.resolvers, questions).await;
    let old = samples.iter().filter(|sample| sample.answer == Heard::Old);
    let warning = |Sample { resolver, target, ttl, .. }: &Sample| {
        let ttl = ttl.map(|ttl| format!(" for {ttl} s more")).unwrap_or_default();
        format!(
            "resolver {resolver} still gives the old answer of {target}{ttl}, though every TTL has expired: it serves expired answers, or stretches TTLs"
        )
    };
    let warnings = old.map(warning).collect();
    (samples, warnings)
}

/// Adds to the object of `status` what was heard and noticed after a wait.
pub(super) fn add(object: &mut Value, samples: &[Sample], warnings: &[String]) {
    let Some(fields) = object.as_object_mut() else { return };
    let known = fields.get_mut("warnings").and_then(Value::as_array_mut);
    if let Some(known) = known {
        known.extend(warnings.iter().map(|warning| json!(warning)));
    }
    if !samples.is_empty() {
        fields.insert("resolvers".to_owned(), json!(samples));
    }
}

/// Looks until the last move has come as far as `goal`, telling how long it still takes.
async fn until(
    opened: &Opened,
    done: &mut Done,
    goal: Seen,
    mut countdown: Countdown<'_>,
) -> Result<(), Error> {
    loop {
        let now = clock::now();
        let proof = done.sight.proof(&opened.site, now);
        if proof.seen >= goal {
            return Ok(());
        }
        countdown.tell(&proof, now);
        tokio::time::sleep(POLL).await;
        if goal == Seen::Quiet {
            done.sight.again(&opened.site).await?;
        }
    }
}

/// Tells what comes next and in how many seconds: a line once for each time that it is due, and the progress.
pub(super) struct Countdown<'a> {
    report: Report,
    waiting: &'a Waiting,
    lever: LeverName,
    began: Instant,
    told: Option<Timestamp>,
}

impl Countdown<'_> {
    pub(super) fn new<'a>(report: Report, opened: &Opened, waiting: &'a Waiting) -> Countdown<'a> {
        let has = |name| opened.site.levers.iter().any(|lever| lever.name() == name);
        let known = [LeverName::Dns, LeverName::Balancer].into_iter().find(|name| has(*name));
        let lever = known.unwrap_or(LeverName::Gateway);
        Countdown { report, waiting, lever, began: clock::monotonic(), told: None }
    }

    pub(super) fn tell(&mut self, proof: &Proof, now: Timestamp) {
        let (due, what) = next(proof);
        if due.is_some() && self.told != due {
            self.told = due;
            self.report.words(&format!("{what}{}", left(due, now)));
        }
        self.tell_of(&format!("{what}{}", left(due, now)));
    }

    /// Tells that it is waited for something of which nobody knows when it comes.
    pub(super) fn tell_of(&self, what: &str) {
        let waited = clock::monotonic().duration_since(self.began);
        self.waiting.waiting(self.lever, what, waited);
    }
}

/// What comes next, and when.
fn next(proof: &Proof) -> (Option<Timestamp>, &'static str) {
    match proof.seen {
        Seen::Moving => (None, "moved: every lever's own system confirms"),
        Seen::Moved => (proof.settled_at, "settled: old answers expire"),
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

    #[test]
    fn a_resolver_of_the_variable_that_is_none_is_named_and_so_are_too_many() {
        let named = |text: &str| {
            named_resolvers(text)
                .map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
                .map_err(|error| error.to_string())
        };
        assert_eq!(named("192.0.2.53, ::1,"), Ok("192.0.2.53:53 [::1]:53".to_owned()));
        assert_eq!(named(""), Ok(String::new()));
        let wrong = named("192.0.2.53,ns.example.test").unwrap_err();
        assert!(wrong.contains("ROADWORKS_RESOLVERS: `ns.example.test` is not"), "{wrong}");
        let many = vec!["192.0.2.53"; MOST_RESOLVERS + 1].join(",");
        assert!(named(&many).unwrap_err().contains("names 17"));
    }
}
