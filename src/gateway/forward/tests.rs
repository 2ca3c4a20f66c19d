//! Forwarding against an upstream played by hand: each rule of HTTP.md's contract is one test.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use super::super::upstream::tests::until;
use super::rig::{Front, Stage, nowhere, rig, rig_of};
use crate::config::UpstreamProtocol;
use crate::switch::Mode;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn k12_a_request_and_its_answer_pass_without_what_belongs_to_one_connection() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client
        .say(
            "GET /a%2Fb//c?x=1;y=%zz&=&q=a+b HTTP/1.1\r\nHost: Shop.Example.com:8080\r\nConnection: keep-alive, X-Secret\r\n\
             X-Secret: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nX-Forwarded-For: 6.6.6.6\r\n\
             X-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\nX-Kept: yes\r\n\r\n",
        )
        .await;
    let (mut upstream, head) = stage.begin().await;
    assert!(head.starts_with("GET /a%2Fb//c?x=1;y=%zz&=&q=a+b HTTP/1.1\r\n"), "{head}");
    for line in [
        "\r\nhost: Shop.Example.com:8080\r\n",
        "\r\nx-kept: yes\r\n",
        "\r\nvia: 1.1 roadworks\r\n",
        "\r\nx-forwarded-for: 127.0.0.1\r\n",
        "\r\nx-forwarded-proto: http\r\n",
        "\r\nx-forwarded-host: Shop.Example.com:8080\r\n",
        "\r\nx-request-id: id-1\r\n",
    ] {
        assert!(head.contains(line), "{line}: {head}");
    }
    for gone in ["x-secret", "keep-alive", "connection", "\r\nforwarded", "6.6.6.6"] {
        assert!(!head.contains(gone), "{gone}: {head}");
    }
    upstream
        .say(
            "HTTP/1.1 418 Short And Stout\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\n\
             Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 3\r\n\r\ntea",
        )
        .await;
    let answer = client.hear("tea").await;
    assert!(answer.starts_with("HTTP/1.1 418 Short And Stout\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nset-cookie: a=1\r\n") && answer.contains("\r\nset-cookie: b=2\r\n")
    );
    assert!(!answer.contains("x-hop") && !answer.contains("keep-alive"), "{answer}");
    until("counted out", || rig.in_flight() == 0).await;
    assert!(rig.failures().is_empty());
}

#[tokio::test]
async fn a_trusted_proxys_words_are_passed_on_and_itself_added() {
    let (stage, at) = Stage::open().await;
    let rig = rig_of(UpstreamProtocol::Http, &[at], Front::Http1Trusted).await;
    let mut client = rig.client().await;
    client
        .say(
            "GET / HTTP/1.1\r\nHost: in\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 10.0.0.2\r\n\
             X-Forwarded-Proto: https\r\nX-Forwarded-Host: out\r\nForwarded: for=1.1.1.1\r\n\r\n",
        )
        .await;
    let (_upstream, head) = stage.begin().await;
    for line in [
        "\r\nx-forwarded-for: 1.1.1.1, 10.0.0.2, 127.0.0.1\r\n",
        "\r\nx-forwarded-proto: https\r\n",
        "\r\nx-forwarded-host: out\r\n",
        "\r\nforwarded: for=1.1.1.1\r\nforwarded: for=127.0.0.1\r\n",
    ] {
        assert!(head.contains(line), "{line}: {head}");
    }
    assert_eq!(head.matches("x-forwarded-for").count(), 1, "{head}");
}

#[tokio::test]
async fn an_absolute_address_names_the_host_and_is_sent_as_a_path() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client.say("GET http://real.example/x?y HTTP/1.1\r\nHost: other.example\r\n\r\n").await;
    let (_upstream, head) = stage.begin().await;
    assert!(head.starts_with("GET /x?y HTTP/1.1\r\nhost: real.example\r\n"), "{head}");
    assert!(!head.contains("other.example"), "{head}");
}

#[tokio::test]
async fn two_lengths_leave_as_one_framing() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client
        .say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")
        .await;
    let (mut upstream, head) = stage.begin().await;
    assert!(
        head.contains("transfer-encoding: chunked") && !head.contains("content-length"),
        "{head}"
    );
    assert_eq!(upstream.hear("0\r\n\r\n").await, "3\r\nabc\r\n0\r\n\r\n");
    upstream.say(OK).await;
    let answer = client.until_end().await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "closed after it: {answer}");
    assert!(upstream.is_silent().await);
}

