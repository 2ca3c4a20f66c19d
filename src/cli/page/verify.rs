//! `page verify`: what browsers and programs would get at the page's place, before the name leads there.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::args::PageVerifyArgs;
use super::super::context::Context;
use super::super::error::Error;
use super::super::report::{Form, looks_words};
use crate::clock;
use crate::hcl::without_passwords;
use crate::net::ask::{Error as AskError, Server};
use crate::page::looks::{Look, Verdict, looks, of_status};

/// How long one answer may take, and all of them.
const EACH: Duration = Duration::from_secs(10);
const ALL: Duration = Duration::from_mins(1);

/// One look, and how it stands.
pub(in crate::cli) struct Looked {
    pub(in crate::cli) method: String,
    /// With its host, where that is another one.
    pub(in crate::cli) path: String,
    pub(in crate::cli) status: Option<u16>,
    pub(in crate::cli) bytes: usize,
    pub(in crate::cli) verdict: Verdict,
}

pub(super) async fn run(context: &Context, args: &PageVerifyArgs) -> Result<u8, Error> {
    let server = server(&args.url, args.host.as_deref())?;
    let elsewhere = status_url(context, args).map(|url| parted(&url)).transpose()?;
    let began = clock::monotonic();
    let left = || ALL.saturating_sub(clock::monotonic().duration_since(began)).min(EACH);
    let mut seen = Vec::new();
    for look in looks() {
        let looked = looked(&server, &look, left()).await;
        let first = seen.is_empty();
        match looked {
            Err(AskError::Unreachable { address, source }) if first => {
                let why = format!("{address} cannot be reached: {source}");
                return Err(Error::Deserted { url: args.url.clone(), why });
            }
            looked => seen.push(found(&look, looked)),
        }
        let unspoken = seen.last().is_some_and(|looked| looked.status.is_none());
        if first && unspoken {
            // It would say the same to every question.
            break;
        }
    }
    if let Some((server, path, url)) = &elsewhere {
        let look = of_status(path);
        let looked = looked(server, &look, left()).await;
        seen.push(Looked { path: url.clone(), ..found(&look, looked) });
    }
    let wrong =
        seen.iter().filter(|looked| matches!(looked.verdict, Verdict::Wrong { .. })).count();
    if context.report.form() == Form::Json {
        let looks: Vec<_> = seen.iter().map(object).collect();
        context.report.object(&json!({
            "format": 1,
            "url": args.url,
            "host": server.name,
            "looks": looks,
        }))?;
    } else {
        context.report.data(&looks_words(&seen))?;
    }
    if wrong > 0 {
        return Err(Error::NotThePage { url: args.url.clone(), wrong, all: seen.len() });
    }
    context.report.words(&format!("{} answers {} with the page", args.url, server.name));
    Ok(0)
}

async fn looked(
    server: &Server,
    look: &Look,
    within: Duration,
) -> Result<(u16, usize, Verdict), AskError> {
    let answer = server.ask(&look.question, within).await?;
    Ok((answer.status, answer.body.len(), look.judge(&answer)))
}

fn found(look: &Look, looked: Result<(u16, usize, Verdict), AskError>) -> Looked {
    let (status, bytes, verdict) = match looked {
        Ok((status, bytes, verdict)) => (Some(status), bytes, verdict),
        Err(error) => {
            let fix = match &error {
                AskError::Untrusted { .. } => {
                    "attach a certificate that covers the name, from ACM in us-east-1, and list the name"
                }
                AskError::Unreachable { .. } | AskError::Broken(_) | AskError::Late(_) => {
                    "see that it answers at all, from here: ask again"
                }
            };
            (None, 0, Verdict::Wrong { reason: error.to_string(), fix })
        }
    };
    let (method, path) = (look.question.method.to_string(), look.question.path.clone());
    Looked { method, path, status, bytes, verdict }
}

fn object(looked: &Looked) -> Value {
    let (result, reason, fix) = match &looked.verdict {
        Verdict::Well => ("ok", None, None),
        Verdict::Worse { reason, fix } => ("warn", Some(reason), Some(fix)),
        Verdict::Wrong { reason, fix } => ("fail", Some(reason), Some(fix)),
    };
    json!({
        "method": looked.method,
        "path": looked.path,
        "status": looked.status,
        "bytes": looked.bytes,
        "result": result,
        "reason": reason,
        "fix": fix,
    })
}

fn server(url: &str, host: Option<&str>) -> Result<Server, Error> {
    Server::at(url, host).ok_or_else(|| Error::Usage {
        message: format!("`{}` cannot be asked", without_passwords(url)),
        hint: "for example https://d111111abcdef8.cloudfront.net --host shop.example.com"
            .to_owned(),
    })
}

/// Where the status is, if it is told: a configuration is not needed to look.
fn status_url(context: &Context, args: &PageVerifyArgs) -> Option<String> {
    let configured = || {
        let config = context.config().ok()?;
        let site = config.site(context.common.site.as_deref()).ok()?;
        site.page.status_url.clone()
    };
    args.status.clone().or_else(configured)
}

/// The server, the path on it, and the whole.
fn parted(url: &str) -> Result<(Server, String, String), Error> {
    let server = server(url, None)?;
    let path = url.parse::<http::Uri>().ok().and_then(|uri| uri.path_and_query().cloned());
    let path = path.map_or_else(|| "/".to_owned(), |path| path.to_string());
    Ok((server, path, url.to_owned()))
}
