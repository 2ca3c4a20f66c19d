//! `page publish`: into buckets of the emulators, with a CloudFront of our own in front where none of them has what is tried.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, ObjectStore, ObjectStoreExt as _, PutOptions,
};
use serde_json::{Value, json};

use crate::support::bucket::made;
use crate::support::cloudfront::{CloudFront, Distribution};
use crate::support::command::{Ran, roadworks, run};
use crate::support::emulator::{ministack, moto};
use crate::support::http::call;
use crate::support::s3;

const CONFIG: &str = r#"
site "shop" {
  hosts = ["app.example.com"]
  gateway {
    listen    = ["127.0.0.1:8080"]
    upstreams = ["http://127.0.0.1:3000"]
  }
}
"#;
/// Twelve languages as a page and as text, the index, problem, nano, robots, status; each packed in two ways.
const ALL: usize = (2 * 12 + 5) * 3;

struct Publisher {
    folder: tempfile::TempDir,
    endpoint: String,
    bucket: String,
}

impl Publisher {
    fn at(endpoint: &str) -> Publisher {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("roadworks.hcl"), CONFIG).unwrap();
        Publisher { folder, endpoint: endpoint.to_owned(), bucket: made(endpoint) }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = roadworks(self.folder.path(), &self.endpoint, &[]);
        command.args(["page", "publish"]).args(words);
        command
    }

    fn publish(&self, words: &[&str]) -> Ran {
        let place = format!("s3://{}", self.bucket);
        run(&mut self.command(&[&[place.as_str()], words].concat()))
    }

    /// With CloudFront elsewhere.
    fn behind(&self, front: &CloudFront, words: &[&str]) -> Ran {
        let place = format!("s3://{}", self.bucket);
        let mut command = self.command(&[&[place.as_str()], words].concat());
        run(command.env("AWS_ENDPOINT_URL_CLOUDFRONT", &front.endpoint))
    }

    fn objects(&self) -> Arc<dyn ObjectStore> {
        let store = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region("us-east-1")
            .with_endpoint(&self.endpoint)
            .with_allow_http(true)
            .with_access_key_id("test")
            .with_secret_access_key("test")
            .build();
        Arc::new(store.unwrap())
    }

    /// A distribution that reads from the bucket.
    fn distribution(&self) -> Distribution {
        let origin = (format!("{}.s3.us-east-1.amazonaws.com", self.bucket), "");
        Distribution {
            origin,
            ..Distribution::new("E1", "d1.cloudfront.net", &["app.example.com"])
        }
    }
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_object_has_its_type_its_coding_and_how_long_it_may_be_kept() {
    for endpoint in [ministack(), moto()] {
        let publisher = Publisher::at(&endpoint);
        let done = publisher.publish(&["--json"]).exits(0).json();
        assert_eq!(names(&done["written"]).len(), ALL);
        assert_eq!((&done["unchanged"], &done["invalidations"]), (&json!([]), &json!([])));
        for (name, kind, coding, kept) in [
            ("index.html", "text/html; charset=utf-8", None, "no-store"),
            ("de.html.br", "text/html; charset=utf-8", Some("br"), "no-store"),
            ("ja.txt.gz", "text/plain; charset=utf-8", Some("gzip"), "no-store"),
            ("problem.json", "application/problem+json", None, "no-store"),
            ("robots.txt", "text/plain; charset=utf-8", None, "public, max-age=300"),
            ("status.json", "application/json", None, "public, max-age=5"),
        ] {
            let found = publisher.objects().get(&Path::from(name)).await.unwrap();
            let of = |attribute| found.attributes.get(&attribute).map(|value| value.to_string());
            assert_eq!(of(Attribute::ContentType).as_deref(), Some(kind), "{name}");
            assert_eq!(of(Attribute::ContentEncoding).as_deref(), coding, "{name}");
            assert_eq!(of(Attribute::CacheControl).as_deref(), Some(kept), "{name}");
        }
    }
}

