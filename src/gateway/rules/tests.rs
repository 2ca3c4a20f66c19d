//! The table, row by row.

use http::Request;
use proptest::prelude::*;

use super::*;
use crate::config::{AllowConfig, ReadOnlyConfig};
use Mode::{Closed, Detour, Open, ReadOnly};

fn rules() -> Rules {
    let exact = |path: &str| PathPattern::Exact(path.to_owned());
    let prefix = |path: &str| PathPattern::Prefix(path.to_owned());
    Rules::new(&GatewayConfig {
        read_only: ReadOnlyConfig {
            reads: vec![exact("/search"), exact("/live")],
            writes: vec![exact("/unsubscribe")],
            graphql: vec![exact("/graphql")],
        },
        allow: vec![
            AllowConfig {
                name: "webhooks".into(),
                paths: vec![prefix("/webhooks/")],
                modes: vec![ReadOnly],
            },
            AllowConfig { name: "status".into(), paths: vec![exact("/up")], modes: vec![Closed] },
        ],
        ..GatewayConfig::default()
    })
}

fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let request = Request::builder().method(method).uri(uri);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap().into_parts().0
}

/// The modes in which it passes, without a look at its body.
fn passes(method: &str, uri: &str, headers: &[(&str, &str)]) -> Vec<Mode> {
    let rules = rules();
    let kind = rules.kind(&parts(method, uri, headers));
    Mode::LADDER.into_iter().filter(|mode| rules.passes(kind, *mode)).collect()
}

#[test]
fn safe_methods_pass_in_read_only_and_all_others_only_in_open() {
    for method in ["GET", "HEAD", "OPTIONS", "QUERY"] {
        assert_eq!(passes(method, "/cart?x=1", &[]), [Open, ReadOnly], "{method}");
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get", "TRACE", "CUSTOM"] {
        assert_eq!(passes(method, "/cart", &[]), [Open], "{method}");
    }
}

#[test]
fn a_post_on_a_path_of_reads_is_a_read_and_a_put_is_not() {
    assert_eq!(passes("POST", "/search?q=a", &[]), [Open, ReadOnly]);
    assert_eq!(passes("PUT", "/search", &[]), [Open]);
    assert_eq!(passes("POST", "/x/../search", &[]), [Open]);
}

#[test]
fn a_get_on_a_path_of_writes_is_a_write_however_it_is_spelt() {
    for path in ["/unsubscribe", "/Unsubscribe/", "//unsubscribe", "/a/%2e%2e/unsubscribe"] {
        assert_eq!(passes("GET", path, &[]), [Open], "{path}");
    }
}

#[test]
fn a_websocket_is_a_write_unless_its_path_is_in_reads() {
    let upgrade = [("connection", "Upgrade"), ("upgrade", "websocket")];
    assert_eq!(passes("GET", "/chat", &upgrade), [Open]);
    assert_eq!(passes("GET", "/live", &upgrade), [Open, ReadOnly]);
    assert_eq!(passes("GET", "/", &[("upgrade", "h2c")]), [Open, ReadOnly], "an offer to this hop");
    assert_eq!(passes("GET", "/", &[("upgrade", "h2c, WebSocket")]), [Open]);
}

#[test]
fn a_method_that_pretends_to_be_safe_is_a_write() {
    for header in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        assert_eq!(passes("GET", "/cart", &[(header, "DELETE")]), [Open], "{header}");
        assert_eq!(passes("POST", "/search", &[(header, "PUT")]), [Open], "{header}");
        assert_eq!(passes("GET", "/cart", &[(header, "get")]), [Open, ReadOnly], "{header}");
    }
}

#[test]
fn l10_paths_of_an_allow_block_pass_in_the_modes_it_names_besides_those_of_their_own() {
    assert_eq!(passes("POST", "/webhooks/stripe", &[]), [Open, ReadOnly]);
    assert_eq!(passes("GET", "/up", &[]), [Open, ReadOnly, Closed]);
    assert_eq!(passes("POST", "/up", &[]), [Open, Closed]);
    assert_eq!(passes("POST", "/webhooks/%2e%2e/admin", &[]), [Open]);
    let rules = rules();
    assert_eq!(rules.lane_name(rules.kind(&parts("POST", "/webhooks/a", &[]))), "allow webhooks");
}

