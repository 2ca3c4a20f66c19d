//! A check by one HTTP request: to the app itself, or through a load balancer by its own name while the site's name leads
//! elsewhere.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::{Asked, Check, Failed};
use crate::clock;
use crate::config::HttpCheckConfig;
use crate::net::ask::{Question, Server};

const AGENT: &str = concat!("roadworks/", env!("CARGO_PKG_VERSION"), " (check)");

/// In seconds.
const DAY: i64 = 86_400;

/// How whoever asks as a tester gets past the site's gateway now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// With this header.
    With(&'static str, String),
    /// Without any: the site is open.
    Free,
    /// Not yet: the name leads to the page.
    NotYet,
}

/// Says how; or why it cannot be told.
pub type Passes = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Way, Failed>>>>>;

/// One GET, and what its answer must be.
pub struct HttpCheck {
    config: HttpCheckConfig,
    passes: Option<Passes>,
}

impl HttpCheck {
    /// What the `check` block says; `passes` where it asks as a tester.
    pub fn new(config: HttpCheckConfig, passes: Option<Passes>) -> HttpCheck {
        HttpCheck { config, passes }
    }

    async fn asked(&self) -> Result<String, Failed> {
        let HttpCheckConfig { url, host, path, statuses, header, contains, .. } = &self.config;
        let (certificate_for, timeout) = (self.config.certificate_for, self.config.timeout);
        let mut headers = vec![("user-agent", AGENT.to_owned())];
        if let Some(passes) = &self.passes {
            match passes().await? {
                Way::With(name, value) => headers.push((name, value)),
                Way::Free => {}
                Way::NotYet => return Ok(format!("{url} is asked once the name leads back")),
            }
        }
        let (path, body) = (path.clone(), Bytes::new());
        let question = Question { method: Method::GET, path: path.clone(), headers, body };
        // A query may have a key in it, which nobody is to read in a log.
        let path = path.split('?').next().unwrap_or_default();
        let failed = |why: String, fix: &str| Failed { why, fix: fix.to_owned() };
        let server = Server::at(url, host.as_deref())
            .ok_or_else(|| failed(format!("{url} is no address"), "put `url` right"))?;
        let answer = server.ask(&question, timeout).await.map_err(|error| {
            failed(
                format!("{url}{path}: {error}"),
                "see that it runs, and that it can be reached from here",
            )
        })?;
        let fits = match statuses.as_slice() {
            [] => (200..300).contains(&answer.status),
            wanted => wanted.contains(&answer.status),
        };
        if !fits {
            let why = format!("{url}{path} answers {}", answer.status);
            return Err(failed(why, "look at the app's log: it answers, and not as it should"));
        }
        if let Some(text) = contains
            && !has(&answer.body, text.as_bytes())
        {
            let why = format!("{url}{path} answers {} without `{text}`", answer.status);
            return Err(failed(
                why,
                "see whether another app, or a page of an old release, answers there",
            ));
        }
        if let Some((name, part)) = header {
            let values = answer.headers.get_all(name).iter();
            let mut texts = values.filter_map(|value| value.to_str().ok());
            if !texts.any(|text| text.contains(part.as_str())) {
                let why = format!("{url}{path} answers {} without {name}: {part}", answer.status);
                return Err(failed(why, "see whether another release, or another server, answers"));
            }
        }
        if let Some(least) = certificate_for {
            good_for(answer.certificate.as_deref(), least).map_err(|why| {
                failed(format!("{url}: {why}"), "renew it before visitors come back")
            })?;
        }
        Ok(format!("{url}{path} answers {}", answer.status))
    }
}

impl Check for HttpCheck {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn ask(&self) -> Asked<'_> {
        Box::pin(self.asked())
    }
}

/// Whether a certificate is good for so long still.
fn good_for(certificate: Option<&[u8]>, least: Duration) -> Result<(), String> {
    let read = certificate.and_then(|der| x509_parser::parse_x509_certificate(der).ok());
    let Some((_, certificate)) = read else {
        return Err("its certificate cannot be read".to_owned());
    };
    let seconds = certificate.validity().not_after.timestamp() - clock::now().as_second();
    let least = i64::try_from(least.as_secs()).unwrap_or(i64::MAX);
    if seconds >= least {
        return Ok(());
    }
    let (left, wanted) = (seconds.max(0) / DAY, least / DAY);
    Err(format!("its certificate is good for {left} days, and {wanted} are wanted"))
}

fn has(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|part| part == text)
}
