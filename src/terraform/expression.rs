//! Evaluates expressions as Terraform does. An `Unknown` is carried, never guessed; errors never quote a value.

use std::collections::BTreeMap;
use std::ops::Range;

use hcl_edit::Span;
use hcl_edit::expr::{
    BinaryOp, BinaryOperator, Conditional, Expression, ForExpr, Object, ObjectKey, UnaryOp,
    UnaryOperator,
};

use super::convert::{self, Mismatch, Type, type_of};
use super::fault::{Eval, Fault};
use super::scope::{Binding, Scope};
use super::{Number, NumberError, Value, access, call, normal, template};

/// The value of an expression.
pub(super) fn evaluate(scope: Scope<'_, '_>, expression: &Expression) -> Eval<Value> {
    scope.charge(1, || span(expression))?;
    scope.deeper(|| span(expression), || dispatch(scope, expression))
}

/// The span of anything that hcl-edit read; nothing for what was made from JSON.
pub(super) fn span(node: &impl Span) -> Range<usize> {
    node.span().unwrap_or_default()
}

fn dispatch(scope: Scope<'_, '_>, expression: &Expression) -> Eval<Value> {
    match expression {
        Expression::Null(_) => Ok(Value::Null),
        Expression::Bool(truth) => Ok(Value::Bool(*truth.value())),
        Expression::Number(number) => {
            let text = number.as_repr().map_or_else(|| number.to_string(), |text| text.to_string());
            let compact: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
            numeric(scope, expression, compact.parse::<Number>())
        }
        Expression::String(text) => Ok(Value::String(normal::text(text.value().clone()))),
        Expression::Array(elements) => {
            let elements = elements.iter().map(|element| evaluate(scope, element));
            Ok(Value::Tuple(elements.collect::<Eval<_>>()?))
        }
        Expression::Object(entries) => object(scope, entries),
        Expression::StringTemplate(parts) => template::quoted(scope, parts),
        Expression::HeredocTemplate(heredoc) => template::heredoc(scope, heredoc),
        Expression::Parenthesis(inner) => evaluate(scope, inner.inner()),
        Expression::Variable(name) => access::name(scope, name),
        Expression::Conditional(conditional) => choose(scope, conditional),
        Expression::FuncCall(function) => call::call(scope, function),
        Expression::Traversal(traversal) => access::traversal(scope, traversal),
        Expression::UnaryOp(operation) => unary(scope, operation),
        Expression::BinaryOp(operation) => binary(scope, operation),
        Expression::ForExpr(expression) => for_each(scope, expression),
    }
}

fn object(scope: Scope<'_, '_>, entries: &Object) -> Eval<Value> {
    let mut object = BTreeMap::new();
    for (key, value) in entries {
        let key = match key {
            ObjectKey::Ident(name) => normal::text(name.value().as_str().to_owned()),
            // Words that are values elsewhere are names here.
            ObjectKey::Expression(Expression::Null(_)) => "null".to_owned(),
            ObjectKey::Expression(expression) => {
                if matches!(expression, Expression::Traversal(_)) {
                    let message = "wrap the key in parentheses if it is meant as a reference";
                    return scope.wrong(span(expression), message);
                }
                match key_text(scope, expression)? {
                    Ok(key) => key,
                    Err(unknown) => return Ok(unknown),
                }
            }
        };
        object.insert(key, evaluate(scope, value.expr())?);
    }
    Ok(Value::Object(object))
}

/// A key as text, or the unknown that it is.
fn key_text(scope: Scope<'_, '_>, expression: &Expression) -> Eval<Result<String, Value>> {
    let value = evaluate(scope, expression)?;
    match converted(scope, expression, &value, &Type::String)? {
        Value::String(text) => Ok(Ok(text)),
        Value::Null => scope.wrong(span(expression), "a key must not be null"),
        unknown => Ok(Err(unknown)),
    }
}

/// A value as another type, or an error at the expression that it came from.
pub(super) fn converted(
    scope: Scope<'_, '_>,
    expression: &impl Span,
    value: &Value,
    wanted: &Type,
) -> Eval<Value> {
    convert::convert(value.clone(), wanted)
        .or_else(|mismatch| scope.wrong(span(expression), mismatch.to_string()))
}

/// A condition's truth, or the unknown that it is.
pub(super) fn truth(scope: Scope<'_, '_>, expression: &Expression) -> Eval<Result<bool, Value>> {
    let value = evaluate(scope, expression)?;
    bool_of(scope, expression, &value)
}

fn bool_of(
    scope: Scope<'_, '_>,
    expression: &Expression,
    value: &Value,
) -> Eval<Result<bool, Value>> {
    match converted(scope, expression, value, &Type::Bool)? {
        Value::Bool(truth) => Ok(Ok(truth)),
        Value::Null => scope.wrong(span(expression), "a condition must not be null"),
        unknown => Ok(Err(unknown)),
    }
}

