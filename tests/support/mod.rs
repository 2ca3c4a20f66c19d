//! What the tests stand on: a strict Route 53, the emulators, the seed's folder.

pub(crate) mod emulator;
pub(crate) mod http;
pub(crate) mod route53;
pub(crate) mod site;
