//! `page init`: the stack is one to real Terraform, and its function answers in CloudFront's events as it must.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::command::{Ran, roadworks, run};
use crate::support::emulator::{ministack, moto};
use crate::support::terraform::Terraform;

const CONFIG: &str = r#"
site "shop" {
  hosts = ["app.example.com", "*.shop.example.com"]
  gateway {
    listen    = ["127.0.0.1:8080"]
    upstreams = ["http://127.0.0.1:3000"]
  }
  page {
    message = "We are $${moving} to a bigger \"database\"."
  }
}
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("roadworks.hcl"), CONFIG).unwrap();
    folder
}

fn stack(folder: &Path, words: &[&str]) -> Ran {
    let mut command = roadworks(folder, "http://127.0.0.1:1", &[]);
    run(command.args([&["page", "init"], words].concat()))
}

/// What stands in the stack as the function's code, as Terraform reads it.
fn function(stack: &str) -> String {
    let (_, code) = stack.split_once("<<-JS\n").unwrap();
    let (code, _) = code.split_once("\n  JS\n").unwrap();
    code.replace("$${", "${").replace("%%{", "%{")
}

/// What the function makes of each event.
fn answers(events: &[Value]) -> Vec<Value> {
    let folder = folder();
    let code = function(&stack(folder.path(), &[]).exits(0).stdout);
    let script = format!(
        "{code}\nconsole.log(JSON.stringify({}.map(function (event) {{ return handler(event); }})));",
        json!(events)
    );
    let mut node = Command::new("node")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs node: run script/test, which installs it");
    node.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An event of a viewer's request (CloudFront Developer Guide, "Event structure").
fn asked(method: &str, uri: &str, headers: &Value) -> Value {
    let headers: serde_json::Map<_, _> = headers
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), json!({ "value": value })))
        .collect();
    json!({
        "version": "1.0",
        "context": { "distributionId": "E1", "eventType": "viewer-request", "requestId": "r" },
        "viewer": { "ip": "192.0.2.1" },
        "request": {
            "method": method, "uri": uri, "querystring": { "q": { "value": "1" } },
            "headers": headers, "cookies": { "session": { "value": "s" } },
        },
    })
}

/// The event of its answer, as the bucket gives it.
fn answered(method: &str, uri: &str) -> Value {
    let mut event = asked(method, uri, &json!({ "origin": "https://shop.example.com" }));
    event["context"]["eventType"] = "viewer-response".into();
    event["response"] = json!({
        "statusCode": 200, "statusDescription": "OK", "cookies": {},
        "headers": {
            "content-type": { "value": "text/html; charset=utf-8" },
            "content-encoding": { "value": "br" },
            "etag": { "value": "\"e\"" },
            "last-modified": { "value": "Mon, 23 Nov 2026 00:00:00 GMT" },
            "cache-control": { "value": "max-age=300" },
        },
    });
    event
}

#[test]
fn whatever_is_read_is_the_page_and_whatever_is_sent_is_answered_without_the_bucket() {
    let html = json!({ "accept": "text/html,*/*;q=0.8" });
    let sent = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let events: Vec<_> = ["GET", "HEAD"]
        .into_iter()
        .flat_map(|method| ["/", "/deep/path", "/main.js"].map(|uri| asked(method, uri, &html)))
        .chain(sent.map(|method| asked(method, "/robots.txt", &html)))
        .collect();
    let answers = answers(&events);
    for read in &answers[..6] {
        assert_eq!((&read["uri"], &read["querystring"]), (&json!("/en.html"), &json!({})));
    }
    for refused in &answers[6..] {
        assert_eq!(refused["statusCode"], 503, "{refused}");
        assert_eq!(refused["headers"]["cache-control"]["value"], "no-store");
        let wait: u32 =
            refused["headers"]["retry-after"]["value"].as_str().unwrap().parse().unwrap();
        assert!((120..=150).contains(&wait), "{wait}");
        let body = refused["body"]["data"].as_str().unwrap();
        assert!(body.starts_with("<!doctype html>") && body.contains("${moving}"), "{body}");
        assert!(body.contains("was not"), "it says that nothing was saved: {body}");
    }
}

