//! Functions of maps and objects, and those that take any collection.

use std::collections::{BTreeMap, BTreeSet};

use unicode_segmentation::UnicodeSegmentation;

use super::arguments::{
    ANY, Answer, Arguments, Failure, Kind, Parameter, Signature, TEXT, TEXTS, as_text, count,
    elements, entries, known, wrong,
};
use crate::terraform::convert::{Type, convert, type_of, unify};
use crate::terraform::value::Value;

const MAP_OF_TEXTS: Parameter = Parameter::of(Kind::MapOfTexts);

pub(super) const TABLE: &[Signature] = &[
    Signature::open("coalesce", &[], ANY.nullable().unknowable(), coalesce),
    Signature::fixed("keys", &[ANY], keys),
    Signature::fixed("length", &[ANY], length),
    Signature::open("lookup", &[ANY, TEXT], ANY.nullable().unknowable(), lookup),
    Signature::open("merge", &[], ANY.nullable(), merge),
    Signature::fixed("transpose", &[MAP_OF_TEXTS], transpose),
    Signature::fixed("values", &[ANY], values),
    Signature::fixed("zipmap", &[TEXTS, ANY], zip_map),
];

/// The first that is neither null nor an empty text, in the type that all of them have. The type of an unknown is not
/// known either, so that it makes the answer unknown unless that is text, which everything plain converts to.
fn coalesce(mut args: Arguments<'_>) -> Answer {
    let given = args.rest();
    let types: Vec<Type> = given.iter().map(type_of).collect();
    let kind = unify(&types).ok_or("all arguments must have the same type")?;
    let doubt = given.iter().find_map(|value| match value {
        Value::Unknown(unknown) => Some(unknown.clone()),
        _ => None,
    });
    for value in given {
        match convert(value, &kind)? {
            Value::Null => {}
            Value::String(text) if text.is_empty() => {}
            Value::Unknown(unknown) => return Err(Failure::Unknown(unknown)),
            value => {
                return match doubt {
                    Some(unknown) if kind != Type::String => Err(Failure::Unknown(unknown)),
                    _ => Ok(value),
                };
            }
        }
    }
    Err("every argument is null or empty".into())
}

fn keys(mut args: Arguments<'_>) -> Answer {
    let names = |entries: BTreeMap<String, Value>| entries.into_keys().map(Value::String).collect();
    match args.any()? {
        Value::Map(entries) => Ok(Value::List(names(entries))),
        Value::Object(entries) => Ok(Value::Tuple(names(entries))),
        other => Err(wrong("a map or object", &other)),
    }
}

fn values(mut args: Arguments<'_>) -> Answer {
    match args.any()? {
        Value::Map(entries) => Ok(Value::List(entries.into_values().collect())),
        Value::Object(entries) => Ok(Value::Tuple(entries.into_values().collect())),
        other => Err(wrong("a map or object", &other)),
    }
}

/// Of a text: what a reader would count.
fn length(mut args: Arguments<'_>) -> Answer {
    match args.any()? {
        Value::String(text) => Ok(count(text.graphemes(true).count())),
        Value::List(elements) | Value::Set(elements) | Value::Tuple(elements) => {
            Ok(count(elements.len()))
        }
        Value::Map(entries) | Value::Object(entries) => Ok(count(entries.len())),
        other => Err(wrong("a text or collection", &other)),
    }
}

fn lookup(mut args: Arguments<'_>) -> Answer {
    let (map, key) = (args.any()?, args.text()?);
    let mut defaults = args.rest().into_iter();
    let default = defaults.next();
    if defaults.next().is_some() {
        return Err("takes two or three arguments".into());
    }
    let content = match type_of(&map) {
        Type::Map(content) => *content,
        _ => Type::Any,
    };
    // Terraform checks the default's type even where the key exists.
    let default = match default {
        Some(default) => Some(
            convert(default, &content)
                .map_err(|_mismatch| "the default must have the map's type")?,
        ),
        None => None,
    };
    match (entries(map)?.remove(&key), default) {
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default),
        (None, None) => Err("there is no such key".into()),
    }
}

/// Later ones win. A map only if all are maps of one type; nulls are passed over.
fn merge(mut args: Arguments<'_>) -> Answer {
    let given = args.rest();
    let types: Vec<Type> = given.iter().map(type_of).collect();
    let same =
        types.windows(2).all(|pair| matches!(pair, [left, right] if unify_exactly(left, right)));
    let all_maps = given.iter().all(|one| matches!(one, Value::Map(_)));
    let mut merged = BTreeMap::new();
    for one in given {
        match one {
            Value::Null => {}
            one => merged.extend(entries(one)?),
        }
    }
    Ok(if all_maps && same && !types.is_empty() {
        Value::Map(merged)
    } else {
        Value::Object(merged)
    })
}

/// Whether two map types are one, as far as their values tell.
fn unify_exactly(left: &Type, right: &Type) -> bool {
    let both = unify(&[left.clone(), right.clone()]);
    let empty = |kind: &Type| matches!(kind, Type::Map(content) if **content == Type::Any);
    empty(left) || empty(right) || (both.as_ref() == Some(left) && both.as_ref() == Some(right))
}

