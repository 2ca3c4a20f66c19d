//! What the tests stand on: a strict Route 53, the emulators, real Terraform, the built binary, the seed's
//! folder, an app and a gateway in front of it.

pub(crate) mod app;
pub(crate) mod balancing;
pub(crate) mod bind;
pub(crate) mod bucket;
pub(crate) mod cloudfront;
pub(crate) mod command;
pub(crate) mod databases;
pub(crate) mod dig;
pub(crate) mod emulator;
pub(crate) mod http;
pub(crate) mod json;
pub(crate) mod listener;
pub(crate) mod metrics;
pub(crate) mod nameserver;
pub(crate) mod played;
pub(crate) mod recorder;
pub(crate) mod redis;
pub(crate) mod relay;
pub(crate) mod resets;
pub(crate) mod route53;
pub(crate) mod s3;
pub(crate) mod servers;
pub(crate) mod serving;
pub(crate) mod site;
pub(crate) mod terraform;
pub(crate) mod unbound;
