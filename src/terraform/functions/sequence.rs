//! Functions of lists, tuples and sets.

use super::arguments::{
    ANY, Answer, Arguments, Failure, Kind, LIST, NUMBER, Parameter, SET, Signature, TEXTS, count,
    elements, known, wrong,
};
use crate::terraform::convert::{Type, convert, first_unknown, set_of, type_of, unified, unify};
use crate::terraform::number::Number;
use crate::terraform::value::Value;

const BOOLS: Parameter = Parameter::of(Kind::Bools);

pub(super) const TABLE: &[Signature] = &[
    Signature::fixed("alltrue", &[BOOLS], all_true),
    Signature::fixed("anytrue", &[BOOLS], any_true),
    Signature::fixed("chunklist", &[LIST, NUMBER], chunks),
    Signature::open("coalescelist", &[], ANY.nullable().unknowable(), coalesce_list),
    Signature::fixed("compact", &[TEXTS], compact),
    Signature::open("concat", &[], ANY, concat),
    Signature::fixed("contains", &[ANY, ANY], contains),
    Signature::fixed("distinct", &[LIST], distinct),
    Signature::fixed("element", &[ANY, NUMBER], element),
    Signature::fixed("flatten", &[ANY], flatten),
    Signature::fixed("index", &[ANY, ANY], index),
    Signature::fixed("matchkeys", &[LIST, LIST, LIST], match_keys),
    Signature::fixed("one", &[ANY], one),
    Signature::open("range", &[], NUMBER, range),
    Signature::fixed("reverse", &[ANY], reverse),
    Signature::open("setintersection", &[SET], SET, |args| {
        combine(args, |all, next| all.retain(|one| next.contains(one)))
    }),
    Signature::open("setproduct", &[], ANY, product),
    Signature::fixed("setsubtract", &[SET, SET], |args| {
        combine(args, |all, next| all.retain(|one| !next.contains(one)))
    }),
    Signature::open("setunion", &[SET], SET, |args| combine(args, Vec::extend_from_slice)),
    Signature::fixed("slice", &[ANY, NUMBER, NUMBER], slice),
    Signature::fixed("sort", &[TEXTS], sort),
];

/// Terraform's own limit for `range`.
const LONGEST_RANGE: usize = 1_024;
/// Most elements that a product may have.
const LARGEST_PRODUCT: usize = 65_536;

fn all_true(mut args: Arguments<'_>) -> Answer {
    let list = args.elements()?;
    if list.iter().any(|element| matches!(element, Value::Bool(false) | Value::Null)) {
        return Ok(Value::Bool(false));
    }
    known(&Value::List(list))?;
    Ok(Value::Bool(true))
}

fn any_true(mut args: Arguments<'_>) -> Answer {
    let list = args.elements()?;
    if list.contains(&Value::Bool(true)) {
        return Ok(Value::Bool(true));
    }
    known(&Value::List(list))?;
    Ok(Value::Bool(false))
}

fn chunks(mut args: Arguments<'_>) -> Answer {
    let (list, size) = (args.elements()?, args.whole()?);
    let size = usize::try_from(size).map_err(|_negative| "the size must not be negative")?;
    if list.is_empty() {
        return Ok(Value::List(Vec::new()));
    }
    let size = if size == 0 { list.len() } else { size };
    Ok(Value::List(list.chunks(size).map(|chunk| Value::List(chunk.to_vec())).collect()))
}

fn coalesce_list(mut args: Arguments<'_>) -> Answer {
    for list in args.rest() {
        match list {
            Value::Unknown(unknown) => return Err(Failure::Unknown(unknown)),
            Value::List(ref elements) | Value::Tuple(ref elements) if elements.is_empty() => {}
            Value::List(_) | Value::Tuple(_) => return Ok(list),
            // Terraform takes no null here either: its type is neither list nor tuple.
            other => return Err(wrong("a list or tuple", &other)),
        }
    }
    Err("every list is empty".into())
}

fn compact(mut args: Arguments<'_>) -> Answer {
    let list = args.any()?;
    known(&list)?;
    let mut list = elements(list)?;
    list.retain(|element| {
        !matches!(element, Value::Null) && *element != Value::String(String::new())
    });
    Ok(Value::List(list))
}

/// Lists of types that unify stay a list; anything with a tuple is a tuple.
fn concat(mut args: Arguments<'_>) -> Answer {
    let sequences = args.rest();
    if sequences.is_empty() {
        return Err("at least one list is required".into());
    }
    let types: Vec<Type> = sequences.iter().map(type_of).collect();
    if sequences.iter().all(|sequence| matches!(sequence, Value::List(_)))
        && let Some(Type::List(content)) = unify(&types)
    {
        let all = sequences.into_iter().map(elements).collect::<Result<Vec<_>, _>>()?;
        let all = all.into_iter().flatten().map(|element| convert(element, &content));
        return Ok(Value::List(all.collect::<Result<_, _>>()?));
    }
    let mut all = Vec::new();
    for sequence in sequences {
        match sequence {
            Value::List(elements) | Value::Tuple(elements) => all.extend(elements),
            other => return Err(wrong("a list or tuple", &other)),
        }
    }
    Ok(Value::Tuple(all))
}

