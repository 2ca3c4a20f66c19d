//! Lever: a load balancer's listeners. Where no gateway stands, a rule on every listener of the site answers its visitors,
//! before every rule that forwards for them.
//!
//! Never touches a rule that does not carry its tag, but to give it another number where `--renumber` says so. Elastic Load
//! Balancing knows no conditional write: rules are read right before a change and right after, and what is read decides.

mod acts;
mod calls;
mod commands;
mod front;
mod hosts;
mod moving;
mod outlook;
mod rights;
mod room;
mod rule;
mod terraform;
mod told;
mod wanted;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use calls::{Calls, Listener};
use moving::{Aim, Changed, Theirs};
use outlook::{NOT_OURS, Outlook, is_bare, outlook};
use rule::{Role, Rule};
use wanted::{Answer as Answers, Wants, secret_of};

use crate::aws::Session;
use crate::config::{BalancerConfig, Listeners};
use crate::lever::{Answer, Error, Lever, Observation, Part, Position, Progress, Refusal, Started};
use crate::net::tls;
use crate::switch::{LeverName, Mode, OperationId, Step};

pub use commands::Commands;
pub use front::Front;
pub use rights::rights;
pub use room::Renumber;
pub use wanted::HEADER;
use wanted::STATUS;

/// A fixed response has at most so many bytes (ELB API reference, `FixedResponseActionConfig`).
const LARGEST_PAGE: usize = 1_024;
/// How long the nodes of a load balancer may differ after a rule is written. AWS names no number; this one is an estimate.
const SPREADS_WITHIN: Duration = Duration::from_secs(10);
/// How much of a page's SHA-256 tells it from another.
const DIGEST_BYTES: usize = 6;
/// Of how many random bytes a bypass is made: a condition's value has at most 128 characters.
const SECRET_BYTES: usize = 20;
/// The rule that a listener without room breaks, and where a step says why nothing can be made of it.
const NO_ROOM: &str = "no-room";
/// The rule that opening breaks where a run of Terraform closed the site meanwhile.
const BY_TERRAFORM: &str = "closed-by-terraform";
/// Stands for the bypass of a site that is open, and so has none.
const NO_SECRET: &str = "-";
const ANSWERS: &str = "a load balancer cannot send Retry-After: nobody is told when to come back";

/// The listeners of one site.
#[derive(Debug)]
pub struct Alb {
    calls: Calls,
    listeners: Listeners,
    wants: Wants,
    renumber: Renumber,
}

/// How a tester passes a closed listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bypass {
    /// What [`HEADER`] has to say.
    pub value: String,
    /// The networks from which nothing has to be said.
    pub from: Vec<String>,
}

impl Alb {
    /// The lever for `site`, which has these hosts, and answers its visitors with `page`.
    pub fn new(
        session: Session,
        config: &BalancerConfig,
        (site, hosts): (&str, &[String]),
        page: String,
    ) -> Alb {
        let digest = digest(page.as_bytes());
        let wants = Wants {
            site: site.to_owned(),
            hosts: hosts.to_vec(),
            others: Vec::new(),
            answer: Answers::page(page, digest),
            from: config.from.iter().map(ToString::to_string).collect(),
            declared: BTreeSet::new(),
            theirs: None,
        };
        let listeners = config.listeners.clone();
        Alb { calls: Calls::new(session), listeners, wants, renumber: Renumber::No }
    }

    /// The same, and rules of others may give way to ours.
    pub fn renumbering(self, renumber: Renumber) -> Alb {
        Alb { renumber, ..self }
    }

    /// How testers pass, if the site is closed. Cancel safe.
    pub async fn bypass(&self) -> Result<Option<Bypass>, Error> {
        let read = self.read().await?;
        let from = self.wants.from.clone();
        Ok(secret_among(&read).map(|value| Bypass { value, from }))
    }

    async fn found(&self) -> Result<Vec<Listener>, Error> {
        match &self.listeners {
            Listeners::Named(arns) => self.calls.listeners(arns).await,
            Listeners::Of(balancer) => self.calls.listeners_of(balancer).await,
        }
    }

    async fn read(&self) -> Result<Vec<(Listener, Vec<Rule>)>, Error> {
        let mut read = Vec::new();
        for listener in self.found().await? {
            let rules = self.calls.rules(&listener.arn, &self.wants).await?;
            read.push((listener, rules));
        }
        Ok(read)
    }

