//! The corpus of HTTP/2: a malformed request is reset (RFC 9113 §8.1.1), and what becomes of the others in HTTP/1.1 is what
//! we write, with one Host and one framing.

use super::frames::{Became, DATA, END_STREAM, GOAWAY, data, exchange, headers, kinds};
use super::{Mode, Rig, is_ours, lines};

type Field = (&'static str, &'static str);

/// What becomes of a case at an open site.
enum Wanted {
    /// Forwarded, as `METHOD TARGET BODY`.
    Reaches(&'static str),
    /// Answered by the gateway.
    Status(u16),
    /// Reset: the app sees nothing that is whole.
    Reset,
}

use Wanted::{Reaches, Reset, Status};

const METHOD: Field = (":method", "GET");
const SCHEME: Field = (":scheme", "http");
const PATH: Field = (":path", "/a");
const AUTHORITY: Field = (":authority", "shop.example.com");

/// A GET, and these.
fn get(more: &[Field]) -> Vec<Field> {
    [&[METHOD, SCHEME, PATH, AUTHORITY], more].concat()
}

/// A GET in which `field` stands for the one of its name.
fn with(field: Field) -> Vec<Field> {
    get(&[]).into_iter().map(|own| if own.0 == field.0 { field } else { own }).collect()
}

/// A GET without the field of this name.
fn without(name: &str, more: &[Field]) -> Vec<Field> {
    let mut fields: Vec<Field> = get(&[]).into_iter().filter(|own| own.0 != name).collect();
    fields.extend(more);
    fields
}

/// Whole requests without a body.
fn heads() -> Vec<(&'static str, Wanted, Vec<Field>)> {
    let smuggled = "x\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: shop.example.com\r\n\r\n";
    vec![
        ("a good one", Reaches("GET /a "), get(&[])),
        ("Transfer-Encoding", Reset, get(&[("transfer-encoding", "chunked")])),
        ("Connection", Reset, get(&[("connection", "keep-alive")])),
        ("Connection that names a header", Reset, get(&[("connection", "x-a"), ("x-a", "b")])),
        ("Keep-Alive", Reset, get(&[("keep-alive", "timeout=9")])),
        ("Proxy-Connection", Reset, get(&[("proxy-connection", "keep-alive")])),
        ("Upgrade", Reset, get(&[("upgrade", "websocket")])),
        ("TE but trailers", Reset, get(&[("te", "gzip")])),
        ("TE: trailers", Reaches("GET /a "), get(&[("te", "trailers")])),
        ("CR LF in a value", Reset, get(&[("x-a", smuggled)])),
        ("LF in a value", Reset, get(&[("x-a", "b\nc: d")])),
        ("NUL in a value", Reset, get(&[("x-a", "b\0c")])),
        ("CR LF in a name", Reset, get(&[("x-a: b\r\nx-c", "d")])),
        ("a colon in a name", Reset, get(&[("x-a:", "b")])),
        ("a space in a name", Reset, get(&[("x a", "b")])),
        ("a capital letter in a name", Reset, get(&[("X-A", "b")])),
        ("an empty name", Reset, get(&[("", "b")])),
        (
            "CR LF in the path",
            Reset,
            with((":path", "/a HTTP/1.1\r\nHost: other.example.com\r\n\r\n")),
        ),
        ("a space in the path", Reset, with((":path", "/a b"))),
        ("CR LF in the method", Reset, with((":method", "GET /x HTTP/1.1\r\nA:"))),
        ("a space in the method", Reset, with((":method", "GET /x"))),
        ("CR LF in the authority", Reset, with((":authority", "shop.example.com\r\nX-A: b"))),
        ("a scheme that is an address", Reset, with((":scheme", "http://other.example.com/?"))),
    ]
}

/// Those in which a pseudo-header or a Host is strange.
fn strange() -> Vec<(&'static str, Wanted, Vec<Field>)> {
    vec![
        ("two paths", Reset, get(&[(":path", "/b")])),
        ("two methods", Reset, get(&[(":method", "POST")])),
        ("two authorities", Reset, get(&[(":authority", "other.example.com")])),
        ("no path", Reset, without(":path", &[])),
        ("an empty path", Reset, with((":path", ""))),
        ("no method", Reset, without(":method", &[])),
        ("no scheme", Reset, without(":scheme", &[])),
        ("a pseudo-header after a header", Reset, without(":path", &[("x-a", "b"), PATH])),
        ("a pseudo-header that is none", Reset, get(&[(":x", "y")])),
        ("a status", Reset, get(&[(":status", "200")])),
        ("a protocol that nobody offered", Reset, get(&[(":protocol", "websocket")])),
        ("a Host besides the authority", Reaches("GET /a "), get(&[("host", "other.example.com")])),
        (
            "a Host instead of the authority",
            Reaches("GET /a "),
            without(":authority", &[("host", "shop.example.com")]),
        ),
        (
            "two Hosts",
            Status(400),
            without(":authority", &[("host", "shop.example.com"), ("host", "other.example.com")]),
        ),
        ("neither", Status(400), without(":authority", &[])),
        ("another authority", Status(421), with((":authority", "other.example.com"))),
        ("an authority with a user", Status(400), with((":authority", "u@shop.example.com"))),
        ("an asterisk for a GET", Status(400), with((":path", "*"))),
        ("TRACE", Status(405), with((":method", "TRACE"))),
        (
            "CONNECT",
            Status(405),
            vec![(":method", "CONNECT"), (":authority", "shop.example.com:443")],
        ),
        ("a length without a body", Reset, get(&[("content-length", "5")])),
        ("a length that is none", Reset, get(&[("content-length", "+5")])),
    ]
}

/// A POST with a length, and its pieces of data or trailers.
fn bodies() -> Vec<(&'static str, Wanted, Vec<u8>)> {
    let post = |length: &'static str, more: &[Vec<u8>]| {
        let mut fields = with((":method", "POST"));
        fields.push(("content-length", length));
        [headers(1, 0, &fields), more.concat()].concat()
    };
    let coded = "5\r\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n";
    vec![
        (
            "a length that fits",
            Reaches("POST /a hello"),
            post("5", &[data(1, 0, "he"), data(1, END_STREAM, "llo")]),
        ),
        ("more data than the length", Reset, post("2", &[data(1, END_STREAM, "hello")])),
        ("less data than the length", Reset, post("9", &[data(1, END_STREAM, "hello")])),
        ("less data, later", Reset, post("9", &[data(1, 0, "hello"), data(1, END_STREAM, "")])),
        (
            "data that looks like chunks",
            Reaches("POST /a 5\\r\\nhello\\r\\n0\\r\\n\\r\\nGET /smuggled HTTP/1.1\\r\\n\\r\\n"),
            [headers(1, 0, &with((":method", "POST"))), data(1, END_STREAM, coded)].concat(),
        ),
        (
            "trailers that would be headers",
            Reaches("POST /a hello"),
            post(
                "5",
                &[
                    data(1, 0, "hello"),
                    headers(
                        1,
                        END_STREAM,
                        &[("content-length", "9"), ("host", "other.example.com")],
                    ),
                ],
            ),
        ),
        // Taken out by the library, where a reset would be right; nothing of it reaches the app.
        (
            "a pseudo-header in trailers",
            Reaches("POST /a hello"),
            post("5", &[data(1, 0, "hello"), headers(1, END_STREAM, &[(":path", "/b")])]),
        ),
        (
            "CR LF in a trailer",
            Reset,
            post("5", &[data(1, 0, "hello"), headers(1, END_STREAM, &[("x-a", "b\r\nc: d")])]),
        ),
    ]
}