#[test]
fn the_form_the_language_and_the_packing_are_the_visitors() {
    let page = |headers: &Value| asked("GET", "/a", headers);
    let spoken = |tag: &str, packed: &str| {
        page(&json!({ "accept": "text/html", "accept-language": tag, "accept-encoding": packed }))
    };
    let events = [
        spoken("de-CH,en;q=0.5", "gzip, deflate, br"),
        spoken("xx, en;q=0.2, fr;q=0.9", "gzip"),
        spoken("iw", "br;q=0, gzip;q=0"),
        page(&json!({ "accept": "application/json" })),
        page(&json!({ "accept": "text/plain", "accept-language": "ja" })),
        page(&json!({})),
        asked("GET", "/api/orders", &json!({ "accept": "*/*" })),
        page(&json!({ "accept": "text/html", "if-none-match": "\"e\"", "range": "bytes=0-1" })),
    ];
    let answers = answers(&events);
    let uris: Vec<_> = answers.iter().map(|answer| answer["uri"].as_str().unwrap()).collect();
    assert_eq!(
        uris,
        [
            "/de.html.br",
            "/fr.html.gz",
            "/he.html",
            "/problem.json",
            "/ja.txt",
            "/en.html",
            "/problem.json",
            "/en.html"
        ]
    );
    assert_eq!(answers[7]["headers"], json!({ "accept": { "value": "text/html" } }));
}

#[test]
fn what_the_bucket_answers_becomes_503_but_for_robots_and_the_status() {
    let passes = ["/robots.txt", "/.well-known/roadworks", "/status.json"];
    let events: Vec<_> = ["/en.html.br", "/deep/path"]
        .map(|uri| answered("GET", uri))
        .into_iter()
        .chain(passes.map(|uri| answered("GET", uri)))
        .chain(passes.map(|uri| asked("GET", uri, &json!({}))))
        .collect();
    let answers = answers(&events);
    for refused in &answers[..2] {
        assert_eq!(refused["statusCode"], 503);
        let headers = &refused["headers"];
        assert_eq!(headers["cache-control"]["value"], "no-store");
        assert_eq!(headers["content-encoding"]["value"], "br");
        assert_eq!(headers["access-control-allow-origin"]["value"], "https://shop.example.com");
        assert_eq!(headers["access-control-allow-credentials"]["value"], "true");
        assert!(headers["retry-after"]["value"].is_string());
        assert_eq!((&headers["etag"], &headers["last-modified"]), (&Value::Null, &Value::Null));
    }
    for (passed, event) in answers[2..5].iter().zip(&events[2..5]) {
        assert_eq!(passed, &event["response"]);
    }
    let uris: Vec<_> = answers[5..].iter().map(|passed| &passed["uri"]).collect();
    assert_eq!(uris, ["/robots.txt", "/status.json", "/status.json"]);
}

#[test]
fn a_site_without_hosts_is_asked_for_them_and_what_is_no_name_is_refused() {
    let folder = folder();
    let config = CONFIG.replace("hosts = [\"app.example.com\", \"*.shop.example.com\"]", "");
    fs::write(folder.path().join("roadworks.hcl"), config).unwrap();
    let refused = stack(folder.path(), &[]).exits(1);
    assert!(refused.stderr.contains("--domain shop.example.com"), "{refused:#?}");
    for wrong in ["shop", "a b.example.com", "${x}.example.com", "-a.example.com"] {
        assert!(stack(folder.path(), &["--domain", wrong]).exits(1).stdout.is_empty(), "{wrong}");
    }
    stack(folder.path(), &["--domain", "shop.example.com", "--name", "Shop"]).exits(1);
    let named = stack(folder.path(), &["--domain", "Shop.example.com", "--name", "p1"]).exits(0);
    assert!(named.stdout.contains("name  = \"p1\"\n  hosts = [\"shop.example.com\"]"));
}

/// An emulator's account, and its way to name a bucket.
const EMULATED: &str = r#"
provider "aws" {
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true
}
provider "aws" {
  alias                       = "us_east_1"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}
"#;

