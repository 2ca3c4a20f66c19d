//! What a page's place must answer, whoever asks and however: the questions, and what is wrong with an answer. Pure.

use bytes::Bytes;
use http::Method;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};

use crate::net::ask::{Answer, Question};

/// As a browser asks for a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// What is wanted of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// 503 with the page.
    Page,
    /// The same, in whatever form: for programs, and whoever sent something.
    Refusal,
    /// The same without a body.
    Head,
    /// What crawlers read first.
    Robots,
    /// What pages look at.
    Status,
    /// The same at a host of its own.
    StatusElsewhere,
}

/// One question, and what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What is asked.
    pub question: Question,
    /// What is wanted.
    pub wanted: Wanted,
}

/// How an answer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Well,
    /// Visitors lose something by it.
    Worse {
        /// What it is.
        reason: String,
        /// What to do.
        fix: &'static str,
    },
    /// Not the page.
    Wrong {
        /// What it is.
        reason: String,
        /// What to do.
        fix: &'static str,
    },
}

const FUNCTION: &str = "have a function answer it with 503, as the one of `roadworks page init` does for every path and method";

/// The questions: every method, and paths of all kinds.
pub fn looks() -> Vec<Look> {
    let html =
        |method: Method, path: &str| look(method, path, &[("accept", BROWSER)], Wanted::Page);
    let mut all = vec![
        html(Method::GET, "/"),
        look(Method::HEAD, "/", &[("accept", BROWSER)], Wanted::Head),
        html(Method::GET, "/a/deep/path/that/nobody/has"),
        html(Method::GET, "/?page=2&sort=price"),
        html(Method::GET, "/index.html"),
        look(Method::GET, "/assets/main.js", &[("accept", "*/*")], Wanted::Refusal),
        look(Method::GET, "/data.json", &[("accept", "application/json")], Wanted::Refusal),
        // What a browser asks that has been there: 304 or a part would be no page.
        look(
            Method::GET,
            "/account",
            &[("accept", BROWSER), ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")],
            Wanted::Page,
        ),
        look(
            Method::GET,
            "/film.mp4",
            &[("accept", "*/*"), ("range", "bytes=0-9")],
            Wanted::Refusal,
        ),
    ];
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        all.push(look(method, "/", &[("accept", BROWSER)], Wanted::Refusal));
    }
    let json = [("accept", "application/json"), ("content-type", "application/json")];
    let mut sent = look(Method::POST, "/api/orders", &json, Wanted::Refusal);
    sent.question.body = Bytes::from_static(b"{}");
    all.push(sent);
    all.push(look(
        Method::GET,
        "/robots.txt",
        &[("accept", "text/plain,*/*;q=0.8")],
        Wanted::Robots,
    ));
    all.push(look(
        Method::GET,
        "/.well-known/roadworks",
        &[("accept", "application/json")],
        Wanted::Status,
    ));
    all
}

/// The question to the status's own host.
pub fn of_status(path: &str) -> Look {
    let headers = [("accept", "application/json"), ("origin", "https://roadworks.invalid")];
    look(Method::GET, path, &headers, Wanted::StatusElsewhere)
}

