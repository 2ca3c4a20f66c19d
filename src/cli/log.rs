//! `log`: what happened, by whom. Needs the store and nothing else.

use super::args::LogArgs;
use super::context::Context;
use super::error::Error;
use super::report::{Form, log_object, log_words, message, warnings_words};
use crate::audit;

pub(super) async fn run(context: &Context, args: &LogArgs) -> Result<u8, Error> {
    let config = context.config()?;
    let site = config.site(context.common.site.as_deref())?;
    let store = Context::store(&config, site).await?;
    let (entries, torn) = audit::log(&store, args.limit).await?;
    let torn: Vec<_> = torn.into_iter().map(|error| message(&error.into())).collect();
    if context.report.form() == Form::Json {
        context.report.object(&log_object(&entries, &torn))?;
    } else {
        context.report.words(&warnings_words(&torn));
        context.report.data(&log_words(&entries))?;
    }
    Ok(0)
}
