//! What a function takes, and its arguments after they were converted to that.
//!
//! Must never let a null or an unknown reach a function that does not ask for it.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Context;
use crate::terraform::convert::{Mismatch, Type, convert, first_unknown, type_of};
use crate::terraform::number::{Number, NumberError};
use crate::terraform::value::{Unknown, Value};

/// What a function gives.
pub(super) type Answer = Result<Value, Failure>;

/// Why it gives nothing known.
#[derive(Debug)]
pub(super) enum Failure {
    /// The call is wrong: what is said to the person.
    Refused(String),
    /// The answer depends on this.
    Unknown(Rc<Unknown>),
}

impl From<Mismatch> for Failure {
    fn from(mismatch: Mismatch) -> Self {
        Self::Refused(mismatch.to_string())
    }
}

impl From<NumberError> for Failure {
    fn from(error: NumberError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

impl From<&str> for Failure {
    fn from(reason: &str) -> Self {
        Self::Refused(reason.to_owned())
    }
}

/// The type that Terraform converts an argument to before the call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Any,
    Number,
    Text,
    List,
    Bools,
    Texts,
    Set,
    MapOfTexts,
}

impl Kind {
    fn wanted(self) -> Type {
        match self {
            Self::Any => Type::Any,
            Self::Number => Type::Number,
            Self::Text => Type::String,
            Self::List => Type::List(Box::new(Type::Any)),
            Self::Bools => Type::List(Box::new(Type::Bool)),
            Self::Texts => Type::List(Box::new(Type::String)),
            Self::Set => Type::Set(Box::new(Type::Any)),
            Self::MapOfTexts => Type::Map(Box::new(Type::List(Box::new(Type::String)))),
        }
    }
}

/// What a function takes beside values that are known and not null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Known,
    Null,
    Unknown,
    NullAndUnknown,
}

/// One parameter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter {
    kind: Kind,
    takes: Takes,
}

impl Parameter {
    /// Refuses null; an unknown makes the answer unknown.
    pub(super) const fn of(kind: Kind) -> Self {
        Self { kind, takes: Takes::Known }
    }

    /// Sees nulls.
    pub(super) const fn nullable(self) -> Self {
        let takes = match self.takes {
            Takes::Known | Takes::Null => Takes::Null,
            Takes::Unknown | Takes::NullAndUnknown => Takes::NullAndUnknown,
        };
        Self { takes, ..self }
    }

    /// Sees unknowns.
    pub(super) const fn unknowable(self) -> Self {
        let takes = match self.takes {
            Takes::Known | Takes::Unknown => Takes::Unknown,
            Takes::Null | Takes::NullAndUnknown => Takes::NullAndUnknown,
        };
        Self { takes, ..self }
    }

    fn take(self, value: Value) -> Answer {
        match value {
            Value::Null if matches!(self.takes, Takes::Null | Takes::NullAndUnknown) => {
                Ok(Value::Null)
            }
            Value::Null => Err("an argument must not be null".into()),
            Value::Unknown(unknown) if matches!(self.takes, Takes::Known | Takes::Null) => {
                Err(Failure::Unknown(unknown))
            }
            value => match convert(value, &self.kind.wanted())? {
                // Conversion to a set loses what is unknown inside.
                Value::Unknown(unknown) if matches!(self.takes, Takes::Known | Takes::Null) => {
                    Err(Failure::Unknown(unknown))
                }
                value => Ok(value),
            },
        }
    }
}

pub(super) const ANY: Parameter = Parameter::of(Kind::Any);
pub(super) const NUMBER: Parameter = Parameter::of(Kind::Number);
pub(super) const TEXT: Parameter = Parameter::of(Kind::Text);
pub(super) const LIST: Parameter = Parameter::of(Kind::List);
pub(super) const TEXTS: Parameter = Parameter::of(Kind::Texts);
pub(super) const SET: Parameter = Parameter::of(Kind::Set);

/// A function: its name, what it takes, what it does.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    parameters: &'static [Parameter],
    rest: Option<Parameter>,
    pub(super) body: fn(Arguments<'_>) -> Answer,
}