#[tokio::test]
async fn only_what_differs_in_content_or_in_a_header_is_written_again() {
    let publisher = Publisher::at(&ministack());
    publisher.publish(&[]).exits(0);
    let again = publisher.publish(&["--json"]).exits(0).json();
    assert_eq!((names(&again["written"]).len(), names(&again["unchanged"]).len()), (0, ALL));

    let objects = publisher.objects();
    let there = |name: &'static str| {
        let objects = Arc::clone(&objects);
        async move {
            let found = objects.get_opts(&Path::from(name), GetOptions::default()).await.unwrap();
            (found.attributes.clone(), found.bytes().await.unwrap())
        }
    };
    // A header alone, and a byte alone.
    let (mut attributes, content) = there("fr.html").await;
    attributes.insert(Attribute::CacheControl, "max-age=86400".into());
    let options = PutOptions { attributes, ..PutOptions::default() };
    objects.put_opts(&Path::from("fr.html"), content.into(), options).await.unwrap();
    let (attributes, content) = there("nl.txt").await;
    let mut content = content.to_vec();
    content[0] ^= 1;
    let options = PutOptions { attributes, ..PutOptions::default() };
    objects.put_opts(&Path::from("nl.txt"), content.into(), options).await.unwrap();
    objects.put(&Path::from("mine.html"), "mine".into()).await.unwrap();
    let mended = publisher.publish(&["--json"]).exits(0).json();
    assert_eq!(names(&mended["written"]), ["fr.html", "nl.txt"]);

    let opened = publisher.publish(&["--json", "--status", "open"]).exits(0).json();
    assert_eq!(names(&opened["written"]), ["status.json", "status.json.br", "status.json.gz"]);
    let (_, status) = there("status.json").await;
    let status: Value = serde_json::from_slice(&status).unwrap();
    assert_eq!(status, json!({ "mode": "open", "until": null }));
    let (_, mine) = there("mine.html").await;
    assert_eq!(&mine[..], b"mine", "what is not the page's stays");
}

#[tokio::test]
async fn a_folder_in_the_bucket_and_ones_own_robots_are_taken() {
    let publisher = Publisher::at(&ministack());
    fs::write(publisher.folder.path().join("robots"), "User-agent: *\nDisallow: /cart\n").unwrap();
    let place = format!("s3://{}/site/page/", publisher.bucket);
    let words = [place.as_str(), "--robots", "robots"];
    let done = run(&mut publisher.command(&words)).exits(0);
    assert!(done.stdout.contains("written      robots.txt\n"), "{done:#?}");
    let robots = publisher.objects().get(&Path::from("site/page/robots.txt")).await.unwrap();
    assert!(robots.bytes().await.unwrap().ends_with(b"Disallow: /cart\n"));

    let mut front = publisher.distribution();
    front.origin.1 = "/site";
    let front = CloudFront::start(vec![front]);
    let words = [&words[..], &["--json", "--distribution", "E1"]].concat();
    let mut command = publisher.command(&words);
    let done = run(command.env("AWS_ENDPOINT_URL_CLOUDFRONT", &front.endpoint)).exits(0).json();
    assert_eq!(done["invalidations"][0]["path"], "/page/*");
}

#[test]
fn an_invalidation_is_followed_to_its_end_and_found_again_by_running_again() {
    let publisher = Publisher::at(&ministack());
    let front = CloudFront::start(vec![publisher.distribution()]);
    front.now().busy = 1_000;
    let words = ["--distribution", "E1", "--json"];
    let gave_up = publisher.behind(&front, &[&words[..], &["--timeout", "4s"]].concat()).exits(5);
    let error = gave_up.error();
    assert_eq!(error["code"], "unconfirmed");
    assert!(
        error["message"].as_str().unwrap().contains("I1 of E1 is still in progress"),
        "{error}"
    );
    assert!(error["hint"].as_str().unwrap().contains("run the same command again"), "{error}");

    // However often it is throttled meanwhile.
    (front.now().busy, front.now().throttled) = (2, 2);
    let done = publisher.behind(&front, &words).exits(0).json();
    assert_eq!(names(&done["written"]).len(), 0);
    let made = json!([{ "id": "I1", "distribution": "E1", "path": "/*", "status": "Completed" }]);
    assert_eq!(done["invalidations"], made);
    assert_eq!(front.now().invalidations.len(), 1, "it is the one that was made before");

    // Another state is another invalidation, though CloudFront has no time for it at first.
    front.now().full = 4;
    let words = [&words[..], &["--status", "open"]].concat();
    let done = publisher.behind(&front, &words).exits(0).json();
    assert_eq!(done["invalidations"][0]["id"], "I2");
}

#[tokio::test]
async fn a_distribution_that_is_not_there_ends_it_before_anything_is_written_and_one_in_bad_order_is_told()
 {
    let publisher = Publisher::at(&ministack());
    let mut one = publisher.distribution();
    (one.enabled, one.status) = (false, "InProgress");
    one.origin.0 = "other-bucket.s3.us-east-1.amazonaws.com".to_owned();
    let front = CloudFront::start(vec![one]);
    let refused = publisher.behind(&front, &["--distribution", "E9"]).exits(1);
    assert!(refused.stderr.contains("NoSuchDistribution"), "{refused:#?}");
    front.now().denied = vec!["GET /2020-05-31/distribution/E1"];
    let denied = publisher.behind(&front, &["--distribution", "E1"]).exits(4);
    assert!(denied.stderr.contains("allow cloudfront:GetDistribution on"), "{denied:#?}");
    let none = publisher.objects().head(&Path::from("index.html")).await;
    assert!(matches!(none, Err(object_store::Error::NotFound { .. })), "{none:?}");

    front.now().denied.clear();
    let done = publisher.behind(&front, &["--distribution", "E1"]).exits(0);
    for told in [
        "E1 (d1.cloudfront.net) is disabled",
        "is still being deployed",
        "does not read from s3://",
    ] {
        assert!(done.stderr.contains(told), "{told}: {done:#?}");
    }
}