/// Both sides give the type, as in Terraform; an error of the side that is not taken does not count.
fn choose(scope: Scope<'_, '_>, conditional: &Conditional) -> Eval<Value> {
    let taken = match truth(scope, &conditional.cond_expr)? {
        Ok(taken) => taken,
        Err(unknown) => return Ok(unknown),
    };
    let (chosen, other) = if taken {
        (&conditional.true_expr, &conditional.false_expr)
    } else {
        (&conditional.false_expr, &conditional.true_expr)
    };
    let value = evaluate(scope, chosen)?;
    let Ok(other) = evaluate(scope, other) else { return Ok(value) };
    let Some(kind) = convert::unify(&[type_of(&value), type_of(&other)]) else {
        let message = "both results of a conditional must have the same type";
        return scope.wrong(span(conditional), message);
    };
    converted(scope, conditional, &value, &kind)
}

fn unary(scope: Scope<'_, '_>, operation: &UnaryOp) -> Eval<Value> {
    let value = evaluate(scope, &operation.expr)?;
    let wanted = match *operation.operator.value() {
        UnaryOperator::Neg => Type::Number,
        UnaryOperator::Not => Type::Bool,
    };
    match converted(scope, &operation.expr, &value, &wanted)? {
        Value::Number(number) => Ok(Value::Number(number.neg())),
        Value::Bool(truth) => Ok(Value::Bool(!truth)),
        Value::Null => scope.wrong(span(&operation.expr), "the operand must not be null"),
        unknown => Ok(unknown),
    }
}

fn binary(scope: Scope<'_, '_>, operation: &BinaryOp) -> Eval<Value> {
    let operator = *operation.operator.value();
    match operator {
        BinaryOperator::And | BinaryOperator::Or => logical(scope, operation),
        BinaryOperator::Eq | BinaryOperator::NotEq => {
            let left = evaluate(scope, &operation.lhs_expr)?;
            let right = evaluate(scope, &operation.rhs_expr)?;
            if let Some(unknown) = undecided(&left, &right) {
                return Ok(unknown);
            }
            Ok(Value::Bool((left == right) == (operator == BinaryOperator::Eq)))
        }
        _ => arithmetic(scope, operation),
    }
}

/// The unknown that hides whether two values are equal.
fn undecided(left: &Value, right: &Value) -> Option<Value> {
    let unknown = [left, right].into_iter().find(|side| matches!(side, Value::Unknown(_)));
    if unknown.is_some() || *left == Value::Null || *right == Value::Null {
        return unknown.cloned();
    }
    convert::first_unknown(left).or_else(|| convert::first_unknown(right)).cloned()
}

/// The right side counts only where the left does not settle it (Terraform 1.15; 1.11 evaluates both).
fn logical(scope: Scope<'_, '_>, operation: &BinaryOp) -> Eval<Value> {
    let settles = *operation.operator.value() == BinaryOperator::Or;
    let left = truth(scope, &operation.lhs_expr)?;
    if left == Ok(settles) {
        // Its type is checked all the same.
        if let Ok(right) = evaluate(scope, &operation.rhs_expr) {
            bool_of(scope, &operation.rhs_expr, &right)?.ok();
        }
        return Ok(Value::Bool(settles));
    }
    let right = truth(scope, &operation.rhs_expr)?;
    match (left, right) {
        (_, Ok(right)) if right == settles => Ok(Value::Bool(settles)),
        (Err(unknown), _) | (_, Err(unknown)) => Ok(unknown),
        (Ok(_), Ok(right)) => Ok(Value::Bool(right)),
    }
}

fn arithmetic(scope: Scope<'_, '_>, operation: &BinaryOp) -> Eval<Value> {
    let left = operand(scope, &operation.lhs_expr)?;
    let right = operand(scope, &operation.rhs_expr)?;
    let (left, right) = match (left, right) {
        (Ok(left), Ok(right)) => (left, right),
        (Err(unknown), _) | (_, Err(unknown)) => return Ok(unknown),
    };
    let result = match *operation.operator.value() {
        BinaryOperator::Plus => left.add(&right),
        BinaryOperator::Minus => left.sub(&right),
        BinaryOperator::Mul => left.mul(&right),
        BinaryOperator::Div => left.div(&right),
        BinaryOperator::Mod => left.rem(&right),
        BinaryOperator::Less => return Ok(Value::Bool(left < right)),
        BinaryOperator::LessEq => return Ok(Value::Bool(left <= right)),
        BinaryOperator::Greater => return Ok(Value::Bool(left > right)),
        BinaryOperator::GreaterEq => return Ok(Value::Bool(left >= right)),
        BinaryOperator::Eq | BinaryOperator::NotEq | BinaryOperator::And | BinaryOperator::Or => {
            return scope.wrong(span(operation), "this operator takes no numbers");
        }
    };
    numeric(scope, operation, result)
}

