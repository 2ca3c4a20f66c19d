//! `reload`: the running `serve` of this machine reads its configuration again. What is wrong with it is said, and
//! nothing changes.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::context::Context;
use super::error::Error;
use super::local::unheard;
use super::report::Form;
use crate::agent::ask;

pub(super) async fn run(context: &Context) -> Result<u8, Error> {
    // The process has the old configuration, whatever the file says now: its state folder is the only way to it, and
    // where the file is broken the default place is tried.
    let config = context.config()?;
    let state = Context::state(&config);
    let (status, answer) = ask(&state, (Method::POST, "/reload"), None).await.map_err(unheard)?;
    if status != StatusCode::OK {
        let of = |name: &str| answer.pointer(&format!("/error/{name}")).and_then(Value::as_str);
        return Err(Error::Answered {
            code: "not-reloaded",
            message: of("message").unwrap_or("the configuration was not taken").to_owned(),
            hint: of("hint")
                .unwrap_or("put the file right; the old configuration stays")
                .to_owned(),
        });
    }
    if context.report.form() == Form::Json {
        context.report.object(&json!({ "format": 1, "reloaded": true }))?;
    } else {
        context.report.data("reloaded")?;
    }
    Ok(0)
}
