//! Types, and conversion between them, as Terraform's type system (go-cty) does it.
//!
//! A value carries no type of its own: `type_of` reads it from the value, and an empty list, a null and an unknown
//! say `Any`. Converts what Terraform converts by itself (`"5"` to 5, a tuple to a list) and refuses the rest; never
//! names a value in an error, because the value may be a secret.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::decimal::Notation;
use super::number::Number;
use super::value::Value;

/// A type of Terraform's language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Not known from the value (`null`, an unknown, the elements of `[]`), or `any` in a constraint.
    Any,
    /// `bool`
    Bool,
    /// `number`
    Number,
    /// `string`
    String,
    /// `list(..)`
    List(Box<Type>),
    /// `set(..)`
    Set(Box<Type>),
    /// `map(..)`
    Map(Box<Type>),
    /// `tuple([..])`
    Tuple(Vec<Type>),
    /// `object({..})`
    Object(BTreeMap<String, Type>),
}

/// Why a value cannot be had as another type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// There is no such conversion.
    #[error("{wanted} is required, not {found}")]
    Wrong {
        /// The type that was wanted.
        wanted: &'static str,
        /// The type that was found.
        found: &'static str,
    },
    /// The text is no number.
    #[error("a number is required, and this text is none")]
    NotANumber,
    /// The text is no boolean.
    #[error("true or false is required, and this text is neither")]
    NotABool,
    /// `[1, true]` as a list.
    #[error("all elements must have the same type")]
    Elements,
    /// An object without what its type demands.
    #[error("attribute \"{0}\" is required")]
    Attribute(String),
    /// A tuple that is longer or shorter than its type.
    #[error("a tuple of {wanted} elements is required, not of {found}")]
    Length {
        /// Elements of the type.
        wanted: usize,
        /// Elements of the value.
        found: usize,
    },
}

impl Type {
    /// The type's name, with an article, for errors.
    pub fn article(&self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Bool => "a bool",
            Self::Number => "a number",
            Self::String => "a string",
            Self::List(_) => "a list",
            Self::Set(_) => "a set",
            Self::Map(_) => "a map",
            Self::Tuple(_) => "a tuple",
            Self::Object(_) => "an object",
        }
    }

    fn is_primitive(&self) -> bool {
        matches!(self, Self::Bool | Self::Number | Self::String)
    }
}

/// The type of a value, as far as the value tells it.
pub fn type_of(value: &Value) -> Type {
    match value {
        Value::Null | Value::Unknown(_) => Type::Any,
        Value::Bool(_) => Type::Bool,
        Value::Number(_) => Type::Number,
        Value::String(_) => Type::String,
        Value::List(elements) => Type::List(Box::new(element_type(elements))),
        Value::Set(elements) => Type::Set(Box::new(element_type(elements))),
        Value::Map(entries) => Type::Map(Box::new(element_type(entries.values()))),
        Value::Tuple(elements) => Type::Tuple(elements.iter().map(type_of).collect()),
        Value::Object(entries) => Type::Object(
            entries.iter().map(|(name, value)| (name.clone(), type_of(value))).collect(),
        ),
    }
}

/// The elements have one type; each tells what it knows of it.
fn element_type<'a>(elements: impl IntoIterator<Item = &'a Value>) -> Type {
    elements.into_iter().map(type_of).reduce(|known, next| fill(known, &next)).unwrap_or(Type::Any)
}

/// Replaces each `Any` of one type by what the other knows there.
fn fill(known: Type, next: &Type) -> Type {
    match (known, next) {
        (Type::Any, next) => next.clone(),
        (Type::List(known), Type::List(next)) => Type::List(Box::new(fill(*known, next))),
        (Type::Set(known), Type::Set(next)) => Type::Set(Box::new(fill(*known, next))),
        (Type::Map(known), Type::Map(next)) => Type::Map(Box::new(fill(*known, next))),
        (Type::Tuple(known), Type::Tuple(next)) if known.len() == next.len() => Type::Tuple(
            known.into_iter().zip(next).map(|(known, next)| fill(known, next)).collect(),
        ),
        (Type::Object(known), Type::Object(next)) => Type::Object(
            known
                .into_iter()
                .map(|(name, known)| {
                    let known = match next.get(&name) {
                        Some(next) => fill(known, next),
                        None => known,
                    };
                    (name, known)
                })
                .collect(),
        ),
        (known, _) => known,
    }
}

