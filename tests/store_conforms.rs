//! What every store must do, run by each: a folder, memory, and buckets of the emulators that this machine has.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use roadworks::config::{Account, BucketConfig, BucketKind};
use roadworks::store::{
    self, Error, Expect, FileStore, Holder, LARGEST, Lease as _, MemoryStore, Notice as _, POLL,
    Right, Store,
};

use crate::support::bucket::bucket;
use crate::support::emulator::{ministack, moto};
use crate::support::terraform::skipped;

#[test]
fn a_container_of_azurite_conforms() {
    let Ok(endpoint) = std::env::var("ROADWORKS_TEST_AZURITE") else {
        return skipped(
            "a_container_of_azurite_conforms",
            "azurite, which script/test installs by npm",
        );
    };
    let config = BucketConfig {
        kind: BucketKind::Azure,
        name: "roadworks".to_owned(),
        prefix: format!("test/{:08x}", fastrand::u32(..)),
        endpoint: Some(endpoint),
        account: Account::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    conforms(&runtime.block_on(store::bucket::open(&config)).unwrap(), POLL * 2, AT_ONCE);
}

/// So many want the first version, and some more each one after; an emulator has time for so many at once.
const WRITERS: [usize; 6] = [1000, 50, 50, 50, 50, 50];
const AT_ONCE: usize = 100;

#[test]
fn a_folder_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&FileStore::at(folder.path().join("state")), POLL / 2, AT_ONCE);
}

#[test]
fn memory_conforms() {
    conforms(&MemoryStore::default(), POLL / 2, AT_ONCE);
}

#[test]
fn a_bucket_of_moto_conforms() {
    // It compares and then writes, with room for another writer in between: of a hundred at once two have won.
    conforms(&bucket(&moto()), POLL * 2, 1);
}

#[test]
fn a_bucket_of_ministack_conforms() {
    conforms(&bucket(&ministack()), POLL * 2, AT_ONCE);
}

/// Runs the suite on an empty store that tells of a write `soon`.
fn conforms<S: Store>(store: &S, soon: Duration, at_once: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        a_document_reads_back_and_only_the_reader_of_its_version_may_replace_it(store).await;
        what_must_be_absent_is_written_once(store).await;
        keys_are_listed_by_prefix_in_order(store).await;
        one_process_at_a_time_holds_a_right(store).await;
        what_is_renewed_or_removed_is_read_so(store).await;
        whoever_watches_is_told_of_a_write(store, soon).await;
        a_document_over_the_limit_is_refused(store).await;
        of_a_thousand_writers_one_wins_each_version(store, at_once).await;
    });
}

async fn a_document_reads_back_and_only_the_reader_of_its_version_may_replace_it<S: Store>(
    store: &S,
) {
    assert_eq!(store.get("switch.json").await.unwrap(), None);
    let first = store.put("switch.json", b"one", Expect::Absent).await.unwrap();
    assert_eq!(store.get("switch.json").await.unwrap(), Some((b"one".to_vec(), first.clone())));
    let second = store.put("switch.json", b"two", Expect::At(first.clone())).await.unwrap();
    let late = store.put("switch.json", b"three", Expect::At(first)).await;
    assert!(matches!(late, Err(Error::Moved { .. })), "{late:?}");
    assert_eq!(store.get("switch.json").await.unwrap(), Some((b"two".to_vec(), second.clone())));
    store.put("switch.json", b"four", Expect::Anything).await.unwrap();
    let elsewhere = Expect::At(second.clone());
    let gone = store.put("never.json", b"x", elsewhere).await;
    assert!(matches!(gone, Err(Error::Moved { .. })), "{gone:?}");
}

async fn what_must_be_absent_is_written_once<S: Store>(store: &S) {
    store.put("audit/a.json", b"{}", Expect::Absent).await.unwrap();
    let again = store.put("audit/a.json", b"[]", Expect::Absent).await;
    assert!(matches!(again, Err(Error::Moved { .. })), "{again:?}");
}