fn look(method: Method, path: &str, headers: &[(&'static str, &str)], wanted: Wanted) -> Look {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Look {
        question: Question { method, path: path.to_owned(), headers, body: Bytes::new() },
        wanted,
    }
}

impl Look {
    /// How the answer stands.
    pub fn judge(&self, answer: &Answer) -> Verdict {
        match self.wanted {
            Wanted::Page | Wanted::Refusal | Wanted::Head => self.refusal(answer),
            Wanted::Robots => robots(answer),
            Wanted::Status => status(answer),
            Wanted::StatusElsewhere => match status(answer) {
                Verdict::Worse { reason, fix } => Verdict::Wrong { reason, fix },
                Verdict::Well if answer.header(ACCESS_CONTROL_ALLOW_ORIGIN) != Some("*") => wrong(
                    "no page of another host may read it".to_owned(),
                    "send access-control-allow-origin: * with it",
                ),
                verdict => verdict,
            },
        }
    }

    fn refusal(&self, answer: &Answer) -> Verdict {
        match answer.status {
            503 => {}
            403 if self.question.method != Method::GET => {
                return wrong(
                    "403: the distribution does not take the method".to_owned(),
                    "allow all seven methods in its default cache behaviour, and have a function answer them with 503",
                );
            }
            403 | 421 => {
                return wrong(
                    format!(
                        "{}: what is there does not know the name, or has no page",
                        answer.status
                    ),
                    "see that the distribution lists the name, and publish the page: roadworks page publish",
                );
            }
            200..=299 => {
                return wrong(
                    format!("{}: search engines and caches would keep it", answer.status),
                    FUNCTION,
                );
            }
            300..=399 => {
                return wrong(
                    format!("{}: a redirect loses where the visitor was", answer.status),
                    FUNCTION,
                );
            }
            status => return wrong(format!("{status}, not 503"), FUNCTION),
        }
        let wait = answer.header(RETRY_AFTER).and_then(|text| text.trim().parse::<u32>().ok());
        if wait.is_none_or(|seconds| seconds == 0) {
            return wrong(
                "no Retry-After in seconds: programs do not know when to come back".to_owned(),
                "send retry-after: 120 with it",
            );
        }
        let kept = answer.header(CACHE_CONTROL).unwrap_or_default().to_ascii_lowercase();
        if !kept.split(',').any(|one| one.trim() == "no-store") {
            return wrong(
                "no Cache-Control: no-store: browsers may keep it".to_owned(),
                "send cache-control: no-store with it",
            );
        }
        let kind = answer.header(CONTENT_TYPE).unwrap_or_default();
        match self.wanted {
            Wanted::Head => Verdict::Well,
            _ if answer.body.is_empty() => {
                wrong("503 without a page".to_owned(), "publish it: roadworks page publish")
            }
            Wanted::Page if !kind.starts_with("text/html") => wrong(
                format!("the page is `{kind}`, not text/html"),
                "publish it with its types: roadworks page publish",
            ),
            _ => Verdict::Well,
        }
    }
}

fn robots(answer: &Answer) -> Verdict {
    match answer.status {
        200..=299 | 404 => Verdict::Well,
        status if status >= 500 => wrong(
            format!("{status}: search engines stop reading the whole site"),
            "let /robots.txt pass with 200, as the function of `roadworks page init` does",
        ),
        status => Verdict::Worse {
            reason: format!("{status}: search engines take that as if everything were allowed"),
            fix: "let /robots.txt pass with 200: roadworks page publish --robots FILE",
        },
    }
}

fn status(answer: &Answer) -> Verdict {
    let told = serde_json::from_slice::<serde_json::Value>(&answer.body).ok();
    let told =
        told.as_ref().and_then(|told| told.get("mode")).is_some_and(serde_json::Value::is_string);
    if answer.status == 200 && told {
        return Verdict::Well;
    }
    Verdict::Worse {
        reason: format!("{}: pages cannot see there when the site is open again", answer.status),
        fix: "let status.json pass with 200, or give the page a status_url on another host",
    }
}

fn wrong(reason: String, fix: &'static str) -> Verdict {
    Verdict::Wrong { reason, fix }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Answer {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        Answer { status, headers, body: Bytes::from_static(body.as_bytes()), certificate: None }
    }

    const WELL: [(&str, &str); 3] = [
        ("retry-after", "120"),
        ("cache-control", "no-store"),
        ("content-type", "text/html; charset=utf-8"),
    ];

    fn reason(verdict: Verdict) -> Option<String> {
        match verdict {
            Verdict::Well => None,
            Verdict::Worse { reason, .. } | Verdict::Wrong { reason, .. } => Some(reason),
        }
    }

    #[test]
    fn only_503_with_retry_after_no_store_and_the_page_is_well() {
        let look = &looks()[0];
        let judged =
            |status, headers: &[_], body| reason(look.judge(&answer(status, headers, body)));
        assert_eq!(judged(503, &WELL, "<p>"), None);
        for (status, headers, body, wanted) in [
            (200, &WELL[..], "<p>", "200"),
            (302, &WELL, "<p>", "redirect"),
            (404, &WELL, "<p>", "404"),
            (403, &WELL, "<p>", "does not know the name"),
            (503, &WELL[1..], "<p>", "Retry-After"),
            (503, &[WELL[0], WELL[2]], "<p>", "no-store"),
            (503, &WELL[..2], "<p>", "text/html"),
            (503, &WELL, "", "without a page"),
        ] {
            let reason = judged(status, headers, body).unwrap();
            assert!(reason.contains(wanted), "{reason}");
        }
    }

    #[test]
    fn robots_may_be_missing_but_never_503_and_a_status_that_is_none_is_worse() {
        assert_eq!(robots(&answer(404, &[], "")), Verdict::Well);
        assert!(matches!(robots(&answer(503, &WELL, "<p>")), Verdict::Wrong { .. }));
        assert!(matches!(robots(&answer(403, &WELL, "<p>")), Verdict::Worse { .. }));
        assert_eq!(status(&answer(200, &[], "{\"mode\":\"detour\"}")), Verdict::Well);
        assert!(matches!(status(&answer(503, &WELL, "<p>")), Verdict::Worse { .. }));
        let elsewhere = of_status("/status.json");
        let told = "{\"mode\":\"open\"}";
        assert!(matches!(elsewhere.judge(&answer(200, &[], told)), Verdict::Wrong { .. }));
        let anybody = [("access-control-allow-origin", "*")];
        assert_eq!(elsewhere.judge(&answer(200, &anybody, told)), Verdict::Well);
    }
}
