//! `doctor`: every precondition tried now, each with a fix. Changes nothing, but for `--exercise`.

mod distribution;
mod front;
mod gateway;
mod nameservers;
mod notify;
mod pipeline;
mod policy;
mod redis;
mod store;

use std::fmt::Display;
use std::path::Path;

use serde::Serialize;

use super::args::DoctorArgs;
use super::context::{Context, Opened, USUAL};
use super::error::Error;
use super::report::{Form, Waiting, doctor_object, doctor_words};
use crate::aws::Session;
use crate::clock;
use crate::config::{DnsSource, PageConfig, SiteConfig, SwitchedRecord};
use crate::database::Databases;
use crate::dns::Exercise;
use crate::dns::route53::{Allowed, Zone, exercise};
use crate::files;
use crate::hcl::Diagnostic;
use crate::lever::{self, Lever, Observation, Position, Refusal};
use crate::page::Page;
use crate::switch::{LeverName, Mode, OperationId};

/// A TTL above which visitors follow a flip so late that it should be lowered the day before.
const LONG_TTL: u64 = 300;

pub(super) use distribution::defects;
pub(super) use front::defects as defects_in_front;

const EXERCISE: &str = "exercise";

/// How a precondition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Ok,
    Warn,
    Fail,
}

/// One precondition, tried.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    pub(super) id: &'static str,
    pub(super) result: Outcome,
    pub(super) reason: String,
    pub(super) fix: Option<String>,
}

fn ok(id: &'static str, reason: impl Display) -> Finding {
    Finding { id, result: Outcome::Ok, reason: reason.to_string(), fix: None }
}

fn warn(id: &'static str, reason: impl Display, fix: impl Into<String>) -> Finding {
    Finding { id, result: Outcome::Warn, reason: reason.to_string(), fix: Some(fix.into()) }
}

fn fail(id: &'static str, reason: impl Display, fix: impl Into<String>) -> Finding {
    Finding { id, result: Outcome::Fail, reason: reason.to_string(), fix: Some(fix.into()) }
}

/// A gateway does not start without it; everything else goes on.
fn lacking(secret: &Diagnostic) -> Finding {
    let at = secret.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    fail(
        "secret",
        format!("{at}{}", secret.message),
        "set it where `roadworks serve` and `roadworks bypass` run; other verbs do without",
    )
}

pub(super) async fn run(context: &Context, args: &DoctorArgs) -> Result<u8, Error> {
    if args.policy {
        return Box::pin(policy::run(context, args)).await;
    }
    let config = context.config()?;
    let site = config.site(context.common.site.as_deref())?;
    let mut findings = store::findings(&config.store, &Context::store(&config, site).await?).await;
    findings.extend(config.lacking.iter().map(lacking));
    match Box::pin(context.open_site(&config, site)).await {
        Ok(opened) => findings.extend(Box::pin(of_site(context, args, site, &opened)).await),
        Err(error) => {
            let fix = error.hint().unwrap_or_else(|| "put it right, then ask again".to_owned());
            findings.push(fail("targets", super::report::message(&error), fix));
        }
    }
    if context.report.form() == Form::Json {
        context.report.object(&doctor_object(&findings))?;
    } else {
        context.report.data(&doctor_words(&findings))?;
    }
    let failed = findings.iter().filter(|finding| finding.result == Outcome::Fail).count();
    match failed {
        0 => Ok(0),
        failed => Err(Error::Unwell { failed, all: findings.len() }),
    }
}

/// What a site's levers, its targets, and what stands around them need.
async fn of_site(
    context: &Context,
    args: &DoctorArgs,
    site: &SiteConfig,
    opened: &Opened,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(session) = &opened.session {
        findings.push(targets(opened));
        findings.push(state_lock(opened));
        findings.push(identity(session).await);
        findings.extend(of_zones(session, &opened.resolved.records).await);
    }
    if let Some(DnsSource::Rfc2136(name)) = &site.dns {
        findings.extend(nameservers::findings(name).await);
    }
    findings.extend(levers(opened).await);
    let mut gives_up = None;
    if let Some(session) = &opened.session {
        findings.extend(distribution::findings(session, &opened.resolved.records).await);
        let (found, soonest) = front::findings(session, opened).await;
        findings.extend(found);
        gives_up = soonest;
    }
    if let Some(block) = &site.pipeline {
        let boolean = opened.resolved.variable.as_ref();
        let boolean = boolean.map_or(USUAL, |variable| variable.name.as_str());
        findings.push(pipeline::finding(block, boolean).await);
    }
    if let Some(block) = &site.gateway {
        let host = site.hosts.first().map(String::as_str);
        findings.extend(gateway::findings(block, host, gives_up).await);
    }
    findings.extend(redis::findings(&site.redis).await);
    findings.extend(template(&site.page));
    findings.extend(site.notify.iter().map(notify::finding));
    if args.exercise {
        findings.push(match &site.dns {
            Some(DnsSource::Rfc2136(name)) => nameservers::exercised(context, name).await,
            Some(DnsSource::Terraform { .. } | DnsSource::Records { .. }) | None => {
                exercised(context, opened).await
            }
        });
    }
    findings
}

