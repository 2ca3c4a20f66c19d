//! The attributes of a planned `aws_route53_record` -> the record as Route 53 will have it.
//!
//! The twin of records.rs, which makes the same from an expression; names and values go through the same names.rs.

use serde_json::{Map, Value as Json};

use super::PlansError;
use crate::terraform::names;
use crate::terraform::record::{RecordKey, RecordSet, Routing, Target};

/// The zone of every alias to `CloudFront` (Route 53 API reference, `AliasTarget`).
const CLOUDFRONT: &str = "Z2FDTNDATAQYW2";
/// What a record is made of; the rest of the resource (`fqdn`, `allow_overwrite`, ..) is the provider's own.
const NEEDED: [&str; 14] = [
    "zone_id",
    "name",
    "type",
    "set_identifier",
    "alias",
    "ttl",
    "records",
    "health_check_id",
    "weighted_routing_policy",
    "failover_routing_policy",
    "latency_routing_policy",
    "geolocation_routing_policy",
    "cidr_routing_policy",
    "multivalue_answer_routing_policy",
];

/// `change.after` and `change.after_unknown`.
#[derive(Clone, Copy)]
pub(super) struct Planned<'a> {
    pub(super) values: &'a Map<String, Json>,
    pub(super) unknown: Option<&'a Json>,
}

impl Planned<'_> {
    /// The first attribute of the record that only the apply will know.
    pub(super) fn unknown(&self) -> Option<&'static str> {
        let unknown = self.unknown?;
        NEEDED.into_iter().find(|name| unknown.get(name).is_some_and(has_true))
    }

    pub(super) fn record(&self, address: &str) -> Result<(RecordKey, RecordSet), PlansError> {
        let address = || address.to_owned();
        if let Some(attribute) = self.unknown() {
            return Err(PlansError::Unknown { address: address(), attribute });
        }
        let lacks = |attribute| PlansError::Attribute { address: address(), attribute };
        if self.block("geoproximity_routing_policy").is_some() {
            let attribute = "geoproximity_routing_policy";
            return Err(PlansError::Unhandled { address: address(), attribute });
        }
        let kind = self.text("type").ok_or_else(|| lacks("type"))?.to_ascii_uppercase();
        // A short name is completed with the zone's by the provider, which then knows it as `fqdn`.
        let name = self.text("fqdn").or_else(|| self.text("name")).ok_or_else(|| lacks("name"))?;
        let zone_id = self.text("zone_id").ok_or_else(|| lacks("zone_id"))?;
        let target = self.target(&kind).map_err(lacks)?;
        if matches!(&target, Target::Alias { zone_id, evaluate_target_health: true, .. } if zone_id == CLOUDFRONT)
        {
            return Err(PlansError::HealthOfCloudFront { address: address() });
        }
        let key = RecordKey {
            zone_id: names::zone_id(zone_id),
            name: names::record_name(name, None),
            kind,
            set_identifier: self.text("set_identifier").map(Into::into),
        };
        let set = RecordSet {
            target,
            routing: self.routing().map_err(lacks)?,
            health_check_id: self.text("health_check_id").map(Into::into),
        };
        Ok((key, set))
    }

    fn target(&self, kind: &str) -> Result<Target, &'static str> {
        if let Some(alias) = self.block("alias") {
            return Ok(Target::Alias {
                name: names::target_name(text(alias, "name").ok_or("alias")?),
                zone_id: names::zone_id(text(alias, "zone_id").ok_or("alias")?),
                evaluate_target_health: alias
                    .get("evaluate_target_health")
                    .and_then(Json::as_bool)
                    .ok_or("alias")?,
            });
        }
        let records = self.values.get("records").and_then(Json::as_array).ok_or("records")?;
        let value = |value: &Json| value.as_str().map(|text| names::record_value(kind, text));
        Ok(Target::Plain {
            ttl: self.values.get("ttl").and_then(Json::as_u64).ok_or("ttl")?,
            records: records.iter().map(value).collect::<Option<_>>().ok_or("records")?,
        })
    }

    fn routing(&self) -> Result<Option<Routing>, &'static str> {
        let owned = |block: &Map<String, Json>, name| text(block, name).map(str::to_owned);
        if let Some(block) = self.block("weighted_routing_policy") {
            let weight = block.get("weight").and_then(Json::as_u64);
            let weight = weight.and_then(|weight| u8::try_from(weight).ok());
            return Ok(Some(Routing::Weighted(weight.ok_or("weighted_routing_policy")?)));
        }
        if let Some(block) = self.block("failover_routing_policy") {
            let role = owned(block, "type").ok_or("failover_routing_policy")?;
            return Ok(Some(Routing::Failover(role)));
        }
        if let Some(block) = self.block("latency_routing_policy") {
            let region = owned(block, "region").ok_or("latency_routing_policy")?;
            return Ok(Some(Routing::Latency(region)));
        }
        if let Some(block) = self.block("geolocation_routing_policy") {
            return Ok(Some(Routing::Geolocation {
                continent: owned(block, "continent"),
                country: owned(block, "country"),
                subdivision: owned(block, "subdivision"),
            }));
        }
        if let Some(block) = self.block("cidr_routing_policy") {
            return Ok(Some(Routing::Cidr {
                collection_id: owned(block, "collection_id").ok_or("cidr_routing_policy")?,
                location: owned(block, "location_name").ok_or("cidr_routing_policy")?,
            }));
        }
        let multivalue = self.values.get("multivalue_answer_routing_policy");
        Ok((multivalue == Some(&Json::Bool(true))).then_some(Routing::Multivalue))
    }

    fn text(&self, name: &str) -> Option<&str> {
        text(self.values, name)
    }

    /// The one block of that name.
    fn block(&self, name: &str) -> Option<&Map<String, Json>> {
        self.values.get(name)?.as_array()?.first()?.as_object()
    }
}

/// Empty means not set, as the provider reads it.
fn text<'a>(block: &'a Map<String, Json>, name: &str) -> Option<&'a str> {
    block.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// Whether something in it is not known. `serde_json` bounds the depth.
fn has_true(value: &Json) -> bool {
    match value {
        Json::Bool(flag) => *flag,
        Json::Array(list) => list.iter().any(has_true),
        Json::Object(object) => object.values().any(has_true),
        Json::Null | Json::Number(_) | Json::String(_) => false,
    }
}
