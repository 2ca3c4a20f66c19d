//! `status`: what visitors get, what was asked for, and how far it is; once, or again on each change.

use serde_json::{Value, json};

use super::args::StatusArgs;
use super::context::{Context, Opened};
use super::error::Error;
use super::flip::interrupted;
use super::local::stands;
use super::report::{
    Form, asked_words, ended_by, own_gateway_object, own_gateway_words, status_object,
    status_words, warnings_words,
};
use crate::agent::{self, GATEWAYS, look};
use crate::clock;
use crate::config::Config;
use crate::lever::Position;
use crate::store::{AnyNotice, Notice};
use crate::switch::Mode;

/// The exit code of `-detailed-exitcode` where a site is not open.
const NOT_OPEN: u8 = 2;

pub(super) async fn run(context: &Context, args: &StatusArgs) -> Result<u8, Error> {
    let config = context.config()?;
    let told = tell(context, &config, args).await;
    if let Err(Error::Store(_) | Error::Agent(agent::Error::Store(_))) = &told {
        // The store is out of reach; the gateways of this machine are not, if there are any.
        let state = Context::state(&config);
        let one = context.common.site.as_deref();
        let named = config.sites.iter().filter_map(|site| site.name.as_deref());
        let mut objects = Vec::new();
        for name in named.filter(|name| one.is_none_or(|one| one == *name)) {
            let beat = stands(&state, name).await.ok();
            let Some(beat) = beat.and_then(|beat| serde_json::from_value(beat).ok()) else {
                continue;
            };
            context.report.words(&own_gateway_words(&beat));
            objects.push(own_gateway_object(name, beat));
        }
        if context.report.form() == Form::Json && !args.watch && !objects.is_empty() {
            let sites = if one.is_some() { 1 } else { config.sites.len() };
            context.report.object(&all_of(&objects, sites))?;
        }
    }
    told
}

async fn tell(context: &Context, config: &Config, args: &StatusArgs) -> Result<u8, Error> {
    let several = context.common.site.is_none() && config.sites.len() > 1;
    let mut opened = Vec::new();
    if several {
        for site in &config.sites {
            opened.push(Box::pin(context.open_site(config, site)).await?);
        }
    } else {
        opened.push(context.open().await?);
    }
    if args.watch {
        return watch(context, &opened).await;
    }
    let mut told = Vec::new();
    for opened in &opened {
        told.push(one(context, opened).await?);
    }
    if context.report.form() == Form::Json {
        context.report.object(&objects(&told, opened.len()))?;
    } else {
        for Told { words, warnings, .. } in &told {
            context.report.words(warnings);
            context.report.data(words)?;
        }
    }
    let open = told.iter().all(|told| told.open);
    Ok(if args.detailed_exitcode && !open { NOT_OPEN } else { 0 })
}

/// What is told of one site.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    object: Value,
    words: String,
    warnings: String,
    open: bool,
}

/// One site's object, or all of them.
fn objects(told: &[Told], sites: usize) -> Value {
    let objects: Vec<_> = told.iter().map(|told| told.object.clone()).collect();
    all_of(&objects, sites)
}

/// One object, or all of them where there are several sites.
fn all_of(objects: &[Value], sites: usize) -> Value {
    match objects {
        [only] if sites == 1 => only.clone(),
        all => json!({ "format": 1, "sites": all }),
    }
}

/// Looks at one site.
async fn one(context: &Context, opened: &Opened) -> Result<Told, Error> {
    let now = clock::now();
    let sight = match look(&opened.site).await {
        Ok(sight) => sight,
        Err(error) => {
            // The levers are out of reach; what was asked for is not, or is said with the gateway of this machine.
            if let Ok(Some((switch, _))) = opened.site.store.switch().await {
                context.report.words(&asked_words(&opened.site.name, &switch, now));
            }
            return Err(error.into());
        }
    };
    // A name that leads elsewhere, or nowhere, is not open.
    let known = sight
        .levers
        .iter()
        .all(|seen| !matches!(seen.position, Position::Foreign | Position::Absent));
    Ok(Told {
        object: status_object(&opened.site, &sight, now),
        words: status_words(&opened.site, &sight, now),
        warnings: warnings_words(&opened.site.warnings),
        open: known && sight.mode(&opened.site) == Mode::Open,
    })
}

/// Tells again whenever something of it is different, until interrupted.
async fn watch(context: &Context, opened: &[Opened]) -> Result<u8, Error> {
    let mut notices = Vec::new();
    for opened in opened {
        notices.push((
            opened.site.store.watch_switch().await,
            opened.site.store.watch(GATEWAYS).await,
        ));
    }
    let mut before: Option<Vec<Told>> = None;
    loop {
        let mut told = Vec::new();
        for opened in opened {
            told.push(one(context, opened).await?);
        }
        if before.as_ref().is_none_or(|before| differs(before, &told)) {
            if context.report.form() == Form::Json {
                context.report.data(&objects(&told, opened.len()).to_string())?;
            } else {
                let words: Vec<_> = told.iter().map(|told| told.words.as_str()).collect();
                context.report.screen(&words.join("\n\n"))?;
            }
            before = Some(told);
        }
        tokio::select! {
            () = any(&mut notices) => {}
            signal = interrupted() => return Ok(ended_by(signal)),
        }
    }
}

/// Comes back when the documents of any site change.
async fn any(notices: &mut [(AnyNotice, AnyNotice)]) {
    let mut changes: Vec<_> = notices
        .iter_mut()
        .map(|(switch, gateways)| {
            Box::pin(async {
                tokio::select! {
                    () = switch.changed() => {}
                    () = gateways.changed() => {}
                }
            })
        })
        .collect();
    std::future::poll_fn(|context| {
        use std::future::Future as _;
        use std::task::Poll;
        let ready = changes.iter_mut().any(|change| change.as_mut().poll(context).is_ready());
        if ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Whether anything but the time of a heartbeat is different.
fn differs(before: &[Told], now: &[Told]) -> bool {
    let lasting = |told: &[Told]| -> Vec<_> {
        let objects = told.iter().map(|told| {
            let mut object = told.object.clone();
            let gateways = object.get_mut("gateways").and_then(Value::as_array_mut);
            for gateway in gateways.into_iter().flatten() {
                gateway.as_object_mut().map(|fields| fields.remove("seen"));
            }
            object
        });
        objects.collect()
    };
    lasting(before) != lasting(now)
}
