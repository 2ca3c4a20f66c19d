//! Roadworks puts a site into maintenance and back with one switch.
//!
//! The folders stand in the order a change passes through them; ARCHITECTURE.md tells the way, and
//! tests/architecture.rs checks who may use whom.

#[cfg(feature = "aws")]
pub mod aws;
pub mod clock;
pub mod files;
pub mod hcl;
pub mod lever;
pub mod metrics;
pub mod net;
pub mod tasks;

#[cfg(feature = "bucket")]
pub mod cli;

pub mod config;
pub mod terraform;

pub mod switch;

pub mod store;

pub mod agent;

pub mod gateway;
pub mod page;

#[cfg(feature = "aws")]
pub mod balancer;
pub mod database;
pub mod dns;
pub mod pipeline;
pub mod redis;
pub mod workers;

pub mod checks;

pub mod notify;

pub mod audit;