#[tokio::test]
async fn a_bucket_to_which_everybody_may_write_is_refused_before_anything_is_written() {
    let acl = r#"<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>WRITE</Permission></Grant></AccessControlList></AccessControlPolicy>"#;
    let block = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    let by_acl = Publisher::at(&moto());
    let by_policy = Publisher::at(&ministack());
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Sid": "Open", "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:Put*"],
          "Resource": format!("arn:aws:s3:::{}/*", by_policy.bucket) },
    ] });
    for (publisher, what, body, how) in [
        (&by_acl, "acl", acl.to_owned(), "its ACL grants WRITE to AllUsers"),
        (&by_policy, "policy", policy.to_string(), "its policy says so (Open)"),
    ] {
        let set = |what: &str, body: &str| {
            let path = format!("/{}?{what}", publisher.bucket);
            let (status, answer) = call(&publisher.endpoint, "PUT", &path, body);
            assert!(matches!(status, 200 | 204), "{what}: {status} {answer}");
        };
        set(what, &body);
        let error = publisher.publish(&["--json"]).exits(3).error();
        assert_eq!(error["code"], "public-write");
        assert!(error["message"].as_str().unwrap().ends_with(how), "{error}");
        let none = publisher.objects().head(&Path::from("index.html")).await;
        assert!(matches!(none, Err(object_store::Error::NotFound { .. })), "{none:?}");
        // A block makes S3 pass over both.
        set("publicAccessBlock", block);
        publisher.publish(&[]).exits(0);
    }
}

#[test]
fn a_right_that_is_missing_is_named_with_its_action_and_what_cannot_be_looked_at_is_a_warning() {
    let s3 = s3::start(s3::Flaw::HidesWhatIsNotThere);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("roadworks.hcl"), CONFIG).unwrap();
    let mut command = roadworks(folder.path(), &s3.endpoint, &[]);
    let denied = run(command.args(["page", "publish", "s3://shop-page"])).exits(4);
    for told in [
        "allow s3:GetBucketAcl on arn:aws:s3:::shop-page",
        "allow s3:GetBucketPublicAccessBlock on arn:aws:s3:::shop-page",
        "hint: allow s3:GetObject on arn:aws:s3:::shop-page/*, and s3:ListBucket",
    ] {
        assert!(denied.stderr.contains(told), "{told}: {denied:#?}");
    }
    assert!(!s3.asked().iter().any(|asked| asked.starts_with("PUT")));
}

#[test]
fn a_folder_of_this_machine_is_a_place_too_and_a_bucket_that_is_none_is_refused() {
    let publisher = Publisher::at(&ministack());
    let done = run(&mut publisher.command(&["public", "--json"])).exits(0).json();
    assert_eq!(done["files"].as_array().unwrap().len(), ALL);
    let robots = fs::read_to_string(publisher.folder.path().join("public/robots.txt")).unwrap();
    assert_eq!(robots, "User-agent: *\nDisallow:\n");
    for wrong in [
        &["gs://bucket"][..],
        &["public", "--distribution", "E1"],
        &["s3://Bucket"],
        &["s3://b//c"],
    ] {
        run(&mut publisher.command(wrong)).exits(1);
    }
    let nowhere = run(&mut publisher.command(&["s3://nobody-has-this-bucket"])).exits(1);
    assert!(nowhere.stderr.contains("NoSuchBucket"), "{nowhere:#?}");
}

#[test]
fn a_profile_that_is_named_is_the_only_one_asked() {
    let publisher = Publisher::at(&ministack());
    let broken = publisher.publish(&["--profile", "page"]).exits(4);
    assert!(broken.stderr.contains("page"), "{broken:#?}");
}

/// Attributes are compared as a whole: one that is not ours counts too.
#[tokio::test]
async fn an_object_that_says_more_than_ours_is_written_again() {
    let publisher = Publisher::at(&ministack());
    publisher.publish(&[]).exits(0);
    let objects = publisher.objects();
    let found = objects.get(&Path::from("en.html")).await.unwrap();
    let mut attributes: Attributes = found.attributes.clone();
    attributes.insert(Attribute::ContentLanguage, "tlh".into());
    let options = PutOptions { attributes, ..PutOptions::default() };
    let content = found.bytes().await.unwrap();
    objects.put_opts(&Path::from("en.html"), content.into(), options).await.unwrap();
    let done = publisher.publish(&["--json"]).exits(0).json();
    assert_eq!(names(&done["written"]), ["en.html"]);
}
