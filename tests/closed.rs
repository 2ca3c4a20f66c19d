//! A closed site as its visitors find it at the built gateway: what they read, and who passes all the same. The ids before
//! names are those of the behaviours that other systems' own tests pin.

use std::io::Write as _;

use serde_json::Value;

use crate::support::app::App;
use crate::support::serving::{HOST, LONG, Serving, Stand, answer, config, until};

/// A site whose page has these lines, and whose gateway has `more`.
fn site(app: &App, more: &str, page: &str) -> Stand {
    let text = config(&app.url(), more);
    let (before, _) = text.trim_end().rsplit_once('}').unwrap();
    let stand = Stand::new(&format!("{before}  page {{\n{page}\n  }}\n}}\n"));
    stand.write("key", "a key of thirty-two bytes, or so");
    stand
}

const TESTERS: &str = r#"
    trusted_proxies = ["127.0.0.1"]
    bypass {
      key  = file("key")
      from = ["203.0.113.0/24", "198.51.100.7"]
    }
    allow "webhooks" {
      paths = ["/webhooks/*", "/exact"]
      modes = ["closed"]
    }
"#;

/// The status, and the whole answer to a request with these lines.
fn asks(serving: &Serving, method: &str, path: &str, lines: &[&str]) -> (u16, String) {
    let mut stream = std::net::TcpStream::connect(serving.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let lines: String = lines.iter().flat_map(|line| [*line, "\r\n"]).collect();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    answer(stream)
}

/// A header of an answer.
fn header<'a>(whole: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = whole.split_once("\r\n\r\n")?;
    head.lines().find_map(|line| {
        let (named, value) = line.split_once(": ")?;
        named.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn body(whole: &str) -> &str {
    whole.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn l1_l3_l4_l5_a_template_is_for_browsers_and_programs_get_json_and_no_redirect() {
    let app = App::start();
    let template = "<p>{{ message }}|{{ mode }}|{{ lang }}";
    let page = "    message  = \"We dig.\"\n    template = \"page.html\"";
    let stand = site(&app, "", page);
    stand.write("page.html", template);
    let serving = stand.serve();
    stand.run(&["close", "--for", "1m", "--yes"]).exits(0);
    let (status, html) = asks(&serving, "GET", "/", &["Accept: text/html", "Accept-Language: de"]);
    assert_eq!((status, body(&html)), (503, "<p>We dig.|closed|de"));
    let wait: u32 = header(&html, "retry-after").unwrap().parse().unwrap();
    assert!((50..=75).contains(&wait), "{html}");
    assert_eq!((header(&html, "refresh"), header(&html, "location")), (None, None));
    let (status, json) =
        asks(&serving, "GET", "/a?roadworks-bypass=bad", &["Accept: application/json"]);
    assert_eq!((status, header(&json, "location")), (503, None));
    assert_eq!(header(&json, "content-type"), Some("application/problem+json"));
    let problem: Value = serde_json::from_str(body(&json)).unwrap();
    assert_eq!((&problem["mode"], &problem["status"]), (&"closed".into(), &503.into()));
}

#[test]
fn e6_a_template_that_fails_still_gives_an_answer_in_the_wanted_form() {
    let app = App::start();
    let stand = site(&app, "", "    template = \"page.html\"");
    // It is tried with another name than the site's.
    let fails = format!("{{% if host == '{HOST}' %}}{{{{ nothing.there }}}}{{% endif %}}tried");
    stand.write("page.html", &fails);
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    for (accept, kind, said) in [
        ("text/html", "text/html; charset=utf-8", "Closed for maintenance"),
        ("application/json", "application/problem+json", "\"mode\":\"closed\""),
        ("text/plain", "text/plain; charset=utf-8", "Closed for maintenance"),
    ] {
        let (status, whole) = asks(&serving, "GET", "/", &[&format!("Accept: {accept}")]);
        assert_eq!((status, header(&whole, "content-type")), (503, Some(kind)), "{whole}");
        assert!(whole.contains(said), "{accept}: {whole}");
    }
    assert_eq!(app.asked("GET"), 0);
}

#[test]
fn e3_e4_e7_a_refusal_is_never_encoded_head_is_like_get_and_no_method_is_a_405() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    let plain = asks(&serving, "GET", "/", &["X-Request-Id: a"]).1;
    for encoding in ["gzip", "br, gzip;q=0.5", "identity;q=0", "*"] {
        let lines = [&format!("Accept-Encoding: {encoding}"), "X-Request-Id: a"];
        let (status, whole) = asks(&serving, "GET", "/", &lines.map(|line| line));
        assert_eq!((status, header(&whole, "content-encoding")), (503, None), "{encoding}");
        assert_eq!(body(&whole), body(&plain), "{encoding}");
        let head = asks(&serving, "HEAD", "/", &lines.map(|line| line)).1;
        assert_eq!(body(&head), "");
        for name in ["content-type", "content-length", "content-encoding", "vary"] {
            assert_eq!(header(&head, name), header(&whole, name), "{name}");
        }
    }
    for method in ["DELETE", "PUT", "PATCH", "POST", "PROPFIND", "BREW"] {
        let (status, whole) = asks(&serving, method, "/", &[]);
        assert_eq!(status, 503, "{method}: {whole}");
    }
}

#[test]
fn l2_t1_another_status_is_warned_of_and_used() {
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), "refuse_status = 429"));
    let serving = stand.serve();
    let words = stand.run(&["close", "--for", "1m", "--yes"]).exits(0);
    assert!(words.stderr.contains("refuse_status = 429: only 503"), "{words:#?}");
    assert!(serving.log().contains("refuse_status = 429: only 503"), "{}", serving.log());
    let (status, whole) = asks(&serving, "GET", "/", &[]);
    assert_eq!(status, 429);
    assert!(header(&whole, "retry-after").is_some(), "{whole}");
}

