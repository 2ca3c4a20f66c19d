//! The guard of a Redis, seen from outside: against real servers, and against what others read in the same bytes.

mod answers;
mod clients;
mod commands;
mod doctor;
mod emergency;
mod faults;
pub(crate) mod forms;
mod frames;
mod guard;
mod hold;
mod jobs;
mod lost;
mod observing;
mod options;
mod orders;
mod presets;
mod recover;
mod secured;
mod several;
mod slow;
mod stale;
mod states;
mod unwritable;
mod upstreams;
