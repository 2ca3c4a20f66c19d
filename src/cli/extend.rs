//! `extend`: the running operation gets more time, or waiting requests more patience. The operation stays the same.

use serde_json::json;

use super::args::ExtendArgs;
use super::context::Context;
use super::end::{kept, later, time};
use super::error::Error;
use super::flip::user;
use super::report::{Form, status_object};
use crate::agent::{Extension, extend, look};
use crate::audit::{self, Entry, Event};
use crate::clock;
use crate::store::{AnyStore, SiteStore};
use crate::switch::{End, Mode, Switch};

/// A gateway keeps nobody waiting for longer.
const LONGEST_PATIENCE: u64 = 300;

pub(super) async fn run(context: &Context, args: &ExtendArgs) -> Result<u8, Error> {
    let config = context.config()?;
    let site = config.site(context.common.site.as_deref())?;
    let store = Context::store(&config, site).await?;
    let found = store.switch().await?.filter(|(switch, _)| switch.mode != Mode::Open);
    let Some((switch, version)) = found else {
        return Err(Error::Usage {
            message: "there is no operation to extend: the site is asked to be open".to_owned(),
            hint: "see roadworks status".to_owned(),
        });
    };
    let change = change(&store, &switch, args).await?;
    let extended = extend(&store, (&switch, &version), change).await?;
    let words = match change {
        Extension::End(end) => end.in_words(),
        Extension::Stays => "it stays at its end".to_owned(),
        Extension::Patience(seconds) => {
            format!("requests may wait for {seconds} s from {}", extended.since)
        }
    };
    let name = site.name.clone().unwrap_or_else(|| "site".to_owned());
    log(&store, &name, &extended, &words).await?;
    if context.report.form() == Form::Json {
        let seen = match Box::pin(context.open_site(&config, site)).await {
            Ok(opened) => look(&opened.site).await.ok().map(|sight| (opened, sight)),
            Err(_) => None,
        };
        // Levers out of reach do not undo it.
        let mut object = seen.map_or_else(
            || json!({ "format": 1, "site": name }),
            |(opened, sight)| status_object(&opened.site, &sight, clock::now()),
        );
        if let Some(fields) = object.as_object_mut() {
            fields.insert("operation".to_owned(), json!(extended.operation));
            fields.insert("until".to_owned(), json!(extended.until));
            fields.insert("patience".to_owned(), json!(extended.patience));
        }
        context.report.object(&object)?;
    } else {
        context.report.data(&format!("{name}  {}: {words}", extended.mode))?;
    }
    Ok(0)
}

async fn change(
    store: &SiteStore<AnyStore>,
    switch: &Switch,
    args: &ExtendArgs,
) -> Result<Extension, Error> {
    let now = clock::now();
    if let Some(patience) = args.patience {
        if switch.mode != Mode::Hold {
            return Err(Error::Usage {
                message: format!("nobody waits in {}: patience is for hold", switch.mode),
                hint: "roadworks extend 15m moves the end".to_owned(),
            });
        }
        return match u32::try_from(patience.as_secs()) {
            Ok(seconds @ 1..) if u64::from(seconds) <= LONGEST_PATIENCE => {
                Ok(Extension::Patience(seconds))
            }
            _ => Err(Error::Usage {
                message: format!("patience is 1 s to {LONGEST_PATIENCE} s"),
                hint: "clients and balancers wait no longer: close the site instead".to_owned(),
            }),
        };
    }
    let until = match (args.by, &args.until) {
        // An end that is over is counted from now: what is wanted is time to come.
        (Some(by), _) => later(switch.until.unwrap_or(now).max(now), by)?,
        (None, Some(text)) => time(text, now)?,
        (None, None) => {
            return Err(Error::Usage {
                message: "extend by how much?".to_owned(),
                hint: "roadworks extend 15m, --until TIME or --patience 60s".to_owned(),
            });
        }
    };
    // Whoever keeps the end of now, an agent or a command with --stay, keeps the later one.
    let end = switch.end();
    if end.is_none() {
        kept(store).await?;
    }
    let end = end.map_or(End::At { until, then: switch.on_end }, |end| end.moved_to(until));
    Ok(Extension::End(end))
}

async fn log(
    store: &SiteStore<AnyStore>,
    site: &str,
    switch: &Switch,
    words: &str,
) -> Result<(), Error> {
    let entry = Entry {
        detail: Some(words.to_owned()),
        ..Entry::beside(Some(switch), site, Event::Extended, &user())
    };
    Ok(audit::append(store, &entry, (switch.version, 0)).await?)
}
