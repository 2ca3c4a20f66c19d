//! What an expression evaluates to: Terraform's own values, and `Unknown`, which is carried and never guessed.
//!
//! Terraform tells a list from a tuple and a map from an object, and answers differently for each
//! (`[1] == tolist([1])` is false there), so we keep them apart too. Maps and objects are ordered by key,
//! as Terraform iterates them; a set is kept sorted and without doubles.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::number::Number;
use crate::hcl::Place;

/// A value of Terraform's language.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, of whatever type.
    Null,
    /// Not known here: from a resource that no state describes, or computed from one.
    Unknown(Rc<Unknown>),
    /// `true` or `false`.
    Bool(bool),
    /// A number with Terraform's 512 bits of precision.
    Number(Number),
    /// Text.
    String(String),
    /// Elements of one type, in order.
    List(Vec<Value>),
    /// Elements of one type, without doubles, in Terraform's order.
    Set(Vec<Value>),
    /// Elements of any types, in order: what `[..]` makes.
    Tuple(Vec<Value>),
    /// Values of one type by key.
    Map(BTreeMap<String, Value>),
    /// Values of any types by key: what `{..}` makes.
    Object(BTreeMap<String, Value>),
}

/// Why a value is not known, kept so that an error can name its origin and the way out.
#[derive(Debug, PartialEq)]
pub struct Unknown {
    /// The expression that could not be known, as written (`aws_lb.load_balancer.dns_name`).
    pub expression: String,
    /// Why it is not known, as a fragment ("not in the state").
    pub why: String,
    /// Where the expression stands.
    pub place: Place,
}