/// The page's own template, compiled and tried as `serve` does it.
fn template(page: &PageConfig) -> Option<Finding> {
    const ID: &str = "page-template";
    let file = page.template.as_ref()?.display();
    Some(match Page::compile(page) {
        Ok(_) => ok(ID, file),
        Err(error) => {
            let place = page.spots.wrong("template", "").place;
            let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
            let cause = std::error::Error::source(&error);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            fail(ID, format!("{error}{cause}{place}"), error.hint())
        }
    })
}

fn targets(opened: &Opened) -> Finding {
    const ID: &str = "targets";
    let records = opened.resolved.records.len();
    let known = format!("both targets of {records} {} are known", plural(records, "record"));
    match opened.resolved.pinned_at {
        None => ok(ID, known),
        Some(at) => warn(
            ID,
            format!("{known}, but only as they were pinned at {at}"),
            "make the Terraform state readable again, then run roadworks plan",
        ),
    }
}

fn state_lock(opened: &Opened) -> Finding {
    const ID: &str = "state-lock";
    match &opened.locked_by {
        None => ok(ID, "nobody holds the lock of the Terraform state"),
        Some(holder) => {
            warn(ID, format!("{holder} holds the lock of the Terraform state"), holder.hint())
        }
    }
}

async fn identity(session: &Session) -> Finding {
    const ID: &str = "identity";
    match session.caller().await {
        Ok(identity) => ok(ID, format!("{} in account {}", identity.arn, identity.account)),
        Err(error) => fail(ID, &error, error.hint()),
    }
}

async fn of_zones(session: &Session, records: &[SwitchedRecord]) -> Vec<Finding> {
    let mut seen = Vec::new();
    let mut findings = Vec::new();
    for SwitchedRecord { key, .. } in records {
        if seen.contains(&&key.zone_id) {
            continue;
        }
        seen.push(&key.zone_id);
        findings.push(match Zone::read(session, &key.zone_id).await {
            Ok(zone) if zone.private => warn(
                "zone",
                format!("{} is a private zone: CloudFront cannot be its target", zone.name),
                "use the public zone of the name",
            ),
            Ok(zone) => ok("zone", format!("{} ({})", zone.name, key.zone_id)),
            Err(error) => fail("zone", &error, error.hint()),
        });
        findings.push(match Zone::may_change(session, &key.zone_id, &key.name).await {
            Ok(Allowed::Yes) => ok("permission", "records may be changed"),
            Ok(Allowed::No(error)) => fail(
                "permission",
                &error,
                "allow route53:ChangeResourceRecordSets on the zone, and route53:GetChange",
            ),
            Err(error) => fail("permission", &error, error.hint()),
        });
    }
    findings
}

