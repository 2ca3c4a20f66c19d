//! The way back: what an operation that could not be finished leaves behind.

use std::time::Duration;

use super::{GATEWAY, Operation, groups};
use crate::agent::{Error, pause};
use crate::audit::Event;
use crate::clock;
use crate::lever::{self, Lasts, Lever, Silent, Started};
use crate::store::Store;
use crate::switch::{LeverName, Mode, Phase, Step, Switch};

/// How long gateways may take to follow a switch that was put back, before nobody waits for them.
const BACK: Duration = Duration::from_secs(2);

/// Whether no visitor meets it.
fn unseen(lever: LeverName) -> bool {
    matches!(lever, LeverName::Variable | LeverName::Pipeline)
}

/// Whether it stands behind what visitors meet.
fn is_inner(lever: LeverName) -> bool {
    matches!(lever, LeverName::Database | LeverName::Workers)
}

/// What puts back what `step` moved.
pub(super) fn turned(step: &Step) -> Step {
    Step { before: step.after.clone(), after: step.before.clone(), ..step.clone() }
}

impl<S: Store> Operation<'_, S> {
    /// After an error: where it is certain that nothing has moved, everything is put back as it was and the switch with
    /// it; else the switch stays as asked, for the next run to finish.
    pub(in crate::agent::lead) async fn gave_up(&mut self, error: Error) -> Error {
        let nothing_moved = match &error {
            Error::Lever(error) => error.nothing_changed(),
            // The site stays as it was, for its end to tell; what was released for the checks is no visitor's affair.
            Error::Unwell { .. } => self.made.iter().all(|step| is_inner(step.lever)),
            _ => false,
        };
        // Of an operation that was cut short only gateways can be put back: where they stood is written in the switch.
        let unknown = self.resumed && !self.is_drain_expired(&error);
        if !nothing_moved || self.followed || unknown {
            let visible = self.made.iter().any(|step| !unseen(step.lever));
            // The switch is written: an agent goes on with it once the check passes.
            let asked = matches!(error, Error::Unwell { .. });
            let error = if visible || asked { error.after_a_move() } else { error };
            self.log(Event::Unfinished, Some(error.to_string())).await;
            return error;
        }
        match self.take_back().await {
            Ok(()) => {
                self.log(Event::Failed, Some(error.to_string())).await;
                error
            }
            Err(undo) => {
                let error = Error::HalfDone { cause: Box::new(error), undo: Box::new(undo) };
                self.log(Event::Unfinished, Some(error.to_string())).await;
                error
            }
        }
    }

    /// Undoes what was made ahead of the lever that said no (the variable), then the switch.
    async fn take_back(&mut self) -> Result<(), Error> {
        let undo: Vec<_> = self.made.drain(..).rev().map(|step| turned(&step)).collect();
        for (lever, steps) in groups(self.site, &undo) {
            self.undone(lever, steps).await?;
        }
        let switch = if self.resumed {
            self.switch.taken_back(Some(&self.before()), clock::now())
        } else {
            self.switch.taken_back(self.previous.as_deref(), clock::now())
        };
        self.version = self.site.store.write_switch(&switch, Some(&self.version)).await?;
        self.gateways_are_back(&undo, &switch).await;
        Ok(())
    }

    /// Undoes one lever's steps. What was let go is not paused again: nobody waits for it.
    async fn undone(&mut self, lever: &dyn Lever, steps: Vec<Step>) -> Result<(), Error> {
        if lever.name() != LeverName::Database {
            lever.start(&steps, &self.switch.operation).await?;
            return Ok(());
        }
        let pauses = self.guard_of(lever, &steps).map(|guarded| guarded.lasts);
        if pauses != Some(Lasts::UntilPutBack) {
            let steps = self.guarded(lever, steps).await?;
            self.started(lever, &steps).await?;
        }
        let seen = lever.observe().await?;
        self.now_seen(lever, &seen);
        Ok(pause::settle(&self.site.store, lever.name(), &seen).await?)
    }

    /// The switch as it was before an operation that somebody else began.
    fn before(&self) -> Switch {
        let stood = self.switch.before.get(GATEWAY.word()).and_then(|word| word.parse().ok());
        Switch {
            mode: stood.unwrap_or(Mode::Open),
            phase: Phase::Moved { moved_at: clock::now(), settles_after: 0 },
            until: None,
            until_healthy: None,
            gateway: None,
            ..self.switch.clone()
        }
    }

    /// Waits a moment until gateways follow the switch that was put back, so that what is said of them is so.
    async fn gateways_are_back(&self, undo: &[Step], switch: &Switch) {
        for (lever, steps) in
            groups(self.site, undo).iter().filter(|(lever, _)| lever.name() == GATEWAY)
        {
            let started =
                Started { changes: vec![switch.operation.to_string()], steps: steps.clone() };
            let back = tokio::time::timeout(BACK, lever.confirm(&started, &Silent)).await;
            if !matches!(back, Ok(Ok(_))) {
                tracing::warn!(
                    site = self.site.name,
                    "not every gateway has followed the switch back"
                );
            }
        }
    }

    fn is_drain_expired(&self, error: &Error) -> bool {
        let others = self.made.iter().any(|step| step.lever != GATEWAY);
        matches!(error, Error::Lever(lever::Error::Refused { code: "drain-expired", .. }))
            && !others
    }
}
