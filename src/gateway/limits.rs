//! How connections are spoken to: the limits of the configuration, as the HTTP library and the lookout want them.

use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioTimer;

use super::connection::Spawn;
use crate::config::Limits;
use crate::net::wire::Patience;

/// After a broken connection so many bytes are read and thrown away, so that the last answer is read.
pub(super) const LINGER: usize = 256 << 10;
/// And for so long.
pub(super) const LINGER_FOR: Duration = Duration::from_secs(2);
/// HTTP/2 peers that say nothing are asked whether they live.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams that a client opens and resets at once (CVE-2023-44487).
const RESETS: usize = 32;
/// What one stream and one connection may have sent without being read: enough for a fast upload far away, little enough
/// that a thousand connections do not fill the memory.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
const SEND_BUFFER: usize = 64 << 10;

/// The limits, ready for use.
#[derive(Debug)]
pub(super) struct Conduct {
    pub(super) limits: Limits,
    pub(super) http1: http1::Builder,
    /// The same in TLS, where a client may say goodbye and leave the socket open.
    pub(super) http1_in_tls: http1::Builder,
    pub(super) patience: Patience,
}

impl Conduct {
    pub(super) fn new(limits: Limits) -> Conduct {
        let mut http1 = http1::Builder::new();
        // Late heads and idle connections are the lookout's: a timer for each request would cost more than parsing it.
        http1
            // Who hangs up while they are answered is the lookout's too: to see it hyper would keep another buffer ready.
            .half_close(true)
            .keep_alive(true)
            .header_read_timeout(None)
            .max_headers(limits.header_count)
            .max_header_size(limits.header_bytes)
            .max_buf_size(limits.header_bytes.max(64 << 10))
            // Flushing late for pipelined requests also keeps back the 400 to one that is broken.
            .pipeline_flush(false);
        let mut http1_in_tls = http1.clone();
        http1_in_tls.half_close(false);
        let patience = Patience {
            head: limits.header_timeout,
            idle: limits.idle_timeout,
            rate: limits.body_rate,
        };
        Conduct { limits, http1, http1_in_tls, patience }
    }

    /// HTTP/2, whose streams are tasks of `spawn`.
    pub(super) fn http2(&self, spawn: Spawn) -> http2::Builder<Spawn> {
        let mut http2 = http2::Builder::new(spawn);
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_concurrent_streams(self.limits.streams)
            // Twice as much, so that what is too large is answered, and counted, by us.
            .max_header_list_size(u32::try_from(self.limits.header_bytes * 2).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(RESETS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER);
        http2
    }
}
