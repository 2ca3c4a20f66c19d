//! A right whose holder is cut off from the bucket: it must stop before anybody else may have the right, and what it has
//! sent may still be on its way then.

use std::future::pending;
use std::time::Duration;

use roadworks::clock;
use roadworks::store::{Error, Holder, Lease as _, Right, Store as _};

use super::store::SimulatedStore;
use super::world::World;

/// Another one may have the right once its document has stood still for ten seconds.
const KEPT: Duration = Duration::from_secs(8);

/// Holds the right to move, is cut off for ever some time after, and gives the right back: how long it went on, and what the
/// bucket says of the right then.
fn cut_off(seed: u64) -> (Duration, serde_json::Value) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World::new(seed, None);
        let store = SimulatedStore::of(&world, 0);
        world.inner().storm = None;
        let mut lease = store.lease(Right::Move, &Holder::command("ana")).await.unwrap();
        let after = Duration::from_millis(world.inner().chance.u64(..5000));
        let cut = clock::monotonic() + after;
        let cuts = async {
            tokio::time::sleep_until(cut).await;
            let mut inner = world.inner();
            // What has no answer is waited for.
            inner.storm = Some(u32::MAX);
            inner.parted.insert(0, cut + Duration::from_hours(1));
        };
        let (ended, ()) = tokio::join!(lease.hold(pending::<()>()), cuts);
        ended.unwrap_err();
        let went_on = clock::monotonic().duration_since(cut);
        world.inner().parted.clear();
        lease.release().await;
        let document = world.inner().documents["moving.json"].0.clone();
        (went_on, serde_json::from_slice(&document).unwrap())
    })
}

#[test]
fn whoever_cannot_say_that_it_lives_stops_before_anybody_else_may_have_its_right() {
    for seed in 0..200 {
        let (went_on, _) = cut_off(seed);
        assert!(went_on <= KEPT, "seed {seed}: {went_on:?}");
    }
}

#[test]
fn a_right_that_was_lost_at_work_is_not_given_back_while_what_was_sent_may_still_arrive() {
    for seed in 0..50 {
        let (_, held) = cut_off(seed);
        assert_eq!(held["released"], false, "seed {seed}: {held}");
    }
}

#[test]
fn nobody_is_told_that_they_took_their_own_right_because_an_answer_was_lost() {
    let mut held = 0;
    for seed in 0..1000 {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
        let ended = runtime.block_on(async {
            let world = World::new(seed, None);
            let store = SimulatedStore::of(&world, 0);
            world.inner().storm = None;
            let mut lease = store.lease(Right::Move, &Holder::command("ana")).await.unwrap();
            world.inner().storm = Some(6);
            lease.hold(tokio::time::sleep(Duration::from_secs(20))).await
        });
        let own = matches!(&ended, Err(Error::Leased { holder }) if holder == "ana");
        assert!(!own, "seed {seed}");
        held += usize::from(ended.is_ok());
    }
    assert!(held > 0, "{held} have held it to the end");
}
