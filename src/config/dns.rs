//! A `dns` block: `"terraform"`, the switch that the Terraform has already, `"route53"`, the records written out, or
//! `"rfc2136"`, name servers of one's own.

use hcl_edit::structure::Block;

use super::lookup::LookedUp;
use super::read::Reader;
use super::records::{RecordKey, RecordSet, SwitchedRecord, Target};
use super::rfc2136;
use super::site::{Account, DnsSource};
use crate::terraform::Known;

/// The zone of every CloudFront distribution (Route 53 API reference, `AliasTarget`).
const CLOUDFRONT_ZONE: &str = "Z2FDTNDATAQYW2";
const ACCOUNT: [&str; 3] = ["profile", "region", "assume_role"];
const TTL: u64 = 60;

pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    block: &'a Block,
    hosts: &[String],
) -> Option<DnsSource> {
    let labels = reader.labels(block, &["kind"])?;
    match labels.first().copied() {
        Some("terraform") => Some(terraform(reader, block)),
        Some("route53") => route53(reader, block),
        Some("rfc2136") => {
            rfc2136::read(reader, block, hosts).map(|name| DnsSource::Rfc2136(Box::new(name)))
        }
        other => {
            let kind = other.unwrap_or_default();
            reader.wrong_with(
                &block.ident,
                format!("there is no dns lever \"{kind}\""),
                Some("known: \"terraform\", \"route53\", \"rfc2136\"".to_owned()),
            );
            None
        }
    }
}

fn terraform<'a>(reader: &mut Reader<'a>, block: &'a Block) -> DnsSource {
    let known: Vec<_> = ["dir", "variable"].into_iter().chain(ACCOUNT).collect();
    reader.only(&block.body, &known, &[], &[]);
    let dir = reader.text(&block.body, "dir").unwrap_or_else(|| ".".to_owned());
    let dir = reader.folder().join(dir);
    let variable = reader.text(&block.body, "variable");
    DnsSource::Terraform { dir, variable, account: account(reader, block) }
}

fn route53<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Option<DnsSource> {
    let known: Vec<_> =
        ["zone_id", "name", "types", "set_identifier"].into_iter().chain(ACCOUNT).collect();
    reader.only(&block.body, &known, &["live", "maintenance"], &[]);
    let zone_id = reader.needed(block, "zone_id")?;
    let name = reader.needed(block, "name")?;
    let types = reader.texts(&block.body, "types").unwrap_or_else(|| vec!["A".to_owned()]);
    let set_identifier = reader.text(&block.body, "set_identifier");
    let live = target(reader, block, "live")?;
    let maintenance = target(reader, block, "maintenance")?;
    let zone_id = zone_id.strip_prefix("/hostedzone/").unwrap_or(&zone_id).to_owned();
    let name = name.strip_suffix('.').unwrap_or(&name).to_ascii_lowercase();
    let set = |given: &Given| match given {
        Given::Target(target) => {
            Some(RecordSet { target: target.clone(), routing: None, health_check_id: None })
        }
        Given::LookedUp(_) => None,
    };
    let records = types.into_iter().map(|kind| SwitchedRecord {
        address: format!("dns \"route53\" {name} {kind}"),
        key: RecordKey {
            zone_id: zone_id.clone(),
            name: name.replace('*', "\\052"),
            kind,
            set_identifier: set_identifier.clone(),
        },
        live: set(&live),
        maintenance: set(&maintenance),
    });
    let records = records.collect();
    let looked_up = Box::new([live, maintenance].map(|given| match given {
        Given::Target(_) => None,
        Given::LookedUp(wanted) => Some(wanted),
    }));
    Some(DnsSource::Records { records, looked_up, account: account(reader, block) })
}

/// One side of a record, as it is written.
enum Given {
    Target(Target),
    LookedUp(LookedUp),
}

const WAYS: &str = "alias = \"name\", records = [\"192.0.2.1\"], load_balancer = \"its name or ARN\" or distribution = \"its id or one of its names\"";

fn target<'a>(reader: &mut Reader<'a>, block: &'a Block, name: &'a str) -> Option<Given> {
    let Some(block) = block.body.get_blocks(name).next() else {
        reader.wrong(&block.ident, format!("`dns \"route53\"` needs a `{name}` block"));
        return None;
    };
    reader.only(
        &block.body,
        &[
            "alias",
            "zone_id",
            "evaluate_target_health",
            "ttl",
            "records",
            "load_balancer",
            "distribution",
        ],
        &[],
        &[],
    );
    let alias = reader.text(&block.body, "alias");
    let records = reader.texts(&block.body, "records");
    let looked_up = [
        reader.text(&block.body, "load_balancer").map(Known::LoadBalancer),
        reader.text(&block.body, "distribution").map(Known::Distribution),
    ];
    match (alias, records, looked_up) {
        (Some(alias), None, [None, None]) => alias_target(reader, block, &alias).map(Given::Target),
        (None, Some(records), [None, None]) => {
            let ttl = reader.number(&block.body, "ttl").unwrap_or(TTL);
            Some(Given::Target(Target::Plain { ttl, records }))
        }
        (None, None, [Some(known), None] | [None, Some(known)]) => {
            let evaluate_target_health = health(reader, block);
            if evaluate_target_health && matches!(known, Known::Distribution(_)) {
                reader.wrong(&block.ident, NO_HEALTH);
            }
            Some(Given::LookedUp(LookedUp { known, evaluate_target_health }))
        }
        _ => {
            let hint = Some(WAYS.to_owned());
            reader.wrong_with(&block.ident, format!("`{name}` has one target"), hint);
            None
        }
    }
}

fn health(reader: &mut Reader<'_>, block: &Block) -> bool {
    reader.boolean(&block.body, "evaluate_target_health").unwrap_or(false)
}

const NO_HEALTH: &str = "Route 53 takes no evaluate_target_health for CloudFront";

fn alias_target<'a>(reader: &mut Reader<'a>, block: &'a Block, alias: &str) -> Option<Target> {
    let name = alias.strip_suffix('.').unwrap_or(alias).to_ascii_lowercase();
    let of_cloudfront = name.ends_with(".cloudfront.net");
    let zone_id = match reader.text(&block.body, "zone_id") {
        Some(zone_id) => zone_id,
        None if of_cloudfront => CLOUDFRONT_ZONE.to_owned(),
        None => {
            reader.wrong(&block.ident, "an alias needs the `zone_id` of its target");
            return None;
        }
    };
    let evaluate_target_health = health(reader, block);
    if evaluate_target_health && zone_id == CLOUDFRONT_ZONE {
        reader.wrong(&block.ident, NO_HEALTH);
    }
    Some(Target::Alias { name, zone_id, evaluate_target_health })
}

/// Whose credentials a block names.
pub(super) fn account<'a>(reader: &mut Reader<'a>, block: &'a Block) -> Account {
    Account {
        profile: reader.text(&block.body, "profile"),
        region: reader.text(&block.body, "region"),
        assume_role: reader.text(&block.body, "assume_role"),
    }
}
