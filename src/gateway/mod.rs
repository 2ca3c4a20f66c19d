//! The gateway: it stands in front of the app and gives visitors what the switch says, from the next request on.
//!
//! It receives a [`Posture`](crate::switch::Posture) for each site and never reads the store. What it must never do:
//! let a request pass that it did not count, open because time passed, or answer with a mode that is neither.

mod access_log;
pub mod address;
mod admin;
mod asked;
mod body;
pub mod bypass;
mod connection;
mod core;
mod counters;
mod door;
mod drain;
mod error;
mod forward;
mod gently;
mod inside;
mod lane;
mod limits;
mod listener;
pub mod negotiate;
mod pace;
mod ramp;
mod record;
pub mod refusal;
mod report;
pub mod robots;
mod room;
mod routes;
pub mod rules;
mod running;
mod scrape;
mod sent;
mod service;
mod settings;
mod site;
mod snapshot;
mod state;
mod told;
#[cfg(test)]
mod trials;
mod upstream;
mod visit;
mod waiting;
pub mod wellknown;

pub use body::{Body, BodyError, Metered, Streamed, Upload};
pub use door::{Door, Refused, Verdict};
pub use error::Error;
pub use forward::{Asker, Failure, Forwarded, Route, forward};
pub use gently::{Gently, Opens, Shut};
pub use inside::{Admitted, Inside, Ticket, Upgraded};
pub use lane::{Lane, Modes};
pub use pace::Outcome;
pub use report::{Around, Drain, FellBack, RampReport, Report, Stands, UpstreamReport, Waited};
pub use running::Gateway;
pub use settings::{Settings, SiteSettings};
pub use snapshot::{Snapshot, Why};
pub use told::{Cut, Farewell};
pub use upstream::{Names, Pool, Upstreams};
pub use waiting::Waiting;