/// Whether two values are the same, or what makes that unknown. A number and its text differ.
fn same(left: &Value, right: &Value) -> Result<bool, Failure> {
    known(left)?;
    known(right)?;
    Ok(left == right)
}

/// An unknown element may be the one, unless a known one is.
fn contains(mut args: Arguments<'_>) -> Answer {
    let (list, wanted) = (args.elements()?, args.any()?);
    let mut doubt = None;
    for element in &list {
        match same(element, &wanted) {
            Ok(true) => return Ok(Value::Bool(true)),
            Ok(false) => {}
            Err(unknown) => doubt = doubt.or(Some(unknown)),
        }
    }
    doubt.map_or(Ok(Value::Bool(false)), Err)
}

fn distinct(mut args: Arguments<'_>) -> Answer {
    let list = args.any()?;
    known(&list)?;
    let mut kept: Vec<Value> = Vec::new();
    for element in elements(list)? {
        if !kept.contains(&element) {
            kept.push(element);
        }
    }
    Ok(Value::List(kept))
}

/// Wraps around at the end. Terraform 1.11 panics on a negative index, and so refuses it.
fn element(mut args: Arguments<'_>) -> Answer {
    let (list, index) = (args.any()?, args.whole()?);
    let (Value::List(elements) | Value::Tuple(elements)) = list else {
        return Err(wrong("a list or tuple", &list));
    };
    let index = usize::try_from(index).map_err(|_negative| "the index must not be negative")?;
    let place = index.checked_rem(elements.len()).ok_or("an empty list has no elements")?;
    elements.into_iter().nth(place).ok_or_else(|| "an empty list has no elements".into())
}

fn flatten(mut args: Arguments<'_>) -> Answer {
    let mut flat = Vec::new();
    flatten_into(elements(args.any()?)?, &mut flat)?;
    Ok(Value::Tuple(flat))
}

/// What an unknown element would flatten to nobody knows.
fn flatten_into(list: Vec<Value>, flat: &mut Vec<Value>) -> Result<(), Failure> {
    for element in list {
        match element {
            Value::List(inner) | Value::Set(inner) | Value::Tuple(inner) => {
                flatten_into(inner, flat)?;
            }
            Value::Unknown(unknown) => return Err(Failure::Unknown(unknown)),
            other => flat.push(other),
        }
    }
    Ok(())
}

fn index(mut args: Arguments<'_>) -> Answer {
    let (list, wanted) = (args.any()?, args.any()?);
    let (Value::List(elements) | Value::Tuple(elements)) = list else {
        return Err(wrong("a list or tuple", &list));
    };
    for (place, element) in elements.iter().enumerate() {
        if same(element, &wanted)? {
            return Ok(count(place));
        }
    }
    Err("no element is equal".into())
}

fn match_keys(mut args: Arguments<'_>) -> Answer {
    let (values, keys, wanted) = (args.elements()?, args.any()?, args.any()?);
    known(&keys)?;
    known(&wanted)?;
    let (keys, wanted) = (elements(keys)?, elements(wanted)?);
    if keys.len() != values.len() {
        return Err("there must be as many keys as values".into());
    }
    let kind = unified(keys.iter().chain(&wanted))?;
    let one_type = |value| convert(value, &kind);
    let keys: Vec<Value> = keys.into_iter().map(one_type).collect::<Result<_, _>>()?;
    let wanted: Vec<Value> = wanted.into_iter().map(one_type).collect::<Result<_, _>>()?;
    let matching =
        keys.iter().zip(values).filter(|(key, _)| wanted.contains(key)).map(|(_, value)| value);
    Ok(Value::List(matching.collect()))
}

fn one(mut args: Arguments<'_>) -> Answer {
    let mut elements = args.elements()?;
    match (elements.pop(), elements.is_empty()) {
        (None, _) => Ok(Value::Null),
        (Some(element), true) => Ok(element),
        (Some(_), false) => Err("one element or none is required".into()),
    }
}

