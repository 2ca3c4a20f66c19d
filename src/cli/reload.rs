//! `reload`: the running `serve` of this machine reads its configuration again. What is wrong with it is said, and
//! nothing changes.

use std::path::PathBuf;
use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::context::Context;
use super::error::Error;
use super::local::unheard;
use super::report::Form;
use crate::agent::ask;
use crate::hcl::Place;

pub(super) async fn run(context: &Context) -> Result<u8, Error> {
    let config = match context.config() {
        Ok(config) => config,
        Err(error) => {
            // It is told all the same, where its state folder is the usual one: its log and its metrics say that it does
            // not have what the file has. It refuses it as we do, and what is wrong is said here.
            drop(ask(&context.usual_state(), (Method::POST, "/reload"), None).await);
            return Err(error);
        }
    };
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
            place: place(&answer),
        });
    }
    if context.report.form() == Form::Json {
        context.report.object(&json!({ "format": 1, "reloaded": true }))?;
    } else {
        context.report.data("reloaded")?;
    }
    Ok(0)
}

/// Where in which file, as the process said.
fn place(answer: &Value) -> Option<Box<Place>> {
    let of = |name: &str| answer.pointer(&format!("/error/{name}"));
    let number = |name: &str| of(name)?.as_u64()?.try_into().ok();
    let (line, column) = (number("line")?, number("column")?);
    let file = Arc::new(PathBuf::from(of("file")?.as_str()?));
    Some(Box::new(Place { file, line, column, span: 0..0 }))
}
