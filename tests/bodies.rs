//! Bodies through the built gateway, both ways: whole, as slow as the slower side, and never taken for whole where they are
//! not.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use roadworks::tasks::Tasks;

use crate::support::played::{Asked, Played};
use crate::support::serving::{HOST, LONG, Serving, Stand, config, until};

const LARGE: usize = 10 << 20;
/// A writer that gets rid of nothing for so long is held back by somebody.
const HELD_BACK: Duration = Duration::from_millis(700);
/// What the system keeps of a stream in its sockets, and the gateway in its own, both ways: less than this.
const ON_THE_WAY: usize = 40 << 20;
/// A gateway that does not keep bodies grows by no more than this.
const GROWTH: usize = 6 << 20;

/// An open site before an upstream that the test plays.
fn site() -> (Played, Stand, Serving) {
    let upstream = Played::start();
    let stand = Stand::new(&config(&upstream.url(), ""));
    let serving = stand.serve();
    (upstream, stand, serving)
}

fn connected(serving: &Serving) -> TcpStream {
    let stream = TcpStream::connect(serving.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// Begins a request with these lines after its Host.
fn begins(serving: &Serving, first: &str, lines: &str) -> TcpStream {
    let mut client = connected(serving);
    let head = format!("{first} HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n");
    client.write_all(head.as_bytes()).unwrap();
    client
}

/// What comes until `last` has.
#[track_caller]
fn read_until(client: &mut TcpStream, last: &str) -> String {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(last.as_bytes()) {
        client.read_exact(&mut byte).unwrap_or_else(|error| {
            panic!("{error} after {:?}", String::from_utf8_lossy(&text));
        });
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

fn read_rest(client: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    // A reset ends it too.
    drop(client.read_to_end(&mut rest));
    String::from_utf8(rest).unwrap()
}

/// Bytes in which none is where another was.
fn sample(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| ((at.wrapping_mul(2_654_435_761) >> 13) & 0xff).try_into().unwrap())
        .collect()
}

#[test]
fn an_upload_that_asks_first_is_told_to_come_by_the_app_and_by_nobody_else() {
    let (upstream, _stand, serving) = site();
    let mut client = begins(&serving, "POST /a", "Expect: 100-continue\r\nContent-Length: 2\r\n");
    let mut asked = upstream.asked();
    assert!(asked.head.to_lowercase().contains("\r\nexpect: 100-continue\r\n"), "{}", asked.head);
    client.set_nonblocking(true).unwrap();
    let early = client.peek(&mut [0]).expect_err("nothing said 100 yet");
    assert_eq!(early.kind(), ErrorKind::WouldBlock);
    client.set_nonblocking(false).unwrap();
    asked.says("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(read_until(&mut client, "\r\n\r\n").get(..12), Some("HTTP/1.1 100"));
    client.write_all(b"hi").unwrap();
    assert_eq!(asked.exactly(2), b"hi");
    asked.says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert!(read_until(&mut client, "\r\n\r\nok").starts_with("HTTP/1.1 200"));
}

#[test]
fn an_upload_that_the_app_does_not_want_is_never_asked_for() {
    let (upstream, _stand, serving) = site();
    let lines = "Expect: 100-continue\r\nContent-Length: 9\r\n";
    let mut client = begins(&serving, "PUT /a", lines);
    let mut asked = upstream.asked();
    asked.says("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let whole = read_rest(&mut client);
    assert!(whole.starts_with("HTTP/1.1 417") && !whole.contains("100"), "{whole}");
}

#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending_and_ends_both_connections() {
    let (upstream, _stand, serving) = site();
    let client = begins(&serving, "POST /a", "Content-Length: 1000000000\r\n");
    let mut sending = client.try_clone().unwrap();
    sending.set_write_timeout(Some(LONG)).unwrap();
    // It sends until nobody takes it any more.
    let sends = move || while sending.write_all(&[b'x'; 8192]).is_ok() {};
    let sender = Tasks::new().start_thread("sender", sends).unwrap();
    let mut asked = upstream.asked();
    asked.says(
        "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig",
    );
    let mut client = client;
    let whole = read_until(&mut client, "big");
    assert!(whole.starts_with("HTTP/1.1 413"), "{whole}");
    let closes = whole.to_lowercase().contains("\r\nconnection: close\r\n");
    assert!(closes, "it closes, and says so: {whole}");
    drop(asked);
    drop(sender);
    assert_eq!(read_rest(&mut client), "");
}

#[test]
fn trailers_pass_both_ways_through_the_built_gateway() {
    let (upstream, _stand, serving) = site();
    let lines =
        "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\nTE: trailers\r\nConnection: te\r\n";
    let mut client = begins(&serving, "POST /a", lines);
    client.write_all(b"2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n").unwrap();
    let mut asked = upstream.asked();
    assert_eq!(asked.until("\r\n\r\n").to_lowercase(), "2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n");
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
    asked.says(&format!("{head}2\r\nok\r\n0\r\nX-Sum: 8\r\n\r\n"));
    let answer = read_until(&mut client, "8\r\n\r\n").to_lowercase();
    assert!(answer.ends_with("2\r\nok\r\n0\r\nx-sum: 8\r\n\r\n"), "{answer}");
}

#[test]
fn ten_mebibytes_pass_both_ways_byte_for_byte() {
    let (upstream, _stand, serving) = site();
    let sent = sample(LARGE);
    let client = begins(&serving, "POST /a", &format!("Content-Length: {LARGE}\r\n"));
    let (mut writing, bytes) = (client.try_clone().unwrap(), sent.clone());
    let sender = move || writing.write_all(&bytes).unwrap();
    let _sender = Tasks::new().start_thread("sender", sender).unwrap();
    let mut asked = upstream.asked();
    let came = asked.exactly(LARGE);
    assert!(came == sent, "the upload is the same");
    let answers = move || {
        asked.says(&format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"));
        asked.stream.write_all(&came).unwrap();
    };
    let _answers = Tasks::new().start_thread("answers", answers).unwrap();
    let mut client = client;
    read_until(&mut client, "\r\n\r\n");
    let mut back = vec![0; LARGE];
    client.read_exact(&mut back).unwrap();
    assert!(back == sent, "the answer is the same");
}

/// How much memory the gateway has, in bytes.
fn memory(serving: &Serving) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", serving.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// Writes until nobody takes more, and says how much that was: at most `most`.
fn writes_until_held_back(stream: &mut TcpStream, most: usize) -> usize {
    stream.set_write_timeout(Some(HELD_BACK)).unwrap();
    let (piece, mut written) = (vec![b'x'; 8192], 0);
    while written < most {
        match stream.write(&piece[..piece.len().min(most - written)]) {
            Ok(some) => written += some,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    written
}

#[test]
fn a_client_that_reads_slowly_holds_the_app_back_and_costs_no_memory() {
    let (upstream, _stand, serving) = site();
    let mut client = begins(&serving, "GET /a", "");
    let Asked { mut stream, .. } = upstream.asked();
    let whole = 4 * ON_THE_WAY;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {whole}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let before = memory(&serving);
    let written = writes_until_held_back(&mut stream, whole);
    assert!(written < ON_THE_WAY, "{written} bytes were taken that nobody reads");
    let grown = memory(&serving).saturating_sub(before);
    assert!(grown < GROWTH, "{grown} bytes of it are in memory");
    // Who reads again gets the rest.
    let rest = move || {
        stream.set_write_timeout(Some(LONG)).unwrap();
        stream.write_all(&vec![b'x'; whole - written]).unwrap();
    };
    let _rest = Tasks::new().start_thread("rest", rest).unwrap();
    read_until(&mut client, "\r\n\r\n");
    let (mut left, mut piece) = (whole, vec![0; 1 << 20]);
    while left > 0 {
        let read = client.read(&mut piece).unwrap();
        assert!(read > 0, "{left} bytes are missing");
        left -= read;
    }
}

#[test]
fn an_app_that_reads_slowly_holds_the_client_back_and_costs_no_memory() {
    let (upstream, _stand, serving) = site();
    let whole = 4 * ON_THE_WAY;
    let mut client = begins(&serving, "POST /a", &format!("Content-Length: {whole}\r\n"));
    let mut asked = upstream.asked();
    let before = memory(&serving);
    let written = writes_until_held_back(&mut client, whole);
    assert!(written < ON_THE_WAY, "{written} bytes were taken that nobody reads");
    let grown = memory(&serving).saturating_sub(before);
    assert!(grown < GROWTH, "{grown} bytes of it are in memory");
    assert_eq!(asked.exactly(written).len(), written);
}

/// How curl ended, by its code.
fn curl(serving: &Serving, more: &[&str]) -> i32 {
    let mut command = Command::new("curl");
    command.args(["-s", "-m", "20", "-o", "/dev/null", "-H", &format!("Host: {HOST}")]).args(more);
    command.arg(format!("http://{}/a", serving.address()));
    command.status().unwrap().code().unwrap()
}

#[test]
fn an_answer_that_breaks_off_looks_whole_to_no_client() {
    let (upstream, _stand, serving) = site();
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbegins";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nbegins\r\n";
    let plays = move || {
        // Twice by HTTP/1.1, twice by HTTP/2, and once to its end.
        for bytes in [length, chunks, length, chunks] {
            upstream.asked().says(bytes);
        }
        upstream.asked().says(&format!("{chunks}0\r\n\r\n"));
        upstream
    };
    let _plays = Tasks::new().start_thread("plays", plays).unwrap();
    let second = ["--http2-prior-knowledge"];
    for (more, codes) in
        [(&[][..], [18, 56]), (&[], [18, 56]), (&second, [92, 18]), (&second, [92, 18])]
    {
        let code = curl(&serving, more);
        assert!(codes.contains(&code), "curl {more:?} took it for {code}");
    }
    assert_eq!(curl(&serving, &[]), 0, "a whole one is whole");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_an_answer_ends_it_at_the_app() {
    let (upstream, stand, serving) = site();
    let mut client = begins(&serving, "GET /a", "");
    let mut asked = upstream.asked();
    asked.says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    read_until(&mut client, "hello");
    // Unread bytes hide a hang-up from whoever only reads.
    client.write_all(b"GET /next HTTP/1.1\r\n").unwrap();
    drop(client);
    let ended = asked.stream.read(&mut [0]);
    let reset = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionReset;
    assert!(matches!(&ended, Ok(0)) || ended.as_ref().is_err_and(reset), "still there: {ended:?}");
    until(|| (stand.status()["gateways"][0]["in_flight"] == 0).then_some(()));
}
