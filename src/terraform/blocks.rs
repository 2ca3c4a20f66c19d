//! A block worked out: its attributes as values, its nested blocks in order, `dynamic` ones unfolded.

use std::collections::BTreeMap;

use hcl_edit::expr::Expression;

use super::Value;
use super::expression::{entries, evaluate, span};
use super::fault::Eval;
use super::scope::{Binding, Scope};
use super::shape::{Attribute, Block, Body};

/// What Terraform itself reads in every resource; the rest belongs to the resource.
const META: [&str; 8] = [
    "count",
    "for_each",
    "depends_on",
    "provider",
    "lifecycle",
    "provisioner",
    "connection",
    "timeouts",
];

/// A block's contents.
#[derive(Debug, Default)]
pub(super) struct Contents<'b> {
    /// By name.
    pub(super) attributes: BTreeMap<String, Value>,
    /// In order.
    pub(super) nested: Vec<Nested<'b>>,
    /// Kinds of nested blocks of which nobody knows how many there are, and why.
    pub(super) unknown: BTreeMap<String, Value>,
}

/// A nested block.
#[derive(Debug)]
pub(super) struct Nested<'b> {
    pub(super) kind: &'b str,
    /// Where it is written: for a `dynamic` block, its `content`.
    pub(super) block: &'b Block,
    pub(super) contents: Contents<'b>,
}

impl Contents<'_> {
    /// Whether two say the same. Unknowns of one origin are the same.
    pub(super) fn same(&self, other: &Contents<'_>) -> bool {
        let nested = |one: &Nested<'_>, other: &Nested<'_>| {
            one.kind == other.kind && one.contents.same(&other.contents)
        };
        self.attributes == other.attributes
            && self.unknown == other.unknown
            && self.nested.len() == other.nested.len()
            && self.nested.iter().zip(&other.nested).all(|(one, other)| nested(one, other))
    }
}

/// Works out the attributes and nested blocks that are wanted by name.
pub(super) fn contents<'b>(
    scope: Scope<'_, '_>,
    body: &'b Body,
    wanted: &dyn Fn(&str) -> bool,
) -> Eval<Contents<'b>> {
    let mut contents = Contents::default();
    for (name, attribute) in &body.attributes {
        if wanted(name) && !META.contains(&name.as_str()) {
            let value = value_of(scope, attribute)?;
            contents.attributes.insert(name.clone(), value);
        }
    }
    for block in &body.blocks {
        let dynamic = block.kind == "dynamic";
        let kind = if dynamic { block.label(0) } else { block.kind.as_str() };
        if !wanted(kind) || META.contains(&kind) {
            continue;
        }
        if dynamic {
            unfold(scope, block, kind, &mut contents)?;
        } else {
            let inner = scope.deeper(|| 0..0, || self::contents(scope, &block.body, &|_| true))?;
            contents.nested.push(Nested { kind, block, contents: inner });
        }
    }
    Ok(contents)
}

fn value_of(scope: Scope<'_, '_>, attribute: &Attribute) -> Eval<Value> {
    evaluate(Scope { source: &attribute.source, ..scope }, &attribute.expression)
}

fn unfold<'b>(
    scope: Scope<'_, '_>,
    block: &'b Block,
    kind: &'b str,
    contents: &mut Contents<'b>,
) -> Eval<()> {
    let Some(for_each) = block.body.attribute("for_each") else {
        return Err(block.wrong("a `dynamic` block needs `for_each`").into());
    };
    let Some(content) = block.body.blocks("content").next() else {
        return Err(block.wrong("a `dynamic` block needs `content`").into());
    };
    let name = match block.body.attribute("iterator") {
        None => kind,
        Some(iterator) => match iterator.expression() {
            Expression::Variable(name) => name.value().as_str(),
            _ => return Err(iterator.wrong("`iterator` takes a plain name").into()),
        },
    };
    let collection = value_of(scope, for_each)?;
    if matches!(collection, Value::Unknown(_)) {
        contents.unknown.insert(kind.to_owned(), collection);
        return Ok(());
    }
    let inside = Scope { source: &for_each.source, ..scope };
    let entries = entries(collection)
        .or_else(|mismatch| inside.wrong(span(for_each.expression()), mismatch.to_string()))?;
    for (key, value) in entries {
        let iterator = BTreeMap::from([("key".to_owned(), key), ("value".to_owned(), value)]);
        let binding = Binding { name, value: Value::Object(iterator), outer: scope.bindings };
        let inner = scope
            .deeper(|| 0..0, || self::contents(scope.with(&binding), &content.body, &|_| true))?;
        contents.nested.push(Nested { kind, block: content, contents: inner });
    }
    Ok(())
}
