//! A round trip on a record that nobody needs, by the same code as the real one: made, swapped, removed.

use std::time::Duration;

use crate::clock;
use crate::lever::{Error, Lever, Progress};
use crate::switch::{Mode, OperationId};

/// The scratch record, and how long each part of the round trip took until it was confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exercise {
    /// Its name, without its last dot.
    pub name: String,
    /// Making the record.
    pub made: Duration,
    /// Swapping its value.
    pub swapped: Duration,
    /// Removing it.
    pub removed: Duration,
}

/// The levers of one scratch record.
pub(super) struct Scratch<L> {
    /// Its name, without its last dot.
    pub(super) name: String,
    /// Open makes it, detour swaps its value.
    pub(super) swapping: L,
    /// Detour removes it.
    pub(super) removing: L,
    /// A confirmation that takes longer is a finding.
    pub(super) patience: Duration,
    /// Which one then, and what to look at.
    pub(super) late: (String, &'static str),
}

impl<L: Lever> Scratch<L> {
    /// Not cancel safe: dropped midway, the record may be left behind, which harms nobody.
    pub(super) async fn round_trip(
        self,
        operation: &OperationId,
        progress: &dyn Progress,
    ) -> Result<Exercise, Error> {
        let made = self.timed(&self.swapping, Mode::Open, operation, progress).await;
        let swapped = match &made {
            Ok(_) => self.timed(&self.swapping, Mode::Detour, operation, progress).await,
            Err(_) => Ok(Duration::ZERO),
        };
        // Whatever became of it before, it is taken away; why it could not be made says more than that it could not.
        let removed = self.remove(operation, progress).await;
        let (made, swapped) = (made?, swapped?);
        Ok(Exercise { name: self.name, made, swapped, removed: removed? })
    }

    /// Takes it away, if it is there.
    pub(super) async fn remove(
        &self,
        operation: &OperationId,
        progress: &dyn Progress,
    ) -> Result<Duration, Error> {
        self.timed(&self.removing, Mode::Detour, operation, progress).await
    }

    async fn timed(
        &self,
        lever: &L,
        to: Mode,
        operation: &OperationId,
        progress: &dyn Progress,
    ) -> Result<Duration, Error> {
        let began = clock::monotonic();
        let seen = lever.observe().await?;
        let steps = lever.steps(&seen, to);
        let started = lever.start(&steps, operation).await?;
        let confirmed = tokio::time::timeout(self.patience, lever.confirm(&started, progress));
        let (what, hint) = &self.late;
        confirmed.await.map_err(|_| Error::Unknown {
            message: format!("{what} within {} s", self.patience.as_secs()),
            hint: (*hint).to_owned(),
        })??;
        Ok(clock::monotonic().duration_since(began))
    }
}
