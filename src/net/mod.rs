//! Sockets and TLS, for whoever listens or calls. Knows nothing of sites.
