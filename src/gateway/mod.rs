//! The gateway: it stands in front of the app and gives visitors what the switch says, from the next request on.
//!
//! It receives a [`Posture`](crate::switch::Posture) for each site and never reads the store. What it must never do:
//! let a request pass that it did not count, open because time passed, or answer with a mode that is neither.

pub mod address;
mod body;
pub mod bypass;
mod door;
mod drain;
mod forward;
mod inside;
mod lane;
pub mod negotiate;
mod pace;
pub mod refusal;
mod report;
pub mod robots;
mod room;
pub mod rules;
mod settings;
mod snapshot;
mod state;
mod told;
mod upstream;
mod waiting;
pub mod wellknown;

pub use body::{Body, BodyError, Streamed, Upload};
pub use door::{Door, Refused, Verdict};
pub use forward::{Asker, Failure, Forwarded, Route, forward};
pub use inside::{Admitted, Inside, Ticket, Upgraded};
pub use lane::{Lane, Modes};
pub use pace::Outcome;
pub use report::{Drain, Report, UpstreamReport};
pub use settings::{Settings, SiteSettings};
pub use snapshot::{Snapshot, Why};
pub use told::{Cut, Farewell};
pub use upstream::{Names, Pool, Upstreams};
pub use waiting::Waiting;