/// The one type that all of these convert to, or none (go-cty, `convert.UnifyUnsafe`).
pub fn unify(types: &[Type]) -> Option<Type> {
    let types: Vec<&Type> = types.iter().filter(|kind| **kind != Type::Any).collect();
    let Some(first) = types.first().copied() else {
        return Some(Type::Any);
    };
    if types.iter().all(|kind| *kind == first) {
        return Some(first.clone());
    }
    let all = |test: fn(&Type) -> bool| types.iter().all(|kind| test(kind));
    let any = |test: fn(&Type) -> bool| types.iter().any(|kind| test(kind));
    let (list, tuple) =
        (|kind: &Type| matches!(kind, Type::List(_)), |kind: &Type| matches!(kind, Type::Tuple(_)));
    let (map, object) =
        (|kind: &Type| matches!(kind, Type::Map(_)), |kind: &Type| matches!(kind, Type::Object(_)));
    if all(Type::is_primitive) {
        return types.contains(&&Type::String).then_some(Type::String);
    }
    if all(object) {
        return unify_objects(&types);
    }
    if all(tuple) {
        return unify_tuples(&types);
    }
    if any(object) && any(tuple) {
        return None;
    }
    if all(|kind| matches!(kind, Type::Set(_))) {
        return Some(Type::Set(Box::new(unify_contents(&types)?)));
    }
    if all(|kind| matches!(kind, Type::Map(_) | Type::Object(_))) && any(map) {
        return Some(Type::Map(Box::new(unify_contents(&types)?)));
    }
    if all(|kind| matches!(kind, Type::List(_) | Type::Tuple(_))) && any(list) {
        return Some(Type::List(Box::new(unify_contents(&types)?)));
    }
    if all(|kind| matches!(kind, Type::List(_) | Type::Tuple(_) | Type::Set(_))) {
        let content = Box::new(unify_contents(&types)?);
        return Some(if any(list) { Type::List(content) } else { Type::Set(content) });
    }
    None
}

/// The type that the elements of all these collections share.
fn unify_contents(types: &[&Type]) -> Option<Type> {
    let mut contents = Vec::new();
    for kind in types {
        match kind {
            Type::List(content) | Type::Set(content) | Type::Map(content) => {
                contents.push((**content).clone());
            }
            Type::Tuple(elements) => contents.extend(elements.iter().cloned()),
            Type::Object(attributes) => contents.extend(attributes.values().cloned()),
            Type::Any | Type::Bool | Type::Number | Type::String => {}
        }
    }
    unify(&contents)
}

/// Same attributes: an object of what each unifies to. Others: a map.
fn unify_objects(types: &[&Type]) -> Option<Type> {
    let objects: Vec<&BTreeMap<String, Type>> = types
        .iter()
        .filter_map(
            |kind| if let Type::Object(attributes) = kind { Some(attributes) } else { None },
        )
        .collect();
    let first = objects.first().copied()?;
    if objects.iter().any(|object| !object.keys().eq(first.keys())) {
        return Some(Type::Map(Box::new(unify_contents(types)?)));
    }
    let mut attributes = BTreeMap::new();
    for name in first.keys() {
        let across: Vec<Type> =
            objects.iter().filter_map(|object| object.get(name).cloned()).collect();
        attributes.insert(name.clone(), unify(&across)?);
    }
    Some(Type::Object(attributes))
}

/// Same length: a tuple of what each place unifies to. Others: a list.
fn unify_tuples(types: &[&Type]) -> Option<Type> {
    let tuples: Vec<&Vec<Type>> = types
        .iter()
        .filter_map(|kind| if let Type::Tuple(elements) = kind { Some(elements) } else { None })
        .collect();
    let length = tuples.first()?.len();
    if tuples.iter().any(|tuple| tuple.len() != length) {
        return Some(Type::List(Box::new(unify_contents(types)?)));
    }
    let mut elements = Vec::new();
    for index in 0..length {
        let across: Vec<Type> =
            tuples.iter().filter_map(|tuple| tuple.get(index).cloned()).collect();
        elements.push(unify(&across)?);
    }
    Some(Type::Tuple(elements))
}