/// A folder with the stack in it, its parts called `name`, initialised.
fn page(site: &Path, terraform: &Terraform, name: &str) -> (tempfile::TempDir, Value) {
    let page = tempfile::tempdir().unwrap();
    let printed = stack(site, &["--json", "--name", name]).exits(0).json();
    fs::write(page.path().join("main.tf"), printed["stack"].as_str().unwrap()).unwrap();
    fs::write(page.path().join("emulated_override.tf"), EMULATED).unwrap();
    terraform.run(page.path(), "http://127.0.0.1:1", &["init", "-no-color"]).exits(0);
    (page, printed)
}

#[test]
fn the_stack_is_one_to_real_terraform() {
    let Some(terraform) = Terraform::here("page_stack::the_stack_is_one_to_real_terraform") else {
        return;
    };
    let site = folder();
    let (page, printed) = page(site.path(), &terraform, "shop-page");
    let tf = |words: &[&str]| terraform.run(page.path(), &moto(), words).exits(0);
    assert_eq!(tf(&["fmt", "-check", "main.tf"]).stdout, "");
    tf(&["validate", "-no-color"]);
    tf(&["plan", "-out", "plan", "-no-color", "-var", "zone_id=Z1"]);
    let changes = changes(&tf(&["show", "-json", "plan"]).stdout);
    let after = |address: &str| {
        let found = changes.iter().find(|change| change["address"] == address);
        found.unwrap_or_else(|| panic!("no {address}"))["change"]["after"].clone()
    };
    let distribution = after("aws_cloudfront_distribution.page");
    assert_eq!(distribution["aliases"], json!(["*.shop.example.com", "app.example.com"]));
    let errors = distribution["custom_error_response"].as_array().unwrap();
    assert!(errors.iter().all(|error| error["error_caching_min_ttl"] == 0), "{errors:?}");
    let code = after("aws_cloudfront_function.page")["code"].as_str().unwrap().to_owned();
    assert_eq!(code.trim_end(), function(printed["stack"].as_str().unwrap()).trim_end());
    assert!(code.len() <= 10 * 1024, "{}", code.len());
    let proven = r#"aws_route53_record.certificate["app.example.com"]"#;
    assert_eq!(after(proven)["zone_id"], "Z1");
}

fn changes(plan: &str) -> Vec<Value> {
    let plan: Value = serde_json::from_str(plan).unwrap();
    plan["resource_changes"].as_array().unwrap().clone()
}

#[test]
fn what_is_published_goes_where_the_stack_reads_and_terraform_sees_no_change_of_it() {
    let test = "page_stack::what_is_published_goes_where_the_stack_reads_and_terraform_sees_no_change_of_it";
    let Some(terraform) = Terraform::here(test) else {
        return;
    };
    let (site, endpoint) = (folder(), ministack());
    let name = format!("page-{:08x}", fastrand::u32(..));
    let (page, _) = page(site.path(), &terraform, &name);
    let tf = |words: &[&str]| terraform.run(page.path(), &endpoint, words).exits(0);
    tf(&["apply", "-auto-approve", "-no-color"]);
    let output = |name: &str| tf(&["output", "-raw", name]).stdout;
    let (place, first, second) =
        (output("publish"), output("distribution"), output("status_distribution"));
    let words =
        ["--json", "page", "publish", &place, "--distribution", &first, "--distribution", &second];
    let done = run(roadworks(site.path(), &endpoint, &[]).args(words)).exits(0).json();
    assert_eq!(done["warnings"], json!([]), "both read from the bucket, are enabled and deployed");
    let invalidations = done["invalidations"].as_array().unwrap().iter();
    let told: Vec<_> = invalidations.map(|made| (&made["distribution"], &made["path"])).collect();
    assert_eq!(told, [(&json!(first), &json!("/*")), (&json!(second), &json!("/*"))]);

    tf(&["plan", "-out", "plan", "-no-color"]);
    let changes = changes(&tf(&["show", "-json", "plan"]).stdout);
    // ministack gives blocks of these back that nobody wrote, empty.
    let known_wrong = "aws_cloudfront_response_headers_policy";
    let seen = changes.iter().filter(|change| change["change"]["actions"] != json!(["no-op"]));
    let seen: Vec<_> = seen.filter(|change| change["type"] != known_wrong).collect();
    assert_eq!(seen, Vec::<&Value>::new());
}
