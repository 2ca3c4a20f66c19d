//! Telling beside a verb, which is never held up by it: what it did is told while it works, for a moment after it, and else by an
//! agent or by the next command.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;

use super::args::Verb;
use super::context::Context;
use super::error::Error;
use crate::agent::{Notices, Untold, alive};
use crate::audit::NOTICES;
use crate::config::NotifyConfig;
use crate::store::{AnyStore, Notice as _, SiteStore};

/// So long a verb's end is put off, at most, for who is slow to answer; so long it takes to leave the rest to others.
const AT_ITS_END: Duration = Duration::from_secs(2);
const LETTING_GO: Duration = Duration::from_millis(500);
/// How long it may take to know whether an agent lives: else this process tells.
const KNOWS: Duration = Duration::from_millis(500);
/// How often is looked again, at the end of a verb.
const AGAIN: Duration = Duration::from_millis(100);

/// What became of it.
#[derive(Default)]
struct Told {
    failed: Vec<Untold>,
    left: usize,
}

/// Does `work`, the work of `verb`, and tells of it.
pub(super) async fn while_(
    context: &Context,
    verb: &Verb,
    work: impl Future<Output = Result<u8, Error>>,
) -> Result<u8, Error> {
    if !verb.is_told_of() {
        return work.await;
    }
    // What is wrong with the configuration is the verb's to say.
    let Some((store, whom)) = listeners(context).await else { return work.await };
    let notices = Notices::new(&store);
    let (ending, ends) = watch::channel(false);
    let mut told = Told::default();
    let done = {
        let mut tells = pin!(tell(&store, &notices, &whom, (ends, &mut told)));
        let mut work = pin!(work);
        let done = tokio::select! {
            biased;
            done = &mut work => done,
            // It ends only after the verb has.
            () = &mut tells => work.await,
        };
        ending.send_replace(true);
        if tokio::time::timeout(AT_ITS_END, tells).await.is_ok() { Ok(done) } else { Err(done) }
    };
    let done = match done {
        Ok(done) => done,
        Err(done) => {
            drop(tokio::time::timeout(LETTING_GO, notices.let_go()).await);
            let keys = tokio::time::timeout(LETTING_GO, store.keys(NOTICES)).await;
            told.left = keys.ok().and_then(Result::ok).map_or(told.left, |keys| keys.len());
            done
        }
    };
    warn(context, &told);
    done
}

/// Where its notices are, and who is told; nobody where the configuration is not well, or has none.
async fn listeners(context: &Context) -> Option<(SiteStore<AnyStore>, Vec<NotifyConfig>)> {
    let config = context.config().ok()?;
    let site = config.site(context.common.site.as_deref()).ok()?;
    if site.notify.is_empty() {
        return None;
    }
    let store = Context::store(&config, site).await.ok()?;
    Some((store, site.notify.clone()))
}

/// Tells, unless an agent does, until `ends` says that nothing more comes and nothing is left.
async fn tell(
    store: &SiteStore<AnyStore>,
    notices: &Notices<'_, AnyStore>,
    whom: &[NotifyConfig],
    (mut ends, told): (watch::Receiver<bool>, &mut Told),
) {
    let mut notice = store.watch(NOTICES).await;
    loop {
        // Read before the round: what was written before it is seen by it.
        let ending = *ends.borrow_and_update();
        let led = tokio::time::timeout(KNOWS, alive(store)).await;
        if matches!(led, Ok(Ok(Some(_)))) {
            // The agent tells, and says in its own log where it cannot.
            (told.left, told.failed) = (0, Vec::new());
        } else if let Ok(round) = notices.round(whom).await {
            told.left = round.left;
            for one in round.failed {
                told.failed.retain(|other| other.name != one.name);
                told.failed.push(one);
            }
            if round.left == 0 {
                told.failed.retain(|one| one.given_up);
            }
        }
        match (ending, told.left) {
            (true, 0) => return,
            (true, _) => tokio::time::sleep(AGAIN).await,
            (false, _) => tokio::select! {
                () = notice.changed() => {}
                // Whoever sent it is gone only after this.
                _ = ends.changed() => {}
            },
        }
    }
}

fn warn(context: &Context, told: &Told) {
    for one in &told.failed {
        context.report.words(&format!("warning: {}", one.in_words()));
    }
    if told.left > 0 {
        let count = told.left;
        let of = if count == 1 { "of one event" } else { "of some events" };
        context.report.words(&format!(
            "warning: not everybody was told {of} yet: an agent tells, or the next command that moves the site; see roadworks status"
        ));
    }
}