/// The value as another type. Nulls and unknowns pass as they are.
pub fn convert(value: Value, wanted: &Type) -> Result<Value, Mismatch> {
    let wrong = |value: &Value| Mismatch::Wrong {
        wanted: wanted.article(),
        found: type_of(value).article(),
    };
    match (wanted, value) {
        (Type::Any, value) | (_, value @ (Value::Null | Value::Unknown(_))) => Ok(value),
        (Type::Bool, value) => bool_from(value),
        (Type::Number, value) => number_from(value),
        (Type::String, value) => string_from(value),
        (
            Type::List(content),
            Value::List(elements) | Value::Set(elements) | Value::Tuple(elements),
        ) => Ok(Value::List(convert_elements(elements, content)?)),
        (
            Type::Set(content),
            Value::List(elements) | Value::Set(elements) | Value::Tuple(elements),
        ) => Ok(set_of(convert_elements(elements, content)?)),
        (Type::Map(content), Value::Map(entries) | Value::Object(entries)) => {
            Ok(Value::Map(convert_entries(entries, content)?))
        }
        (Type::Tuple(wanted), Value::Tuple(elements)) => convert_tuple(elements, wanted),
        (Type::Object(wanted), Value::Map(entries) | Value::Object(entries)) => {
            convert_object(entries, wanted)
        }
        (_, value) => Err(wrong(&value)),
    }
}

fn convert_elements(elements: Vec<Value>, content: &Type) -> Result<Vec<Value>, Mismatch> {
    let content = match content {
        Type::Any => unified(&elements)?,
        content => content.clone(),
    };
    elements.into_iter().map(|element| convert(element, &content)).collect()
}

fn convert_entries(
    entries: BTreeMap<String, Value>,
    content: &Type,
) -> Result<BTreeMap<String, Value>, Mismatch> {
    let content = match content {
        Type::Any => unified(entries.values())?,
        content => content.clone(),
    };
    entries.into_iter().map(|(name, value)| Ok((name, convert(value, &content)?))).collect()
}

fn convert_tuple(elements: Vec<Value>, wanted: &[Type]) -> Result<Value, Mismatch> {
    if elements.len() != wanted.len() {
        return Err(Mismatch::Length { wanted: wanted.len(), found: elements.len() });
    }
    let converted =
        elements.into_iter().zip(wanted).map(|(element, wanted)| convert(element, wanted));
    Ok(Value::Tuple(converted.collect::<Result<_, _>>()?))
}

/// Attributes that the type does not name are dropped, as Terraform drops them.
fn convert_object(
    mut entries: BTreeMap<String, Value>,
    wanted: &BTreeMap<String, Type>,
) -> Result<Value, Mismatch> {
    let mut converted = BTreeMap::new();
    for (name, kind) in wanted {
        let value = entries.remove(name).ok_or_else(|| Mismatch::Attribute(name.clone()))?;
        converted.insert(name.clone(), convert(value, kind)?);
    }
    Ok(Value::Object(converted))
}

/// The one type of all these values.
pub(crate) fn unified<'a>(values: impl IntoIterator<Item = &'a Value>) -> Result<Type, Mismatch> {
    let types: Vec<Type> = values.into_iter().map(type_of).collect();
    unify(&types).ok_or(Mismatch::Elements)
}

fn bool_from(value: Value) -> Result<Value, Mismatch> {
    match value {
        Value::Bool(_) | Value::Null | Value::Unknown(_) => Ok(value),
        Value::String(text) => match text.as_str() {
            "true" | "1" => Ok(Value::Bool(true)),
            "false" | "0" => Ok(Value::Bool(false)),
            _ => Err(Mismatch::NotABool),
        },
        other => Err(wrong(&Type::Bool, &other)),
    }
}

fn number_from(value: Value) -> Result<Value, Mismatch> {
    match value {
        Value::Number(_) | Value::Null | Value::Unknown(_) => Ok(value),
        Value::String(text) => match text.parse::<Number>() {
            Ok(number) => Ok(Value::Number(number)),
            Err(_no_number) => Err(Mismatch::NotANumber),
        },
        other => Err(wrong(&Type::Number, &other)),
    }
}

fn string_from(value: Value) -> Result<Value, Mismatch> {
    match value {
        Value::String(_) | Value::Null | Value::Unknown(_) => Ok(value),
        Value::Bool(truth) => Ok(Value::String(truth.to_string())),
        Value::Number(number) => Ok(Value::String(number.to_string())),
        other => Err(wrong(&Type::String, &other)),
    }
}

fn wrong(wanted: &Type, found: &Value) -> Mismatch {
    Mismatch::Wrong { wanted: wanted.article(), found: type_of(found).article() }
}

/// As a bool: also from `"true"`, `"false"`, `"1"` and `"0"`. Null and unknown pass.
pub fn to_bool(value: &Value) -> Result<Value, Mismatch> {
    bool_from(value.clone())
}

/// As a number: also from decimal text. Null and unknown pass.
pub fn to_number(value: &Value) -> Result<Value, Mismatch> {
    number_from(value.clone())
}

/// As a string: also from a number or a bool. Null and unknown pass.
pub fn to_string(value: &Value) -> Result<Value, Mismatch> {
    string_from(value.clone())
}

