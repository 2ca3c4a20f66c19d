//! `status --watch`: again on each change, until interrupted.

use std::pin::pin;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::super::context::{Context, Opened};
use super::super::error::Error;
use super::super::flip::interrupted;
use super::super::report::{Form, ended_by};
use super::{Of, Told, all_of, asked, seen as seen_now, told};
use crate::agent::{self, GATEWAYS, Sight};
use crate::clock;
use crate::config::Config;
use crate::store::{AnyNotice, Notice};

/// How often the systems of levers are asked that are no gateways: Route 53 gives few requests to each account, and somebody may
/// watch all day.
const LEVERS: Duration = Duration::from_secs(10);

/// Tells again whenever something of it is different, until interrupted.
pub(super) async fn run(context: &Context, config: &Config, of: Of) -> Result<u8, Error> {
    let mut opened = Vec::new();
    if of == Of::All {
        for site in &config.sites {
            opened.push(Box::pin(context.open_site(config, site)).await?);
        }
    } else {
        opened.push(context.open().await?);
    }
    let mut notices = Vec::new();
    for opened in &opened {
        notices.push((
            opened.site.store.watch_switch().await,
            opened.site.store.watch(GATEWAYS).await,
        ));
    }
    let mut seen: Vec<_> = opened.iter().map(|_| None).collect();
    let mut before: Option<Vec<Told>> = None;
    // One for all of the time: a signal that comes while levers are asked counts, too.
    let mut stop = pin!(interrupted());
    loop {
        let mut all = Vec::new();
        for (opened, seen) in opened.iter().zip(&mut seen) {
            match again(opened, seen.take()).await {
                Ok((sight, asked)) => {
                    all.push(told(opened, &sight));
                    *seen = Some((sight, asked));
                }
                Err(error) => {
                    asked(context, opened).await;
                    return Err(error.into());
                }
            }
        }
        if before.as_ref().is_none_or(|before| differs(before, &all)) {
            if context.report.form() == Form::Json {
                let objects: Vec<_> = all.iter().map(|told| told.object.clone()).collect();
                context.report.data(&all_of(&objects, of).to_string())?;
            } else {
                let words: Vec<_> = all.iter().map(|told| told.words.as_str()).collect();
                context.report.screen(&words.join("\n\n"))?;
            }
            before = Some(all);
        }
        tokio::select! {
            () = any(&mut notices) => {}
            signal = &mut stop => return Ok(ended_by(signal)),
        }
    }
}

/// What is so now: switch and gateways at once, other levers as they were seen [`LEVERS`] ago at most.
async fn again(
    opened: &Opened,
    seen: Option<(Sight, Instant)>,
) -> Result<(Sight, Instant), agent::Error> {
    let now = clock::monotonic();
    match seen {
        Some((mut sight, asked)) if now.duration_since(asked) < LEVERS => {
            sight.again(&opened.site).await?;
            Ok((sight, asked))
        }
        Some(_) | None => Ok((seen_now(&opened.site).await?, now)),
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
