//! `count` and `for_each`: how many there are of a resource or of a module, and what their keys are.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::access::{Path, Start};
use super::convert::{self, Type};
use super::expression::{entries, evaluate, span};
use super::fault::{Eval, Fault};
use super::module::Call;
use super::scope::{Each, Instance, Origin, Scope, World};
use super::shape::Block;
use super::state::Key;
use super::{Value, access};
use crate::hcl::Source;
use hcl_edit::expr::{Expression, TraversalOperator};

/// Most instances of one block.
const MOST_INSTANCES: usize = 10_000;

/// How often a block stands for something.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Repetition {
    /// Once: no `count` and no `for_each`.
    Single,
    /// `count`
    Count(usize),
    /// `for_each`, by key.
    Keys(BTreeMap<String, Value>),
    /// It depends on this unknown.
    Unknown(Value),
}

impl Repetition {
    /// Each instance's key and repetition, in Terraform's order.
    pub(super) fn all(&self) -> Vec<(Option<Key>, Each)> {
        match self {
            Self::Single => vec![(None, Each::Once)],
            Self::Count(count) => {
                let keys = (0..*count).map(|at| (Some(Key::Number(at as u64)), Each::Count(at)));
                keys.collect()
            }
            Self::Keys(keys) => {
                let each = |(key, value): (&String, &Value)| {
                    (Some(Key::Text(key.clone())), Each::Key(key.clone(), value.clone()))
                };
                keys.iter().map(each).collect()
            }
            Self::Unknown(_) => Vec::new(),
        }
    }
}

/// `[0]` or `["key"]` as Terraform writes it in addresses.
pub(super) fn suffix(key: Option<&Key>) -> String {
    match key {
        None => String::new(),
        Some(Key::Number(index)) => format!("[{index}]"),
        Some(Key::Text(key)) => {
            format!("[\"{}\"]", key.replace('\\', "\\\\").replace('"', "\\\""))
        }
    }
}

/// How often a block stands for something, in the scope of its module.
pub(super) fn repetition<'f>(
    world: &World<'f>,
    instance: &Rc<Instance<'f>>,
    block: &Block,
) -> Eval<Repetition> {
    let count = block.body.attribute("count");
    let for_each = block.body.attribute("for_each");
    match (count, for_each) {
        (None, None) => Ok(Repetition::Single),
        (Some(_), Some(both)) => {
            Err(both.wrong("`count` and `for_each` exclude each other").into())
        }
        (Some(count), None) => {
            let scope = Scope::of(world, instance, &count.source);
            counted(scope, &count.expression)
        }
        (None, Some(for_each)) => {
            let scope = Scope::of(world, instance, &for_each.source);
            keyed(scope, &for_each.expression)
        }
    }
}

fn counted(scope: Scope<'_, '_>, expression: &Expression) -> Eval<Repetition> {
    let value = evaluate(scope, expression)?;
    let number = convert::convert(value, &Type::Number);
    match number {
        Ok(unknown @ Value::Unknown(_)) => Ok(Repetition::Unknown(unknown)),
        Ok(Value::Number(number)) => match number.to_usize() {
            Some(count) if count <= MOST_INSTANCES => Ok(Repetition::Count(count)),
            _ => {
                let message = format!("a whole number from 0 to {MOST_INSTANCES} is required");
                scope.wrong(span(expression), message)
            }
        },
        _ => scope.wrong(span(expression), "`count` must be a number"),
    }
}

fn keyed(scope: Scope<'_, '_>, expression: &Expression) -> Eval<Repetition> {
    let value = evaluate(scope, expression)?;
    let is_set = matches!(value, Value::Set(_));
    let wrong = |message: &str| scope.wrong(span(expression), message);
    match value {
        unknown @ Value::Unknown(_) => return Ok(Repetition::Unknown(unknown)),
        Value::Null => return wrong("`for_each` must not be null"),
        Value::Set(_) | Value::Map(_) | Value::Object(_) => {}
        _ => {
            let message = "`for_each` takes a map, an object or a set of strings";
            let hint = "make a set of a list with toset";
            let diagnostic = scope.source.diagnostic(span(expression), message);
            return Err(diagnostic.with_hint(hint).into());
        }
    }
    let mut keys = BTreeMap::new();
    for (key, value) in entries(value).unwrap_or_default() {
        match key {
            Value::String(key) => keys.insert(key, value),
            unknown @ Value::Unknown(_) => return Ok(Repetition::Unknown(unknown)),
            _ if is_set => return wrong("`for_each` takes a set of strings, none of them null"),
            _ => None,
        };
    }
    if keys.len() > MOST_INSTANCES {
        return wrong("too many instances");
    }
    Ok(Repetition::Keys(keys))
}

/// The instances of a module call.
#[derive(Debug)]
pub(super) struct Children<'f> {
    pub(super) repetition: Repetition,
    pub(super) instances: Vec<(Option<Key>, Rc<Instance<'f>>)>,
}