async fn keys_are_listed_by_prefix_in_order<S: Store>(store: &S) {
    store.put("audit/c.json", b"{}", Expect::Absent).await.unwrap();
    store.put("audit/b.json", b"{}", Expect::Absent).await.unwrap();
    let keys = store.list("audit/").await.unwrap();
    assert_eq!(keys, ["audit/a.json", "audit/b.json", "audit/c.json"]);
    assert_eq!(store.list("gateways/").await.unwrap(), Vec::<String>::new());
}

async fn one_process_at_a_time_holds_a_right<S: Store>(store: &S) {
    let (ana, ben) = (Holder::command("ana@laptop"), Holder::command("ben@laptop"));
    let mut held = store.lease(Right::Move, &ana).await.unwrap();
    match held.hold(store.lease(Right::Move, &ben)).await.unwrap() {
        Err(Error::Leased { holder }) => assert_eq!(holder, "ana@laptop"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("two hold the lease"),
    }
    let led = held.hold(store.lease(Right::Lead, &ben)).await.unwrap();
    led.unwrap().release().await;
    held.release().await;
    store.lease(Right::Move, &ben).await.unwrap().release().await;
}

async fn what_is_renewed_or_removed_is_read_so<S: Store>(store: &S) {
    store.renew("gateways/a.json", b"one").await.unwrap();
    store.renew("gateways/a.json", b"two").await.unwrap();
    assert_eq!(store.get("gateways/a.json").await.unwrap().unwrap().0, b"two");
    store.remove("gateways/a.json").await.unwrap();
    store.remove("gateways/a.json").await.unwrap();
    assert_eq!(store.get("gateways/a.json").await.unwrap(), None);
}

async fn whoever_watches_is_told_of_a_write<S: Store>(store: &S, soon: Duration) {
    let mut notice = store.watch("watched.json").await;
    store.put("watched.json", b"new", Expect::Anything).await.unwrap();
    tokio::time::timeout(soon, notice.changed()).await.expect("told of the write");
    let nothing = tokio::time::timeout(POLL / 4, async {
        // One write may be told several times, but not for ever.
        for _ in 0..8 {
            notice.changed().await;
        }
    });
    assert!(nothing.await.is_err(), "nothing was written");
    tokio::time::timeout(POLL * 5, notice.changed()).await.expect("it polls");
    // Whoever asks anew more often, since it has more to do than to wait, is told too.
    let mut asked = 0;
    while tokio::time::timeout(POLL / 4, notice.changed()).await.is_err() {
        asked += 1;
        assert!(asked < 8, "each question puts the next look off");
    }
}

async fn a_document_over_the_limit_is_refused<S: Store>(store: &S) {
    let large = vec![b' '; LARGEST + 1];
    assert!(store.put("large.json", &large, Expect::Absent).await.is_err());
    assert_eq!(store.get("large.json").await.unwrap(), None);
}

async fn of_a_thousand_writers_one_wins_each_version<S: Store>(store: &S, at_once: usize) {
    let mut version = store.put("race.json", b"{}", Expect::Absent).await.unwrap();
    for (round, writers) in WRITERS.into_iter().enumerate() {
        let write = |writer| {
            let expect = Expect::At(version.clone());
            let content = format!("{round} {writer}");
            async move { (store.put("race.json", content.as_bytes(), expect).await, content) }
        };
        let writes =
            stream::iter((0..writers.min(10 * at_once)).map(write)).buffer_unordered(at_once);
        let done: Vec<_> = writes.collect().await;
        let (won, lost): (Vec<_>, Vec<_>) = done.into_iter().partition(|(done, _)| done.is_ok());
        let moved = |(done, _): &(Result<_, Error>, _)| matches!(done, Err(Error::Moved { .. }));
        assert!(lost.iter().all(moved), "{:?}", lost.iter().find(|lost| !moved(lost)));
        let [(Ok(winner), content)] = won.as_slice() else { panic!("{won:?}") };
        let now = store.get("race.json").await.unwrap().unwrap();
        assert_eq!(now, (content.as_bytes().to_vec(), winner.clone()));
        version = winner.clone();
    }
}