fn transpose(mut args: Arguments<'_>) -> Answer {
    let map = args.any()?;
    known(&map)?;
    let mut turned: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, texts) in entries(map)? {
        for text in elements(texts)? {
            turned.entry(as_text(text)?).or_default().insert(name.clone());
        }
    }
    let list =
        |names: BTreeSet<String>| Value::List(names.into_iter().map(Value::String).collect());
    Ok(Value::Map(turned.into_iter().map(|(text, names)| (text, list(names))).collect()))
}

fn zip_map(mut args: Arguments<'_>) -> Answer {
    let (names, values) = (args.texts()?, args.any()?);
    let (list, values) = match values {
        Value::List(values) => (true, values),
        Value::Tuple(values) => (false, values),
        other => return Err(wrong("a list or tuple", &other)),
    };
    if names.len() != values.len() {
        return Err("there must be as many keys as values".into());
    }
    let entries = names.into_iter().zip(values).collect();
    Ok(if list { Value::Map(entries) } else { Value::Object(entries) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, number, object, refused, text, texts, unknown};
    use super::*;

    fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
        Value::Map(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Every expectation was printed by Terraform 1.11.4.
    #[test]
    fn maps_and_objects_stay_apart() {
        let (left, right) = (map([("a", number("1"))]), map([("b", number("2"))]));
        let both = [("a", number("1")), ("b", number("2"))];
        assert_eq!(answer("merge", [left.clone(), right]), Ok(map(both.clone())));
        assert_eq!(answer("merge", [left.clone(), object([("b", number("2"))])]), Ok(object(both)));
        assert_eq!(answer("merge", [Value::Null, left.clone()]), Ok(object([("a", number("1"))])));
        assert_eq!(answer("merge", []), Ok(object([])));
        assert_eq!(answer("keys", [left.clone()]), Ok(Value::List(texts(&["a"]))));
        assert_eq!(answer("keys", [object([("a", number("1"))])]), Ok(Value::Tuple(texts(&["a"]))));
        assert_eq!(answer("values", [left]), Ok(Value::List(vec![number("1")])));
        let zipped =
            answer("zipmap", [Value::Tuple(texts(&["a"])), Value::List(vec![number("1")])]);
        assert_eq!(zipped, Ok(map([("a", number("1"))])));
    }

    #[test]
    fn a_lookup_finds_the_key_or_the_default_in_the_maps_type() {
        assert_eq!(
            answer("lookup", [object([("a", number("1"))]), text("b"), text("x")]),
            Ok(text("x"))
        );
        assert_eq!(
            answer("lookup", [map([("a", text("1"))]), text("b"), number("5")]),
            Ok(text("5"))
        );
        assert_eq!(
            answer("lookup", [map([("a", Value::Null)]), text("a"), text("x")]),
            Ok(Value::Null)
        );
        assert!(refused("lookup", [map([("a", number("1"))]), text("a"), text("x")]));
        assert!(refused("lookup", [object([("a", number("1"))]), text("b")]));
        assert!(refused("lookup", [object([]), text("b"), text("x"), text("y")]));
    }

    #[test]
    fn coalescing_passes_over_nulls_and_empty_texts() {
        assert_eq!(answer("coalesce", [text(""), text("a")]), Ok(text("a")));
        assert_eq!(answer("coalesce", [Value::Null, number("5"), text("a")]), Ok(text("5")));
        assert!(refused("coalesce", [text(""), Value::Null]));
        assert!(refused("coalesce", [number("1"), Value::Bool(true)]));
    }

    #[test]
    fn what_is_known_is_told_beside_unknowns() {
        let half = object([("a", text("x")), ("b", unknown())]);
        assert_eq!(answer("lookup", [half.clone(), text("a")]), Ok(text("x")));
        assert_eq!(answer("lookup", [half.clone(), text("b")]), Ok(unknown()));
        assert_eq!(answer("length", [half.clone()]), Ok(number("2")));
        assert_eq!(answer("keys", [half.clone()]), Ok(Value::Tuple(texts(&["a", "b"]))));
        assert_eq!(answer("merge", [half.clone(), object([])]), Ok(half));
        assert_eq!(answer("coalesce", [text("a"), unknown()]), Ok(text("a")));
        assert_eq!(answer("coalesce", [unknown(), text("a")]), Ok(unknown()));
        assert_eq!(answer("coalesce", [number("1"), unknown()]), Ok(unknown()));
    }

    #[test]
    fn a_text_is_as_long_as_a_reader_counts() {
        assert_eq!(answer("length", [text("héllo")]), Ok(number("5")));
        assert_eq!(answer("length", [text("👨‍👩‍👧e")]), Ok(number("2")));
        assert!(refused("length", [number("5")]));
    }

    #[test]
    fn a_map_of_lists_is_turned_inside_out() {
        let given =
            object([("a", Value::Tuple(texts(&["1", "2"]))), ("b", Value::Tuple(texts(&["2"])))]);
        let turned =
            map([("1", Value::List(texts(&["a"]))), ("2", Value::List(texts(&["a", "b"])))]);
        assert_eq!(answer("transpose", [given]), Ok(turned));
    }
}
