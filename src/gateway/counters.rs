//! What is counted for the whole gateway: connections that were closed or answered because of a limit.

use std::sync::atomic::AtomicU64;

/// Counted since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) limits: Reached,
}

/// How often each limit was reached.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// The system had no more files.
    pub(super) files: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) header_timeout: AtomicU64,
    /// Too large or too many headers, or a target that is too long.
    pub(super) head: AtomicU64,
    pub(super) idle: AtomicU64,
    pub(super) body_rate: AtomicU64,
    /// What is no HTTP.
    pub(super) malformed: AtomicU64,
    /// TLS handshakes that failed.
    pub(super) handshakes: AtomicU64,
}
