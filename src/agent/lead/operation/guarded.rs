//! What must not stay as an operation moves it: looked after by somebody else before it moves, and until it is back.

use super::{Depth, Operation, back};
use crate::agent::Error;
use crate::agent::pause::{self, Mover};
use crate::lever::{self, Guarded, Lasts, Lever, Started};
use crate::store::Store;
use crate::switch::{LeverName, Step};

impl<S: Store> Operation<'_, S> {
    /// What of `steps` somebody else has to look after, seen from where the lever stood last.
    pub(super) fn guard_of(&self, lever: &dyn Lever, steps: &[Step]) -> Option<Guarded> {
        let mut levers = self.site.levers.iter().zip(&self.seen);
        let (_, seen) = levers.find(|(other, _)| other.name() == lever.name())?;
        lever.guarded(seen, steps, self.switch.mode)
    }

    /// The steps as they are made: what must not stay as they move it is looked after by somebody else first, and what was
    /// paused goes back to where it was.
    pub(super) async fn guarded(
        &mut self,
        lever: &dyn Lever,
        steps: Vec<Step>,
    ) -> Result<Vec<Step>, Error> {
        let (mut guarded, mut steps) = (self.guard_of(lever, &steps), steps);
        if let (Depth::Unpaused, Some(Guarded { lasts: Lasts::UntilPutBack, undo, .. })) =
            (self.depth, &guarded)
        {
            steps.retain(|step| undo.iter().all(|undo| undo.target != step.target));
            // What is left may pause something for as long as it moves.
            guarded = self.guard_of(lever, &steps);
        }
        let store = &self.site.store;
        self.lasts = guarded.as_ref().map(|guarded| guarded.lasts);
        if let Some(guarded) = guarded {
            let (operation, by, run) = (&self.switch.operation, &self.by, self.run.as_ref());
            pause::begin(store, &Mover { operation, by, run }, (lever.name(), guarded)).await?;
        }
        if lever.name() != LeverName::Database {
            return Ok(steps);
        }
        Ok(pause::as_before(store, lever.name(), steps).await?)
    }

    /// Starts them. What could not be paused, and was let go, need not be looked after.
    pub(super) async fn started(
        &self,
        lever: &dyn Lever,
        steps: &[Step],
    ) -> Result<Started, Error> {
        let started = lever.start(steps, &self.switch.operation).await;
        if started.is_err() && self.lasts.is_some() {
            let seen = lever.observe().await?;
            pause::settle(&self.site.store, lever.name(), &seen).await?;
        }
        Ok(started?)
    }

    /// A lever has confirmed: what is not paused any more need not be looked after, and what is must be.
    pub(super) async fn unguarded(&self, lever: &dyn Lever) -> Result<(), Error> {
        let name = lever.name();
        if name != LeverName::Database {
            return Ok(());
        }
        let mut levers = self.site.levers.iter().zip(&self.seen);
        if let Some((_, seen)) = levers.find(|(other, _)| other.name() == name) {
            pause::settle(&self.site.store, name, seen).await?;
        }
        let store = &self.site.store;
        if self.lasts != Some(Lasts::UntilPutBack)
            || pause::is_kept(store, &self.switch.operation).await?
        {
            return Ok(());
        }
        // Its time was over before it was paused: this process stood still, perhaps.
        let own = self.made.iter().filter(|step| step.lever == name);
        let undo: Vec<_> = own.map(back::turned).collect();
        lever.start(&undo, &self.switch.operation).await?;
        Err(Error::Lever(lever::Error::Refused {
            code: "nobody-resumes",
            message: format!("the {name} was paused too late: nobody looked after it any more"),
            hint: "try again".to_owned(),
        }))
    }
}
