//! Several things asked at once.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// What all of `futures` give, in their order. Cancel safe where they are.
pub async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut under_way: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut ended: Vec<Option<F::Output>> = under_way.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut waits = false;
        for (future, ended) in under_way.iter_mut().zip(&mut ended) {
            if ended.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *ended = Some(output),
                    Poll::Pending => waits = true,
                }
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    ended.into_iter().flatten().collect()
}
