//! One `aws_lb_listener_rule` -> the rule that a load balancer would have, from a block worked out or from a plan: both are
//! values of one shape. What is not known is said to be so, never guessed.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::blocks::{self, Contents};
use super::convert::{self, Type};
use super::scope::Scope;
use super::shape::Block;
use super::{Error, ListenerRule, RuleAction, RuleAnswer, RuleCondition, Unknown, Value, records};

/// What decides a rule.
const WANTED: [&str; 4] = ["listener_arn", "priority", "condition", "action"];
/// The largest number of a rule (ELB API reference, `CreateRule`).
const LAST: u64 = 50_000;
/// What an answer of its own may say (ELB API reference, `FixedResponseActionConfig`).
const LARGEST_BODY: usize = 1_024;
const TYPES: [&str; 5] =
    ["text/plain", "text/css", "text/html", "application/javascript", "application/json"];

/// Why a value is no rule.
#[derive(Debug)]
pub(super) enum Mistake {
    /// Nobody knows it here.
    Unknown(Rc<Unknown>),
    /// It is wrong, or more than we handle.
    Wrong(String),
}

type Read<T> = Result<T, Mistake>;
type Object = BTreeMap<String, Value>;

/// Works out one instance of a rule.
pub(super) fn rule(scope: Scope<'_, '_>, block: &Block) -> Result<ListenerRule, Error> {
    let contents = blocks::contents(scope, &block.body, &|name| WANTED.contains(&name))?;
    read(&object(contents)).map_err(|mistake| told(scope, block, mistake))
}

/// Where one instance of a rule stands, as far as its listener is known.
pub(super) fn number(
    scope: Scope<'_, '_>,
    block: &Block,
) -> Result<(Option<String>, Option<u32>), Error> {
    let wanted = |name: &str| ["listener_arn", "priority"].contains(&name);
    let contents = object(blocks::contents(scope, &block.body, &wanted)?);
    let priority = priority(&contents).map_err(|mistake| told(scope, block, mistake))?;
    Ok((text(&contents, "listener_arn").ok().flatten(), priority))
}

fn told(scope: Scope<'_, '_>, block: &Block, mistake: Mistake) -> Error {
    match mistake {
        Mistake::Unknown(unknown) => records::not_known(scope, &unknown),
        Mistake::Wrong(message) => block.wrong(message).into(),
    }
}

/// A block as one value: what is nested by its kind, in order.
fn object(contents: Contents<'_>) -> Object {
    let mut entries = contents.attributes;
    entries.extend(contents.unknown);
    let mut nested: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for inner in contents.nested {
        let value = Value::Object(object(inner.contents));
        nested.entry(inner.kind.to_owned()).or_default().push(value);
    }
    for (kind, blocks) in nested {
        entries.entry(kind).or_insert(Value::Tuple(blocks));
    }
    entries
}

/// The rule that such a value is.
pub(super) fn read(written: &Object) -> Read<ListenerRule> {
    let listener = needed(written, "listener_arn")?;
    if !listener.contains(":listener/app/") {
        let message = if listener.contains(":listener/") {
            format!("{listener} is of no application load balancer: only those have rules")
        } else {
            format!("`{listener}` is not the ARN of a listener")
        };
        return Err(Mistake::Wrong(message));
    }
    let conditions = blocks(written, "condition")?;
    let conditions = conditions.into_iter().map(condition).collect::<Read<Vec<_>>>()?;
    let action = match blocks(written, "action")?.as_slice() {
        [only] => action(only)?,
        [] => return Err(wrong("a rule needs an `action`")),
        // Who signs visitors in first does not answer by itself.
        [first, ..] => RuleAction::Other(needed(first, "type")?),
    };
    Ok(ListenerRule { listener, priority: priority(written)?, conditions, action })
}

fn priority(written: &Object) -> Read<Option<u32>> {
    let Some(Value::Number(number)) = value(written, "priority", &Type::Number)? else {
        return Ok(None);
    };
    let number = number.to_u64().filter(|number| *number <= LAST);
    let number = number.and_then(|number| u32::try_from(number).ok());
    match number {
        // AWS chooses.
        Some(0) => Ok(None),
        Some(number) => Ok(Some(number)),
        None => Err(wrong("`priority` must be a whole number from 1 to 50000")),
    }
}

fn condition(written: &Object) -> Read<RuleCondition> {
    // As provider 2.x wrote them.
    if let Some(field) = text(written, "field")? {
        let values = texts(written, "values")?;
        return match field.as_str() {
            "host-header" => Ok(RuleCondition::Hosts(lower(values))),
            "path-pattern" => Ok(RuleCondition::Paths(values)),
            other => Err(wrong(format!("a condition on `{other}` is not handled"))),
        };
    }
    let mut found = Vec::new();
    for kind in written.keys() {
        for inside in blocks(written, kind)? {
            found.push((kind.as_str(), inside));
        }
    }
    if !found.is_empty() && found.iter().all(|(kind, _)| *kind == "query_string") {
        return query(&found);
    }
    let [(kind, inside)] = found.as_slice() else {
        return Err(wrong("a `condition` asks one thing"));
    };
    if inside.get("regex_values").is_some_and(|regex| !is_empty(regex)) {
        return Err(wrong("a condition by `regex_values` is not handled"));
    }
    let values = texts(inside, "values")?;
    if values.is_empty() {
        return Err(wrong(format!("`{kind}` needs `values`")));
    }
    match *kind {
        "host_header" => Ok(RuleCondition::Hosts(lower(values))),
        "path_pattern" => Ok(RuleCondition::Paths(values)),
        "http_request_method" => Ok(RuleCondition::Methods(values)),
        "source_ip" => Ok(RuleCondition::Sources(values)),
        "http_header" => {
            Ok(RuleCondition::Header { name: needed(inside, "http_header_name")?, values })
        }
        other => Err(wrong(format!("a condition on `{other}` is not handled"))),
    }
}

