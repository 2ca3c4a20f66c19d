//! A record between three forms: ours, the SDK's, and the JSON that a plan shows and compares.
//!
//! The JSON is canonical: two record sets are the same for Route 53 exactly if their JSON is equal.

use std::net::Ipv6Addr;

use aws_sdk_route53::error::BuildError;
use aws_sdk_route53::types::{
    AliasTarget, CidrRoutingConfig, GeoLocation, ResourceRecord, ResourceRecordSet,
    ResourceRecordSetFailover, ResourceRecordSetRegion, RrType,
};
use serde_json::{Map, Value, json};

use crate::config::{RecordKey, RecordSet, Routing, Target};

/// A name as Route 53 answers it, in the form of [`RecordKey`]: lower case, without the trailing dot.
pub(super) fn name_of(text: &str) -> String {
    text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase()
}

/// Whether `set` is the record set that `key` names.
pub(super) fn is(set: &ResourceRecordSet, key: &RecordKey) -> bool {
    name_of(&set.name) == key.name
        && set.r#type.as_str() == key.kind
        && set.set_identifier == key.set_identifier
}

/// The canonical JSON of one of our record sets.
pub(super) fn shown(kind: &str, set: &RecordSet) -> Value {
    let mut shown = Map::new();
    match &set.target {
        Target::Alias { name, zone_id, evaluate_target_health } => {
            let alias = json!({
                "name": name_of(name),
                "zone_id": zone_id,
                "evaluate_target_health": evaluate_target_health,
            });
            shown.insert("alias".to_owned(), alias);
        }
        Target::Plain { ttl, records } => {
            let mut records: Vec<_> =
                records.iter().map(|record| canonical(kind, record)).collect();
            records.sort();
            shown.insert("ttl".to_owned(), json!(ttl));
            shown.insert("records".to_owned(), json!(records));
        }
    }
    if let Some(routing) = &set.routing {
        let (policy, value) = match routing {
            Routing::Weighted(weight) => ("weight", json!(weight)),
            Routing::Failover(role) => ("failover", json!(role)),
            Routing::Latency(region) => ("region", json!(region)),
            Routing::Geolocation { continent, country, subdivision } => (
                "geolocation",
                json!({ "continent": continent, "country": country, "subdivision": subdivision }),
            ),
            Routing::Cidr { collection_id, location } => {
                ("cidr", json!({ "collection_id": collection_id, "location": location }))
            }
            Routing::Multivalue => ("multivalue", json!(true)),
        };
        shown.insert(policy.to_owned(), value);
    }
    if let Some(id) = &set.health_check_id {
        shown.insert("health_check_id".to_owned(), json!(id));
    }
    Value::Object(shown)
}

