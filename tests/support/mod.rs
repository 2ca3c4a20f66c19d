//! What the tests stand on: a strict Route 53, the emulators, real Terraform, the built binary, the seed's folder.

pub(crate) mod command;
pub(crate) mod emulator;
pub(crate) mod http;
pub(crate) mod route53;
pub(crate) mod site;
pub(crate) mod terraform;