/// Its blocks are values, not conditions.
fn query(found: &[(&str, &Object)]) -> Read<RuleCondition> {
    let pair = |(_, inside): &(&str, &Object)| Ok((text(inside, "key")?, needed(inside, "value")?));
    Ok(RuleCondition::Query(found.iter().map(pair).collect::<Read<_>>()?))
}

fn action(written: &Object) -> Read<RuleAction> {
    let kind = needed(written, "type")?;
    let inside = |name: &str| match blocks(written, name)?.as_slice() {
        [only] => Ok((*only).clone()),
        _ => Err(wrong(format!("an action of type \"{kind}\" needs one `{name}` block"))),
    };
    match kind.as_str() {
        "fixed-response" => Ok(RuleAction::Answers(fixed(&inside("fixed_response")?)?)),
        "redirect" => Ok(RuleAction::Answers(redirect(&inside("redirect")?)?)),
        _ => Ok(RuleAction::Other(kind)),
    }
}

fn fixed(written: &Object) -> Read<RuleAnswer> {
    let status = needed(written, "status_code")?;
    let Some(status) = status.parse::<u16>().ok().filter(|code| matches!(code / 100, 2 | 4 | 5))
    else {
        return Err(wrong("`status_code` is 2xx, 4xx or 5xx"));
    };
    let content_type = needed(written, "content_type")?;
    if !TYPES.contains(&content_type.as_str()) {
        return Err(wrong(format!("`content_type` is one of {}", TYPES.join(", "))));
    }
    let body = text(written, "message_body")?.unwrap_or_default();
    if body.len() > LARGEST_BODY {
        let bytes = body.len();
        return Err(wrong(format!(
            "`message_body` has {bytes} bytes, and a load balancer sends {LARGEST_BODY} at most"
        )));
    }
    Ok(RuleAnswer::Fixed { status, content_type, body })
}

fn redirect(written: &Object) -> Read<RuleAnswer> {
    let status = match needed(written, "status_code")?.as_str() {
        "HTTP_301" => 301,
        "HTTP_302" => 302,
        _ => return Err(wrong("`status_code` of a redirect is HTTP_301 or HTTP_302")),
    };
    let part = |name: &str, usual: &str| -> Read<String> {
        match value(written, name, &Type::String)? {
            // An empty query is none, whatever the request has.
            Some(Value::String(text)) if !text.is_empty() || name == "query" => Ok(text),
            _ => Ok(usual.to_owned()),
        }
    };
    Ok(RuleAnswer::Redirect {
        protocol: part("protocol", "#{protocol}")?,
        host: part("host", "#{host}")?,
        port: part("port", "#{port}")?,
        path: part("path", "/#{path}")?,
        query: part("query", "#{query}")?,
        status,
    })
}

fn wrong(message: impl Into<String>) -> Mistake {
    Mistake::Wrong(message.into())
}

fn lower(values: Vec<String>) -> Vec<String> {
    values.into_iter().map(|value| value.to_ascii_lowercase()).collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::List(all) | Value::Set(all) | Value::Tuple(all) => all.is_empty(),
        Value::Unknown(_)
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Map(_)
        | Value::Object(_) => false,
    }
}

/// A known value of a type; nothing where it is absent or null.
fn value(written: &Object, name: &str, wanted: &Type) -> Read<Option<Value>> {
    let Some(value) = written.get(name) else { return Ok(None) };
    match convert::convert(value.clone(), wanted) {
        Ok(Value::Null) => Ok(None),
        Ok(value) => match convert::first_unknown(&value) {
            Some(Value::Unknown(unknown)) => Err(Mistake::Unknown(Rc::clone(unknown))),
            _ => Ok(Some(value)),
        },
        Err(mismatch) => Err(wrong(format!("`{name}`: {mismatch}"))),
    }
}

/// Absent, null and empty are the same to the provider.
fn text(written: &Object, name: &str) -> Read<Option<String>> {
    match value(written, name, &Type::String)? {
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        _ => Ok(None),
    }
}

fn needed(written: &Object, name: &str) -> Read<String> {
    text(written, name)?.ok_or_else(|| wrong(format!("a rule needs `{name}`")))
}

fn texts(written: &Object, name: &str) -> Read<Vec<String>> {
    let texts = Type::Set(Box::new(Type::String));
    let Some(Value::Set(values)) = value(written, name, &texts)? else { return Ok(Vec::new()) };
    let text = |value| match value {
        Value::String(text) => Ok(text),
        _ => Err(wrong(format!("`{name}` must not hold null"))),
    };
    values.into_iter().map(text).collect()
}

/// The blocks of a kind, in order.
fn blocks<'a>(written: &'a Object, kind: &str) -> Read<Vec<&'a Object>> {
    match written.get(kind) {
        Some(Value::Unknown(unknown)) => Err(Mistake::Unknown(Rc::clone(unknown))),
        Some(Value::Tuple(all) | Value::List(all) | Value::Set(all)) => {
            let object = |one: &'a Value| match one {
                Value::Object(entries) => Ok(entries),
                Value::Unknown(unknown) => Err(Mistake::Unknown(Rc::clone(unknown))),
                _ => Err(wrong(format!("`{kind}` is a block"))),
            };
            all.iter().map(object).collect()
        }
        _ => Ok(Vec::new()),
    }
}