async fn levers(opened: &Opened) -> Vec<Finding> {
    let mut findings = Vec::new();
    for lever in &opened.site.levers {
        let of_name = lever.name() == LeverName::Dns;
        let id = match lever.name() {
            LeverName::Dns => "record",
            LeverName::Variable => "variable",
            LeverName::Pipeline => "pipeline",
            LeverName::Workers => "workers",
            LeverName::Database => "database",
            LeverName::Gateway => "gateway",
            LeverName::Balancer => "balancer",
        };
        match lever.observe().await {
            Err(error) => findings.push(fail(id, &error, error.hint())),
            Ok(seen) => {
                findings.push(match (refusal(lever.as_ref(), &seen), seen.position) {
                    (Some(refusal), _) => fail(id, refusal.message, refusal.hint),
                    (None, Position::Absent) if lever.name() == LeverName::Gateway => {
                        warn(id, &seen.detail, "start one: roadworks serve")
                    }
                    (None, Position::Absent) => warn(
                        id,
                        &seen.detail,
                        "the first flip makes it; check that the name is right",
                    ),
                    (None, _) => ok(id, format!("{}: {}", seen.position, seen.detail)),
                });
                let warnings = seen.warnings.iter();
                let fix = match lever.name() {
                    LeverName::Balancer => "accept it, or put a gateway behind the load balancer",
                    LeverName::Workers | LeverName::Database => "look at it, or accept it",
                    LeverName::Dns
                    | LeverName::Variable
                    | LeverName::Pipeline
                    | LeverName::Gateway => "move it together, or accept it",
                };
                findings.extend(warnings.map(|warning| warn(id, warning, fix)));
                if of_name {
                    findings.push(ttl(lever.as_ref(), &seen));
                }
            }
        }
        if lever.name() == LeverName::Database {
            findings.extend(doubts(opened).await);
        }
        if lever.kind() == "tfvars" {
            findings.extend(opened.resolved.folder.as_deref().map(writable));
        }
    }
    findings
}

/// Why it could not be opened, or for a database, could not be put into any mode.
fn refusal(lever: &dyn Lever, seen: &Observation) -> Option<Refusal> {
    let modes: &[Mode] = match lever.name() {
        LeverName::Database => &Mode::LADDER,
        LeverName::Dns
        | LeverName::Variable
        | LeverName::Pipeline
        | LeverName::Workers
        | LeverName::Gateway
        | LeverName::Balancer => &[Mode::Open],
    };
    modes.iter().find_map(|mode| lever.refusal(seen, *mode))
}

/// What would fail of its databases once the site moves.
async fn doubts(opened: &Opened) -> Vec<Finding> {
    let patience = opened.patience.unwrap_or_default();
    let Some(databases) = Databases::new(&opened.databases, patience) else { return Vec::new() };
    let doubts = Box::pin(databases.tried()).await;
    doubts.into_iter().map(|doubt| fail("database", doubt.why, doubt.fix)).collect()
}

fn ttl(lever: &dyn Lever, seen: &Observation) -> Finding {
    let seconds = lever.settles_after(Some(seen)).as_secs();
    if seconds > LONG_TTL + 1 {
        warn(
            "ttl",
            format!("visitors may follow a flip only after {seconds} s"),
            format!("lower the TTL to 60 s, at least {seconds} s before the flip"),
        )
    } else {
        ok("ttl", format!("visitors follow a flip within {seconds} s"))
    }
}

/// Whether the variables file could be written: by writing and removing a file that Terraform does not read.
fn writable(folder: &Path) -> Finding {
    const ID: &str = "variable-writable";
    let probe = folder.join(".roadworks-doctor");
    match files::write_whole(&probe, b"").and_then(|()| files::remove(&probe)) {
        Ok(()) => ok(ID, folder.display()),
        Err(error) => fail(
            ID,
            format!("{}: {error}", folder.display()),
            "make the folder writable, or say in roadworks.hcl where the variable lives",
        ),
    }
}

async fn exercised(context: &Context, opened: &Opened) -> Finding {
    let (Some(session), Some(record)) = (&opened.session, opened.resolved.records.first()) else {
        return fail(
            EXERCISE,
            "there is no record to exercise",
            "leave out --exercise, or see the other findings",
        );
    };
    let waiting = Waiting::new(context.report);
    let operation = OperationId::at(clock::now(), fastrand::u32(..));
    let place = (record.key.zone_id.as_str(), record.key.name.as_str());
    let done = exercise(session, place, &operation, &waiting).await;
    waiting.ended();
    round_trip(done, "to INSYNC")
}

fn round_trip(done: Result<Exercise, lever::Error>, confirmed: &str) -> Finding {
    let took = match done {
        Ok(took) => took,
        Err(error) => return fail(EXERCISE, &error, error.hint()),
    };
    let [made, swapped, removed] =
        [took.made, took.swapped, took.removed].map(|part| part.as_secs_f64());
    ok(
        EXERCISE,
        format!(
            "{} was made in {made:.1} s, swapped in {swapped:.1} s and removed in {removed:.1} s, each {confirmed}",
            took.name
        ),
    )
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}