/// The instances of a module that `instance` calls.
pub(super) fn children<'f>(
    world: &World<'f>,
    instance: &Rc<Instance<'f>>,
    name: &str,
    call: &'f Call,
) -> Eval<Rc<Children<'f>>> {
    let node = (instance.id, name.to_owned());
    if let Some(known) = world.children.borrow().get(&node) {
        return Ok(Rc::clone(known));
    }
    let module = match &call.module {
        Ok(module) => module,
        Err(diagnostic) => return Err(Fault::beyond(diagnostic.clone())),
    };
    let repetition = repetition(world, instance, &call.block)?;
    let dot = if instance.address.is_empty() { "" } else { "." };
    let mut instances = Vec::new();
    for (key, each) in repetition.all() {
        let address = format!("{}{dot}module.{name}{}", instance.address, suffix(key.as_ref()));
        let origin = Origin { parent: Rc::clone(instance), call, each };
        let child = Instance {
            id: world.next_module(),
            module,
            address,
            path: instance.inner_path(name),
            origin: Some(origin),
        };
        instances.push((key, Rc::new(child)));
    }
    let children = Rc::new(Children { repetition, instances });
    world.children.borrow_mut().insert(node, Rc::clone(&children));
    Ok(children)
}

/// `module.NAME..`: with an output named at once, only that one is worked out.
pub(super) fn reference(scope: Scope<'_, '_>, path: Path<'_>) -> Eval<Start> {
    let here = span(path.whole);
    let Some(name) = path.attribute(0) else {
        return scope.wrong(here, "`module` needs a name after it");
    };
    let Some((name, call)) = scope.instance.module.calls.get_key_value(name) else {
        let known = scope.instance.module.calls.keys().map(String::as_str);
        return Err(scope.missing(here, &format!("module \"{name}\""), name, known).into());
    };
    let children = children(scope.world, scope.instance, name, call)?;
    if let Repetition::Unknown(unknown) = &children.repetition {
        return Ok(Start { value: Rc::new(unknown.clone()), used: 1 });
    }
    let (chosen, used) = match (&children.repetition, path.operators.get(1)) {
        (Repetition::Single, _) => (Some(None), 1),
        (_, Some(operator)) => match operator.value() {
            TraversalOperator::Index(index) => (index_key(scope, index)?.map(Some), 2),
            _ => (None, 1),
        },
        (_, None) => (None, 1),
    };
    let Some(key) = chosen else {
        let value = every_child(scope, &children, path)?;
        return Ok(Start { value: Rc::new(value), used });
    };
    let child = children.instances.iter().find(|(known, _)| *known == key);
    let Some((_, child)) = child else {
        return scope.wrong(here, format!("module.{name}{} does not exist", suffix(key.as_ref())));
    };
    match path.attribute(used) {
        Some(output) => Ok(Start { value: output_of(scope, child, output, path)?, used: used + 1 }),
        None => Ok(Start { value: Rc::new(all_outputs(scope, child, path)?), used }),
    }
}

/// An index as a key; none where it is unknown or of no use as one.
pub(super) fn index_key(scope: Scope<'_, '_>, index: &Expression) -> Eval<Option<Key>> {
    Ok(match evaluate(scope, index)? {
        Value::String(text) => Some(Key::Text(text)),
        Value::Number(number) => number.to_u64().map(Key::Number),
        _ => None,
    })
}

fn every_child<'f>(scope: Scope<'_, 'f>, children: &Children<'f>, path: Path<'_>) -> Eval<Value> {
    let mut listed = Vec::new();
    let mut keyed = BTreeMap::new();
    for (key, child) in &children.instances {
        let outputs = all_outputs(scope, child, path)?;
        match key {
            Some(Key::Text(key)) => {
                keyed.insert(key.clone(), outputs);
            }
            _ => listed.push(outputs),
        }
    }
    Ok(match children.repetition {
        Repetition::Keys(_) => Value::Object(keyed),
        _ => Value::Tuple(listed),
    })
}

fn all_outputs<'f>(scope: Scope<'_, 'f>, child: &Rc<Instance<'f>>, path: Path<'_>) -> Eval<Value> {
    let mut outputs = BTreeMap::new();
    for name in child.module.outputs.keys() {
        let value = output_of(scope, child, name, path)?;
        scope.charge(access::weight(&value), || span(path.whole))?;
        outputs.insert(name.clone(), (*value).clone());
    }
    Ok(Value::Object(outputs))
}

fn output_of<'f>(
    scope: Scope<'_, 'f>,
    child: &Rc<Instance<'f>>,
    name: &str,
    path: Path<'_>,
) -> Eval<Rc<Value>> {
    let here = || span(path.whole);
    let Some(block) = child.module.outputs.get(name) else {
        let known = child.module.outputs.keys().map(String::as_str);
        return Err(scope.missing(here(), &format!("output \"{name}\""), name, known).into());
    };
    let Some(attribute) = block.body.attribute("value") else {
        return Err(block.wrong("an output needs a `value`").into());
    };
    let source: &Source = &attribute.source;
    scope.world.once(
        (child.id, format!("output.{name}")),
        |message| scope.source.diagnostic(here(), message),
        || evaluate(Scope::of(scope.world, child, source), &attribute.expression),
    )
}