fn plays(rig: &Rig, wanted: &Wanted, frames: &[u8], mode: Mode) -> Result<(), String> {
    let closed = mode == Mode::Closed;
    let became = exchange(rig.serving.address(), frames, 1)?;
    let records = rig.settled();
    let (status, reaches) = match wanted {
        Reaches(line) if !closed => (Became::Status(200), vec![*line]),
        Reaches(_) => (Became::Status(503), Vec::new()),
        Status(status) => (Became::Status(*status), Vec::new()),
        Reset => (Became::Reset, Vec::new()),
    };
    // A body whose length is wrong is found out when it ends: a closed site has refused it by then.
    let before_the_end = closed && matches!(wanted, Reset) && became == Became::Status(503);
    let seen = lines(&records);
    if (became != status && !before_the_end) || seen != reaches {
        return Err(format!("{became:?} and {seen:?} instead of {status:?} and {reaches:?}"));
    }
    records.iter().try_for_each(is_ours)
}

#[track_caller]
fn all_play(mode: Mode) {
    let rig = Rig::start("");
    rig.set(mode.verb());
    let whole = heads()
        .into_iter()
        .chain(strange())
        .map(|(name, wanted, fields)| (name, wanted, headers(1, END_STREAM, &fields)));
    let mut wrong = Vec::new();
    for (name, wanted, frames) in whole.chain(bodies()) {
        if let Err(why) = plays(&rig, &wanted, &frames, mode) {
            wrong.push(format!("{name}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    // Those whose body turns out to be wrong.
    let may_break = if mode == Mode::Open { bodies().len() } else { 0 };
    assert!(rig.broken.borrow().len() <= may_break, "{:?}", rig.broken);
}

#[test]
fn whatever_is_sent_by_http2_to_an_open_site_its_app_sees_only_what_was_counted() {
    all_play(Mode::Open);
}

#[test]
fn whatever_is_sent_by_http2_to_a_closed_site_its_app_sees_nothing() {
    all_play(Mode::Closed);
}

#[test]
fn a_closed_site_parts_with_a_connection_once_its_answer_is_there() {
    let rig = Rig::start("");
    rig.set("close");
    let kinds = kinds(rig.serving.address(), &headers(1, END_STREAM, &get(&[])));
    let place = |wanted: u8| kinds.iter().position(|kind| *kind == wanted);
    let (answer, parted) = (place(DATA).expect("a page"), place(GOAWAY).expect("GOAWAY"));
    assert!(answer < parted, "{kinds:?}");
}