fn operand(scope: Scope<'_, '_>, expression: &Expression) -> Eval<Result<Number, Value>> {
    let value = evaluate(scope, expression)?;
    match converted(scope, expression, &value, &Type::Number)? {
        Value::Number(number) => Ok(Ok(number)),
        Value::Null => scope.wrong(span(expression), "the operand must not be null"),
        unknown => Ok(Err(unknown)),
    }
}

fn numeric(
    scope: Scope<'_, '_>,
    expression: &impl Span,
    number: Result<Number, NumberError>,
) -> Eval<Value> {
    match number {
        Ok(number) => Ok(Value::Number(number)),
        Err(error) => {
            let diagnostic = scope.source.diagnostic(span(expression), error.to_string());
            // Terraform answers infinity, or more digits than we carry.
            Err(Fault::beyond(diagnostic.with_hint(error.hint())))
        }
    }
}

/// The keys and values of a collection, as `for`, `for_each` and `%{for}` go through it.
pub(super) fn entries(collection: Value) -> Result<Vec<(Value, Value)>, Mismatch> {
    match collection {
        Value::List(elements) | Value::Tuple(elements) => {
            let numbered = elements.into_iter().enumerate();
            Ok(numbered.map(|(at, value)| (Value::Number(Number::from(at)), value)).collect())
        }
        Value::Set(elements) => {
            Ok(elements.into_iter().map(|value| (value.clone(), value)).collect())
        }
        Value::Map(entries) | Value::Object(entries) => {
            Ok(entries.into_iter().map(|(key, value)| (Value::String(key), value)).collect())
        }
        other => Err(Mismatch::Wrong {
            wanted: "a list, a set or a map",
            found: if other == Value::Null { "null" } else { type_of(&other).article() },
        }),
    }
}

fn for_each(scope: Scope<'_, '_>, expression: &ForExpr) -> Eval<Value> {
    let collection = evaluate(scope, &expression.intro.collection_expr)?;
    if matches!(collection, Value::Unknown(_)) {
        return Ok(collection);
    }
    let place = span(&expression.intro.collection_expr);
    let entries = match entries(collection) {
        Ok(entries) => entries,
        Err(mismatch) => return scope.wrong(place, mismatch.to_string()),
    };
    let mut made = Made::default();
    for (key, value) in entries {
        let key_name = expression.intro.key_var.as_ref().map_or("", |name| name.value().as_str());
        let key = Binding { name: key_name, value: key, outer: scope.bindings };
        let value_name = expression.intro.value_var.value().as_str();
        let value = Binding { name: value_name, value, outer: Some(&key) };
        if let Some(unknown) = one_turn(scope.with(&value), expression, &mut made)? {
            return Ok(unknown);
        }
    }
    Ok(made.finish(expression))
}

/// What a `for` has made so far.
#[derive(Default)]
struct Made {
    elements: Vec<Value>,
    entries: BTreeMap<String, Value>,
    groups: BTreeMap<String, Vec<Value>>,
}

impl Made {
    fn finish(self, expression: &ForExpr) -> Value {
        if expression.key_expr.is_none() {
            Value::Tuple(self.elements)
        } else if expression.grouping {
            let groups = self.groups.into_iter();
            Value::Object(groups.map(|(key, group)| (key, Value::Tuple(group))).collect())
        } else {
            Value::Object(self.entries)
        }
    }
}

/// One turn of a `for`. Gives the unknown that makes the whole unknown.
fn one_turn(scope: Scope<'_, '_>, expression: &ForExpr, made: &mut Made) -> Eval<Option<Value>> {
    if let Some(condition) = &expression.cond {
        match truth(scope, &condition.expr)? {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(unknown) => return Ok(Some(unknown)),
        }
    }
    let Some(key) = &expression.key_expr else {
        made.elements.push(evaluate(scope, &expression.value_expr)?);
        return Ok(None);
    };
    let name = match key_text(scope, key)? {
        Ok(name) => name,
        Err(unknown) => return Ok(Some(unknown)),
    };
    let value = evaluate(scope, &expression.value_expr)?;
    if expression.grouping {
        made.groups.entry(name).or_default().push(value);
    } else if made.entries.insert(name, value).is_some() {
        let message = "two elements have the same key; `...` after the value makes groups";
        return scope.wrong(span(key), message);
    }
    Ok(None)
}
