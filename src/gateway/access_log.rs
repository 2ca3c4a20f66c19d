//! One JSON object a line for each request, to stdout. Written by a thread of its own: a reader that is slow costs lines,
//! which are counted, never a visitor's time. No query, no cookie, no token is ever in it.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde::Serialize;

use crate::tasks::Tasks;

/// Lines that may wait to be written.
const AHEAD: usize = 16 << 10;

/// Where lines go.
#[derive(Debug, Clone)]
pub(super) struct AccessLog(SyncSender<Vec<u8>>);

/// One request.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    pub(super) at: String,
    pub(super) site: &'a str,
    pub(super) client: std::net::IpAddr,
    pub(super) protocol: &'a str,
    pub(super) method: &'a str,
    pub(super) host: &'a str,
    /// Without its query.
    pub(super) path: &'a str,
    /// 499 for a client that hung up.
    pub(super) status: u16,
    /// Of the answer's body.
    pub(super) bytes: u64,
    /// Seconds.
    pub(super) duration: f64,
    pub(super) decision: &'a str,
    pub(super) request_id: &'a str,
}

impl AccessLog {
    /// Begins to write. Ends when all that log are gone.
    pub(super) fn start(tasks: &Tasks) -> io::Result<AccessLog> {
        let (sender, receiver) = sync_channel(AHEAD);
        tasks.start_thread("access-log", move || write(&receiver, io::stdout()))?;
        Ok(AccessLog(sender))
    }

    /// Whether there was room for it.
    pub(super) fn write(&self, line: &Line<'_>) -> bool {
        let Ok(mut line) = serde_json::to_vec(line) else { return false };
        line.push(b'\n');
        self.0.try_send(line).is_ok()
    }
}

fn write(lines: &Receiver<Vec<u8>>, out: impl Write) {
    let mut out = io::BufWriter::new(out);
    while let Ok(line) = lines.recv() {
        let mut next = Some(line);
        while let Some(line) = next.take() {
            if out.write_all(&line).is_err() {
                // Nobody reads any more. Requests go on; their lines are counted as lost once the queue is full.
                return;
            }
            next = lines.try_recv().ok();
        }
        if out.flush().is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[test]
    fn a_line_is_one_json_object_whatever_the_visitor_sent() {
        let (sender, receiver) = sync_channel(2);
        let log = AccessLog(sender);
        let line = Line {
            at: "2026-11-23T00:00:00Z".to_owned(),
            site: "shop",
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            protocol: "HTTP/1.1",
            method: "GET",
            host: "shop.example",
            path: "/\"\n",
            status: 499,
            bytes: 0,
            duration: 0.25,
            decision: "gone",
            request_id: "1",
        };
        assert!(log.write(&line) && log.write(&line));
        assert!(!log.write(&line), "a full queue makes nobody wait");
        drop(log);
        let mut out = Vec::new();
        write(&receiver, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 2);
        let read: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((&read["path"], &read["status"]), (&"/\"\n".into(), &499.into()));
    }
}
