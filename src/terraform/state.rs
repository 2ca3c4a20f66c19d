//! A Terraform state, version 4: the attributes of resources and data, by address.
//!
//! A state holds secrets. Only the attributes that an expression names become values, and no error quotes the text.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::convert::{self, Type};
use super::lookup::At;
#[cfg(feature = "aws")]
use super::lookup::{Found, Lookup};
use super::{Error, Number, Value, normal, tfvars};

/// Largest state that is read, in bytes.
pub const LARGEST_STATE: usize = 256 * 1024 * 1024;

/// What a resource instance is known by among its like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(untagged)]
pub(super) enum Key {
    /// Of `count`.
    Number(u64),
    /// Of `for_each`.
    Text(String),
}

/// The attributes of one instance.
pub(super) type Attributes = serde_json::Map<String, serde_json::Value>;

/// A parsed state.
#[derive(Debug, Default)]
pub struct State {
    resources: HashMap<String, Instances>,
    zones: HashMap<String, String>,
}

/// The instances of one resource.
#[derive(Debug, Default)]
pub(super) struct Instances {
    /// The one without `count` and `for_each`.
    pub(super) single: Option<Attributes>,
    /// The others.
    pub(super) keyed: BTreeMap<Key, Attributes>,
}

#[derive(Deserialize)]
struct File {
    version: Option<u64>,
    encrypted_data: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    module: Option<String>,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    instances: Vec<Instance>,
}

#[derive(Deserialize)]
struct Instance {
    index_key: Option<Key>,
    deposed: Option<String>,
    #[serde(default)]
    attributes: Option<Attributes>,
}

impl State {
    /// Reads a state file's text. An empty file is an empty state, as for Terraform.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        if text.len() > LARGEST_STATE {
            let limit = LARGEST_STATE / 1024 / 1024;
            return Err(Error::State(format!("larger than {limit} MiB")));
        }
        if text.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let file: File = serde_json::from_slice(text).map_err(|error| {
            // Its own words may quote a value.
            let (line, column) = (error.line(), error.column());
            Error::State(format!("not a state in JSON, line {line}, column {column}"))
        })?;
        if file.encrypted_data.is_some() {
            return Err(Error::State("it is encrypted".to_owned()));
        }
        match file.version {
            Some(4) => Ok(Self::index(file.resources)),
            Some(other) => Err(Error::State(format!("version {other}, not 4"))),
            None => Err(Error::State("it has no version".to_owned())),
        }
    }

    fn index(resources: Vec<Resource>) -> Self {
        let mut state = Self::default();
        for resource in resources {
            let module = resource.module.as_deref().unwrap_or_default();
            let address = address(module, &resource.mode, &resource.kind, &resource.name);
            let is_zone = resource.kind == "aws_route53_zone";
            let instances = state.resources.entry(address).or_default();
            for instance in resource.instances.into_iter().filter(|one| one.deposed.is_none()) {
                let attributes = instance.attributes.unwrap_or_default();
                if is_zone && let Some((id, name)) = zone(&attributes) {
                    state.zones.insert(id, name);
                }
                match instance.index_key {
                    Some(key) => {
                        instances.keyed.insert(key, attributes);
                    }
                    None => instances.single = Some(attributes),
                }
            }
        }
        state
    }

    /// The instances of a resource; `module` is the module instance's address, empty for the root.
    pub(super) fn instances(
        &self,
        module: &str,
        mode: &str,
        kind: &str,
        name: &str,
    ) -> Option<&Instances> {
        self.resources.get(&address(module, mode, kind, name))
    }

    /// Whether it has what would stand there.
    pub(super) fn has(&self, at: &At) -> bool {
        let At { module, name, key } = at;
        let found = self.instances(module, name.mode, &name.kind, &name.name);
        found.is_some_and(|found| match key {
            Some(key) => found.keyed.contains_key(key),
            None => found.single.is_some(),
        })
    }

    /// Takes up what was looked up elsewhere.
    #[cfg(feature = "aws")]
    pub fn learn(&mut self, lookup: &Lookup, found: &Found) {
        let At { module, name, key } = &lookup.at;
        let attributes = found.attributes(&lookup.known);
        if name.kind == "aws_route53_zone"
            && let Some((id, name)) = zone(&attributes)
        {
            self.zones.insert(id, name);
        }
        let address = address(module, name.mode, &name.kind, &name.name);
        let instances = self.resources.entry(address).or_default();
        match key {
            Some(key) => {
                instances.keyed.insert(key.clone(), attributes);
            }
            None => instances.single = Some(attributes),
        }
    }

    /// Takes up the name of a zone.
    #[cfg(feature = "aws")]
    pub fn learn_zone(&mut self, id: &str, name: &str) {
        self.zones.insert(id.to_owned(), name.trim_end_matches('.').to_lowercase());
    }

    /// The name of a hosted zone that the state knows, without trailing dot; `id` without `/hostedzone/`.
    pub fn zone_name(&self, id: &str) -> Option<&str> {
        self.zones.get(id).map(String::as_str)
    }
}

fn address(module: &str, mode: &str, kind: &str, name: &str) -> String {
    format!("{module}|{mode}|{kind}|{name}")
}

fn zone(attributes: &Attributes) -> Option<(String, String)> {
    let id = attributes.get("zone_id")?.as_str()?;
    let name = attributes.get("name")?.as_str()?;
    let id = id.rsplit('/').next().unwrap_or(id).to_owned();
    Some((id, name.trim_end_matches('.').to_lowercase()))
}

