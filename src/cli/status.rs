//! `status`: what visitors get, what was asked for, and how far it is.

use serde_json::json;

use super::args::StatusArgs;
use super::context::{Context, Opened};
use super::error::Error;
use super::report::{Form, asked_words, status_object, status_words, warnings_words};
use crate::agent::look;
use crate::clock;
use crate::lever::Position;
use crate::switch::Mode;

/// The exit code of `-detailed-exitcode` where a site is not open.
const NOT_OPEN: u8 = 2;

pub(super) async fn run(context: &Context, args: &StatusArgs) -> Result<u8, Error> {
    let config = context.config()?;
    let several = context.common.site.is_none() && config.sites.len() > 1;
    let mut objects = Vec::new();
    let mut open = true;
    if several {
        for site in &config.sites {
            let opened = Box::pin(context.open_site(&config, site)).await?;
            open &= one(context, &opened, &mut objects).await?;
        }
    } else {
        let opened = context.open().await?;
        open = one(context, &opened, &mut objects).await?;
    }
    if context.report.form() == Form::Json {
        let only = if several { None } else { objects.pop() };
        context.report.object(&only.unwrap_or_else(|| json!({ "format": 1, "sites": objects })))?;
    }
    Ok(if args.detailed_exitcode && !open { NOT_OPEN } else { 0 })
}

/// Tells of one site, and whether it is open.
async fn one(
    context: &Context,
    opened: &Opened,
    objects: &mut Vec<serde_json::Value>,
) -> Result<bool, Error> {
    let now = clock::now();
    let sight = match look(&opened.site).await {
        Ok(sight) => sight,
        Err(error) => {
            // The levers are out of reach; what was asked for is not.
            if let Some((switch, _)) = opened.site.store.switch().await? {
                context.report.words(&asked_words(&opened.site.name, &switch, now));
            }
            return Err(error.into());
        }
    };
    if context.report.form() == Form::Json {
        objects.push(status_object(&opened.site, &sight, now));
    } else {
        context.report.words(&warnings_words(&opened.site.warnings));
        context.report.data(&status_words(&opened.site, &sight, now))?;
    }
    // A name that leads elsewhere, or nowhere, is not open.
    let known = sight
        .levers
        .iter()
        .all(|seen| !matches!(seen.position, Position::Foreign | Position::Absent));
    Ok(known && sight.mode(&opened.site) == Mode::Open)
}