/// As a list, its elements unified: from a list, a set or a tuple.
pub fn to_list(value: &Value) -> Result<Value, Mismatch> {
    convert(value.clone(), &Type::List(Box::new(Type::Any)))
}

/// As a set, its elements unified: from a list, a set or a tuple.
pub fn to_set(value: &Value) -> Result<Value, Mismatch> {
    convert(value.clone(), &Type::Set(Box::new(Type::Any)))
}

/// As a map, its values unified: from a map or an object.
pub fn to_map(value: &Value) -> Result<Value, Mismatch> {
    convert(value.clone(), &Type::Map(Box::new(Type::Any)))
}

/// A set of elements of one type: sorted, without doubles. What an unknown element equals nobody knows, so it makes
/// the whole set unknown.
pub fn set_of(mut elements: Vec<Value>) -> Value {
    if let Some(unknown) = elements.iter().find_map(first_unknown) {
        return unknown.clone();
    }
    elements.sort_by(set_order);
    elements.dedup();
    Value::Set(elements)
}

/// The first unknown inside a value, itself included.
pub fn first_unknown(value: &Value) -> Option<&Value> {
    match value {
        Value::Unknown(_) => Some(value),
        Value::List(elements) | Value::Set(elements) | Value::Tuple(elements) => {
            elements.iter().find_map(first_unknown)
        }
        Value::Map(entries) | Value::Object(entries) => entries.values().find_map(first_unknown),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// How Terraform orders a set: by value, nulls last; collections by the text that go-cty hashes them with, an order
/// that it calls undefined and yet always gives (`set_internals.go`).
fn set_order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Number(left), Value::Number(right)) => left.cmp(right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (left, right) => {
            let (mut left_text, mut right_text) = (String::new(), String::new());
            hash_text(left, &mut left_text);
            hash_text(right, &mut right_text);
            left_text.cmp(&right_text)
        }
    }
}

