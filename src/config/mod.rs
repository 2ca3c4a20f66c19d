//! `roadworks.hcl`, or a bare folder of `.tf` files -> checked types that remember their place.
//!
//! Parsing opens no socket and changes nothing.

mod dns;
mod error;
mod locate;
mod read;
mod records;
mod resolve;
mod site;
mod unresolved;

pub use crate::terraform::{Audience, Spelling};
pub use error::Error;
pub use locate::{Config, StoreAt, load};
pub use records::{RecordKey, RecordSet, Routing, SwitchedRecord, Target};
pub use resolve::{Beside, Pinned, Resolved, Variable, name_of, resolve};
pub use site::{Account, DnsSource, SiteConfig, VariableWay};
pub use unresolved::Unresolved;
