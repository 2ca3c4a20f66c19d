//! Sockets and TLS, for whoever listens or calls. Knows nothing of sites.

pub mod bind;
pub mod tls;
pub mod wire;
