//! A Redis whose every answer comes too late, or that ends a connection instead.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use roadworks::clock::monotonic;
use roadworks::redis::frame::{Request, Requests};
use roadworks::tasks::Tasks;

use super::guard::config;
use crate::support::bind::free_port;
use crate::support::redis::Client;
use crate::support::serving::{LONG, Stand};

/// Answers `GET` after so long, and everything else at once; the first `GET once` ends its connection.
fn slow(takes: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tasks = Tasks::new();
    let has_ended = Arc::<AtomicBool>::default();
    let serve = move || {
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.unwrap();
            let has_ended = Arc::clone(&has_ended);
            let work = move || answers(&mut stream, takes, &has_ended);
            drop(Tasks::new().start_thread("slow", work).unwrap());
        }
    };
    drop(tasks.start_thread("slow", serve).unwrap());
    port
}

fn answers(stream: &mut TcpStream, takes: Duration, has_ended: &AtomicBool) {
    let (mut requests, mut buffer) = (Requests::default(), Vec::new());
    let mut piece = [0; 4 << 10];
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        buffer.extend(&piece[..read]);
        while let Ok(Request::Whole { length, arguments }) = requests.read(&buffer) {
            if arguments.is(1, "once") && !has_ended.swap(true, Relaxed) {
                return;
            }
            let (waits, answer): (_, &[u8]) = match () {
                () if arguments.is(0, "GET") => (takes, b"$1\r\nv\r\n"),
                () if arguments.is(0, "INFO") => (Duration::ZERO, b"$9\r\nloading:0\r\n"),
                () => (Duration::ZERO, b"+PONG\r\n"),
            };
            thread::sleep(waits);
            buffer.drain(..length);
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    }
}

#[test]
fn what_only_reads_is_asked_again_where_redis_ends_one_connection() {
    let (port, upstream) = (free_port(), slow(Duration::ZERO));
    // Nothing is ever answered for it: it is Redis's answer, or an error.
    let stand = Stand::new(&config(
        &format!("127.0.0.1:{port}"),
        &format!("redis://127.0.0.1:{upstream}"),
        "role = \"session\"\nbudget = \"10s\"",
    ));
    let serving = stand.serve();
    let mut client = Client::at(port);
    assert_eq!(client.does("GET k"), "$1\r\nv");
    assert_eq!(client.does("GET once"), "$1\r\nv");
    assert!(!serving.log().contains("redis is away"), "{}", serving.log());
}

#[test]
fn a_redis_that_answers_too_late_each_time_is_away_though_it_answers() {
    let (port, upstream) = (free_port(), slow(Duration::from_millis(150)));
    let stand = Stand::new(&format!(
        "serve {{ admin = \"127.0.0.1:0\" }}\nsite \"shop\" {{\n  redis \"cache\" {{\n    listen = \"127.0.0.1:{port}\"\n    upstream = \"redis://127.0.0.1:{upstream}\"\n    role = \"cache\"\n    budget = \"100ms\"\n  }}\n}}\n"
    ));
    let serving = stand.serve();
    let (mut client, began) = (Client::at(port), monotonic());
    while !serving.log().contains("three answers in a row were late") {
        assert_eq!(client.does("GET k"), "$-1");
        // Its answer comes before the next question, and is nobody's.
        thread::sleep(Duration::from_millis(100));
        assert!(monotonic().duration_since(began) < LONG, "{}", serving.log());
    }
}