#[test]
fn challenges_and_robots_wait_in_hold_and_pass_otherwise() {
    let but_hold = [Open, ReadOnly, Closed, Detour];
    assert_eq!(passes("GET", "/.well-known/acme-challenge/aZ-_9", &[]), but_hold);
    assert_eq!(passes("HEAD", "/robots.txt", &[]), but_hold);
    for path in ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/a/b"] {
        assert_eq!(passes("GET", path, &[]), [Open, ReadOnly], "{path}");
    }
    let tunnel = "/.well-known/acme-challenge/..%2f..%2fadmin";
    assert_eq!(passes("GET", tunnel, &[]), [Open, ReadOnly]);
    assert_eq!(passes("POST", "/.well-known/acme-challenge/a", &[]), [Open]);
    assert_eq!(passes("POST", "/robots.txt", &[]), [Open]);
}

#[test]
fn a_preflight_passes_exactly_where_the_request_that_it_announces_could() {
    let announces = |method, path| {
        let headers = [("origin", "https://a.example"), ("access-control-request-method", method)];
        passes("OPTIONS", path, &headers)
    };
    assert_eq!(announces("GET", "/cart"), [Open, ReadOnly]);
    assert_eq!(announces("DELETE", "/cart"), [Open]);
    assert_eq!(announces("POST", "/search"), [Open, ReadOnly]);
    assert_eq!(announces("POST", "/graphql"), [Open, ReadOnly]);
    assert_eq!(announces("GET", "/unsubscribe"), [Open]);
    assert_eq!(announces("POST", "/webhooks/a"), [Open, ReadOnly]);
    assert_eq!(announces("GET", "/robots.txt"), [Open, ReadOnly]);
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json; charset=UTF-8")];

/// What the body of a POST to `/graphql` makes of it.
fn graphql(headers: &[(&str, &str)], uri: &str, body: &str) -> Nature {
    let (rules, parts) = (rules(), parts("POST", uri, headers));
    match rules.read_body(rules.kind(&parts), &parts, body.as_bytes()) {
        Kind::Plain(nature) => nature,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_graphql_query_is_a_read() {
    for body in [
        r#"{"query": "{ a }"}"#,
        r#"{"query": "query { a { b } }", "variables": {"x": {"query": 1}}}"#,
        r#"{"query": "query A { a } mutation B { b }", "operationName": "A"}"#,
        r#"{"query": "query A($x: Int = 1) @d { ...f } fragment f on T { a(x: $x) }", "operationName": null}"#,
        r#"[{"query": "{ a }"}, {"query": "query { b }"}]"#,
        r#"{"query": "{ a(x: \"mutation\") } # mutation { b }"}"#,
        r#"{"qu\u0065ry": "{ a }"}"#,
    ] {
        assert_eq!(graphql(JSON, "/graphql", body), Nature::Read, "{body}");
    }
    let document = [("content-type", "application/graphql")];
    assert_eq!(graphql(&document, "/graphql", "query { a }"), Nature::Read);
    assert_eq!(graphql(JSON, "/graphql?trace=1", r#"{"query": "{ a }"}"#), Nature::Read);
}

#[test]
fn whatever_is_no_query_for_certain_is_a_write() {
    for body in [
        r#"{"query": "mutation { a }"}"#,
        r#"{"query": "subscription { a }"}"#,
        r#"{"query": "query A { a } mutation B { b }", "operationName": "B"}"#,
        r#"{"query": "query A { a } mutation B { b }"}"#,
        r#"{"query": "query A { a } query A { b }", "operationName": "A"}"#,
        r#"{"query": "query A { a }", "operationName": "C"}"#,
        r#"{"query": "{ a }", "query": "mutation { a }"}"#,
        r#"{"query": "{ a }", "Query": "mutation { a }"}"#,
        r#"{"query": "{ a }", "qu\u0065ry": "mutation { a }"}"#,
        r#"[{"query": "{ a }"}, {"query": "mutation { b }"}]"#,
        "[]",
        "{}",
        "",
        "null",
        r#"{"query": null}"#,
        r#"{"query": ["{ a }"]}"#,
        r#"{"query": "{ a"}"#,
        r#"{"query": "type T { a: Int }"}"#,
        r#"{"query": "fragment f on T { a }"}"#,
        r#"{"extensions": {"persistedQuery": {"sha256Hash": "aa"}}}"#,
        r#"{"query": "{ a } #\rmutation { b }"}"#,
        r#"{"query": "{ a }"} {"query": "mutation { a }"}"#,
    ] {
        assert_eq!(graphql(JSON, "/graphql", body), Nature::Write, "{body}");
    }
    let query = r#"{"query": "{ a }"}"#;
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/json; charset=utf-16")],
        &[("content-type", "application/json"), ("content-type", "multipart/form-data")],
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
        &[("content-type", "application/json"), ("content-length", "65537")],
    ] {
        assert_eq!(graphql(headers, "/graphql", query), Nature::Write, "{headers:?}");
    }
    let elsewhere = "/graphql?query=mutation%7Ba%7D";
    assert_eq!(graphql(JSON, elsewhere, query), Nature::Write);
    let long = format!("{{\"query\": \"{{ a }}{}\"}}", " ".repeat(BODY_LIMIT));
    assert_eq!(graphql(JSON, "/graphql", &long), Nature::Write);
    let deep = format!("{{\"query\": \"{}{}\"}}", "{a".repeat(9_000), "}".repeat(9_000));
    assert_eq!(graphql(JSON, "/graphql", &deep), Nature::Write);
}

#[test]
fn a_graphql_get_is_read_from_its_query_string() {
    for query in ["", "?query=%7Ba%7D", "?query=query+A%7Ba%7D&operationName=A"] {
        let uri = format!("/graphql{query}");
        assert_eq!(passes("GET", &uri, &[]), [Open, ReadOnly], "{query}");
    }
    for query in [
        "?query=mutation%7Ba%7D",
        "?query=%7Ba%7D&query=mutation%7Ba%7D",
        "?query=%7Ba%7D;query=mutation%7Ba%7D",
        "?query=%7Ba%7D&query[]=mutation%7Ba%7D",
        "?query=%7Ba%7D&QUERY=mutation%7Ba%7D",
        "?query=%zz",
        "?extensions=%7B%7D",
    ] {
        assert_eq!(passes("GET", &format!("/graphql{query}"), &[]), [Open], "{query}");
        assert_eq!(passes("GET", &format!("/GraphQL/{query}"), &[]), [Open], "{query}");
    }
    let body = [("content-length", "9")];
    assert_eq!(passes("GET", "/graphql?query=%7Ba%7D", &body), [Open]);
}

#[test]
fn every_kind_has_the_lane_that_its_place_says() {
    let rules = rules();
    for (place, kind) in rules.kinds().into_iter().enumerate() {
        assert_eq!(rules.lane_index(kind), place, "{kind:?}");
    }
}

proptest! {
    #[test]
    fn a_stricter_mode_never_lets_more_through_except_as_named(
        method in "GET|HEAD|POST|PUT|OPTIONS|QUERY|DELETE|X",
        path in "(/(\\.|\\.\\.|%2e|%2F|%00|search|webhooks|graphql|unsubscribe|up|a|\\\\|;x|é)?){1,6}",
        header in proptest::option::of("websocket|h2c|x"),
        body in "[\\{\\}a\" :\\[\\]]{0,30}",
    ) {
        let rules = rules();
        let mut builder = Request::builder().method(method.as_str()).uri(path.as_str());
        if let Some(header) = header {
            builder = builder.header("upgrade", header);
        }
        if let Ok(request) = builder.header("content-type", "application/json").body(()) {
            let parts = request.into_parts().0;
            let kind = rules.read_body(rules.kind(&parts), &parts, body.as_bytes());
            prop_assert!(rules.passes(kind, Open));
            prop_assert!(rules.lane_index(kind) < rules.kinds().len());
            if let Kind::Plain(_) = kind {
                let passes = Mode::LADDER.map(|mode| rules.passes(kind, mode));
                prop_assert!(passes.is_sorted_by(|looser, stricter| looser >= stricter));
            }
        }
    }
}
