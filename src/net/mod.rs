//! Sockets, TLS and the text of DNS records, for whoever listens or calls. Knows nothing of sites.

pub mod ask;
pub mod bind;
pub mod record;
pub mod tls;
pub mod wire;
