//! One `aws_route53_record` -> the record that Route 53 would have. What is not known is an error with the way out; what
//! AWS would refuse is refused here, while planning.

use super::blocks::{self, Contents, Nested};
use super::convert::{self, Type};
use super::fault::Fault;
use super::scope::Scope;
use super::shape::Block;
use super::{Error, RecordKey, RecordSet, Routing, Target, Unknown, Value, names};
use crate::hcl::Diagnostic;

/// The zone of every `CloudFront` distribution.
pub(super) const CLOUDFRONT: &str = "Z2FDTNDATAQYW2";

/// AWS's own have 32 characters at most.
const LONGEST_ID: usize = 64;

/// What decides a record.
const WANTED: [&str; 15] = [
    "zone_id",
    "name",
    "type",
    "ttl",
    "records",
    "alias",
    "set_identifier",
    "health_check_id",
    "weighted_routing_policy",
    "failover_routing_policy",
    "latency_routing_policy",
    "geolocation_routing_policy",
    "geoproximity_routing_policy",
    "cidr_routing_policy",
    "multivalue_answer_routing_policy",
];

/// Works out one instance of a record.
pub(super) fn record(scope: Scope<'_, '_>, block: &Block) -> Result<(RecordKey, RecordSet), Error> {
    let contents = blocks::contents(scope, &block.body, &|name| WANTED.contains(&name))?;
    let record = Record { scope, block, contents: &contents };
    if let Some(unknown) = contents.unknown.values().next() {
        return Err(record.not_text(unknown, "a block"));
    }
    let (key, zone) = record.key()?;
    let set = record.set(&key)?;
    if key.kind == "CNAME" && zone.as_deref() == Some(key.name.as_str()) {
        let message = format!("a CNAME cannot stand at the top of its zone ({})", key.name);
        let hint = "use an alias record of type A there";
        return Err(block.wrong(message).with_hint(hint).into());
    }
    Ok((key, set))
}

struct Record<'r, 's, 'f> {
    scope: Scope<'s, 'f>,
    block: &'r Block,
    contents: &'r Contents<'r>,
}

