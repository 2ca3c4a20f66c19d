//! `gateway forget`: one that is gone for good is no longer waited for.

use serde_json::json;

use super::args::{ForgetArgs, GatewayArgs, GatewayVerb};
use super::context::Context;
use super::error::Error;
use super::flip::user;
use super::report::Form;
use crate::agent::forget;

pub(super) async fn run(context: &Context, args: &GatewayArgs) -> Result<u8, Error> {
    match &args.verb {
        GatewayVerb::Forget(args) => forgotten(context, args).await,
    }
}

async fn forgotten(context: &Context, args: &ForgetArgs) -> Result<u8, Error> {
    let config = context.config()?;
    let site = config.site(context.common.site.as_deref())?;
    let name = site.name.clone().unwrap_or_else(|| "site".to_owned());
    let store = Context::store(&config, site).await?;
    forget(&store, &name, &args.id, (&user(), args.reason.as_deref())).await?;
    if context.report.form() == Form::Json {
        context.report.object(&json!({ "format": 1, "site": name, "forgotten": args.id }))?;
    } else {
        context.report.data(&format!("{name}  gateway {} is forgotten", args.id))?;
    }
    Ok(0)
}
