//! What is paused while a command works: it is said when somebody lets it go, and it is let go here where nobody else does.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use super::super::context::{Context, Opened};
use super::super::flip::user;
use super::super::watchdog::OneSite;
use crate::agent::{PauseKeeper, Sight, Stands};
use crate::audit::{self, Event};
use crate::store::AnyStore;

/// How much longer than was promised it may last, until whoever looks after it is taken for dead.
const GRACE: Duration = Duration::from_secs(3);
/// How far back the log is read for why it was let go.
const LOOK_BACK: usize = 20;

/// What is paused at a site for the command that works there.
pub(super) struct Paused<'a> {
    context: &'a Context,
    opened: &'a Opened,
    keeper: PauseKeeper<'a, AnyStore, OneSite>,
    /// Whether it was, and whether it was said that it is not any more.
    was: Cell<bool>,
    said: Cell<bool>,
}

impl<'a> Paused<'a> {
    pub(super) fn of(context: &'a Context, opened: &'a Opened, sites: &'a OneSite) -> Paused<'a> {
        let name = format!("{} (run)", user());
        let keeper = PauseKeeper::new((&opened.site.name, &opened.site.store), sites, name);
        let keeper = keeper.after(GRACE);
        Paused { context, opened, keeper, was: Cell::new(false), said: Cell::new(false) }
    }

    /// Sees to it while the command works, and says once that it runs again.
    pub(super) async fn kept(&self) -> Infallible {
        if self.opened.databases.is_empty() {
            return std::future::pending().await;
        }
        loop {
            self.looks().await;
            self.keeper.changed().await;
        }
    }

    async fn looks(&self) {
        match self.keeper.turn().await {
            Stands::Paused => self.was.set(true),
            Stands::Running if self.was.get() && !self.said.replace(true) => {
                self.context
                    .report
                    .words("warning: what was paused for it runs again: `roadworks log` says why");
            }
            Stands::Running | Stands::Unknown => {}
        }
    }

    /// Why it runs again already, if it was paused for the operation of `sight` and does.
    pub(super) async fn let_go(&self, sight: &Sight) -> Option<String> {
        if !self.was.get() || self.keeper.turn().await != Stands::Running {
            return None;
        }
        let why = self.why(sight).await;
        // Whoever let it go may be about to say so.
        Some(why.unwrap_or_else(|| "what was paused for it runs again".to_owned()))
    }

    async fn why(&self, sight: &Sight) -> Option<String> {
        let operation = sight.switch.as_ref().map(|(switch, _)| &switch.operation)?;
        let (entries, _) = audit::log(&self.opened.site.store, LOOK_BACK).await.ok()?;
        let of_it =
            |entry: &&audit::Entry| entry.event == Event::LetGo && entry.operation == *operation;
        entries.iter().rev().find(of_it)?.detail.clone()
    }
}
