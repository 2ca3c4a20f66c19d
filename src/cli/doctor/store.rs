//! The store: it can be written, and a bucket keeps the promises that one switch for many machines rests on.

use serde_json::json;

use super::super::report::message;
use super::{Finding, fail, ok, warn};
use crate::config::StoreAt;
use crate::store::{self, AnyStore, Expect, Holder, Lease as _, SiteStore};

pub(super) async fn findings(at: &StoreAt, store: &SiteStore<AnyStore>) -> Vec<Finding> {
    let mut findings = vec![writable(store).await];
    if matches!(at, StoreAt::Bucket(_)) {
        let scratch = format!("doctor-{:08x}.json", fastrand::u32(..));
        findings.push(absent(store, &scratch).await);
        findings.push(conditional(store, &scratch).await);
        // Whatever became of it; where it cannot be written there is none.
        drop(store.remove(&scratch).await);
    }
    findings
}

async fn writable(store: &SiteStore<AnyStore>) -> Finding {
    const ID: &str = "store-writable";
    match store.lease(&Holder::command("roadworks doctor")).await {
        Ok(lease) => {
            lease.release().await;
            ok(ID, store.describe())
        }
        Err(error @ store::Error::Leased { .. }) => warn(ID, &error, error.hint()),
        Err(error) => fail(
            ID,
            message(&error.into()),
            "make it writable, or name another store: store { url = .. }",
        ),
    }
}

/// Without the right to list, S3 says 403 of what is not there: a gateway that starts then knows nothing and answers 503.
async fn absent(store: &SiteStore<AnyStore>, scratch: &str) -> Finding {
    const ID: &str = "store-absent";
    match store.document::<serde_json::Value>(scratch).await {
        Ok(_) => ok(ID, "what was never written is told from what may not be read"),
        Err(error) => fail(
            ID,
            format!(
                "what was never written looks like what may not be read, so a gateway that starts before the first move answers 503: {}",
                message(&error.into())
            ),
            "allow s3:ListBucket on the bucket, for this prefix: docs/store.md",
        ),
    }
}

/// Some that look like S3 take every write, whatever it expects: of two that throw the switch both would win.
async fn conditional(store: &SiteStore<AnyStore>, scratch: &str) -> Finding {
    const ID: &str = "store-conditional";
    let write = |text: &'static str, expect: Expect| async move {
        store.write(scratch, &json!({ "doctor": text }), expect).await
    };
    let proof = async {
        let first = write("first", Expect::Absent).await?;
        let again = write("again", Expect::Absent).await;
        let second = write("second", Expect::At(first.clone())).await?;
        let late = write("late", Expect::At(first)).await;
        let kept = store.document::<serde_json::Value>(scratch).await?;
        let refused =
            |done: &Result<_, store::Error>| matches!(done, Err(store::Error::Moved { .. }));
        Ok::<_, store::Error>(
            refused(&again) && refused(&late) && kept.is_some_and(|(_, version)| version == second),
        )
    };
    match proof.await {
        Ok(true) => ok(ID, "a write that expects something else is refused"),
        Ok(false) | Err(store::Error::Moved { .. }) => fail(
            ID,
            format!(
                "{} does not honour conditional writes (If-Match, If-None-Match): two that throw the switch at once would both win",
                store.describe()
            ),
            "take a store that does: S3, R2, MinIO, Ceph since Reef, Google Cloud Storage, Azure Blob Storage",
        ),
        Err(error) => {
            fail(ID, message(&error.into()), "the first line says what is wrong with the store")
        }
    }
}
