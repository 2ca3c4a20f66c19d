//! Route 53: one batch for all the records of the switch, DELETE of exactly what was read and CREATE of what is
//! wanted, which is a compare-and-swap. UPSERT never.
//!
//! Two values alternate, so a late change could match by accident: no change is ever sent again without reading
//! first, and what is read decides.

mod batch;
mod calls;
mod commands;
mod reading;
mod rights;
mod scratch;
mod told;
mod wire;
mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_route53::types::ChangeBatch;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use batch::{affirmed, changes, confirming, reversed, unbuildable};
use calls::Calls;
use commands::{command, quoted};
use reading::{Read, Stand, beside_both, moved_meanwhile, position, stand, stand_after, value_of};
use told::{outcome_unknown, told, unconfirmed, unread};
use wire::{name_of, shown};

use super::words::in_words;
use crate::aws::{Backoff, Error as AwsError, Session};
use crate::clock;
use crate::config::{RecordKey, RecordSet, SwitchedRecord};
use crate::lever::{
    Answer, Error, Given, Lever, Observation, Part, Position, Progress, Refusal, Started,
};
use crate::switch::{LeverName, Mode, OperationId, Step};

pub use rights::{rights, rights_to_look_up};
pub use scratch::exercise;
pub use zone::{Allowed, Zone};

const POLL: Duration = Duration::from_secs(1);
const LATELY: Duration = Duration::from_secs(2);
/// Up to so many names each name is asked for; beyond, the whole zone is read, which is fewer requests.
const NAMES_ASKED_SINGLY: usize = 4;
/// How often a change is tried before the lever gives up: throttling, an earlier change that is not complete.
const ATTEMPTS: u32 = 8;
/// How long resolvers may keep an alias's answer, and one that says that there is no such record where the zone's SOA
/// cannot be read (the one that Route 53 makes has a TTL of 900 s).
const ALIAS_TTL: u64 = 60;
const NEGATIVE_TTL: u64 = 900;

/// The records of one site in Route 53.
#[derive(Debug)]
pub struct Route53 {
    calls: Calls,
    session: Session,
    records: Vec<SwitchedRecord>,
    /// What a step calls each record. A name that stands in two zones (one public, one private) is told apart by them.
    targets: Vec<String>,
    /// The CNAMEs that were compared with their zone's name.
    apexes: Mutex<BTreeSet<RecordKey>>,
    /// What was read last, and when: a change made right after needs no second reading, since it only takes effect
    /// if that is still so.
    last: Mutex<Option<(Instant, Arc<Read>)>>,
    /// For how long resolvers may keep that a record is not there. Read once, and only where one is not.
    negative: OnceCell<u64>,
}

impl Route53 {
    /// The lever that moves `records` with the credentials of `session`.
    pub fn new(session: Session, records: Vec<SwitchedRecord>) -> Route53 {
        let (apexes, last) = (Mutex::default(), Mutex::default());
        let targets = told_apart(&records);
        let (calls, negative) = (Calls::new(session.clone()), OnceCell::new());
        Route53 { calls, session, records, targets, apexes, last, negative }
    }

    /// The commands of AWS's own command line that make `steps`, and those that undo them.
    pub async fn as_aws_cli(
        &self,
        steps: &[Step],
        profile: Option<&str>,
    ) -> Result<(Vec<String>, Vec<String>), Error> {
        let options =
            profile.map(|name| format!(" --profile {}", quoted(name))).unwrap_or_default();
        let read = self.read().await?;
        let (mut make, mut undo) = (Vec::new(), Vec::new());
        for (zone, records) in self.by_zone(steps) {
            let changes = changes(&read, &records)?;
            make.push(command(&zone, &changes, &options, "by hand, as planned by roadworks"));
            let back: Vec<_> = changes.iter().rev().map(reversed).collect::<Result<_, _>>()?;
            undo.push(command(&zone, &back, &options, "by hand, undoing what roadworks planned"));
        }
        Ok((make, undo))
    }

    async fn read(&self) -> Result<Read, Error> {
        let mut zones: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for SwitchedRecord { key, .. } in &self.records {
            zones.entry(&key.zone_id).or_default().insert(&key.name);
        }
        let mut sets = Vec::new();
        for (zone, names) in zones {
            let mut found = Vec::new();
            if names.len() <= NAMES_ASKED_SINGLY {
                for name in names {
                    found.extend(self.calls.sets_of(zone, name).await.map_err(unread)?);
                }
            } else {
                found = self.calls.all_sets(zone).await.map_err(unread)?;
                found.retain(|set| names.contains(name_of(&set.name).as_str()));
            }
            sets.extend(found.into_iter().map(|set| (zone.to_owned(), set)));
        }
        Ok(Read { sets })
    }

