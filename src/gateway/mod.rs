//! The gateway: it stands in front of the app and gives visitors what the switch says, from the next request on.
//!
//! It receives a [`Posture`](crate::switch::Posture) for each site and never reads the store. What it must never do:
//! let a request pass that it did not count, open because time passed, or answer with a mode that is neither.

pub mod address;
mod body;
mod report;
pub mod rules;
mod settings;
mod upstream;

pub use body::{Body, BodyError, Streamed, Upload};
pub use report::{Drain, Report, UpstreamReport};
pub use settings::{Settings, SiteSettings};
pub use upstream::{Names, Pool, Upstreams};
