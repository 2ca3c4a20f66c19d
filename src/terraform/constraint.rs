//! A variable's `type`: what is written there, with the defaults of `optional(..)`, and values brought into it.

use std::collections::BTreeMap;

use hcl_edit::expr::{Expression, FuncCall, Object, ObjectKey};

use super::convert::{self, Mismatch, Type};
use super::expression::{evaluate, span};
use super::fault::Eval;
use super::scope::{Reach, Scope};
use super::{Value, normal};

/// A type constraint.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Constraint {
    /// A type without attributes of objects inside.
    Plain(Type),
    /// `list(..)`
    List(Box<Constraint>),
    /// `set(..)`
    Set(Box<Constraint>),
    /// `map(..)`
    Map(Box<Constraint>),
    /// `tuple([..])`
    Tuple(Vec<Constraint>),
    /// `object({..})`
    Object(BTreeMap<String, Attribute>),
}

/// An attribute of an object type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attribute {
    kind: Constraint,
    /// Of `optional(..)`: what stands in for it, null if nothing is named.
    default: Option<Value>,
}

/// Reads what stands after `type =`. The quoted words of Terraform 0.11 are read too.
pub(super) fn parse(scope: Scope<'_, '_>, expression: &Expression) -> Eval<Constraint> {
    match expression {
        Expression::Variable(name) => word(scope, expression, name.value().as_str()),
        Expression::String(name) => word(scope, expression, name.value()),
        Expression::FuncCall(function) => constructed(scope, function),
        Expression::Parenthesis(inner) => parse(scope, inner.inner()),
        other => scope.wrong(span(other), "a type is required, as `string` or `list(string)`"),
    }
}

fn word(scope: Scope<'_, '_>, expression: &Expression, name: &str) -> Eval<Constraint> {
    let any = || Box::new(Constraint::Plain(Type::Any));
    Ok(match name {
        "any" => Constraint::Plain(Type::Any),
        "bool" => Constraint::Plain(Type::Bool),
        "number" => Constraint::Plain(Type::Number),
        "string" => Constraint::Plain(Type::String),
        "list" => Constraint::List(any()),
        "set" => Constraint::Set(any()),
        "map" => Constraint::Map(any()),
        _ => return scope.wrong(span(expression), format!("there is no type `{name}`")),
    })
}

fn constructed(scope: Scope<'_, '_>, function: &FuncCall) -> Eval<Constraint> {
    let name = function.name.name.value().as_str();
    let mut arguments = function.args.iter();
    let (Some(argument), None) = (arguments.next(), arguments.next()) else {
        return scope.wrong(span(function), format!("`{name}` takes one argument here"));
    };
    let inner = || parse(scope, argument).map(Box::new);
    match (name, argument) {
        ("list", _) => Ok(Constraint::List(inner()?)),
        ("set", _) => Ok(Constraint::Set(inner()?)),
        ("map", _) => Ok(Constraint::Map(inner()?)),
        ("tuple", Expression::Array(elements)) => {
            let elements = elements.iter().map(|element| parse(scope, element));
            Ok(Constraint::Tuple(elements.collect::<Eval<_>>()?))
        }
        ("object", Expression::Object(entries)) => object(scope, entries),
        _ => scope.wrong(span(function), format!("`{name}` makes no type of this")),
    }
}

fn object(scope: Scope<'_, '_>, entries: &Object) -> Eval<Constraint> {
    let mut attributes = BTreeMap::new();
    for (key, value) in entries {
        let name = match key {
            ObjectKey::Ident(name) => normal::text(name.value().as_str().to_owned()),
            ObjectKey::Expression(Expression::String(name)) => name.value().clone(),
            ObjectKey::Expression(other) => {
                return scope.wrong(span(other), "an attribute's name must be plain");
            }
        };
        attributes.insert(name, attribute(scope, value.expr())?);
    }
    Ok(Constraint::Object(attributes))
}

fn attribute(scope: Scope<'_, '_>, expression: &Expression) -> Eval<Attribute> {
    let Expression::FuncCall(function) = expression else {
        return Ok(Attribute { kind: parse(scope, expression)?, default: None });
    };
    if function.name.name.value().as_str() != "optional" {
        return Ok(Attribute { kind: parse(scope, expression)?, default: None });
    }
    let mut arguments = function.args.iter();
    let Some(kind) = arguments.next() else {
        return scope.wrong(span(expression), "`optional` needs a type");
    };
    let default = match arguments.next() {
        Some(default) => evaluate(Scope { reach: Reach::Nothing, ..scope }, default)?,
        None => Value::Null,
    };
    Ok(Attribute { kind: parse(scope, kind)?, default: Some(default) })
}

impl Constraint {
    /// Whether a value on the command line is read as an expression rather than as text.
    pub(super) fn is_complex(&self) -> bool {
        !matches!(self, Self::Plain(Type::Bool | Type::Number | Type::String))
    }

    /// The type without its defaults.
    fn kind(&self) -> Type {
        match self {
            Self::Plain(kind) => kind.clone(),
            Self::List(inner) => Type::List(Box::new(inner.kind())),
            Self::Set(inner) => Type::Set(Box::new(inner.kind())),
            Self::Map(inner) => Type::Map(Box::new(inner.kind())),
            Self::Tuple(elements) => Type::Tuple(elements.iter().map(Self::kind).collect()),
            Self::Object(attributes) => Type::Object(
                attributes.iter().map(|(name, one)| (name.clone(), one.kind.kind())).collect(),
            ),
        }
    }

    /// A value in this type, with the defaults of its optional attributes.
    pub(super) fn apply(&self, value: Value) -> Result<Value, Mismatch> {
        convert::convert(self.filled(value), &self.kind())
    }

    fn filled(&self, value: Value) -> Value {
        let all = |inner: &Self, elements: Vec<Value>| {
            elements.into_iter().map(|element| inner.filled(element)).collect()
        };
        let each = |inner: &Self, entries: BTreeMap<String, Value>| {
            entries.into_iter().map(|(key, value)| (key, inner.filled(value))).collect()
        };
        match (self, value) {
            // Elements that gained attributes are no longer told to be alike.
            (
                Self::List(inner) | Self::Set(inner),
                Value::List(elements) | Value::Set(elements) | Value::Tuple(elements),
            ) => Value::Tuple(all(inner, elements)),
            (Self::Map(inner), Value::Map(entries) | Value::Object(entries)) => {
                Value::Object(each(inner, entries))
            }
            (Self::Tuple(inner), Value::Tuple(elements)) if inner.len() == elements.len() => {
                let pairs = inner.iter().zip(elements);
                Value::Tuple(pairs.map(|(inner, element)| inner.filled(element)).collect())
            }
            (Self::Object(attributes), Value::Object(entries) | Value::Map(entries)) => {
                Value::Object(fill(attributes, entries))
            }
            (_, value) => value,
        }
    }
}

fn fill(
    attributes: &BTreeMap<String, Attribute>,
    mut entries: BTreeMap<String, Value>,
) -> BTreeMap<String, Value> {
    for (name, attribute) in attributes {
        let value = match (entries.remove(name), &attribute.default) {
            (None | Some(Value::Null), Some(default)) => default.clone(),
            (Some(value), _) => value,
            (None, None) => continue,
        };
        entries.insert(name.clone(), attribute.kind.filled(value));
    }
    entries
}
