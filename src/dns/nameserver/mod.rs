//! A small authoritative server: for `try`, for tests, and for a child zone that is delegated to it.
//!
//! Answers for one zone, and for nobody else's. Has no DNSSEC, no transfer and no recursion.

mod answer;
mod desk;
mod disk;
mod done;
mod error;
mod first;
mod limits;
#[cfg(test)]
mod rig;
mod running;
mod sockets;
mod trial;
mod tsig;
mod update;
mod zone;

pub use answer::answer;
pub use desk::Way;
pub use disk::{from_json, to_json};
pub use error::Error;
pub use running::Nameserver;
pub use trial::{Trial, tried};
pub use update::update;
pub use zone::{Node, NotAZone, RrSet, Standing, Zone, is_later, next_serial};
