//! Terraform's backend `s3`, its workspaces and its lock, against ministack's S3.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use roadworks::terraform::backend::{Backend, BackendBlock, Lock, Surroundings};
use serde_json::{Value, json};

use crate::support::emulator::ministack;

const LOCK: &str = r#"{"ID":"7f2c","Operation":"OperationTypeApply","Info":"","Who":"ann@laptop","Version":"1.11.4","Created":"2026-11-23T20:00:00Z","Path":"states/net/a.tfstate"}"#;

/// A bucket of this run's own, written by the AWS CLI.
struct Bucket {
    name: String,
    folder: tempfile::TempDir,
}

impl Bucket {
    fn unmade(name: &str) -> Bucket {
        let name = format!("roadworks-{name}-{}", std::process::id());
        Bucket { name, folder: tempfile::tempdir().unwrap() }
    }

    fn new(name: &str) -> Bucket {
        let bucket = Bucket::unmade(name);
        bucket.s3api(&["create-bucket"]);
        bucket
    }

    fn put(&self, key: &str, content: &str) {
        let body = self.folder.path().join("body");
        fs::write(&body, content).unwrap();
        self.s3api(&["put-object", "--key", key, "--body", body.to_str().unwrap()]);
    }

    fn s3api(&self, arguments: &[&str]) {
        let (operation, rest) = arguments.split_first().unwrap();
        aws(&[&["s3api", operation, "--bucket", &self.name], rest].concat());
    }

    /// The folder's backend as its `.tf` would name it, with another workspace selected.
    fn backend(&self, workspace: &str) -> Backend {
        self.backend_with(workspace, &json!({}))
    }

    fn backend_with(&self, workspace: &str, more: &Value) -> Backend {
        let mut settings = json!({
            "bucket": self.name,
            "key": "net/a.tfstate",
            "region": "us-east-1",
            "access_key": "test",
            "secret_key": "test",
            "use_lockfile": true,
            "endpoints": [{ "s3": ministack(), "dynamodb": ministack() }],
        });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let block = BackendBlock {
            kind: "s3".to_owned(),
            settings: serde_json::from_value(settings).unwrap(),
        };
        let chosen = Surroundings { workspace: Some(workspace.to_owned()), data_dir: None };
        Backend::find(Path::new("/nowhere"), Some(&block), None, &chosen).unwrap()
    }
}

fn aws(arguments: &[&str]) {
    let aws =
        env::var("ROADWORKS_TEST_AWS").expect("this test needs the aws command: run script/test");
    let output = Command::new(aws)
        .args(["--endpoint-url", &ministack()])
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn each_workspace_reads_its_own_state() {
    let bucket = Bucket::new("states");
    assert_eq!(bucket.backend("default").read().await.unwrap(), None);
    bucket.put("net/a.tfstate", "default's");
    bucket.put("env:/prod/net/a.tfstate", "prod's");
    bucket.put("env:/other/web/b.tfstate", "another folder's");
    assert_eq!(bucket.backend("default").read().await.unwrap().unwrap(), b"default's");
    let prod = bucket.backend("prod");
    assert_eq!(prod.read().await.unwrap().unwrap(), b"prod's");
    let all = prod.workspaces().await.unwrap();
    assert!(all.complete);
    assert_eq!(Vec::from_iter(all.names), ["default", "prod"]);
}

#[tokio::test]
async fn a_lock_object_names_who_holds_it() {
    let bucket = Bucket::new("locks");
    let backend = bucket.backend("prod");
    assert_eq!(backend.lock().await.unwrap(), Lock::Free);
    bucket.put("env:/prod/net/a.tfstate.tflock", LOCK);
    let Lock::Held(holder) = backend.lock().await.unwrap() else { panic!("it is held") };
    assert_eq!((holder.who.as_str(), holder.id.as_str()), ("ann@laptop", "7f2c"));
    let place = format!("s3://{}/env:/prod/net/a.tfstate.tflock", bucket.name);
    assert_eq!(holder.place, place);
    assert_eq!(bucket.backend("default").lock().await.unwrap(), Lock::Free);
    bucket.put("net/a.tfstate.tflock", "");
    assert!(matches!(bucket.backend("default").lock().await.unwrap(), Lock::Held(_)));
}

#[tokio::test]
async fn a_lock_in_a_table_names_who_holds_it_too() {
    let bucket = Bucket::new("table");
    let locked = |workspace| {
        bucket.backend_with(
            workspace,
            &json!({ "dynamodb_table": bucket.name, "use_lockfile": false }),
        )
    };
    let Lock::Unseen { why } = locked("prod").lock().await.unwrap() else { panic!("no table") };
    assert!(why.contains("dynamodb:GetItem"), "{why}");
    let made = ["dynamodb", "create-table", "--table-name", &bucket.name];
    let key = ["AttributeName=LockID,AttributeType=S", "AttributeName=LockID,KeyType=HASH"];
    let of = ["--attribute-definitions", key[0], "--key-schema", key[1]];
    aws(&[&made[..], &of, &["--billing-mode", "PAY_PER_REQUEST"]].concat());
    assert_eq!(locked("prod").lock().await.unwrap(), Lock::Free);
    let id = format!("{}/env:/prod/net/a.tfstate", bucket.name);
    // The digest of the state, which Terraform keeps beside its locks, is none.
    for (id, key, value) in [(format!("{id}-md5"), "Digest", "0"), (id.clone(), "Info", LOCK)] {
        let item = json!({ "LockID": { "S": id }, key: { "S": value } }).to_string();
        let words = ["dynamodb", "put-item", "--table-name", &bucket.name, "--item", &item];
        assert_eq!(locked("prod").lock().await.unwrap(), Lock::Free);
        aws(&words);
    }
    let Lock::Held(holder) = locked("prod").lock().await.unwrap() else { panic!("it is held") };
    assert_eq!((holder.who.as_str(), holder.id.as_str()), ("ann@laptop", "7f2c"));
    assert_eq!(holder.place, format!("dynamodb://{}/{id}", bucket.name));
    assert!(holder.hint().contains("terraform force-unlock 7f2c"), "{}", holder.hint());
    assert_eq!(locked("default").lock().await.unwrap(), Lock::Free);
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_an_error_and_not_an_empty_state() {
    let bucket = Bucket::unmade("nowhere");
    let error = bucket.backend("default").read().await.unwrap_err();
    let place = format!("s3://{}/net/a.tfstate", bucket.name);
    assert_eq!(error.to_string(), format!("cannot read the state {place}"));
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("NoSuchBucket"), "{cause}");
}
