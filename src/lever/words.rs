//! What a part of a lever says, for people.

use serde_json::Value;

/// What a lever's part says, in one line.
pub fn value_words(value: &Value) -> String {
    let Some(fields) = value.as_object() else { return value.to_string() };
    let mut words = Vec::new();
    for (name, field) in fields {
        let word = match (name.as_str(), field) {
            ("alias", Value::Object(alias)) => {
                let of = |key: &str| alias.get(key).and_then(Value::as_str).unwrap_or_default();
                let health = alias.get("evaluate_target_health") == Some(&Value::Bool(true));
                let health = if health { ", follows its health" } else { "" };
                format!("alias {} (zone {}{health})", of("name"), of("zone_id"))
            }
            ("records", Value::Array(records)) => listed(records),
            (name, Value::Array(items)) => format!("{name} {}", listed(items)),
            ("ttl", ttl) => format!("ttl {ttl}"),
            (name, Value::String(text)) => format!("{name} {text}"),
            (name, other) => format!("{name} {other}"),
        };
        words.push(word);
    }
    words.join("  ")
}

/// What a list says; a dash where it is empty.
fn listed(items: &[Value]) -> String {
    let one = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
    let all: Vec<_> = items.iter().map(one).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}
