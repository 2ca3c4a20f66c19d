//! The corpus: a name, the bytes, and what becomes of them. "Forwarding" in docs/http.md, and RFC 9112.

/// One case.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    /// The statuses at an open site, in order.
    pub(super) statuses: Vec<u16>,
    /// The first status at a closed site.
    pub(super) closed: u16,
    /// `METHOD TARGET BODY` of what reaches the upstream of an open site.
    pub(super) reaches: Vec<String>,
    /// Whether what follows on the connection is answered too.
    pub(super) goes_on: bool,
    /// Whether the upstream may see the beginning of a request that is then aborted.
    pub(super) breaks_off: bool,
}

/// The gateway answers with this, and closes: nothing reaches the upstream.
fn refused(name: &'static str, status: u16, bytes: impl AsRef<[u8]>) -> Case {
    Case {
        name,
        bytes: bytes.as_ref().to_vec(),
        statuses: vec![status],
        closed: status,
        reaches: Vec::new(),
        goes_on: false,
        breaks_off: false,
    }
}

/// The gateway answers with this, and what follows is another request.
fn ours(name: &'static str, status: u16, bytes: impl AsRef<[u8]>) -> Case {
    Case { goes_on: true, ..refused(name, status, bytes) }
}

/// A body that turns out to be broken: 400, and at most an aborted beginning at the upstream. A closed site refuses it before.
fn breaks(name: &'static str, chunks: impl AsRef<[u8]>) -> Case {
    let head = b"POST /a HTTP/1.1\r\nHost: shop.example.com\r\nTransfer-Encoding: chunked\r\n\r\n";
    let bytes = [&head[..], chunks.as_ref()].concat();
    Case { breaks_off: true, closed: 503, ..refused(name, 400, bytes) }
}

/// These reach the upstream, and what follows too.
fn passes(name: &'static str, reaches: &[&str], bytes: impl AsRef<[u8]>) -> Case {
    Case {
        statuses: vec![200; reaches.len()],
        reaches: reaches.iter().map(|line| (*line).to_owned()).collect(),
        ..ours(name, 503, bytes)
    }
}

/// These reach the upstream, and then the connection is closed.
fn last(name: &'static str, reaches: &[&str], bytes: impl AsRef<[u8]>) -> Case {
    Case { goes_on: false, ..passes(name, reaches, bytes) }
}

/// A GET with these lines after its Host.
fn get(lines: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: shop.example.com\r\n{lines}\r\n")
}

/// A POST of `hi`, or what else stands in for its body, with these lines.
fn post(lines: &str, body: &str) -> String {
    format!("POST /a HTTP/1.1\r\nHost: shop.example.com\r\n{lines}\r\n{body}")
}

/// This first line, and a Host.
fn first(line: &str) -> String {
    format!("{line}\r\nHost: shop.example.com\r\n\r\n")
}

/// This Host.
fn host(lines: &str) -> String {
    format!("GET /a HTTP/1.1\r\n{lines}\r\n")
}

pub(super) fn all() -> Vec<Case> {
    [lengths(), codings(), heads(), lines(), targets(), hosts(), chunks(), pipelines()]
        .into_iter()
        .flatten()
        .collect()
}

const HI: &str = "2\r\nhi\r\n0\r\n\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

fn lengths() -> Vec<Case> {
    let of = |value: &str| post(&format!("Content-Length:{value}\r\n"), "hi");
    vec![
        last(
            "coding, then length",
            &["POST /a hi"],
            post(&format!("{CHUNKED}Content-Length: 4\r\n"), HI),
        ),
        last(
            "length, then coding",
            &["POST /a hi"],
            post(&format!("Content-Length: 4\r\n{CHUNKED}"), HI),
        ),
        last(
            "a length that ends before the chunks",
            &["POST /a hi"],
            post(&format!("Content-Length: 0\r\n{CHUNKED}"), HI),
        ),
        refused(
            "a length that is none beside a coding",
            400,
            post(&format!("Content-Length: x\r\n{CHUNKED}"), HI),
        ),
        passes(
            "the same length twice",
            &["POST /a hi"],
            post("Content-Length: 2\r\nContent-Length: 2\r\n", "hi"),
        ),
        refused("two lengths", 400, post("Content-Length: 2\r\nContent-Length: 3\r\n", "hi")),
        refused("a list of lengths", 400, of(" 2, 2")),
        refused("a length with a sign", 400, of(" +2")),
        refused("a negative length", 400, of(" -2")),
        refused("a length in hex", 400, of(" 0x2")),
        refused("a huge length", 400, of(" 99999999999999999999999")),
        refused("the longest length of 64 bits", 431, of(" 18446744073709551615")),
        refused("two numbers", 400, of(" 2 2")),
        refused("an empty length", 400, of("")),
        refused("a length with a fraction", 400, of(" 2.0")),
        passes("a length with spaces and tabs around", &["POST /a hi"], of("  \t 2 \t")),
        passes("a length with zeros before", &["POST /a hi"], of(" 002")),
    ]
}

