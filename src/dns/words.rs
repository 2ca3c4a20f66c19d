//! What a record says, as people read it.

use serde_json::Value;

/// A record's value in a few words.
pub(super) fn in_words(value: &Value) -> String {
    if let Some(name) = value.pointer("/alias/name").and_then(Value::as_str) {
        return format!("alias to {name}");
    }
    match (value.get("records").and_then(Value::as_array), value.get("ttl")) {
        (Some(records), Some(ttl)) => {
            let records: Vec<_> = records.iter().filter_map(Value::as_str).collect();
            format!("{} for {ttl} s", records.join(", "))
        }
        _ => "no record".to_owned(),
    }
}
