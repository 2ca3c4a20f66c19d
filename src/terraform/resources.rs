//! References to resources and data: from the state first, else what the configuration says, else unknown.

use std::collections::BTreeMap;
use std::rc::Rc;

use hcl_edit::Decorated;
use hcl_edit::expr::{Expression, TraversalOperator};

use super::Value;
use super::access::{Path, Start};
use super::expression::{evaluate, span};
use super::fault::Eval;
use super::instances::{self, Repetition};
use super::module::ResourceName;
use super::scope::{Each, Scope};
use super::shape::Block;
use super::state::{self, Attributes, Instances, Key};

/// What stands behind a reference.
struct Found<'a> {
    name: ResourceName,
    declared: Option<&'a Block>,
    stored: Option<&'a Instances>,
}

/// `aws_lb.NAME..` and `data.aws_lb.NAME..`
pub(super) fn reference(scope: Scope<'_, '_>, path: Path<'_>, name: ResourceName) -> Eval<Start> {
    let start = if name.mode == "data" { 2 } else { 1 };
    let declared = scope.instance.module.resources.get(&name);
    let stored = scope.world.state.and_then(|state| {
        state.instances(&scope.instance.address, name.mode, &name.kind, &name.name)
    });
    let found = Found { name, declared, stored };
    let repetition = match declared {
        Some(block) => instances::repetition(scope.world, scope.instance, block)?,
        None => stored_repetition(scope, path, stored),
    };
    // What `count` depends on may be unknown while the state knows how it came out.
    let repetition = match repetition {
        Repetition::Unknown(unknown) => match stored_repetition(scope, path, stored) {
            Repetition::Unknown(_) => Repetition::Unknown(unknown),
            known => known,
        },
        known => known,
    };
    let keys = repetition.all();
    let next = path.operators.get(start);
    match (&repetition, next.map(Decorated::value)) {
        (Repetition::Unknown(unknown), _) => Ok(started(unknown.clone(), start)),
        (Repetition::Single, _) => one(scope, path, &found, (None, &Each::Once), start),
        (_, Some(TraversalOperator::Index(_) | TraversalOperator::LegacyIndex(_))) => {
            let Some(key) = key_at(scope, next.map(Decorated::value))? else {
                let message = "an index must be a known number or string";
                return scope.wrong(span(path.whole), message);
            };
            let chosen = keys.iter().find(|(known, _)| known.as_ref() == Some(&key));
            let Some((_, each)) = chosen else {
                let suffix = instances::suffix(Some(&key));
                let message = format!("{}{suffix} does not exist", found.name);
                return scope.wrong(span(path.whole), message);
            };
            one(scope, path, &found, (Some(&key), each), start + 1)
        }
        _ => every(scope, path, &found, &repetition, start),
    }
}

/// The key in `[0]`, `["key"]` or `.0`, if it is known.
fn key_at(scope: Scope<'_, '_>, operator: Option<&TraversalOperator>) -> Eval<Option<Key>> {
    match operator {
        Some(TraversalOperator::Index(index)) => instances::index_key(scope, index),
        Some(TraversalOperator::LegacyIndex(index)) => Ok(Some(Key::Number(*index.value()))),
        _ => Ok(None),
    }
}

fn started(value: Value, used: usize) -> Start {
    Start { value: Rc::new(value), used }
}

/// How many there are by the state; unknown where it has none.
fn stored_repetition(
    scope: Scope<'_, '_>,
    path: Path<'_>,
    stored: Option<&Instances>,
) -> Repetition {
    let Some(stored) = stored else {
        return Repetition::Unknown(absent(scope, path));
    };
    if stored.single.is_some() {
        return Repetition::Single;
    }
    let texts = stored.keyed.keys().filter_map(|key| match key {
        Key::Text(key) => Some((key.clone(), Value::Null)),
        Key::Number(_) => None,
    });
    let texts: BTreeMap<String, Value> = texts.collect();
    match stored.keyed.len() {
        0 => Repetition::Unknown(absent(scope, path)),
        _ if !texts.is_empty() => Repetition::Keys(texts),
        count => Repetition::Count(count),
    }
}

