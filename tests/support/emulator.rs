//! The emulators that script/test starts. A test that needs one fails without it: it is never left out in silence.

use std::env;
use std::process::Command;

use serde_json::{Value, json};

/// The AWS that does compare-and-swap right.
pub(crate) fn ministack() -> String {
    endpoint("ROADWORKS_TEST_MINISTACK", "ministack")
}

/// The AWS that says INSYNC at once, and would let anything be deleted: good for what is read, and for the way there.
pub(crate) fn moto() -> String {
    endpoint("ROADWORKS_TEST_MOTO", "moto")
}

/// AWS's own command line, which script/test installs.
pub(crate) fn aws_cli() -> String {
    endpoint("ROADWORKS_TEST_AWS", "the aws command")
}

fn endpoint(variable: &str, name: &str) -> String {
    env::var(variable).unwrap_or_else(|_| {
        panic!("this test needs {name}: run script/test, which installs and starts it, or set {variable} to where it is")
    })
}

/// What the `aws` command says of this at an emulator.
pub(crate) fn aws(endpoint: &str, words: &[&str]) -> Value {
    let mut command = Command::new(aws_cli());
    command.args(["--endpoint-url", endpoint, "--region", "us-east-1", "--output", "json"]);
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let done = command.args(words).output().unwrap();
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap_or_default()
}

/// A distribution of the maintenance page, made with this alternate name, if any: its id and its own name.
pub(crate) fn distribution(endpoint: &str, alias: Option<&str>, enabled: Enabled) -> [String; 2] {
    let aliases = alias.map(|alias| json!({ "Quantity": 1, "Items": [alias] }));
    let config = json!({
        "CallerReference": fastrand::u64(..).to_string(),
        "Comment": "", "Enabled": enabled == Enabled::Yes,
        "Aliases": aliases.unwrap_or_else(|| json!({ "Quantity": 0 })),
        "Origins": { "Quantity": 1, "Items": [{
            "Id": "page", "DomainName": "page.s3.amazonaws.com",
            "S3OriginConfig": { "OriginAccessIdentity": "" },
        }] },
        "DefaultCacheBehavior": {
            "TargetOriginId": "page", "ViewerProtocolPolicy": "redirect-to-https", "MinTTL": 0,
            "ForwardedValues": { "QueryString": false, "Cookies": { "Forward": "none" } },
        },
    });
    let words = ["cloudfront", "create-distribution", "--distribution-config", &config.to_string()];
    let made = aws(endpoint, &words);
    ["Id", "DomainName"].map(|key| made["Distribution"][key].as_str().unwrap().to_owned())
}

/// Whether a distribution is switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enabled {
    Yes,
    No,
}
