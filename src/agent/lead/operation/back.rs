//! The way back: what an operation that could not be finished leaves behind.

use std::time::Duration;

use super::{GATEWAY, Operation, groups};
use crate::agent::{Error, pause};
use crate::audit::Event;
use crate::clock;
use crate::lever::{self, Silent, Started};
use crate::store::Store;
use crate::switch::{LeverName, Mode, Phase, Step, Switch};

/// How long gateways may take to follow a switch that was put back, before nobody waits for them.
const BACK: Duration = Duration::from_secs(2);

/// Whether no visitor meets it.
fn unseen(lever: LeverName) -> bool {
    matches!(lever, LeverName::Variable | LeverName::Pipeline)
}

impl<S: Store> Operation<'_, S> {
    /// After an error: where it is certain that nothing has moved, everything is put back as it was and the switch with
    /// it; else the switch stays as asked, for the next run to finish.
    pub(in crate::agent::lead) async fn gave_up(&mut self, error: Error) -> Error {
        let nothing_moved = match &error {
            Error::Lever(error) => error.nothing_changed(),
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
                if let Err(error) = pause::over(&self.site.store).await {
                    tracing::warn!(site = self.site.name, %error, "what is paused is looked after though nothing is");
                }
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
        let undo: Vec<_> = self
            .made
            .drain(..)
            .rev()
            .map(|step| Step { before: step.after.clone(), after: step.before.clone(), ..step })
            .collect();
        for (lever, steps) in groups(self.site, &undo) {
            lever.start(&steps, &self.switch.operation).await?;
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
