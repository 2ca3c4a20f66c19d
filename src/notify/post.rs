//! One request to somebody who is told, and what its answer means.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::RETRY_AFTER;
use serde_json::Value;

use super::{Error, WITHIN};
use crate::config::Destination;
use crate::net::ask::{Answer, Question, Server};

/// So much of an answer is told: some say what is wrong with what they were sent.
const MOST_SAID: usize = 200;

/// Sends `body` as JSON; any 2xx is well.
pub(super) async fn json(to: &Destination, body: &Value) -> Result<(), Error> {
    sent(to, Method::POST, ("", Vec::new()), body.to_string().into()).await.map(drop)
}

/// Sends `body` to where `to` is, and `more` behind its path, with these headers. Any 2xx is well; no redirect is followed, since
/// what is signed for one is nobody else's.
pub(super) async fn sent(
    to: &Destination,
    method: Method,
    (more, mut headers): (&str, Vec<(&'static str, String)>),
    body: Bytes,
) -> Result<Answer, Error> {
    let server = Server::at(&to.origin, None);
    let server = server.ok_or_else(|| Error::Lacking(format!("{} is no URL", to.origin)))?;
    headers.push(("user-agent", concat!("roadworks/", env!("CARGO_PKG_VERSION")).to_owned()));
    if !body.is_empty() {
        headers.push(("content-type", "application/json".to_owned()));
    }
    let path = String::from_utf8_lossy(to.path.bytes());
    let path = if more.is_empty() {
        path.into_owned()
    } else {
        format!("{}{more}", path.trim_end_matches('/'))
    };
    let answer = server.ask(&Question { method, path, headers, body }, WITHIN).await?;
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let again = answer.header(RETRY_AFTER).and_then(|text| text.parse().ok());
    Err(Error::Answered {
        origin: to.origin.clone(),
        status: answer.status,
        said: beginning(to, &answer.body),
        again: again.map(Duration::from_secs),
    })
}

/// The first line of an answer, if it is one that a person can read and that does not repeat the way there.
fn beginning(to: &Destination, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let secret = String::from_utf8_lossy(to.path.bytes());
    let parts = secret.split(['/', '?', '&', '=']).filter(|part| part.len() >= 4);
    let repeats = parts.into_iter().any(|part| line.contains(part));
    if line.is_empty() || line.starts_with('<') || repeats {
        return String::new();
    }
    let said: String = line.chars().filter(|one| !one.is_control()).take(MOST_SAID).collect();
    format!(": {said}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn what_an_answer_says_is_told_unless_it_repeats_the_way_there() {
        let to = Destination {
            origin: "https://a".to_owned(),
            path: Secret::new("/services/T0/hush-hush"),
        };
        assert_eq!(beginning(&to, b"\n no_service \nmore"), ": no_service");
        assert_eq!(beginning(&to, b"POST /services/T0/hush-hush: none"), "");
        assert_eq!(beginning(&to, b"hush-hush"), "");
        assert_eq!(beginning(&to, b"<html>"), "");
        assert_eq!(beginning(&to, b""), "");
        assert_eq!(beginning(&to, &[b'a'; 999]).len(), MOST_SAID + 2);
    }
}