/// The canonical JSON of what Route 53 answered.
pub(super) fn shown_as_read(set: &ResourceRecordSet) -> Value {
    let mut value = shown(set.r#type.as_str(), &as_read(set));
    // What we cannot describe makes it unlike everything that we can.
    let other = set.geo_proximity_location.is_some() || set.traffic_policy_instance_id.is_some();
    if let (true, Value::Object(shown)) = (other, &mut value) {
        shown.insert("other_policy".to_owned(), json!(true));
    }
    value
}

fn as_read(set: &ResourceRecordSet) -> RecordSet {
    let target = match &set.alias_target {
        Some(alias) => Target::Alias {
            name: alias.dns_name.clone(),
            zone_id: alias.hosted_zone_id.clone(),
            evaluate_target_health: alias.evaluate_target_health,
        },
        None => Target::Plain {
            ttl: set.ttl.and_then(|ttl| u64::try_from(ttl).ok()).unwrap_or(0),
            records: set.resource_records().iter().map(|record| record.value.clone()).collect(),
        },
    };
    RecordSet { target, routing: routing_of(set), health_check_id: set.health_check_id.clone() }
}

fn routing_of(set: &ResourceRecordSet) -> Option<Routing> {
    if let Some(weight) = set.weight {
        return u8::try_from(weight).ok().map(Routing::Weighted);
    }
    if let Some(role) = &set.failover {
        return Some(Routing::Failover(role.as_str().to_owned()));
    }
    if let Some(region) = &set.region {
        return Some(Routing::Latency(region.as_str().to_owned()));
    }
    if let Some(place) = &set.geo_location {
        return Some(Routing::Geolocation {
            continent: place.continent_code.clone(),
            country: place.country_code.clone(),
            subdivision: place.subdivision_code.clone(),
        });
    }
    if let Some(cidr) = &set.cidr_routing_config {
        return Some(Routing::Cidr {
            collection_id: cidr.collection_id.clone(),
            location: cidr.location_name.clone(),
        });
    }
    (set.multi_value_answer == Some(true)).then_some(Routing::Multivalue)
}

/// The SDK's form of what the record is to say.
pub(super) fn built(key: &RecordKey, set: &RecordSet) -> Result<ResourceRecordSet, BuildError> {
    let mut record = ResourceRecordSet::builder()
        .name(format!("{}.", key.name))
        .r#type(RrType::from(key.kind.as_str()))
        .set_set_identifier(key.set_identifier.clone())
        .set_health_check_id(set.health_check_id.clone());
    match &set.target {
        Target::Alias { name, zone_id, evaluate_target_health } => {
            let alias = AliasTarget::builder()
                .dns_name(format!("{}.", name_of(name)))
                .hosted_zone_id(zone_id)
                .evaluate_target_health(*evaluate_target_health)
                .build()?;
            record = record.alias_target(alias);
        }
        Target::Plain { ttl, records } => {
            record = record.ttl(i64::try_from(*ttl).unwrap_or(i64::MAX));
            for value in records {
                record = record.resource_records(ResourceRecord::builder().value(value).build()?);
            }
        }
    }
    record = match &set.routing {
        None => record,
        Some(Routing::Weighted(weight)) => record.weight(i64::from(*weight)),
        Some(Routing::Failover(role)) => {
            record.failover(ResourceRecordSetFailover::from(role.as_str()))
        }
        Some(Routing::Latency(region)) => {
            record.region(ResourceRecordSetRegion::from(region.as_str()))
        }
        Some(Routing::Geolocation { continent, country, subdivision }) => record.geo_location(
            GeoLocation::builder()
                .set_continent_code(continent.clone())
                .set_country_code(country.clone())
                .set_subdivision_code(subdivision.clone())
                .build(),
        ),
        Some(Routing::Cidr { collection_id, location }) => record.cidr_routing_config(
            CidrRoutingConfig::builder()
                .collection_id(collection_id)
                .location_name(location)
                .build()?,
        ),
        Some(Routing::Multivalue) => record.multi_value_answer(true),
    };
    record.build()
}

/// One value in the form in which Route 53 compares it.
fn canonical(kind: &str, value: &str) -> String {
    match kind {
        "CNAME" | "NS" | "PTR" => name_of(value),
        "AAAA" => value.parse::<Ipv6Addr>().map_or(value.to_owned(), |address| address.to_string()),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str) -> RecordKey {
        RecordKey {
            zone_id: "Z1".to_owned(),
            name: "app.example.com".to_owned(),
            kind: kind.to_owned(),
            set_identifier: None,
        }
    }

    #[test]
    fn what_is_built_reads_back_the_same() {
        let plain = |records: &[&str]| Target::Plain {
            ttl: 60,
            records: records.iter().map(|&record| record.to_owned()).collect(),
        };
        let alias = Target::Alias {
            name: "D111.CloudFront.net".to_owned(),
            zone_id: "Z2FDTNDATAQYW2".to_owned(),
            evaluate_target_health: false,
        };
        let geolocation = Routing::Geolocation {
            continent: None,
            country: Some("DE".to_owned()),
            subdivision: None,
        };
        let cases = [
            ("A", alias, None),
            ("A", plain(&["192.0.2.2", "192.0.2.1"]), Some(Routing::Weighted(7))),
            ("AAAA", plain(&["2001:DB8::1"]), Some(Routing::Latency("eu-west-1".to_owned()))),
            ("CNAME", plain(&["LB.example.com."]), Some(Routing::Failover("PRIMARY".to_owned()))),
            ("A", plain(&["192.0.2.1"]), Some(geolocation)),
            ("A", plain(&["192.0.2.1"]), Some(Routing::Multivalue)),
        ];
        for (kind, target, routing) in cases {
            let set = RecordSet { target, routing, health_check_id: Some("hc".to_owned()) };
            let wired = built(&key(kind), &set).unwrap();
            assert!(is(&wired, &key(kind)));
            assert_eq!(shown_as_read(&wired), shown(kind, &set));
        }
    }

    #[test]
    fn the_json_is_the_same_for_what_route_53_takes_as_the_same() {
        let of = |kind: &str, records: &[&str]| {
            let records = records.iter().map(|&record| record.to_owned()).collect();
            let target = Target::Plain { ttl: 60, records };
            shown(kind, &RecordSet { target, routing: None, health_check_id: None })
        };
        assert_eq!(of("A", &["192.0.2.2", "192.0.2.1"]), of("A", &["192.0.2.1", "192.0.2.2"]));
        assert_eq!(of("AAAA", &["2001:db8:0::1"]), of("AAAA", &["2001:db8::1"]));
        assert_eq!(of("CNAME", &["lb.example.com."]), of("CNAME", &["LB.example.com"]));
        assert_ne!(of("TXT", &["\"a\""]), of("TXT", &["\"A\""]));
    }
}