    fn observation(&self, read: &[(Listener, Vec<Rule>)]) -> Observation {
        let secret = secret_among(read);
        let secret = secret.as_deref().unwrap_or(NO_SECRET);
        let mut parts = Vec::with_capacity(read.len());
        let (mut warnings, mut closed, mut places) = (Vec::new(), 0, Vec::new());
        for (listener, rules) in read {
            let seen = outlook(listener, rules, &self.wants, (secret, self.renumber));
            warnings.extend(seen.warnings.iter().cloned());
            closed += usize::from(seen.closed);
            places.push(format!("{} {}", listener.name, at(&seen)));
            let value = serde_json::to_value(&seen).unwrap_or_default();
            parts.push(Part { target: listener.name.clone(), value });
        }
        let is_closed = closed == read.len();
        if !is_closed && self.wants.answer.status == STATUS {
            warnings.push(ANSWERS.to_owned());
        }
        let looked_up = match &self.listeners {
            Listeners::Of(name) => format!(", looked up by {name}"),
            Listeners::Named(_) => String::new(),
        };
        let detail = format!("{}{looked_up}", places.join(", "));
        // What visitors get is the loosest that some listener gives.
        let position = Position::At(if is_closed { Mode::Closed } else { Mode::Open });
        Observation { position, detail, parts, warnings }
    }

    fn fits(&self) -> Result<(), Error> {
        let bytes = self.wants.answer.body.len();
        if bytes <= LARGEST_PAGE {
            return Ok(());
        }
        Err(Error::Failed {
            code: "page-too-large",
            message: format!(
                "the page has {bytes} bytes, and a load balancer sends {LARGEST_PAGE} at most"
            ),
            hint: "shorten the message of the `page` block".to_owned(),
        })
    }

    fn step(&self, target: String, before: Value, after: Value) -> Step {
        Step { lever: self.name(), kind: self.kind().to_owned(), target, before, after }
    }

    async fn start_all(&self, steps: &[Step], operation: &OperationId) -> Result<Started, Error> {
        self.fits()?;
        let none = |why: &str| {
            let said = steps.iter().find_map(|step| step.after.get(why)?.as_str());
            said.map(ToOwned::to_owned)
        };
        if let Some(why) = none(NO_ROOM) {
            return Err(no_room(why));
        }
        if let Some(message) = none(NOT_OURS) {
            let hint = self.by_terraform_again();
            return Err(Error::Refused { code: BY_TERRAFORM, message, hint });
        }
        let read = self.read().await?;
        let known = secret_among(&read);
        let planned = known.as_deref().unwrap_or(NO_SECRET);
        let secret = match &known {
            Some(secret) => secret.clone(),
            None => new_secret()?,
        };
        let mut changed = Changed::No;
        for (listener, _) in &read {
            let own: Vec<_> = steps.iter().filter(|step| is_of(step, listener)).collect();
            let Some(last) = own.iter().find(|step| step.target == listener.name).or(own.last())
            else {
                continue;
            };
            let closes = last.target == listener.name && !is_bare(&last.after);
            let goes = own.iter().any(|step| step.target == theirs_of(&listener.name));
            let theirs = if goes { Theirs::Go } else { Theirs::Stay };
            let aim = if closes { Aim::Closed { secret: &secret } } else { Aim::Open { theirs } };
            let moved = async {
                match self.still(listener, &own, planned).await? {
                    Some(renumber) => {
                        self.pursue(listener, (aim, renumber), operation, &mut changed).await
                    }
                    None => Ok(()),
                }
            };
            moved.await.map_err(|error| after(changed, listener, error))?;
        }
        Ok(Started { changes: Vec::new(), steps: steps.to_vec() })
    }

    async fn read_back(&self, started: &Started) -> Result<Observation, Error> {
        let read = self.read().await?;
        for (listener, rules) in &read {
            let own = |step: &&Step| step.target == listener.name;
            let Some(step) = started.steps.iter().find(own) else { continue };
            let closed = room::is_closed(rules, &self.wants);
            let answers = rules.iter().any(|rule| rule.is(Role::Answer));
            if if is_bare(&step.after) { answers } else { !closed } {
                return Err(Error::Unknown {
                    message: format!("the rules of {} were written, and are not so any more: somebody else changed them", listener.name),
                    hint: "run `roadworks status` to see where it stands, then run the same command again".to_owned(),
                });
            }
        }
        Ok(self.observation(&read))
    }
}

/// A step is about a listener's rules of ours, about the places of others there, or about Terraform's own rule.
fn is_of(step: &Step, listener: &Listener) -> bool {
    let name = listener.name.as_str();
    [name.to_owned(), places_of(name), theirs_of(name)].contains(&step.target)
}

fn theirs_of(listener: &str) -> String {
    format!("{listener} terraform")
}

fn places_of(listener: &str) -> String {
    format!("{listener} priorities")
}

/// What lets testers pass now, if anything does.
fn secret_among(read: &[(Listener, Vec<Rule>)]) -> Option<String> {
    let mut rules = read.iter().flat_map(|(_, rules)| rules).filter(|rule| rule.is(Role::Testers));
    rules.find_map(secret_of)
}

/// Where a listener stands, for a person.
fn at(seen: &Outlook) -> String {
    let field = |value: &Value, name: &str| value.get(name).map(one_word).unwrap_or_default();
    let ours = (!is_bare(&seen.now))
        .then(|| format!("{} at {}", field(&seen.now, "status"), answering_at(seen)));
    let theirs = seen.theirs.as_ref().map(|(now, _)| {
        format!("closed by {} of Terraform's at {}", field(now, "address"), field(now, "rule"))
    });
    match (seen.closed, ours, theirs) {
        (false, _, _) => "open".to_owned(),
        (true, ours, theirs) => ours.into_iter().chain(theirs).collect::<Vec<_>>().join(" and "),
    }
}

