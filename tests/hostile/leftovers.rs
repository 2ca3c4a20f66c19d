//! What stands behind a request that was refused: read only where it certainly begins there.

use super::{AFTER, Rig, statuses};

const INNER: &str = "GET /smuggled HTTP/1.1\r\nHost: shop.example.com\r\n\r\n";

/// Statuses, and what reached the app.
#[track_caller]
fn after(rig: &Rig, refused: &str) -> (Vec<u16>, Vec<String>) {
    let answers = rig.says(&[refused.as_bytes(), AFTER].concat()).unwrap();
    let records = rig.settled();
    assert!(rig.broken.borrow().is_empty(), "{:?}", rig.broken);
    (statuses(&answers).unwrap(), records.into_iter().map(|record| record.line).collect())
}

fn post(lines: &str, body: &str) -> String {
    format!("POST /a HTTP/1.1\r\nHost: shop.example.com\r\n{lines}\r\n{body}")
}

#[test]
fn a_refused_body_is_never_taken_for_the_next_request() {
    let rig = Rig::start("");
    rig.set("read-only");
    let goes_on = (vec![503, 200], vec!["GET /after".to_owned()]);
    let closes = (vec![503], Vec::new());
    let length = |length: usize| format!("Content-Length: {length}\r\n");
    let chunked = |body: &str| format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let coding = "Transfer-Encoding: chunked\r\n";
    let small = post(&length(INNER.len()), INNER);
    assert_eq!(after(&rig, &small), goes_on, "a small body is read and thrown away");
    assert_eq!(after(&rig, &post(coding, &chunked(INNER))), goes_on, "in chunks too");
    assert_eq!(after(&rig, &small.repeat(2)).0, [503, 503, 200]);
    let large = INNER.repeat(1 + (64 << 10) / INNER.len());
    assert_eq!(after(&rig, &post(&length(large.len()), &large)), closes, "a large one is not read");
    assert_eq!(after(&rig, &post(coding, &chunked(&large))), closes, "nor in chunks");
    let asks = format!("Expect: 100-continue\r\n{}", length(INNER.len()));
    assert_eq!(after(&rig, &post(&asks, INNER)), closes, "nor one that was not asked for");
    let both = format!("{}{coding}", length(3));
    assert_eq!(after(&rig, &post(&both, &chunked(INNER))), closes, "nor what follows two framings");
    let broken = after(&rig, &post(coding, &format!("x\r\n{INNER}")));
    assert_eq!(broken, closes, "nor what follows a broken chunk");
}
