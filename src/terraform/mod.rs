//! An unmodified folder of `.tf` files -> the records that the maintenance boolean moves, and their two targets.
//!
//! Never writes, never guesses: what cannot be known is an error that names the expression and the way out.

pub mod backend;
pub mod convert;
mod decimal;
pub mod functions;
mod number;
pub mod plans;
mod record;
mod value;

pub use number::{Number, NumberError};
pub use record::{RecordKey, RecordSet, Routing, Target};
pub use value::{Unknown, Value};