fn codings() -> Vec<Case> {
    let of = |line: &str| post(&format!("{line}\r\n"), HI);
    vec![
        passes("a coding in capital letters", &["POST /a hi"], of("TRANSFER-ENCODING: CHUNKED")),
        refused("chunked twice", 400, of("Transfer-Encoding: chunked, chunked")),
        refused(
            "chunked twice, in two lines",
            400,
            of("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ),
        refused("a coding that looks like chunked", 400, of("Transfer-Encoding: xchunked")),
        refused("a coding after chunked", 400, of("Transfer-Encoding: chunked, identity")),
        refused("identity", 400, of("Transfer-Encoding: identity")),
        refused("an empty coding", 400, of("Transfer-Encoding:")),
        refused("a coding in quotes", 400, of("Transfer-Encoding: \"chunked\"")),
        refused("chunked with a parameter", 400, of("Transfer-Encoding: chunked;q=1")),
        refused(
            "a coding that we do not know before chunked",
            501,
            of("Transfer-Encoding: gzip, chunked"),
        ),
        refused(
            "the same in two lines",
            501,
            of("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"),
        ),
        refused("a space before the colon of a coding", 400, of("Transfer-Encoding : chunked")),
        refused("a tab before the colon of a coding", 400, of("Transfer-Encoding\t: chunked")),
        refused(
            "a vertical tab before the colon of a coding",
            400,
            of("Transfer-Encoding\x0b: chunked"),
        ),
        refused("a vertical tab before chunked", 400, of("Transfer-Encoding: \x0bchunked")),
        refused("a folded coding", 400, of("Transfer-Encoding:\r\n chunked")),
        refused(
            "a coding in HTTP/1.0",
            400,
            of("Transfer-Encoding: chunked").replace("HTTP/1.1", "HTTP/1.0"),
        ),
        refused(
            "a coding whose name begins the line before",
            400,
            of("X: y\rTransfer-Encoding: chunked"),
        ),
    ]
}

fn heads() -> Vec<Case> {
    vec![
        passes("bare LF ends a line", &["GET /a "], get("A: b\r\n").replace("\r\n", "\n")),
        passes("bare LF ends the head alone", &["GET /a "], get("A: b\n")),
        refused("bare CR ends a line", 400, get("A: b\rB: c\r\n")),
        refused("bare CR ends all lines", 400, get("A: b\r\n").replace("\r\n", "\r")),
        refused("CR in a value", 400, get("A: b\rc\r\n")),
        refused("NUL in a value", 400, get("A: b\0c\r\n")),
        refused("NUL in a name", 400, get("A\0: b\r\n")),
        refused("a folded line", 400, get("A: b\r\n c\r\n")),
        refused("a line folded with a tab", 400, get("A: b\r\n\tc\r\n")),
        refused("a space before the first name", 400, get(" A: b\r\n")),
        refused("a space before the colon", 400, get("A : b\r\n")),
        refused("an empty name", 400, get(": b\r\n")),
        refused("no colon", 400, get("A\r\n")),
        refused("a name with a letter that is none", 400, get("A(b): c\r\n")),
        refused("a second request line among the headers", 400, get("GET /x HTTP/1.1\r\n")),
        refused("too many headers", 431, get(&"A: b\r\n".repeat(150))),
        refused("too large a head", 431, get(&format!("A: {}\r\n", "b".repeat(40_000)))),
    ]
}

fn lines() -> Vec<Case> {
    vec![
        refused("a method with a letter that is none", 400, first("G@T /a HTTP/1.1")),
        refused("a space in a method", 400, first("G ET /a HTTP/1.1")),
        refused("no method", 400, first(" /a HTTP/1.1")),
        passes("a method in small letters is another one", &["get /a "], first("get /a HTTP/1.1")),
        refused("a very long method", 431, first(&format!("{} /a HTTP/1.1", "M".repeat(40_000)))),
        refused("HTTP/0.9", 400, "GET /a\r\n"),
        refused("HTTP/2.0 in words", 400, first("GET /a HTTP/2.0")),
        refused("HTTP/1.2", 400, first("GET /a HTTP/1.2")),
        refused("HTTP/1.10", 400, first("GET /a HTTP/1.10")),
        refused("http in small letters", 400, first("GET /a http/1.1")),
        refused("no version", 400, first("GET /a ")),
        refused("a tab in the first line", 400, first("GET\t/a\tHTTP/1.1")),
        last("HTTP/1.0 with a Host", &["GET /a "], first("GET /a HTTP/1.0")),
        refused("TRACE", 405, first("TRACE /a HTTP/1.1")),
        refused("CONNECT", 405, first("CONNECT shop.example.com:443 HTTP/1.1")),
    ]
}

fn targets() -> Vec<Case> {
    vec![
        passes(
            "absolute form",
            &["GET /a?b=c "],
            first("GET http://shop.example.com/a?b=c HTTP/1.1"),
        ),
        passes(
            "absolute form beside another Host",
            &["GET /a "],
            host("Host: other.example.com\r\n").replace("/a", "http://shop.example.com/a"),
        ),
        passes(
            "absolute form without a path",
            &["GET / "],
            first("GET http://shop.example.com HTTP/1.1"),
        ),
        ours(
            "absolute form of another host",
            421,
            first("GET http://other.example.com/a HTTP/1.1"),
        ),
        refused(
            "absolute form with a user",
            400,
            first("GET http://u:p@shop.example.com/a HTTP/1.1"),
        ),
        refused("absolute form without a host", 400, first("GET http:///a HTTP/1.1")),
        refused("authority form", 400, first("GET shop.example.com:80 HTTP/1.1")),
        refused("a target without a slash", 400, first("GET shop.example.com HTTP/1.1")),
        Case {
            closed: 204,
            ..passes("asterisk form", &["OPTIONS * "], first("OPTIONS * HTTP/1.1"))
        },
        refused("asterisk form of another method", 400, first("GET * HTTP/1.1")),
        refused("a space in the target", 400, first("GET /a b HTTP/1.1")),
        refused("a tab in the target", 400, first("GET /a\tb HTTP/1.1")),
        refused("NUL in the target", 400, first("GET /a\0b HTTP/1.1")),
        refused("DEL in the target", 400, first("GET /a\x7fb HTTP/1.1")),
        passes("a fragment is not sent on", &["GET /a "], first("GET /a#b HTTP/1.1")),
        refused(
            "high bytes in the target that are no text",
            400,
            [b"GET /\xff\xfe", &first(" HTTP/1.1").into_bytes()[..]].concat(),
        ),
        passes(
            "a target byte for byte",
            &["GET /%2e%2e/%00?a=%0d%0a&b;c "],
            first("GET /%2e%2e/%00?a=%0d%0a&b;c HTTP/1.1"),
        ),
        passes(
            "two slashes",
            &["GET //other.example.com/a "],
            first("GET //other.example.com/a HTTP/1.1"),
        ),
        refused("a very long target", 431, first(&format!("GET /{} HTTP/1.1", "a".repeat(40_000)))),
    ]
}

fn hosts() -> Vec<Case> {
    let (hi, large) =
        ("GET /smuggled HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", "a".repeat(1_000_000));
    vec![
        refused("no Host", 400, host("")),
        refused("no Host in HTTP/1.0", 400, host("").replace("HTTP/1.1", "HTTP/1.0")),
        refused("an empty Host", 400, host("Host:\r\n")),
        refused("two Hosts", 400, host("Host: shop.example.com\r\nHost: other.example.com\r\n")),
        refused(
            "the same Host twice",
            400,
            host("Host: shop.example.com\r\nHost: shop.example.com\r\n"),
        ),
        refused(
            "two Hosts beside absolute form",
            400,
            host("Host: shop.example.com\r\nHost: other.example.com\r\n")
                .replace("/a", "http://shop.example.com/a"),
        ),
        refused("a Host with a user", 400, host("Host: u@shop.example.com\r\n")),
        refused("a Host with a path", 400, host("Host: shop.example.com/a\r\n")),
        refused("a Host with a space", 400, host("Host: shop.example.com other.example.com\r\n")),
        refused("a list of Hosts", 400, host("Host: shop.example.com, other.example.com\r\n")),
        refused("a space before the colon of a Host", 400, host("Host : shop.example.com\r\n")),
        refused("a folded Host", 400, host("Host:\r\n shop.example.com\r\n")),
        ours("another Host", 421, host("Host: other.example.com\r\n")),
        ours(
            "another Host and a body",
            421,
            host(&format!("Host: other.example.com\r\nContent-Length: {}\r\n", hi.len())) + hi,
        ),
        refused("no Host and a large body", 400, host("Content-Length: 1000000\r\n") + &large),
        refused(
            "another Host and a large body",
            421,
            host("Host: other.example.com\r\nContent-Length: 1000000\r\n") + &large,
        ),
        refused(
            "TRACE with a large body",
            405,
            post("Content-Length: 1000000\r\n", &large).replace("POST", "TRACE"),
        ),
        passes("a Host with a port", &["GET /a "], host("Host: shop.example.com:8080\r\n")),
    ]
}

fn chunks() -> Vec<Case> {
    let of = |lines: &str, chunks: &str| post(&format!("{CHUNKED}{lines}"), chunks);
    vec![
        passes("a chunk with an extension", &["POST /a hi"], of("", "2;a=b\r\nhi\r\n0;c\r\n\r\n")),
        passes(
            "a chunk with spaces after its size",
            &["POST /a hi"],
            of("", "2 \r\nhi\r\n0\r\n\r\n"),
        ),
        passes(
            "trailers that would be headers",
            &["POST /a hi"],
            of(
                "Trailer: host, content-length, transfer-encoding\r\nConnection: te\r\nTE: trailers\r\n",
                "2\r\nhi\r\n0\r\nHost: other.example.com\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
            ),
        ),
        passes(
            "a trailer",
            &["POST /a hi"],
            of("Trailer: x-checksum\r\n", "2\r\nhi\r\n0\r\nX-Checksum: 1\r\n\r\n"),
        ),
        breaks("a chunk size that overflows", "FFFFFFFFFFFFFFFFF\r\nhi\r\n0\r\n\r\n"),
        breaks("a negative chunk size", "-2\r\nhi\r\n0\r\n\r\n"),
        breaks("a chunk size with a sign", "+2\r\nhi\r\n0\r\n\r\n"),
        breaks("a chunk size with 0x", "0x2\r\nhi\r\n0\r\n\r\n"),
        breaks("an empty chunk size", "\r\nhi\r\n0\r\n\r\n"),
        breaks("a space before a chunk size", " 2\r\nhi\r\n0\r\n\r\n"),
        breaks("a chunk size that ends with LF", "2\nhi\r\n0\r\n\r\n"),
        breaks("LF in an extension", "2;a\nb\r\nhi\r\n0\r\n\r\n"),
        breaks("a chunk that is longer than it says", "2\r\nhiho\r\n0\r\n\r\n"),
        breaks("a chunk that ends with LF", "2\r\nhi\n0\r\n\r\n"),
        breaks("no last chunk", "2\r\nhi\r\n"),
        breaks("a last chunk that ends with CR", "2\r\nhi\r\n0\r\r\n\r\n"),
        breaks("a broken trailer", "2\r\nhi\r\n0\r\nA b\r\n\r\n"),
    ]
}

fn pipelines() -> Vec<Case> {
    let inner = "GET /smuggled HTTP/1.1\r\nHost: shop.example.com\r\n\r\n";
    let length = format!("Content-Length: {}\r\n", inner.len());
    let body = format!("GET /a {}", inner.as_bytes().escape_ascii());
    let whole = get(&length) + inner;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    vec![
        passes("two requests", &["GET /a ", "GET /a "], get("").repeat(2)),
        passes("a GET whose body looks like a request", &[&body], whole),
        last(
            "a request after one that closes",
            &["GET /a "],
            get("Connection: close\r\n") + &get(""),
        ),
        passes("an upgrade to h2c is not one", &["GET /a "], get(upgrade)),
        passes(
            "a preface in a body",
            &["POST /a PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n"],
            post("Content-Length: 24\r\n", preface),
        ),
        last("a preface after a request", &["GET /a "], get("") + preface),
        Case {
            statuses: vec![200, 400],
            goes_on: false,
            ..passes("a broken request after a good one", &["GET /a "], get("") + &get("A : b\r\n"))
        },
        refused("a good request after a broken one", 400, get("A : b\r\n") + &get("")),
        passes(
            "headers of one connection that name what makes the request",
            &["POST /a hi"],
            post(
                "Connection: content-length, host, x-forwarded-for, via\r\nContent-Length: 2\r\n",
                "hi",
            ),
        ),
        passes(
            "an address that a stranger claims",
            &["GET /a "],
            get(
                "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\nForwarded: for=10.0.0.3\r\nX-Forwarded-Host: other.example.com\r\n",
            ),
        ),
        passes("empty lines before a request", &["GET /a "], format!("\r\n\r\n{}", get(""))),
    ]
}
