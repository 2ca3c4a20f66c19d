//! Names and what follows them: `.attribute`, `[index]`, splats. Errors name attributes, never values.

use std::rc::Rc;

use hcl_edit::expr::{Expression, Traversal, TraversalOperator};
use hcl_edit::{Decorated, Ident};

use super::convert::{self, Type, type_of};
use super::expression::{evaluate, span};
use super::fault::Eval;
use super::scope::{Each, Reach, Scope};
use super::{Value, instances, module, normal, resources};

/// The longest reference: each splat in it is one step deeper.
const MOST_OPERATORS: usize = 128;

type Operator = Decorated<TraversalOperator>;

/// A reference being followed: what it starts from, and how many operators the start has used up.
pub(super) struct Start {
    pub(super) value: Rc<Value>,
    pub(super) used: usize,
}

/// What a reference is made of.
#[derive(Clone, Copy)]
pub(super) struct Path<'e> {
    pub(super) name: &'e Decorated<Ident>,
    pub(super) operators: &'e [Operator],
    /// The whole, for errors and unknowns.
    pub(super) whole: &'e Traversal,
}

impl Path<'_> {
    /// The n-th operator, if it is `.name`.
    pub(super) fn attribute(&self, index: usize) -> Option<&str> {
        attribute(self.operators.get(index)?)
    }
}

fn attribute(operator: &Operator) -> Option<&str> {
    match operator.value() {
        TraversalOperator::GetAttr(name) => Some(name.value().as_str()),
        _ => None,
    }
}

/// Whether an operator after `.*` belongs to each element: `.name` and `.0` do, `[0]` is for the list that comes out.
fn is_of_each(operator: &Operator) -> bool {
    matches!(operator.value(), TraversalOperator::GetAttr(_) | TraversalOperator::LegacyIndex(_))
}

/// A name alone.
pub(super) fn name(scope: Scope<'_, '_>, name: &Decorated<Ident>) -> Eval<Value> {
    if let Some(value) = scope.bound(name.value().as_str()) {
        scope.charge(weight(value), || span(name))?;
        return Ok(value.clone());
    }
    let message = format!("`{}` alone is no reference", name.value().as_str());
    let hint = "write `var.`, `local.` or another scope before a name, or quotes around a text";
    Err(scope.source.diagnostic(span(name), message).with_hint(hint).into())
}

/// A name, or any expression, with operators after it.
pub(super) fn traversal(scope: Scope<'_, '_>, traversal: &Traversal) -> Eval<Value> {
    let operators = traversal.operators.as_slice();
    if operators.len() > MOST_OPERATORS {
        return scope.wrong(span(traversal), "this reference has too many parts");
    }
    let start = match &traversal.expr {
        Expression::Variable(name) => start(scope, Path { name, operators, whole: traversal })?,
        other => Start { value: Rc::new(evaluate(scope, other)?), used: 0 },
    };
    follow(scope, &start.value, operators.get(start.used..).unwrap_or_default())
}

fn start(scope: Scope<'_, '_>, path: Path<'_>) -> Eval<Start> {
    let name = path.name.value().as_str();
    if let Some(value) = scope.bound(name) {
        return Ok(Start { value: Rc::new(value.clone()), used: 0 });
    }
    let here = span(path.whole);
    if scope.reach == Reach::Nothing {
        return scope.wrong(here, format!("`{name}` is not known here"));
    }
    let needs = |what: &str| scope.wrong(here.clone(), format!("`{name}` needs {what} after it"));
    let first = path.attribute(0);
    let plain = |value: Value| Ok(Start { value: Rc::new(value), used: 1 });
    match name {
        "var" => match first {
            Some(first) => Ok(Start { value: scope.variable(first, here)?, used: 1 }),
            None => needs("the name of a variable"),
        },
        "local" => match first {
            Some(first) => Ok(Start { value: scope.local(first, here)?, used: 1 }),
            None => needs("the name of a local value"),
        },
        "each" | "count" => plain(repetition(scope, path)?),
        "path" => plain(path_value(scope, path)?),
        "terraform" => match first {
            Some("workspace") => plain(text(scope.world.folder.workspace.clone())),
            _ => scope.wrong(here, "only terraform.workspace is known here"),
        },
        "self" => scope.wrong(here, "`self` is known only while a resource is made"),
        "module" => instances::reference(scope, path),
        "data" => match (first, path.attribute(1)) {
            (Some(kind), Some(name)) => {
                resources::reference(scope, path, resource("data", kind, name))
            }
            _ => needs("a type and a name"),
        },
        kind => match first {
            Some(name) => resources::reference(scope, path, resource("managed", kind, name)),
            None => needs("a name"),
        },
    }
}

fn resource(mode: &'static str, kind: &str, name: &str) -> module::ResourceName {
    module::ResourceName { mode, kind: kind.to_owned(), name: name.to_owned() }
}

fn repetition(scope: Scope<'_, '_>, path: Path<'_>) -> Eval<Value> {
    match (path.name.value().as_str(), path.attribute(0), scope.each) {
        ("count", Some("index"), Each::Count(index)) => Ok(Value::Number((*index).into())),
        ("each", Some("key"), Each::Key(key, _)) => Ok(Value::String(key.clone())),
        ("each", Some("value"), Each::Key(_, value)) => Ok(value.clone()),
        ("count", ..) => {
            scope.wrong(span(path.whole), "count.index is known only in a block with `count`")
        }
        _ => scope.wrong(
            span(path.whole),
            "each.key and each.value are known only in a block with `for_each`",
        ),
    }
}