fn range(mut args: Arguments<'_>) -> Answer {
    let (one, back) = (Number::from(1usize), Number::from(-1i64));
    let mut bounds = args.numbers()?.into_iter();
    let (start, end, step) = match (bounds.next(), bounds.next(), bounds.next(), bounds.next()) {
        (Some(end), None, ..) => (Number::from(0usize), end, None),
        (Some(start), Some(end), None, _) => (start, end, None),
        (Some(start), Some(end), Some(step), None) => (start, end, Some(step)),
        _ => return Err("takes one, two or three numbers".into()),
    };
    let step = step.unwrap_or(if end < start { back } else { one });
    let down = step.is_negative();
    if (down && end > start) || (!down && end < start) {
        return Err("the step leads away from the end".into());
    }
    let mut numbers = Vec::new();
    let mut next = start;
    while if down { next > end } else { next < end } {
        if numbers.len() >= LONGEST_RANGE {
            return Err("a range has 1024 numbers at most".into());
        }
        let following = next.add(&step)?;
        numbers.push(Value::Number(std::mem::replace(&mut next, following)));
    }
    Ok(Value::List(numbers))
}

fn reverse(mut args: Arguments<'_>) -> Answer {
    let turned = |mut elements: Vec<Value>| {
        elements.reverse();
        elements
    };
    match args.any()? {
        Value::Tuple(elements) => Ok(Value::Tuple(turned(elements))),
        Value::List(elements) | Value::Set(elements) => Ok(Value::List(turned(elements))),
        other => Err(wrong("a list, set or tuple", &other)),
    }
}

/// Sets of types that unify, taken together one by one.
fn combine(mut args: Arguments<'_>, join: fn(&mut Vec<Value>, &[Value])) -> Answer {
    let sets = args.rest();
    let types: Vec<Type> = sets.iter().map(type_of).collect();
    let kind = unify(&types).ok_or("the sets must have elements of one type")?;
    let mut sets = sets.into_iter().map(|set| elements(convert(set, &kind)?));
    let mut all = sets.next().ok_or("at least one set is required")??;
    for set in sets {
        join(&mut all, &set?);
    }
    Ok(set_of(all))
}

fn product(mut args: Arguments<'_>) -> Answer {
    let given = args.rest();
    if given.len() < 2 {
        return Err("at least two sets are required".into());
    }
    let all_lists = given.iter().all(|one| matches!(one, Value::List(_) | Value::Tuple(_)));
    let mut total = 1usize;
    let mut sides: Vec<Vec<Value>> = Vec::new();
    for side in given {
        let side = elements(side)?;
        let kind = unified(&side)?;
        total = total.saturating_mul(side.len());
        sides.push(
            side.into_iter().map(|element| convert(element, &kind)).collect::<Result<_, _>>()?,
        );
    }
    if total.saturating_mul(sides.len()) > LARGEST_PRODUCT {
        return Err("the product is too large".into());
    }
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for side in &sides {
        rows = rows.iter().flat_map(|row| side.iter().map(move |next| longer(row, next))).collect();
    }
    let rows = rows.into_iter().map(Value::Tuple).collect();
    Ok(if all_lists { Value::List(rows) } else { set_of(rows) })
}

fn longer(row: &[Value], next: &Value) -> Vec<Value> {
    row.iter().chain([next]).cloned().collect()
}

fn slice(mut args: Arguments<'_>) -> Answer {
    let (list, start, end) = (args.any()?, args.whole()?, args.whole()?);
    let bounds = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let cut = |elements: &[Value]| {
        let (start, end) = bounds?;
        elements.get(start..end).map(<[Value]>::to_vec)
    };
    let outside = "the indices must lie inside the list, the start not behind the end";
    match list {
        Value::List(elements) => Ok(Value::List(cut(&elements).ok_or(outside)?)),
        Value::Tuple(elements) => Ok(Value::Tuple(cut(&elements).ok_or(outside)?)),
        other => Err(wrong("a list or tuple", &other)),
    }
}