impl Record<'_, '_, '_> {
    /// The key, and the zone's name if it is known.
    fn key(&self) -> Result<(RecordKey, Option<String>), Error> {
        let zone_id = names::zone_id(&self.required(self.contents, "zone_id")?);
        let kind = self.required(self.contents, "type")?.to_uppercase();
        let written = self.required(self.contents, "name")?;
        let Some(state) = self.scope.world.state else {
            // Whether the name is relative is told by the zone's name, which only the state has.
            let place = self.block.place();
            return Err(Error::NeedsState {
                place,
                expression: format!("the name of zone {zone_id}"),
            });
        };
        let zone = state.zone_name(&zone_id).map(str::to_owned);
        let name = names::record_name(&written, zone.as_deref());
        if let Some(mistake) = names::mistake(&name) {
            return Err(self.wrong(&format!("the record's name {mistake}")));
        }
        if !(1..=LONGEST_ID).contains(&zone_id.len()) {
            return Err(self.wrong("`zone_id` is not the id of a hosted zone"));
        }
        let set_identifier = self.optional(self.contents, "set_identifier")?;
        Ok((RecordKey { zone_id, name, kind, set_identifier }, zone))
    }

    fn set(&self, key: &RecordKey) -> Result<RecordSet, Error> {
        let aliases: Vec<&Nested<'_>> = self.nested("alias").collect();
        let has =
            |name: &str| self.contents.attributes.get(name).is_some_and(|v| *v != Value::Null);
        let target = match (aliases.as_slice(), has("records")) {
            ([alias], false) if !has("ttl") => self.alias(alias)?,
            ([_], false) => return Err(self.wrong("an alias has no `ttl` of its own")),
            ([], true) => self.plain(key)?,
            ([_], true) => return Err(self.wrong("a record has `alias` or `records`, not both")),
            ([], false) => return Err(self.wrong("a record needs `alias` or `records`")),
            _ => return Err(self.wrong("a record has one `alias` at most")),
        };
        let health_check_id = self.optional(self.contents, "health_check_id")?;
        Ok(RecordSet { target, routing: self.routing()?, health_check_id })
    }

    fn alias(&self, alias: &Nested<'_>) -> Result<Target, Error> {
        let name = names::target_name(&self.required(&alias.contents, "name")?);
        let zone_id = names::zone_id(&self.required(&alias.contents, "zone_id")?);
        let health = self.value(&alias.contents, "evaluate_target_health", &Type::Bool)?;
        let evaluate_target_health = health == Some(Value::Bool(true));
        if evaluate_target_health && zone_id == CLOUDFRONT {
            let at = alias.block.body.attribute("evaluate_target_health");
            let message = "an alias to CloudFront cannot evaluate the target's health";
            let diagnostic = match at {
                Some(attribute) => attribute.wrong(message),
                None => alias.block.wrong(message),
            };
            return Err(diagnostic.with_hint("set evaluate_target_health = false").into());
        }
        Ok(Target::Alias { name, zone_id, evaluate_target_health })
    }

    fn plain(&self, key: &RecordKey) -> Result<Target, Error> {
        let texts = Type::Set(Box::new(Type::String));
        let Some(Value::Set(values)) = self.value(self.contents, "records", &texts)? else {
            return Err(self.wrong("`records` must be a set of strings"));
        };
        let mut records = Vec::new();
        for value in values {
            match value {
                Value::String(text) => records.push(names::record_value(&key.kind, &text)),
                _ => return Err(self.wrong("`records` must not hold null")),
            }
        }
        if records.is_empty() {
            return Err(self.wrong("`records` is empty"));
        }
        let ttl = match self.value(self.contents, "ttl", &Type::Number)? {
            Some(Value::Number(number)) => number.to_u64().filter(|ttl| *ttl <= 2_147_483_647),
            _ => return Err(self.wrong("`records` need a `ttl`")),
        };
        let Some(ttl) = ttl else {
            return Err(self.wrong("`ttl` must be a whole number of seconds"));
        };
        Ok(Target::Plain { ttl, records })
    }

    fn routing(&self) -> Result<Option<Routing>, Error> {
        let multivalue =
            self.value(self.contents, "multivalue_answer_routing_policy", &Type::Bool)?;
        if multivalue == Some(Value::Bool(true)) {
            return Ok(Some(Routing::Multivalue));
        }
        let policy = |nested: &&Nested<'_>| nested.kind.ends_with("_routing_policy");
        let Some(policy) = self.contents.nested.iter().find(policy) else {
            return Ok(None);
        };
        let inside = &policy.contents;
        Ok(Some(match policy.kind {
            "weighted_routing_policy" => Routing::Weighted(self.weight(policy)?),
            "failover_routing_policy" => Routing::Failover(self.required(inside, "type")?),
            "latency_routing_policy" => Routing::Latency(self.required(inside, "region")?),
            "geolocation_routing_policy" => Routing::Geolocation {
                continent: self.optional(inside, "continent")?,
                country: self.optional(inside, "country")?,
                subdivision: self.optional(inside, "subdivision")?,
            },
            "cidr_routing_policy" => Routing::Cidr {
                collection_id: self.required(inside, "collection_id")?,
                location: self.required(inside, "location_name")?,
            },
            other => {
                let message = format!("`{other}` is not supported");
                return Err(policy.block.wrong(message).into());
            }
        }))
    }

    fn weight(&self, policy: &Nested<'_>) -> Result<u8, Error> {
        let weight = match self.value(&policy.contents, "weight", &Type::Number)? {
            Some(Value::Number(number)) => number.to_u64(),
            _ => None,
        };
        let weight = weight.and_then(|weight| u8::try_from(weight).ok());
        let wrong = || policy.block.wrong("`weight` must be a whole number from 0 to 255").into();
        weight.ok_or_else(wrong)
    }

    fn nested(&self, kind: &'static str) -> impl Iterator<Item = &Nested<'_>> {
        self.contents.nested.iter().filter(move |nested| nested.kind == kind)
    }

    fn required(&self, contents: &Contents<'_>, name: &str) -> Result<String, Error> {
        match self.value(contents, name, &Type::String)? {
            Some(Value::String(text)) => Ok(text),
            _ => Err(self.wrong(&format!("a record needs `{name}`"))),
        }
    }

    /// Absent, null and empty are the same to the provider.
    fn optional(&self, contents: &Contents<'_>, name: &str) -> Result<Option<String>, Error> {
        match self.value(contents, name, &Type::String)? {
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            _ => Ok(None),
        }
    }

    /// A known value of a type; nothing where it is absent or null.
    fn value(
        &self,
        contents: &Contents<'_>,
        name: &str,
        wanted: &Type,
    ) -> Result<Option<Value>, Error> {
        let Some(value) = contents.attributes.get(name) else { return Ok(None) };
        let converted = convert::convert(value.clone(), wanted);
        match converted {
            Ok(Value::Null) => Ok(None),
            Ok(value) if convert::first_unknown(&value).is_some() => {
                Err(self.not_text(&value, name))
            }
            Ok(value) => Ok(Some(value)),
            Err(mismatch) => Err(self.wrong(&format!("`{name}`: {mismatch}"))),
        }
    }

    fn not_text(&self, value: &Value, name: &str) -> Error {
        match convert::first_unknown(value) {
            Some(Value::Unknown(unknown)) => not_known(self.scope, unknown),
            _ => self.wrong(&format!("`{name}` has no value")),
        }
    }

    fn wrong(&self, message: &str) -> Error {
        self.block.wrong(message).into()
    }
}

/// The error of an answer that depends on something unknown.
pub(super) fn not_known(scope: Scope<'_, '_>, unknown: &Unknown) -> Error {
    let (place, expression) = (unknown.place.clone(), unknown.expression.clone());
    if scope.world.state.is_none() {
        return Error::NeedsState { place, expression };
    }
    let message = format!("`{expression}` is not known: {}", unknown.why);
    let text = scope.world.folder.text_of(&place);
    let hint = "apply it once so that the state knows it, name the target in roadworks.hcl, or let Terraform itself \
                make the plans with -from-plans";
    let hint = Some(hint.to_owned());
    Error::Beyond(Box::new(Diagnostic { message, hint, place: Some(place), text }))
}

/// A fault as an error, and an unknown too.
pub(super) fn known(scope: Scope<'_, '_>, value: Result<Value, Fault>) -> Result<Value, Error> {
    let value = value?;
    match convert::first_unknown(&value) {
        Some(Value::Unknown(unknown)) => Err(not_known(scope, unknown)),
        _ => Ok(value),
    }
}