#[tokio::test]
async fn a_connection_is_used_again_and_one_that_closed_meanwhile_is_replaced_whatever_the_method()
{
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (mut upstream, _) = stage.begin().await;
    upstream.say(OK).await;
    client.hear("ok").await;
    until("parked", || rig.inner.pool.parked() == 1).await;
    client.say("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(upstream.head().await.starts_with("GET /2 "), "the same connection");
    upstream.say(OK).await;
    client.hear("ok").await;
    drop(upstream);
    until("seen", || rig.inner.pool.resting() == 0).await;
    client.say("POST /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody").await;
    let (mut upstream, head) = stage.begin().await;
    assert!(head.starts_with("POST /3 "), "nothing of it was sent before");
    upstream.hear("body").await;
    upstream.say(OK).await;
    client.hear("ok").await;
    assert!(rig.failures().is_empty());
}

/// One request on a connection that ends after the upstream has read it, and was used before.
async fn on_a_stale_connection(request: &str) -> (Stage, super::rig::Rig, super::rig::Wire) {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client.say("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (mut upstream, _) = stage.begin().await;
    upstream.say(OK).await;
    client.hear("ok").await;
    client.say(request).await;
    upstream.head().await;
    drop(upstream);
    (stage, rig, client)
}

#[tokio::test]
async fn a_safe_request_is_repeated_once_where_a_kept_connection_ends_without_a_word() {
    let request = "GET /2 HTTP/1.1\r\nHost: h\r\nX-Mark: 7\r\n\r\n";
    let (stage, rig, mut client) = on_a_stale_connection(request).await;
    let (mut upstream, head) = stage.begin().await;
    assert!(head.starts_with("GET /2 ") && head.contains("x-mark: 7"), "{head}");
    upstream.say(OK).await;
    client.hear("ok").await;
    assert!(rig.failures().is_empty());
    // A new connection that ends so is the app's failure, and no reason to ask again.
    client.say(request).await;
    upstream.head().await;
    drop(upstream);
    let (upstream, _) = stage.begin().await;
    drop(upstream);
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
    assert_eq!(rig.failures(), ["lost"]);
}

#[tokio::test]
async fn a_post_is_never_sent_twice_and_nobody_is_told_to_repeat_it() {
    let request = "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
    let (stage, rig, mut client) = on_a_stale_connection(request).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 502 ") && !head.contains("retry-after"), "{head}");
    assert!(tokio::time::timeout(Duration::from_millis(50), stage.enter()).await.is_err());
    assert_eq!(rig.failures(), ["lost"]);
}

#[tokio::test]
async fn where_there_is_no_connection_the_next_upstream_is_asked_even_for_a_post() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[nowhere(), at, nowhere()]).await;
    for _ in 0..4 {
        let mut client = rig.client().await;
        client.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody").await;
        let (mut upstream, _) = stage.begin().await;
        upstream.hear("body").await;
        upstream
            .say("HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .await;
        assert!(client.head().await.starts_with("HTTP/1.1 201 "));
    }
    assert!(rig.failures().is_empty());
}

#[tokio::test]
async fn where_nobody_listens_it_is_a_502_without_a_promise() {
    let rig = rig(&[nowhere(), nowhere()]).await;
    let answer = rig.ask("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    assert!(answer.contains("application/problem+json") && answer.contains("no-store"), "{answer}");
    assert!(!answer.contains("retry-after") && !answer.contains("127.0.0.1"), "{answer}");
    assert_eq!((rig.failures(), rig.in_flight()), (vec!["unreachable"], 0));
}

#[tokio::test]
async fn a_site_without_an_upstream_that_has_an_address_is_a_502() {
    let rig = rig(&[]).await;
    let answer = rig.ask("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[tokio::test]
async fn an_upload_is_read_no_faster_than_the_upstream_takes_it() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    let size = 64 << 20;
    client.say(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n")).await;
    let (mut upstream, _) = stage.begin().await;
    let piece = vec![b'x'; 64 << 10];
    let mut sent = 0;
    while let Ok(written) =
        tokio::time::timeout(Duration::from_millis(200), client.0.write(&piece)).await
    {
        sent += written.unwrap();
        assert!(sent < 40 << 20, "the gateway takes all of it, though nobody reads");
    }
    upstream
        .say("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        .await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 413 "), "an early answer reaches the client: {head}");
    until("counted out", || rig.in_flight() == 0).await;
}

#[tokio::test]
async fn an_upload_that_is_answered_and_hung_up_on_still_gets_its_answer() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n").await;
    let (mut upstream, _) = stage.begin().await;
    upstream.say("HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno").await;
    drop(upstream);
    let (mut reading, mut writing) = client.0.split();
    let write = async {
        let piece = vec![b'x'; 64 << 10];
        while writing.write_all(&piece).await.is_ok() {}
    };
    let read = async {
        let mut heard = Vec::new();
        while !heard.ends_with(b"no") {
            let byte = tokio::io::AsyncReadExt::read_u8(&mut reading).await;
            heard.push(byte.unwrap_or_else(|error| panic!("{error}: {heard:?}")));
        }
        String::from_utf8(heard).unwrap()
    };
    // The writing fails at some time, as it should.
    let (heard, ()) = tokio::join!(read, write);
    assert!(heard.starts_with("HTTP/1.1 401 "), "{heard}");
    assert!(heard.contains("\r\nconnection: close\r\n"), "it closes, and says so: {heard}");
}

#[tokio::test]
async fn an_answer_to_the_whole_of_an_upload_keeps_the_connection() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    for body in
        ["Content-Length: 2\r\n\r\nhi", "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"]
    {
        client.say(format!("POST / HTTP/1.1\r\nHost: h\r\n{body}")).await;
        let (mut upstream, _) = stage.begin().await;
        upstream.hear(if body.ends_with("hi") { "hi" } else { "0\r\n\r\n" }).await;
        upstream.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
        let heard = client.hear("ok").await;
        assert!(!heard.contains("connection: close"), "{heard}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_never_looks_whole() {
    for (begun, whole) in [
        ("content-length: 10\r\n\r\nhalf", "\r\n\r\nhalf"),
        ("transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", "4\r\nhalf\r\n"),
    ] {
        let (stage, at) = Stage::open().await;
        let rig = rig(&[at]).await;
        let mut client = rig.client().await;
        client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        let (mut upstream, _) = stage.begin().await;
        upstream.say(format!("HTTP/1.1 200 OK\r\n{begun}")).await;
        client.hear(whole).await;
        drop(upstream);
        assert_eq!(client.until_end().await, "", "closed, without an end of the body");
        until("counted out", || rig.in_flight() == 0).await;
        assert_eq!(rig.inner.pool.parked(), 0);
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_whole() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (mut upstream, _) = stage.begin().await;
    upstream.say("HTTP/1.0 200 OK\r\n\r\nall of it").await;
    drop(upstream);
    let answer = client.hear("0\r\n\r\n").await;
    assert!(answer.contains("all of it"), "{answer}");
}

#[tokio::test]
async fn k12_a_client_that_hangs_up_ends_its_request_at_the_upstream() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut waiting = rig.client().await;
    waiting.say("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (mut before_the_head, _) = stage.begin().await;
    drop(waiting);
    assert_eq!(before_the_head.until_end().await, "");
    let mut reading = rig.client().await;
    reading.say("GET /read HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (mut in_the_body, _) = stage.begin().await;
    in_the_body.say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    reading.hear("half").await;
    drop(reading);
    assert_eq!(in_the_body.until_end().await, "");
    until("counted out", || rig.in_flight() == 0).await;
}

#[tokio::test]
async fn a_request_that_is_cut_gets_504_without_a_promise_and_a_body_that_is_cut_breaks_off() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let (mut one, mut two) = (rig.client().await, rig.client().await);
    one.say("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").await;
    let (mut waits, _) = stage.begin().await;
    two.say("GET /b HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (mut sends, _) = stage.begin().await;
    sends.say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    two.hear("half").await;
    rig.set(Mode::Closed);
    let head = one.head().await;
    assert!(head.starts_with("HTTP/1.1 504 ") && !head.contains("retry-after"), "{head}");
    assert_eq!(two.until_end().await, "");
    assert_eq!((waits.until_end().await, sends.until_end().await), (String::new(), String::new()));
    until("counted out", || rig.in_flight() == 0).await;
    assert_eq!(rig.failures(), ["cut"]);
}

#[tokio::test]
async fn an_upload_that_asks_first_is_not_read_before_the_upstream_wants_it() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let ask = "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let mut client = rig.client().await;
    client.say(ask).await;
    let (mut upstream, head) = stage.begin().await;
    assert!(head.contains("expect: 100-continue"), "{head}");
    assert!(client.is_silent().await, "nobody has said that it is wanted");
    upstream
        .say("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        .await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n", "and 103 is dropped");
    client.say("body").await;
    upstream.hear("body").await;
    upstream.say(OK).await;
    client.hear("ok").await;

    client.say(ask).await;
    upstream.head().await;
    upstream.say("HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno").await;
    let answer = client.until_end().await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && !answer.contains("100 Continue"), "{answer}");
}

#[tokio::test]
async fn an_upstream_that_never_says_100_gets_the_upload_all_the_same() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client
        .say("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        .await;
    let (mut upstream, _) = stage.begin().await;
    assert!(client.is_silent().await);
    client.head().await;
    client.say("body").await;
    upstream.hear("body").await;
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_is_a_504() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (mut upstream, _) = stage.begin().await;
    assert!(client.is_silent().await);
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 504 ") && !head.contains("retry-after"), "{head}");
    assert_eq!((upstream.until_end().await, rig.failures()), (String::new(), vec!["late"]));
}

#[tokio::test]
async fn a_client_that_uploads_slowly_is_not_the_upstreams_fault() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbo").await;
    let (mut upstream, _) = stage.begin().await;
    upstream.hear("bo").await;
    tokio::time::sleep(super::rig::WAITS.head * 2).await;
    assert!(client.is_silent().await, "the client is slow, not the upstream");
    client.say("dy").await;
    upstream.hear("dy").await;
    upstream.say(OK).await;
    client.hear("ok").await;
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client
        .say("POST / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 9\r\n\r\n")
        .await;
    let (mut upstream, head) = stage.begin().await;
    assert!(head.contains("te: trailers") && head.contains("connection: te"), "{head}");
    assert_eq!(upstream.hear("\r\n\r\n").await, "3\r\nabc\r\n0\r\nx-sum: 9\r\n\r\n");
    upstream
        .say("HTTP/1.1 200 OK\r\ntrailer: x-end\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-end: 8\r\n\r\n")
        .await;
    let answer = client.hear("x-end: 8\r\n\r\n").await;
    assert!(answer.contains("trailer: x-end"), "{answer}");
}

#[tokio::test]
async fn k11_each_event_of_a_stream_reaches_the_client_at_once() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client.say("GET /events HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (mut upstream, _) = stage.begin().await;
    upstream
        .say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    client.head().await;
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        upstream.say(format!("{:x}\r\n{event}\r\n", event.len())).await;
        client.hear(event).await;
    }
}

#[tokio::test]
async fn k12_a_chunk_that_is_none_is_a_400_and_ends_the_request_at_the_upstream() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client
        .say("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n-1\r\nGET /smuggled HTTP/1.1\r\n\r\n")
        .await;
    let (mut upstream, _) = stage.begin().await;
    let rest = upstream.until_end().await;
    assert!(!rest.contains("smuggled") && !rest.contains("0\r\n\r\n"), "{rest}");
    let answer = client.until_end().await;
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("connection: close"),
        "{answer}"
    );
    assert_eq!((answer.matches("HTTP/1.1 ").count(), rig.failures()), (1, vec!["upload"]));
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client.say("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (mut upstream, _) = stage.begin().await;
    upstream.say("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n").await;
    assert!(client.head().await.contains("content-length: 999"));
    client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    upstream.head().await;
    upstream.say("HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n").await;
    assert!(client.head().await.contains("etag"));
    client.say("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    upstream.head().await;
    upstream.say("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 204 "));
    assert_eq!(rig.in_flight(), 0);
}

#[tokio::test]
async fn k13_an_apps_own_error_passes_untouched() {
    let (stage, at) = Stage::open().await;
    let rig = rig(&[at]).await;
    let mut client = rig.client().await;
    client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (mut upstream, _) = stage.begin().await;
    upstream
        .say("HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nmine")
        .await;
    let answer = client.hear("mine").await;
    assert!(answer.contains("retry-after: 7") && answer.contains("text/plain"), "{answer}");
    assert!(rig.failures().is_empty());
}