/// The unknown that a reference to something without state is.
fn absent(scope: Scope<'_, '_>, path: Path<'_>) -> Value {
    let why = match scope.world.state {
        Some(_) => "not in the state",
        None => "the state was not read",
    };
    let written = Expression::Traversal(Box::new(path.whole.clone())).to_string();
    scope.unknown(span(path.whole), written.trim().to_owned(), why)
}

/// One instance; with an attribute named at once, only that one becomes a value.
fn one(
    scope: Scope<'_, '_>,
    path: Path<'_>,
    found: &Found<'_>,
    (key, each): (Option<&Key>, &Each),
    used: usize,
) -> Eval<Start> {
    let stored = found.stored.and_then(|stored| match key {
        Some(key) => stored.keyed.get(key),
        None => stored.single.as_ref(),
    });
    let Some(attribute) = path.attribute(used) else {
        let value = match stored {
            Some(attributes) => whole(scope, path, found, attributes)?,
            None => absent(scope, path),
        };
        return Ok(started(value, used));
    };
    if let Some(json) = stored.and_then(|attributes| attributes.get(attribute)) {
        let value = state::attribute_value(&found.name.kind, json);
        return Ok(started(value, used + 1));
    }
    // The state comes first, so without it nothing of the configuration counts yet.
    let configured = found.declared.filter(|_| scope.world.state.is_some());
    if let Some(written) = configured.and_then(|block| block.body.attribute(attribute)) {
        let inside = Scope::of(scope.world, scope.instance, &written.source).within(each);
        let name = format!("{}{}.{attribute}", found.name, instances::suffix(key));
        let value = scope.world.once(
            (scope.instance.id, name),
            |message| scope.source.diagnostic(span(path.whole), message),
            || evaluate(inside, &written.expression),
        )?;
        // The provider fills in what is null.
        if *value != Value::Null {
            return Ok(Start { value, used: used + 1 });
        }
    }
    match stored {
        Some(attributes) => {
            let known = attributes.keys().map(String::as_str);
            let what = format!("attribute \"{attribute}\" of {}", found.name);
            Err(scope.missing(span(path.whole), &what, attribute, known).into())
        }
        None => Ok(started(absent(scope, path), used + 1)),
    }
}

fn whole(
    scope: Scope<'_, '_>,
    path: Path<'_>,
    found: &Found<'_>,
    attributes: &Attributes,
) -> Eval<Value> {
    scope.charge(attributes.len() as u64, || span(path.whole))?;
    let entries = attributes
        .iter()
        .map(|(name, json)| (name.clone(), state::attribute_value(&found.name.kind, json)));
    Ok(Value::Object(entries.collect()))
}

/// All instances, as a list or a map of them. Where a splat asks for one attribute, they have that one alone: it may be
/// known though the instance is not in the state.
fn every(
    scope: Scope<'_, '_>,
    path: Path<'_>,
    found: &Found<'_>,
    repetition: &Repetition,
    used: usize,
) -> Eval<Start> {
    let mut listed = Vec::new();
    let mut keyed = BTreeMap::new();
    let splat = path.operators.get(used).is_some_and(|next| {
        matches!(next.value(), TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_))
    });
    let wanted = path.attribute(used + 1).filter(|_| splat);
    for (key, each) in repetition.all() {
        let stored = key.as_ref().and_then(|key| found.stored?.keyed.get(key));
        let value = match (wanted, stored) {
            (Some(wanted), _) => {
                let start = one(scope, path, found, (key.as_ref(), &each), used + 1)?;
                Value::Object(BTreeMap::from([(wanted.to_owned(), (*start.value).clone())]))
            }
            (None, Some(attributes)) => whole(scope, path, found, attributes)?,
            (None, None) => absent(scope, path),
        };
        match key {
            Some(Key::Text(key)) => {
                keyed.insert(key, value);
            }
            _ => listed.push(value),
        }
    }
    let value = match repetition {
        Repetition::Keys(_) => Value::Object(keyed),
        _ => Value::Tuple(listed),
    };
    Ok(started(value, used))
}
