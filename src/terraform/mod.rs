//! An unmodified folder of `.tf` files -> the records that the maintenance boolean moves, with their two targets, and the
//! listeners' rule that it has visitors answered by.
//!
//! Never writes, never guesses: what cannot be known is an error that names the expression and the way out.

mod access;
mod answering;
pub mod backend;
mod blocks;
mod call;
mod candidates;
mod console;
mod constraint;
pub mod convert;
mod decimal;
mod error;
mod expression;
mod fault;
mod find;
mod folder;
pub mod functions;
mod instances;
mod json;
mod lookup;
mod module;
mod names;
mod normal;
mod number;
mod overrides;
pub mod plans;
mod reach;
mod record;
mod records;
mod resources;
mod rule;
mod rules;
mod scope;
mod shape;
mod state;
mod survey;
mod template;
mod tfvars;
#[cfg(test)]
mod trials;
mod value;
mod variables;

pub use candidates::Spelling;
pub use console::console;
pub use error::Error;
pub use find::{
    Boolean, MovedRecord, OUR_FILE, Sibling, Switchboard, Warning, find_switch, read_boolean,
};
pub use folder::{Folder, Inputs, VariableInput, load};
#[cfg(feature = "aws")]
pub use lookup::{Found, ask, zone_name};
pub use lookup::{Known, Lookup, lookups};
pub use number::{Number, NumberError};
pub use record::{RecordKey, RecordSet, Routing, Target};
pub use rule::{
    AnsweringRule, ListenerRule, RuleAction, RuleAnswer, RuleBeside, RuleCondition, Stays,
};
pub use shape::{Attribute, Block, Body};
pub use state::{LARGEST_STATE, State};
pub use value::{Unknown, Value};
pub use variables::{Audience, ValueOrigin};