#[test]
fn l6_l7_l8_l9_a_link_gives_a_cookie_that_passes_until_it_or_its_operation_ends() {
    let app = App::start();
    let stand = site(&app, TESTERS, "");
    let serving = stand.serve();
    let token = |words: &[&str]| {
        let printed = stand.run(&[&["--json", "bypass"], words].concat()).exits(0).json();
        let link = printed["link"].as_str().unwrap();
        link.split_once("roadworks-bypass=").unwrap().1.to_owned()
    };
    let passes = |token: &str| {
        let cookie = format!("Cookie: a=b; roadworks-bypass={token}");
        asks(&serving, "POST", "/tested", &[&cookie]).0
    };
    stand.run(&["close", "--yes"]).exits(0);
    let good = token(&[]);
    let (status, whole) = asks(&serving, "GET", &format!("/a?x=1&roadworks-bypass={good}"), &[]);
    assert_eq!((status, header(&whole, "location")), (303, Some("/a?x=1")), "{whole}");
    let cookie = header(&whole, "set-cookie").unwrap();
    assert!(cookie.starts_with(&format!("roadworks-bypass={good}; ")), "{cookie}");
    assert_eq!((passes(&good), app.asked("POST /tested")), (200, 1));

    stand.write("key", "another key of thirty-two bytes,");
    let another = token(&[]);
    assert_eq!(passes(&another), 503, "the gateway still has the key that it started with");
    stand.write("key", "a key of thirty-two bytes, or so");
    let short = token(&["--for", "1s"]);
    until(|| (passes(&short) == 503).then_some(()));
    assert_eq!(passes(&good), 200);

    stand.run(&["open", "--yes"]).exits(0);
    stand.run(&["close", "--yes"]).exits(0);
    assert_eq!(passes(&good), 503, "it was for an operation that has ended");
}

#[test]
fn l10_l11_t1_paths_that_are_excepted_pass_and_still_do_after_a_reload_and_a_restart() {
    let app = App::start();
    let stand = site(&app, TESTERS, "");
    let mut serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    let agrees = |serving: &Serving| {
        for (path, status) in [
            ("/webhooks/stripe", 200),
            ("/webhooks/a/b", 200),
            ("/exact", 200),
            ("/exact/", 503),
            ("/webhooks", 503),
            ("/webhooksx", 503),
            ("/webhooks/../admin", 503),
            ("/webhooks/%2e%2e/admin", 503),
            ("/other", 503),
        ] {
            assert_eq!(asks(serving, "POST", path, &[]).0, status, "{path}");
        }
    };
    agrees(&serving);
    stand.run(&["reload"]).exits(0);
    agrees(&serving);
    drop(serving);
    serving = stand.serve();
    agrees(&serving);
}

#[test]
fn t1_t4_testers_pass_by_their_address_and_nobody_by_one_that_cannot_be_read() {
    let app = App::start();
    let stand = site(&app, TESTERS, "    message = \"We dig.\"");
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    for (lines, status) in [
        (&["X-Forwarded-For: 203.0.113.9"][..], 200),
        (&["X-Forwarded-For: 198.51.100.7"], 200),
        (&["X-Forwarded-For: 10.0.0.1, 203.0.113.9"], 200),
        (&["Forwarded: for=203.0.113.9"], 200),
        (&["X-Forwarded-For: 198.51.100.8"], 503),
        (&["X-Forwarded-For: 203.0.114.9"], 503),
        (&["X-Forwarded-For: 203.0.113.9, 192.0.2.1"], 503),
        (&["X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 192.0.2.1"], 503),
        (&["X-Forwarded-For: 203.0.113"], 503),
        (&["X-Forwarded-For: 203.0.113.9x"], 503),
        (&["X-Forwarded-For: unknown"], 503),
        (&["X-Forwarded-For: "], 503),
        (&["X-Real-Ip: 203.0.113.9"], 503),
        (&[], 503),
    ] {
        let (got, whole) = asks(&serving, "GET", "/", lines);
        assert_eq!(got, status, "{lines:?}: {whole}");
        assert_eq!(whole.contains("We dig."), status == 503, "the reason is shown: {whole}");
    }
}

#[test]
fn an_address_that_a_stranger_claims_lets_nobody_in() {
    let app = App::start();
    let more = TESTERS.replace("[\"127.0.0.1\"]", "[\"192.0.2.1\"]");
    let stand = site(&app, &more, "");
    let serving = stand.serve();
    stand.run(&["close", "--yes"]).exits(0);
    for line in ["X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.9"] {
        assert_eq!(asks(&serving, "GET", "/", &[line]).0, 503, "{line}");
    }
    assert_eq!(app.asked("GET"), 0);
}