fn one_word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// The first digits of a SHA-256.
fn digest(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).get(..DIGEST_BYTES).unwrap_or_default())
}

fn new_secret() -> Result<String, Error> {
    let mut bytes = [0; SECRET_BYTES];
    tls::provider().secure_random.fill(&mut bytes).map_err(|_| Error::Failed {
        code: "no-random-bytes",
        message: "this machine gives no random bytes for the testers' bypass".to_owned(),
        hint: "nothing was changed; try again".to_owned(),
    })?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// What went wrong once something was changed.
fn after(changed: Changed, listener: &Listener, error: Error) -> Error {
    if changed == Changed::No || !error.nothing_changed() {
        return error;
    }
    Error::Partly {
        message: format!("some rules are written, and then at {}: {error}", listener.name),
        hint: format!("{}; then run the same command again, or `roadworks open`", error.hint()),
    }
}

fn no_room(message: String) -> Error {
    Error::Refused { code: NO_ROOM, message, hint: MAKE_ROOM.to_owned() }
}

const MAKE_ROOM: &str = "give the rules that forward higher numbers, or add --renumber: they keep their order, and get their numbers back when the site opens";

fn answering_at(seen: &Outlook) -> String {
    let numbers = seen.now.get("priorities").and_then(Value::as_array);
    let numbers = numbers.into_iter().flatten().map(Value::to_string);
    numbers.collect::<Vec<_>>().join(", ")
}

fn seen_of(part: &Part) -> Option<Outlook> {
    serde_json::from_value(part.value.clone()).ok()
}

impl Lever for Alb {
    fn name(&self) -> LeverName {
        LeverName::Balancer
    }

    fn kind(&self) -> &'static str {
        "alb"
    }

    fn observe(&self) -> Answer<'_, Observation> {
        Box::pin(async {
            self.fits()?;
            Ok(self.observation(&self.read().await?))
        })
    }

    fn steps(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        let closes = to >= Mode::Closed;
        let mut steps = Vec::new();
        for part in &seen.parts {
            let Some(seen) = seen_of(part) else { continue };
            let places = |(before, after)| self.step(places_of(&part.target), before, after);
            let own = |after| self.step(part.target.clone(), seen.now.clone(), after);
            if closes {
                steps.extend(seen.way.map(places));
                if seen.now != seen.then && !seen.then.is_null() {
                    steps.push(own(seen.then.clone()));
                }
                // Set aside for a detour, which does not need it; nothing else closes the site.
                if let (Mode::Closed, Some(why)) = (to, &seen.no_room) {
                    steps.push(own(json!({ NO_ROOM: why })));
                }
            } else {
                if !seen.now.is_null() {
                    steps.push(own(Value::Null));
                }
                let theirs = |(before, after)| self.step(theirs_of(&part.target), before, after);
                steps.extend(seen.theirs.map(theirs));
                steps.extend(seen.back.map(places));
            }
        }
        steps
    }

    fn strays(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        let stray = |part: &Part| {
            let seen = seen_of(part)?;
            // A run of Terraform closed what is to be open.
            let theirs = seen.theirs.clone().filter(|_| to < Mode::Closed);
            let theirs = theirs.map(|(now, then)| self.step(theirs_of(&part.target), now, then));
            let ours = seen.stray(to);
            let ours = ours.map(|(now, then)| self.step(part.target.clone(), now, then));
            Some(ours.into_iter().chain(theirs))
        };
        seen.parts.iter().filter_map(stray).flatten().collect()
    }

    /// Reading is all the confirmation there is, and it was read.
    fn again(&self, _seen: &Observation, _to: Mode) -> Vec<Step> {
        Vec::new()
    }

    fn refusal(&self, seen: &Observation, to: Mode) -> Option<Refusal> {
        if to < Mode::Closed {
            return self.closed_by_terraform(seen);
        }
        let none = seen.parts.iter().filter_map(seen_of).filter_map(|seen| seen.no_room);
        let none: Vec<_> = none.collect();
        (!none.is_empty()).then(|| Refusal {
            rule: NO_ROOM,
            message: none.join("; "),
            hint: MAKE_ROOM.to_owned(),
        })
    }

    fn start<'a>(&'a self, steps: &'a [Step], operation: &'a OperationId) -> Answer<'a, Started> {
        Box::pin(self.start_all(steps, operation))
    }

    fn confirm<'a>(
        &'a self,
        started: &'a Started,
        _progress: &'a dyn Progress,
    ) -> Answer<'a, Observation> {
        Box::pin(self.read_back(started))
    }

    fn settles_after(&self, _before: Option<&Observation>) -> Duration {
        SPREADS_WITHIN
    }
}