impl Signature {
    /// Takes exactly these.
    pub(super) const fn fixed(
        name: &'static str,
        parameters: &'static [Parameter],
        body: fn(Arguments<'_>) -> Answer,
    ) -> Self {
        Self { name, parameters, rest: None, body }
    }

    /// Takes these, and any number of `rest`.
    pub(super) const fn open(
        name: &'static str,
        parameters: &'static [Parameter],
        rest: Parameter,
        body: fn(Arguments<'_>) -> Answer,
    ) -> Self {
        Self { name, parameters, rest: Some(rest), body }
    }
}

/// Converted arguments, taken from the front.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    values: std::vec::IntoIter<Value>,
    /// Where the configuration stands.
    pub(super) context: &'a Context,
}

impl<'a> Arguments<'a> {
    /// Converts each argument; one that is wrong is told before one that is unknown.
    pub(super) fn check(
        signature: &Signature,
        args: Vec<Value>,
        context: &'a Context,
    ) -> Result<Self, Failure> {
        let least = signature.parameters.len();
        if args.len() < least || (signature.rest.is_none() && args.len() > least) {
            let or_more = if signature.rest.is_some() { " or more" } else { "" };
            return Err(format!("takes {least}{or_more} arguments, not {}", args.len()).into());
        }
        let parameters = signature
            .parameters
            .iter()
            .copied()
            .chain(std::iter::repeat_n(signature.rest, args.len()).flatten());
        let mut values = Vec::with_capacity(args.len());
        let mut unknown = None;
        for (value, parameter) in args.into_iter().zip(parameters) {
            match parameter.take(value) {
                Ok(value) => values.push(value),
                Err(Failure::Unknown(found)) => unknown = unknown.or(Some(found)),
                Err(refused) => return Err(refused),
            }
        }
        match unknown {
            Some(unknown) => Err(Failure::Unknown(unknown)),
            None => Ok(Self { values: values.into_iter(), context }),
        }
    }

    /// The next argument, whatever it is.
    pub(super) fn any(&mut self) -> Answer {
        self.values.next().ok_or_else(|| "an argument is missing".into())
    }

    /// All that are left.
    pub(super) fn rest(&mut self) -> Vec<Value> {
        self.values.by_ref().collect()
    }

    /// The next argument, as text.
    pub(super) fn text(&mut self) -> Result<String, Failure> {
        match self.any()? {
            Value::String(text) => Ok(text),
            other => Err(wrong("a string", &other)),
        }
    }

    /// The next argument, as a number.
    pub(super) fn number(&mut self) -> Result<Number, Failure> {
        match self.any()? {
            Value::Number(number) => Ok(number),
            other => Err(wrong("a number", &other)),
        }
    }

    /// The next argument, as a whole number.
    pub(super) fn whole(&mut self) -> Result<i64, Failure> {
        self.number()?.to_i64().ok_or_else(|| "a whole number is required".into())
    }

    /// The next argument's elements: of a list, a set or a tuple.
    pub(super) fn elements(&mut self) -> Result<Vec<Value>, Failure> {
        elements(self.any()?)
    }

    /// The next argument's elements as text: none of them null or unknown.
    pub(super) fn texts(&mut self) -> Result<Vec<String>, Failure> {
        self.elements()?.into_iter().map(as_text).collect()
    }

    /// All that are left, as numbers.
    pub(super) fn numbers(&mut self) -> Result<Vec<Number>, Failure> {
        let as_number = |value| match value {
            Value::Number(number) => Ok(number),
            other => Err(wrong("a number", &other)),
        };
        self.rest().into_iter().map(as_number).collect()
    }
}

/// The elements of a list, a set or a tuple.
pub(super) fn elements(value: Value) -> Result<Vec<Value>, Failure> {
    match value {
        Value::List(elements) | Value::Set(elements) | Value::Tuple(elements) => Ok(elements),
        Value::Unknown(unknown) => Err(Failure::Unknown(unknown)),
        other => Err(wrong("a list, set or tuple", &other)),
    }
}

/// The entries of a map or an object.
pub(super) fn entries(value: Value) -> Result<BTreeMap<String, Value>, Failure> {
    match value {
        Value::Map(entries) | Value::Object(entries) => Ok(entries),
        Value::Unknown(unknown) => Err(Failure::Unknown(unknown)),
        other => Err(wrong("a map or object", &other)),
    }
}

/// An element that was converted to text.
pub(super) fn as_text(value: Value) -> Result<String, Failure> {
    match value {
        Value::String(text) => Ok(text),
        Value::Unknown(unknown) => Err(Failure::Unknown(unknown)),
        Value::Null => Err("an element is null".into()),
        other => Err(wrong("a string", &other)),
    }
}

/// Passes only what holds nothing unknown, however deep.
pub(super) fn known(value: &Value) -> Result<(), Failure> {
    match first_unknown(value) {
        Some(Value::Unknown(unknown)) => Err(Failure::Unknown(Rc::clone(unknown))),
        _ => Ok(()),
    }
}

/// The argument has another type.
pub(super) fn wrong(wanted: &str, found: &Value) -> Failure {
    let found = if *found == Value::Null { "null" } else { type_of(found).article() };
    Failure::Refused(format!("{wanted} is required, not {found}"))
}

/// A size or position in a value is a number of Terraform's.
pub(super) fn count(count: usize) -> Value {
    Value::Number(Number::from(count))
}
