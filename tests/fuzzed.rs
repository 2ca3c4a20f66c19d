//! What must hold for any request. The fuzz targets look for one for which it does not; `corpus` replays what they
//! started from, so that every build knows of it.

use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};
use ipnet::IpNet;
use roadworks::config::{AllowConfig, GatewayConfig, PathPattern, ReadOnlyConfig};
use roadworks::gateway::address::{self, Client};
use roadworks::gateway::negotiate;
use roadworks::gateway::rules::{Kind, Nature, Rules};
use roadworks::switch::Mode;

/// A check of one input.
pub(crate) type Check = fn(&[u8]);

/// Each fuzz target, by the name of its seeds.
pub(crate) const CHECKS: [(&str, Check); 4] =
    [("paths", paths), ("accept", accept), ("forwarded", forwarded), ("graphql", graphql)];

/// A request has a kind; one that passes because of its path has a path that all apps read alike; one that somebody could
/// read as a path of `writes` does not pass as a read.
pub(crate) fn paths(input: &[u8]) {
    let Some((parts, body)) = request(input) else { return };
    let rules = rules();
    let kind = rules.read_body(rules.kind(&parts), &parts, body);
    assert!(rules.passes(kind, Mode::Open), "open lets everything through");
    let path = resolved(parts.uri.path());
    match kind {
        Kind::Allow(..) => assert!(path.starts_with("/webhooks/"), "{path}"),
        Kind::Acme => assert!(path.starts_with("/.well-known/acme-challenge/"), "{path}"),
        Kind::Robots => assert_eq!(path, "/robots.txt"),
        Kind::Plain(_) | Kind::Bypass => {}
    }
    if path == "/unsubscribe" {
        assert!(!rules.passes(kind, Mode::ReadOnly), "{}", parts.uri);
    }
    if let Kind::Plain(_) = kind {
        let passes = Mode::LADDER.map(|mode| rules.passes(kind, mode));
        assert!(passes.is_sorted_by(|looser, stricter| looser >= stricter), "{kind:?}");
    }
}

/// Any headers give a form and a language, and always the same.
pub(crate) fn accept(input: &[u8]) {
    let Some((parts, _)) = request(input) else { return };
    assert_eq!(negotiate::form(&parts), negotiate::form(&parts));
    assert_eq!(negotiate::language(&parts.headers), negotiate::language(&parts.headers));
}

/// Nobody but a trusted proxy changes who the client is.
pub(crate) fn forwarded(input: &[u8]) {
    let Some((parts, _)) = request(input) else { return };
    let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("this is a network")];
    let direct = |ip: [u8; 4]| Client { ip: ip.into(), https: false };
    let stranger = direct([192, 0, 2, 9]);
    assert_eq!(address::client(stranger, &parts.headers, &trusted), stranger);
    let client = address::client(direct([10, 0, 0, 1]), &parts.headers, &trusted);
    assert_eq!(client.ip, client.ip.to_canonical());
}

/// What is taken for a read has no definition of anything but queries and fragments, unless it names its operation.
pub(crate) fn graphql(input: &[u8]) {
    let request = Request::post("/graphql").header("content-type", "application/json");
    let (parts, ()) = request.body(()).expect("this is a request").into_parts();
    let rules = rules();
    let kind = rules.read_body(rules.kind(&parts), &parts, input);
    if kind != Kind::Plain(Nature::Read) {
        return;
    }
    let value: serde_json::Value = serde_json::from_slice(input).expect("a read is JSON");
    let requests = value.as_array().cloned().unwrap_or_else(|| vec![value]);
    assert!(!requests.is_empty());
    for request in requests {
        let document = request.get("query").and_then(|query| query.as_str());
        let document = document.expect("a read has a query");
        if request.get("operationName").is_none_or(serde_json::Value::is_null) {
            let words = definitions(document);
            let fine = |word: &String| matches!(word.as_str(), "query" | "fragment" | "{");
            assert!(words.iter().all(fine), "{words:?}");
        }
    }
}

fn rules() -> Rules {
    let exact = |path: &str| vec![PathPattern::Exact(path.to_owned())];
    Rules::new(&GatewayConfig {
        read_only: ReadOnlyConfig {
            reads: exact("/search"),
            writes: exact("/unsubscribe"),
            graphql: exact("/graphql"),
        },
        allow: vec![AllowConfig {
            name: "webhooks".to_owned(),
            paths: vec![PathPattern::Prefix("/webhooks/".to_owned())],
            modes: vec![Mode::ReadOnly],
        }],
        ..GatewayConfig::default()
    })
}

/// `METHOD target`, lines of `name: value`, an empty line, a body.
fn request(input: &[u8]) -> Option<(Parts, &[u8])> {
    let end = input.windows(2).position(|two| two == b"\n\n").unwrap_or(input.len());
    let (head, body) = input.split_at(end);
    let mut lines = head.split(|byte| *byte == b'\n');
    let line = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = line.split_once(' ')?;
    let mut parts = Request::builder().method(method).uri(target).body(()).ok()?.into_parts().0;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_bytes(value.strip_prefix(b":")?.trim_ascii()).ok()?;
        parts.headers.append(name, value);
    }
    Some((parts, body.strip_prefix(b"\n\n").unwrap_or_default()))
}

/// A path as most servers read it: decoded once, dot segments resolved, empty ones left out.
fn resolved(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte =
            digits.filter(|_| *first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    let mut segments = Vec::new();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    for segment in text.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let last = if text.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{last}", segments.join("/"))
}

/// The first word of each definition, by counting brackets outside of strings and comments.
fn definitions(document: &str) -> Vec<String> {
    let (mut words, mut depth, mut fresh) = (Vec::new(), 0_u32, true);
    let mut rest = document;
    while let Some(letter) = rest.chars().next() {
        let mut length = letter.len_utf8();
        match letter {
            '#' => length = rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '"' if rest.starts_with("\"\"\"") => {
                let inside = &rest[3..].replace("\\\"\"\"", "    ");
                length = inside.find("\"\"\"").map_or(rest.len(), |end| end + 6);
            }
            '"' => {
                let mut escaped = false;
                let end = rest.bytes().skip(1).position(|byte| {
                    let ends = byte == b'"' && !escaped;
                    escaped = byte == b'\\' && !escaped;
                    ends
                });
                length = end.map_or(rest.len(), |end| end + 2);
            }
            '{' | '(' | '[' => {
                if depth == 0 && fresh && letter == '{' {
                    words.push("{".to_owned());
                    fresh = false;
                }
                depth += 1;
            }
            '}' | ')' | ']' => {
                depth = depth.saturating_sub(1);
                fresh |= depth == 0 && letter == '}';
            }
            letter if letter.is_ascii_alphabetic() || letter == '_' => {
                let other = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
                length = rest.find(other).unwrap_or(rest.len());
                if depth == 0 && fresh {
                    words.push(rest[..length].to_owned());
                    fresh = false;
                }
            }
            _ => {}
        }
        rest = &rest[length..];
    }
    words
}
