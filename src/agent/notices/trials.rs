//! Notices, without anybody on the network: a command is told, and a machine that lacks a secret tells nobody.

use std::path::Path;

use super::*;
use crate::audit::{self, Entry};
use crate::config::NotifyWay;
use crate::store::{Listeners, MemoryStore};
use crate::switch::{Mode, OperationId};

fn store() -> SiteStore<MemoryStore> {
    let store = SiteStore::new(MemoryStore::default());
    store.set_listeners(Listeners::Some);
    store
}

fn lacking(name: &str) -> NotifyConfig {
    let way = NotifyWay::Lacking { kind: "slack", why: "no URL here".to_owned() };
    NotifyConfig { name: name.to_owned(), way, occasions: Vec::new() }
}

/// Writes down what it is told of, in the file `told` of `folder`.
fn writes(folder: &Path) -> NotifyConfig {
    let line = "echo $ROADWORKS_EVENT $ROADWORKS_ID >> told".to_owned();
    let way = NotifyWay::Exec {
        command: vec!["sh".to_owned(), "-c".to_owned(), line],
        folder: folder.to_owned(),
        timeout: Duration::from_secs(10),
    };
    NotifyConfig { name: "writes".to_owned(), way, occasions: Vec::new() }
}

fn wrote(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("told")).unwrap_or_default();
    text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

async fn happens(store: &SiteStore<MemoryStore>, event: audit::Event, at: Timestamp, number: u32) {
    let entry = Entry {
        at,
        operation: OperationId::at(at, 7),
        site: "shop".to_owned(),
        event,
        from: Mode::Open,
        to: Mode::Hold,
        by: "ana".to_owned(),
        reason: None,
        detail: None,
        window: None,
    };
    audit::append(store, &entry, (1, number)).await.unwrap();
}

async fn notices(store: &SiteStore<MemoryStore>) -> Vec<Notice> {
    store.documents(NOTICES, 99).await.unwrap().0
}

#[tokio::test]
async fn an_entry_leaves_a_notice_where_somebody_is_to_be_told_and_whoever_tells_takes_it_away() {
    let (folder, store, now) = (tempfile::tempdir().unwrap(), store(), clock::now());
    happens(&store, audit::Event::Asked, now, 1).await;
    happens(&store, audit::Event::Started, now, 2).await;
    happens(&store, audit::Event::Moved, now, 3).await;
    assert_eq!(notices(&store).await.len(), 2, "a step on the way is no news");
    let whom = [writes(folder.path())];
    let teller = Notices::new(&store);
    assert_eq!(teller.round(&whom).await.unwrap(), Round::default());
    assert_eq!(wrote(folder.path()), ["window.started", "mode.changed"]);
    assert!(notices(&store).await.is_empty());
    teller.round(&whom).await.unwrap();
    assert_eq!(wrote(folder.path()).len(), 2);
    store.set_listeners(Listeners::None);
    happens(&store, audit::Event::Moved, now, 4).await;
    assert!(notices(&store).await.is_empty());
}

#[tokio::test]
async fn an_entry_that_is_appended_once_is_told_once_though_its_writing_was_cut_short() {
    let (store, now) = (store(), clock::now());
    let entry = Entry::beside(None, "shop", audit::Event::Announced, "ana");
    let entry = Entry { at: now, operation: OperationId::at(now, 7), ..entry };
    audit::append_once(&store, &entry, (0, 0)).await.unwrap();
    let [notice] = notices(&store).await.try_into().unwrap();
    let [key] = store.keys("audit/").await.unwrap().try_into().unwrap();
    // Killed between the notice and the entry.
    store.remove(&key).await.unwrap();
    audit::append_once(&store, &entry, (0, 0)).await.unwrap();
    assert_eq!(store.keys("audit/").await.unwrap(), [key]);
    let [same] = notices(&store).await.try_into().unwrap();
    assert_eq!(same, notice);
    // Everybody was told: that is not said anew.
    store.remove(&notice.key()).await.unwrap();
    audit::append_once(&store, &entry, (0, 0)).await.unwrap();
    assert_eq!(notices(&store).await, []);
}

