//! `roadworks.hcl`, or a bare folder of `.tf` files -> checked types that remember their place.
//!
//! Parsing opens no socket and changes nothing.

mod records;

pub use records::{RecordKey, RecordSet, Routing, SwitchedRecord, Target};