/// An attribute of a resource as a value. Some resources keep values of any type as `{"value": .., "type": ..}`.
pub(super) fn attribute_value(kind: &str, json: &serde_json::Value) -> Value {
    let dynamic = matches!(kind, "terraform_remote_state" | "terraform_data");
    if dynamic && let Some(value) = typed_value(json) {
        return value;
    }
    value(json)
}

fn typed_value(json: &serde_json::Value) -> Option<Value> {
    let entries = json.as_object().filter(|entries| entries.len() == 2)?;
    let (kind, plain) = (entries.get("type")?, entries.get("value")?);
    // An array is a tuple until its type says otherwise, and a list would not become one again.
    let typed = convert::convert(tfvars::json_value(plain), &type_from_json(kind)?);
    Some(typed.unwrap_or_else(|_| value(plain)))
}

/// A type as go-cty writes it in JSON: `"string"`, `["list", "string"]`, `["object", {..}]`.
fn type_from_json(json: &serde_json::Value) -> Option<Type> {
    if let Some(name) = json.as_str() {
        return match name {
            "string" => Some(Type::String),
            "number" => Some(Type::Number),
            "bool" => Some(Type::Bool),
            "dynamic" => Some(Type::Any),
            _ => None,
        };
    }
    let [name, content, ..] = json.as_array()?.as_slice() else { return None };
    match name.as_str()? {
        "list" => Some(Type::List(Box::new(type_from_json(content)?))),
        "set" => Some(Type::Set(Box::new(type_from_json(content)?))),
        "map" => Some(Type::Map(Box::new(type_from_json(content)?))),
        "tuple" => {
            let elements = content.as_array()?.iter().map(type_from_json);
            Some(Type::Tuple(elements.collect::<Option<_>>()?))
        }
        "object" => {
            let attributes = content.as_object()?.iter();
            let attributes =
                attributes.map(|(name, kind)| Some((name.clone(), type_from_json(kind)?)));
            Some(Type::Object(attributes.collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// JSON as a value. The state does not say whether an array is a list or a set: elements of one type are a list.
pub(super) fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => match number.to_string().parse::<Number>() {
            Ok(number) => Value::Number(number),
            Err(_too_large) => Value::Null,
        },
        serde_json::Value::String(text) => Value::String(normal::text(text.clone())),
        serde_json::Value::Array(elements) => list_or_tuple(elements.iter().map(value).collect()),
        serde_json::Value::Object(entries) => {
            let entries = entries.iter();
            Value::Object(
                entries.map(|(name, json)| (normal::text(name.clone()), value(json))).collect(),
            )
        }
    }
}

fn list_or_tuple(elements: Vec<Value>) -> Value {
    let Some(first) = elements.first().map(convert::type_of) else {
        return Value::List(elements);
    };
    if elements.iter().all(|one| convert::type_of(one) == first) {
        return Value::List(elements);
    }
    // Nulls inside objects hide their types; primitives of several types are no list.
    let objects = elements.iter().all(|one| matches!(one, Value::Object(_)));
    let tuple = Value::Tuple(elements);
    if objects { convert::to_list(&tuple).unwrap_or(tuple) } else { tuple }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_of_a_remote_state_has_the_type_that_it_was_written_with() {
        let json = serde_json::json!({
            "value": {"ids": ["b", "a"], "hosts": ["app", "www"], "page": {"ttl": 60}},
            "type": ["object", {
                "ids": ["set", "string"],
                "hosts": ["tuple", ["string", "string"]],
                "page": ["map", "number"],
            }],
        });
        let Value::Object(outputs) = attribute_value("terraform_remote_state", &json) else {
            panic!("not an object")
        };
        let sorted = ["a", "b"].map(|text| Value::String(text.to_owned())).to_vec();
        assert_eq!(outputs.get("ids"), Some(&Value::Set(sorted)));
        let hosts = ["app", "www"].map(|text| Value::String(text.to_owned())).to_vec();
        assert_eq!(outputs.get("hosts"), Some(&Value::Tuple(hosts)));
        assert!(matches!(outputs.get("page"), Some(Value::Map(_))));
        assert!(
            matches!(attribute_value("aws_lb", &json), Value::Object(plain) if plain.len() == 2)
        );
    }

    #[test]
    fn an_old_an_encrypted_and_a_broken_state_are_refused_without_quoting_them() {
        for (text, word) in [
            (r#"{"version": 3, "modules": []}"#, "version 3"),
            (r#"{"encrypted_data": "x", "serial": 1}"#, "encrypted"),
            (r#"{"version": "hunter2"}"#, "line 1"),
            ("{}", "no version"),
        ] {
            let message = State::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(word) && !message.contains("hunter2"), "{message}");
        }
        assert!(State::parse(b" \n").is_ok());
    }

    #[test]
    fn a_zone_is_known_by_its_id_with_and_without_prefix() {
        let text = r#"{"version":4,"resources":[{"mode":"data","type":"aws_route53_zone","name":"z","instances":[
            {"attributes":{"zone_id":"/hostedzone/Z1","name":"Example.com."}}]}]}"#;
        let state = State::parse(text.as_bytes()).unwrap();
        assert_eq!(state.zone_name("Z1"), Some("example.com"));
    }
}
