//! `store {}`: where the switch and all documents are.

use hcl_edit::structure::Body;

use super::dns::account;
use super::locate::StoreAt;
use super::read::Reader;
use super::site::Account;

/// A bucket, and the folder in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketConfig {
    /// Whose it is.
    pub kind: BucketKind,
    /// Its name; on Azure the container's.
    pub name: String,
    /// The folder, without slashes at its ends; empty for none.
    pub prefix: String,
    /// Another endpoint: `MinIO`, R2, Ceph, an emulator.
    pub endpoint: Option<String>,
    /// Whose credentials, in S3.
    pub account: Account,
}

/// What a bucket's URL begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketKind {
    /// `s3://`: S3, and whatever speaks like it.
    S3,
    /// `gs://`: Google Cloud Storage.
    Google,
    /// `az://`: Azure Blob Storage.
    Azure,
}

impl BucketKind {
    /// How a URL of it begins.
    pub fn scheme(self) -> &'static str {
        match self {
            BucketKind::S3 => "s3://",
            BucketKind::Google => "gs://",
            BucketKind::Azure => "az://",
        }
    }
}

const KINDS: [BucketKind; 3] = [BucketKind::S3, BucketKind::Google, BucketKind::Azure];

impl BucketConfig {
    /// `s3://shop-roadworks/state`
    pub fn url(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("{}{}{slash}{}", self.kind.scheme(), self.name, self.prefix)
    }
}

/// Whose credentials: of the others their own tools' environment says it.
const S3_ONLY: [&str; 3] = ["profile", "region", "assume_role"];

/// Reads the block, if there is one.
pub(super) fn store<'a>(reader: &mut Reader<'a>, body: &'a Body) -> StoreAt {
    let default = StoreAt::Folder(reader.folder().join(".roadworks"));
    let Some(block) = body.get_blocks("store").next() else { return default };
    reader.labels(block, &[]);
    reader.only(&block.body, &["url", "endpoint", "profile", "region", "assume_role"], &[], &[]);
    let Some(url) = reader.needed(block, "url") else { return default };
    let (endpoint, account) = (reader.text(&block.body, "endpoint"), account(reader, block));
    let bucket = KINDS.into_iter().find_map(|kind| Some((kind, url.strip_prefix(kind.scheme())?)));
    if let Some((kind, place)) = bucket {
        let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = prefix.trim_end_matches('/');
        let names =
            prefix.is_empty() || prefix.split('/').all(|part| !["", ".", ".."].contains(&part));
        if !name.is_empty() && names {
            if kind != BucketKind::S3 {
                not_here(reader, &block.body, &S3_ONLY, "a bucket in S3");
            }
            let (name, prefix) = (name.to_owned(), prefix.to_owned());
            return StoreAt::Bucket(BucketConfig { kind, name, prefix, endpoint, account });
        }
    } else if let Some(path) = url.strip_prefix("file://").filter(|path| !path.is_empty()) {
        not_here(reader, &block.body, &S3_ONLY, "a store in a bucket");
        not_here(reader, &block.body, &["endpoint"], "a store in a bucket");
        return StoreAt::Folder(reader.folder().join(path));
    }
    let at = block.body.get_attribute("url").map(|given| &given.value);
    if let Some(at) = at {
        reader.wrong_with(
            at,
            "the store's url is not one of a folder or a bucket",
            Some(
                "url = \"s3://BUCKET/PREFIX\", \"gs://..\", \"az://CONTAINER/..\", \"file:///var/lib/roadworks\", or relative: \"file://.roadworks\""
                    .to_owned(),
            ),
        );
    }
    default
}

fn not_here<'a>(reader: &mut Reader<'a>, body: &'a Body, keys: &[&str], place: &str) {
    for given in keys.iter().filter_map(|key| body.get_attribute(key)) {
        reader.wrong(&given.key, format!("`{}` is for {place}", given.key.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::rig::{good, wrong};

    const SITE: &str = "site \"shop\" {\n  hosts = [\"a.example.com\"]\n  gateway {\n    listen = [\"127.0.0.1:0\"]\n    upstreams = [\"http://127.0.0.1:3000\"]\n  }\n}\n";

    #[test]
    fn a_bucket_and_the_folder_in_it_are_a_store() {
        let config = good(&format!(
            "store {{\n  url = \"s3://shop-roadworks/state/\"\n  region = \"eu-central-1\"\n}}\n{SITE}"
        ));
        let StoreAt::Bucket(bucket) = config.store else { panic!("{config:?}") };
        assert_eq!(bucket.url(), "s3://shop-roadworks/state");
        assert_eq!((bucket.name.as_str(), bucket.prefix.as_str()), ("shop-roadworks", "state"));
        assert_eq!(bucket.account.region.as_deref(), Some("eu-central-1"));
        let config = good(&format!("store {{\n  url = \"gs://b\"\n}}\n{SITE}"));
        let StoreAt::Bucket(bucket) = config.store else { panic!("{config:?}") };
        assert_eq!((bucket.kind, bucket.url().as_str()), (BucketKind::Google, "gs://b"));
    }

    #[test]
    fn what_is_neither_a_folder_nor_a_bucket_is_told_with_its_place() {
        for url in ["s3:///state", "s3://b/a//c", "s3://b/../c", "ftp://b", "file://", "b"] {
            let told = wrong(&format!("store {{\n  url = \"{url}\"\n}}\n{SITE}"));
            assert_eq!(told, ["2:9 the store's url is not one of a folder or a bucket"], "{url}");
        }
        let told = wrong(&format!("store {{\n  url = \"file://a\"\n  region = \"x\"\n}}\n{SITE}"));
        assert_eq!(told, ["3:3 `region` is for a store in a bucket"]);
        let told = wrong(&format!("store {{\n  url = \"gs://a\"\n  profile = \"x\"\n}}\n{SITE}"));
        assert_eq!(told, ["3:3 `profile` is for a bucket in S3"]);
    }
}