fn sort(mut args: Arguments<'_>) -> Answer {
    let list = args.any()?;
    if let Some(Value::Unknown(unknown)) = first_unknown(&list) {
        return Err(Failure::Unknown(std::rc::Rc::clone(unknown)));
    }
    let mut texts = elements(list)?
        .into_iter()
        .map(super::arguments::as_text)
        .collect::<Result<Vec<_>, _>>()?;
    texts.sort();
    Ok(Value::List(texts.into_iter().map(Value::String).collect()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, number, refused, text, texts, unknown};
    use super::*;

    fn numbers(numbers: &[&str]) -> Vec<Value> {
        numbers.iter().map(|part| number(part)).collect()
    }

    /// Every expectation was printed by Terraform 1.11.4.
    #[test]
    fn lists_and_tuples_stay_apart() {
        let (list, tuple) = (Value::List(numbers(&["1"])), Value::Tuple(texts(&["a"])));
        assert_eq!(
            answer("concat", [list.clone(), Value::List(texts(&["a"]))]),
            Ok(Value::List(texts(&["1", "a"])))
        );
        let mixed = Value::Tuple(vec![number("1"), text("a")]);
        assert_eq!(answer("concat", [list.clone(), tuple.clone()]), Ok(mixed));
        assert_eq!(answer("reverse", [tuple.clone()]), Ok(tuple.clone()));
        assert_eq!(answer("slice", [tuple, number("0"), number("0")]), Ok(Value::Tuple(vec![])));
        assert_eq!(
            answer("distinct", [Value::Tuple(vec![number("1"), text("1")])]),
            Ok(Value::List(texts(&["1"])))
        );
        assert!(refused("concat", [Value::Set(numbers(&["1"])), list]));
        assert!(refused("concat", []));
    }

    #[test]
    fn an_element_is_found_by_index_and_by_value() {
        let list = Value::Tuple(numbers(&["1", "2", "3"]));
        assert_eq!(answer("element", [list.clone(), number("4")]), Ok(number("2")));
        assert!(refused("element", [list.clone(), number("-1")]));
        assert!(refused("element", [Value::Tuple(vec![]), number("0")]));
        assert_eq!(answer("index", [list.clone(), number("3")]), Ok(number("2")));
        assert!(refused("index", [list.clone(), text("3")]));
        assert_eq!(answer("contains", [list, text("2")]), Ok(Value::Bool(false)));
        assert_eq!(answer("one", [Value::Tuple(vec![])]), Ok(Value::Null));
        assert!(refused("one", [Value::Tuple(numbers(&["1", "2"]))]));
    }

    #[test]
    fn a_range_ends_before_its_end_and_never_explodes() {
        let range = |bounds: &[&str]| {
            super::super::call("range", numbers(bounds), &super::super::tests::context())
        };
        assert_eq!(range(&["3"]), Ok(Value::List(numbers(&["0", "1", "2"]))));
        assert_eq!(range(&["-2"]), Ok(Value::List(numbers(&["0", "-1"]))));
        assert_eq!(range(&["1", "5", "2"]), Ok(Value::List(numbers(&["1", "3"]))));
        assert_eq!(range(&["5", "3"]), Ok(Value::List(numbers(&["5", "4"]))));
        assert_eq!(range(&["0"]), Ok(Value::List(vec![])));
        for bounds in
            [&["0", "1e12"][..], &["1", "5", "0"], &["1", "5", "-1"], &[], &["1", "2", "3", "4"]]
        {
            assert!(range(bounds).is_err(), "{bounds:?}");
        }
    }

    #[test]
    fn sets_are_combined_after_their_types_were_unified() {
        let (letters, mixed) = (Value::Tuple(texts(&["b", "a"])), Value::Tuple(vec![number("1")]));
        assert_eq!(
            answer("setunion", [letters.clone(), mixed]),
            Ok(Value::Set(texts(&["1", "a", "b"])))
        );
        let (both, one) = (Value::Tuple(numbers(&["1", "2"])), Value::Tuple(texts(&["2"])));
        assert_eq!(
            answer("setsubtract", [both.clone(), one.clone()]),
            Ok(Value::Set(texts(&["1"])))
        );
        assert_eq!(answer("setintersection", [both, one]), Ok(Value::Set(texts(&["2"]))));
        let pair = Value::Tuple(vec![text("b"), number("1")]);
        let product =
            answer("setproduct", [Value::Tuple(texts(&["b"])), Value::Tuple(numbers(&["1"]))]);
        assert_eq!(product, Ok(Value::List(vec![pair])));
    }

    #[test]
    fn an_unknown_element_is_never_taken_for_known() {
        let list = Value::Tuple(vec![text("a"), unknown()]);
        assert_eq!(answer("contains", [list.clone(), text("a")]), Ok(Value::Bool(true)));
        assert_eq!(answer("contains", [list.clone(), text("b")]), Ok(unknown()));
        assert_eq!(answer("index", [list.clone(), text("a")]), Ok(number("0")));
        assert_eq!(answer("index", [list.clone(), text("b")]), Ok(unknown()));
        assert_eq!(answer("element", [list.clone(), number("0")]), Ok(text("a")));
        assert_eq!(answer("element", [list.clone(), number("1")]), Ok(unknown()));
        for name in ["distinct", "compact", "flatten", "sort", "sum"] {
            assert_eq!(answer(name, [list.clone()]), Ok(unknown()), "{name}");
        }
        assert_eq!(answer("setunion", [list.clone(), list.clone()]), Ok(unknown()));
        let all = Value::Tuple(vec![Value::Bool(false), unknown()]);
        assert_eq!(answer("alltrue", [all.clone()]), Ok(Value::Bool(false)));
        assert_eq!(answer("anytrue", [all]), Ok(unknown()));
        assert_eq!(answer("concat", [list.clone(), Value::Tuple(vec![])]), Ok(list));
    }

    #[test]
    fn a_product_that_would_fill_the_memory_is_refused() {
        let side = Value::List((0..300).map(count).collect());
        assert!(refused("setproduct", [side.clone(), side]));
    }
}