#[tokio::test]
async fn who_was_told_is_not_told_again_when_somebody_else_was_not() {
    let (folder, store) = (tempfile::tempdir().unwrap(), store());
    happens(&store, audit::Event::Asked, clock::now(), 1).await;
    let whom = [lacking("slack"), writes(folder.path())];
    let teller = Notices::new(&store);
    let round = teller.round(&whom).await.unwrap();
    assert_eq!((round.left, round.failed[0].name.as_str()), (1, "slack"));
    assert!(!round.failed[0].given_up && round.next.is_some());
    assert_eq!(untold(&store).await.unwrap(), round.failed);
    let [notice] = notices(&store).await.try_into().unwrap();
    assert_eq!(
        (notice.tries, &notice.claim, notice.told.as_slice()),
        (1, &None, &["writes".to_owned()][..])
    );
    // It waits its time, and then again only for the one.
    assert!(teller.round(&whom).await.unwrap().failed.is_empty());
    tokio::time::sleep(FIRST + Duration::from_millis(100)).await;
    let round = teller.round(&whom).await.unwrap();
    assert_eq!((round.failed[0].tries, wrote(folder.path()).len()), (2, 1));
    // Taken out of the configuration nobody waits for it any more.
    assert_eq!(teller.round(&whom[1..]).await.unwrap().left, 0);
    assert!(notices(&store).await.is_empty());
    happens(&store, audit::Event::Asked, clock::now(), 2).await;
    teller.round(&whom[1..]).await.unwrap();
    assert!(untold(&store).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_somebody_else_tells_is_left_to_them_until_they_are_gone() {
    let (folder, store, now) = (tempfile::tempdir().unwrap(), store(), clock::now());
    happens(&store, audit::Event::Asked, now, 1).await;
    let claimed_at = async |at| {
        let key = store.keys(NOTICES).await.unwrap().remove(0);
        let (notice, version) = store.document::<Notice>(&key).await.unwrap().unwrap();
        let claim = Some(Claim { by: "another".to_owned(), at });
        let notice = Notice { claim, ..notice };
        store.write(&key, &notice, Expect::At(version)).await.unwrap();
    };
    let (whom, teller) = ([writes(folder.path())], Notices::new(&store));
    claimed_at(now).await;
    assert_eq!(teller.round(&whom).await.unwrap().left, 1);
    teller.let_go().await.unwrap();
    assert_eq!(teller.round(&whom).await.unwrap().left, 1, "it is not ours to let go");
    assert!(wrote(folder.path()).is_empty());
    claimed_at(now - CLAIM - SignedDuration::from_secs(1)).await;
    assert_eq!(teller.round(&whom).await.unwrap().left, 0);
    assert_eq!(wrote(folder.path()), ["window.started"]);
}

#[tokio::test]
async fn who_let_go_of_a_notice_has_it_told_by_others_at_once() {
    let (folder, store) = (tempfile::tempdir().unwrap(), store());
    happens(&store, audit::Event::Asked, clock::now(), 1).await;
    let (first, other) = (Notices::new(&store), Notices::new(&store));
    let slow = NotifyConfig {
        way: NotifyWay::Exec {
            command: ["sleep", "60"].map(str::to_owned).into(),
            folder: folder.path().to_owned(),
            timeout: Duration::from_mins(1),
        },
        ..writes(folder.path())
    };
    let told = tokio::time::timeout(Duration::from_millis(200), first.round(&[slow])).await;
    assert!(told.is_err(), "it is cut off while it tells");
    let whom = [writes(folder.path())];
    assert_eq!(other.round(&whom).await.unwrap().left, 1);
    first.let_go().await.unwrap();
    assert_eq!(other.round(&whom).await.unwrap().left, 0);
}

#[tokio::test]
async fn after_an_hour_it_is_given_up_and_that_stays_to_be_seen() {
    let store = store();
    let long_ago = clock::now() - GIVES_UP - SignedDuration::from_secs(1);
    happens(&store, audit::Event::Overdue, long_ago, 1).await;
    let round = Notices::new(&store).round(&[lacking("slack")]).await.unwrap();
    assert_eq!((round.left, round.failed[0].given_up), (0, true));
    assert!(notices(&store).await.is_empty());
    assert!(untold(&store).await.unwrap()[0].in_words().ends_with("nobody tries again"));
}

#[tokio::test]
async fn only_who_wants_to_hear_of_it_is_told() {
    let (folder, store) = (tempfile::tempdir().unwrap(), store());
    let one = NotifyConfig { occasions: vec![Occasion::WindowOverdue], ..writes(folder.path()) };
    happens(&store, audit::Event::Asked, clock::now(), 1).await;
    happens(&store, audit::Event::Overdue, clock::now(), 2).await;
    assert_eq!(Notices::new(&store).round(&[one]).await.unwrap().left, 0);
    assert_eq!(wrote(folder.path()), ["window.overdue"]);
}

#[test]
fn the_pause_doubles_up_to_a_few_minutes() {
    let pauses: Vec<_> = (0..10).map(|tries| pause(tries).as_secs()).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 240, 240]);
    assert_eq!(pause(u32::MAX), LONGEST);
}