fn hash_text(value: &Value, text: &mut String) {
    match value {
        Value::Unknown(_) => text.push('?'),
        Value::Null => text.push('~'),
        Value::Bool(truth) => text.push(if *truth { 'T' } else { 'F' }),
        Value::Number(number) => {
            text.push_str(if number.is_negative() { "-" } else { "" });
            text.push_str(&number.in_notation(Notation::Shorter, Some(10)));
        }
        Value::String(string) => text.push_str(&quoted(string)),
        Value::List(elements) | Value::Set(elements) => hash_elements(elements, ['[', ']'], text),
        Value::Tuple(elements) => hash_elements(elements, ['<', '>'], text),
        Value::Map(entries) => {
            text.push('{');
            for (name, value) in entries {
                text.push_str(&quoted(name));
                text.push(':');
                hash_text(value, text);
                text.push(';');
            }
            text.push('}');
        }
        Value::Object(entries) => hash_elements(entries.values(), ['<', '>'], text),
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn hash_elements<'a>(
    elements: impl IntoIterator<Item = &'a Value>,
    brackets: [char; 2],
    text: &mut String,
) {
    let [open, close] = brackets;
    text.push(open);
    for element in elements {
        hash_text(element, text);
        text.push(';');
    }
    text.push(close);
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::rc::Rc;
    use std::sync::Arc;

    use super::*;
    use crate::hcl::Place;
    use crate::terraform::Unknown;

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn number(number: usize) -> Value {
        Value::Number(Number::from(number))
    }

    fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
        Value::Object(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn unknown() -> Value {
        Value::Unknown(Rc::new(Unknown {
            expression: "aws_lb.x.dns_name".to_owned(),
            why: "not in the state".to_owned(),
            place: Place {
                file: Arc::new(PathBuf::from("main.tf")),
                line: 1,
                column: 1,
                span: 0..1,
            },
        }))
    }

    #[test]
    fn primitives_convert_as_terraform_converts_them() {
        assert_eq!(to_bool(&text("1")), Ok(Value::Bool(true)));
        assert_eq!(to_bool(&text("TRUE")), Err(Mismatch::NotABool));
        assert!(to_bool(&number(1)).is_err());
        assert_eq!(to_number(&text("5")), Ok(number(5)));
        assert_eq!(to_number(&text("five")), Err(Mismatch::NotANumber));
        assert!(to_number(&Value::Bool(true)).is_err());
        assert_eq!(to_string(&number(5)), Ok(text("5")));
        assert_eq!(to_string(&Value::Bool(true)), Ok(text("true")));
        assert_eq!(to_string(&Value::Null), Ok(Value::Null));
        assert!(to_string(&Value::Tuple(vec![])).is_err());
    }

    #[test]
    fn a_tuple_becomes_a_list_of_the_type_that_all_elements_have() {
        let mixed = Value::Tuple(vec![number(1), Value::Bool(true), text("a"), Value::Null]);
        let list = Value::List(vec![text("1"), text("true"), text("a"), Value::Null]);
        assert_eq!(to_list(&mixed), Ok(list));
        let hopeless = Value::Tuple(vec![number(1), Value::Bool(true)]);
        assert_eq!(to_list(&hopeless), Err(Mismatch::Elements));
    }

    #[test]
    fn lists_inside_a_list_become_one_type() {
        let nested = Value::Tuple(vec![
            Value::Tuple(vec![number(1)]),
            Value::Tuple(vec![text("a"), text("b")]),
        ]);
        let list = Value::List(vec![
            Value::List(vec![text("1")]),
            Value::List(vec![text("a"), text("b")]),
        ]);
        assert_eq!(to_list(&nested), Ok(list));
    }

    #[test]
    fn objects_of_other_attributes_unify_to_a_map() {
        let (left, right) = (object([("a", number(1))]), object([("b", text("x"))]));
        let map = Type::Map(Box::new(Type::String));
        assert_eq!(unify(&[type_of(&left), type_of(&right)]), Some(map));
        let same = object([("a", text("x"))]);
        let kept = Type::Object(BTreeMap::from([("a".to_owned(), Type::String)]));
        assert_eq!(unify(&[type_of(&left), type_of(&same)]), Some(kept));
    }

    #[test]
    fn what_terraform_does_not_unify_is_not_unified() {
        let tuples = [
            Value::Tuple(vec![number(1), text("a")]),
            Value::Tuple(vec![Value::Bool(true), text("b")]),
        ];
        assert_eq!(unify(&[type_of(&tuples[0]), type_of(&tuples[1])]), None);
        assert_eq!(unify(&[Type::Number, Type::Bool]), None);
        assert_eq!(unify(&[Type::Tuple(vec![]), Type::Object(BTreeMap::new())]), None);
        assert_eq!(unify(&[Type::String, Type::Tuple(vec![])]), None);
    }

    #[test]
    fn a_list_is_preferred_to_a_tuple_and_to_a_set() {
        let (list, set) = (Type::List(Box::new(Type::String)), Type::Set(Box::new(Type::String)));
        assert_eq!(unify(&[list.clone(), Type::Tuple(vec![Type::Number])]), Some(list.clone()));
        assert_eq!(unify(&[set.clone(), list.clone()]), Some(list));
        assert_eq!(unify(&[set.clone(), Type::Tuple(vec![Type::String])]), Some(set));
    }

    #[test]
    fn a_set_is_sorted_and_has_no_doubles() {
        let set = |elements| to_set(&Value::Tuple(elements)).unwrap();
        assert_eq!(
            set(vec![number(3), number(20), number(3), number(1)]),
            Value::Set(vec![number(1), number(3), number(20)])
        );
        assert_eq!(
            set(vec![text("b"), Value::Null, text("a")]),
            Value::Set(vec![text("a"), text("b"), Value::Null])
        );
        // Terraform 1.11.4 prints these in this order.
        let objects = [2, 10, 1].map(|size| object([("a", number(size))])).to_vec();
        let sorted = [10, 1, 2].map(|size| object([("a", number(size))])).to_vec();
        assert_eq!(set(objects), Value::Set(sorted));
    }

    #[test]
    fn an_unknown_element_makes_a_set_unknown_and_stays_in_a_list() {
        let elements = Value::Tuple(vec![text("a"), unknown()]);
        assert_eq!(to_set(&elements), Ok(unknown()));
        assert_eq!(to_list(&elements), Ok(Value::List(vec![text("a"), unknown()])));
    }

    #[test]
    fn an_object_type_drops_what_it_does_not_name_and_demands_the_rest() {
        let wanted = Type::Object(BTreeMap::from([("a".to_owned(), Type::String)]));
        let given = object([("a", number(1)), ("b", number(2))]);
        assert_eq!(convert(given, &wanted), Ok(object([("a", text("1"))])));
        assert_eq!(convert(object([]), &wanted), Err(Mismatch::Attribute("a".to_owned())));
    }

    #[test]
    fn the_empty_list_takes_any_type() {
        let types = [Type::Tuple(vec![]), Type::Tuple(vec![Type::String])];
        assert_eq!(unify(&types), Some(Type::List(Box::new(Type::String))));
        assert_eq!(unify(&[Type::Any, Type::Number]), Some(Type::Number));
    }
}