    /// Route 53 refuses a CNAME beside the SOA and NS of an apex: said before anything moves. Asked once.
    async fn no_cname_at_an_apex(&self) -> Result<(), Error> {
        for SwitchedRecord { key, address, .. } in &self.records {
            if key.kind != "CNAME"
                || !self.apexes.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone())
            {
                continue;
            }
            let zone = Zone::read(&self.session, &key.zone_id).await.map_err(unread)?;
            if zone.name == key.name {
                return Err(Error::Refused {
                    code: "cname-at-apex",
                    message: format!(
                        "{address} is a CNAME at the apex of {}, which DNS does not allow",
                        zone.name
                    ),
                    hint: "make it an alias record (type A), which Route 53 allows there"
                        .to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Learns for how long it is kept that a record is not there, if one is not before a move or after.
    async fn learn_negative_ttl(&self, read: &Read) {
        let comes_or_goes = |record: &&SwitchedRecord| {
            let sides = [record.live.as_ref(), record.maintenance.as_ref()];
            sides.contains(&None) || read.of(&record.key).is_none()
        };
        let zones = self.records.iter().filter(comes_or_goes).map(|record| &record.key.zone_id);
        let zones: BTreeSet<_> = zones.collect();
        if zones.is_empty() || self.negative.initialized() {
            return;
        }
        let mut longest = 0;
        for zone in zones {
            // It only bounds a wait: what cannot be read is no reason to move nothing.
            let kept = Zone::negative_ttl(&self.session, &self.calls, zone).await.ok().flatten();
            longest = longest.max(kept.map_or(NEGATIVE_TTL, u64::from));
        }
        self.negative.get_or_init(|| async { longest }).await;
    }

    fn negative_ttl(&self) -> u64 {
        self.negative.get().copied().unwrap_or(NEGATIVE_TTL)
    }

    /// What was observed a moment ago, once: a change that has to be tried again reads again.
    async fn read_lately(&self) -> Result<Arc<Read>, Error> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        match last {
            Some((at, read)) if clock::monotonic().duration_since(at) < LATELY => Ok(read),
            Some(_) | None => Ok(Arc::new(self.read().await?)),
        }
    }

    /// The steps with the records they are about, in one group for each hosted zone: a batch cannot span two.
    fn by_zone<'a>(
        &'a self,
        steps: &'a [Step],
    ) -> BTreeMap<String, Vec<(&'a SwitchedRecord, &'a Step)>> {
        let mut zones: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (record, target) in self.records.iter().zip(&self.targets) {
            if let Some(step) = steps.iter().find(|step| step.target == *target) {
                zones.entry(record.key.zone_id.clone()).or_default().push((record, step));
            }
        }
        zones
    }

    /// Sends one zone's batch and gives the id of the change.
    async fn change_zone(
        &self,
        zone: &str,
        records: &[(&SwitchedRecord, &Step)],
        comment: &str,
    ) -> Result<String, Error> {
        let mut backoff = Backoff::new(ATTEMPTS);
        let (mut lost, mut refused) = (None, None);
        loop {
            let read = match (self.read_lately().await, &lost) {
                (Ok(read), _) => read,
                (Err(error), None) => return Err(error),
                (Err(_), Some(lost)) => return Err(outcome_unknown(lost)),
            };
            let changes = match stand(&read, records) {
                Stand::Before => changes(&read, records)?,
                // Somebody, or our own request whose answer was lost, has been there already.
                Stand::After => changes(&read, &affirmed(records, &confirming(records)))?,
                Stand::Elsewhere => return Err(moved_meanwhile(&read, records)),
            };
            if changes.is_empty() {
                return Ok(String::new());
            }
            let batch = ChangeBatch::builder()
                .comment(comment)
                .set_changes(Some(changes))
                .build()
                .map_err(|error| unbuildable(&error))?;
            let error = match self.calls.change(zone, batch).await {
                Ok(change) => return Ok(change),
                Err(error) => error,
            };
            let wait = match (&error, backoff.next_wait()) {
                (AwsError::Throttled { .. }, Some(wait)) => wait,
                // What became of it is for the next reading to say, which should not come before the request.
                (AwsError::OutcomeUnknown { .. }, Some(wait)) => wait.max(POLL),
                (AwsError::OutcomeUnknown { .. }, None) => return Err(outcome_unknown(&error)),
                // Not what it was when we read it: reading again tells what it is now.
                (AwsError::Service { code, .. }, Some(wait))
                    if code == "InvalidChangeBatch" && refused.is_none() =>
                {
                    refused = Some(());
                    wait
                }
                _ => return Err(told(error)),
            };
            if error.may_have_happened() {
                lost = Some(error);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn start_zones(&self, steps: &[Step], operation: &OperationId) -> Result<Started, Error> {
        let comment = format!("roadworks {operation}");
        let mut changes = Vec::new();
        for (zone, records) in self.by_zone(steps) {
            match self.change_zone(&zone, &records, &comment).await {
                Ok(change) => changes.push(change),
                Err(error) if changes.is_empty() => return Err(error),
                Err(error) => {
                    return Err(Error::Partly {
                        message: format!(
                            "{} of the hosted zones moved, {zone} did not: {error}",
                            changes.len()
                        ),
                        hint: "run the same command again to move the rest, or `roadworks open` to move all of it back".to_owned(),
                    });
                }
            }
        }
        changes.retain(|change| !change.is_empty());
        Ok(Started { changes, steps: steps.to_vec() })
    }

    async fn wait_in_sync(
        &self,
        started: &Started,
        progress: &dyn Progress,
    ) -> Result<Observation, Error> {
        let began = clock::monotonic();
        let mut ticks = tokio::time::interval(POLL);
        for change in &started.changes {
            loop {
                ticks.tick().await;
                match self.calls.in_sync(change).await {
                    Ok(true) => break,
                    Ok(false) => {
                        let waited = clock::monotonic().duration_since(began);
                        progress.waiting(LeverName::Dns, "Route 53 to say INSYNC", waited);
                    }
                    // The change is made; only its confirmation is late. Whoever waits has a deadline.
                    Err(AwsError::Throttled { .. } | AwsError::OutcomeUnknown { .. }) => {}
                    Err(error) => return Err(unconfirmed(&error)),
                }
            }
        }
        let read = self.read().await?;
        for records in self.by_zone(&started.steps).values() {
            if stand_after(&read, records) == Stand::Elsewhere {
                return Err(moved_meanwhile(&read, records));
            }
        }
        Ok(self.observation(&read))
    }

    fn observation(&self, read: &Read) -> Observation {
        let mut parts = Vec::with_capacity(self.records.len());
        let mut stands = Vec::with_capacity(self.records.len());
        for (record, target) in self.records.iter().zip(&self.targets) {
            let value = value_of(read, &record.key);
            stands.push(position(record, &value));
            parts.push(Part { target: target.clone(), value });
        }
        let count = |position| stands.iter().filter(|stand| **stand == position).count();
        let (foreign, absent) = (count(Position::Foreign), count(Position::Absent));
        let (live, maintenance) = (count(Position::Live), count(Position::Maintenance));
        let position = if foreign > 0 {
            Position::Foreign
        } else if absent == stands.len() {
            Position::Absent
        } else if live > 0 || maintenance == 0 {
            Position::Live
        } else {
            Position::Maintenance
        };
        let detail = match parts.as_slice() {
            [only] => in_words(&only.value),
            _ => format!(
                "{} records: {live} live, {maintenance} maintenance, {foreign} foreign, {absent} absent",
                parts.len()
            ),
        };
        let mut warnings = self.left_behind(read);
        for (part, stand) in parts.iter().zip(&stands) {
            if *stand == Position::Absent {
                warnings.push(format!(
                    "{} does not exist yet in Route 53: it will be created",
                    part.target
                ));
            }
        }
        Observation { position, detail, parts, warnings }
    }

    /// Address records of the same names that stay where they are: half of the visitors would stay with them.
    fn left_behind(&self, read: &Read) -> Vec<String> {
        let moved = |kind: &str, name: &str| {
            self.records.iter().any(|record| record.key.kind == kind && record.key.name == name)
        };
        let mut warnings = BTreeSet::new();
        for (_, set) in &read.sets {
            let (kind, name) = (set.r#type.as_str(), name_of(&set.name));
            let siblings: &[&str] = match kind {
                "AAAA" => &["A"],
                "A" => &["AAAA"],
                // It may name addresses, and another host: browsers go by it first (RFC 9460 section 3).
                "HTTPS" => &["A", "AAAA"],
                _ => continue,
            };
            let sibling = siblings.iter().find(|sibling| moved(sibling, &name));
            if let Some(sibling) = sibling.filter(|_| !moved(kind, &name)) {
                warnings.insert(format!(
                    "{name} {sibling} moves, but its sibling {name} {kind} does not: visitors who use it stay where they are"
                ));
            }
        }
        warnings.into_iter().collect()
    }
}

/// `NAME TYPE [set_identifier]` of each record, with its zone where that alone would name two.
fn told_apart(records: &[SwitchedRecord]) -> Vec<String> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for record in records {
        *count.entry(record.target()).or_default() += 1;
    }
    let name = |record: &SwitchedRecord| {
        let target = record.target();
        if count.get(&target).is_some_and(|count| *count > 1) {
            format!("{target} ({})", record.key.zone_id)
        } else {
            target
        }
    };
    records.iter().map(name).collect()
}

impl Lever for Route53 {
    fn name(&self) -> LeverName {
        LeverName::Dns
    }

    fn kind(&self) -> &'static str {
        "route53"
    }

    fn observe(&self) -> Answer<'_, Observation> {
        Box::pin(async {
            self.no_cname_at_an_apex().await?;
            let read = Arc::new(self.read().await?);
            self.learn_negative_ttl(&read).await;
            let observation = self.observation(&read);
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((clock::monotonic(), read));
            Ok(observation)
        })
    }

    fn steps(&self, seen: &Observation, to: Mode) -> Vec<Step> {
        let steps = self.records.iter().zip(&seen.parts).filter_map(|(record, part)| {
            let set = if to == Mode::Detour { &record.maintenance } else { &record.live };
            let after = set.as_ref().map_or(Value::Null, |set| shown(&record.key.kind, set));
            (after != part.value).then(|| Step {
                lever: self.name(),
                kind: self.kind().to_owned(),
                target: part.target.clone(),
                before: part.value.clone(),
                after,
            })
        });
        steps.collect()
    }

    fn again(&self, seen: &Observation, _to: Mode) -> Vec<Step> {
        let step = |part: &Part| Step {
            lever: self.name(),
            kind: self.kind().to_owned(),
            target: part.target.clone(),
            before: part.value.clone(),
            after: part.value.clone(),
        };
        seen.parts.iter().map(step).collect()
    }

    fn refusal(&self, seen: &Observation, _to: Mode) -> Option<Refusal> {
        let foreign: Vec<_> = self
            .records
            .iter()
            .zip(&seen.parts)
            .filter(|(record, part)| position(record, &part.value) == Position::Foreign)
            .map(|(record, part)| beside_both(record, part))
            .collect();
        (!foreign.is_empty()).then(|| Refusal {
            rule: "foreign-record",
            message: foreign.join("; "),
            hint: "find out who put it there; to replace it all the same: --override=foreign-record --reason \"..\"".to_owned(),
        })
    }

    fn start<'a>(&'a self, steps: &'a [Step], operation: &'a OperationId) -> Answer<'a, Started> {
        Box::pin(self.start_zones(steps, operation))
    }

    fn confirm<'a>(
        &'a self,
        started: &'a Started,
        progress: &'a dyn Progress,
    ) -> Answer<'a, Observation> {
        Box::pin(self.wait_in_sync(started, progress))
    }

    fn settles_after(&self, before: Option<&Observation>) -> Duration {
        let negative = self.negative_ttl();
        let longest = if let Some(seen) = before {
            seen.parts.iter().map(|part| ttl(&part.value, negative)).max()
        } else {
            let sets = self.records.iter().flat_map(|record| [&record.live, &record.maintenance]);
            let of = |set: &RecordSet| ttl(&shown("", set), negative);
            sets.map(|set| set.as_ref().map_or(negative, of)).max()
        };
        Duration::from_secs(longest.unwrap_or(ALIAS_TTL) + 1)
    }

    fn given(&self, seen: &Observation) -> Vec<Given> {
        let given = |part: &Part| {
            let mut answer = part.value.clone();
            if let Some(fields) = answer.as_object_mut() {
                fields.remove("ttl");
            }
            let ttl = u32::try_from(ttl(&part.value, self.negative_ttl())).unwrap_or(u32::MAX);
            Given { target: part.target.clone(), answer, ttl }
        };
        seen.parts.iter().map(given).collect()
    }
}

/// For how many seconds resolvers may keep what a record says.
fn ttl(value: &Value, negative: u64) -> u64 {
    match value {
        Value::Null => negative,
        value => value.get("ttl").and_then(Value::as_u64).unwrap_or(ALIAS_TTL),
    }
}
