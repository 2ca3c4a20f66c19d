//! A command that works while visitors are kept out (`roadworks run`). While it lives nobody lets visitors back but whoever runs
//! it: not a person, not the agent at an end.

use super::keeper::living;
use super::{Error, Site};
use crate::store::{Held, Holder, Right, SiteStore, Store};

/// Who runs a command in the site of `store`, if somebody does. Cancel safe.
pub async fn running<S: Store>(store: &SiteStore<S>) -> Result<Option<Held>, crate::store::Error> {
    living(store, Right::Run).await
}

impl<S: Store> Site<S> {
    /// Refuses where somebody else than `own` runs a command.
    pub(super) async fn nobody_else_runs(&self, own: Option<&Holder>) -> Result<(), Error> {
        match running(&self.store).await? {
            Some(held) if !own.is_some_and(|own| held.is_of(own)) => {
                Err(Error::Runs { by: held.holder, at: held.at })
            }
            Some(_) | None => Ok(()),
        }
    }
}
