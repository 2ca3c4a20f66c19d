//! `wait`: until what was asked for is settled, or until the site is in a mode, whoever asks for it.

use super::args::WaitArgs;
use super::context::{Context, Opened};
use super::error::Error;
use super::flip::interrupted;
use super::report::{Form, Waiting, status_object, status_words};
use crate::agent::{self, Sight, look};
use crate::clock;
use crate::lever::Progress;
use crate::store::Notice;
use crate::switch::{LeverName, Mode, Seen};

pub(super) async fn run(context: &Context, args: &WaitArgs) -> Result<u8, Error> {
    let wanted = args.for_mode.as_deref().map(str::parse::<Mode>).transpose();
    let wanted = wanted.map_err(|error| Error::Usage {
        message: error.to_string(),
        hint: "for example: roadworks wait --for-mode hold".to_owned(),
    })?;
    let opened = context.open().await?;
    let progress = Waiting::new(context.report);
    let settled = tokio::select! {
        settled = tokio::time::timeout(args.timeout, settled(&opened, wanted, &progress)) => settled,
        signal = interrupted() => return Err(Error::Interrupted { signal }),
    };
    progress.ended();
    let gave_up = agent::Error::GaveUp { what: "settled", waited: args.timeout, still: None };
    let sight = settled.map_err(|_| gave_up)??;
    if context.report.form() == Form::Json {
        context.report.object(&status_object(&opened.site, &sight, clock::now()))?;
    } else {
        context.report.data(&status_words(&opened.site, &sight, clock::now()))?;
    }
    Ok(0)
}

async fn settled(
    opened: &Opened,
    wanted: Option<Mode>,
    progress: &Waiting,
) -> Result<Sight, Error> {
    let site = &opened.site;
    let mut notice = site.store.watch("").await;
    let began = clock::monotonic();
    loop {
        let switch = site.store.switch().await?.map(|(switch, _)| switch);
        let mode = switch.as_ref().map_or(Mode::Open, |switch| switch.mode);
        let seen = switch.as_ref().map_or(Seen::Settled, |switch| switch.seen(clock::now()));
        if seen == Seen::Settled && wanted.is_none_or(|wanted| wanted == mode) {
            return Ok(look(site).await?);
        }
        let what = wanted.unwrap_or(mode);
        let took = clock::monotonic().duration_since(began);
        progress.waiting(LeverName::Gateway, &format!("{what} to be settled"), took);
        notice.changed().await;
    }
}
