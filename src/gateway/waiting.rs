//! A request that waits in the room: a future that ends when it is let in or refused. It is not counted while it waits.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::door::{Door, Refused};
use super::inside::Admitted;
use super::lane::Counter;
use super::room::Place;

/// A request in the waiting room. Await it: it comes back let in, counted, or refused.
///
/// Cancel safe: dropping it (the client hung up) frees the place, and the request is never let in.
#[must_use = "a place in the room is kept for it"]
pub struct Waiting {
    place: Option<Place>,
    counter: Arc<Counter>,
    door: Arc<Door>,
}

/// How far one who waits has come.
pub(super) enum Step {
    Wait,
    Pass(Admitted),
    Refuse(Refused),
}

impl Waiting {
    pub(super) fn at(place: Place, counter: Arc<Counter>, door: Arc<Door>) -> Waiting {
        Waiting { place: Some(place), counter, door }
    }
}

impl Future for Waiting {
    type Output = Result<Admitted, Refused>;

    /// # Panics
    /// When it is polled again after it came back, as every future may.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let place = self.place.take().expect("a place is kept until the future comes back");
        match self.door.step(&place, &self.counter, cx.waker()) {
            Step::Wait => {
                self.place = Some(place);
                Poll::Pending
            }
            Step::Pass(admitted) => Poll::Ready(Ok(admitted)),
            Step::Refuse(refused) => Poll::Ready(Err(refused)),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            self.door.left(place);
        }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("place", &self.place).finish_non_exhaustive()
    }
}