fn text(plain: String) -> Value {
    Value::String(normal::text(plain))
}

fn path_value(scope: Scope<'_, '_>, path: Path<'_>) -> Eval<Value> {
    let folder = &scope.world.folder.path;
    match path.attribute(0) {
        Some("root") => Ok(Value::String(".".to_owned())),
        Some("module") => Ok(text(module::path_module(folder, &scope.instance.module.dir))),
        Some("cwd") => match std::path::absolute(folder) {
            Ok(folder) => Ok(text(folder.to_string_lossy().into_owned())),
            Err(_gone) => scope.wrong(span(path.whole), "the current folder is not readable"),
        },
        _ => scope.wrong(span(path.whole), "path has only `module`, `root` and `cwd`"),
    }
}

/// Follows operators from a value.
pub(super) fn follow(scope: Scope<'_, '_>, value: &Value, operators: &[Operator]) -> Eval<Value> {
    let mut value = value;
    let mut rest = operators;
    loop {
        let Some((operator, after)) = rest.split_first() else {
            let weight = weight(value);
            scope.charge(weight, || 0..0)?;
            return Ok(value.clone());
        };
        if let Value::Unknown(_) = value {
            return Ok(value.clone());
        }
        value = match operator.value() {
            TraversalOperator::GetAttr(name) => {
                get_attribute(scope, value, name.value().as_str(), operator)?
            }
            TraversalOperator::LegacyIndex(index) => {
                let key = Value::Number((*index.value()).into());
                get_index(scope, value, &key, operator)?
            }
            TraversalOperator::Index(expression) => {
                let key = evaluate(scope, expression)?;
                if matches!(key, Value::Unknown(_)) {
                    return Ok(key);
                }
                get_index(scope, value, &key, operator)?
            }
            TraversalOperator::AttrSplat(_) => {
                let inner = after.iter().take_while(|next| is_of_each(next)).count();
                let (inner, outer) = after.split_at_checked(inner).unwrap_or((after, &[]));
                let spread = splat(scope, value, inner)?;
                return follow(scope, &spread, outer);
            }
            TraversalOperator::FullSplat(_) => return splat(scope, value, after),
        };
        rest = after;
    }
}

/// What follows a splat, for each element. Null gives nothing, a single thing is a list of itself.
fn splat(scope: Scope<'_, '_>, value: &Value, operators: &[Operator]) -> Eval<Value> {
    let each = |elements: &[Value]| -> Eval<Vec<Value>> {
        elements.iter().map(|element| follow(scope, element, operators)).collect()
    };
    match value {
        Value::Null => Ok(Value::Tuple(Vec::new())),
        Value::Unknown(_) => Ok(value.clone()),
        Value::Tuple(elements) => Ok(Value::Tuple(each(elements)?)),
        Value::List(elements) | Value::Set(elements) => {
            let elements = each(elements)?;
            // Attributes of objects in a list have one type; only unknown ones hide it.
            let tuple = Value::Tuple(elements);
            Ok(convert::to_list(&tuple).unwrap_or(tuple))
        }
        single => Ok(Value::Tuple(each(std::slice::from_ref(single))?)),
    }
}

fn get_attribute<'v>(
    scope: Scope<'_, '_>,
    value: &'v Value,
    name: &str,
    operator: &Operator,
) -> Eval<&'v Value> {
    match value {
        Value::Object(entries) | Value::Map(entries) => {
            entries.get(&*normal::name(name)).ok_or_else(|| {
                let known = entries.keys().map(String::as_str);
                let what = format!("attribute or key \"{name}\"");
                scope.missing(span(operator), &what, name, known).into()
            })
        }
        Value::Null => scope.wrong(span(operator), format!("null has no attribute \"{name}\"")),
        other => {
            let article = type_of(other).article();
            scope.wrong(span(operator), format!("{article} has no attribute \"{name}\""))
        }
    }
}

fn get_index<'v>(
    scope: Scope<'_, '_>,
    value: &'v Value,
    key: &Value,
    operator: &Operator,
) -> Eval<&'v Value> {
    let wrong = |message: &str| scope.wrong(span(operator), message);
    let as_type = |wanted: &Type| convert::convert(key.clone(), wanted);
    match value {
        Value::List(elements) | Value::Tuple(elements) => {
            let Ok(Value::Number(number)) = as_type(&Type::Number) else {
                return wrong("an index of a list must be a number");
            };
            match number.to_usize().and_then(|index| elements.get(index)) {
                Some(element) => Ok(element),
                None => wrong("there is no element with this index"),
            }
        }
        Value::Object(entries) | Value::Map(entries) => match as_type(&Type::String) {
            Ok(Value::String(key)) => match entries.get(&key) {
                Some(value) => Ok(value),
                None => wrong("there is no element with this key"),
            },
            _ => wrong("a key must be a string"),
        },
        Value::Null => wrong("null has no elements"),
        Value::Set(_) => wrong("a set has no index; make a list of it with tolist"),
        _ => wrong("this value has no elements"),
    }
}

/// What a copy of a value costs, in steps.
pub(super) fn weight(value: &Value) -> u64 {
    let all = |values: &mut dyn Iterator<Item = &Value>| values.map(weight).sum::<u64>();
    1 + match value {
        Value::String(text) => text.len() as u64 / 64,
        Value::List(elements) | Value::Set(elements) | Value::Tuple(elements) => {
            all(&mut elements.iter())
        }
        Value::Map(entries) | Value::Object(entries) => all(&mut entries.values()),
        Value::Null | Value::Unknown(_) | Value::Bool(_) | Value::Number(_) => 0,
    }
}
