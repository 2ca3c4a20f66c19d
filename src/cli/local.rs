//! `--local`: a mode for the gateway of this machine only, whatever became of the store. Sticky, shown everywhere, never
//! looser than the store, cleared by `open --local`.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::args::FlipArgs;
use super::confirm::confirm;
use super::context::Context;
use super::error::Error;
use super::flip::{interrupted, user};
use super::report::{Form, own_gateway_object, status_object};
use crate::agent::{Local, Unheard, ask, look};
use crate::clock;
use crate::store::encoded;
use crate::switch::Mode;

/// How often the gateway is asked whether it has drained.
const EACH: Duration = Duration::from_millis(20);

pub(super) async fn run(context: &Context, to: Mode, args: &FlipArgs) -> Result<u8, Error> {
    let config = context.config()?;
    let site = config.site(context.common.site.as_deref())?;
    let name = site.name.clone().unwrap_or_else(|| "site".to_owned());
    if to == Mode::Detour {
        return Err(Error::Usage {
            message: "a name is not moved by one machine".to_owned(),
            hint: "roadworks close --local closes its gateway".to_owned(),
        });
    }
    if !args.yes && to != Mode::Open {
        let host = site.hosts.first().cloned().unwrap_or_else(|| name.clone());
        confirm(context.report, (&name, &host), to, None)?;
    }
    let began = clock::monotonic();
    let state = Context::state(&config);
    let path = format!("/local/{}", encoded(&name));
    let local = Local { format: 1, mode: to, by: user(), at: clock::now() };
    let (method, body) = match to {
        Mode::Open => (Method::DELETE, None),
        _ => (Method::PUT, Some(json!(local))),
    };
    let (status, answer) = ask(&state, (method, &path), body.as_ref()).await.map_err(unheard)?;
    if status != StatusCode::OK {
        return Err(refused(status, &answer));
    }
    let drained = async {
        loop {
            let stands = stands(&state, &name).await?;
            if stands.get("drain").and_then(Value::as_str) != Some("draining") {
                return Ok::<Value, Error>(stands);
            }
            tokio::time::sleep(EACH).await;
        }
    };
    let stands = tokio::select! {
        drained = tokio::time::timeout(args.timeout, drained) => {
            drained.map_err(|_| crate::agent::Error::GaveUp { what: "drained", waited: args.timeout, still: None })??
        }
        signal = interrupted() => return Err(Error::Interrupted { signal }),
    };
    let took = clock::monotonic().duration_since(began).as_secs_f64();
    if context.report.form() == Form::Json {
        context.report.object(&object(context, &name, stands, took).await)?;
    } else {
        let mode = stands.get("mode").and_then(Value::as_str).unwrap_or("unknown");
        context.report.words(&format!("Done in {took:.3} s."));
        context.report.data(&match to {
            Mode::Open => format!("{name}  this gateway follows the switch again: {mode}"),
            _ => format!("{name}  this gateway gives {mode} until `roadworks open --local` here"),
        })?;
    }
    Ok(0)
}

/// The object of `status`, with what this gateway gives; of it alone where nothing else can be seen.
async fn object(context: &Context, name: &str, stands: Value, took: f64) -> Value {
    let whole = match Box::pin(context.open()).await {
        Ok(opened) => look(&opened.site).await.ok().map(|sight| (opened, sight)),
        Err(_) => None,
    };
    let alone = || match serde_json::from_value(stands.clone()) {
        Ok(beat) => own_gateway_object(name, beat),
        Err(_) => json!({ "format": 1, "site": name }),
    };
    let mut object = whole
        .map_or_else(alone, |(opened, sight)| status_object(&opened.site, &sight, clock::now()));
    if let Some(fields) = object.as_object_mut() {
        fields.insert("mode".to_owned(), stands.get("mode").cloned().unwrap_or_default());
        fields.insert("gateway".to_owned(), stands);
        fields.insert("took".to_owned(), json!(took));
    }
    object
}

/// How the gateway of this machine stands.
pub(super) async fn stands(state: &std::path::Path, site: &str) -> Result<Value, Error> {
    let (_, answer) = ask(state, (Method::GET, "/status"), None).await.map_err(unheard)?;
    let sites = answer.get("sites").and_then(Value::as_array).cloned().unwrap_or_default();
    let own = sites.into_iter().find(|one| one.get("site").and_then(Value::as_str) == Some(site));
    Ok(own.unwrap_or_default())
}

fn refused(status: StatusCode, answer: &Value) -> Error {
    let message =
        answer.pointer("/error/message").and_then(Value::as_str).unwrap_or("it was refused");
    if status == StatusCode::CONFLICT {
        let hint = "ask for a stricter mode here, or change the switch".to_owned();
        return Error::Refused { code: "looser", message: message.to_owned(), hint };
    }
    Error::Answered {
        code: "not-local",
        message: message.to_owned(),
        hint: "look at the log of `roadworks serve` on this machine".to_owned(),
        place: None,
    }
}

/// Nobody serves here.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
pub(super) fn unheard(error: Unheard) -> Error {
    Error::Answered {
        code: "no-serve",
        message: match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
        hint: "run it on the machine of the gateway, as the user that runs `roadworks serve`"
            .to_owned(),
        place: None,
    }
}
